// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The classifier alone, in the kernel: bpf/classify.h on tables put there by the loader.
 * hg_all lists every rule that matches the flow in the packet; hg_first looks up the
 * first match of one of many flows, for timing; hg_none does the same without the
 * classifier.
 */
#include "bpf/filter_maps.h"

#include "bpf/classify.h"
#include "tests/oracle/classify.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct classify_answer);
} answer SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, CLASSIFY_FLOWS);
	__type(key, __u32);
	__type(value, struct hg_flow);
} flows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} turn SEC(".maps");

struct all {
	struct hg_walk walk;
	struct classify_answer *answer;
};

static long one_more(__u32 index, void *context)
{
	struct all *all = context;
	__u32 rule = hg_walk_step(&all->walk);

	if (rule == HG_WALK_AGAIN)
		return 0;
	if (rule == HG_RULE_DEFAULT)
		return 1;
	all->answer->rule[all->answer->count++ % CLASSIFY_ROOM] = rule;
	return 0;
}

static __always_inline bool find_sets(struct hg_sets *ret)
{
	__u32 zero = 0;
	const struct hg_filter *filter = bpf_map_lookup_elem(&hg_filter, &zero);

	return filter && filter->generation && hg_sets_find(filter->generation, ret);
}

SEC("xdp")
int hg_all(struct xdp_md *ctx)
{
	const struct hg_flow *flow = (void *)(long)ctx->data;
	struct all all;
	struct hg_sets sets;
	__u32 zero = 0;

	all.answer = bpf_map_lookup_elem(&answer, &zero);
	if (!all.answer || (void *)(flow + 1) > (void *)(long)ctx->data_end)
		return XDP_ABORTED;
	all.answer->count = 0;
	if (!find_sets(&sets))
		return XDP_PASS;
	if (!hg_walk_start(&sets, flow, &all.walk))
		return XDP_ABORTED;
	bpf_loop(HG_WALK_STEPS, one_more, &all, 0);
	return XDP_PASS;
}

static __always_inline const struct hg_flow *next_flow(void)
{
	__u32 zero = 0, index;
	__u64 *at = bpf_map_lookup_elem(&turn, &zero);

	if (!at)
		return NULL;
	*at += 1;
	index = *at * 40503 % CLASSIFY_FLOWS;
	return bpf_map_lookup_elem(&flows, &index);
}

struct first {
	struct hg_walk walk;
	__u32 rule;
};

static long first(__u32 index, void *context)
{
	struct first *at = context;

	at->rule = hg_walk_step(&at->walk);
	return at->rule != HG_WALK_AGAIN;
}

SEC("xdp")
int hg_first(struct xdp_md *ctx)
{
	const struct hg_flow *flow = next_flow();
	struct hg_sets sets;
	struct first at;

	if (!flow || !find_sets(&sets) || !hg_walk_start(&sets, flow, &at.walk))
		return XDP_ABORTED;
	at.rule = HG_RULE_DEFAULT;
	bpf_loop(HG_WALK_STEPS, first, &at, 0);
	return at.rule == HG_RULE_DEFAULT ? XDP_DROP : XDP_PASS;
}

SEC("xdp")
int hg_none(struct xdp_md *ctx)
{
	const struct hg_flow *flow = next_flow();

	return flow && flow->proto != 255 ? XDP_DROP : XDP_PASS;
}

char _license[] SEC("license") = "GPL";
