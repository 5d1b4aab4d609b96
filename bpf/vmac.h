/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Frames to the virtual MAC: the serving node gives them the NIC's own MAC, so
 * that the kernel takes them; so does a draining one, for hosts whose switch has
 * not moved the entry yet. Anybody else must not touch them: a switch may flood
 * them to both nodes.
 */
#ifndef HG_VMAC_H
#define HG_VMAC_H

#include "pkt.h"

static __always_inline enum hg_verdict stage_vmac(struct hg_pkt *p)
{
	struct ethhdr *eth = p->data;

	if (p->to != HG_MAC_VIRTUAL)
		return HG_NEXT;
	if (hg_pkt_is_served(p) || hg_pkt_is_draining(p)) {
		if ((void *)(eth + 1) > p->end)
			return hg_drop(p, HG_R_BAD_ETHERNET);
		hg_mac_copy(eth->h_dest, p->port->mac);
		return HG_NEXT;
	}
	if (p->net == HG_NET_ARP)
		return hg_drop(p, HG_R_ARP_SILENT);
	return hg_drop(p, p->dst == HG_ADDR_VIP ? HG_R_VIP_SILENT : HG_R_TRANSIT_SILENT);
}

#endif
