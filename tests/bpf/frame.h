/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Frames for the tests, built header by header; lengths and checksums are filled
 * in by frame_finish(). Checks of what came out are written anew here, by the book
 * and not with the data path's own functions.
 */
#ifndef TEST_FRAME_H
#define TEST_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hagate/wire.h"

#define FRAME_MAX 9216

struct frame {
	uint8_t data[FRAME_MAX];
	size_t len;
	size_t l3, l4; /* offsets; 0: none yet */
	uint8_t proto; /* of the transport */
};

/* begins anew; `tags` VLAN tags stand before the EtherType */
void frame_ether(struct frame *f, const uint8_t *to, const uint8_t *from, uint16_t proto, int tags);
void frame_arp(struct frame *f, uint16_t op, const uint8_t *sha, const char *spa, const char *tpa);
void frame_ip4(struct frame *f, const char *from, const char *to, uint8_t proto);
void frame_ip4_options(struct frame *f, size_t octets);
void frame_ip6(struct frame *f, const char *from, const char *to, uint8_t proto);
/* An extension header of `octets`; `this` is its own type: call in order. */
void frame_ip6_extension(struct frame *f, uint8_t this, uint8_t next, size_t octets);
void frame_ip6_fragment(struct frame *f, uint16_t offset, bool has_more, uint8_t next);
void frame_udp(struct frame *f, uint16_t from, uint16_t to);
void frame_tcp(struct frame *f, uint16_t from, uint16_t to);
void frame_icmp(struct frame *f, uint8_t type);
/* solicitation or advertisement, with one MAC option unless mac is NULL */
void frame_nd(struct frame *f, uint8_t type, const char *target, const uint8_t *mac);
void frame_payload(struct frame *f, const void *data, size_t len); /* NULL: a pattern */
void frame_finish(struct frame *f);

/* True when every length and checksum of an IP frame is right. */
bool frame_is_sound(const struct frame *f);

/* The whole of a heartbeat: UDP over the family of the addresses. */
struct ends {
	const uint8_t *to_mac, *from_mac;
	const char *to, *from;
	int tags;
};
void frame_heartbeat(struct frame *f, const struct ends *ends, const void *wire, size_t len);

/* Where the payload of a heartbeat lies. */
struct hg_wire_head *frame_wire(struct frame *f);
/* The tag over everything before it, under `key`. */
void wire_sign(void *wire, size_t len, const uint64_t *key);
bool wire_is_signed(const void *wire, size_t len, const uint64_t *key);

#endif
