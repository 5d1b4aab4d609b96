// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Rulesets as cluster.yaml gives them: lists, files, order, places of mistakes in each
 * kind of file, limits and time.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "rule/cases.h"
#include "ruleset_fixture.h"

static void test_empty(void **state)
{
	(void)state;
	ruleset_read_good("  {}\n");
	ruleset_assert_silent();
	assert_int_equal(ruleset->rule_count, 0);
	assert_int_equal(ruleset->list_count, 0);
	assert_false(ruleset->is_default_drop);
	assert_true(fixture.cluster.is_default_accept);
	assert_int_equal(ruleset->file_count, 1);
	assert_string_equal(ruleset->file[0], fixture.path);
	ruleset_drop();
	ruleset_read_good("  { default: drop, rules: [accept proto tcp to port 22] }\n");
	assert_true(ruleset->is_default_drop);
	assert_false(fixture.cluster.is_default_accept);
	ruleset_drop();
}

/* Rules first, then the files in their order; lines are those of the files. */
static void test_order(void **state)
{
	(void)state;
	ruleset_write("a", "# rules\n\n  drop to port 3 # three\n\t# x\ndrop to port 4\n");
	ruleset_write("b", "drop to port 5\r\n\r\ndrop to port 6");
	ruleset_read_good("  include: [b, a]\n"
			  "  rules:\n"
			  "    - drop to port 1\n"
			  "    - \"drop to port 2 label \\\"two\\\"\"\n"
			  "  default: accept\n");
	ruleset_assert_silent();
	assert_int_equal(ruleset->rule_count, 6);
	assert_string_equal(ruleset_text(0), "drop to any port 1");
	assert_string_equal(ruleset_text(1), "drop to any port 2 label \"two\"");
	assert_string_equal(ruleset_text(2), "drop to any port 5");
	assert_string_equal(ruleset_text(3), "drop to any port 6");
	assert_string_equal(ruleset_text(4), "drop to any port 3");
	assert_string_equal(ruleset_text(5), "drop to any port 4");
	assert_int_equal(ruleset->file_count, 3);
	assert_string_equal(ruleset->file[1], ruleset_beside("b"));
	assert_string_equal(ruleset->file[2], ruleset_beside("a"));
	assert_int_equal(ruleset->rule[0].file, 0);
	assert_int_equal(ruleset->rule[0].line, 12);
	assert_int_equal(ruleset->rule[1].line, 13);
	assert_int_equal(ruleset->rule[3].file, 1);
	assert_int_equal(ruleset->rule[3].line, 3);
	assert_int_equal(ruleset->rule[4].file, 2);
	assert_int_equal(ruleset->rule[4].line, 3);
	assert_int_equal(ruleset->rule[5].line, 5);
	ruleset_drop();
	unlink(ruleset_beside("a"));
	unlink(ruleset_beside("b"));
}

/* Each mistake of the table, once in a file of rules and once in cluster.yaml. */
static void test_places(void **state)
{
	unsigned int i, at, failed = 0, yaml = 0;
	char text[1024], place[256], source[700];

	(void)state;
	for (i = 0; i < COUNT(bad_rules); i++) {
		snprintf(text, sizeof(text), "# one\n\n  %s\naccept to port 1\n",
			 bad_rules[i].text);
		ruleset_write("rules", text);
		assert_int_equal(ruleset_read(LISTS "  include: [rules]\n"), -EINVAL);
		snprintf(place, sizeof(place), "%s:3:%u: error: ", ruleset_beside("rules"),
			 bad_rules[i].column + 2);
		at = snprintf(source, sizeof(source), "\n    %s\n", bad_rules[i].text);
		snprintf(source + at, sizeof(source) - at, "  %*s^\n", bad_rules[i].column + 1, "");
		if (strncmp(fixture.text, place, strlen(place)) || config_count_errors() != 1 ||
		    !strstr(fixture.text, bad_rules[i].piece) || !strstr(fixture.text, source)) {
			print_error("expected %s'%s', got:\n%s\n", place, bad_rules[i].piece,
				    fixture.text);
			failed++;
		}
		if (strchr(bad_rules[i].text, '\''))
			continue;
		snprintf(text, sizeof(text), LISTS "  rules:\n    - '%s'\n", bad_rules[i].text);
		assert_int_equal(ruleset_read(text), -EINVAL);
		snprintf(place, sizeof(place), "%s:15:%u: error: ", fixture.path,
			 bad_rules[i].column + 7);
		if (strncmp(fixture.text, place, strlen(place)) || config_count_errors() != 1) {
			print_error("expected %s, got:\n%s\n", place, fixture.text);
			failed++;
		}
		yaml++;
	}
	unlink(ruleset_beside("rules"));
	print_message("%zu mistakes in files of rules, %u in cluster.yaml\n", COUNT(bad_rules),
		      yaml);
	assert_int_equal(failed, 0);
}

/* However the rule is written in YAML, the place is right, or near when it cannot be. */
static void test_yaml_places(void **state)
{
	static const char *const cases[][2] = {
		{ "  rules: [drop to port 0x1]\n", ":10:24: error" },
		{ "  rules: ['drop to port 0x1']\n", ":10:25: error" },
		{ "  rules: [\"drop to port 0x1\"]\n", ":10:25: error" },
		{ "  rules: ['drop label \"it''s\" to port 0x1']\n", ":10:39: error" },
		{ "  rules: [\"drop label \\\"x\\\" to port 0x1\"]\n", ":10:37: error" },
		{ "  rules: [\"drop\\x20to port 0x1\"]\n", ":10:16: error" },
		{ "  rules:\n    - drop\n      to port 0x1\n", ":11:11: error" },
		{ "  rules:\n    - drop to port 0x1 # x\n", ":11:20: error" },
		{ "  rules:\n    - drop label \"\xc3\xa4\" to port 0x1\n", ":11:30: error" },
		{ "  lists: { x: [10.0.0.0/8, 10.0.0.1/8] }\n", ":10:28: error" },
		{ "  lists: { x: ['10.0.0.0/40'] }\n", ":10:16: error" },
		{ "  lists: { x: [10.0.0.0/40] }\n", ":10:25: error" },
		{ "  lists: { X: [] }\n", ":10:12: error" },
		{ "  lists: { x: 10.0.0.0/8 }\n", ":10:15: error" },
		{ "  lists: { x: { fil: a } }\n", ":10:17: error" },
		{ "  lists: { x: {} }\n", ":10:15: error" },
		{ "  lists: { x: [[]] }\n", ":10:16: error" },
		{ "  lists: []\n", ":10:10: error" },
		{ "  include: rules\n", ":10:12: error" },
		{ "  include: [\"\"]\n", ":10:13: error" },
		{ "  default: reject\n", ":10:12: error" },
		{ "  rule: []\n", ":10:3: error" },
		{ "  rules: [drop, ~]\n", ":10:17: error" },
	};
	unsigned int i;

	(void)state;
	for (i = 0; i < COUNT(cases); i++) {
		assert_int_equal(ruleset_read(cases[i][0]), -EINVAL);
		if (!strstr(fixture.text, cases[i][1]) || config_count_errors() != 1)
			fail_msg("'%s': expected %s, got:\n%s", cases[i][0], cases[i][1],
				 fixture.text);
	}
}

/* All of all files in one run, cluster.yaml first; nothing else is wrong for it. */
static void test_many_mistakes(void **state)
{
	const char *const places[] = { "test.yaml:10:12:", "test.yaml:14:17:", "list:2:1:",
				       "list:4:10:",	   "rules:1:1:",       "rules:3:6:",
				       "none: error: " };
	const char *p;
	unsigned int i;

	(void)state;
	ruleset_write("list", "10.0.0.1\n10.0.0.1.1\n# x\n10.0.0.0/33\n");
	ruleset_write("rules", "dorp\ndrop to @feed\ndrop fro 10.0.0.1\n");
	assert_int_equal(ruleset_read("  default: maybe\n"
				      "  lists:\n"
				      "    feed: { file: list }\n"
				      "  rules:\n"
				      "    - drop from @fed\n"
				      "  include: [rules, none]\n"),
			 -EINVAL);
	for (i = 0, p = fixture.text; i < COUNT(places); i++) {
		p = strstr(p, places[i]);
		if (!p)
			fail_msg("%s is not in its place:\n%s", places[i], fixture.text);
	}
	assert_int_equal(config_count_errors(), COUNT(places));
	ruleset_assert_said("did you mean 'feed'?");
	ruleset_assert_said("it is named on line 15 of ");
	unlink(ruleset_beside("list"));
	unlink(ruleset_beside("rules"));
}

static void test_lists(void **state)
{
	const struct hg_list *list;

	(void)state;
	ruleset_write("feed", "\xef\xbb\xbf# feed\r\n192.0.2.7\r\n\r\n  10.0.0.0/8\t# ten\r\n"
			      "2001:db8::/32\r\n192.0.2.7/32\r\n10.0.0.0/9#x\r\n0.0.0.0/0");
	ruleset_read_good("  lists:\n"
			  "    zero: []\n"
			  "    feed: { file: feed }\n"
			  "    few: [192.0.2.1, '2001:db8::/32', 10.0.0.0/8, 192.0.2.1]\n"
			  "  rules: [accept from @feed, accept from @zero]\n");
	ruleset_assert_silent();
	assert_int_equal(ruleset->list_count, 3);
	list = &ruleset->list[1];
	assert_string_equal(list->name, "feed");
	assert_int_equal(list->count, 5); /* sorted, once each */
	assert_int_equal(list->entry[0].prefix, 0);
	assert_int_equal(list->entry[1].prefix, 8);
	assert_int_equal(list->entry[2].prefix, 9);
	assert_int_equal(list->entry[3].addr[3], 7);
	assert_int_equal(list->entry[3].prefix, 32);
	assert_int_equal(list->entry[4].family, 6);
	assert_int_equal(ruleset->list[0].count, 0);
	assert_int_equal(ruleset->list[2].count, 3);
	ruleset_drop();
	unlink(ruleset_beside("feed"));
}

static void test_list_mistakes(void **state)
{
	static const char *const cases[][3] = {
		{ "10.0.0.1 10.0.0.2", "1:10", "one address or prefix a line" },
		{ "10.0.0.1,10.0.0.2", "1:1", "one address or prefix a line" },
		{ "\n1.10.16.0/20 ; SBL256894", "2:14", "comments begin with '#'" },
		{ "; comment", "1:1", "comments begin with '#'" },
		{ "x\n", "1:1", "'x' is not an IP address" },
		{ "10.0.0.0/8\n10.0.0.0/8/8", "2:10", "'8/8' is not a prefix length" },
		{ " 10.1.0.0/8", "1:2", "10.0.0.0/8 is the network" },
		{ "10.0.0.1\n\xff", "2:1", "not UTF-8" },
		{ "10.0.0.1\x01", "1:9", "an invisible character" },
		{ "10.0.0.1-10.0.0.2", "1:1", "a range is a list of prefixes" },
	};
	char place[256];
	unsigned int i;

	(void)state;
	for (i = 0; i < COUNT(cases); i++) {
		ruleset_write("feed", cases[i][0]);
		assert_int_equal(ruleset_read("  lists: { feed: { file: feed } }\n"), -EINVAL);
		snprintf(place, sizeof(place), "%s:%s: error: ", ruleset_beside("feed"),
			 cases[i][1]);
		ruleset_assert_said(place);
		ruleset_assert_said(cases[i][2]);
		assert_int_equal(config_count_errors(), 1);
	}
	/* not a list at all: no flood */
	FILE *file = fopen(ruleset_beside("feed"), "w");

	for (i = 0; i < 100000; i++)
		fprintf(file, "<html>\n");
	fclose(file);
	assert_int_equal(ruleset_read("  lists: { feed: { file: feed } }\n"), -EINVAL);
	ruleset_assert_said("too many mistakes: the rest is not read");
	assert_int_equal(config_count_errors(), 101);
	unlink(ruleset_beside("feed"));
}

/* [drop proto tcp,udp] is two rules to YAML, which is not what was meant. */
static void test_brackets(void **state)
{
	const char *hint = "in brackets a comma ends a rule";

	(void)state;
	assert_int_equal(ruleset_read("  rules: [drop proto tcp,udp]\n"), -EINVAL);
	ruleset_assert_said(":10:26: error: unknown action 'udp'");
	ruleset_assert_said(hint);
	assert_int_equal(ruleset_read("  rules: [accept,drop form 10.0.0.1]\n"), -EINVAL);
	ruleset_assert_said("did you mean 'from'?");
	assert_null(strstr(fixture.text, hint));
	assert_int_equal(ruleset_read("  rules: [dorp]\n"), -EINVAL);
	assert_null(strstr(fixture.text, hint));
}

/* So many files, and not one more; one that is not there counts. */
static void test_includes(void **state)
{
	char text[2048] = "  include: [";
	unsigned int i;

	(void)state;
	for (i = 0; i < 64; i++)
		sprintf(text + strlen(text), "f%u, ", i);
	strcat(text, "last]\n");
	assert_int_equal(ruleset_read(text), -EINVAL);
	ruleset_assert_said("error: more than 64 files");
	assert_int_equal(config_count_errors(), 65);
	for (i = 0; i < 64; i++) {
		sprintf(text, "f%u", i);
		ruleset_write(text, "# nothing\n");
	}
	strcpy(text, "  include: [");
	for (i = 0; i < 64; i++)
		sprintf(text + strlen(text), "%sf%u", i ? ", " : "", i);
	strcat(text, "]\n");
	ruleset_read_good(text);
	assert_int_equal(ruleset->file_count, 65);
	ruleset_drop();
	for (i = 0; i < 64; i++) {
		sprintf(text, "f%u", i);
		unlink(ruleset_beside(text));
	}
}

static void test_labels(void **state)
{
	(void)state;
	ruleset_write("rules", "drop to port 2\naccept to port 1 label \"web\"\n");
	assert_int_equal(ruleset_read("  rules: ['drop label \"web\"']\n  include: [rules]\n"),
			 -EINVAL);
	ruleset_assert_said(
		"rules:2:1: error: the label \"web\" is taken by the rule on line 10 of ");
	assert_int_equal(ruleset_read("  include: [rules, rules]\n"), -EINVAL);
	ruleset_assert_said(":10:20: error: 'rules' is included twice");
	unlink(ruleset_beside("rules"));
}

static double seconds_of(const struct timespec *start)
{
	struct timespec end;

	clock_gettime(CLOCK_MONOTONIC, &end);
	return end.tv_sec - start->tv_sec + (end.tv_nsec - start->tv_nsec) / 1e9;
}

/* `count` different addresses in no order, a few of them IPv6. */
static void write_addresses(unsigned int count)
{
	FILE *file = fopen(ruleset_beside("feed"), "w");
	uint32_t i, n;

	assert_non_null(file);
	for (i = 0; i < count; i++) {
		n = i * UINT32_C(2654435761);
		if (i % 8)
			fprintf(file, "%u.%u.%u.%u\n", n >> 24, n >> 16 & 255, n >> 8 & 255,
				n & 255);
		else
			fprintf(file, "2001:db8:%x:%x::/64 # %u\n", n >> 16, n & 0xffff, i);
	}
	fclose(file);
}

/* The bounds are loose: quadratic work would take minutes, a busy machine does not. */
static void test_large_lists(void **state)
{
	static const unsigned int counts[] = { 100000, HG_LIST_ENTRIES_MAX };
	struct timespec start;
	unsigned int i;

	(void)state;
	for (i = 0; i < COUNT(counts); i++) {
		write_addresses(counts[i]);
		clock_gettime(CLOCK_MONOTONIC, &start);
		ruleset_read_good(
			"  lists: { feed: { file: feed } }\n  rules: [drop from @feed]\n");
		print_message("a list of %u entries: %.3f s\n", counts[i], seconds_of(&start));
		assert_int_equal(ruleset->list[0].count, counts[i]);
		assert_true(seconds_of(&start) < 10);
		ruleset_drop();
	}
	assert_int_equal(ruleset_read("  lists: { feed: { file: feed }, more: [10.0.0.0/8] }\n"),
			 -EINVAL);
	ruleset_assert_said(":10:41: error: more than 1000000 entries in all lists");
	assert_int_equal(config_count_errors(), 1);
	unlink(ruleset_beside("feed"));
}

static void test_many_rules(void **state)
{
	struct timespec start;
	FILE *file;
	unsigned int i, count;

	(void)state;
	for (count = HG_RULES_MAX; count <= HG_RULES_MAX + 2; count += 2) {
		file = fopen(ruleset_beside("rules"), "w");
		assert_non_null(file);
		for (i = 0; i < count; i++)
			fprintf(file, "accept proto tcp from 10.%u.%u.0/24 to vip port %u\n",
				i >> 8, i & 255, i);
		fclose(file);
		clock_gettime(CLOCK_MONOTONIC, &start);
		if (count == HG_RULES_MAX) {
			ruleset_read_good("  include: [rules]\n");
			ruleset_assert_silent();
			assert_int_equal(ruleset->rule_count, HG_RULES_MAX);
			ruleset_drop();
			print_message("%u rules: %.3f s\n", count, seconds_of(&start));
		} else {
			assert_int_equal(ruleset_read("  include: [rules]\n"), -EINVAL);
			ruleset_assert_said("rules:10241:1: error: more than 10240 rules");
			assert_int_equal(config_count_errors(), 1);
		}
		assert_true(seconds_of(&start) < 10);
	}
	unlink(ruleset_beside("rules"));
}

static int check_file(const char *name, const struct hg_rule_names *names)
{
	FILE *out = ruleset_report();
	int error = hg_ruleset_check_file(ruleset_beside(name), names, out);

	fclose(out);
	return error;
}

/* What `hagate filter check FILE` does. */
static void test_check_file(void **state)
{
	static const char *const ports[] = { "lan" };
	const struct hg_rule_names names = { .port_count = 1, .port = ports };

	(void)state;
	ruleset_write("rules", "drop in on lan from @any-list\ndrop in on dmz from @any-list\n");
	assert_int_equal(check_file("rules", NULL), 0);
	ruleset_assert_silent();
	assert_int_equal(check_file("rules", &names), -EINVAL);
	ruleset_assert_said("rules:2:12: error: unknown port 'dmz'");
	ruleset_write("rules", "accept from 192.0.2.0/24 to port 80\ndrop\n");
	assert_int_equal(check_file("rules", NULL), 0);
	ruleset_assert_said("rules:1:1: warning: tcp/22 to the node's own addresses");
	ruleset_assert_said("the rule on line 2 of ");
	ruleset_write("rules", "");
	assert_int_equal(check_file("rules", NULL), 0);
	ruleset_assert_silent();
	ruleset_write("rules.yaml", HEAD "  rules: [drop to port 1, dorp]\n");
	assert_int_equal(check_file("rules.yaml", NULL), -EINVAL);
	ruleset_assert_said("rules.yaml:10:27: error: unknown action 'dorp'");
	unlink(ruleset_beside("rules.yaml"));
	/* told by what is in it, not by its name */
	ruleset_write("rules", "# the cluster\n\n" HEAD "  rules: [drop to port 1, dorp]\n");
	assert_int_equal(check_file("rules", NULL), -EINVAL);
	ruleset_assert_said("rules:12:27: error: unknown action 'dorp'");
	unlink(ruleset_beside("rules"));
	assert_int_equal(check_file("rules", NULL), -EINVAL);
	ruleset_assert_said("rules: error: cannot be opened");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty),	      cmocka_unit_test(test_order),
		cmocka_unit_test(test_places),	      cmocka_unit_test(test_yaml_places),
		cmocka_unit_test(test_many_mistakes), cmocka_unit_test(test_lists),
		cmocka_unit_test(test_list_mistakes), cmocka_unit_test(test_labels),
		cmocka_unit_test(test_brackets),      cmocka_unit_test(test_includes),
		cmocka_unit_test(test_large_lists),   cmocka_unit_test(test_many_rules),
		cmocka_unit_test(test_check_file),
	};

	return cmocka_run_group_tests(tests, config_fixture_setup, config_fixture_teardown);
}
