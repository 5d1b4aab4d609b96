// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Fuzzer of the witness's frames: a series of them, some whole and signed under the right
 * keys (the fuzzer chooses what is in them), the others as they come. Asserted: an answer
 * is as long as the question and signed, nothing that is not genuine is answered, and no
 * two nodes ever have a running grant.
 */
#include <endian.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "agent/core/session.h"
#include "agent/keys.h"
#include "bpf/siphash.h"
#include "witness/serve.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(condition)                \
	do {                              \
		if (!(condition))         \
			__builtin_trap(); \
	} while (0)

#define NODES 2
#define MARGIN 200000

static const uint8_t cluster_key[HG_SERVE_KEY_LEN] = { 1, 2, 3 };

struct node {
	struct hg_session session;
	struct hg_key cluster, key[2];
	uint64_t granted_until;
};

struct trial {
	struct hg_serve *serve;
	struct hg_time now;
	struct node node[NODES];
	const uint8_t *data;
	size_t size;
	uint64_t remembered;
};

static uint8_t draw(struct trial *t)
{
	if (!t->size)
		return 0;
	t->size--;
	return *t->data++;
}

static void take(struct trial *t, void *ret, size_t length)
{
	size_t n = length < t->size ? length : t->size;

	memcpy(ret, t->data, n);
	t->data += n;
	t->size -= n;
}

static void remember(void *context, const uint8_t *id, unsigned int group, uint64_t epoch)
{
	struct trial *t = context;

	(void)id;
	REQUIRE(group < HG_SERVE_GROUPS && epoch > t->remembered);
	t->remembered = epoch;
}

static void sign(void *frame, size_t length, const struct hg_key *key)
{
	__u64 tag[2];

	hg_siphash(frame, (length - HG_WIRE_TAG_LEN) / 8, key->tx, tag);
	memcpy((uint8_t *)frame + length - HG_WIRE_TAG_LEN, tag, sizeof(tag));
}

static bool is_signed(const void *frame, size_t length, const struct hg_key *key)
{
	__u64 tag[2];

	hg_siphash(frame, (length - HG_WIRE_TAG_LEN) / 8, key->rx, tag);
	return !memcmp((const uint8_t *)frame + length - HG_WIRE_TAG_LEN, tag, sizeof(tag));
}

static void start(struct trial *t)
{
	struct hg_serve_options options = { .nonce = { 0xee }, .remember = remember, .context = t };
	struct hg_witness_rules rules = { HG_MS(1000), { MARGIN }, 10000, { 0 } };
	uint64_t epoch[HG_SERVE_GROUPS] = { 0 };
	const char *other;

	t->now.ns = 1000000000;
	REQUIRE(!hg_serve_new(&options, &t->serve));
	hg_serve_set_rules(t->serve, rules);
	REQUIRE(!hg_serve_add(t->serve, "fuzz", cluster_key, epoch, &other));
	for (unsigned int i = 0; i < NODES; i++) {
		uint8_t nonce[HG_WIRE_NONCE_LEN] = { 1 + i };
		struct hg_key_parties both = { .self = 1 + i, .peer = HG_WIRE_WITNESS };

		hg_session_init(&t->node[i].session, nonce, HG_SESSION_NONE);
		hg_keys_cluster(cluster_key, &both, &t->node[i].cluster);
	}
}

static void on_hello(struct trial *t, unsigned int i, const struct hg_wire_long *frame)
{
	struct node *node = &t->node[i];
	struct hg_session_hello hello = { .seq = be64toh(frame->head.seq),
					  .stamp = be64toh(frame->head.stamp) };
	struct hg_key_parties both = { .self = 1 + i,
				       .peer = HG_WIRE_WITNESS,
				       .self_nonce = node->session.own,
				       .peer_nonce = frame->hello.nonce };

	REQUIRE(is_signed(frame, HG_WIRE_LONG, &node->cluster));
	memcpy(hello.nonce, frame->hello.nonce, sizeof(hello.nonce));
	memcpy(hello.echo, frame->hello.echo, sizeof(hello.echo));
	if (hg_session_receive(&node->session, t->now, &hello) == HG_SESSION_INSTALL)
		hg_keys_session(cluster_key, &both, &node->key[hg_session_slot(&node->session)]);
}

static void on_grant(struct trial *t, unsigned int i, const struct hg_wire_short *frame)
{
	uint64_t stamp = be64toh(frame->head.stamp), lease = be32toh(frame->head.echo) * 1000ull;

	REQUIRE(hg_epoch_node(be64toh(frame->head.epoch)) == 1 + i);
	REQUIRE(lease <= 1000000000);
	/* As the election takes it: a stamp of later than now counts for nothing. */
	if (stamp > t->now.ns || stamp + lease <= t->now.ns)
		return;
	REQUIRE(t->node[!i].granted_until <= t->now.ns);
	if (t->node[i].granted_until < stamp + lease)
		t->node[i].granted_until = stamp + lease;
}

static void deliver(struct trial *t, unsigned int i, const void *frame, size_t length)
{
	union {
		struct hg_wire_long full;
		struct hg_wire_short brief;
	} out;
	struct hg_serve_news news;
	size_t answer;

	memset(&out, 0x55, sizeof(out));
	answer = hg_serve_receive(t->serve, t->now, frame, length, &out, &news);
	REQUIRE(!answer || answer == length);
	REQUIRE(!answer || news.cluster);
	if (!answer)
		return;
	REQUIRE(i < NODES);
	if (answer == (size_t)HG_WIRE_LONG)
		on_hello(t, i, &out.full);
	else if (out.brief.head.type == HG_WIRE_GRANT)
		on_grant(t, i, &out.brief);
	else
		REQUIRE(out.brief.head.type == HG_WIRE_REFUSE &&
			out.brief.head.flags < HG_WITNESS_VERDICTS);
}

static void fill_head(struct trial *t, unsigned int i, struct hg_wire_head *head, uint8_t type,
		      size_t length)
{
	head->magic = htobe16(HG_WIRE_MAGIC);
	head->version = HG_WIRE_VERSION;
	head->type = type;
	head->length = htobe16(length);
	head->group = 0;
	head->sender = 1 + i;
	head->receiver = HG_WIRE_WITNESS;
	head->seq = htobe64(t->now.ns + draw(t));
}

static void send_hello(struct trial *t, unsigned int i)
{
	struct hg_wire_long frame = { 0 };
	struct hg_session_hello hello;

	hg_session_echo(&t->node[i].session, &hello);
	take(t, frame.body, draw(t) % (sizeof(frame.body) + 1));
	fill_head(t, i, &frame.head, HG_WIRE_HELLO, HG_WIRE_LONG);
	frame.head.key_id = htobe32(t->node[i].cluster.id);
	frame.head.stamp = htobe64(hello.stamp);
	memcpy(frame.hello.nonce, hello.nonce, sizeof(hello.nonce));
	memcpy(frame.hello.echo, hello.echo, sizeof(hello.echo));
	sign(&frame, HG_WIRE_LONG, &t->node[i].cluster);
	deliver(t, i, &frame, HG_WIRE_LONG);
}

static void send_request(struct trial *t, unsigned int i)
{
	int slot = hg_session_sending(&t->node[i].session);
	struct hg_wire_short frame = { 0 };

	if (slot == HG_SESSION_NONE)
		return;
	take(t, &frame.head.epoch, 8);
	if (draw(t) & 1)
		frame.head.epoch = htobe64((uint64_t)draw(t) << 8 | (1 + i));
	frame.head.stamp = htobe64(t->now.ns - draw(t) * 100000ull);
	frame.head.echo = htobe32(draw(t) * 1000);
	fill_head(t, i, &frame.head, HG_WIRE_REQUEST, HG_WIRE_SHORT);
	frame.head.key_id = htobe32(t->node[i].key[slot].id);
	sign(&frame, HG_WIRE_SHORT, &t->node[i].key[slot]);
	deliver(t, i, &frame, HG_WIRE_SHORT);
}

/* Unsigned: whatever it is, it must come to nothing. */
static void send_raw(struct trial *t)
{
	uint8_t frame[HG_WIRE_LONG + 1] = { 0 };
	size_t length = draw(t) & 1 ? HG_WIRE_SHORT : HG_WIRE_LONG;

	if (draw(t) & 1)
		length = draw(t);
	take(t, frame, length);
	deliver(t, NODES, frame, length);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct trial t = { .data = data, .size = size };

	start(&t);
	while (t.size) {
		uint8_t what = draw(&t);

		t.now.ns += draw(&t) * 200000ull + 1;
		switch (what % 4) {
		case 0:
			send_hello(&t, what >> 2 & 1);
			break;
		case 1:
		case 2:
			send_request(&t, what >> 2 & 1);
			break;
		default:
			send_raw(&t);
			break;
		}
	}
	hg_serve_free(t.serve);
	return 0;
}
