/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who serves? Everything for a virtual address and everything in transit passes
 * only while this node holds the lease; the node's own addresses always work.
 *
 *              serving       draining      otherwise
 *   own        pass          pass          pass
 *   VIP        pass          drop          drop
 *   transit    pass          pass          drop
 *
 * Broadcast and multicast go by the Ethernet destination: a subnet's broadcast
 * address looks like any other, and the kernel forwards nothing that came in a
 * broadcast frame.
 */
#ifndef HG_OWNER_H
#define HG_OWNER_H

#include "arp.h"
#include "nd.h"
#include "pkt.h"

static __always_inline bool owner_is_group(const struct hg_pkt *p)
{
	if (p->to == HG_MAC_GROUP)
		return true;
	if (p->net == HG_NET_IP4)
		return hg_ip4_is_group(((struct iphdr *)p->l3)->daddr);
	return hg_ip6_is_multicast(&((struct ipv6hdr *)p->l3)->daddr);
}

/* Link-local IPv6 never is transit: it is for this node, listed or not. */
static __always_inline bool owner_is_own(const struct hg_pkt *p)
{
	return p->dst == HG_ADDR_OWN || (!p->dst && p->net == HG_NET_IP6 &&
					 hg_ip6_is_link_local(&((struct ipv6hdr *)p->l3)->daddr));
}

static __always_inline enum hg_verdict owner_ip(struct hg_pkt *p)
{
	if (p->net == HG_NET_IP4) {
		if (p->l3 + sizeof(struct iphdr) > p->end)
			return hg_drop(p, HG_R_BAD_IP);
	} else if (p->l3 + sizeof(struct ipv6hdr) > p->end) {
		return hg_drop(p, HG_R_BAD_IP);
	}
	if (owner_is_group(p))
		return hg_pass(p, HG_R_PASS_MULTICAST);
	if (owner_is_own(p))
		return hg_pass(p, HG_R_PASS_OWN);
	if (p->dst == HG_ADDR_VIP)
		return hg_pkt_is_served(p) ? hg_pass(p, HG_R_PASS_VIP)
					   : hg_drop(p, HG_R_VIP_SILENT);
	if (hg_pkt_is_served(p))
		return hg_pass(p, HG_R_PASS_TRANSIT);
	if (hg_pkt_is_draining(p))
		return hg_pass(p, HG_R_PASS_DRAIN);
	return hg_drop(p, HG_R_TRANSIT_SILENT);
}

static __always_inline enum hg_verdict stage_owner(struct hg_pkt *p)
{
	enum hg_verdict verdict;

	if (p->net == HG_NET_OTHER)
		return hg_pass(p, HG_R_PASS_OTHER);
	verdict = stage_arp(p);
	if (verdict == HG_NEXT)
		verdict = stage_nd(p);
	return verdict == HG_NEXT ? owner_ip(p) : verdict;
}

#endif
