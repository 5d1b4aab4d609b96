/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One conversation with the other node: messages (message.h) over TLS 1.3 with a key that is
 * derived from the cluster key (external PSK with a Diffie-Hellman exchange, so that a
 * recorded conversation stays secret should the key become known later).
 *
 * Blocking, but never beyond the deadline, which counts for everything together: a peer
 * that sends an octet a second gains nothing. Memory: one message, one TLS record.
 */
#ifndef HG_SYNC_TALK_H
#define HG_SYNC_TALK_H

#include "sync/message.h"

#define HG_TALK_PSK_LEN 32
#define HG_TALK_KEY_LEN 32 /* of the cluster key */

struct hg_talk;

/* CLOCK_BOOTTIME in ns. */
uint64_t hg_talk_now(void);

/* Takes `fd` over, also when it fails. The handshake has to end within `timeout_ms`, which is
 * the deadline from then on. -EACCES: the other has another key, or none; -ETIMEDOUT;
 * -EPROTO. */
int hg_talk_new(int fd, bool is_server, const uint8_t cluster_key[HG_TALK_KEY_LEN],
		unsigned int timeout_ms, struct hg_talk **ret, struct hg_sync_error *error);
/* A new deadline, from now. */
void hg_talk_extend(struct hg_talk *talk, unsigned int timeout_ms);
/* Says goodbye and frees. NULL is fine. */
void hg_talk_free(struct hg_talk *talk);

/* 0; -ETIMEDOUT; -ECONNRESET: the other is gone. -EINVAL: a piece of a pack, which only
 * teach.c sends. */
int hg_talk_send(struct hg_talk *talk, const struct hg_message *message,
		 struct hg_sync_error *error);
/* The same; -EBADMSG: not a message. `ret` and its pack are valid until the next call. */
int hg_talk_receive(struct hg_talk *talk, struct hg_message *ret, struct hg_sync_error *error);
/* Takes nothing but `type`. A VERDICT that says no becomes the error, with its text. */
int hg_talk_expect(struct hg_talk *talk, enum hg_message_type type, struct hg_message *ret,
		   struct hg_sync_error *error);
int hg_talk_send_type(struct hg_talk *talk, enum hg_message_type type, struct hg_sync_error *error);
/* err: 0 or -errno. */
int hg_talk_send_verdict(struct hg_talk *talk, int err, const char *text);

/* Octets of a message that was printed. */
int hg_talk_write(struct hg_talk *talk, const uint8_t *data, size_t length,
		  struct hg_sync_error *error);

/* The key of TLS; separate for the test that it is not the cluster key. */
void hg_talk_derive(const uint8_t cluster_key[HG_TALK_KEY_LEN], uint8_t ret[HG_TALK_PSK_LEN]);

#endif
