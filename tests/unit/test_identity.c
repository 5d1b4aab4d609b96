/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The identity on the disk: written whole, read strictly. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/identity.h"

static char dir[] = "/tmp/hagate-identity-XXXXXX";

static int set_up(void **state)
{
	(void)state;
	return mkdtemp(dir) ? 0 : -1;
}

static int tear_down(void **state)
{
	char path[128];

	(void)state;
	snprintf(path, sizeof(path), "%s/" HG_IDENTITY_FILE, dir);
	unlink(path);
	return rmdir(dir);
}

static void put(const char *text, size_t length)
{
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "%s/" HG_IDENTITY_FILE, dir);
	file = fopen(path, "w");
	assert_non_null(file);
	fwrite(text, 1, length, file);
	fclose(file);
}

static size_t get(char *text, size_t size)
{
	char path[128];
	size_t length;
	FILE *file;

	snprintf(path, sizeof(path), "%s/" HG_IDENTITY_FILE, dir);
	file = fopen(path, "r");
	assert_non_null(file);
	length = fread(text, 1, size, file);
	fclose(file);
	return length;
}

static void test_round_trip(void **state)
{
	struct hg_identity made = { .generation = UINT64_MAX }, read;
	char text[HG_UUID_TEXT];
	uint8_t uuid[HG_UUID_LEN];

	(void)state;
	assert_int_equal(hg_identity_read(dir, &read), -ENOENT);
	hg_identity_make_uuid(made.cluster);
	assert_int_equal(made.cluster[6] >> 4, 4);
	assert_int_equal(made.cluster[8] >> 6, 2);
	memset(made.head, 0xa5, sizeof(made.head));
	for (int i = 0; i < 2; i++, made.generation = 0) {
		assert_int_equal(hg_identity_write(dir, &made), 0);
		memset(&read, 0, sizeof(read));
		assert_int_equal(hg_identity_read(dir, &read), 0);
		assert_memory_equal(&made, &read, sizeof(made));
	}
	assert_true(hg_identity_uuid_parse(hg_identity_uuid_text(made.cluster, text), uuid));
	assert_memory_equal(uuid, made.cluster, sizeof(uuid));
	text[3] = 'G';
	assert_false(hg_identity_uuid_parse(text, uuid));
	assert_int_equal(hg_identity_write("/nonexistent", &made), -ENOENT);
}

/* Cut anywhere, longer, or with any octet altered: damaged, and nothing is taken from it. */
static void test_damage(void **state)
{
	struct hg_identity made = { .generation = 77 }, read = { .generation = 5 };
	char text[256];
	size_t length;

	(void)state;
	hg_identity_make_uuid(made.cluster);
	assert_int_equal(hg_identity_write(dir, &made), 0);
	length = get(text, sizeof(text));
	for (size_t cut = 0; cut < length; cut++) {
		put(text, cut);
		assert_int_equal(hg_identity_read(dir, &read), -EBADMSG);
	}
	for (size_t at = 0; at < length; at++) {
		text[at] ^= 1;
		put(text, length);
		assert_int_equal(hg_identity_read(dir, &read), -EBADMSG);
		text[at] ^= 1;
	}
	text[length] = '\n';
	put(text, length + 1);
	assert_int_equal(hg_identity_read(dir, &read), -EBADMSG);
	assert_int_equal(read.generation, 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_damage),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
