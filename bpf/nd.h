/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Neighbour discovery on ingress (RFC 4861, 7.1 and 7.2): the IPv6 side of arp.h.
 *
 * The checksum of a solicitation is not verified: virtual NICs hand frames over
 * with checksums still to be filled in, and the answer depends on nothing but the
 * target, which is ours.
 */
#ifndef HG_ND_H
#define HG_ND_H

#include "event.h"
#include "pkt.h"

/* Advertisement with one option, the target's MAC */
#define HG_ND_OFFSETS 0x7fff /* a message begins before, behind all extension headers */
#define HG_ND_ANSWER_LEN (sizeof(struct hg_nd) + sizeof(struct hg_nd_option))

struct nd_answer {
	struct ipv6hdr ip;
	struct hg_nd nd;
	struct hg_nd_option option;
};

/* ff02::1:ffXX:XXXX of the target */
static __always_inline bool nd_is_solicited_node(const struct in6_addr *group,
						 const struct in6_addr *target)
{
	return group->in6_u.u6_addr32[0] == bpf_htonl(0xff020000) && !group->in6_u.u6_addr32[1] &&
	       group->in6_u.u6_addr32[2] == bpf_htonl(1) &&
	       group->in6_u.u6_addr32[3] == (target->in6_u.u6_addr32[3] | bpf_htonl(0xff000000));
}

/* The checks of RFC 4861, 7.1.1 that concern a question about a VIP. */
static __always_inline bool nd_is_valid(const struct ipv6hdr *ip, const struct hg_nd *nd)
{
	if (ip->hop_limit != HG_ND_HOP_LIMIT || nd->code)
		return false;
	return !hg_ip6_is_unspecified(&ip->saddr) || nd_is_solicited_node(&ip->daddr, &nd->target);
}

/* All headers are written anew: the question may have carried other options. */
static __always_inline void nd_write(const struct hg_pkt *p, struct nd_answer *answer,
				     const struct in6_addr *to, const struct in6_addr *vip,
				     bool is_probe)
{
	__u32 flags = HG_NA_ROUTER | HG_NA_OVERRIDE | (is_probe ? 0 : HG_NA_SOLICITED);
	__u64 sum;

	answer->ip.nexthdr = IPPROTO_ICMPV6;
	answer->ip.hop_limit = HG_ND_HOP_LIMIT;
	answer->ip.payload_len = bpf_htons(HG_ND_ANSWER_LEN);
	answer->ip.saddr = *vip;
	answer->ip.daddr = *to;
	answer->nd.type = HG_ND_NA;
	answer->nd.code = 0;
	answer->nd.check = 0;
	answer->nd.flags = bpf_htonl(flags);
	answer->nd.target = *vip;
	answer->option.type = HG_ND_OPTION_TARGET;
	answer->option.len = 1;
	hg_mac_copy(answer->option.mac, hg_port_gateway_mac(p->port));
	sum = bpf_htonl(HG_ND_ANSWER_LEN) + (__u64)bpf_htonl(IPPROTO_ICMPV6);
	sum = hg_sum_add(&answer->ip.saddr, 2 * sizeof(answer->ip.saddr), sum);
	answer->nd.check = hg_sum_fold(hg_sum_add(&answer->nd, HG_ND_ANSWER_LEN, sum));
}

static __always_inline bool nd_turn(struct hg_pkt *p, const struct ipv6hdr *question,
				    const struct hg_nd *nd)
{
	bool is_probe = hg_ip6_is_unspecified(&question->saddr);
	struct in6_addr vip = nd->target, to = question->saddr;
	__u32 offset = p->net_offset;
	struct nd_answer *answer;
	struct ethhdr *eth;
	int grow;

	if (is_probe) { /* all nodes */
		to.in6_u.u6_addr32[0] = bpf_htonl(0xff020000);
		to.in6_u.u6_addr32[3] = bpf_htonl(1);
	}
	/* The compiler knows this and would leave it out; the verifier does not. */
	barrier_var(offset);
	if (offset > sizeof(*eth) + HG_VLANS_MAX * sizeof(struct hg_vlan))
		return false;
	grow = (int)(offset + sizeof(*answer)) - (int)p->len;
	if (grow && bpf_xdp_adjust_tail(p->ctx, grow))
		return false; /* no room: the asker asks again */
	p->data = (void *)(long)p->ctx->data;
	p->end = (void *)(long)p->ctx->data_end;
	eth = p->data;
	answer = p->data + offset;
	if ((void *)(eth + 1) > p->end || (void *)(answer + 1) > p->end)
		return false;
	hg_mac_copy(eth->h_dest, eth->h_source);
	if (is_probe) {
		eth->h_dest[0] = eth->h_dest[1] = 0x33;
		eth->h_dest[2] = eth->h_dest[3] = eth->h_dest[4] = 0;
		eth->h_dest[5] = 1;
	}
	hg_mac_copy(eth->h_source, hg_port_gateway_mac(p->port));
	nd_write(p, answer, &to, &vip, is_probe);
	return true;
}

/* Makes the solicitation its own answer. A function to the verifier too, which walks
 * through it once; it takes numbers and finds the headers again. 0: dropped. */
__attribute__((noinline)) __u32 hg_nd_answer(struct xdp_md *ctx, __u32 net_offset, __u32 nd_offset)
{
	struct hg_pkt p = { .ctx = ctx, .net_offset = net_offset & HG_NET_OFFSETS };
	__u32 ifindex = ctx->ingress_ifindex;
	const struct ipv6hdr *question;
	const struct hg_nd *nd;

	p.data = (void *)(long)ctx->data;
	p.end = (void *)(long)ctx->data_end;
	p.len = bpf_xdp_get_buff_len(ctx);
	p.port = bpf_map_lookup_elem(&hg_port, &ifindex);
	question = p.data + p.net_offset;
	nd = p.data + (nd_offset & HG_ND_OFFSETS);
	if (!p.port || (void *)(question + 1) > p.end || (void *)(nd + 1) > p.end)
		return 0;
	return nd_turn(&p, question, nd);
}

static __always_inline enum hg_verdict nd_solicitation(struct hg_pkt *p, const struct hg_nd *nd,
						       __u32 slot)
{
	const struct ethhdr *eth = p->data;
	const struct ipv6hdr *ip = p->l3;

	if (!nd_is_valid(ip, nd))
		return hg_drop(p, HG_R_BAD_L4);
	if (slot != p->port->slot || !hg_pkt_is_served(p))
		return hg_drop(p, HG_R_ND_SILENT);
	if (hg_port_owns_mac(p->port, eth->h_source)) /* our own question, come back */
		return hg_drop(p, HG_R_ND_SILENT);
	return hg_nd_answer(p->ctx, p->net_offset, (void *)nd - p->data)
		       ? hg_tx(p, HG_R_ND_ANSWERED)
		       : hg_drop(p, HG_R_ND_SILENT);
}

/* Somebody says that a VIP is his. */
static __always_inline enum hg_verdict nd_advertisement(struct hg_pkt *p, const struct hg_nd *nd)
{
	const struct ethhdr *eth = p->data;

	if (hg_port_owns_mac(p->port, eth->h_source))
		return hg_drop(p, HG_R_ND_SILENT);
	if (hg_pkt_is_served(p)) {
		hg_event_conflict(p, eth->h_source, &nd->target, sizeof(nd->target));
		return hg_drop(p, HG_R_VIP_CONFLICT);
	}
	/* A standby may talk through the gateway: see arp.h. */
	if (p->dst == HG_ADDR_OWN)
		return HG_NEXT;
	return hg_drop(p, HG_R_ND_SILENT);
}

static __always_inline enum hg_verdict stage_nd(struct hg_pkt *p)
{
	const struct hg_nd *nd = p->l4;
	__u32 slot = 0;

	if (p->transport != HG_L4_ICMP6 || p->is_fragment)
		return HG_NEXT;
	if (p->icmp_type != HG_ND_NS && p->icmp_type != HG_ND_NA)
		return HG_NEXT;
	if ((void *)(nd + 1) > p->end || p->l4_len < sizeof(*nd))
		return hg_drop(p, HG_R_BAD_L4);
	if (hg_addr6_find(&nd->target, &slot) != HG_ADDR_VIP)
		return HG_NEXT;
	return p->icmp_type == HG_ND_NS ? nd_solicitation(p, nd, slot) : nd_advertisement(p, nd);
}

#endif
