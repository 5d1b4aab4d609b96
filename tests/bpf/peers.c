// SPDX-License-Identifier: GPL-2.0-or-later
/* What the tests send in the place of a node's agent, see peers.h. */
#include <arpa/inet.h>
#include <endian.h>
#include <stdio.h>
#include <string.h>

#include "peers.h"

static void fill_head(struct rig *from, enum hg_wire_type type, size_t len,
		      struct hg_wire_head *head)
{
	head->magic = htons(HG_WIRE_MAGIC);
	head->version = HG_WIRE_VERSION;
	head->type = type;
	head->length = htons((uint16_t)len);
	head->sender = from->node;
	head->receiver = 3 - from->node;
	head->agent_age_ms = htons(7);
	head->port = htonl(hg_port_id("lan"));
	head->seq = htobe64(rig_now());
}

void peers_short(struct rig *from, enum hg_wire_type type, uint64_t epoch, uint64_t stamp,
		 struct hg_wire_short *ret)
{
	memset(ret, 0, sizeof(*ret));
	fill_head(from, type, sizeof(*ret), &ret->head);
	ret->head.epoch = htobe64(epoch);
	ret->head.stamp = htobe64(stamp);
}

void peers_long(struct rig *from, enum hg_wire_type type, struct hg_wire_long *ret)
{
	size_t i;

	memset(ret, 0, sizeof(*ret));
	fill_head(from, type, sizeof(*ret), &ret->head);
	for (i = 0; i < sizeof(ret->body); i++)
		ret->body[i] = (uint8_t)(i * 5);
	memset(ret->hello.nonce, 0x10 + from->node, HG_WIRE_NONCE_LEN);
}

static void send_to(struct rig *from, struct rig *to, enum hg_key_slot slot, void *wire, size_t len,
		    const char *pattern, struct frame *ret)
{
	struct hg_wire_head *head = wire;
	char from_ip[32], to_ip[32];
	struct ends ends = {
		.to_mac = to->lan_mac, .from_mac = from->lan_mac, .to = to_ip, .from = from_ip
	};

	snprintf(from_ip, sizeof(from_ip), pattern, from->node + 1);
	snprintf(to_ip, sizeof(to_ip), pattern, to->node + 1);
	head->key_id = htonl(from->key[slot].id);
	wire_sign(wire, len, (const uint64_t *)from->key[slot].tx);
	frame_heartbeat(ret, &ends, wire, len);
}

void peers_send4(struct rig *from, struct rig *to, enum hg_key_slot slot, void *wire, size_t len,
		 struct frame *ret)
{
	send_to(from, to, slot, wire, len, "10.1.0.%d", ret);
}

void peers_send6(struct rig *from, struct rig *to, enum hg_key_slot slot, void *wire, size_t len,
		 struct frame *ret)
{
	send_to(from, to, slot, wire, len, "fd01::%d", ret);
}
