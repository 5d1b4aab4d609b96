// SPDX-License-Identifier: GPL-2.0-or-later
/* Frames, header by header (RFC 791, 8200, 793, 768, 9260; IEEE 802.1Q). */
#include <netinet/in.h>
#include <string.h>

#include "frame.h"

struct writer {
	uint8_t *data;
	size_t len;
};

static void put(struct writer *w, const void *data, size_t len)
{
	memcpy(w->data + w->len, data, len);
	w->len += len;
}

static void put16(struct writer *w, uint16_t value)
{
	const uint8_t octets[2] = { value >> 8, value };

	put(w, octets, 2);
}

static void put_zeros(struct writer *w, size_t count)
{
	memset(w->data + w->len, 0, count);
	w->len += count;
}

static void set16(struct writer *w, size_t at, uint16_t value)
{
	w->data[at] = value >> 8;
	w->data[at + 1] = value;
}

static void put_ethernet(struct writer *w, const struct packet *p, const uint8_t mac[6])
{
	static const uint8_t host[6] = { 0x02, 0, 0, 0, 0, 0x77 };
	unsigned int i;

	put(w, mac, 6);
	put(w, host, 6);
	for (i = 0; i < p->tag_count; i++) {
		put16(w, i || p->vlan[0] % 2 ? 0x8100 : 0x88a8);
		put16(w, p->vlan[i] | (p->payload % 8) << 13);
	}
	put16(w, p->family == 4 ? 0x0800 : 0x86dd);
}

static void put_ip4(struct writer *w, const struct packet *p)
{
	const uint8_t head[2] = { 0x45 + p->options, 0 }, life[2] = { 64, p->proto };

	put(w, head, 2);
	put16(w, 0); /* length: later */
	put16(w, 7);
	put16(w, !p->is_fragment ? 0x4000 : p->is_later ? 100 + p->payload % 2 * 0x2000 : 0x2000);
	put(w, life, 2);
	put16(w, 0);
	put(w, p->src, 4);
	put(w, p->dst, 4);
	memset(w->data + w->len, 1 /* no operation */, p->options * 4u);
	w->len += p->options * 4u;
}

/* Types 0 (first only), 60 and 43 in turn, each 8 or 16 octets; the fragment is last. */
static void put_ip6(struct writer *w, const struct packet *p)
{
	static const uint8_t type[] = { 0, 60, 43, 60, 43, 60 };
	unsigned int i, size;
	size_t next;
	const uint8_t version[4] = { 0x60 };

	put(w, version, 4);
	put16(w, 0); /* length: later */
	next = w->len;
	put16(w, 64);
	put(w, p->src, 16);
	put(w, p->dst, 16);
	for (i = 0; i < p->extensions; i++) {
		w->data[next] = type[i];
		next = w->len;
		size = 8 + (i + p->payload) % 2 * 8;
		put_zeros(w, size);
		w->data[next + 1] = size / 8 - 1;
	}
	if (p->is_fragment) {
		w->data[next] = 44;
		next = w->len;
		put16(w, 0);
		put16(w, p->is_later ? 800 + p->payload % 2 : 1);
		put_zeros(w, 4);
	}
	w->data[next] = p->proto;
}

static void put_transport(struct writer *w, const struct packet *p)
{
	size_t start = w->len;

	if (p->is_later) {
		put_zeros(w, 24);
		return;
	}
	put16(w, p->sport);
	put16(w, p->dport);
	put_zeros(w, p->proto == IPPROTO_TCP ? 16 : p->proto == IPPROTO_SCTP ? 8 : 4);
	if (p->proto == IPPROTO_TCP) {
		w->data[start + 12] = 0x50;
		w->data[start + 13] = p->flags;
	} else if (p->proto == IPPROTO_UDP || p->proto == IPPROTO_UDPLITE) {
		set16(w, start + 4, 8 + p->payload);
	} else if (p->proto == IPPROTO_ICMP || p->proto == IPPROTO_ICMPV6) {
		w->data[start] = p->type;
		w->data[start + 1] = 0;
	}
}

size_t frame_build(const struct packet *p, const uint8_t mac[6], uint8_t ret[FRAME_ROOM])
{
	struct writer w = { ret, 0 };
	size_t l3;

	put_ethernet(&w, p, mac);
	l3 = w.len;
	if (p->family == 4)
		put_ip4(&w, p);
	else
		put_ip6(&w, p);
	put_transport(&w, p);
	put_zeros(&w, p->payload);
	if (p->family == 4)
		set16(&w, l3 + 2, w.len - l3);
	else
		set16(&w, l3 + 4, w.len - l3 - 40);
	return w.len;
}

bool frame_is_good(const struct packet *p)
{
	static const uint8_t zero[16], loopback[16] = { [15] = 1 };
	size_t len = p->family == 4 ? 4 : 16;

	if (!memcmp(p->src, p->dst, len) || !memcmp(p->src, zero, len))
		return false;
	if (p->family == 6 && p->proto == IPPROTO_ICMPV6 && (p->type == 135 || p->type == 136))
		return false;
	if (p->family == 4)
		return p->src[0] < 224 && p->src[0] != 127;
	return p->src[0] != 0xff && memcmp(p->src, loopback, len);
}
