/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Real or virtual MAC, decided for each port by a test on the wire (mac: auto). */
#ifndef HG_AGENT_MAC_H
#define HG_AGENT_MAC_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/wiring.h"

enum hg_mac_verdict {
	HG_MAC_UNTESTED,
	HG_MAC_NO_ANSWER, /* the peer does not answer on this segment: nothing is known */
	HG_MAC_POSSIBLE, /* a virtual MAC works */
	HG_MAC_IMPOSSIBLE,
};

/* Of a port; stays over a reload. */
struct hg_mac_port {
	struct hg_mac_evidence evidence; /* last result */
	uint64_t retry_at; /* 0: not by itself */
	uint64_t wanted_at; /* a test is wanted since; 0: none */
	bool had_link;
	bool is_virtual; /* auto: the choice in force */
	bool is_adopted; /* ... which an earlier agent made */
};

struct hg_mac {
	uint32_t order, order_slots; /* for the child (wiring.h) */
	uint8_t peer_nonce[HG_WIRE_NONCE_LEN]; /* boot of the peer that was last seen */
	struct hg_control_request *req; /* operator who waits */
	uint64_t req_until;
};

enum hg_mac_verdict hg_mac_judge(const struct hg_mac_evidence *evidence);

/* "untested", ... */
const char *hg_mac_verdict_name(enum hg_mac_verdict verdict);

/* A sentence about the evidence. */
void hg_mac_explain(const struct hg_mac_evidence *evidence, const char *self, const char *peer,
		    char *ret, size_t size);

#endif
