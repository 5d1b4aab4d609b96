/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * First stage: find the headers, refuse what is malformed (reasons BAD_*).
 *
 * Frames for another machine (flooded by a switch, or seen by a promiscuous NIC)
 * are left to the kernel at once, which drops them or hands them to a capture:
 * they are neither faults nor strays of ours.
 *
 * Headers must lie in the linear part of a frame; drivers that split frames put
 * far more than 128 octets there.
 */
#ifndef HG_PARSE_H
#define HG_PARSE_H

#include <linux/tcp.h>
#include <linux/udp.h>

#include "pkt.h"

#define HG_TCP_FLAGS 13 /* octet of the header */
#define HG_SCTP_HEADER 12

static __always_inline enum hg_verdict parse_ethernet(struct hg_pkt *p, __be16 *ret_proto)
{
	const struct ethhdr *eth = p->data;

	if ((void *)(eth + 1) > p->end)
		return hg_drop(p, HG_R_BAD_ETHERNET);
	if (eth->h_dest[0] & 1)
		p->to = HG_MAC_GROUP;
	else if (hg_mac_equal(eth->h_dest, p->port->mac))
		p->to = HG_MAC_NIC;
	else if (hg_port_is_virtual(p->port) && hg_mac_equal(eth->h_dest, p->port->vmac))
		p->to = HG_MAC_VIRTUAL;
	else
		return hg_pass(p, HG_R_PASS_OTHER);
	if (eth->h_source[0] & 1)
		return hg_drop(p, HG_R_BAD_SOURCE);
	*ret_proto = eth->h_proto;
	return HG_NEXT;
}

static __always_inline bool parse_is_vlan(__be16 proto)
{
	return proto == bpf_htons(ETH_P_8021Q) || proto == bpf_htons(ETH_P_8021AD);
}

/*
 * Walks the tags of a tagged frame: EtherType behind them << 32 | outer id << 16 | where
 * what it names begins; 0: truncated, or more than two. A function of its own, so that to
 * the verifier all tagged frames are alike in the stages that follow.
 */
__attribute__((noinline)) __u64 hg_parse_vlan(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	const struct hg_vlan *outer = data + sizeof(struct ethhdr), *inner = outer + 1;
	__u64 id;

	if ((void *)(outer + 1) > end)
		return 0;
	id = bpf_ntohs(outer->tci & HG_VLAN_ID) << 16;
	if (!parse_is_vlan(outer->proto))
		return (__u64)outer->proto << 32 | id | (sizeof(struct ethhdr) + sizeof(*outer));
	if ((void *)(inner + 1) > end || parse_is_vlan(inner->proto))
		return 0;
	return (__u64)inner->proto << 32 | id | (sizeof(struct ethhdr) + 2 * sizeof(*outer));
}

static __always_inline enum hg_verdict parse_vlan(struct hg_pkt *p, __be16 proto)
{
	__u64 walk;

	p->vlan = HG_VLAN_NONE;
	p->net_offset = sizeof(struct ethhdr);
	if (parse_is_vlan(proto)) {
		walk = hg_parse_vlan(p->ctx);
		if (!walk)
			return hg_drop(p, HG_R_BAD_VLAN);
		p->vlan = walk >> 16 & 0xfff;
		p->net_offset = walk & HG_NET_OFFSETS;
		proto = walk >> 32;
	}
	p->l3 = p->data + p->net_offset;
	if (proto == bpf_htons(ETH_P_IP))
		p->net = HG_NET_IP4;
	else if (proto == bpf_htons(ETH_P_IPV6))
		p->net = HG_NET_IP6;
	else if (proto == bpf_htons(ETH_P_ARP))
		p->net = HG_NET_ARP;
	return HG_NEXT;
}

static __always_inline enum hg_verdict parse_arp(struct hg_pkt *p)
{
	const struct hg_arp *arp = p->l3;

	if ((void *)(arp + 1) > p->end || arp->hardware != bpf_htons(1) ||
	    arp->protocol != bpf_htons(ETH_P_IP) || arp->hardware_len != ETH_ALEN ||
	    arp->protocol_len != sizeof(arp->spa))
		return hg_drop(p, HG_R_BAD_ARP);
	return HG_NEXT;
}

/* 0.0.0.0 is how hosts without an address speak, but only to groups (DHCP, IGMP). */
static __always_inline bool parse_is_bad_source4(const struct hg_pkt *p, __be32 source)
{
	if (!source)
		return p->to != HG_MAC_GROUP;
	return bpf_ntohl(source) >> 24 == 127 || hg_ip4_is_group(source);
}

static __always_inline enum hg_verdict parse_ip4(struct hg_pkt *p)
{
	const struct iphdr *ip = p->l3;
	__u32 header, total;

	if ((void *)(ip + 1) > p->end || ip->version != 4 || ip->ihl < 5)
		return hg_drop(p, HG_R_BAD_IP);
	header = ip->ihl * 4;
	total = bpf_ntohs(ip->tot_len);
	if (p->l3 + header > p->end || total < header || total > p->len - p->net_offset)
		return hg_drop(p, HG_R_BAD_IP);
	if (parse_is_bad_source4(p, ip->saddr))
		return hg_drop(p, HG_R_BAD_SOURCE);
	if (ip->saddr == ip->daddr)
		return hg_drop(p, HG_R_BAD_LAND);
	p->is_fragment = ip->frag_off & HG_IP4_FRAGMENT;
	p->protocol = ip->protocol;
	p->transport = ip->frag_off & HG_IP4_OFFSET ? HG_L4_NONE : HG_L4_OTHER;
	p->l4 = p->l3 + header;
	p->l4_len = total - header;
	return HG_NEXT;
}

/*
 * Walks IPv6 extension headers. A function of its own to the verifier, which would
 * otherwise follow every mixture of headers through all later stages; it answers
 * with the walk as one number (hg_ip6_walk_pack). Rare enough to copy each header.
 */
__attribute__((noinline)) __u32 hg_parse_extensions(struct xdp_md *ctx, __u32 offset,
						    __u32 protocol)
{
	struct hg_ip6_walk walk = { .offset = offset, .protocol = protocol };
	struct hg_ip6_extension ext;
	int i;

	for (i = 0; i < HG_EXTENSIONS_MAX && hg_ip6_walk_goes_on(&walk); i++) {
		if (bpf_xdp_load_bytes(ctx, walk.offset, &ext, sizeof(ext)))
			return 0;
		hg_ip6_walk_step(&walk, &ext);
	}
	return hg_ip6_walk_pack(&walk);
}

static __always_inline enum hg_verdict parse_extensions(struct hg_pkt *p)
{
	struct hg_ip6_walk walk = hg_ip6_walk_unpack(
		hg_parse_extensions(p->ctx, p->net_offset + sizeof(struct ipv6hdr), p->protocol));
	__u32 size = walk.offset - p->net_offset - sizeof(struct ipv6hdr);

	if (!walk.offset || size > p->l4_len || size > HG_IP6_WALK_MAX)
		return hg_drop(p, HG_R_BAD_EXTENSION);
	p->protocol = walk.protocol;
	p->is_fragment = walk.is_fragment;
	if (walk.is_later_fragment)
		p->transport = HG_L4_NONE;
	p->l4 += size;
	p->l4_len -= size;
	return HG_NEXT;
}

static __always_inline enum hg_verdict parse_ip6(struct hg_pkt *p)
{
	const struct ipv6hdr *ip = p->l3;

	if ((void *)(ip + 1) > p->end || ip->version != 6)
		return hg_drop(p, HG_R_BAD_IP);
	p->l4_len = bpf_ntohs(ip->payload_len);
	if (p->l4_len + sizeof(*ip) > p->len - p->net_offset)
		return hg_drop(p, HG_R_BAD_IP);
	if (hg_ip6_is_multicast(&ip->saddr) || hg_ip6_is_loopback(&ip->saddr) ||
	    (hg_ip6_is_unspecified(&ip->saddr) && !hg_ip6_is_multicast(&ip->daddr)))
		return hg_drop(p, HG_R_BAD_SOURCE);
	if (hg_ip6_equal(&ip->saddr, &ip->daddr))
		return hg_drop(p, HG_R_BAD_LAND);
	p->protocol = ip->nexthdr;
	p->transport = HG_L4_OTHER;
	p->l4 = (void *)(ip + 1);
	return hg_ip6_is_extension(p->protocol) ? parse_extensions(p) : HG_NEXT;
}

static __always_inline void parse_ports(struct hg_pkt *p)
{
	const struct udphdr *udp = p->l4; /* all transports with ports begin with them */

	p->has_ports = true;
	p->dport = udp->dest;
	p->ports = *(const __be32 *)p->l4;
}

static __always_inline bool parse_tcp(struct hg_pkt *p)
{
	const struct tcphdr *tcp = p->l4;

	if ((void *)(tcp + 1) > p->end || tcp->doff < 5 || tcp->doff * 4u > p->l4_len)
		return false;
	p->transport = HG_L4_TCP;
	p->detail = HG_TABLE_DETAIL + ((const __u8 *)tcp)[HG_TCP_FLAGS];
	parse_ports(p);
	return true;
}

static __always_inline bool parse_udp(struct hg_pkt *p)
{
	const struct udphdr *udp = p->l4;
	__u32 len;

	if ((void *)(udp + 1) > p->end || p->l4_len < sizeof(*udp))
		return false;
	len = bpf_ntohs(udp->len);
	if (len < sizeof(*udp) || (len > p->l4_len && !p->is_fragment))
		return false;
	p->transport = HG_L4_UDP;
	parse_ports(p);
	return true;
}

/* Only their ports are of interest; `least`: the header's size. */
static __always_inline bool parse_other_ports(struct hg_pkt *p, __u32 least)
{
	if (p->l4 + sizeof(struct udphdr) > p->end || p->l4_len < least)
		return false;
	parse_ports(p);
	return true;
}

/* `types`: where the types of this ICMP lie in the classifier's table. */
static __always_inline bool parse_icmp(struct hg_pkt *p, enum hg_transport transport, __u32 least,
				       __u32 types)
{
	const __u8 *type = p->l4;

	if (p->l4 + 4 > p->end || p->l4_len < least)
		return false;
	p->transport = transport;
	p->icmp_type = *type;
	p->detail = types + *type;
	return true;
}

static __always_inline enum hg_verdict parse_transport(struct hg_pkt *p)
{
	bool is_good = true;

	if (p->transport == HG_L4_NONE)
		return HG_NEXT;
	if (p->protocol == IPPROTO_TCP)
		is_good = parse_tcp(p);
	else if (p->protocol == IPPROTO_UDP)
		is_good = parse_udp(p);
	else if (p->protocol == IPPROTO_ICMP && p->net == HG_NET_IP4)
		is_good = parse_icmp(p, HG_L4_ICMP, 8, HG_TABLE_ICMP4);
	else if (p->protocol == IPPROTO_ICMPV6 && p->net == HG_NET_IP6)
		is_good = parse_icmp(p, HG_L4_ICMP6, 4, HG_TABLE_ICMP6);
	else if (p->protocol == IPPROTO_SCTP)
		is_good = parse_other_ports(p, HG_SCTP_HEADER);
	else if (p->protocol == IPPROTO_UDPLITE)
		is_good = parse_other_ports(p, sizeof(struct udphdr));
	else if (p->protocol == IPPROTO_NONE)
		p->transport = HG_L4_NONE;
	return is_good ? HG_NEXT : hg_drop(p, HG_R_BAD_L4);
}

static __always_inline enum hg_verdict stage_parse(struct hg_pkt *p)
{
	enum hg_verdict verdict;
	__be16 proto = 0;

	verdict = parse_ethernet(p, &proto);
	if (verdict == HG_NEXT)
		verdict = parse_vlan(p, proto);
	if (verdict != HG_NEXT)
		return verdict;
	switch (p->net) {
	case HG_NET_OTHER:
		return HG_NEXT;
	case HG_NET_ARP:
		return parse_arp(p);
	case HG_NET_IP4:
		verdict = parse_ip4(p);
		break;
	case HG_NET_IP6:
		verdict = parse_ip6(p);
		break;
	}
	return verdict == HG_NEXT ? parse_transport(p) : verdict;
}

/* Whose address is it for? */
static __always_inline enum hg_verdict stage_address(struct hg_pkt *p)
{
	const struct iphdr *ip4 = p->l3;
	const struct ipv6hdr *ip6 = p->l3;

	if (p->net == HG_NET_IP4) {
		if ((void *)(ip4 + 1) > p->end)
			return hg_drop(p, HG_R_BAD_IP);
		p->dst = hg_addr4_find(ip4->daddr, &p->dst_slot);
	} else if (p->net == HG_NET_IP6) {
		if ((void *)(ip6 + 1) > p->end)
			return hg_drop(p, HG_R_BAD_IP);
		if (!hg_ip6_is_multicast(&ip6->daddr))
			p->dst = hg_addr6_find(&ip6->daddr, &p->dst_slot);
	}
	return HG_NEXT;
}

#endif
