// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * node.yaml and cluster.yaml that are refused: each mistake at its place, all of them
 * in one run, none of them costly.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "config/cases.h"
#include "config_fixture.h"

/* `good` with line number `line` replaced. */
static void write_changed(const char *good, unsigned int line, const char *replacement)
{
	FILE *file = fopen(fixture.path, "w");
	unsigned int i;
	const char *end;

	assert_non_null(file);
	for (i = 1; line && *good; i++, good = end + 1) {
		end = strchr(good, '\n');
		if (i != line)
			fprintf(file, "%.*s\n", (int)(end - good), good);
		else if (replacement)
			fprintf(file, "%s\n", replacement);
	}
	if (!line)
		fputs(replacement, file);
	fclose(file);
}

/* False, and the reason printed, when the report is not as it should be. */
static bool is_reported(const struct bad_case *bad, int error)
{
	const char *change = bad->text ? bad->text : "(removed)";
	unsigned int count = bad->piece ? 1 : 2;
	char expected[128];

	snprintf(expected, sizeof(expected), "%s:%s: error: ", fixture.path, bad->place);
	if (!error) {
		print_error("accepted: line %u as '%s'\n", bad->line, change);
		return false;
	}
	if (strstr(fixture.text, expected) && config_count_errors() == count &&
	    (!bad->piece || strstr(fixture.text, bad->piece)))
		return true;
	print_error("line %u as '%s': expected %u error(s), %s '%s', got:\n%s\n", bad->line, change,
		    count, bad->place, bad->piece ? bad->piece : "", fixture.text);
	return false;
}

static void test_bad_node(void **state)
{
	unsigned int i, failed = 0;

	(void)state;
	config_write_text(good_node);
	config_expect_ok(config_read_node(fixture.path));
	for (i = 0; i < COUNT(bad_node); i++) {
		write_changed(good_node, bad_node[i].line, bad_node[i].text);
		failed += !is_reported(&bad_node[i], config_read_node(fixture.path));
	}
	assert_int_equal(failed, 0);
}

static void test_bad_cluster(void **state)
{
	unsigned int i, failed = 0;

	(void)state;
	config_write_text(good_cluster);
	config_expect_ok(config_read_cluster(fixture.path, NULL));
	hg_config_done(&fixture.cluster);
	for (i = 0; i < COUNT(bad_cluster); i++) {
		write_changed(good_cluster, bad_cluster[i].line, bad_cluster[i].text);
		failed += !is_reported(&bad_cluster[i], config_read_cluster(fixture.path, NULL));
	}
	assert_int_equal(failed, 0);
}

/* The same files with CR LF: same places. */
static void test_crlf(void **state)
{
	char content[1024];
	unsigned int i, n = 0;

	(void)state;
	for (i = 0; good_cluster[i]; i++) {
		if (good_cluster[i] == '\n')
			content[n++] = '\r';
		content[n++] = good_cluster[i];
	}
	config_write(content, n);
	config_expect_ok(config_read_cluster(fixture.path, NULL));
	hg_config_done(&fixture.cluster);
	strcpy(strstr(content, "continue"), "stopp\r\n");
	config_write_text(content);
	assert_int_equal(config_read_cluster(fixture.path, NULL), -EINVAL);
	assert_non_null(strstr(fixture.text, ":12:12: error: "));
	assert_non_null(strstr(fixture.text, "\n  isolation: stopp\n             ^\n"));
	assert_null(strchr(fixture.text, '\r'));
}

static void test_several_errors(void **state)
{
	static const char *const places[] = { ":1:10:", ":2:6:",  ":3:1:",  ":5:14:", ":5:27:",
					      ":6:48:", ":8:21:", ":9:17:", ":9:31:" };
	const char *p;
	unsigned int i;

	(void)state;
	config_write_text("cluster: Home\n"
			  "mac: 5\n"
			  "colour: blue\n"
			  "nodes:\n"
			  "  gw1: { id: x, priority: 999, addresses: { lan: 10.1.0.2 } }\n"
			  "  gw2: { id: 2, addresses: { lan: 10.1.0.3, ha: 10.9.0.256 } }\n"
			  "ports:\n"
			  "  lan: { heartbeat: maybe }\n"
			  "  wan: { vips: [10.2.0.1, 1.2.3, 10.2.0.1/24] }\n");
	assert_int_equal(config_read_cluster(fixture.path, NULL), -EINVAL);
	/* in the order of their places, none left out, none added */
	for (i = 0, p = fixture.text; i < COUNT(places); i++) {
		if (i == 5)
			assert_non_null(
				strstr(fixture.text, ":6:45: error: no port is named 'ha'"));
		else if (i == 8)
			assert_non_null(strstr(fixture.text, ":9:27: error: '1.2.3'"));
		else
			p = strstr(p, places[i]);
		if (!p)
			fail_msg("%s is not in its place:\n%s", places[i], fixture.text);
	}
	assert_int_equal(config_count_errors(), 9);
}

static void test_layout(void **state)
{
	char expected[512];

	(void)state;
	/* tabs are kept, so that the caret stands right at any tab width */
	config_write_text(
		"node:\tgw1\nkey:\t\t\"k\"\t# \xc3\xa4\nports: { lan: { name: eth0 } }\n");
	assert_int_equal(config_read_node(fixture.path), -EINVAL);
	snprintf(expected, sizeof(expected),
		 "%s:2:7: error: 'key' must be an absolute path, not 'k'\n"
		 "  key:\t\t\"k\"\t# \xc3\xa4\n"
		 "      \t\t^\n"
		 "  hint: begin with '/'\n",
		 fixture.path);
	assert_string_equal(fixture.text, expected);
}

/* Of a long line 100 characters are shown, the column among them. */
static void test_long_line(void **state)
{
	char line[4096], *source, *caret;
	unsigned int i;

	(void)state;
	for (i = 0; i < 3900; i++)
		line[i] = "abcdefghij"[i % 10];
	strcpy(line + i, "\nkey: x\n");
	memcpy(line, "node: gw1 # ", 12);
	strcpy(line + 3900, "\n");
	memcpy(line + 2000, "\xff", 1);
	config_write_text(line);
	assert_int_equal(config_read_node(fixture.path), -EINVAL);
	assert_non_null(strstr(fixture.text, ":1:2001: error: not UTF-8"));
	source = strchr(fixture.text, '\n') + 1;
	caret = strchr(source, '\n') + 1;
	assert_true(caret - source <= 2 + 3 + 100 + 3 + 1);
	assert_memory_equal(source, "  ...", 5);
	/* the octet itself is not shown, but its place is under the caret */
	assert_int_equal(source[strchr(caret, '^') - caret], '?');
}

static void test_files(void **state)
{
	static char large[10 * 1024 * 1024];
	struct timespec start, end;
	char missing[80];

	(void)state;
	assert_int_equal(config_read_node(fixture.dir), -EINVAL);
	assert_non_null(strstr(fixture.text, ": error: this is a directory"));

	snprintf(missing, sizeof(missing), "%s/none", fixture.dir);
	assert_int_equal(config_read_node(missing), -EINVAL);
	assert_non_null(strstr(fixture.text, ": error: cannot be opened: No such file"));

	assert_int_equal(config_read_node("/dev/null"), -EINVAL);
	assert_non_null(strstr(fixture.text, "this is not a regular file"));

	assert_int_equal(mkfifo(missing, 0600), 0);
	assert_int_equal(config_read_node(missing), -EINVAL); /* and does not wait for a writer */
	assert_non_null(strstr(fixture.text, "this is not a regular file"));
	unlink(missing);

	memset(large, '#', sizeof(large));
	config_write(large, sizeof(large));
	clock_gettime(CLOCK_MONOTONIC, &start);
	assert_int_equal(config_read_node(fixture.path), -EINVAL);
	clock_gettime(CLOCK_MONOTONIC, &end);
	assert_non_null(strstr(fixture.text, ": error: the file is larger than 1 MiB"));
	assert_int_equal(config_count_errors(), 1);
	assert_true(end.tv_sec - start.tv_sec <= 1);

	/* 1 MiB to the octet is still read, one more is not */
	memset(large, '\n', sizeof(large));
	memcpy(large, good_node, strlen(good_node));
	config_write(large, HG_CONFIG_FILE_MAX);
	config_expect_ok(config_read_node(fixture.path));
	config_write(large, HG_CONFIG_FILE_MAX + 1);
	assert_int_equal(config_read_node(fixture.path), -EINVAL);

	config_write("node: g\0w1\n", 11);
	assert_int_equal(config_read_node(fixture.path), -EINVAL);
	assert_non_null(strstr(fixture.text, ":1:8: error: a NUL character"));

	/* a byte order mark is no part of the first line */
	config_write_text("\xef\xbb\xbfnode: Gw1\n");
	assert_int_equal(config_read_node(fixture.path), -EINVAL);
	assert_non_null(strstr(fixture.text, ":1:7: error: 'Gw1'"));
}

static void test_unreadable(void **state)
{
	uid_t user = geteuid();

	(void)state;
	config_write_text(good_node);
	assert_int_equal(chmod(fixture.path, 0), 0);
	if (user == 0)
		assert_int_equal(seteuid(65534), 0); /* root may read everything */
	assert_int_equal(config_read_node(fixture.path), -EINVAL);
	assert_int_equal(seteuid(user), 0);
	assert_non_null(strstr(fixture.text, ": error: cannot be opened: Permission denied"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bad_node), cmocka_unit_test(test_bad_cluster),
		cmocka_unit_test(test_crlf),	 cmocka_unit_test(test_several_errors),
		cmocka_unit_test(test_layout),	 cmocka_unit_test(test_long_line),
		cmocka_unit_test(test_files),	 cmocka_unit_test(test_unreadable),
	};

	return cmocka_run_group_tests(tests, config_fixture_setup, config_fixture_teardown);
}
