/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rules in force: puts a compiled ruleset into the pinned maps as a new generation and
 * reads the counters. Everything happens under the pin directory's lock, so two appliers
 * wait for each other. Blocks (copies up to some 200 MB, waits for RCU): never called
 * from the agent's loop.
 */
#ifndef HG_LOADER_FILTER_H
#define HG_LOADER_FILTER_H

#include "hagate/filter.h"
#include "loader.h"

/* The contents of one generation. All arrays are the owner's, see hg_compile_free(). */
struct hg_compiled {
	__u32 *table; /* [HG_TABLE_SIZE] */
	__u32 class_count; /* at least 1: row 0 is empty */
	struct hg_bits *bits;
	__u32 node_count; /* may be 0 */
	struct hg_trie_node *node;
	__u32 rule_count;
	struct hg_rule_entry *rule; /* counter: 0, assigned when applied */
	__u64 *id; /* [rule_count] stable, unique, never 0 */
	bool is_default_drop;
};

struct hg_filter_result {
	__u32 generation; /* now selected; 0: no rules and default accept */
	__u32 kept; /* rules whose counters go on */
};

/*
 * Makes `set` the ruleset in force, at once for each packet. Safe to repeat and to kill
 * at any moment: the old or the new ruleset is in force, never none. A rule keeps its
 * counters as long as its id does; counters of rules that vanished are kept until their
 * place is needed. ret_result may be NULL. -ENOENT: nothing is pinned. -EBUSY: locked.
 */
int hg_filter_apply(const char *pin, const struct hg_compiled *set,
		    struct hg_filter_result *ret_result, struct hg_error *error);

/* The words of hg_filter, as packets see them now. */
int hg_filter_read(const char *pin, struct hg_filter *ret, struct hg_error *error);

/* Sums all CPUs: ret[i] belongs to id[i]; zero for an id that has no counters. */
int hg_filter_read_counters(const char *pin, const __u64 *id, size_t count,
			    struct hg_rule_stat *ret, struct hg_error *error);

#endif
