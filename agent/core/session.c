/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The handshake in full, for two agents that know nothing of each other (A and B are
 * nonces, t and u clocks):
 *
 *   B hears (A, echo 0)                REPLY    (B, echo A, stamp t0)
 *   A hears (B, echo A, stamp t0)      INSTALL  (A, echo B, stamp u1)
 *   B hears (A, echo B, stamp u1)      INSTALL  (B, echo A, stamp t2)
 *   A hears (B, echo A, stamp t2)      CURRENT, t2 is younger than A's session: A
 *                                      sends under it
 *   B hears A's next HELLO             CURRENT, likewise
 *
 * Each step may be lost: regular HELLOs repeat whatever is missing.
 */
#include <string.h>

#include "session.h"

static bool is_equal(const uint8_t *a, const uint8_t *b)
{
	return memcmp(a, b, HG_WIRE_NONCE_LEN) == 0;
}

static bool is_zero(const uint8_t *nonce)
{
	static const uint8_t zero[HG_WIRE_NONCE_LEN];

	return is_equal(nonce, zero);
}

void hg_session_init(struct hg_session *session, const uint8_t own[HG_WIRE_NONCE_LEN], int adopted)
{
	memset(session, 0, sizeof(*session));
	memcpy(session->own, own, HG_WIRE_NONCE_LEN);
	session->current = HG_SESSION_NONE;
	session->sending = adopted == 0 || adopted == 1 ? adopted : HG_SESSION_NONE;
}

static enum hg_session_verdict on_current(struct hg_session *session,
					  const struct hg_session_hello *hello)
{
	if (session->heard_seq < hello->seq)
		session->heard_seq = hello->seq;
	if (is_equal(hello->echo, session->own) && hello->stamp > session->installed_at.ns) {
		session->is_confirmed = true;
		session->sending = session->current;
	}
	return HG_SESSION_CURRENT;
}

static enum hg_session_verdict install(struct hg_session *session, struct hg_time now,
				       const struct hg_session_hello *hello)
{
	session->current = session->sending == 0 ? 1 : 0;
	if (session->sending == HG_SESSION_NONE)
		session->sending = session->current;
	session->is_confirmed = false;
	session->installed_at = now;
	session->heard_seq = hello->seq;
	memcpy(session->peer, hello->nonce, HG_WIRE_NONCE_LEN);
	memset(session->candidate, 0, sizeof(session->candidate));
	session->candidate_seq = 0;
	return HG_SESSION_INSTALL;
}

static enum hg_session_verdict on_unknown(struct hg_session *session,
					  const struct hg_session_hello *hello)
{
	if (!is_equal(session->candidate, hello->nonce)) {
		memcpy(session->candidate, hello->nonce, HG_WIRE_NONCE_LEN);
		session->candidate_seq = hello->seq;
	} else if (session->candidate_seq < hello->seq) {
		session->candidate_seq = hello->seq;
	}
	return HG_SESSION_REPLY;
}

enum hg_session_verdict hg_session_receive(struct hg_session *session, struct hg_time now,
					   const struct hg_session_hello *hello)
{
	bool is_known = session->current != HG_SESSION_NONE;
	bool is_echo = is_equal(hello->echo, session->own);

	/* Nobody is nameless, and our own frames may come back to us. */
	if (is_zero(hello->nonce) || is_equal(hello->nonce, session->own))
		return HG_SESSION_IGNORE;
	/* A stamp that echoes another boot is of another clock; ours is not ahead of us. */
	if (is_echo && hello->stamp > now.ns)
		return HG_SESSION_IGNORE;
	if (is_known && is_equal(hello->nonce, session->peer))
		return on_current(session, hello);
	if (is_echo && (!is_known || hello->stamp > session->installed_at.ns))
		return install(session, now, hello);
	return on_unknown(session, hello);
}

int hg_session_slot(const struct hg_session *session)
{
	return session->current;
}

int hg_session_sending(const struct hg_session *session)
{
	return session->sending;
}

static void fill(const struct hg_session *session, const uint8_t *echo, uint64_t stamp,
		 struct hg_session_hello *ret)
{
	memset(ret, 0, sizeof(*ret));
	memcpy(ret->nonce, session->own, HG_WIRE_NONCE_LEN);
	memcpy(ret->echo, echo, HG_WIRE_NONCE_LEN);
	ret->stamp = stamp;
}

void hg_session_echo(const struct hg_session *session, struct hg_session_hello *ret)
{
	if (session->current == HG_SESSION_NONE)
		hg_session_reply(session, ret);
	else
		fill(session, session->peer, session->heard_seq, ret);
}

void hg_session_reply(const struct hg_session *session, struct hg_session_hello *ret)
{
	fill(session, session->candidate, session->candidate_seq, ret);
}
