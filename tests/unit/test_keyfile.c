// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The key file: what is a key, who may be able to read it, and that neither the
 * error text nor a failed read gives anything of it away.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "agent/keyfile.h"

#define HEX "00112233445566778899aabbccddeeffFFEEDDCCBBAA99887766554433221100"

static char dir[] = "/tmp/hagate-key-XXXXXX";
static char path[64];
static struct hg_error error;
static unsigned char key[HG_KEYFILE_LEN];

static int setup(void **state)
{
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/cluster.key", dir);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(dir);
}

static void write_key(const char *text, mode_t mode)
{
	FILE *file;

	unlink(path);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
	assert_int_equal(chmod(path, mode), 0);
}

static int read_key(void)
{
	unsigned int i;
	int result;

	memset(key, 0x5a, sizeof(key));
	error.text[0] = '\0';
	result = hg_keyfile_read(path, key, &error);
	for (i = 0; result && i < sizeof(key); i++)
		assert_int_equal(key[i], 0x5a);
	assert_int_equal(!result, !error.text[0]);
	/* no four digits of a key in the text */
	assert_null(strstr(error.text, "1122"));
	assert_null(strstr(error.text, "2211"));
	return result;
}

static void test_good(void **state)
{
	static const char *const ends[] = { "", "\n", "\r\n" };
	char text[80];
	unsigned int i;

	(void)state;
	for (i = 0; i < 3; i++) {
		snprintf(text, sizeof(text), HEX "%s", ends[i]);
		write_key(text, i ? 0600 : 0400);
		assert_int_equal(read_key(), 0);
		assert_memory_equal(key, "\x00\x11\x22\x33", 4);
		assert_memory_equal(key + 15, "\xff\xff\xee", 3);
		assert_memory_equal(key + 28, "\x33\x22\x11\x00", 4);
	}
	hg_keyfile_wipe(key);
	for (i = 0; i < sizeof(key); i++)
		assert_int_equal(key[i], 0);
}

static void test_bad_text(void **state)
{
	static const char *const bad[] = { "",	       "\n",	HEX "0", HEX "00",
					   HEX "\n\n", HEX " ", " " HEX, HEX "\r",
					   "0x" HEX,   HEX HEX, "g" HEX, HEX "\n" HEX };
	unsigned int i;
	char text[80];

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		write_key(bad[i], 0600);
		if (read_key() != -EINVAL)
			fail_msg("accepted: '%s'", bad[i]);
		assert_non_null(strstr(error.text, "64 hex digits"));
	}
	/* each digit counts */
	for (i = 0; i < 64; i++) {
		strcpy(text, HEX);
		text[i] = i % 2 ? 'g' : '/';
		write_key(text, 0600);
		assert_int_equal(read_key(), -EINVAL);
	}
	strcpy(text, HEX);
	text[63] = '\0';
	write_key(text, 0600);
	assert_int_equal(read_key(), -EINVAL);
}

static void test_mode(void **state)
{
	static const mode_t modes[] = { 0640, 0604, 0620, 0602, 0610, 0601, 0666 };
	unsigned int i;

	(void)state;
	for (i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		write_key(HEX "\n", modes[i]);
		assert_int_equal(read_key(), -EPERM);
		assert_non_null(strstr(error.text, "chmod 600"));
	}
}

/* What systemd makes of LoadCredential= on tmpfs: root's, mode 0440 because of the ACL. */
static void test_credential(void **state)
{
	(void)state;
	if (geteuid())
		skip();
	write_key(HEX "\n", 0440);
	assert_int_equal(read_key(), -EPERM);
	setenv("CREDENTIALS_DIRECTORY", dir, 1);
	assert_int_equal(read_key(), 0);
	write_key(HEX "\n", 0444);
	assert_int_equal(read_key(), -EPERM);
	write_key(HEX "\n", 0460);
	assert_int_equal(read_key(), -EPERM);
	write_key(HEX "\n", 0440);
	assert_int_equal(chown(path, 0, 12345), 0);
	assert_int_equal(read_key(), -EPERM);
	assert_int_equal(chown(path, 12345, 0), 0);
	assert_int_equal(read_key(), -EPERM);
	write_key(HEX "\n", 0440);
	setenv("CREDENTIALS_DIRECTORY", "/tmp", 1); /* not in the directory itself */
	assert_int_equal(read_key(), -EPERM);
	setenv("CREDENTIALS_DIRECTORY", "", 1);
	assert_int_equal(read_key(), -EPERM);
	unsetenv("CREDENTIALS_DIRECTORY");
}

static void test_files(void **state)
{
	(void)state;
	unlink(path);
	assert_int_equal(read_key(), -ENOENT);
	assert_non_null(strstr(error.text, "hagate keygen"));
	assert_int_equal(hg_keyfile_read_copy(path, key, &error), -ENOENT);
	assert_non_null(strstr(error.text, "from the member, there: scp -p"));
	assert_null(strstr(error.text, "keygen"));
	write_key("no key", 0600);
	assert_int_equal(hg_keyfile_read_copy(path, key, &error), -EINVAL);
	assert_null(strstr(error.text, "keygen"));
	write_key(HEX, 0600);
	assert_int_equal(hg_keyfile_read_copy(path, key, &error), 0);
	unlink(path);

	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(read_key(), -EINVAL);
	assert_non_null(strstr(error.text, "not a regular file"));
	rmdir(path);

	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(read_key(), -EINVAL); /* and does not wait for a writer */

	/* somebody else's file: only root can make one, others cannot test it */
	if (geteuid() == 0) {
		write_key(HEX "\n", 0600);
		assert_int_equal(chown(path, 65534, 65534), 0);
		assert_int_equal(read_key(), -EPERM);
		assert_non_null(strstr(error.text, "belongs to user 65534"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),  cmocka_unit_test(test_bad_text),
		cmocka_unit_test(test_mode),  cmocka_unit_test(test_credential),
		cmocka_unit_test(test_files),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
