/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The maps of both programs (abi.h says what each holds) and their constants.
 *
 * Declared without pinning: the loader sets the pin paths and makes both objects
 * share one set. There is no other global data, so nothing a program knows is
 * lost when it is replaced.
 */
#ifndef HG_MAPS_H
#define HG_MAPS_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "hagate/abi.h"
#include "hagate/gap.h"

/* Set before load; the verifier then treats every field as a known number. */
const volatile struct hg_config hg_config;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, HG_GROUPS_MAX);
	__type(key, __u32);
	__type(value, struct hg_state);
} hg_state SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, HG_PEERS_MAX);
	__type(key, __u32);
	__type(value, struct hg_peer);
} hg_peer SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, HG_PEERS_MAX *HG_SLOTS_MAX);
	__type(key, __u32);
	__type(value, struct hg_path);
} hg_path SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, HG_PEERS_MAX);
	__type(key, __u32);
	__type(value, struct hg_gap);
} hg_gap SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, struct hg_port);
} hg_port SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, HG_ADDRS_MAX);
	__type(key, struct hg_addr4_key);
	__type(value, struct hg_addr);
} hg_addr4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, HG_ADDRS_MAX);
	__type(key, struct hg_addr6_key);
	__type(value, struct hg_addr);
} hg_addr6 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, HG_KEYS);
	__type(key, __u32);
	__type(value, struct hg_key);
} hg_key SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, HG_SLOTS_MAX *HG_R_COUNT);
	__type(key, __u32);
	__type(value, struct hg_stat);
} hg_stats SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 256 * 1024);
} hg_events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct hg_meta);
} hg_meta SEC(".maps");

static __always_inline struct hg_state *hg_state_find(void)
{
	__u32 group = 0;

	return bpf_map_lookup_elem(&hg_state, &group);
}

/* Whose address it is: 0 nobody's of ours. ret_slot only for a VIP. */
static __always_inline enum hg_addr_kind hg_addr4_find(__be32 addr, __u32 *ret_slot)
{
	struct hg_addr4_key key = { .addr = addr };
	const struct hg_addr *found = bpf_map_lookup_elem(&hg_addr4, &key);

	if (!found)
		return 0;
	*ret_slot = found->slot;
	return found->kind;
}

static __always_inline enum hg_addr_kind hg_addr6_find(const void *addr, __u32 *ret_slot)
{
	struct hg_addr6_key key;
	const __u32 *from = addr;
	__u32 *to = (__u32 *)key.addr;
	const struct hg_addr *found;

	to[0] = from[0];
	to[1] = from[1];
	to[2] = from[2];
	to[3] = from[3];
	found = bpf_map_lookup_elem(&hg_addr6, &key);
	if (!found)
		return 0;
	*ret_slot = found->slot;
	return found->kind;
}

#endif
