// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A new packet each time: writes the headers of the next of many frames over those of
 * the packet, then runs the program that is measured (slot 0 of `next`) or sends the
 * packet out of an interface. So one test run of many rounds meets many flows, and with
 * an empty program in `next` its own cost can be subtracted.
 *
 * Twice: a program that takes fragmented frames cannot call one that does not.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "vary.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, VARY_FRAMES);
	__type(key, __u32);
	__type(value, struct vary_frame);
} frames SEC(".maps");

/* For each processor: which frame is next. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} turn SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} sunk SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} next SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} next_plain SEC(".maps");

volatile const __u32 out_ifindex;

static __always_inline int write_next(struct xdp_md *ctx)
{
	struct vary_frame *to = (void *)(long)ctx->data;
	const struct vary_frame *from;
	__u32 zero = 0, index;
	__u64 *at = bpf_map_lookup_elem(&turn, &zero);

	if (!at || (void *)(to + 1) > (void *)(long)ctx->data_end)
		return 0;
	*at += 1;
	index = *at * 40503 % VARY_FRAMES;
	from = bpf_map_lookup_elem(&frames, &index);
	if (!from)
		return 0;
	*to = *from;
	return 1;
}

SEC("xdp.frags")
int vary(struct xdp_md *ctx)
{
	if (write_next(ctx))
		bpf_tail_call(ctx, &next, 0);
	return XDP_ABORTED;
}

SEC("xdp")
int vary_plain(struct xdp_md *ctx)
{
	if (write_next(ctx))
		bpf_tail_call(ctx, &next_plain, 0);
	return XDP_ABORTED;
}

SEC("xdp")
int vary_send(struct xdp_md *ctx)
{
	return write_next(ctx) ? bpf_redirect(out_ifindex, 0) : XDP_ABORTED;
}

SEC("xdp.frags")
int empty(struct xdp_md *ctx)
{
	return XDP_PASS;
}

SEC("xdp")
int empty_plain(struct xdp_md *ctx)
{
	return XDP_PASS;
}

SEC("xdp")
int sink(struct xdp_md *ctx)
{
	__u32 zero = 0;
	__u64 *count = bpf_map_lookup_elem(&sunk, &zero);

	if (count)
		*count += 1;
	return XDP_DROP;
}

char _license[] SEC("license") = "GPL";
