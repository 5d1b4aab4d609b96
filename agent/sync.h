/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What hagated knows of the configuration's history. The history itself, and all that
 * takes long, is hagate-sync's, which reports here over the control socket once a second
 * and at each change; from here it goes into HELLO, the status and the election.
 */
#ifndef HG_AGENT_SYNC_H
#define HG_AGENT_SYNC_H

#include <jansson.h>

#include "agent/core/elect.h"
#include "agent/identity.h"

struct hg_agent;
struct hg_control_request;

struct hg_sync {
	bool has_identity; /* false: blank, or a pair without history */
	struct hg_identity identity;
	uint64_t reported_at; /* last word of hagate-sync; 0 never */
	char state[24]; /* as reported: "in-sync", "behind", ... */
	char text[400]; /* for people, one line, "" none; fits into an event with `state` */
	uint64_t confirm_by; /* the newest generation goes back then; 0 none */
	bool has_peer; /* the peer's last HELLO had an identity */
	uint8_t peer_cluster[HG_UUID_LEN];
	uint64_t peer_generation;
	uint8_t peer_head[HG_WIRE_NONCE_LEN]; /* cut */
	char fault[640]; /* the two paths may be long */
};

/* From the identity that setup read: at start and when files were read again. */
void hg_sync_init(struct hg_agent *agent);
void hg_sync_fill_hello(const struct hg_agent *agent, struct hg_wire_hello *hello);
void hg_sync_on_hello(struct hg_agent *agent, const struct hg_wire_hello *hello);
/* Fills generation and is_unsynced; takes the fitness away from a node that must yield to
 * the node of another cluster. */
void hg_sync_judge(struct hg_agent *agent, struct hg_elect_event *ev);
void hg_sync_slow_tick(struct hg_agent *agent);
/* Fills config_fault: the two agents run with different files. */
void hg_sync_compare_config(struct hg_agent *agent);
/* `sync` of the status. */
json_t *hg_sync_json(const struct hg_agent *agent);
/* The command `sync` (hagate/control.h). */
void hg_sync_on_report(void *context, struct hg_control_request *req, json_t *arguments);

#endif
