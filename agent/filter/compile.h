/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From a ruleset to the contents of a generation's maps (hagate/filter.h). Pure:
 * allocates, touches nothing. The same ruleset gives the same tables.
 */
#ifndef HG_FILTER_COMPILE_H
#define HG_FILTER_COMPILE_H

#include "agent/filter/rule.h"

/* One entry of a trie: the class of an address that has this longest prefix. */
struct hg_compiled_prefix {
	uint8_t side; /* HG_LPM_SRC, HG_LPM_DST */
	struct hg_ip prefix;
	uint32_t class;
};

struct hg_compiled {
	uint32_t table[HG_TABLE_SIZE];
	uint32_t class_count; /* rows of `bits`; row 0 is empty */
	struct hg_bits *bits;
	size_t prefix_count;
	struct hg_compiled_prefix *prefix;
	uint32_t rule_count;
	struct hg_rule_entry rule[HG_RULES_MAX]; /* counter: left 0, the loader assigns it */
	uint64_t id[HG_RULES_MAX]; /* stable ids */
	bool is_default_drop;
};

struct hg_compile_context {
	const struct hg_ip *vip; /* what `vip` means */
	size_t vip_count;
	/* index of a name in hg_rule_names -> slot of this node, HG_SLOTS_MAX: not here */
	uint8_t slot[32];
};

/* -ENOMEM; -E2BIG: more than HG_RULES_MAX rules (also refused by the parser's owner). */
int hg_compile(const struct hg_ruleset *ruleset, const struct hg_compile_context *context,
	       struct hg_compiled **ret);
void hg_compile_free(struct hg_compiled *compiled);

#endif
