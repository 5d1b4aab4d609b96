/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The learning half: asks a member and takes in what it has. Nothing in here sends a piece
 * of configuration; hagate-learn, which a blank node runs, has this half only.
 */
#ifndef HG_SYNC_FETCH_H
#define HG_SYNC_FETCH_H

#include <sys/socket.h>

#include "sync/apply.h"
#include "sync/node.h"
#include "sync/talk.h"

#define HG_FETCH_CONNECT_MS 3000
#define HG_FETCH_HELLO_MS 10000
#define HG_FETCH_PACK_MS 120000

/* A TCP connection to port HG_SYNC_PORT of `other`. `own`: the address to come from, with one
 * of the ports that the gate of the own node lets answers in to; NULL: any. */
int hg_fetch_connect(const struct hg_ip *own, const struct hg_ip *other,
		     struct hg_sync_error *error);

/* Connects on the first path that works and says HELLO; ret_other: what the other said.
 * -EHOSTUNREACH: nobody is there. All else is said by, or of, somebody who is. */
int hg_fetch_hello(const struct hg_sync_node *node, enum hg_message_purpose purpose,
		   struct hg_history *history, struct hg_talk **ret,
		   struct hg_message_hello *ret_other, struct hg_sync_error *error);
/* The same over a connection that is there; `fd` is taken over. */
int hg_fetch_greet(const struct hg_sync_node *node, int fd, enum hg_message_purpose purpose,
		   struct hg_history *history, struct hg_talk **ret,
		   struct hg_message_hello *ret_other, struct hg_sync_error *error);

/* Takes PACK ... END into `history`; `head`: what has to come out. Also used by the server
 * when the other prepares a generation here. */
int hg_fetch_pack(struct hg_talk *talk, struct hg_history *history,
		  const struct hg_message_hello *other, const char *cluster,
		  struct hg_head *ret_head, enum hg_relation *ret, struct hg_sync_error *error);

/* Asks for what is missing and takes it in. */
int hg_fetch_get(struct hg_talk *talk, struct hg_history *history,
		 const struct hg_message_hello *other, const char *cluster,
		 struct hg_head *ret_head, enum hg_relation *ret, struct hg_sync_error *error);

/* apply.h with what node.h knows. `has_apply`: hagated is told to read its files again. */
int hg_fetch_open_apply(const struct hg_sync_node *node, bool has_apply, struct hg_history *history,
			struct hg_apply **ret, struct hg_sync_error *error);
/* The history of this node, waiting for another process that has it. */
int hg_fetch_open_history(const struct hg_sync_node *node, unsigned int timeout_ms,
			  struct hg_history **ret, struct hg_sync_error *error);

#endif
