/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a leaving frame says, and in whose name. Reads no more than that needs.
 *
 * Pointers into the packet are never kept across functions: a header that is not
 * linear is pulled, which moves everything.
 */
#ifndef HG_EGRESS_H
#define HG_EGRESS_H

#include "pkt.h"

struct hg_out {
	struct __sk_buff *skb;
	const struct hg_port *port;
	struct hg_state *state;
	bool is_serving;
	bool is_draining;
	bool is_virtual; /* this port has a virtual MAC */
	bool is_transit; /* came in on a NIC */

	enum hg_net net;
	__u32 net_offset; /* of ARP or IP */
	__u32 nd_offset; /* of the ICMPv6 header, where nd_type is set */
	__u8 nd_type; /* HG_ND_RS, RA, NS, NA; else 0 */
	bool is_from_vip; /* IP source */
	bool is_from_own;
	bool is_for_vip; /* ARP from, or advertisement of, a VIP */
	bool has_vmac; /* as Ethernet or ARP source */
};

/* The frame from `offset` on, when `size` octets (constant) are there; or NULL. */
static __always_inline void *egress_at(const struct hg_out *o, __u32 offset, __u32 size)
{
	void *at;

	barrier_var(offset);
	if (offset > 0x3fff)
		return NULL;
	at = (void *)(long)o->skb->data + offset;
	if (at + size <= (void *)(long)o->skb->data_end)
		return at;
	if (bpf_skb_pull_data(o->skb, offset + size))
		return NULL;
	at = (void *)(long)o->skb->data + offset;
	return at + size <= (void *)(long)o->skb->data_end ? at : NULL;
}

static __always_inline bool egress_parse_arp(struct hg_out *o)
{
	const struct hg_arp *arp = egress_at(o, o->net_offset, sizeof(*arp));
	__u32 ignored;

	if (!arp || arp->hardware_len != ETH_ALEN || arp->protocol_len != sizeof(arp->spa))
		return false;
	if (o->is_virtual && hg_mac_equal(arp->sha, o->port->vmac))
		o->has_vmac = true;
	o->is_for_vip = hg_addr4_find(arp->spa, &ignored) == HG_ADDR_VIP;
	return true;
}

static __always_inline void egress_set_source(struct hg_out *o, enum hg_addr_kind kind)
{
	o->is_from_vip = kind == HG_ADDR_VIP;
	o->is_from_own = kind == HG_ADDR_OWN;
}

static __always_inline bool egress_parse_ip4(struct hg_out *o)
{
	const struct iphdr *ip = egress_at(o, o->net_offset, sizeof(*ip));
	__u32 ignored;

	if (!ip)
		return false;
	egress_set_source(o, hg_addr4_find(ip->saddr, &ignored));
	return true;
}

/* Same walk as the gate's, over an skb: see parse.h. */
__attribute__((noinline)) __u32 hg_egress_extensions(struct __sk_buff *skb, __u32 offset,
						     __u32 protocol)
{
	struct hg_ip6_walk walk = { .offset = offset, .protocol = protocol };
	struct hg_ip6_extension ext;
	int i;

	for (i = 0; i < HG_EXTENSIONS_MAX && hg_ip6_walk_goes_on(&walk); i++) {
		if (bpf_skb_load_bytes(skb, walk.offset, &ext, sizeof(ext)))
			return 0;
		hg_ip6_walk_step(&walk, &ext);
	}
	return hg_ip6_walk_pack(&walk);
}

static __always_inline bool egress_parse_nd(struct hg_out *o, __u8 protocol, __u32 offset)
{
	const struct hg_nd *nd;
	__u32 ignored;
	__u8 type;

	if (protocol != IPPROTO_ICMPV6)
		return true;
	if (bpf_skb_load_bytes(o->skb, offset, &type, sizeof(type)))
		return false;
	if (type < HG_ND_RS || type > HG_ND_NA)
		return true;
	o->nd_type = type;
	o->nd_offset = offset;
	if (type != HG_ND_NA)
		return true;
	nd = egress_at(o, offset, sizeof(*nd));
	if (!nd)
		return false;
	o->is_for_vip = hg_addr6_find(&nd->target, &ignored) == HG_ADDR_VIP;
	return true;
}

static __always_inline bool egress_parse_ip6(struct hg_out *o)
{
	const struct ipv6hdr *ip = egress_at(o, o->net_offset, sizeof(*ip));
	struct hg_ip6_walk walk;
	__u32 ignored;
	__u8 protocol;

	if (!ip)
		return false;
	protocol = ip->nexthdr;
	egress_set_source(o, hg_addr6_find(&ip->saddr, &ignored));
	walk.protocol = protocol;
	walk.offset = o->net_offset + sizeof(*ip);
	walk.is_fragment = false;
	if (hg_ip6_is_extension(protocol)) {
		walk = hg_ip6_walk_unpack(hg_egress_extensions(o->skb, walk.offset, protocol));
		if (!walk.offset)
			return false;
	}
	/* Nobody accepts neighbour discovery in fragments (RFC 6980). */
	return walk.is_fragment || egress_parse_nd(o, walk.protocol, walk.offset);
}

/* False: the frame cannot be read, so nothing can be promised about it. */
static __always_inline bool egress_parse(struct hg_out *o)
{
	const struct ethhdr *eth = egress_at(o, 0, sizeof(*eth));
	const struct hg_vlan *tag;
	__be16 proto;
	int i;

	if (!eth)
		return false;
	o->has_vmac = o->is_virtual && hg_mac_equal(eth->h_source, o->port->vmac);
	proto = eth->h_proto;
	o->net_offset = sizeof(*eth);
#pragma clang loop unroll(full)
	for (i = 0; i < HG_VLANS_MAX; i++) {
		if (proto != bpf_htons(ETH_P_8021Q) && proto != bpf_htons(ETH_P_8021AD))
			break;
		tag = egress_at(o, o->net_offset, sizeof(*tag));
		if (!tag)
			return false;
		proto = tag->proto;
		o->net_offset += sizeof(*tag);
	}
	if (proto == bpf_htons(ETH_P_ARP)) {
		o->net = HG_NET_ARP;
		return egress_parse_arp(o);
	}
	if (proto == bpf_htons(ETH_P_IP)) {
		o->net = HG_NET_IP4;
		return egress_parse_ip4(o);
	}
	if (proto == bpf_htons(ETH_P_IPV6)) {
		o->net = HG_NET_IP6;
		return egress_parse_ip6(o);
	}
	return proto != bpf_htons(ETH_P_8021Q) && proto != bpf_htons(ETH_P_8021AD);
}

#endif
