/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See keys.h. Input of each derivation: a label, what it depends on, the direction. */
#include <endian.h>
#include <sodium.h>
#include <string.h>

#include "keys.h"

#define SESSION_BIT 0x80000000u

struct derivation {
	char label[16];
	__u8 from, to; /* node ids; 0, 0: the id of the key */
	__u8 nonces[2][HG_WIRE_NONCE_LEN]; /* of the lower and the higher node id */
};

static void derive(const __u8 *cluster_key, const struct derivation *input, __u64 ret[2])
{
	__u8 out[crypto_generichash_BYTES_MIN];

	_Static_assert(sizeof(out) == 16, "one SipHash key");
	crypto_generichash(out, sizeof(out), (const __u8 *)input, sizeof(*input), cluster_key,
			   HG_CLUSTER_KEY_LEN);
	memcpy(ret, out, sizeof(out));
	ret[0] = le64toh(ret[0]);
	ret[1] = le64toh(ret[1]);
	sodium_memzero(out, sizeof(out));
}

static void derive_all(const __u8 *cluster_key, struct derivation *input,
		       const struct hg_key_parties *parties, struct hg_key *ret)
{
	__u64 id[2];

	derive(cluster_key, input, id);
	ret->id = (__u32)id[0] & ~SESSION_BIT;
	if (!ret->id)
		ret->id = 1;
	ret->peer = parties->peer_index;
	input->from = parties->self;
	input->to = parties->peer;
	derive(cluster_key, input, ret->tx);
	input->from = parties->peer;
	input->to = parties->self;
	derive(cluster_key, input, ret->rx);
}

void hg_keys_cluster(const __u8 cluster_key[HG_CLUSTER_KEY_LEN],
		     const struct hg_key_parties *parties, struct hg_key *ret)
{
	struct derivation input = { .label = "hagate cluster" };

	derive_all(cluster_key, &input, parties, ret);
}

void hg_keys_session(const __u8 cluster_key[HG_CLUSTER_KEY_LEN],
		     const struct hg_key_parties *parties, struct hg_key *ret)
{
	struct derivation input = { .label = "hagate session" };
	int self = parties->self > parties->peer;

	memcpy(input.nonces[self], parties->self_nonce, HG_WIRE_NONCE_LEN);
	memcpy(input.nonces[!self], parties->peer_nonce, HG_WIRE_NONCE_LEN);
	derive_all(cluster_key, &input, parties, ret);
	ret->id |= SESSION_BIT;
}

void hg_keys_wiring(const __u8 cluster_key[HG_CLUSTER_KEY_LEN], __u64 ret[2])
{
	struct derivation input = { .label = "hagate wiring" };

	derive(cluster_key, &input, ret);
}
