/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A ruleset in the making. Private to agent/filter and to the reader of cluster.yaml:
 *
 *   hg_build_begin() - hg_build_read(), when the file has a `filter` - hg_build_end()
 *
 * Mistakes in cluster.yaml go to its own diag, those of other files to a report that
 * hg_build_end() prints, so that cluster.yaml comes first.
 */
#ifndef HG_FILTER_BUILD_H
#define HG_FILTER_BUILD_H

#include "agent/config_yaml.h"
#include "agent/filter/list.h"
#include "agent/filter/rule.h"

#define HG_BUILD_INCLUDES_MAX 64
#define HG_BUILD_TABLE 32768 /* slots: three times the rules, a power of two */

struct hg_ruleset_build {
	const char *path; /* of cluster.yaml, or of the only file of rules */
	struct hg_ruleset *ruleset;
	struct hg_rule_names names; /* `list` follows the ruleset */
	const char *port[32];
	char open_port[32][HG_WIRE_NAME_LEN]; /* names made up while `is_open` */
	bool is_open; /* any name of a port is taken */
	bool is_quiet; /* without warnings */
	bool is_full, is_after_all; /* reported, once */
	size_t entries_left;
	unsigned int rule_room; /* of ruleset->rule and match */
	uint32_t *by_id, *by_match; /* tables of rules: index + 1 */
	uint64_t *match; /* [rule], hash of what it matches */
	uint32_t everything; /* the first rule that decides every packet: index + 1 */
	unsigned int include_count;
	char *report_text;
	size_t report_size;
	FILE *report;
	bool has_errors; /* in the report */
};

/* Where a rule's text stands: in a YAML scalar, or in a file at `at`. */
struct hg_rule_place {
	struct hg_diag *diag;
	const struct hg_yaml_node *node; /* NULL: a file */
	size_t at;
	uint16_t file;
};

int hg_build_begin(struct hg_ruleset_build *build, const char *path);
/* The ports that rules may name; `is_open` when some are missing through other mistakes. */
void hg_build_set_ports(struct hg_ruleset_build *build, const char *const *names,
			unsigned int count, bool is_open);
/* `filter` is the value of that key. */
void hg_build_read(struct hg_ruleset_build *build, struct hg_diag *diag,
		   const struct hg_yaml_node *filter);
/* Prints the report. 0 and the ruleset, or -EINVAL when it has errors; `ret` NULL: the
 * ruleset is not wanted. Frees everything else. */
int hg_build_end(struct hg_ruleset_build *build, struct hg_ruleset **ret, FILE *out);

/* Parts, shared by build.c and source.c */
void hg_build_add_rule(struct hg_ruleset_build *build, const struct hg_rule_place *place,
		       const char *text, size_t length);
void hg_build_add_list(struct hg_ruleset_build *build, struct hg_list_build *list);
/* Adds the rules of a file. `referrer`: the place of its name in cluster.yaml, or NULL. */
void hg_build_read_rules(struct hg_ruleset_build *build, const char *path, struct hg_diag *diag,
			 const struct hg_yaml_node *referrer);

#endif
