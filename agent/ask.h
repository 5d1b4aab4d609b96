/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The witness as hagated sees it: one connected UDP socket, a session of its own (same
 * handshake as with the peer, core/session.h), questions out, answers to the election.
 *
 * Unlike the peer's, these frames are read by the agent itself: they come over routed
 * paths, to a port that the kernel chose, and the bounce has no part in them.
 */
#ifndef HG_ASK_H
#define HG_ASK_H

#include <jansson.h>
#include <systemd/sd-event.h>

#include "agent/config.h"
#include "agent/core/session.h"
#include "agent/core/witness.h"
#include "hagate/abi.h"

struct hg_agent;

struct hg_ask {
	struct hg_ip address; /* family 0: no witness is configured */
	uint16_t port;
	int fd; /* valid while `io` is not NULL */
	sd_event_source *io;
	struct hg_session session;
	struct hg_key cluster_key, session_key[2];
	uint64_t seq; /* of the last frame out: rises */
	uint64_t seen[2]; /* seq of the last short frame in, per slot */
	uint64_t opened_at;
	uint64_t heard; /* last genuine frame */
	uint64_t rtt; /* ns, 0 unknown */
	uint64_t quick_at; /* last answer that came within half a lease */
	uint64_t asked_at, answered_at;
	enum hg_witness_verdict verdict; /* the last answer; VERDICTS: none yet */
	uint64_t epoch; /* it named */
	uint64_t granted, refused; /* answers so far */
	int err; /* of opening the socket or sending, 0 good */
	bool is_forgetful; /* the witness cannot write its state */
	bool is_settling; /* it has just started and grants nothing yet */
	char software[HG_WIRE_NAME_LEN];
	char fault[256]; /* sentence with remedy, "" none */
};

/* After each change of the configuration: opens, moves or closes. Never fails: a witness
 * that cannot be reached is a fault, not an obstacle. */
void hg_ask_init(struct hg_agent *agent);
void hg_ask_send(struct hg_agent *agent, uint64_t epoch, struct hg_span lease);
/* One datagram of the socket, whatever it holds. */
void hg_ask_receive(struct hg_agent *agent, const void *octets, size_t length);
void hg_ask_slow_tick(struct hg_agent *agent);
bool hg_ask_is_heard(const struct hg_agent *agent);
json_t *hg_ask_status(const struct hg_agent *agent); /* `witness` in the status */

#endif
