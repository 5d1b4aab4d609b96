/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Small things about Ethernet and IP that both programs need: formats that the
 * UAPI headers lack, MAC comparison, the internet checksum.
 */
#ifndef HG_NET_H
#define HG_NET_H

#include <stdbool.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define HG_VLANS_MAX 2
#define HG_NET_OFFSETS 0x1f /* IP begins before: Ethernet and two tags */
#define HG_VLAN_ID bpf_htons(0x0fff)
#define HG_EXTENSIONS_MAX 8

#define HG_IP4_FRAGMENT bpf_htons(0x3fff) /* offset and "more fragments" */
#define HG_IP4_OFFSET bpf_htons(0x1fff)
#define HG_IP6_FRAGMENT bpf_htons(0xfff9)
#define HG_IP6_OFFSET bpf_htons(0xfff8)

struct hg_vlan {
	__be16 tci;
	__be16 proto;
};

/* ARP for IPv4 over Ethernet (RFC 826) */
struct hg_arp {
	__be16 hardware;
	__be16 protocol;
	__u8 hardware_len;
	__u8 protocol_len;
	__be16 op;
	__u8 sha[ETH_ALEN];
	__be32 spa;
	__u8 tha[ETH_ALEN];
	__be32 tpa;
} __attribute__((packed, aligned(2)));

#define HG_ARP_REQUEST bpf_htons(1)
#define HG_ARP_REPLY bpf_htons(2)

/* Neighbour solicitation and advertisement (RFC 4861, 4.3 and 4.4) */
struct hg_nd {
	__u8 type;
	__u8 code;
	__u16 check;
	__be32 flags;
	struct in6_addr target;
};

struct hg_nd_option {
	__u8 type;
	__u8 len; /* in units of eight octets */
	__u8 mac[ETH_ALEN];
};

#define HG_ND_RS 133
#define HG_ND_RA 134
#define HG_ND_NS 135
#define HG_ND_NA 136
#define HG_ND_REDIRECT 137
#define HG_ND_OPTION_SOURCE 1
#define HG_ND_OPTION_TARGET 2
#define HG_NA_ROUTER 0x80000000u
#define HG_NA_SOLICITED 0x40000000u
#define HG_NA_OVERRIDE 0x20000000u

#define HG_ND_HOP_LIMIT 255 /* whatever came through a router is not ND */

struct hg_ip6_extension {
	__u8 next;
	__u8 len;
	__be16 fragment; /* of a fragment header */
	__u8 rest[4];
};

/* A walk along extension headers: where it stands in the frame, what is there. */
struct hg_ip6_walk {
	__u32 offset; /* 0 after unpacking: truncated, or too many headers */
	__u8 protocol;
	bool is_fragment;
	bool is_later_fragment; /* what follows is data */
};
#define HG_IP6_WALK_MAX (HG_EXTENSIONS_MAX * 256 * 8) /* octets */

/* MACs lie at even addresses in frames as in struct hg_port. */
static __always_inline bool hg_mac_equal(const __u8 *a, const __u8 *b)
{
	const __u16 *x = (const __u16 *)a, *y = (const __u16 *)b;

	return !((x[0] ^ y[0]) | (x[1] ^ y[1]) | (x[2] ^ y[2]));
}

static __always_inline bool hg_mac_is_zero(const __u8 *mac)
{
	const __u16 *x = (const __u16 *)mac;

	return !(x[0] | x[1] | x[2]);
}

static __always_inline void hg_mac_copy(__u8 *to, const __u8 *from)
{
	__u16 *x = (__u16 *)to;
	const __u16 *y = (const __u16 *)from;

	x[0] = y[0];
	x[1] = y[1];
	x[2] = y[2];
}

/* multicast, or the limited broadcast */
static __always_inline bool hg_ip4_is_group(__be32 addr)
{
	return bpf_ntohl(addr) >> 28 == 0xe || addr == 0xffffffff;
}

static __always_inline bool hg_ip6_is_unspecified(const struct in6_addr *addr)
{
	return !(addr->in6_u.u6_addr32[0] | addr->in6_u.u6_addr32[1] | addr->in6_u.u6_addr32[2] |
		 addr->in6_u.u6_addr32[3]);
}

static __always_inline bool hg_ip6_is_loopback(const struct in6_addr *addr)
{
	return !(addr->in6_u.u6_addr32[0] | addr->in6_u.u6_addr32[1] | addr->in6_u.u6_addr32[2]) &&
	       addr->in6_u.u6_addr32[3] == bpf_htonl(1);
}

static __always_inline bool hg_ip6_is_multicast(const struct in6_addr *addr)
{
	return addr->in6_u.u6_addr8[0] == 0xff;
}

static __always_inline bool hg_ip6_is_link_local(const struct in6_addr *addr)
{
	return (addr->in6_u.u6_addr16[0] & bpf_htons(0xffc0)) == bpf_htons(0xfe80);
}

static __always_inline bool hg_ip6_equal(const struct in6_addr *a, const struct in6_addr *b)
{
	return !((a->in6_u.u6_addr32[0] ^ b->in6_u.u6_addr32[0]) |
		 (a->in6_u.u6_addr32[1] ^ b->in6_u.u6_addr32[1]) |
		 (a->in6_u.u6_addr32[2] ^ b->in6_u.u6_addr32[2]) |
		 (a->in6_u.u6_addr32[3] ^ b->in6_u.u6_addr32[3]));
}

/* Headers that may stand between IPv6 and its transport (RFC 8200; AH RFC 4302). */
static __always_inline bool hg_ip6_is_extension(__u8 next)
{
	return next == IPPROTO_HOPOPTS || next == IPPROTO_ROUTING || next == IPPROTO_FRAGMENT ||
	       next == IPPROTO_DSTOPTS || next == IPPROTO_AH || next == IPPROTO_MH;
}

static __always_inline bool hg_ip6_walk_goes_on(const struct hg_ip6_walk *walk)
{
	return hg_ip6_is_extension(walk->protocol) && !walk->is_later_fragment;
}

static __always_inline void hg_ip6_walk_step(struct hg_ip6_walk *walk,
					     const struct hg_ip6_extension *ext)
{
	__u32 size = (ext->len + 1) * 8;

	if (walk->protocol == IPPROTO_FRAGMENT) {
		size = 8;
		walk->is_fragment |= (ext->fragment & HG_IP6_FRAGMENT) != 0;
		walk->is_later_fragment = (ext->fragment & HG_IP6_OFFSET) != 0;
	} else if (walk->protocol == IPPROTO_AH) {
		size = (ext->len + 2) * 4;
	}
	walk->protocol = ext->next;
	walk->offset += size;
}

static __always_inline __u32 hg_ip6_walk_pack(const struct hg_ip6_walk *walk)
{
	if (hg_ip6_walk_goes_on(walk))
		return 0;
	return walk->offset << 16 | walk->protocol << 8 | walk->is_fragment << 1 |
	       walk->is_later_fragment;
}

static __always_inline struct hg_ip6_walk hg_ip6_walk_unpack(__u32 packed)
{
	return (struct hg_ip6_walk){
		.offset = packed >> 16,
		.protocol = packed >> 8 & 0xff,
		.is_fragment = packed & 2,
		.is_later_fragment = packed & 1,
	};
}

/* Internet checksum (RFC 1071): add `octets`, a constant multiple of 4, then fold. */
static __always_inline __u64 hg_sum_add(const void *data, int octets, __u64 sum)
{
	const __u32 *word = data;
	int i;

#pragma clang loop unroll(full)
	for (i = 0; i < octets / 4; i++)
		sum += word[i];
	return sum;
}

static __always_inline __u16 hg_sum_fold(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

#endif
