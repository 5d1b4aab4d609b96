/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What two hagate-syncs say to each other, inside of TLS: a head of eight octets and a body
 * whose length is bounded by its type. Integers are big-endian. Pure functions without I/O;
 * everything that comes from the other side is checked here.
 *
 *   client                          server
 *   HELLO             ->
 *                     <-            HELLO, or VERDICT when it refuses
 *   learns:  GET      ->
 *                     <-            PACK ... END, or VERDICT
 *   teaches: PREPARE, PACK ..., END ->            (the server stages and validates)
 *                     <-            VERDICT
 *            APPLY    ->            (both put it in place)
 *                     <-            VERDICT
 *            CONFIRM or ABORT ->
 *                     <-            VERDICT
 *
 * The client that prepares asks with NEED first what the server has:
 *   NEED              ->
 *                     <-            GET
 */
#ifndef HG_SYNC_MESSAGE_H
#define HG_SYNC_MESSAGE_H

#include "sync/history.h"

#define HG_MESSAGE_VERSION 1
#define HG_MESSAGE_HEAD 8
#define HG_MESSAGE_BODY_MAX 65536
#define HG_MESSAGE_TEXT_MAX 4095

enum hg_message_type {
	HG_MESSAGE_HELLO = 1,
	HG_MESSAGE_GET, /* names of generations that the sender has */
	HG_MESSAGE_PACK, /* a piece of a pack */
	HG_MESSAGE_END, /* of the pack, with the head it leads to */
	HG_MESSAGE_NEED,
	HG_MESSAGE_PREPARE,
	HG_MESSAGE_APPLY, /* for how long to wait for the confirmation */
	HG_MESSAGE_CONFIRM, /* the generation that is meant */
	HG_MESSAGE_ABORT,
	HG_MESSAGE_VERDICT, /* 0 or an errno, and what to tell the operator */
	HG_MESSAGE_TYPES,
};

/* What a HELLO is for. */
enum hg_message_purpose {
	HG_PURPOSE_LEARN = 1,
	HG_PURPOSE_PUBLISH,
	HG_PURPOSE_CONFIRM, /* the operator's word for a generation on trial, or against it */
	HG_PURPOSES,
};

struct hg_message_hello {
	enum hg_message_purpose purpose;
	char node[HG_NODE_NAME];
	struct hg_head head; /* blank: no cluster, number 0 */
};

struct hg_message {
	enum hg_message_type type;
	size_t length; /* of the body */
	union {
		struct hg_message_hello hello;
		struct {
			unsigned int count;
			struct hg_oid oid[HG_HISTORY_HAVES];
		} get;
		const uint8_t *pack; /* in the buffer that was parsed */
		struct hg_head head; /* END, PREPARE, CONFIRM */
		uint64_t confirm_ns; /* APPLY */
		struct {
			int err; /* 0, or a positive errno of this system's numbers */
			char text[HG_MESSAGE_TEXT_MAX + 1];
		} verdict;
	};
};

/* -EBADMSG: unknown type, another version, a length that the type does not have. */
int hg_message_parse_head(const uint8_t head[HG_MESSAGE_HEAD], struct hg_message *ret);
/* `message` as the head left it; -EBADMSG. */
int hg_message_parse_body(const uint8_t *body, struct hg_message *message);
/* Head and body into `buffer`; the length of all. A pack's octets are not copied: the body
 * follows from where `message->pack` points. */
#define HG_MESSAGE_PRINT_MAX (HG_MESSAGE_HEAD + 4 + HG_MESSAGE_TEXT_MAX)
size_t hg_message_print(const struct hg_message *message, uint8_t buffer[HG_MESSAGE_PRINT_MAX]);

#endif
