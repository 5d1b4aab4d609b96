/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the witness remembers: the file as it was left, cut, altered, shared, without room. */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "witness/ledger.h"

#define LINE 128

static char dir[] = "/tmp/hagate-ledger-XXXXXX", path[sizeof(dir) + 8];
static const uint8_t home[HG_SERVE_ID_LEN] = { 0xaa, 1 }, away[HG_SERVE_ID_LEN] = { 0xbb, 2 };
static struct hg_ledger *ledger;
static int err;

static void open_it(void)
{
	hg_ledger_free(ledger);
	assert_int_equal(hg_ledger_open(dir, false, &ledger, &err), 0);
}

static int setup(void **context)
{
	(void)context;
	unlink(path);
	ledger = NULL;
	open_it();
	assert_int_equal(err, -ENOENT);
	assert_int_equal(hg_ledger_lease_ms(ledger), 0);
	assert_int_equal(hg_ledger_add(ledger, home, 0), 0);
	assert_int_equal(hg_ledger_add(ledger, home, 0), 0); /* known already */
	assert_int_equal(hg_ledger_add(ledger, away, 0), 0);
	assert_int_equal(hg_ledger_write(ledger, 1000), 0);
	assert_int_equal(hg_ledger_run(ledger), 0);
	return 0;
}

static int teardown(void **context)
{
	(void)context;
	hg_ledger_free(ledger);
	ledger = NULL;
	return 0;
}

static void wait_for_outcome(int expected)
{
	struct pollfd fd = { .fd = hg_ledger_fd(ledger), .events = POLLIN };

	assert_int_equal(poll(&fd, 1, 60000), 1);
	assert_int_equal(hg_ledger_outcome(ledger), expected);
}

static void write_at(off_t at, const char *text, size_t length)
{
	FILE *file = fopen(path, "r+");

	assert_non_null(file);
	assert_int_equal(fseek(file, at, SEEK_SET), 0);
	assert_int_equal(fwrite(text, 1, length, file), length);
	fclose(file);
}

static void test_remembers(void **context)
{
	struct stat st;

	(void)context;
	hg_ledger_put(ledger, home, 0, 0x501);
	wait_for_outcome(0);
	hg_ledger_put(ledger, away, 0, UINT64_MAX);
	hg_ledger_put(ledger, home, 0, 0x602);
	hg_ledger_set_lease(ledger, 20);
	open_it();
	assert_int_equal(err, 0);
	assert_int_equal(hg_ledger_lease_ms(ledger), 20);
	assert_int_equal(hg_ledger_epoch(ledger, home, 0), 0x602);
	assert_true(hg_ledger_epoch(ledger, away, 0) == UINT64_MAX);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(st.st_size, 3 * LINE);
}

/* Written before _put returns: a process killed right then has it. */
static void test_killed(void **context)
{
	pid_t pid;
	int status;

	(void)context;
	hg_ledger_free(ledger);
	ledger = NULL;
	pid = fork();
	if (!pid) {
		if (hg_ledger_open(dir, false, &ledger, &err) || err || hg_ledger_run(ledger))
			_exit(1);
		hg_ledger_put(ledger, home, 0, 0x705);
		kill(getpid(), SIGKILL);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	open_it();
	assert_int_equal(err, 0);
	assert_int_equal(hg_ledger_epoch(ledger, home, 0), 0x705);
}

/* Whatever octet is changed: that line counts for nothing, the others stay. */
static void test_altered(void **context)
{
	char octets[3 * LINE];
	FILE *file;

	(void)context;
	hg_ledger_put(ledger, home, 0, 0x501);
	hg_ledger_put(ledger, away, 0, 0x901);
	open_it();
	file = fopen(path, "r");
	assert_int_equal(fread(octets, 1, sizeof(octets), file), sizeof(octets));
	fclose(file);
	for (unsigned int i = 0; i < sizeof(octets); i++) {
		char wrong = octets[i] ^ 1;

		write_at(i, &wrong, 1);
		open_it();
		assert_int_equal(err, -EBADMSG);
		assert_int_equal(hg_ledger_damaged(ledger), 1);
		assert_int_equal(hg_ledger_lease_ms(ledger), i < LINE ? 0 : 1000);
		assert_int_equal(hg_ledger_epoch(ledger, home, 0), i / LINE == 1 ? 0 : 0x501);
		assert_int_equal(hg_ledger_epoch(ledger, away, 0), i / LINE == 2 ? 0 : 0x901);
		write_at(i, &octets[i], 1);
	}
	open_it();
	assert_int_equal(err, 0);
}

static void test_cut(void **context)
{
	(void)context;
	hg_ledger_put(ledger, home, 0, 0x501);
	for (unsigned int length = 0; length < 3 * LINE; length += 37) {
		hg_ledger_free(ledger);
		ledger = NULL;
		assert_int_equal(truncate(path, length), 0);
		open_it();
		assert_int_equal(err, !length ? -ENOENT : length % LINE ? -EBADMSG : 0);
		assert_int_equal(hg_ledger_lease_ms(ledger), length < LINE ? 0 : 1000);
		hg_ledger_add(ledger, home, 0);
		hg_ledger_add(ledger, away, 0);
		assert_int_equal(hg_ledger_write(ledger, 1000), 0);
		assert_int_equal(hg_ledger_run(ledger), 0);
		hg_ledger_put(ledger, home, 0, 0x501);
	}
}

static void test_shared(void **context)
{
	struct hg_ledger *other;
	int other_err;

	(void)context;
	assert_int_equal(hg_ledger_open(dir, false, &other, &other_err), 0);
	assert_int_equal(other_err, -EWOULDBLOCK);
	hg_ledger_free(other);
	hg_ledger_put(ledger, home, 0, 0x501);
	assert_int_equal(hg_ledger_open(dir, true, &other, &other_err), 0);
	assert_int_equal(other_err, 0);
	assert_int_equal(hg_ledger_epoch(other, home, 0), 0x501);
	hg_ledger_free(other);
}

/* A disk without room: told, remembered in memory, and written as soon as there is room. */
static void test_no_room(void **context)
{
	struct rlimit none = { LINE, RLIM_INFINITY }, before;

	(void)context;
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &before);
	setrlimit(RLIMIT_FSIZE, &none);
	hg_ledger_put(ledger, home, 0, 0x501);
	wait_for_outcome(-EFBIG);
	hg_ledger_retry(ledger);
	wait_for_outcome(-EFBIG);
	setrlimit(RLIMIT_FSIZE, &before);
	hg_ledger_retry(ledger);
	wait_for_outcome(0);
	open_it();
	assert_int_equal(hg_ledger_epoch(ledger, home, 0), 0x501);
}

/* Without a directory it is a memory that ends with the process. */
static void test_no_directory(void **context)
{
	struct hg_ledger *other;
	int other_err;

	(void)context;
	assert_int_equal(hg_ledger_open("/nonexistent", false, &other, &other_err), 0);
	assert_int_equal(other_err, -ENOENT);
	assert_int_equal(hg_ledger_add(other, home, 0), 0);
	assert_int_equal(hg_ledger_write(other, 1000), -ENOENT);
	assert_int_equal(hg_ledger_run(other), 0);
	hg_ledger_put(other, home, 0, 0x501);
	assert_int_equal(hg_ledger_epoch(other, home, 0), 0x501);
	hg_ledger_free(other);
	assert_int_equal(hg_ledger_open("/nonexistent", true, &other, &other_err), 0);
	assert_int_equal(hg_ledger_open_error(other), -ENOENT);
	hg_ledger_free(other);
}

/* One that comes while it runs is used from then on. */
static void test_directory_comes(void **context)
{
	struct hg_ledger *other;
	char late[64];
	int other_err;

	(void)context;
	snprintf(late, sizeof(late), "%s/late", dir);
	assert_int_equal(hg_ledger_open(late, false, &other, &other_err), 0);
	assert_int_equal(hg_ledger_add(other, home, 0), 0);
	assert_int_equal(hg_ledger_write(other, 1000), -ENOENT);
	assert_int_equal(hg_ledger_run(other), 0);
	hg_ledger_set_lease(other, 1000);
	hg_ledger_put(other, home, 0, 0x501);
	hg_ledger_free(ledger);
	ledger = other; /* for wait_for_outcome() */
	hg_ledger_retry(ledger);
	wait_for_outcome(-ENOENT);
	assert_int_equal(mkdir(late, 0700), 0);
	hg_ledger_retry(ledger);
	wait_for_outcome(-ENOENT); /* opened, not written yet */
	wait_for_outcome(0);
	hg_ledger_free(ledger);
	assert_int_equal(hg_ledger_open(late, true, &ledger, &other_err), 0);
	assert_int_equal(other_err, 0);
	assert_int_equal(hg_ledger_epoch(ledger, home, 0), 0x501);
	assert_int_equal(hg_ledger_lease_ms(ledger), 1000);
	snprintf(late, sizeof(late), "%s/late/state", dir);
	assert_int_equal(unlink(late), 0);
	snprintf(late, sizeof(late), "%s/late", dir);
	assert_int_equal(rmdir(late), 0);
}

static void test_not_a_file(void **context)
{
	(void)context;
	hg_ledger_free(ledger);
	ledger = NULL;
	unlink(path);
	assert_int_equal(mkfifo(path, 0600), 0);
	open_it();
	assert_int_equal(err, -EINVAL);
	unlink(path);
	assert_int_equal(symlink("/dev/null", path), 0);
	open_it();
	assert_int_equal(err, -ELOOP);
}

static void test_bounded(void **context)
{
	uint8_t id[HG_SERVE_ID_LEN] = { 7 };

	(void)context;
	for (unsigned int i = 2; i < HG_SERVE_CLUSTERS_MAX; i++) {
		id[1] = i;
		assert_int_equal(hg_ledger_add(ledger, id, 0), 0);
	}
	id[1] = 0;
	assert_int_equal(hg_ledger_add(ledger, id, 0), -ENOSPC);
	assert_int_equal(hg_ledger_write(ledger, 1000), 0);
	open_it();
	assert_int_equal(err, 0);
}

static int make_dir(void **context)
{
	(void)context;
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/state", dir);
	return 0;
}

static int remove_dir(void **context)
{
	(void)context;
	unlink(path);
	return rmdir(dir);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_remembers),  TEST(test_killed),	   TEST(test_altered),
		TEST(test_cut),	       TEST(test_shared),	   TEST(test_no_room),
		TEST(test_bounded),    TEST(test_directory_comes), TEST(test_no_directory),
		TEST(test_not_a_file),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
