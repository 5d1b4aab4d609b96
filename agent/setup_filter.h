/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The filter's part of setup.h: a ruleset becomes the one in force, and RUN/filter.json
 * says which one that is. What people see (`hagate filter show`) comes from there, never
 * from the files as they are now.
 */
#ifndef HG_SETUP_FILTER_H
#define HG_SETUP_FILTER_H

#include <jansson.h>

#include "agent/filter/rule.h"
#include "agent/setup.h"
#include "loader/filter.h"

#define HG_FILTER_FILE "filter.json"

/* Names of ports for rules, out of a configuration. */
struct hg_setup_names {
	const char *port[HG_SLOTS_MAX];
	struct hg_rule_names names; /* points to `port` */
};
void hg_setup_names(const struct hg_cluster_config *cluster, struct hg_setup_names *ret);

/* Compiles; changes nothing. What is wrong goes to `out`. */
int hg_setup_compile(const struct hg_setup *setup, const struct hg_ruleset *ruleset,
		     struct hg_compiled **ret, FILE *out);

/* Puts it in force and writes RUN/filter.json. Fills setup->filter. */
int hg_setup_apply(struct hg_setup *setup, const struct hg_ruleset *ruleset,
		   const struct hg_compiled *compiled, FILE *out);

/* RUN/filter.json as it stands; NULL, with the error in words. */
json_t *hg_setup_filter_read(const char *run, struct hg_error *error);

#endif
