/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The witness's frames: a node's side of the handshake is played here with the same keys
 * and the same session code as hagated's; what is forged, replayed, late or of another
 * cluster gets no answer and changes nothing.
 */
#include <endian.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "agent/core/session.h"
#include "agent/keys.h"
#include "bpf/siphash.h"
#include "witness/serve.h"

#define LEASE_US 20000

static const uint8_t keys[2][HG_SERVE_KEY_LEN] = { { 1, 2, 3 }, { 4, 5, 6 } };

struct node {
	const uint8_t *key;
	uint8_t id;
	struct hg_session session;
	struct hg_key cluster_key, session_key[2];
	uint64_t seq;
};

static struct hg_serve *serve;
static struct hg_serve_news news;
static struct hg_time now;
static uint64_t remembered, remember_count;
static union {
	struct hg_wire_short brief;
	struct hg_wire_long full;
	uint8_t octets[HG_WIRE_LONG];
} out;

static void remember(void *context, const uint8_t id[HG_SERVE_ID_LEN], unsigned int group,
		     uint64_t epoch)
{
	uint8_t expected[HG_SERVE_ID_LEN];

	(void)context;
	hg_serve_identify(keys[0], expected);
	if (!memcmp(id, expected, sizeof(expected)))
		remembered = epoch;
	assert_int_equal(group, 0);
	remember_count++;
}

static void start_witness(uint8_t boot, uint64_t epoch)
{
	struct hg_serve_options options = { .nonce = { 0xee, boot }, .remember = remember };
	struct hg_witness_rules rules = { HG_MS(1000), { 200000 }, 10000, { now.ns + 1000000 } };
	const char *other = NULL;

	hg_serve_free(serve);
	assert_int_equal(hg_serve_new(&options, &serve), 0);
	hg_serve_set_rules(serve, rules);
	assert_int_equal(hg_serve_add(serve, "home", keys[0], &epoch, &other), 0);
	assert_int_equal(hg_serve_add(serve, "again", keys[0], &epoch, &other), -EEXIST);
	assert_string_equal(other, "home");
	epoch = 0;
	assert_int_equal(hg_serve_add(serve, "away", keys[1], &epoch, &other), 0);
	now.ns += 2000000;
}

static int setup(void **context)
{
	(void)context;
	now.ns = 1000000000;
	remembered = remember_count = 0;
	start_witness(1, 0);
	return 0;
}

static int teardown(void **context)
{
	(void)context;
	hg_serve_free(serve);
	serve = NULL;
	return 0;
}

/* --- a node ------------------------------------------------------------------------ */

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

static void boot_node(struct node *node, unsigned int cluster, uint8_t id, uint8_t boot)
{
	uint8_t nonce[HG_WIRE_NONCE_LEN] = { id, boot };
	struct hg_key_parties both = { .self = id, .peer = HG_WIRE_WITNESS };

	memset(node, 0, sizeof(*node));
	node->key = keys[cluster];
	node->id = id;
	hg_session_init(&node->session, nonce, HG_SESSION_NONE);
	hg_keys_cluster(node->key, &both, &node->cluster_key);
}

static void fill(struct node *node, struct hg_wire_head *head, uint8_t type, size_t length,
		 const struct hg_key *key)
{
	node->seq = node->seq < now.ns ? now.ns : node->seq + 1;
	head->magic = htobe16(HG_WIRE_MAGIC);
	head->version = HG_WIRE_VERSION;
	head->type = type;
	head->length = htobe16(length);
	head->sender = node->id;
	head->receiver = HG_WIRE_WITNESS;
	head->key_id = htobe32(key->id);
	head->seq = htobe64(node->seq);
	sign(head, length, key);
}

static void make_hello(struct node *node, struct hg_wire_long *ret)
{
	struct hg_session_hello session;

	memset(ret, 0, sizeof(*ret));
	hg_session_echo(&node->session, &session);
	ret->head.stamp = htobe64(session.stamp);
	memcpy(ret->hello.nonce, session.nonce, sizeof(session.nonce));
	memcpy(ret->hello.echo, session.echo, sizeof(session.echo));
	memcpy(ret->hello.node_name, "gw\x1b", 4);
	fill(node, &ret->head, HG_WIRE_HELLO, HG_WIRE_LONG, &node->cluster_key);
}

static size_t put(const void *frame, size_t length)
{
	memset(&out, 0xaa, sizeof(out));
	return hg_serve_receive(serve, now, frame, length, &out, &news);
}

/* The witness's HELLO, taken as hagated takes it. */
static void take_hello(struct node *node)
{
	struct hg_session_hello hello = { .seq = be64toh(out.full.head.seq),
					  .stamp = be64toh(out.full.head.stamp) };
	struct hg_key_parties both = { .self = node->id,
				       .peer = HG_WIRE_WITNESS,
				       .self_nonce = node->session.own };
	int slot;

	assert_true(is_signed(&out.full, HG_WIRE_LONG, &node->cluster_key));
	memcpy(hello.nonce, out.full.hello.nonce, sizeof(hello.nonce));
	memcpy(hello.echo, out.full.hello.echo, sizeof(hello.echo));
	if (hg_session_receive(&node->session, now, &hello) != HG_SESSION_INSTALL)
		return;
	slot = hg_session_slot(&node->session);
	both.peer_nonce = out.full.hello.nonce;
	hg_keys_session(node->key, &both, &node->session_key[slot]);
}

static void greet(struct node *node)
{
	struct hg_wire_long hello;

	now.ns += 100000;
	make_hello(node, &hello);
	assert_int_equal(put(&hello, HG_WIRE_LONG), HG_WIRE_LONG);
	take_hello(node);
}

static void make_request(struct node *node, uint64_t epoch, struct hg_wire_short *ret)
{
	int slot = hg_session_sending(&node->session);

	assert_int_not_equal(slot, HG_SESSION_NONE);
	memset(ret, 0, sizeof(*ret));
	ret->head.epoch = htobe64(epoch);
	ret->head.stamp = htobe64(now.ns);
	ret->head.echo = htobe32(LEASE_US);
	fill(node, &ret->head, HG_WIRE_REQUEST, HG_WIRE_SHORT, &node->session_key[slot]);
}

/* The type of the answer, 0: none. It must be right in every detail. */
static uint8_t ask(struct node *node, uint64_t epoch)
{
	struct hg_wire_short request;
	size_t length;

	now.ns += 100000;
	make_request(node, epoch, &request);
	length = put(&request, HG_WIRE_SHORT);
	if (!length)
		return 0;
	assert_int_equal(length, HG_WIRE_SHORT);
	assert_true(is_signed(&out.brief, HG_WIRE_SHORT,
			      &node->session_key[hg_session_sending(&node->session)]));
	assert_int_equal(out.brief.head.stamp, request.head.stamp);
	assert_int_equal(out.brief.head.sender, HG_WIRE_WITNESS);
	assert_int_equal(out.brief.head.receiver, node->id);
	return out.brief.head.type;
}

static void into_session(struct node *node, unsigned int cluster, uint8_t id)
{
	boot_node(node, cluster, id, 1);
	for (int i = 0; i < 3; i++)
		greet(node);
}

/* --- what is answered -------------------------------------------------------------- */

static void test_handshake_and_grant(void **context)
{
	struct node node;

	(void)context;
	boot_node(&node, 0, 1, 1);
	greet(&node);
	assert_int_equal(news.what, HG_SERVE_GREETED); /* nothing believed yet */
	greet(&node);
	assert_int_equal(news.what, HG_SERVE_SESSION);
	assert_string_equal(news.node, "gw?");
	assert_int_equal(ask(&node, 0x501), HG_WIRE_GRANT);
	assert_int_equal(be64toh(out.brief.head.epoch), 0x501);
	assert_int_equal(be32toh(out.brief.head.echo), LEASE_US);
	assert_int_equal(news.what, HG_SERVE_GRANTED);
	assert_int_equal(remembered, 0x501);
	assert_int_equal(ask(&node, 0x501), HG_WIRE_GRANT);
	assert_int_equal(news.what, HG_SERVE_RENEWED);
	assert_int_equal(remember_count, 1);
	hg_serve_set_forgetful(serve, true);
	assert_int_equal(ask(&node, 0x501), HG_WIRE_GRANT);
	assert_int_equal(out.brief.head.flags, HG_WIRE_F_FORGETFUL);
}

static void test_refusals(void **context)
{
	struct node first, second;

	(void)context;
	into_session(&first, 0, 1);
	into_session(&second, 0, 2);
	assert_int_equal(ask(&first, 0x501), HG_WIRE_GRANT);
	assert_int_equal(ask(&second, 0x602), HG_WIRE_REFUSE);
	assert_int_equal(out.brief.head.flags, HG_WITNESS_HELD);
	assert_int_equal(be64toh(out.brief.head.epoch), 0x501);
	assert_true(news.is_changed);
	assert_int_equal(ask(&second, 0x602), HG_WIRE_REFUSE);
	assert_false(news.is_changed); /* said once */
	assert_int_equal(ask(&second, 0x601), HG_WIRE_REFUSE); /* not an epoch of its own */
	assert_int_equal(out.brief.head.flags, HG_WITNESS_FOREIGN);
	now.ns += 30000000;
	assert_int_equal(ask(&second, 0x602), HG_WIRE_GRANT);
	assert_int_equal(ask(&first, 0x501), HG_WIRE_REFUSE);
	assert_int_equal(out.brief.head.flags, HG_WITNESS_LOWER);
}

/* Each cluster has a witness to itself. */
static void test_two_clusters(void **context)
{
	struct node home, away;

	(void)context;
	into_session(&home, 0, 1);
	into_session(&away, 1, 1);
	assert_int_equal(ask(&home, 0x901), HG_WIRE_GRANT);
	assert_int_equal(ask(&away, 0x101), HG_WIRE_GRANT);
	assert_string_equal(news.cluster, "away");
	assert_int_equal(ask(&home, 0x901), HG_WIRE_GRANT);
	assert_string_equal(news.cluster, "home");
	assert_int_equal(remembered, 0x901);
}

/* Whatever epoch was remembered: lower ones are refused, and nothing is granted at first. */
static void test_restart(void **context)
{
	struct node node, late;

	(void)context;
	into_session(&node, 0, 1);
	late = node;
	assert_int_equal(ask(&node, 0x501), HG_WIRE_GRANT);
	start_witness(2, 0x602);
	assert_int_equal(ask(&late, 0x501), 0); /* a session of the witness before */
	greet(&node);
	greet(&node);
	greet(&node);
	assert_int_equal(ask(&node, 0x501), HG_WIRE_REFUSE);
	assert_int_equal(out.brief.head.flags, HG_WITNESS_LOWER);
	assert_int_equal(ask(&node, 0x701), HG_WIRE_GRANT);
}

static void test_silent_after_start(void **context)
{
	struct hg_witness_rules rules = { HG_MS(1000), { 200000 }, 10000, { 5000000000 } };
	struct node node;

	(void)context;
	hg_serve_set_rules(serve, rules);
	into_session(&node, 0, 1);
	assert_int_equal(ask(&node, 0x501), HG_WIRE_REFUSE);
	assert_int_equal(out.brief.head.flags, HG_WITNESS_SILENT);
	assert_true(be32toh(out.brief.head.echo) > 3900000); /* us */
	assert_int_equal(remember_count, 0);
}

static void test_node_that_restarted(void **context)
{
	struct node old, new;
	struct hg_wire_short request;

	(void)context;
	into_session(&old, 0, 1);
	boot_node(&new, 0, 1, 2);
	greet(&new);
	greet(&new);
	greet(&new);
	assert_int_equal(ask(&new, 0x601), HG_WIRE_GRANT);
	make_request(&old, 0x501, &request); /* the older session stays until a third */
	assert_int_equal(put(&request, HG_WIRE_SHORT), HG_WIRE_SHORT);
	assert_int_equal(out.brief.head.type, HG_WIRE_REFUSE);
	boot_node(&old, 0, 1, 3);
	greet(&old);
	greet(&old);
	assert_int_equal(put(&request, HG_WIRE_SHORT), 0);
}

/* --- what is not --------------------------------------------------------------------- */

static void test_replay(void **context)
{
	struct hg_wire_short request, older;
	struct hg_wire_long hello;
	struct node node;

	(void)context;
	boot_node(&node, 0, 1, 1);
	make_hello(&node, &hello);
	into_session(&node, 0, 1);
	make_request(&node, 0x501, &older);
	make_request(&node, 0x501, &request);
	assert_int_equal(put(&request, HG_WIRE_SHORT), HG_WIRE_SHORT);
	assert_int_equal(put(&request, HG_WIRE_SHORT), 0);
	assert_int_equal(news.what, HG_SERVE_STALE);
	assert_int_equal(put(&older, HG_WIRE_SHORT), 0);
	/* A recorded HELLO is answered, and starts nothing. */
	put(&hello, HG_WIRE_LONG);
	assert_int_not_equal(news.what, HG_SERVE_SESSION);
	assert_int_equal(ask(&node, 0x501), HG_WIRE_GRANT);
}

/* A flood of recorded HELLOs of an earlier boot, between those of the present one. */
static void test_replayed_boot(void **context)
{
	struct hg_wire_long hello;
	struct node old, node;

	(void)context;
	into_session(&old, 0, 1);
	make_hello(&old, &hello);
	start_witness(2, 0);
	boot_node(&node, 0, 1, 2);
	for (unsigned int i = 0; i < 3; i++) {
		for (unsigned int k = 0; k < 100; k++) {
			put(&hello, HG_WIRE_LONG);
			assert_int_not_equal(news.what, HG_SERVE_SESSION);
		}
		greet(&node);
	}
	assert_int_equal(ask(&node, 0x501), HG_WIRE_GRANT);
}

static void assert_each_octet_counts(void *frame, size_t length)
{
	for (uint8_t *octet = frame; octet < (uint8_t *)frame + length; octet++) {
		*octet ^= 0x41;
		assert_int_equal(put(frame, length), 0);
		assert_int_equal(news.what, HG_SERVE_DROPPED);
		*octet ^= 0x41;
	}
}

static void test_forged(void **context)
{
	struct hg_wire_short request;
	struct hg_wire_long hello;
	struct node node;

	(void)context;
	into_session(&node, 0, 1);
	make_request(&node, 0x501, &request);
	make_hello(&node, &hello);
	assert_each_octet_counts(&request, HG_WIRE_SHORT);
	assert_each_octet_counts(&hello, HG_WIRE_LONG);
	assert_int_equal(put(&request, HG_WIRE_SHORT), HG_WIRE_SHORT);
}

static void test_wrong_lengths(void **context)
{
	uint8_t frame[HG_WIRE_LONG + 1] = { 0 };
	struct node node;

	(void)context;
	into_session(&node, 0, 1);
	make_hello(&node, (struct hg_wire_long *)frame);
	for (unsigned int length = 0; length <= sizeof(frame); length++)
		if (length != (unsigned int)HG_WIRE_LONG)
			assert_int_equal(put(frame, length), 0);
}

/* Its own answers, and what nodes say to each other, come to nothing. */
static void test_reflected(void **context)
{
	struct hg_wire_short request;
	struct node node;
	uint8_t answer[HG_WIRE_SHORT];
	static const uint8_t types[] = {
		HG_WIRE_PROBE, HG_WIRE_GRANT, HG_WIRE_CLAIM, HG_WIRE_FENCED, HG_WIRE_REFUSE, 0, 255
	};

	(void)context;
	into_session(&node, 0, 1);
	ask(&node, 0x501);
	memcpy(answer, &out, sizeof(answer));
	assert_int_equal(put(answer, HG_WIRE_SHORT), 0);
	for (unsigned int i = 0; i < sizeof(types); i++) {
		make_request(&node, 0x501, &request);
		request.head.type = types[i];
		sign(&request, HG_WIRE_SHORT, &node.session_key[hg_session_sending(&node.session)]);
		assert_int_equal(put(&request, HG_WIRE_SHORT), 0);
	}
}

static void test_foreign_key(void **context)
{
	struct hg_key_parties both = { .self = 1, .peer = HG_WIRE_WITNESS };
	struct hg_wire_long hello;
	struct node node;
	uint32_t id;

	(void)context;
	boot_node(&node, 0, 1, 1);
	id = node.cluster_key.id;
	hg_keys_cluster((const uint8_t[HG_SERVE_KEY_LEN]){ 9 }, &both, &node.cluster_key);
	make_hello(&node, &hello);
	assert_int_equal(put(&hello, HG_WIRE_LONG), 0);
	node.cluster_key.id = id; /* under the right name, with the wrong key */
	make_hello(&node, &hello);
	assert_int_equal(put(&hello, HG_WIRE_LONG), 0);
}

static void test_clusters_are_bounded(void **context)
{
	uint8_t key[HG_SERVE_KEY_LEN] = { 7 };
	uint64_t epoch = 0;
	const char *other;

	(void)context;
	for (unsigned int i = 2; i < HG_SERVE_CLUSTERS_MAX; i++) {
		key[1] = i;
		assert_int_equal(hg_serve_add(serve, "more", key, &epoch, &other), 0);
	}
	key[1] = 0;
	assert_int_equal(hg_serve_add(serve, "more", key, &epoch, &other), -ENOSPC);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = { TEST(test_handshake_and_grant),
					    TEST(test_refusals),
					    TEST(test_two_clusters),
					    TEST(test_restart),
					    TEST(test_silent_after_start),
					    TEST(test_node_that_restarted),
					    TEST(test_replay),
					    TEST(test_replayed_boot),
					    TEST(test_forged),
					    TEST(test_wrong_lengths),
					    TEST(test_reflected),
					    TEST(test_foreign_key),
					    TEST(test_clusters_are_bounded) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
