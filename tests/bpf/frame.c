// SPDX-License-Identifier: GPL-2.0-or-later
/* Frames for the tests, see frame.h. */
#include <arpa/inet.h>
#include <netinet/icmp6.h>
#include <netinet/if_ether.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "frame.h"

static void *append(struct frame *f, size_t len)
{
	void *at = f->data + f->len;

	if (f->len + len > FRAME_MAX)
		abort();
	memset(at, 0, len);
	f->len += len;
	return at;
}

static void append_u16(struct frame *f, uint16_t value)
{
	value = htons(value);
	memcpy(append(f, 2), &value, 2);
}

static void parse_ip(int family, const char *text, void *ret)
{
	if (inet_pton(family, text, ret) != 1)
		abort();
}

void frame_ether(struct frame *f, const uint8_t *to, const uint8_t *from, uint16_t proto, int tags)
{
	f->len = f->l3 = f->l4 = 0;
	f->proto = 0;
	memcpy(append(f, 6), to, 6);
	memcpy(append(f, 6), from, 6);
	for (; tags; tags--) {
		append_u16(f, tags > 1 ? 0x88a8 : ETHERTYPE_VLAN);
		append_u16(f, 100 + tags);
	}
	append_u16(f, proto);
	f->l3 = f->len;
}

void frame_arp(struct frame *f, uint16_t op, const uint8_t *sha, const char *spa, const char *tpa)
{
	struct ether_arp *arp = append(f, sizeof(*arp));

	arp->arp_hrd = htons(1);
	arp->arp_pro = htons(ETHERTYPE_IP);
	arp->arp_hln = 6;
	arp->arp_pln = 4;
	arp->arp_op = htons(op);
	memcpy(arp->arp_sha, sha, 6);
	parse_ip(AF_INET, spa, arp->arp_spa);
	parse_ip(AF_INET, tpa, arp->arp_tpa);
}

void frame_ip4(struct frame *f, const char *from, const char *to, uint8_t proto)
{
	struct iphdr *ip = append(f, sizeof(*ip));

	ip->version = 4;
	ip->ihl = 5;
	ip->ttl = 64;
	ip->protocol = proto;
	parse_ip(AF_INET, from, &ip->saddr);
	parse_ip(AF_INET, to, &ip->daddr);
	f->l4 = f->len;
	f->proto = proto;
}

void frame_ip4_options(struct frame *f, size_t octets)
{
	struct iphdr *ip = (struct iphdr *)(f->data + f->l3);

	memset(append(f, octets), 1, octets);
	ip->ihl += octets / 4;
	f->l4 = f->len;
}

void frame_ip6(struct frame *f, const char *from, const char *to, uint8_t proto)
{
	struct ip6_hdr *ip = append(f, sizeof(*ip));

	ip->ip6_flow = htonl(0x60000000);
	ip->ip6_nxt = proto;
	ip->ip6_hlim = 64;
	parse_ip(AF_INET6, from, &ip->ip6_src);
	parse_ip(AF_INET6, to, &ip->ip6_dst);
	f->l4 = f->len;
	f->proto = proto;
}

void frame_ip6_extension(struct frame *f, uint8_t this, uint8_t next, size_t octets)
{
	uint8_t *ext = append(f, octets);

	ext[0] = next;
	ext[1] = this == IPPROTO_AH ? octets / 4 - 2 : octets / 8 - 1;
	f->l4 = f->len;
	f->proto = next;
}

void frame_ip6_fragment(struct frame *f, uint16_t offset, bool has_more, uint8_t next)
{
	struct ip6_frag *frag = append(f, sizeof(*frag));

	frag->ip6f_nxt = next;
	frag->ip6f_offlg = htons((uint16_t)(offset | has_more));
	f->l4 = f->len;
	f->proto = next;
}

void frame_udp(struct frame *f, uint16_t from, uint16_t to)
{
	struct udphdr *udp = append(f, sizeof(*udp));

	udp->source = htons(from);
	udp->dest = htons(to);
}

void frame_tcp(struct frame *f, uint16_t from, uint16_t to)
{
	struct tcphdr *tcp = append(f, sizeof(*tcp));

	tcp->source = htons(from);
	tcp->dest = htons(to);
	tcp->doff = 5;
	tcp->syn = 1;
}

void frame_icmp(struct frame *f, uint8_t type)
{
	uint8_t *icmp = append(f, 8);

	icmp[0] = type;
}

void frame_nd(struct frame *f, uint8_t type, const char *target, const uint8_t *mac)
{
	struct nd_neighbor_solicit *nd = append(f, sizeof(*nd));
	struct ip6_hdr *ip = (struct ip6_hdr *)(f->data + f->l3);
	uint8_t *option;

	ip->ip6_hlim = 255;
	nd->nd_ns_type = type;
	parse_ip(AF_INET6, target, &nd->nd_ns_target);
	if (!mac)
		return;
	option = append(f, 8);
	option[0] = type == ND_NEIGHBOR_ADVERT ? ND_OPT_TARGET_LINKADDR : ND_OPT_SOURCE_LINKADDR;
	option[1] = 1;
	memcpy(option + 2, mac, 6);
}

void frame_payload(struct frame *f, const void *data, size_t len)
{
	uint8_t *at = append(f, len);
	size_t i;

	for (i = 0; i < len; i++)
		at[i] = data ? ((const uint8_t *)data)[i] : (uint8_t)(i * 7 + 1);
}

static uint32_t sum_octets(const uint8_t *data, size_t len, uint32_t sum)
{
	size_t i;

	for (i = 0; i < len; i++)
		sum += i % 2 ? data[i] : (uint32_t)data[i] << 8;
	return sum;
}

static uint16_t fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

/* 0xffff when the checksum in place is right */
static uint16_t transport_sum(const struct frame *f, size_t l4, uint8_t proto, bool is_ip6)
{
	const uint8_t *ip = f->data + f->l3;
	uint32_t len = f->len - l4;
	uint32_t sum = len + proto;

	sum = is_ip6 ? sum_octets(ip + 8, 32, sum) : sum_octets(ip + 12, 8, sum);
	if (proto == IPPROTO_ICMP)
		sum = 0;
	return fold(sum_octets(f->data + l4, len, sum));
}

static size_t checksum_offset(uint8_t proto)
{
	switch (proto) {
	case IPPROTO_TCP:
		return 16;
	case IPPROTO_UDP:
		return 6;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		return 2;
	default:
		return 0;
	}
}

static void put_u16(uint8_t *at, uint16_t value)
{
	at[0] = value >> 8;
	at[1] = value;
}

void frame_finish(struct frame *f)
{
	uint8_t *ip = f->data + f->l3;
	bool is_ip6 = ip[0] >> 4 == 6;
	size_t at = checksum_offset(f->proto);

	if (f->proto == IPPROTO_UDP && f->len >= f->l4 + 8)
		put_u16(f->data + f->l4 + 4, f->len - f->l4);
	if (is_ip6) {
		put_u16(ip + 4, f->len - f->l3 - 40);
	} else {
		put_u16(ip + 2, f->len - f->l3);
		put_u16(ip + 10, 0);
		put_u16(ip + 10, ~fold(sum_octets(ip, f->l4 - f->l3, 0)));
	}
	if (at && f->len >= f->l4 + at + 2) {
		put_u16(f->data + f->l4 + at, 0);
		put_u16(f->data + f->l4 + at, ~transport_sum(f, f->l4, f->proto, is_ip6));
	}
}

static size_t l3_of(const struct frame *f)
{
	size_t at = 12;

	while ((f->data[at] == 0x81 && f->data[at + 1] == 0) ||
	       (f->data[at] == 0x88 && f->data[at + 1] == 0xa8))
		at += 4;
	return at + 2;
}

bool frame_is_sound(const struct frame *in)
{
	static struct frame copy;
	const struct frame *f = &copy;
	const uint8_t *ip;
	bool is_ip6;
	size_t l4;
	uint8_t proto;

	copy = *in;
	copy.l3 = l3_of(in);
	ip = f->data + f->l3;
	is_ip6 = ip[0] >> 4 == 6;
	l4 = f->l3 + (is_ip6 ? 40u : (ip[0] & 15) * 4u);
	proto = is_ip6 ? ip[6] : ip[9];
	if ((is_ip6 ? (ip[4] << 8 | ip[5]) + 40u : (unsigned int)(ip[2] << 8 | ip[3])) !=
	    f->len - f->l3)
		return false;
	if (!is_ip6 && fold(sum_octets(ip, l4 - f->l3, 0)) != 0xffff)
		return false;
	if (proto == IPPROTO_UDP && (size_t)(f->data[l4 + 4] << 8 | f->data[l4 + 5]) != f->len - l4)
		return false;
	if (proto == IPPROTO_UDP && !is_ip6 && !f->data[l4 + 6] && !f->data[l4 + 7])
		return true; /* no checksum */
	return transport_sum(f, l4, proto, is_ip6) == 0xffff;
}

void frame_heartbeat(struct frame *f, const struct ends *ends, const void *wire, size_t len)
{
	bool is_ip6 = strchr(ends->to, ':');

	frame_ether(f, ends->to_mac, ends->from_mac, is_ip6 ? ETHERTYPE_IPV6 : ETHERTYPE_IP,
		    ends->tags);
	if (is_ip6)
		frame_ip6(f, ends->from, ends->to, IPPROTO_UDP);
	else
		frame_ip4(f, ends->from, ends->to, IPPROTO_UDP);
	f->data[f->l3 + (is_ip6 ? 7 : 8)] = 255;
	frame_udp(f, HG_WIRE_UDP_PORT, HG_WIRE_UDP_PORT);
	frame_payload(f, wire, len);
	frame_finish(f);
}

struct hg_wire_head *frame_wire(struct frame *f)
{
	size_t l3 = l3_of(f);

	return (struct hg_wire_head *)(f->data + l3 + (f->data[l3] >> 4 == 6 ? 48 : 28));
}

/* By libsodium: an implementation that is not ours. */
static void tag_of(const void *wire, size_t len, const uint64_t *key, uint8_t *ret)
{
	crypto_shorthash_siphashx24(ret, wire, len - HG_WIRE_TAG_LEN, (const uint8_t *)key);
}

void wire_sign(void *wire, size_t len, const uint64_t *key)
{
	tag_of(wire, len, key, (uint8_t *)wire + len - HG_WIRE_TAG_LEN);
}

bool wire_is_signed(const void *wire, size_t len, const uint64_t *key)
{
	uint8_t tag[HG_WIRE_TAG_LEN];

	tag_of(wire, len, key, tag);
	return !memcmp(tag, (const uint8_t *)wire + len - HG_WIRE_TAG_LEN, sizeof(tag));
}
