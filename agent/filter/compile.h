/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From a ruleset to the contents of a generation's maps (hagate/filter.h). Pure:
 * allocates, touches nothing. The same ruleset gives the same tables.
 */
#ifndef HG_FILTER_COMPILE_H
#define HG_FILTER_COMPILE_H

#include "agent/filter/rule.h"
#include "loader/filter.h"

struct hg_compile_context {
	const struct hg_ip *vip; /* what `vip` means; their prefix lengths do not count */
	size_t vip_count;
	/* index of a name in hg_rule_names -> slot of this node, HG_SLOTS_MAX: not here */
	uint8_t slot[32];
};

/* -ENOMEM; -E2BIG: more than HG_RULES_MAX rules (also refused by the parser's owner);
 * -ENOENT: a rule names a list that is not there; -ENOSPC: lists and rules overlap in
 * more than HG_CLASSES_MAX ways. */
int hg_compile(const struct hg_ruleset *ruleset, const struct hg_compile_context *context,
	       struct hg_compiled **ret);
void hg_compile_free(struct hg_compiled *compiled);

#endif
