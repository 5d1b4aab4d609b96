// SPDX-License-Identifier: GPL-2.0-or-later
/* The state files: damage at every octet, a full and a read-only disk, and a writer
 * that is killed at every system call. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "agent/store.h"

static char dir[64];

static int set_up(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/hagate-store-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int tear_down(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command);
}

static const char *path(const char *name)
{
	static char text[PATH_MAX];

	snprintf(text, sizeof(text), "%s/%s", dir, name);
	return text;
}

static size_t slurp(const char *name, char *text, size_t size)
{
	FILE *file = fopen(path(name), "r");
	size_t length;

	assert_non_null(file);
	length = fread(text, 1, size, file);
	fclose(file);
	return length;
}

static void spill(const char *name, const char *text, size_t length)
{
	FILE *file = fopen(path(name), "w");

	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, length, file), length);
	fclose(file);
}

static void test_round_trip(void **state)
{
	uint64_t counter = 7;
	bool is_on = false;

	(void)state;
	assert_int_equal(hg_store_read_epoch(dir, &counter), -ENOENT);
	assert_int_equal(counter, 7);
	assert_int_equal(hg_store_read_maintenance(dir, &is_on), -ENOENT);
	assert_int_equal(hg_store_write_epoch(dir, 1024), 0);
	assert_int_equal(hg_store_read_epoch(dir, &counter), 0);
	assert_int_equal(counter, 1024);
	assert_int_equal(hg_store_write_epoch(dir, HG_STORE_COUNTER_MAX), 0);
	assert_int_equal(hg_store_read_epoch(dir, &counter), 0);
	assert_true(counter == HG_STORE_COUNTER_MAX);
	assert_int_equal(hg_store_write_epoch(dir, HG_STORE_COUNTER_MAX + 1), -EINVAL);
	assert_int_equal(hg_store_write_maintenance(dir, true), 0);
	assert_int_equal(hg_store_read_maintenance(dir, &is_on), 0);
	assert_true(is_on);
	assert_int_equal(hg_store_write_maintenance(dir, false), 0);
	assert_int_equal(hg_store_read_maintenance(dir, &is_on), 0);
	assert_false(is_on);
}

static void test_reservation_never_goes_back(void **state)
{
	uint64_t counter;

	(void)state;
	assert_int_equal(hg_store_write_epoch(dir, 5000), 0);
	assert_int_equal(hg_store_write_epoch(dir, 4999), 0);
	assert_int_equal(hg_store_read_epoch(dir, &counter), 0);
	assert_int_equal(counter, 5000);
}

static void test_reservation(void **state)
{
	(void)state;
	assert_int_equal(hg_store_reserve(0), 1024);
	assert_int_equal(hg_store_reserve(5000), 6024);
	assert_true(hg_store_reserve(HG_STORE_COUNTER_MAX - 1) == HG_STORE_COUNTER_MAX);
	assert_false(hg_store_is_low(5000, 6024));
	assert_false(hg_store_is_low(5512, 6024));
	assert_true(hg_store_is_low(5513, 6024));
	assert_true(hg_store_is_low(6025, 6024));
}

static void test_cut_at_every_length(void **state)
{
	char text[256];
	size_t length;

	(void)state;
	assert_int_equal(hg_store_write_epoch(dir, 123456), 0);
	length = slurp("epoch", text, sizeof(text));
	assert_true(length > 40 && length < 200);
	for (size_t cut = 0; cut <= length + 1; cut++) {
		uint64_t counter = 7;

		text[length] = '\n';
		spill("epoch", text, cut);
		assert_int_equal(hg_store_read_epoch(dir, &counter), cut == length ? 0 : -EBADMSG);
		assert_int_equal(counter, cut == length ? 123456 : 7);
	}
	/* A damaged file does not stand in the way of the next reservation. */
	spill("epoch", text, 10);
	assert_int_equal(hg_store_write_epoch(dir, 99), 0);
	length = slurp("epoch", text, sizeof(text));
	spill("maintenance", text, length);
	assert_int_equal(hg_store_read_maintenance(dir, &(bool){ false }), -EBADMSG);
}

static void test_every_octet_altered(void **state)
{
	char text[256];
	size_t length;

	(void)state;
	assert_int_equal(hg_store_write_epoch(dir, 123456), 0);
	length = slurp("epoch", text, sizeof(text));
	for (size_t at = 0; at < length; at++) {
		for (int bit = 0; bit < 8; bit++) {
			uint64_t counter = 7;

			text[at] ^= 1 << bit;
			spill("epoch", text, length);
			assert_int_equal(hg_store_read_epoch(dir, &counter), -EBADMSG);
			assert_int_equal(counter, 7);
			text[at] ^= 1 << bit;
		}
	}
	memset(text, 0, sizeof(text));
	spill("epoch", text, length);
	assert_int_equal(hg_store_read_epoch(dir, &(uint64_t){ 0 }), -EBADMSG);
	spill("epoch", text, sizeof(text));
	assert_int_equal(hg_store_read_epoch(dir, &(uint64_t){ 0 }), -EBADMSG);
}

static void test_not_a_file(void **state)
{
	uint64_t counter;

	(void)state;
	assert_int_equal(mkdir(path("epoch"), 0700), 0);
	assert_int_equal(hg_store_read_epoch(dir, &counter), -EISDIR);
	assert_true(hg_store_write_epoch(dir, 1) < 0);
	assert_int_equal(rmdir(path("epoch")), 0);
	assert_int_equal(mkfifo(path("epoch"), 0600), 0);
	assert_int_equal(hg_store_read_epoch(dir, &counter), -EBADMSG); /* and does not block */
	assert_int_equal(unlink(path("epoch")), 0);
	assert_int_equal(symlink("/etc/passwd", path("epoch")), 0);
	assert_int_equal(hg_store_read_epoch(dir, &counter), -ELOOP);
	assert_int_equal(hg_store_write_epoch(dir, 1), 0); /* replaces the link itself */
	assert_int_equal(hg_store_read_epoch(dir, &counter), 0);
}

static void test_prepare(void **state)
{
	char deep[128];
	struct stat st;

	(void)state;
	snprintf(deep, sizeof(deep), "%s/a/b/c", dir);
	assert_int_equal(hg_store_prepare(deep), 0);
	assert_int_equal(hg_store_prepare(deep), 0);
	assert_int_equal(stat(deep, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(hg_store_write_epoch(deep, 1), 0);
	spill("file", "x", 1);
	assert_int_equal(hg_store_prepare(path("file")), -ENOTDIR);
	assert_int_equal(hg_store_prepare(""), -EINVAL);
	assert_int_equal(hg_store_read_epoch(path("none"), &(uint64_t){ 0 }), -ENOENT);
	assert_int_equal(hg_store_write_epoch(path("none"), 1), -ENOENT);
}

/* In a mount namespace of its own, so that nothing stays mounted. */
static void on_tmpfs(void (*body)(void))
{
	int status;
	pid_t pid;

	if (geteuid()) {
		fprintf(stderr, "skipped: mounting needs root\n");
		skip();
	}
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
		    mount("tmpfs", dir, "tmpfs", 0, "size=64k"))
			_exit(2);
		body();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

#define CHECK(condition)                                                           \
	do {                                                                       \
		if (!(condition)) {                                                \
			fprintf(stderr, "%d: failed: %s\n", __LINE__, #condition); \
			_exit(1);                                                  \
		}                                                                  \
	} while (0)

static void full_disk(void)
{
	static char octets[128 * 1024];
	uint64_t counter;
	bool is_on;
	int fd;

	CHECK(hg_store_write_epoch(dir, 2048) == 0);
	CHECK(hg_store_write_maintenance(dir, true) == 0);
	fd = open(path("filler"), O_WRONLY | O_CREAT, 0600);
	while (write(fd, octets, sizeof(octets)) > 0)
		;
	CHECK(hg_store_write_epoch(dir, 4096) == -ENOSPC);
	CHECK(hg_store_write_maintenance(dir, false) == -ENOSPC);
	CHECK(hg_store_read_epoch(dir, &counter) == 0 && counter == 2048);
	CHECK(hg_store_read_maintenance(dir, &is_on) == 0 && is_on);
	CHECK(access(path(".epoch.tmp"), F_OK) < 0);
	CHECK(ftruncate(fd, 0) == 0);
	CHECK(hg_store_write_epoch(dir, 4096) == 0);
	CHECK(hg_store_read_epoch(dir, &counter) == 0 && counter == 4096);
}

static void test_full_disk(void **state)
{
	(void)state;
	on_tmpfs(full_disk);
}

static void read_only_disk(void)
{
	uint64_t counter;

	CHECK(hg_store_write_epoch(dir, 2048) == 0);
	CHECK(mount("tmpfs", dir, "tmpfs", MS_REMOUNT | MS_RDONLY, NULL) == 0);
	CHECK(hg_store_write_epoch(dir, 4096) == -EROFS);
	CHECK(hg_store_read_epoch(dir, &counter) == 0 && counter == 2048);
}

static void test_read_only_disk(void **state)
{
	(void)state;
	on_tmpfs(read_only_disk);
}

/* Lets a writer run until its n-th stop at a system call, then kills it. Returns false
 * once it ended by itself. */
static bool kill_at_stop(uint64_t counter, int n)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (!pid) {
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		raise(SIGSTOP);
		_exit(hg_store_write_epoch(dir, counter) ? 1 : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSTOPPED(status));
	for (int stop = 0; stop < n; stop++) {
		assert_int_equal(ptrace(PTRACE_SYSCALL, pid, NULL, NULL), 0);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		if (WIFEXITED(status)) {
			assert_int_equal(WEXITSTATUS(status), 0);
			return false;
		}
	}
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	return true;
}

static void test_killed_at_every_step(void **state)
{
	uint64_t stored = 1024, counter;
	int old = 0, new = 0, n = 1;

	(void)state;
	assert_int_equal(hg_store_write_epoch(dir, stored), 0);
	for (;; n++) {
		uint64_t wanted = stored + HG_STORE_BLOCK;
		bool is_killed = kill_at_stop(wanted, n);

		assert_int_equal(hg_store_read_epoch(dir, &counter), 0);
		assert_true(counter == stored || counter == wanted);
		old += counter == stored;
		new += counter == wanted;
		stored = counter;
		if (!is_killed)
			break;
	}
	/* The loop saw the file before and after its renaming. */
	assert_true(old >= 10);
	assert_true(new >= 4);
	print_message("killed at %d stops: %d times the old content, %d times the new\n", n - 1,
		      old, new);
	assert_int_equal(hg_store_write_epoch(dir, stored + 1), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_round_trip, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_reservation_never_goes_back, set_up,
						tear_down),
		cmocka_unit_test(test_reservation),
		cmocka_unit_test_setup_teardown(test_cut_at_every_length, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_every_octet_altered, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_not_a_file, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_prepare, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_full_disk, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_read_only_disk, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_killed_at_every_step, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
