// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Rulesets as cluster.yaml gives them: lists, files, order, places of mistakes in each
 * kind of file, what warnings say, the hash, limits and time.
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

#include "agent/filter/list.h"
#include "agent/filter/ruleset.h"
#include "config_fixture.h"
#include "rule/cases.h"

#define HEAD                                                              \
	"cluster: home\n"                                                 \
	"nodes:\n"                                                        \
	"  gw1: { id: 1, addresses: { lan: 10.1.0.2, wan: 10.2.0.2 } }\n" \
	"  gw2: { id: 2, addresses: { lan: 10.1.0.3, wan: 10.2.0.3 } }\n" \
	"ports:\n"                                                        \
	"  lan: { heartbeat: true, vips: [10.1.0.1/24] }\n"               \
	"  wan: { vips: [10.2.0.1/24] }\n"                                \
	"  ha: {}\n"                                                      \
	"filter:\n"
#define LISTS                            \
	"  lists:\n"                     \
	"    bad: [192.0.2.0/24]\n"      \
	"    six: [\"2001:db8::/32\"]\n" \
	"    both: [10.0.0.0/8, \"2001:db8::/32\"]\n"

static struct hg_ruleset *ruleset;

/* Another file beside that of the fixture. */
static const char *beside(const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", fixture.dir, name);
	return path;
}

static void write_beside(const char *name, const char *text)
{
	FILE *file = fopen(beside(name), "w");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static FILE *open_report(void)
{
	FILE *out;

	free(fixture.text);
	fixture.text = NULL;
	out = open_memstream(&fixture.text, &fixture.size);
	assert_non_null(out);
	return out;
}

/* Reads HEAD and `filter`. On success `ruleset` is set, on failure it must stay NULL. */
static int read_filter(const char *filter)
{
	char *text = NULL;
	FILE *out;
	int error;

	assert_true(asprintf(&text, "%s%s", HEAD, filter) > 0);
	config_write_text(text);
	free(text);
	out = open_report();
	ruleset = NULL;
	error = hg_config_read_gateway(fixture.path, NULL, &fixture.cluster, &ruleset, out);
	fclose(out);
	assert_int_equal(!error, ruleset != NULL);
	assert_int_equal(!error, !config_count_errors());
	return error;
}

static void drop_ruleset(void)
{
	hg_ruleset_free(ruleset);
	hg_config_done(&fixture.cluster);
	ruleset = NULL;
}

static void read_good(const char *filter)
{
	if (read_filter(filter))
		fail_msg("refused:\n%s", fixture.text);
}

static void assert_said(const char *piece)
{
	if (!strstr(fixture.text, piece))
		fail_msg("'%s' is not in:\n%s", piece, fixture.text);
}

static void assert_silent(void)
{
	if (fixture.size)
		fail_msg("expected no diagnostics, got:\n%s", fixture.text);
}

static const char *text_of(unsigned int index)
{
	static const char *const ports[] = { "lan", "wan", "ha" };
	static const struct hg_rule_names names = { .port_count = 3, .port = ports };
	static char text[HG_RULE_TEXT_MAX];

	assert_true(index < ruleset->rule_count);
	hg_rule_print(&ruleset->rule[index], &names, text, sizeof(text));
	return text;
}

static void test_empty(void **state)
{
	(void)state;
	read_good("  {}\n");
	assert_silent();
	assert_int_equal(ruleset->rule_count, 0);
	assert_int_equal(ruleset->list_count, 0);
	assert_false(ruleset->is_default_drop);
	assert_true(fixture.cluster.is_default_accept);
	assert_int_equal(ruleset->file_count, 1);
	assert_string_equal(ruleset->file[0], fixture.path);
	drop_ruleset();
	read_good("  { default: drop, rules: [accept proto tcp to port 22] }\n");
	assert_true(ruleset->is_default_drop);
	assert_false(fixture.cluster.is_default_accept);
	drop_ruleset();
}

/* Rules first, then the files in their order; lines are those of the files. */
static void test_order(void **state)
{
	(void)state;
	write_beside("a", "# rules\n\n  drop to port 3 # three\n\t# x\ndrop to port 4\n");
	write_beside("b", "drop to port 5\r\n\r\ndrop to port 6");
	read_good("  include: [b, a]\n"
		  "  rules:\n"
		  "    - drop to port 1\n"
		  "    - \"drop to port 2 label \\\"two\\\"\"\n"
		  "  default: accept\n");
	assert_silent();
	assert_int_equal(ruleset->rule_count, 6);
	assert_string_equal(text_of(0), "drop to any port 1");
	assert_string_equal(text_of(1), "drop to any port 2 label \"two\"");
	assert_string_equal(text_of(2), "drop to any port 5");
	assert_string_equal(text_of(3), "drop to any port 6");
	assert_string_equal(text_of(4), "drop to any port 3");
	assert_string_equal(text_of(5), "drop to any port 4");
	assert_int_equal(ruleset->file_count, 3);
	assert_string_equal(ruleset->file[1], beside("b"));
	assert_string_equal(ruleset->file[2], beside("a"));
	assert_int_equal(ruleset->rule[0].file, 0);
	assert_int_equal(ruleset->rule[0].line, 12);
	assert_int_equal(ruleset->rule[1].line, 13);
	assert_int_equal(ruleset->rule[3].file, 1);
	assert_int_equal(ruleset->rule[3].line, 3);
	assert_int_equal(ruleset->rule[4].file, 2);
	assert_int_equal(ruleset->rule[4].line, 3);
	assert_int_equal(ruleset->rule[5].line, 5);
	drop_ruleset();
	unlink(beside("a"));
	unlink(beside("b"));
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
		write_beside("rules", text);
		assert_int_equal(read_filter(LISTS "  include: [rules]\n"), -EINVAL);
		snprintf(place, sizeof(place), "%s:3:%u: error: ", beside("rules"),
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
		assert_int_equal(read_filter(text), -EINVAL);
		snprintf(place, sizeof(place), "%s:15:%u: error: ", fixture.path,
			 bad_rules[i].column + 7);
		if (strncmp(fixture.text, place, strlen(place)) || config_count_errors() != 1) {
			print_error("expected %s, got:\n%s\n", place, fixture.text);
			failed++;
		}
		yaml++;
	}
	unlink(beside("rules"));
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
		assert_int_equal(read_filter(cases[i][0]), -EINVAL);
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
				       "none:1:1:" };
	const char *p;
	unsigned int i;

	(void)state;
	write_beside("list", "10.0.0.1\n10.0.0.1.1\n# x\n10.0.0.0/33\n");
	write_beside("rules", "dorp\ndrop to @feed\ndrop fro 10.0.0.1\n");
	assert_int_equal(read_filter("  default: maybe\n"
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
	assert_said("did you mean 'feed'?");
	assert_said("it is named on line 15 of ");
	unlink(beside("list"));
	unlink(beside("rules"));
}

static void test_lists(void **state)
{
	const struct hg_list *list;

	(void)state;
	write_beside("feed", "\xef\xbb\xbf# feed\r\n192.0.2.7\r\n\r\n  10.0.0.0/8\t# ten\r\n"
			     "2001:db8::/32\r\n192.0.2.7/32\r\n10.0.0.0/9#x\r\n0.0.0.0/0");
	read_good("  lists:\n"
		  "    zero: []\n"
		  "    feed: { file: feed }\n"
		  "    few: [192.0.2.1, '2001:db8::/32', 10.0.0.0/8, 192.0.2.1]\n"
		  "  rules: [drop from @feed, drop from @zero]\n");
	assert_silent();
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
	drop_ruleset();
	unlink(beside("feed"));
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
		write_beside("feed", cases[i][0]);
		assert_int_equal(read_filter("  lists: { feed: { file: feed } }\n"), -EINVAL);
		snprintf(place, sizeof(place), "%s:%s: error: ", beside("feed"), cases[i][1]);
		assert_said(place);
		assert_said(cases[i][2]);
		assert_int_equal(config_count_errors(), 1);
	}
	/* not a list at all: no flood */
	FILE *file = fopen(beside("feed"), "w");

	for (i = 0; i < 100000; i++)
		fprintf(file, "<html>\n");
	fclose(file);
	assert_int_equal(read_filter("  lists: { feed: { file: feed } }\n"), -EINVAL);
	assert_said("too many mistakes: the rest is not read");
	assert_int_equal(config_count_errors(), 101);
	unlink(beside("feed"));
}

static void test_labels(void **state)
{
	(void)state;
	write_beside("rules", "drop to port 2\naccept to port 1 label \"web\"\n");
	assert_int_equal(read_filter("  rules: ['drop label \"web\"']\n  include: [rules]\n"),
			 -EINVAL);
	assert_said("rules:2:1: error: the label \"web\" is taken by the rule on line 10 of ");
	assert_int_equal(read_filter("  include: [rules, rules]\n"), -EINVAL);
	assert_said(":10:20: error: 'rules' is included twice");
	unlink(beside("rules"));
}

/* What is never reached is said, once, and still gets an id of its own. */
static void test_shadowed(void **state)
{
	unsigned int i, k;

	(void)state;
	read_good("  rules:\n"
		  "    - drop from 192.0.2.1\n"
		  "    - drop from 192.0.2.1\n"
		  "    - drop from 192.0.2.1\n"
		  "    - accept from 192.0.2.1 label \"x\"\n"
		  "    - drop to port 1 rate 5/s\n"
		  "    - drop to port 1\n"
		  "    - drop to port 2 count-only\n"
		  "    - drop to port 2\n"
		  "    - accept to port 3 rate 5/s\n"
		  "    - drop to port 3\n");
	assert_int_equal(ruleset->rule_count, 10);
	assert_said(":12:7: warning: never reached: the rule on line 11 of ");
	assert_said(":13:7: warning: never reached: the rule on line 11 of ");
	assert_said(":14:7: warning: never reached: the rule on line 11 of ");
	assert_said(":20:7: warning: never reached: the rule on line 19 of ");
	assert_null(strstr(fixture.text, ":16:"));
	assert_null(strstr(fixture.text, ":18:"));
	for (i = 0; i < ruleset->rule_count; i++)
		for (k = 0; k < i; k++)
			assert_true(ruleset->rule[i].id != ruleset->rule[k].id);
	drop_ruleset();
	read_good("  rules: [accept to port 22, drop, accept to port 1, accept to port 2]\n");
	assert_said("never reached, as all rules behind it: the rule on line 10 of ");
	assert_null(strstr(strstr(fixture.text, "warning: never") + 9, "warning: never"));
	drop_ruleset();
}

static void test_lockout(void **state)
{
	static const struct {
		const char *filter, *piece; /* NULL: silent */
	} cases[] = {
		{ "  rules: [drop]\n", "line 10 of" },
		{ "  default: drop\n", "the default drops the first packet" },
		{ "  rules: [drop proto tcp to port 22]\n", "tcp/22 to 10.1.0.2 is open through" },
		{ "  rules: [drop in on wan]\n", "tcp/22 to 10.2.0.2" },
		{ "  rules: [drop in on ha]\n", NULL },
		{ "  rules: [drop flags A/SA]\n", "drops the second packet" },
		{ "  rules: [drop flags S/SA to 10.1.0.0/29]\n", "drops the first packet" },
		{ "  rules: [drop to vip]\n", NULL },
		{ "  rules: [drop from 10.0.0.0/8 to port 22]\n", NULL },
		{ "  rules: [drop from 0.0.0.0/0 to port 20-30]\n", "tcp/22" },
		{ "  rules: [drop from ::/0]\n", NULL },
		{ "  rules: [drop count-only]\n", NULL },
		{ "  rules: [drop rate 1/s]\n", NULL },
		{ "  rules: [\"drop proto udp,icmp\"]\n", NULL },
		{ "  rules: [drop fragment, drop vlan 5]\n", NULL },
		{ "  lists: { own: [10.1.0.2/31] }\n  rules: [drop to @own]\n", "to 10.1.0.2" },
		{ "  lists: { own: [10.1.0.4/31] }\n  rules: [drop to @own]\n", NULL },
		{ "  default: drop\n  rules: [accept to port 22]\n", NULL },
		{ "  default: drop\n  rules: [accept from 10.9.0.0/16 to port 22]\n", NULL },
		{ "  default: drop\n  rules: [accept from 10.9.0.0/16, drop to port 22]\n", NULL },
		{ "  default: drop\n  rules: [accept flags S/SA to port 22]\n",
		  "the default drops the second packet" },
		{ "  default: drop\n  rules: [accept flags S/SA to port 22, accept flags A/A]\n",
		  NULL },
		{ "  default: drop\n  rules: [accept in on lan to port 22]\n", "to 10.2.0.2" },
		{ "  default: drop\n  rules: [accept from ::/0 to port 22]\n", "to 10.1.0.2" },
		{ "  default: drop\n  rules: [accept to vip port 22]\n", "to 10.1.0.2" },
		{ "  default: drop\nfailsafe: []\n", "is shut, also to you" },
		{ "  rules: [accept to port 22, drop]\nfailsafe: [22, 443]\n", "tcp/443 to" },
	};
	unsigned int i;

	(void)state;
	for (i = 0; i < COUNT(cases); i++) {
		read_good(cases[i].filter);
		if (!cases[i].piece && fixture.size)
			fail_msg("'%s': expected silence, got:\n%s", cases[i].filter, fixture.text);
		if (cases[i].piece && (!strstr(fixture.text, ":9:1: warning: tcp/") ||
				       !strstr(fixture.text, cases[i].piece)))
			fail_msg("'%s': expected '%s', got:\n%s", cases[i].filter, cases[i].piece,
				 fixture.text);
		drop_ruleset();
	}
	/* warnings do not come with hg_config_read_cluster(): the fixture checks it */
	assert_int_equal(config_read_cluster(fixture.path, NULL), 0);
	hg_config_done(&fixture.cluster);
}

static void read_hash(const char *filter, uint8_t ret[16])
{
	read_good(filter);
	memcpy(ret, fixture.cluster.hash, 16);
	drop_ruleset();
}

static void test_hash(void **state)
{
	static const char *const same[] = {
		"  rules: [drop to port 1, accept proto tcp]\n  lists: { a: [10.0.0.1, 10.0.0.2] }\n",
		"  default: accept\n  lists: { a: [10.0.0.2, 10.0.0.1/32, 10.0.0.2] }\n"
		"  rules: ['drop  to any port 1', 'accept proto 6 # x']\n",
		"  lists: { a: { file: list } }\n  include: [rules]\n",
	};
	static const char *const other[] = {
		"  {}\n",
		"  { default: drop }\n",
		"  rules: [accept proto tcp, drop to port 1]\n  lists: { a: [10.0.0.1, 10.0.0.2] }\n",
		"  rules: [drop to port 1, accept proto tcp]\n  lists: { b: [10.0.0.1, 10.0.0.2] }\n",
		"  rules: [drop to port 1, accept proto tcp]\n  lists: { a: [10.0.0.1, 10.0.0.3] }\n",
		"  rules: [drop to port 1, accept proto udp]\n  lists: { a: [10.0.0.1, 10.0.0.2] }\n",
	};
	uint8_t first[16], hash[COUNT(other)][16];
	unsigned int i, k;

	(void)state;
	write_beside("list", "10.0.0.2\n10.0.0.1\n");
	write_beside("rules", "drop to port 1\n# x\naccept proto tcp\n");
	read_hash(same[0], first);
	for (i = 1; i < COUNT(same); i++) {
		read_hash(same[i], hash[0]);
		assert_memory_equal(hash[0], first, 16);
	}
	for (i = 0; i < COUNT(other); i++) {
		read_hash(other[i], hash[i]);
		assert_memory_not_equal(hash[i], first, 16);
		for (k = 0; k < i; k++)
			assert_memory_not_equal(hash[i], hash[k], 16);
	}
	unlink(beside("list"));
	unlink(beside("rules"));
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
	FILE *file = fopen(beside("feed"), "w");
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
		read_good("  lists: { feed: { file: feed } }\n  rules: [drop from @feed]\n");
		print_message("a list of %u entries: %.3f s\n", counts[i], seconds_of(&start));
		assert_int_equal(ruleset->list[0].count, counts[i]);
		assert_true(seconds_of(&start) < 10);
		drop_ruleset();
	}
	assert_int_equal(read_filter("  lists: { feed: { file: feed }, more: [10.0.0.0/8] }\n"),
			 -EINVAL);
	assert_said(":10:41: error: more than 1000000 entries in all lists");
	assert_int_equal(config_count_errors(), 1);
	unlink(beside("feed"));
}

static void test_many_rules(void **state)
{
	struct timespec start;
	FILE *file;
	unsigned int i, count;

	(void)state;
	for (count = HG_RULES_MAX; count <= HG_RULES_MAX + 2; count += 2) {
		file = fopen(beside("rules"), "w");
		assert_non_null(file);
		for (i = 0; i < count; i++)
			fprintf(file, "accept proto tcp from 10.%u.%u.0/24 to vip port %u\n",
				i >> 8, i & 255, i);
		fclose(file);
		clock_gettime(CLOCK_MONOTONIC, &start);
		if (count == HG_RULES_MAX) {
			read_good("  include: [rules]\n");
			assert_silent();
			assert_int_equal(ruleset->rule_count, HG_RULES_MAX);
			drop_ruleset();
			print_message("%u rules: %.3f s\n", count, seconds_of(&start));
		} else {
			assert_int_equal(read_filter("  include: [rules]\n"), -EINVAL);
			assert_said("rules:10241:1: error: more than 10240 rules");
			assert_int_equal(config_count_errors(), 1);
		}
		assert_true(seconds_of(&start) < 10);
	}
	unlink(beside("rules"));
}

/* The membership that the check of lock-outs relies on, against a walk over the list. */
static void test_holds(void **state)
{
	struct hg_list_build build = { .left = 1000 };
	struct hg_diag diag = { 0 };
	struct hg_ip ip, net;
	unsigned int i, k, found = 0;
	bool is_in;

	(void)state;
	srandom(1);
	for (i = 0; i < 200; i++) {
		ip = (struct hg_ip){ 4, 24 + random() % 9, { 10, 0, random() % 8, random() } };
		ip.addr[3] &= 0xff00 >> (ip.prefix - 24);
		assert_true(hg_list_add(&build, &ip, &diag, 0));
	}
	hg_list_finish(&build);
	for (i = 0; i < 4096; i++) {
		ip = (struct hg_ip){ 4, i % 2 ? 32 : 0, { 10, 0, i >> 8, i } };
		for (is_in = false, k = 0; k < build.list.count; k++) {
			net = build.list.entry[k];
			is_in |= net.addr[2] == ip.addr[2] &&
				 !((net.addr[3] ^ ip.addr[3]) & (0xff00 >> (net.prefix - 24)) &
				   0xff);
		}
		assert_int_equal(hg_list_holds(&build.list, &ip), is_in);
		found += is_in;
	}
	assert_true(found > 500 && found < 3500);
	free(build.list.entry);
}

static int check_file(const char *name, const struct hg_rule_names *names)
{
	FILE *out = open_report();
	int error = hg_ruleset_check_file(beside(name), names, out);

	fclose(out);
	return error;
}

/* What `hagate filter check FILE` does. */
static void test_check_file(void **state)
{
	static const char *const ports[] = { "lan" };
	const struct hg_rule_names names = { .port_count = 1, .port = ports };

	(void)state;
	write_beside("rules", "drop in on lan from @any-list\ndrop in on dmz from @any-list\n");
	assert_int_equal(check_file("rules", NULL), 0);
	assert_silent();
	assert_int_equal(check_file("rules", &names), -EINVAL);
	assert_said("rules:2:12: error: unknown port 'dmz'");
	write_beside("rules", "accept from 192.0.2.0/24 to port 80\ndrop\n");
	assert_int_equal(check_file("rules", NULL), 0);
	assert_said("rules:1:1: warning: tcp/22 to the node's own addresses");
	assert_said("the rule on line 2 of ");
	write_beside("rules", "");
	assert_int_equal(check_file("rules", NULL), 0);
	assert_silent();
	write_beside("rules.yaml", HEAD "  rules: [drop to port 1, dorp]\n");
	assert_int_equal(check_file("rules.yaml", NULL), -EINVAL);
	assert_said("rules.yaml:10:27: error: unknown action 'dorp'");
	unlink(beside("rules.yaml"));
	unlink(beside("rules"));
	assert_int_equal(check_file("rules", NULL), -EINVAL);
	assert_said("rules:1:1: error: cannot be opened");
}

/* The filter alone, with the ports of the caller. */
static void test_read_alone(void **state)
{
	static const char *const ports[] = { "x", "wan" };
	const struct hg_rule_names names = { .port_count = 2, .port = ports };
	FILE *out;

	(void)state;
	config_write_text("filter: { default: drop, rules: [drop in on wan] }\n");
	out = open_report();
	assert_int_equal(hg_ruleset_read(fixture.path, &names, &ruleset, out), 0);
	fclose(out);
	assert_silent();
	assert_true(ruleset->is_default_drop);
	assert_int_equal(ruleset->rule[0].in_on, 2);
	hg_ruleset_free(ruleset);
	config_write_text("filter: { rules: [drop in on lan] }\n");
	out = open_report();
	ruleset = NULL;
	assert_int_equal(hg_ruleset_read(fixture.path, &names, &ruleset, out), -EINVAL);
	fclose(out);
	assert_null(ruleset);
	assert_said(":1:30: error: unknown port 'lan'");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty),	      cmocka_unit_test(test_order),
		cmocka_unit_test(test_places),	      cmocka_unit_test(test_yaml_places),
		cmocka_unit_test(test_many_mistakes), cmocka_unit_test(test_lists),
		cmocka_unit_test(test_list_mistakes), cmocka_unit_test(test_labels),
		cmocka_unit_test(test_shadowed),      cmocka_unit_test(test_lockout),
		cmocka_unit_test(test_hash),	      cmocka_unit_test(test_large_lists),
		cmocka_unit_test(test_many_rules),    cmocka_unit_test(test_holds),
		cmocka_unit_test(test_check_file),    cmocka_unit_test(test_read_alone),
	};

	return cmocka_run_group_tests(tests, config_fixture_setup, config_fixture_teardown);
}
