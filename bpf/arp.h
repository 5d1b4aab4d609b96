/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ARP on ingress (RFC 826, RFC 5227).
 *
 * Requests for a VIP of this port are answered here while the node serves, so
 * that serving waits for no address to be configured; the kernel never sees
 * them. What the peer announces for a VIP is kept from a standby's kernel, except
 * where it speaks to an own address of the standby: its own traffic may go
 * through the gateway, and for that it must learn the gateway's MAC.
 */
#ifndef HG_ARP_H
#define HG_ARP_H

#include "event.h"
#include "pkt.h"

static __always_inline enum hg_verdict arp_answer(struct hg_pkt *p, struct hg_arp *arp)
{
	const __u8 *mac = hg_port_gateway_mac(p->port);
	struct ethhdr *eth = p->data;
	__be32 vip = arp->tpa;

	hg_mac_copy(eth->h_dest, eth->h_source);
	hg_mac_copy(eth->h_source, mac);
	arp->op = HG_ARP_REPLY;
	hg_mac_copy(arp->tha, arp->sha);
	arp->tpa = arp->spa;
	hg_mac_copy(arp->sha, mac);
	arp->spa = vip;
	return hg_tx(p, HG_R_ARP_ANSWERED);
}

/* The sender says that a VIP is his. */
static __always_inline enum hg_verdict arp_from_vip(struct hg_pkt *p, const struct hg_arp *arp,
						    enum hg_addr_kind target)
{
	if (hg_port_owns_mac(p->port, arp->sha)) /* ours, come back; or a shared virtual MAC */
		return hg_drop(p, HG_R_ARP_SILENT);
	if (hg_pkt_is_served(p)) {
		hg_event_conflict(p, arp->sha, &arp->spa, sizeof(arp->spa));
		return hg_drop(p, HG_R_VIP_CONFLICT);
	}
	if (target == HG_ADDR_OWN)
		return hg_pass(p, HG_R_PASS_ARP);
	return hg_drop(p, HG_R_ARP_SILENT);
}

static __always_inline enum hg_verdict stage_arp(struct hg_pkt *p)
{
	struct hg_arp *arp = p->l3;
	enum hg_addr_kind target;
	__u32 slot = 0, ignored;

	if (p->net != HG_NET_ARP)
		return HG_NEXT;
	if ((void *)(arp + 1) > p->end)
		return hg_drop(p, HG_R_BAD_ARP);
	target = hg_addr4_find(arp->tpa, &slot);
	if (hg_addr4_find(arp->spa, &ignored) == HG_ADDR_VIP)
		return arp_from_vip(p, arp, target);
	if (target != HG_ADDR_VIP)
		return hg_pass(p, HG_R_PASS_ARP);
	if (!hg_pkt_is_served(p) || slot != p->port->slot)
		return hg_drop(p, HG_R_ARP_SILENT);
	/* The answer to a question that the kernel asked in the name of a VIP. */
	if (arp->op != HG_ARP_REQUEST)
		return hg_pass(p, HG_R_PASS_ARP);
	if (hg_port_owns_mac(p->port, arp->sha))
		return hg_drop(p, HG_R_ARP_SILENT);
	return arp_answer(p, arp);
}

#endif
