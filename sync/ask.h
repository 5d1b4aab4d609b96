/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Questions to hagated over its control socket (hagate/control.h).
 */
#ifndef HG_SYNC_ASK_H
#define HG_SYNC_ASK_H

#include <jansson.h>

#include "agent/identity.h"
#include "sync/types.h"

/* One request (taken over), one answer (a new reference), or NULL: nobody answers in time. */
json_t *hg_ask(const char *run_dir, json_t *request, unsigned int timeout_ms);

/* What hagated says to a report. */
struct hg_ask_answer {
	bool is_there;
	bool is_peer_heard;
	bool has_peer_head; /* the peer keeps a history */
	char peer_cluster[HG_UUID_TEXT];
	uint64_t peer_generation;
	char peer_head[33]; /* 16 octets, hex */
};

struct hg_ask_report {
	const char *state, *text;
	const struct hg_identity *identity; /* NULL: blank */
	uint64_t confirm_ms; /* 0: nothing waits for a confirmation */
};

void hg_ask_report(const char *run_dir, const struct hg_ask_report *report,
		   struct hg_ask_answer *ret);

#endif
