/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which counter slot belongs to which rule (hg_rule_slot). Within loader/ only, under
 * the pin directory's lock.
 */
#ifndef HG_LOADER_FILTER_SLOTS_H
#define HG_LOADER_FILTER_SLOTS_H

#include "filter.h"

struct hg_slots;

int hg_slots_open(const char *pin, struct hg_slots **ret, struct hg_error *error);
void hg_slots_free(struct hg_slots *slots);

/* Gives each rule of `set` a slot: its own, or a new one with counters at zero. Slots of
 * rules in force stay theirs. `now`: hg_filter before the change. */
int hg_slots_assign(struct hg_slots *slots, const struct hg_compiled *set,
		    const struct hg_filter *now, __u32 next, __u32 *ret_kept,
		    struct hg_error *error);
/* [rule_count], after hg_slots_assign(). */
const __u32 *hg_slots_counters(const struct hg_slots *slots);
/* Notes that `generation`, now selected, has these rules. */
int hg_slots_mark(struct hg_slots *slots, const struct hg_compiled *set, __u32 generation,
		  struct hg_error *error);

#endif
