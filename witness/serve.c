/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See serve.h. Order of checks: length, head, key id, tag, session, sequence. */
#include <endian.h>
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "agent/core/session.h"
#include "agent/keys.h"
#include "bpf/siphash.h"
#include "serve.h"

#define NODES 256

_Static_assert(HG_SERVE_KEY_LEN == HG_CLUSTER_KEY_LEN, "serve: key length");
_Static_assert(HG_SERVE_GROUPS == HG_GROUPS_MAX, "serve: groups");

/* A node that has shown the cluster key. */
struct member {
	struct hg_session session;
	struct hg_key key[2]; /* of the session's slots */
	uint64_t seq[2]; /* of the last REQUEST, per slot */
	enum hg_witness_verdict verdict; /* the last one; VERDICTS: none yet */
	char name[HG_WIRE_NAME_LEN];
};

struct cluster {
	char name[HG_SERVE_NAME_MAX];
	uint8_t key[HG_SERVE_KEY_LEN];
	uint8_t id[HG_SERVE_ID_LEN];
	uint32_t key_id;
	struct hg_witness witness[HG_SERVE_GROUPS];
	struct member *member[NODES];
};

struct hg_serve {
	struct hg_serve_options options;
	struct hg_witness_rules rules;
	bool is_forgetful;
	uint64_t seq; /* of the last answer: rises */
	unsigned int count;
	struct cluster *cluster[HG_SERVE_CLUSTERS_MAX];
};

/* One frame on its way through the checks. */
struct visit {
	struct hg_time now;
	const struct hg_wire_head *head;
	struct cluster *cluster;
	struct member *member;
	unsigned int slot; /* of the session */
	struct hg_serve_news *news;
};

int hg_serve_new(const struct hg_serve_options *options, struct hg_serve **ret)
{
	struct hg_serve *serve = calloc(1, sizeof(*serve));

	if (!serve)
		return -ENOMEM;
	serve->options = *options;
	serve->rules.silent_until = HG_TIME_NEVER;
	*ret = serve;
	return 0;
}

void hg_serve_free(struct hg_serve *serve)
{
	if (!serve)
		return;
	for (unsigned int i = 0; i < serve->count; i++) {
		for (unsigned int n = 0; n < NODES; n++)
			free(serve->cluster[i]->member[n]);
		sodium_memzero(serve->cluster[i], sizeof(*serve->cluster[i]));
		free(serve->cluster[i]);
	}
	free(serve);
}

void hg_serve_identify(const uint8_t key[HG_SERVE_KEY_LEN], uint8_t ret[HG_SERVE_ID_LEN])
{
	static const char label[] = "hagate witness";

	crypto_generichash(ret, HG_SERVE_ID_LEN, (const uint8_t *)label, sizeof(label), key,
			   HG_SERVE_KEY_LEN);
}

static struct hg_key_parties parties(const struct hg_serve *serve, uint8_t node,
				     const uint8_t *nonce)
{
	return (struct hg_key_parties){
		.self = HG_WIRE_WITNESS,
		.peer = node,
		.self_nonce = serve->options.nonce,
		.peer_nonce = nonce,
	};
}

int hg_serve_add(struct hg_serve *serve, const char *name, const uint8_t key[HG_SERVE_KEY_LEN],
		 const uint64_t epoch[HG_SERVE_GROUPS], const char **ret_other)
{
	struct hg_key_parties both = parties(serve, 1, NULL);
	struct cluster *cluster;
	struct hg_key derived;

	for (unsigned int i = 0; i < serve->count; i++) {
		if (sodium_memcmp(serve->cluster[i]->key, key, HG_SERVE_KEY_LEN))
			continue;
		*ret_other = serve->cluster[i]->name;
		return -EEXIST;
	}
	if (serve->count == HG_SERVE_CLUSTERS_MAX)
		return -ENOSPC;
	cluster = calloc(1, sizeof(*cluster));
	if (!cluster)
		return -ENOMEM;
	strncpy(cluster->name, name, sizeof(cluster->name) - 1);
	memcpy(cluster->key, key, sizeof(cluster->key));
	hg_serve_identify(key, cluster->id);
	hg_keys_cluster(key, &both, &derived);
	cluster->key_id = derived.id;
	sodium_memzero(&derived, sizeof(derived));
	for (unsigned int group = 0; group < HG_SERVE_GROUPS; group++)
		cluster->witness[group].epoch = epoch[group];
	serve->cluster[serve->count++] = cluster;
	return 0;
}

void hg_serve_set_forgetful(struct hg_serve *serve, bool is_forgetful)
{
	serve->is_forgetful = is_forgetful;
}

void hg_serve_set_rules(struct hg_serve *serve, struct hg_witness_rules rules)
{
	serve->rules = rules;
}

/* --- tags ------------------------------------------------------------------------- */

static void make_tag(const void *frame, size_t length, const __u64 key[2],
		     uint8_t ret[HG_WIRE_TAG_LEN])
{
	__u64 tag[2];

	hg_siphash(frame, (length - HG_WIRE_TAG_LEN) / 8, key, tag);
	memcpy(ret, tag, sizeof(tag));
}

static bool has_tag(const void *frame, size_t length, const __u64 key[2])
{
	uint8_t tag[HG_WIRE_TAG_LEN];

	make_tag(frame, length, key, tag);
	return !sodium_memcmp((const uint8_t *)frame + length - HG_WIRE_TAG_LEN, tag, sizeof(tag));
}

static void close_frame(struct hg_serve *serve, const struct visit *visit, uint8_t type,
			size_t length, const struct hg_key *key, void *out)
{
	struct hg_wire_head *head = out;

	serve->seq = serve->seq < visit->now.ns ? visit->now.ns : serve->seq + 1;
	head->magic = htobe16(HG_WIRE_MAGIC);
	head->version = HG_WIRE_VERSION;
	head->type = type;
	head->length = htobe16(length);
	head->group = visit->head->group;
	head->sender = HG_WIRE_WITNESS;
	head->receiver = visit->head->sender;
	head->key_id = htobe32(key->id);
	head->seq = htobe64(serve->seq);
	make_tag(out, length, key->tx, (uint8_t *)out + length - HG_WIRE_TAG_LEN);
}

/* --- HELLO ------------------------------------------------------------------------ */

static void take_name(const struct hg_wire_hello *hello, struct member *member)
{
	memset(member->name, 0, sizeof(member->name));
	for (unsigned int i = 0; i < sizeof(member->name) - 1 && hello->node_name[i]; i++) {
		char c = hello->node_name[i];

		member->name[i] = c > ' ' && c <= '~' ? c : '?';
	}
}

/* The cluster whose key signed it; ret_key is that of the sender. */
static bool find_signer(struct hg_serve *serve, struct visit *visit, struct hg_key *ret_key)
{
	struct hg_key_parties both = parties(serve, visit->head->sender, NULL);

	for (unsigned int i = 0; i < serve->count; i++) {
		struct cluster *cluster = serve->cluster[i];

		if (cluster->key_id != be32toh(visit->head->key_id))
			continue;
		hg_keys_cluster(cluster->key, &both, ret_key);
		if (!has_tag(visit->head, HG_WIRE_LONG, ret_key->rx))
			continue;
		visit->cluster = cluster;
		return true;
	}
	return false;
}

static struct member *enroll(struct hg_serve *serve, struct visit *visit)
{
	struct member *member = visit->cluster->member[visit->head->sender];

	if (member)
		return member;
	member = calloc(1, sizeof(*member));
	if (!member)
		return NULL;
	member->verdict = HG_WITNESS_VERDICTS;
	hg_session_init(&member->session, serve->options.nonce, HG_SESSION_NONE);
	visit->cluster->member[visit->head->sender] = member;
	return member;
}

static void install(struct hg_serve *serve, struct visit *visit, const uint8_t *nonce)
{
	struct hg_key_parties both = parties(serve, visit->head->sender, nonce);
	unsigned int slot = hg_session_slot(&visit->member->session);

	hg_keys_session(visit->cluster->key, &both, &visit->member->key[slot]);
	visit->member->seq[slot] = 0;
	visit->news->what = HG_SERVE_SESSION;
}

static size_t greet(struct hg_serve *serve, const struct visit *visit,
		    const struct hg_session_hello *hello, const struct hg_key *key, void *out)
{
	struct hg_wire_long *frame = out;

	memset(frame, 0, sizeof(*frame));
	memcpy(frame->hello.nonce, hello->nonce, sizeof(hello->nonce));
	memcpy(frame->hello.echo, hello->echo, sizeof(hello->echo));
	memcpy(frame->hello.node_name, "witness", sizeof("witness"));
	memcpy(frame->hello.software, HG_VERSION, sizeof(HG_VERSION));
	frame->head.stamp = htobe64(hello->stamp);
	frame->head.flags = serve->is_forgetful ? HG_WIRE_F_FORGETFUL : 0;
	if (hg_time_before(visit->now, serve->rules.silent_until))
		frame->head.flags |= HG_WIRE_F_SETTLING;
	close_frame(serve, visit, HG_WIRE_HELLO, HG_WIRE_LONG, key, frame);
	return HG_WIRE_LONG;
}

static size_t on_hello(struct hg_serve *serve, struct visit *visit, const struct hg_wire_long *in,
		       void *out)
{
	struct hg_session_hello hello = { .seq = be64toh(in->head.seq),
					  .stamp = be64toh(in->head.stamp) };
	enum hg_session_verdict verdict;
	struct hg_key key;

	if (!find_signer(serve, visit, &key))
		return 0;
	visit->member = enroll(serve, visit);
	if (!visit->member)
		return 0;
	memcpy(hello.nonce, in->hello.nonce, sizeof(hello.nonce));
	memcpy(hello.echo, in->hello.echo, sizeof(hello.echo));
	visit->news->what = HG_SERVE_GREETED;
	verdict = hg_session_receive(&visit->member->session, visit->now, &hello);
	switch (verdict) {
	case HG_SESSION_IGNORE:
		visit->news->what = HG_SERVE_STALE;
		return 0;
	case HG_SESSION_REPLY:
		hg_session_reply(&visit->member->session, &hello);
		return greet(serve, visit, &hello, &key, out);
	case HG_SESSION_INSTALL:
		install(serve, visit, in->hello.nonce);
		break;
	case HG_SESSION_CURRENT:
		break;
	}
	take_name(&in->hello, visit->member);
	hg_session_echo(&visit->member->session, &hello);
	return greet(serve, visit, &hello, &key, out);
}

/* --- REQUEST ----------------------------------------------------------------------- */

/* The session that signed it. */
static bool find_session(struct hg_serve *serve, struct visit *visit)
{
	uint32_t id = be32toh(visit->head->key_id);

	for (unsigned int i = 0; i < serve->count; i++) {
		struct member *member = serve->cluster[i]->member[visit->head->sender];

		for (visit->slot = 0; member && visit->slot < 2; visit->slot++) {
			const struct hg_key *key = &member->key[visit->slot];

			if (!key->id || key->id != id ||
			    !has_tag(visit->head, HG_WIRE_SHORT, key->rx))
				continue;
			visit->cluster = serve->cluster[i];
			visit->member = member;
			return true;
		}
	}
	return false;
}

static void tell_verdict(struct visit *visit, const struct hg_witness_answer *answer)
{
	struct hg_serve_news *news = visit->news;

	news->verdict = answer->verdict;
	news->epoch = answer->epoch;
	news->is_changed = answer->is_new || visit->member->verdict != answer->verdict;
	visit->member->verdict = answer->verdict;
	if (answer->verdict != HG_WITNESS_GRANTED)
		news->what = HG_SERVE_REFUSED;
	else
		news->what = answer->is_new ? HG_SERVE_GRANTED : HG_SERVE_RENEWED;
}

/* Not rounded up: a node must not take a grant for longer than it is. */
static uint32_t to_us(struct hg_span span)
{
	return span.ns / 1000 > UINT32_MAX ? UINT32_MAX : span.ns / 1000;
}

static size_t on_request(struct hg_serve *serve, struct visit *visit, void *out)
{
	const struct hg_wire_head *head = visit->head;
	struct hg_witness_request request = {
		.node = head->sender,
		.epoch = be64toh(head->epoch),
		.lease = { be32toh(head->echo) * UINT64_C(1000) },
	};
	struct hg_wire_short *frame = out;
	struct hg_witness_answer answer;
	bool is_granted;

	if (!find_session(serve, visit))
		return 0;
	visit->news->what = HG_SERVE_STALE;
	if (be64toh(head->seq) <= visit->member->seq[visit->slot])
		return 0;
	visit->member->seq[visit->slot] = be64toh(head->seq);
	hg_witness_judge(&visit->cluster->witness[head->group], &serve->rules, visit->now, &request,
			 &answer);
	is_granted = answer.verdict == HG_WITNESS_GRANTED;
	tell_verdict(visit, &answer);
	if (answer.is_new)
		serve->options.remember(serve->options.context, visit->cluster->id, head->group,
					answer.epoch);
	memset(frame, 0, sizeof(*frame));
	frame->head.epoch = htobe64(answer.epoch);
	frame->head.stamp = head->stamp;
	frame->head.echo = htobe32(to_us(is_granted ? answer.lease : answer.left));
	frame->head.flags = is_granted ? serve->is_forgetful ? HG_WIRE_F_FORGETFUL : 0
				       : answer.verdict;
	close_frame(serve, visit, is_granted ? HG_WIRE_GRANT : HG_WIRE_REFUSE, HG_WIRE_SHORT,
		    &visit->member->key[visit->slot], frame);
	return HG_WIRE_SHORT;
}

static bool is_frame(const struct hg_wire_head *head, size_t length)
{
	return head->magic == htobe16(HG_WIRE_MAGIC) && head->version == HG_WIRE_VERSION &&
	       be16toh(head->length) == length && head->sender != HG_WIRE_WITNESS &&
	       head->receiver == HG_WIRE_WITNESS && head->group < HG_SERVE_GROUPS;
}

size_t hg_serve_receive(struct hg_serve *serve, struct hg_time now, const void *in, size_t length,
			void *out, struct hg_serve_news *ret)
{
	struct visit visit = { .now = now, .news = ret };
	struct hg_wire_long frame; /* aligned, and nobody writes into it meanwhile */
	size_t answer = 0;

	memset(ret, 0, sizeof(*ret));
	if (length != (size_t)HG_WIRE_SHORT && length != (size_t)HG_WIRE_LONG)
		return 0;
	memcpy(&frame, in, length);
	visit.head = &frame.head;
	if (!is_frame(&frame.head, length))
		return 0;
	if (frame.head.type == HG_WIRE_HELLO && length == (size_t)HG_WIRE_LONG)
		answer = on_hello(serve, &visit, &frame, out);
	else if (frame.head.type == HG_WIRE_REQUEST && length == (size_t)HG_WIRE_SHORT)
		answer = on_request(serve, &visit, out);
	if (!visit.member)
		return 0;
	ret->cluster = visit.cluster->name;
	ret->node_id = frame.head.sender;
	memcpy(ret->node, visit.member->name, sizeof(ret->node));
	return answer;
}
