/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Frames of agents in, answers out: which cluster and node a frame is of, whether it is
 * genuine and new, and what the witness says to it (agent/core/witness.h).
 *
 * No socket, no clock, no file: the caller hands in octets and the time, sends what comes
 * out, and is told through a callback what is to be remembered *before* it is sent.
 * A frame that is not authentic leaves no trace and gets no answer; an answer is never
 * longer than the frame it answers and goes where that came from.
 */
#ifndef HG_SERVE_H
#define HG_SERVE_H

#include <stddef.h>

#include "agent/core/witness.h"
#include "hagate/wire.h"

#define HG_SERVE_CLUSTERS_MAX 64
#define HG_SERVE_GROUPS 1 /* HG_GROUPS_MAX of the agents */
#define HG_SERVE_KEY_LEN 32
#define HG_SERVE_ID_LEN 16
#define HG_SERVE_NAME_MAX 64

/* A new epoch was granted to the cluster with this id. */
typedef void (*hg_serve_remember_fn)(void *context, const uint8_t id[HG_SERVE_ID_LEN],
				     unsigned int group, uint64_t epoch);

struct hg_serve_options {
	uint8_t nonce[HG_WIRE_NONCE_LEN]; /* of this start: random */
	hg_serve_remember_fn remember;
	void *context;
};

struct hg_serve;

enum hg_serve_what {
	HG_SERVE_DROPPED, /* not a frame for us, or not genuine */
	HG_SERVE_STALE, /* genuine, but of an old session, or heard before */
	HG_SERVE_GREETED,
	HG_SERVE_SESSION, /* a node, or this witness, has started anew */
	HG_SERVE_RENEWED,
	HG_SERVE_GRANTED, /* a new epoch */
	HG_SERVE_REFUSED,
};

struct hg_serve_news {
	enum hg_serve_what what;
	enum hg_witness_verdict verdict; /* of a request */
	bool is_changed; /* another verdict than the node's last one */
	const char *cluster; /* NULL when dropped */
	char node[HG_WIRE_NAME_LEN]; /* its name as it says, visible characters only */
	uint8_t node_id;
	uint64_t epoch; /* of a request; REFUSED: the highest granted */
};

int hg_serve_new(const struct hg_serve_options *options, struct hg_serve **ret);
void hg_serve_free(struct hg_serve *serve);

/* Before the first frame: without rules nothing is ever granted. */
void hg_serve_set_rules(struct hg_serve *serve, struct hg_witness_rules rules);

/* Who a cluster is, for the state on disk: tells nothing of the key. */
void hg_serve_identify(const uint8_t key[HG_SERVE_KEY_LEN], uint8_t ret[HG_SERVE_ID_LEN]);

/* `epoch`: remembered, per group. -EEXIST: this key is known (ret_other: its name).
 * -ENOSPC: HG_SERVE_CLUSTERS_MAX. */
int hg_serve_add(struct hg_serve *serve, const char *name, const uint8_t key[HG_SERVE_KEY_LEN],
		 const uint64_t epoch[HG_SERVE_GROUPS], const char **ret_other);

/* Said in each grant from now on: nothing is remembered at present. */
void hg_serve_set_forgetful(struct hg_serve *serve, bool is_forgetful);

/* Length of the answer in `out`, 0: none. `out` has room for HG_WIRE_LONG octets. */
size_t hg_serve_receive(struct hg_serve *serve, struct hg_time now, const void *in, size_t length,
			void *out, struct hg_serve_news *ret);

#endif
