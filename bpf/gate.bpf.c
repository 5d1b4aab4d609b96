// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * hg_gate: every frame that enters a port. Read it as a table of contents: each
 * stage lies in its own header, says HG_NEXT or how the packet ends, and leaves its
 * reason in p->reason. There is one exit, and it counts.
 *
 * A NIC without an entry in hg_port is none of our business: it passes uncounted.
 */
#include "pkt.h"

#include "blocklist.h"
#include "count.h"
#include "failsafe.h"
#include "owner.h"
#include "parse.h"
#include "peer.h"
#include "rules.h"
#include "vmac.h"

static __always_inline bool gate_open(struct hg_pkt *p)
{
	__u32 ifindex = p->ctx->ingress_ifindex;

	p->port = bpf_map_lookup_elem(&hg_port, &ifindex);
	p->state = hg_state_find();
	p->data = (void *)(long)p->ctx->data;
	p->end = (void *)(long)p->ctx->data_end;
	p->len = bpf_xdp_get_buff_len(p->ctx);
	return p->port && p->state && p->port->slot < HG_SLOTS_MAX;
}

static __always_inline int gate_close(const struct hg_pkt *p, enum hg_verdict verdict)
{
	hg_count(p->port, p->reason, p->len);
	switch (verdict) {
	case HG_PASS:
	case HG_NEXT:
		return XDP_PASS;
	case HG_TX:
		return XDP_TX;
	case HG_DROP:
		break;
	}
	return XDP_DROP;
}

SEC("xdp.frags")
int hg_gate(struct xdp_md *ctx)
{
	struct hg_pkt p = { .ctx = ctx };
	enum hg_verdict verdict;

	if (!gate_open(&p))
		return XDP_PASS;
	verdict = stage_parse(&p);
	if (verdict == HG_NEXT)
		verdict = stage_blocklist(&p);
	if (verdict == HG_NEXT)
		verdict = stage_address(&p);
	if (verdict == HG_NEXT)
		verdict = stage_vmac(&p);
	if (verdict == HG_NEXT)
		verdict = stage_peer(&p);
	if (verdict == HG_NEXT)
		verdict = stage_failsafe(&p);
	if (verdict == HG_NEXT)
		verdict = stage_rules(&p);
	if (verdict == HG_NEXT)
		verdict = stage_owner(&p);
	return gate_close(&p, verdict);
}

char _license[] SEC("license") = "GPL";
