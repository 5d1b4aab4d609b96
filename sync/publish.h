/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A new generation on both nodes, or on neither: made and checked here, sent and checked there,
 * put in place on both, confirmed on both. Without a confirmation each goes back by itself.
 *
 * The other node is confirmed first. Should the word be lost, this node goes back, and then
 * learns the generation again from the other as from any newer one.
 */
#ifndef HG_SYNC_PUBLISH_H
#define HG_SYNC_PUBLISH_H

#include "sync/node.h"

enum hg_publish_kind { HG_PUBLISH_COMMIT, HG_PUBLISH_ROLLBACK, HG_PUBLISH_ADOPT };

struct hg_publish {
	enum hg_publish_kind kind;
	const char *message; /* of the operator */
	uint64_t number; /* ROLLBACK */
	uint64_t confirm_ns; /* how long the operator has; 0: confirmed as soon as both are well */
};

/* `ret`: what was done, for the operator. */
int hg_publish_run(const struct hg_sync_node *node, const struct hg_publish *publish,
		   struct hg_sync_error *ret, struct hg_sync_error *error);
/* The operator's word for what is on trial, on both nodes; or against it. */
int hg_publish_decide(const struct hg_sync_node *node, bool is_good, struct hg_sync_error *ret,
		      struct hg_sync_error *error);
/* The first generation and the identity: `hagate init`. */
int hg_publish_init(const struct hg_sync_node *node, struct hg_sync_error *ret,
		    struct hg_sync_error *error);

#endif
