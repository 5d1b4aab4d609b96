/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The one place that counts: per CPU, per port, per reason.
 */
#ifndef HG_COUNT_H
#define HG_COUNT_H

#include "maps.h"

static __always_inline void hg_count(const struct hg_port *port, __u32 reason, __u32 octets)
{
	__u32 key = port->slot * HG_R_COUNT + reason;
	struct hg_stat *stat = bpf_map_lookup_elem(&hg_stats, &key);

	if (!stat)
		return;
	stat->packets++;
	stat->octets += octets;
}

#endif
