// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Every rule of hagate-filter(5) is one: the page is cut into its examples, those that are
 * a filter of cluster.yaml are read as such, the others as files of rules.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "ruleset_fixture.h"

#define PAGE "docs/man/hagate-filter.5.scd" /* from the root of the repository */

static struct {
	unsigned int blocks, rules, yaml;
} seen;

/* Lines that are rules, with or without the dash of YAML. */
static unsigned int count_rules(const char *text)
{
	unsigned int count = 0;

	for (; text; text = strchr(text, '\n') ? strchr(text, '\n') + 1 : NULL) {
		text += strspn(text, " -");
		count += !strncmp(text, "accept", 6) || !strncmp(text, "drop", 4);
	}
	return count;
}

static void check_yaml(char *text)
{
	unsigned int rules = count_rules(text);

	ruleset_write("feed.txt", "192.0.2.1\n");
	ruleset_write("rules.conf", "# empty\n");
	ruleset_read_good(strchr(text, '\n') + 1); /* without the line `filter:` */
	assert_int_equal(ruleset->rule_count, rules);
	ruleset_drop();
	unlink(ruleset_beside("feed.txt"));
	unlink(ruleset_beside("rules.conf"));
	seen.yaml++;
}

static void check_rules(const char *text)
{
	static const char *const ports[] = { "lan", "wan" };
	const struct hg_rule_names names = { .port_count = 2, .port = ports };
	FILE *out = ruleset_report();
	int error;

	ruleset_write("rules", text);
	error = hg_ruleset_check_file(ruleset_beside("rules"), &names, out);
	fclose(out);
	if (error)
		fail_msg("%s", fixture.text);
	unlink(ruleset_beside("rules"));
}

static void check_block(char *text)
{
	seen.blocks++;
	seen.rules += count_rules(text);
	if (!strncmp(text, " ACTION", 7)) /* the grammar */
		return;
	if (!strncmp(text, "filter:\n", 8)) {
		check_yaml(text);
	} else {
		assert_int_not_equal(count_rules(text), 0);
		check_rules(text);
	}
	/* no example teaches a rule that does nothing */
	if (strstr(fixture.text, "never reached"))
		fail_msg("%s", fixture.text);
}

static void test_page(void **state)
{
	static char page[65536];
	FILE *file = fopen(PAGE, "r");
	char *from, *to;
	size_t size;

	(void)state;
	assert_non_null(file);
	size = fread(page, 1, sizeof(page) - 1, file);
	fclose(file);
	assert_true(size > 1000 && size < sizeof(page) - 1);
	for (from = strstr(page, "```\n"); from; from = strstr(to + 4, "```\n")) {
		from += 4;
		to = strstr(from, "```\n");
		assert_non_null(to);
		*to = '\0';
		check_block(from);
	}
	print_message("%u examples, %u of them whole filters, %u rules\n", seen.blocks, seen.yaml,
		      seen.rules);
	assert_true(seen.blocks >= 10 && seen.yaml >= 4 && seen.rules >= 60);
}

/* Each word of the language is explained. */
static void test_complete(void **state)
{
	static const char *const words[] = { "*in on*",	     "*proto*",	    "*from*",
					     "*to*",	     "*port*",	    "*flags*",
					     "*vip*",	     "*icmp-type*", "*fragment*",
					     "*vlan*",	     "*rate*",	    "*burst*",
					     "*per source*", "*label*",	    "*count-only*" };
	char text[65536];
	FILE *file = fopen(PAGE, "r");
	unsigned int i;

	(void)state;
	assert_non_null(file);
	text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
	fclose(file);
	for (i = 0; i < COUNT(words); i++)
		if (!strstr(text, words[i]))
			fail_msg("%s is not explained", words[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_page),
		cmocka_unit_test(test_complete),
	};

	return cmocka_run_group_tests(tests, config_fixture_setup, config_fixture_teardown);
}
