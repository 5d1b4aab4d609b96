/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Events for the agent. A full ring loses the event, never the packet's verdict:
 * everything the agent must not miss is also in the maps.
 */
#ifndef HG_EVENT_H
#define HG_EVENT_H

#include "pkt.h"

#define HG_EVENT_CONFLICT_NS 100000000ull /* between CONFLICT events of one port */

/* When a port last reported a conflict. The gate alone uses it; nothing is lost when
 * a new program version starts with an empty one. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, HG_SLOTS_MAX);
	__type(key, __u32);
	__type(value, __u64);
} hg_limit SEC(".maps");

/* An empty event, or NULL when the ring is full. */
static __always_inline struct hg_event *hg_event_reserve(const struct hg_pkt *p, __u32 type)
{
	struct hg_event *event = bpf_ringbuf_reserve(&hg_events, sizeof(*event), 0);

	if (!event)
		return NULL;
	__builtin_memset(event, 0, sizeof(*event));
	event->type = type;
	event->slot = p->port->slot;
	event->at = bpf_ktime_get_boot_ns();
	return event;
}

/* A stranger at `mac` uses the VIP `addr` (octets: 4 or 16) of this serving node. */
static __always_inline void hg_event_conflict(const struct hg_pkt *p, const __u8 *mac,
					      const void *addr, int octets)
{
	__u64 now = bpf_ktime_get_boot_ns();
	__u32 slot = p->port->slot;
	__u64 *last = bpf_map_lookup_elem(&hg_limit, &slot);
	struct hg_event *event;
	const __u16 *from = addr;
	__u16 *to;
	__u64 old;
	int i;

	if (!last)
		return;
	old = *(volatile __u64 *)last;
	if ((old && now < old + HG_EVENT_CONFLICT_NS) ||
	    __sync_val_compare_and_swap(last, old, now) != old)
		return;
	event = hg_event_reserve(p, HG_EVENT_CONFLICT);
	if (!event)
		return;
	hg_mac_copy(event->frame.body, mac);
	event->frame.body[6] = octets == 4 ? 4 : 6;
	to = (__u16 *)(event->frame.body + 8);
#pragma clang loop unroll(full)
	for (i = 0; i < octets / 2; i++)
		to[i] = from[i];
	bpf_ringbuf_submit(event, 0);
}

#endif
