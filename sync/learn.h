/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Learning, from the first octet to files in place: by a member that is behind, and by a blank
 * node. Sends names of generations, never configuration.
 */
#ifndef HG_SYNC_LEARN_H
#define HG_SYNC_LEARN_H

#include "sync/node.h"

struct hg_learn_result {
	char state[24]; /* for the status: in-sync, ahead, diverged, foreign, refused, ... */
	char text[1024];
};

/* A member compares with the other node and takes what it lacks. */
void hg_learn_member(const struct hg_sync_node *node, struct hg_learn_result *ret);

/* A blank node learns from the member at `address`, puts everything in place and becomes a
 * member. What it had is kept under refs/local. `on_contact`: the member is there and has the
 * same key. */
int hg_learn_blank(const struct hg_sync_node *node, const struct hg_ip *address,
		   void (*on_contact)(void), struct hg_sync_error *error);

/* Brings an interrupted step to its end or back; takes back what nobody confirmed in time.
 * 1: something went back. */
int hg_learn_tick(const struct hg_sync_node *node, struct hg_sync_error *error);

#endif
