// SPDX-License-Identifier: GPL-2.0-or-later
/* Packets for the filter's tests, see packet.h. */
#include <linux/if_ether.h>
#include <string.h>

#include "packet.h"

static void put_ip4(struct frame *f, const struct packet *p)
{
	frame_ip4(f, p->from, p->to, p->proto);
	if (p->has_extensions)
		frame_ip4_options(f, 12);
	if (p->part == FIRST)
		f->data[f->l3 + 6] = 0x20;
	if (p->part == LATER)
		f->data[f->l3 + 7] = 185;
}

static void put_ip6(struct frame *f, const struct packet *p)
{
	uint8_t first = p->part == WHOLE ? p->proto : IPPROTO_FRAGMENT;

	frame_ip6(f, p->from, p->to, p->has_extensions ? IPPROTO_HOPOPTS : first);
	if (p->has_extensions) {
		frame_ip6_extension(f, IPPROTO_HOPOPTS, IPPROTO_DSTOPTS, 16);
		frame_ip6_extension(f, IPPROTO_DSTOPTS, first, 8);
	}
	if (p->part != WHOLE)
		frame_ip6_fragment(f, p->part == LATER ? 1480 : 0, p->part == FIRST, p->proto);
}

static void put_transport(struct frame *f, const struct packet *p)
{
	static const uint8_t rest[12] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 };

	if (p->part == LATER) { /* what would be ports, flags and a type */
		frame_payload(f, rest, sizeof(rest));
		return;
	}
	if (p->proto == IPPROTO_TCP) {
		frame_tcp(f, p->sport, p->dport);
		f->data[f->l4 + 13] = p->octet;
	} else if (p->proto == IPPROTO_ICMP || p->proto == IPPROTO_ICMPV6) {
		frame_icmp(f, p->octet);
	} else {
		frame_udp(f, p->sport, p->dport); /* SCTP and UDP-Lite begin alike */
		frame_payload(f, rest, sizeof(rest));
	}
}

void packet_make(struct frame *f, const struct packet *p)
{
	bool is_ip6 = strchr(p->to, ':');

	frame_ether(f, p->port == RIG_LAN ? node_a.lan_mac : node_a.wan_mac, mac_host,
		    is_ip6 ? ETH_P_IPV6 : ETH_P_IP, p->tags);
	if (is_ip6)
		put_ip6(f, p);
	else
		put_ip4(f, p);
	put_transport(f, p);
	frame_finish(f);
}

void packet_expect(const struct packet *packet, int verdict, enum hg_reason reason,
		   const char *file, int line)
{
	static struct frame f;

	packet_make(&f, packet);
	rig_expect_gate(&node_a, packet->port, &f, verdict, reason, file, line);
}
