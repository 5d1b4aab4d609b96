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

static __always_inline enum hg_verdict parse_vlan(struct hg_pkt *p, __be16 proto)
{
	void *cursor = p->data + sizeof(struct ethhdr);
	const struct hg_vlan *tag;
	int i;

#pragma clang loop unroll(full)
	for (i = 0; i < HG_VLANS_MAX && parse_is_vlan(proto); i++) {
		tag = cursor;
		if ((void *)(tag + 1) > p->end)
			return hg_drop(p, HG_R_BAD_VLAN);
		proto = tag->proto;
		cursor = (void *)(tag + 1);
	}
	if (parse_is_vlan(proto))
		return hg_drop(p, HG_R_BAD_VLAN);
	p->l3 = cursor;
	p->net_offset = cursor - p->data;
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
	p->dst = hg_addr4_find(ip->daddr, &p->dst_slot);
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
	if (!hg_ip6_is_multicast(&ip->daddr))
		p->dst = hg_addr6_find(&ip->daddr, &p->dst_slot);
	return hg_ip6_is_extension(p->protocol) ? parse_extensions(p) : HG_NEXT;
}

static __always_inline bool parse_tcp(struct hg_pkt *p)
{
	const struct tcphdr *tcp = p->l4;

	if ((void *)(tcp + 1) > p->end || tcp->doff < 5 || tcp->doff * 4u > p->l4_len)
		return false;
	p->transport = HG_L4_TCP;
	p->sport = tcp->source;
	p->dport = tcp->dest;
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
	p->sport = udp->source;
	p->dport = udp->dest;
	return true;
}

static __always_inline bool parse_icmp(struct hg_pkt *p, enum hg_transport transport, __u32 least)
{
	const __u8 *type = p->l4;

	if (p->l4 + 4 > p->end || p->l4_len < least)
		return false;
	p->transport = transport;
	p->icmp_type = *type;
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
		is_good = parse_icmp(p, HG_L4_ICMP, 8);
	else if (p->protocol == IPPROTO_ICMPV6 && p->net == HG_NET_IP6)
		is_good = parse_icmp(p, HG_L4_ICMP6, 4);
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

#endif
