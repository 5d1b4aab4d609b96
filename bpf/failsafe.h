/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Never lock the operator out: the failsafe services (default: ssh) on the node's
 * own addresses pass before any filter is asked.
 */
#ifndef HG_FAILSAFE_H
#define HG_FAILSAFE_H

#include "pkt.h"

#define HG_FAILSAFE_PORTS (sizeof(hg_config.failsafe_ports) / sizeof(hg_config.failsafe_ports[0]))

static __always_inline enum hg_verdict stage_failsafe(struct hg_pkt *p)
{
	unsigned int i;

	if (p->transport != HG_L4_TCP || p->dst != HG_ADDR_OWN)
		return HG_NEXT;
#pragma clang loop unroll(full)
	for (i = 0; i < HG_FAILSAFE_PORTS; i++)
		if (hg_config.failsafe_ports[i] &&
		    p->dport == bpf_htons(hg_config.failsafe_ports[i]))
			return hg_pass(p, HG_R_PASS_FAILSAFE);
	return HG_NEXT;
}

#endif
