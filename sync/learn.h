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

/* What a blank node says on its way. */
struct hg_learn_events {
	void (*on_contact)(void); /* the member is there and has the same key */
	void (*on_aside)(const char *text); /* a history of another cluster was moved aside */
};

/* A blank node learns from the member at `address`, puts everything in place and becomes a
 * member. Files that it had are kept under refs/local; a history of another cluster that it had
 * beside history.git. */
int hg_learn_blank(const struct hg_sync_node *node, const struct hg_ip *address,
		   const struct hg_learn_events *events, struct hg_sync_error *error);

/* Brings an interrupted step to its end or back; takes back what nobody confirmed in time.
 * 1: something went back. */
int hg_learn_tick(const struct hg_sync_node *node, struct hg_sync_error *error);

#endif
