/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading what a cluster.yaml says about the filter: `filter.default`, `lists`, `rules`
 * and the rule files of `include`, which follow the rules in the order of their names.
 * Relative paths begin in the directory of cluster.yaml.
 *
 * Diagnostics go to `out` as config.h says; every mistake of every file in one run.
 * Warnings may come with success.
 */
#ifndef HG_FILTER_RULESET_H
#define HG_FILTER_RULESET_H

#include "agent/filter/rule.h"

/* A ruleset comes from hg_config_read_gateway() in agent/config.h: one read, one state of all
 * files for the configuration, its hash and the rules. */
void hg_ruleset_free(struct hg_ruleset *ruleset);

/* A cluster.yaml (a name that ends in .yaml or .yml) as a whole, or a file of rules. With
 * `names` NULL any name of a port is taken in a file of rules. 0 or -EINVAL. */
int hg_ruleset_check_file(const char *path, const struct hg_rule_names *names, FILE *out);

/*
 * Would the rules shut somebody out of a node's own addresses, on a TCP port of
 * `failsafe` (22 when there is none), if there were no failsafe? Pure. True: `ret` says
 * who is cut off, and by what. `cluster` NULL: addresses are not known.
 */
bool hg_ruleset_lockout(const struct hg_ruleset *ruleset, const struct hg_cluster_config *cluster,
			char *ret, size_t size);
/* Is there a rule that would end the heartbeats between the nodes, if they were filtered? */
bool hg_ruleset_drops_heartbeats(const struct hg_ruleset *ruleset,
				 const struct hg_cluster_config *cluster, char *ret, size_t size);

#endif
