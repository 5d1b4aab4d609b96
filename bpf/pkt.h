/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One packet on its way through the gate: where its headers lie, whose address it
 * is for, and why it ends as it ends.
 *
 * stage_parse() fills it; later stages read it. Pointers into the packet hold
 * until a helper moves its ends (nd.h does, last). A stage that reads beyond what
 * the parser has seen checks against `end` itself.
 */
#ifndef HG_PKT_H
#define HG_PKT_H

#include "flow.h"
#include "maps.h"
#include "net.h"

enum hg_verdict {
	HG_NEXT, /* the next stage decides */
	HG_PASS, /* to the kernel */
	HG_DROP,
	HG_TX, /* back out of the same port */
};

/* Whom the Ethernet destination means. */
enum hg_mac_kind {
	HG_MAC_OTHER, /* another machine: a flooded frame */
	HG_MAC_NIC,
	HG_MAC_VIRTUAL,
	HG_MAC_GROUP, /* multicast or broadcast */
};

/* What follows Ethernet, and what follows IP: two types, not to be mixed up. */
enum hg_net { HG_NET_OTHER, HG_NET_ARP, HG_NET_IP4, HG_NET_IP6 };

enum hg_transport {
	HG_L4_NONE, /* non-first fragment, or no next header: no ports, no types */
	HG_L4_OTHER,
	HG_L4_TCP,
	HG_L4_UDP,
	HG_L4_ICMP,
	HG_L4_ICMP6,
};

struct hg_pkt {
	struct xdp_md *ctx;
	void *data, *end; /* linear part */
	const struct hg_port *port;
	struct hg_state *state;
	__u32 len; /* of the frame, parts that are not linear included */
	__u32 reason; /* enum hg_reason */

	enum hg_mac_kind to;
	enum hg_net net;
	enum hg_transport transport;
	bool is_fragment; /* any part of a fragmented packet */
	bool is_exempt; /* the filter may not touch it */
	bool is_blocked; /* its source is on the blocklist */
	__u8 protocol; /* of the transport, as in the IP header */
	__u16 net_offset; /* of ARP or IP in the frame */
	__u16 vlan; /* id of the outer tag, or HG_VLAN_NONE */
	void *l3, *l4;
	__u32 l4_len; /* of transport header and payload, as IP says */
	bool has_ports; /* TCP, UDP, SCTP, UDP-Lite */
	__u8 icmp_type;
	__be16 dport;
	__be32 ports; /* both, as in the header */
	__u32 detail; /* flags or type as of struct hg_flow */

	enum hg_addr_kind dst; /* 0: not an address of ours */
	__u32 dst_slot; /* of a VIP */
};

static __always_inline enum hg_verdict hg_pass(struct hg_pkt *p, enum hg_reason reason)
{
	p->reason = reason;
	return HG_PASS;
}

static __always_inline enum hg_verdict hg_drop(struct hg_pkt *p, enum hg_reason reason)
{
	p->reason = reason;
	return HG_DROP;
}

static __always_inline enum hg_verdict hg_tx(struct hg_pkt *p, enum hg_reason reason)
{
	p->reason = reason;
	return HG_TX;
}

/* mac: virtual is of the cluster, but a port may be without a virtual MAC. */
static __always_inline bool hg_port_is_virtual(const struct hg_port *port)
{
	return hg_config.is_virtual && !hg_mac_is_zero(port->vmac);
}

static __always_inline const __u8 *hg_port_gateway_mac(const struct hg_port *port)
{
	return hg_port_is_virtual(port) ? port->vmac : port->mac;
}

static __always_inline bool hg_port_owns_mac(const struct hg_port *port, const __u8 *mac)
{
	return hg_mac_equal(mac, port->mac) ||
	       (hg_port_is_virtual(port) && hg_mac_equal(mac, port->vmac));
}

/* The clock is read as late as possible: next to the decision, not on entry. */
static __always_inline bool hg_pkt_is_served(const struct hg_pkt *p)
{
	return hg_state_serves(p->state, bpf_ktime_get_boot_ns());
}

static __always_inline bool hg_pkt_is_draining(const struct hg_pkt *p)
{
	return bpf_ktime_get_boot_ns() < *(volatile __u64 *)&p->state->drain_until;
}

#endif
