/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Keys of the frames between nodes, derived from the cluster key with keyed
 * BLAKE2b (libsodium's crypto_generichash), one SipHash key per direction.
 *
 *   cluster keys   HELLO and NEIGH; the same for the life of the cluster key
 *   session keys   the bounce; depend on both nodes' boot nonces, so a frame of an
 *                  earlier boot never verifies
 */
#ifndef HG_KEYS_H
#define HG_KEYS_H

#include "hagate/abi.h"

#define HG_CLUSTER_KEY_LEN 32

/* Who talks to whom; nonces are only read by hg_keys_session(). */
struct hg_key_parties {
	__u8 self, peer; /* node ids */
	__u32 peer_index;
	const __u8 *self_nonce, *peer_nonce; /* HG_WIRE_NONCE_LEN octets each */
};

/* Both give equal ids and mirrored rx/tx on the two nodes. Ids are never 0, and
 * those of sessions never equal that of a cluster key (top bit). */
void hg_keys_cluster(const __u8 cluster_key[HG_CLUSTER_KEY_LEN],
		     const struct hg_key_parties *parties, struct hg_key *ret);
void hg_keys_session(const __u8 cluster_key[HG_CLUSTER_KEY_LEN],
		     const struct hg_key_parties *parties, struct hg_key *ret);

/* SipHash key of the frames below IP (hagate/wiring.h), one for all nodes and directions. */
void hg_keys_wiring(const __u8 cluster_key[HG_CLUSTER_KEY_LEN], __u64 ret[2]);

#endif
