/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hagate-load's reports: status and probe, as text or JSON on stdout. */
#ifndef HG_SHOW_H
#define HG_SHOW_H

#include <stdbool.h>

#include "loader.h"

/* 0, or -errno with a sentence. */
int hg_show_status(const char *pin, bool is_json, struct hg_error *error);
int hg_show_probe(char *const *ifnames, int count, bool is_try, struct hg_error *error);

/* Age of the agent's last sign of life in ns, from the maps of this layout below `pin`;
 * UINT64_MAX when there is none. */
__u64 hg_show_agent_age(const char *pin);
/* When that was (CLOCK_BOOTTIME); 0: never, or not known. */
__u64 hg_show_agent_seen(const char *pin);

/* Warns on stderr of virtual addresses that NICs here still have: without the data
 * path the kernel answers for them, beside the node that serves. To be called while
 * the maps are there. */
void hg_show_left_addresses(const char *pin);

#endif
