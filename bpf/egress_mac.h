/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The virtual MAC as source: of the frame, and where the frame repeats it inside
 * (ARP sender, link-layer address option of neighbour discovery).
 *
 * Written with helpers, not directly: a direct write would make the kernel copy
 * every cloned packet at entry, also those that stay as they are.
 */
#ifndef HG_EGRESS_MAC_H
#define HG_EGRESS_MAC_H

#include <stddef.h>

#include "egress.h"

#define HG_ND_OPTIONS_MAX 8 /* looked at */

/* Where the options of a message begin, after its ICMPv6 header. */
static __always_inline __u32 mac_nd_options(__u8 type)
{
	switch (type) {
	case HG_ND_RS:
		return 8;
	case HG_ND_RA:
		return 16;
	default:
		return sizeof(struct hg_nd);
	}
}

/* One option: replaced when it holds the NIC's MAC. Returns its size, 0: no more. */
static __always_inline __u32 mac_set_option(struct hg_out *o, __u32 offset, bool *ret_failed)
{
	struct hg_nd_option old, new;
	__s64 sum;

	if (bpf_skb_load_bytes(o->skb, offset, &old, sizeof(old)))
		return 0;
	if ((old.type != HG_ND_OPTION_SOURCE && old.type != HG_ND_OPTION_TARGET) || old.len != 1 ||
	    !hg_mac_equal(old.mac, o->port->mac))
		return old.len * 8;
	new.type = old.type;
	new.len = old.len;
	hg_mac_copy(new.mac, o->port->vmac);
	sum = bpf_csum_diff((__be32 *)&old, sizeof(old), (__be32 *)&new, sizeof(new), 0);
	if (sum < 0 || bpf_skb_store_bytes(o->skb, offset, &new, sizeof(new), 0) ||
	    bpf_l4_csum_replace(o->skb, o->nd_offset + offsetof(struct hg_nd, check), 0, sum, 0))
		*ret_failed = true;
	return 8;
}

static __always_inline bool mac_set_nd(struct hg_out *o)
{
	__u32 offset = o->nd_offset + mac_nd_options(o->nd_type);
	bool has_failed = false;
	__u32 size;
	int i;

	for (i = 0; i < HG_ND_OPTIONS_MAX; i++) {
		size = mac_set_option(o, offset, &has_failed);
		if (!size || has_failed)
			break;
		offset += size;
	}
	return !has_failed;
}

static __always_inline bool mac_set_arp(struct hg_out *o)
{
	__u32 offset = o->net_offset + offsetof(struct hg_arp, sha);
	__u8 sha[ETH_ALEN] __attribute__((aligned(2)));

	if (bpf_skb_load_bytes(o->skb, offset, sha, sizeof(sha)))
		return false;
	if (!hg_mac_equal(sha, o->port->mac))
		return true;
	return !bpf_skb_store_bytes(o->skb, offset, o->port->vmac, ETH_ALEN, 0);
}

/* Gives the frame the virtual MAC. False: it could not be written. */
static __always_inline bool egress_set_mac(struct hg_out *o)
{
	if (o->net == HG_NET_ARP && !mac_set_arp(o))
		return false;
	if (o->nd_type && !mac_set_nd(o))
		return false;
	return !bpf_skb_store_bytes(o->skb, offsetof(struct ethhdr, h_source), o->port->vmac,
				    ETH_ALEN, 0);
}

#endif
