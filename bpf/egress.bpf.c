// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * hg_egress: every frame that leaves a port, whoever made it. Two duties:
 *
 * Standby silence. A node that does not serve lets nothing out that could make
 * anybody believe it holds a virtual address: ARP and neighbour advertisements for
 * a VIP, router advertisements, any packet from a VIP (IGMP and MLD too), any frame
 * from the virtual MAC; and no transit, unless it drains. What it says from its own
 * addresses is never touched.
 *
 * Source MACs. With mac: virtual, what the serving node says as the gateway -
 * transit, packets from a VIP, ARP and ND in the name of a VIP - leaves with the
 * virtual MAC; heartbeats and its own traffic keep the NIC's.
 *
 * A node that serves with mac: real has nothing to check. Frames go on to other
 * filters of the hook (TC_ACT_UNSPEC), they are not accepted for good here.
 */
#include <linux/pkt_cls.h>

#include "count.h"
#include "egress.h"
#include "egress_mac.h"

static __always_inline bool egress_open(struct hg_out *o, struct __sk_buff *skb)
{
	__u32 ifindex = skb->ifindex;
	__u64 now;

	o->skb = skb;
	o->port = bpf_map_lookup_elem(&hg_port, &ifindex);
	o->state = hg_state_find();
	if (!o->port || !o->state || o->port->slot >= HG_SLOTS_MAX)
		return false;
	now = bpf_ktime_get_boot_ns();
	o->is_serving = hg_state_serves(o->state, now);
	o->is_draining = now < *(volatile __u64 *)&o->state->drain_until;
	o->is_virtual = hg_port_is_virtual(o->port);
	o->is_transit = skb->ingress_ifindex != 0;
	return true;
}

/* In the name of a VIP, or another node's packet. */
static __always_inline bool egress_is_gateway(const struct hg_out *o)
{
	return o->is_from_vip || o->is_for_vip || (o->is_transit && !o->is_from_own);
}

/* Why a node that does not serve must keep this frame; EGRESS_PASS when it need not. */
static __always_inline enum hg_reason egress_silence(const struct hg_out *o)
{
	if (o->is_for_vip)
		return HG_R_EGRESS_ARP;
	if (o->nd_type == HG_ND_RA)
		return HG_R_EGRESS_RA;
	if (o->is_from_vip)
		return HG_R_EGRESS_VIP;
	if (o->has_vmac)
		return HG_R_EGRESS_MAC;
	if (o->is_transit && !o->is_from_own && !o->is_draining)
		return HG_R_EGRESS_TRANSIT;
	return HG_R_EGRESS_PASS;
}

SEC("tc")
int hg_egress(struct __sk_buff *skb)
{
	struct hg_out o = {};
	enum hg_reason reason = HG_R_EGRESS_PASS;

	if (!egress_open(&o, skb))
		return TC_ACT_UNSPEC;
	if (!o.is_serving || o.is_virtual) {
		if (!egress_parse(&o))
			reason = HG_R_EGRESS_BAD;
		else if (!o.is_serving)
			reason = egress_silence(&o);
		else if (egress_is_gateway(&o))
			reason = egress_set_mac(&o) ? HG_R_EGRESS_VMAC : HG_R_EGRESS_BAD;
	}
	hg_count(o.port, reason, skb->len);
	return reason == HG_R_EGRESS_PASS || reason == HG_R_EGRESS_VMAC ? TC_ACT_UNSPEC
									: TC_ACT_SHOT;
}

char _license[] SEC("license") = "GPL";
