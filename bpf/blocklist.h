/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The blocklist: sources that get nothing, not even a rule. Exact addresses first, then
 * prefixes. An entry whose time is over is as if it were not there; who takes it out,
 * and when, does not matter here.
 *
 * The maps take no memory for entries that are not there. A lookup is left out when its
 * map is empty, by the counts in hg_filter.
 */
#ifndef HG_BLOCKLIST_H
#define HG_BLOCKLIST_H

#include "clock.h"
#include "failsafe.h"
#include "filter_maps.h"
#include "peer.h"
#include "pkt.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, HG_BLOCKS_MAX);
	__type(key, struct hg_addr4_key);
	__type(value, struct hg_block);
} hg_block4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, HG_BLOCKS_MAX);
	__type(key, struct hg_addr6_key);
	__type(value, struct hg_block);
} hg_block6 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, HG_BLOCK_PREFIXES_MAX);
	__type(key, struct hg_block4_prefix);
	__type(value, struct hg_block);
} hg_blocklpm4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, HG_BLOCK_PREFIXES_MAX);
	__type(key, struct hg_block6_prefix);
	__type(value, struct hg_block);
} hg_blocklpm6 SEC(".maps");

/* Blocks it now? If so, counts. */
static __always_inline bool block_holds(struct hg_block *entry, __u64 now)
{
	if (now >= *(volatile __u64 *)&entry->expire_ns)
		return false;
	__sync_fetch_and_add(&entry->packets, 1);
	return true;
}

/*
 * The longest prefix first; behind one whose time is over a shorter one may still hold.
 * Functions of their own, verified once.
 */
__attribute__((noinline)) __u32 hg_block4_in_prefix(__u32 addr)
{
	struct hg_block4_prefix key = { .prefixlen = 32 };
	__u64 now = hg_clock_coarse();
	struct hg_block *entry;
	int i;

	__builtin_memcpy(key.addr, &addr, sizeof(key.addr));
	for (i = 0; i <= 32; i++) {
		entry = bpf_map_lookup_elem(&hg_blocklpm4, &key);
		if (!entry)
			return 0;
		if (block_holds(entry, now))
			return 1;
		if (!entry->prefixlen)
			return 0;
		key.prefixlen = entry->prefixlen - 1;
	}
	return 0;
}

__attribute__((noinline)) __u32 hg_block6_in_prefix(__u64 high, __u64 low)
{
	struct hg_block6_prefix key = { .prefixlen = 128 };
	__u64 now = hg_clock_coarse();
	struct hg_block *entry;
	int i;

	__builtin_memcpy(key.addr, &high, sizeof(high));
	__builtin_memcpy(key.addr + sizeof(high), &low, sizeof(low));
	for (i = 0; i <= 128; i++) {
		entry = bpf_map_lookup_elem(&hg_blocklpm6, &key);
		if (!entry)
			return 0;
		if (block_holds(entry, now))
			return 1;
		if (!entry->prefixlen)
			return 0;
		key.prefixlen = entry->prefixlen - 1;
	}
	return 0;
}

static __always_inline __u32 blocklist_has4(const struct hg_filter *filter, __be32 addr)
{
	struct hg_addr4_key key = { .addr = addr };
	struct hg_block *entry = NULL;

	if (filter->block4)
		entry = bpf_map_lookup_elem(&hg_block4, &key);
	if (entry && block_holds(entry, hg_clock_coarse()))
		return 1;
	return filter->block_prefix ? hg_block4_in_prefix(addr) : 0;
}

static __always_inline __u32 blocklist_has6(const struct hg_filter *filter,
					    const struct in6_addr *addr)
{
	struct hg_block *entry = NULL;
	__u64 key[2]; /* struct hg_addr6_key */

	__builtin_memcpy(key, addr, sizeof(key));
	if (filter->block6)
		entry = bpf_map_lookup_elem(&hg_block6, key);
	if (entry && block_holds(entry, hg_clock_coarse()))
		return 1;
	return filter->block_prefix ? hg_block6_in_prefix(key[0], key[1]) : 0;
}

/* Is the source of the IP packet at `net_offset` blocked? */
__attribute__((noinline)) __u32 hg_blocklist_has(struct xdp_md *ctx, __u32 net_offset, __u32 is_ip6)
{
	const void *end = (void *)(long)ctx->data_end;
	const struct iphdr *ip4 = (void *)(long)ctx->data + (net_offset & HG_NET_OFFSETS);
	const struct ipv6hdr *ip6 = (const void *)ip4;
	const struct hg_filter *filter = hg_filter_find();

	if (!filter)
		return 0;
	if (is_ip6)
		return (void *)(ip6 + 1) <= end ? blocklist_has6(filter, &ip6->saddr) : 0;
	return (void *)(ip4 + 1) <= end ? blocklist_has4(filter, ip4->saddr) : 0;
}

/* Before anything is known of the destination: a flood costs least here. What heartbeats
 * and failsafe might claim waits for them. */
static __always_inline enum hg_verdict stage_blocklist(struct hg_pkt *p)
{
	const struct hg_filter *filter = hg_filter_find();

	if (!filter || !(filter->block4 | filter->block6 | filter->block_prefix) ||
	    (p->net != HG_NET_IP4 && p->net != HG_NET_IP6) ||
	    !hg_blocklist_has(p->ctx, p->net_offset, p->net == HG_NET_IP6))
		return HG_NEXT;
	p->is_blocked = true;
	return peer_is_port(p) || failsafe_is_possible(p) ? HG_NEXT
							  : hg_drop(p, HG_R_FILTER_BLOCKED);
}

#endif
