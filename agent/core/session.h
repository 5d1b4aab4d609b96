/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The session of a pair: which boot of the peer this boot talks to, and under which
 * of the two key slots. Pure; the caller draws the nonce, derives keys, writes maps.
 *
 * HELLOs go under the cluster key, so a recorded one verifies for ever. What makes
 * one fresh is that it gives back something of ours:
 *   echo    the nonce of our boot, and
 *   stamp   the seq (our own clock) of the latest HELLO of ours that its sender heard.
 * A HELLO of an unknown nonce changes the session only when it echoes our nonce and
 * its stamp is younger than the present session: a boot of the peer that was over
 * before this session began cannot have heard a HELLO that we sent after it. So no
 * list of old nonces is needed, and any number of recordings changes nothing.
 *
 * Slots. Both stay valid: the peer may use the older session until it knows that we
 * have the newer one. A new session is put where we do not send from. We send under
 * the newer one as soon as the peer is known to hold it: its HELLO stamps one of ours
 * that we sent after installing. (Ours echoed the peer's nonce by then, which is all
 * the peer needs.) With no older session there is no choice: we send under the new.
 *
 * What the shell does with each HELLO whose tag is right:
 *   IGNORE   nothing
 *   CURRENT  believe what it says
 *   INSTALL  derive the keys of (own, peer) for slot hg_session_slot(); clear the
 *            slot's key; zero hg_path.seq[slot][*] and seq[0][HELLO] of the peer; write
 *            the key; write hg_peer.nonce; believe it; send a HELLO at once
 *   REPLY    send a HELLO with echo and stamp of hg_session_reply(); believe nothing
 * Every HELLO carries echo and stamp (hg_wire_head.stamp) of hg_session_echo(), and
 * our CLOCK_BOOTTIME as its seq.
 */
#ifndef HG_CORE_SESSION_H
#define HG_CORE_SESSION_H

#include "hagate/wire.h"
#include "time.h"

#define HG_SESSION_NONE (-1)

struct hg_session_hello {
	uint8_t nonce[HG_WIRE_NONCE_LEN];
	uint8_t echo[HG_WIRE_NONCE_LEN];
	uint64_t seq; /* sender's clock at sending */
	uint64_t stamp; /* receiver's seq as last heard by the sender, 0 none */
};

enum hg_session_verdict {
	HG_SESSION_IGNORE,
	HG_SESSION_CURRENT,
	HG_SESSION_INSTALL,
	HG_SESSION_REPLY,
};

/* Plain data, written by session.c only. */
struct hg_session {
	uint8_t own[HG_WIRE_NONCE_LEN];
	uint8_t peer[HG_WIRE_NONCE_LEN]; /* valid while current is not NONE */
	uint8_t candidate[HG_WIRE_NONCE_LEN]; /* last unknown nonce; zero: none */
	int current; /* slot of the newest session */
	int sending; /* slot to send under */
	bool is_confirmed; /* the peer is known to hold the newest session */
	struct hg_time installed_at;
	uint64_t heard_seq; /* latest seq of `peer` */
	uint64_t candidate_seq;
};

/* own: of this boot of the agent, random, not zero. adopted: the slot that an earlier
 * agent sent under, where its keys are still in the map, else HG_SESSION_NONE. */
void hg_session_init(struct hg_session *session, const uint8_t own[HG_WIRE_NONCE_LEN], int adopted);

/* `now` is the clock that seq of our own HELLOs is taken from. */
enum hg_session_verdict hg_session_receive(struct hg_session *session, struct hg_time now,
					   const struct hg_session_hello *hello);

/* Slot (0, 1) of the newest session: where INSTALL puts its keys. NONE: no session. */
int hg_session_slot(const struct hg_session *session);

/* Slot to send PROBE, REQUEST and CLAIM under; NONE: nothing can be sent yet. */
int hg_session_sending(const struct hg_session *session);

/* nonce, echo and stamp of a HELLO that goes out now: regular, or in REPLY.
 * `seq` is left to the caller. */
void hg_session_echo(const struct hg_session *session, struct hg_session_hello *ret);
void hg_session_reply(const struct hg_session *session, struct hg_session_hello *ret);

#endif
