/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The rules, first to last, until one decides; then the default. Which rules match is
 * classify.h's part, here is what they do. The generation is read once: everything else
 * about a packet's rules comes from that generation's maps.
 *
 * A function of its own to the verifier, with the packet as a flow: it is verified once,
 * not once for each way that a packet can come here.
 */
#ifndef HG_RULES_H
#define HG_RULES_H

#include "clock.h"
#include "filter_maps.h"
#include "pkt.h"
#include "rate.h"

#include "classify.h"

/* What a packet's way along the rules needs besides the walk. Not on the stack, of which
 * the classifier takes the most; no two packets of a processor are in here at once. */
struct hg_rules_scratch {
	struct hg_flow flow;
	struct hg_source_key source;
	__u64 tat;
	__u32 octets;
	__u32 reason; /* enum hg_reason; HG_R_NONE: accepted */
	__u64 zero; /* always, but the verifier does not know */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct hg_rules_scratch);
} hg_scratch SEC(".maps");

/* A packet on its way along the rules that match it. */
struct rules {
	struct hg_walk walk;
	void *rule; /* inner map hg_f_rule */
	struct hg_rules_scratch *scratch;
};

static __always_inline __u64 rules_mask(__u32 bits)
{
	return bits >= 64 ? ~0ull : ~(~0ull >> bits);
}

static __always_inline void rules_source(struct hg_source_key *key, const struct hg_flow *flow,
					 const struct hg_rule_entry *rule)
{
	__u32 len = flow->is_ip6 ? rule->source6 : rule->source4;
	__u64 word[2];

	word[0] = bpf_cpu_to_be64(flow->src[0] & rules_mask(len));
	word[1] = bpf_cpu_to_be64(flow->src[1] & (len > 64 ? rules_mask(len - 64) : 0));
	key->counter = rule->counter;
	key->family = flow->is_ip6 ? 6 : 4;
	__builtin_memcpy(key->addr, word, sizeof(key->addr));
}

/* A source not seen lately begins with a full bucket. One that finds no place does not
 * keep its rate: it would keep any. */
static __always_inline bool rules_source_conforms(struct hg_rules_scratch *s,
						  const struct hg_rule_entry *rule, __u64 now)
{
	__u64 *tat;

	rules_source(&s->source, &s->flow, rule);
	tat = bpf_map_lookup_elem(&hg_source_tat, &s->source);
	if (!tat) {
		s->tat = now + rule->increment_ns;
		if (!bpf_map_update_elem(&hg_source_tat, &s->source, &s->tat, BPF_NOEXIST))
			return true;
		tat = bpf_map_lookup_elem(&hg_source_tat, &s->source);
	}
	return tat && hg_rate_conforms(tat, now, rule->increment_ns, rule->limit_ns);
}

static __always_inline bool rules_conforms(struct hg_rules_scratch *s,
					   const struct hg_rule_entry *rule, __u64 now)
{
	__u32 counter = rule->counter;
	__u64 *tat;

	if (rule->flags & HG_RULE_F_PER_SOURCE)
		return rules_source_conforms(s, rule, now);
	tat = bpf_map_lookup_elem(&hg_rule_tat, &counter);
	return tat && hg_rate_conforms(tat, now, rule->increment_ns, rule->limit_ns);
}

/* A rule that matches: counts; true when it decides. */
static __always_inline bool rules_obey(struct hg_rules_scratch *s, const struct hg_rule_entry *rule)
{
	__u32 counter = rule->counter;
	struct hg_rule_stat *stat = bpf_map_lookup_elem(&hg_rule_stat, &counter);
	bool is_rated = rule->flags & HG_RULE_F_RATE;
	__u64 now = is_rated ? bpf_ktime_get_boot_ns() : hg_clock_coarse();
	bool is_exceeded = is_rated && !rules_conforms(s, rule, now);

	if (stat) {
		stat->packets++;
		stat->octets += s->octets;
		stat->last_ns = now;
		stat->exceeded += is_exceeded;
	}
	if (rule->flags & HG_RULE_F_COUNT_ONLY)
		return false;
	if (is_exceeded) {
		s->reason = HG_R_FILTER_RATE;
		return true;
	}
	if (rule->action == HG_RULE_ACCEPT)
		return true;
	if (is_rated)
		return false;
	s->reason = HG_R_FILTER_RULE;
	return true;
}

/* One matching rule, or the default behind them. 0: go on. */
static long rules_step(__u32 ignored, void *context)
{
	struct rules *r = context;
	__u32 index = hg_walk_step(&r->walk);
	const struct hg_rule_entry *rule;

	if (index == HG_WALK_AGAIN)
		return 0;
	rule = bpf_map_lookup_elem(r->rule, &index);
	if (!rule)
		return 1;
	if (index == HG_RULE_DEFAULT) {
		if (rule->action == HG_RULE_DROP)
			r->scratch->reason = HG_R_FILTER_DEFAULT;
		return 1;
	}
	return rules_obey(r->scratch, rule);
}

static __always_inline __u64 rules_load(const void *address)
{
	__u64 word;

	__builtin_memcpy(&word, address, sizeof(word));
	return bpf_be64_to_cpu(word);
}

static __always_inline bool rules_set_addresses(struct hg_flow *flow, struct xdp_md *ctx,
						__u32 net_offset)
{
	const void *end = (void *)(long)ctx->data_end;
	const struct iphdr *ip4 = (void *)(long)ctx->data + (net_offset & HG_NET_OFFSETS);
	const struct ipv6hdr *ip6 = (const void *)ip4;

	if (flow->is_ip6) {
		if ((void *)(ip6 + 1) > end)
			return false;
		flow->src[0] = rules_load(&ip6->saddr);
		flow->src[1] = rules_load(&ip6->saddr.in6_u.u6_addr32[2]);
		flow->dst[0] = rules_load(&ip6->daddr);
		flow->dst[1] = rules_load(&ip6->daddr.in6_u.u6_addr32[2]);
		return true;
	}
	if ((void *)(ip4 + 1) > end)
		return false;
	flow->src[0] = (__u64)bpf_ntohl(ip4->saddr) << 32;
	flow->dst[0] = (__u64)bpf_ntohl(ip4->daddr) << 32;
	flow->src[1] = 0;
	flow->dst[1] = 0;
	return true;
}

/* A packet in five numbers, as much as a function takes: `place` and `kind` as
 * rules_place() and rules_kind() make them, and `detail` of struct hg_flow. */
static __always_inline __u32 rules_place(const struct hg_pkt *p)
{
	return p->len << 8 | p->net_offset;
}

static __always_inline __u32 rules_kind(const struct hg_pkt *p)
{
	return (p->net == HG_NET_IP6) << 31 | p->has_ports << 30 | p->vlan << 16 |
	       p->protocol << 8 | p->port->slot << 1 | p->is_fragment;
}

static __always_inline void rules_set_kind(struct hg_flow *flow, __u32 ports, __u32 kind)
{
	bool has_ports = kind >> 30 & 1;

	flow->is_ip6 = kind >> 31;
	ports = bpf_ntohl(ports);
	flow->sport = has_ports ? ports >> 16 : HG_FLOW_NO_PORT;
	flow->dport = has_ports ? ports & 0xffff : HG_FLOW_NO_PORT;
	flow->vlan = kind >> 16 & 0x1fff;
	flow->proto = kind >> 8 & 0xff;
	flow->input = kind & 0xff;
}

/* Verifiers before Linux 6.7 look at the first round of a loop's function only, and take
 * out what cannot happen there: so they must not know how the walk begins. */
static __always_inline void rules_forget(struct rules *r)
{
	r->walk.word = r->scratch->zero;
	r->walk.index = r->scratch->zero;
	r->walk.base = r->scratch->zero;
}

/* The reason for which the rules drop a packet, or HG_R_NONE. */
__attribute__((noinline)) __u32 hg_rules_judge(struct xdp_md *ctx, __u32 place, __u32 ports,
					       __u32 detail, __u32 kind)
{
	const struct hg_filter *filter = hg_filter_find();
	struct hg_sets sets;
	struct rules r;
	__u32 zero = 0;

	r.scratch = bpf_map_lookup_elem(&hg_scratch, &zero);
	if (!filter || !r.scratch)
		return HG_R_NONE;
	rules_set_kind(&r.scratch->flow, ports, kind);
	r.scratch->flow.detail = detail;
	r.scratch->octets = place >> 8;
	r.scratch->reason = HG_R_NONE;
	if (!rules_set_addresses(&r.scratch->flow, ctx, place) ||
	    !hg_sets_find(*(volatile __u32 *)&filter->generation, &sets) ||
	    !hg_walk_start(&sets, &r.scratch->flow, &r.walk))
		return HG_R_NONE;
	r.rule = sets.rule;
	rules_forget(&r);
	bpf_loop(HG_WALK_STEPS, rules_step, &r, 0);
	return r.scratch->reason;
}

static __always_inline enum hg_verdict stage_rules(struct hg_pkt *p)
{
	const struct hg_filter *filter = hg_filter_find();
	__u32 reason;

	if (!filter || !*(volatile __u32 *)&filter->generation || p->is_exempt ||
	    (p->net != HG_NET_IP4 && p->net != HG_NET_IP6))
		return HG_NEXT;
	reason = hg_rules_judge(p->ctx, rules_place(p), p->ports, p->detail, rules_kind(p));
	return reason ? hg_drop(p, reason) : HG_NEXT;
}

#endif
