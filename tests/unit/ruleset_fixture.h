/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Shared by the tests of rulesets: a cluster.yaml whose filter is the test's, files
 * beside it, and what was read and reported (config_fixture.h has the directory).
 */
#ifndef TESTS_RULESET_FIXTURE_H
#define TESTS_RULESET_FIXTURE_H

#include "agent/filter/ruleset.h"
#include "config_fixture.h"

/* cluster.yaml up to its filter, which begins on line 10 */
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

extern struct hg_ruleset *ruleset; /* of the last read, NULL when it failed */

/* Another file beside cluster.yaml: its path (static), and writing it. */
const char *ruleset_beside(const char *name);
void ruleset_write(const char *name, const char *text);

/* A new report: fixture.text, when it is closed. */
FILE *ruleset_report(void);
/* Reads HEAD and `filter`; errors and success exclude each other. */
int ruleset_read(const char *filter);
void ruleset_read_good(const char *filter);
void ruleset_drop(void);

void ruleset_assert_said(const char *piece);
void ruleset_assert_silent(void);
/* Canonical text of a rule (static). */
const char *ruleset_text(unsigned int index);

#endif
