/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * For how long both nodes may have served (isolation: continue), told by the one whose
 * epoch is lower. A time that a node serves without grants is remembered with its epoch.
 * Once it has ended, for whatever reason, the time is reported when a higher epoch of the
 * other node is known, and forgotten when the other node's next HELLO knows of none: then
 * that node reports. Several such times in a row count as one.
 *
 * An upper bound: a node cannot know when the other one began.
 */
#ifndef HG_AGENT_OVERLAP_H
#define HG_AGENT_OVERLAP_H

#include <stdint.h>

#include "agent/core/time.h"

struct hg_agent;

/* Zeroed: nothing to report. */
struct hg_overlap {
	struct hg_time since, until; /* without grants; until 0: still */
	uint64_t epoch; /* served meanwhile; 0 nothing remembered */
	uint64_t last_ns; /* as last reported, 0 never */
};

/* Before and after each step of the election. */
void hg_overlap_before_step(struct hg_agent *agent);
void hg_overlap_after_step(struct hg_agent *agent, struct hg_time now);

#endif
