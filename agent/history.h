/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What happened, newest last, in a ring in memory: transitions, faults, the
 * operator's commands. `hagate events` reads it; followers get each new one.
 */
#ifndef HG_HISTORY_H
#define HG_HISTORY_H

#include <stdint.h>
#include <time.h>

#include "agent/core/elect.h"

#define HG_HISTORY_MAX 512

enum hg_history_type {
	HG_HISTORY_TRANSITION,
	HG_HISTORY_FAULT,
	HG_HISTORY_PEER,
	HG_HISTORY_CONFIG,
	HG_HISTORY_OPERATOR,
};

struct hg_history_event {
	uint64_t seq; /* from 1 */
	struct timespec wall; /* CLOCK_REALTIME, for people */
	struct hg_time at;
	enum hg_history_type type;
	enum hg_elect_state from, to; /* TRANSITION */
	enum hg_why why; /* TRANSITION */
	uint64_t epoch;
	char text[448]; /* whole sentences with what to type */
};

struct hg_history {
	uint64_t count; /* ever added */
	struct hg_history_event ring[HG_HISTORY_MAX];
};

/* Fills seq and wall, stores a copy, returns it (valid until HG_HISTORY_MAX more). */
const struct hg_history_event *hg_history_add(struct hg_history *history,
					      const struct hg_history_event *event);

/* Event by sequence number; NULL when it was overwritten or is not there yet. */
const struct hg_history_event *hg_history_get(const struct hg_history *history, uint64_t seq);

/* The oldest sequence number still there, 1 when empty. */
uint64_t hg_history_oldest(const struct hg_history *history);

const char *hg_history_type_name(enum hg_history_type type);

#endif
