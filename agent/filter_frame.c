// SPDX-License-Identifier: GPL-2.0-or-later
/* See filter_frame.h. */
#include "agent/filter_frame.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <string.h>

#define LENGTH_MIN 60
#define PAYLOAD 8
#define IP6_FRAGMENT 44

struct writer {
	uint8_t *at;
};

static void put8(struct writer *w, uint8_t value)
{
	*w->at++ = value;
}

static void put16(struct writer *w, uint16_t value)
{
	put8(w, value >> 8);
	put8(w, value & 0xff);
}

static void put32(struct writer *w, uint32_t value)
{
	put16(w, value >> 16);
	put16(w, value & 0xffff);
}

static void put(struct writer *w, const void *data, size_t length)
{
	memcpy(w->at, data, length);
	w->at += length;
}

static void put_ethernet(struct writer *w, const struct hg_frame *frame)
{
	static const uint8_t from[6] = { 0x02, 0, 0, 0, 0, 0x01 };

	put(w, frame->to_mac, 6);
	put(w, from, 6);
	if (frame->vlan >= 0) {
		put16(w, ETH_P_8021Q);
		put16(w, frame->vlan);
	}
	put16(w, frame->from.family == 4 ? ETH_P_IP : ETH_P_IPV6);
}

static size_t transport_length(const struct hg_frame *frame)
{
	switch (frame->proto) {
	case IPPROTO_TCP:
		return 20;
	case IPPROTO_SCTP:
		return 12 + PAYLOAD;
	default: /* UDP, UDP-Lite, ICMP, ICMPv6: eight octets; others: as many of payload */
		return 8 + PAYLOAD;
	}
}

static void put_transport(struct writer *w, const struct hg_frame *frame)
{
	uint8_t *start = w->at;

	switch (frame->proto) {
	case IPPROTO_TCP:
		put16(w, frame->sport);
		put16(w, frame->dport);
		put32(w, 1);
		put32(w, frame->flags & 0x10 ? 1 : 0); /* acknowledges only with ACK */
		put8(w, 5 << 4);
		put8(w, frame->flags);
		put16(w, 65535);
		break;
	case IPPROTO_UDP:
	case IPPROTO_UDPLITE:
		put16(w, frame->sport);
		put16(w, frame->dport);
		put16(w, transport_length(frame));
		break;
	case IPPROTO_SCTP:
		put16(w, frame->sport);
		put16(w, frame->dport);
		break;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		put8(w, frame->icmp_type);
		break;
	default:
		break;
	}
	w->at = start + transport_length(frame); /* the rest is zero */
}

static void put_ip4(struct writer *w, const struct hg_frame *frame)
{
	uint8_t *header = w->at;
	uint32_t sum = 0;

	put8(w, 0x45);
	put8(w, 0);
	put16(w, 20 + transport_length(frame));
	put16(w, 1);
	put16(w, frame->is_fragment ? 0x2000 : 0); /* more fragments */
	put8(w, 64);
	put8(w, frame->proto);
	put16(w, 0);
	put(w, frame->from.addr, 4);
	put(w, frame->to.addr, 4);
	for (int i = 0; i < 20; i += 2)
		sum += header[i] << 8 | header[i + 1];
	sum = (sum >> 16) + (sum & 0xffff);
	sum = ~(sum + (sum >> 16)) & 0xffff;
	header[10] = sum >> 8;
	header[11] = sum & 0xff;
}

static void put_ip6(struct writer *w, const struct hg_frame *frame)
{
	put32(w, 6u << 28);
	put16(w, transport_length(frame) + (frame->is_fragment ? 8 : 0));
	put8(w, frame->is_fragment ? IP6_FRAGMENT : frame->proto);
	put8(w, 64);
	put(w, frame->from.addr, 16);
	put(w, frame->to.addr, 16);
	if (frame->is_fragment) {
		put8(w, frame->proto);
		put8(w, 0);
		put16(w, 1); /* offset 0, more fragments */
		put32(w, 1);
	}
}

size_t hg_frame_write(const struct hg_frame *frame, uint8_t ret[HG_FRAME_MAX])
{
	struct writer w = { .at = ret };
	size_t length;

	memset(ret, 0, HG_FRAME_MAX);
	put_ethernet(&w, frame);
	if (frame->from.family == 4)
		put_ip4(&w, frame);
	else
		put_ip6(&w, frame);
	put_transport(&w, frame);
	length = w.at - ret;
	return length < LENGTH_MIN ? LENGTH_MIN : length;
}
