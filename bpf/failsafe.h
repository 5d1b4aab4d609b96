/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Never lock the operator out, whatever the filter says:
 *
 * The failsafe services (default: ssh) on the node's own addresses pass at once, and so do
 * answers of the witness and the connections between two hagate-syncs.
 * Neighbour discovery of IPv6, without which nobody on the segment could reach them, is
 * exempt from the filter but goes on to the owner stage. ARP never comes to the filter;
 * heartbeats have been dealt with before.
 */
#ifndef HG_FAILSAFE_H
#define HG_FAILSAFE_H

#include <linux/udp.h>

#include "pkt.h"

#define HG_FAILSAFE_PORTS (sizeof(hg_config.failsafe_ports) / sizeof(hg_config.failsafe_ports[0]))

static __always_inline bool failsafe_is_from(const struct hg_pkt *p, __u8 family,
					     const volatile __u8 *address)
{
	const struct iphdr *ip4 = p->l3;
	const struct ipv6hdr *ip6 = p->l3;
	const volatile __u32 *word = (const volatile __u32 *)address;

	if (family == 4)
		return p->net == HG_NET_IP4 && (void *)(ip4 + 1) <= p->end && ip4->saddr == word[0];
	return p->net == HG_NET_IP6 && (void *)(ip6 + 1) <= p->end &&
	       ip6->saddr.in6_u.u6_addr32[0] == word[0] &&
	       ip6->saddr.in6_u.u6_addr32[1] == word[1] &&
	       ip6->saddr.in6_u.u6_addr32[2] == word[2] && ip6->saddr.in6_u.u6_addr32[3] == word[3];
}

static __always_inline bool failsafe_is_port(const struct hg_pkt *p)
{
	unsigned int i;

	__u16 above;

	if (p->transport != HG_L4_TCP)
		return false;
	above = bpf_ntohs(p->dport) - hg_config.sync_port;
	if (hg_config.sync_port && above < HG_SYNC_PORTS)
		return true;
#pragma clang loop unroll(full)
	for (i = 0; i < HG_FAILSAFE_PORTS; i++)
		if (hg_config.failsafe_ports[i] &&
		    p->dport == bpf_htons(hg_config.failsafe_ports[i]))
			return true;
	return false;
}

/* An answer of the witness, as far as headers show it: from its address and port, and one
 * whole frame, which hagated checks. Without it a node that lost its peer would stop, for
 * no better reason than a rule. */
static __always_inline bool failsafe_is_witness(const struct hg_pkt *p)
{
	const struct udphdr *udp = p->l4;
	const struct hg_wire_head *head = (const void *)(udp + 1);
	__u32 length = p->l4_len - sizeof(*udp);

	if (!hg_config.witness_family || p->transport != HG_L4_UDP || p->is_fragment ||
	    (void *)(head + 1) > p->end || udp->source != bpf_htons(hg_config.witness_port) ||
	    (length != HG_WIRE_SHORT && length != HG_WIRE_LONG) ||
	    head->magic != bpf_htons(HG_WIRE_MAGIC) || head->version != HG_WIRE_VERSION)
		return false;
	return failsafe_is_from(p, hg_config.witness_family, hg_config.witness);
}

static __always_inline bool failsafe_is_nd(const struct hg_pkt *p)
{
	return p->transport == HG_L4_ICMP6 && !p->is_fragment && p->icmp_type >= HG_ND_RS &&
	       p->icmp_type <= HG_ND_REDIRECT;
}

/* As far as can be said without the destination. */
static __always_inline bool failsafe_is_possible(const struct hg_pkt *p)
{
	return failsafe_is_port(p) || failsafe_is_nd(p) || failsafe_is_witness(p);
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
	if (p->dst == HG_ADDR_OWN && (failsafe_is_port(p) || failsafe_is_witness(p)))
		return hg_pass(p, HG_R_PASS_FAILSAFE);
	p->is_exempt = failsafe_is_neighbour(p);
	return p->is_blocked && !p->is_exempt ? hg_drop(p, HG_R_FILTER_BLOCKED) : HG_NEXT;
}

#endif
