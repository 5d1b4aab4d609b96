/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Never lock the operator out, whatever the filter says:
 *
 * The failsafe services (default: ssh) on the node's own addresses pass at once.
 * Neighbour discovery of IPv6, without which nobody on the segment could reach them, is
 * exempt from the filter but goes on to the owner stage. ARP never comes to the filter;
 * heartbeats have been dealt with before.
 */
#ifndef HG_FAILSAFE_H
#define HG_FAILSAFE_H

#include "pkt.h"

#define HG_FAILSAFE_PORTS (sizeof(hg_config.failsafe_ports) / sizeof(hg_config.failsafe_ports[0]))

static __always_inline bool failsafe_is_port(const struct hg_pkt *p)
{
	unsigned int i;

	if (p->transport != HG_L4_TCP)
		return false;
#pragma clang loop unroll(full)
	for (i = 0; i < HG_FAILSAFE_PORTS; i++)
		if (hg_config.failsafe_ports[i] &&
		    p->dport == bpf_htons(hg_config.failsafe_ports[i]))
			return true;
	return false;
}

static __always_inline bool failsafe_is_nd(const struct hg_pkt *p)
{
	return p->transport == HG_L4_ICMP6 && !p->is_fragment && p->icmp_type >= HG_ND_RS &&
	       p->icmp_type <= HG_ND_REDIRECT;
}

/* As far as can be said without the destination. */
static __always_inline bool failsafe_is_possible(const struct hg_pkt *p)
{
	return failsafe_is_port(p) || failsafe_is_nd(p);
}

/* Neighbour discovery of this very segment, so the hop limit says, and for this node. */
static __always_inline bool failsafe_is_neighbour(const struct hg_pkt *p)
{
	const struct ipv6hdr *ip = p->l3;

	if (!failsafe_is_nd(p) || (void *)(ip + 1) > p->end || ip->hop_limit != HG_ND_HOP_LIMIT)
		return false;
	return p->dst || hg_ip6_is_multicast(&ip->daddr) || hg_ip6_is_link_local(&ip->daddr);
}

static __always_inline enum hg_verdict stage_failsafe(struct hg_pkt *p)
{
	if (p->dst == HG_ADDR_OWN && failsafe_is_port(p))
		return hg_pass(p, HG_R_PASS_FAILSAFE);
	p->is_exempt = failsafe_is_neighbour(p);
	return p->is_blocked && !p->is_exempt ? hg_drop(p, HG_R_FILTER_BLOCKED) : HG_NEXT;
}

#endif
