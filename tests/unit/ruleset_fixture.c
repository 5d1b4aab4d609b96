// SPDX-License-Identifier: GPL-2.0-or-later
/* See ruleset_fixture.h. */
#include "ruleset_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

struct hg_ruleset *ruleset;

/* Another file beside that of the fixture. */
const char *ruleset_beside(const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", fixture.dir, name);
	return path;
}

void ruleset_write(const char *name, const char *text)
{
	FILE *file = fopen(ruleset_beside(name), "w");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

FILE *ruleset_report(void)
{
	FILE *out;

	free(fixture.text);
	fixture.text = NULL;
	out = open_memstream(&fixture.text, &fixture.size);
	assert_non_null(out);
	return out;
}

/* Reads HEAD and `filter`. On success `ruleset` is set, on failure it must stay NULL. */
int ruleset_read(const char *filter)
{
	char *text = NULL;
	FILE *out;
	int error;

	assert_true(asprintf(&text, "%s%s", HEAD, filter) > 0);
	config_write_text(text);
	free(text);
	out = ruleset_report();
	ruleset = NULL;
	error = hg_config_read_gateway(fixture.path, NULL, &fixture.cluster, &ruleset, out);
	fclose(out);
	assert_int_equal(!error, ruleset != NULL);
	assert_int_equal(!error, !config_count_errors());
	return error;
}

void ruleset_drop(void)
{
	hg_ruleset_free(ruleset);
	hg_config_done(&fixture.cluster);
	ruleset = NULL;
}

void ruleset_read_good(const char *filter)
{
	if (ruleset_read(filter))
		fail_msg("refused:\n%s", fixture.text);
}

void ruleset_assert_said(const char *piece)
{
	if (!strstr(fixture.text, piece))
		fail_msg("'%s' is not in:\n%s", piece, fixture.text);
}

void ruleset_assert_silent(void)
{
	if (fixture.size)
		fail_msg("expected no diagnostics, got:\n%s", fixture.text);
}

const char *ruleset_text(unsigned int index)
{
	static const char *const ports[] = { "lan", "wan", "ha" };
	static const struct hg_rule_names names = { .port_count = 3, .port = ports };
	static char text[HG_RULE_TEXT_MAX];

	assert_true(index < ruleset->rule_count);
	hg_rule_print(&ruleset->rule[index], &names, text, sizeof(text));
	return text;
}
