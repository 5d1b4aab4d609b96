/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * CLOCK_BOOTTIME for what may be a tick late: to read the clock takes some 45 ns in a
 * virtual machine, more than any other step of a packet's way. Each processor keeps what
 * it last read for as long as the kernel's tick does not change.
 *
 * Never for leases. Between a processor's copies of the clock lies at most one tick.
 */
#ifndef HG_CLOCK_H
#define HG_CLOCK_H

#include "maps.h"

struct hg_clock {
	__u64 tick; /* bpf_jiffies64() when it was read; 0: never */
	__u64 now;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct hg_clock);
} hg_clock SEC(".maps");

/* Not after the true time, and not more than a tick before it. */
static __always_inline __u64 hg_clock_coarse(void)
{
	__u64 tick = bpf_jiffies64();
	__u32 zero = 0;
	struct hg_clock *clock = bpf_map_lookup_elem(&hg_clock, &zero);

	if (!clock)
		return bpf_ktime_get_boot_ns();
	if (clock->tick != tick) {
		clock->now = bpf_ktime_get_boot_ns();
		clock->tick = tick;
	}
	return clock->now;
}

#endif
