/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One node's election on a bench: a clock, an observation that the actions act upon,
 * and a journal in words that tests compare whole.
 *
 * A journal line is one step that did something:  "MS ACTION ACTION ...", times in ms
 * with three digits. Frames are left out unless asked for.
 */
#ifndef ELECT_RIG_H
#define ELECT_RIG_H

#include "agent/core/elect.h"

#define RIG_JOURNAL 16384

enum rig_witness { RIG_WITNESS_MUTE, RIG_WITNESS_GRANTS, RIG_WITNESS_REFUSES };

struct rig {
	struct hg_elect el;
	struct hg_obs obs;
	struct hg_elect_config config;
	struct hg_elect_hello peer; /* what rig_hello() says */
	struct hg_time now;
	bool has_frames; /* journal them too */
	bool is_unsynced; /* said by rig_health() */
	bool is_granted; /* the peer answers each REQUEST at once */
	bool is_holder_heard; /* the peer's REQUEST answers each PROBE at once */
	enum rig_witness witness; /* what HG_ACT_SEND_WITNESS leads to */
	struct hg_time asked_at;
	uint64_t witness_epoch; /* that a refusal names */
	struct hg_action asked; /* the last question; type HG_ACTS: answered */
	uint64_t steps;
	size_t length;
	char journal[RIG_JOURNAL];
};

/* Defaults: node 1, priority 100, a peer, interval 5 ms, lease 20 ms, continue. */
void rig_init(struct rig *rig);

/* One event at the present time, and what it entails (`again`). */
void rig_event(struct rig *rig, enum hg_elect_event_type type);
void rig_learn(struct rig *rig, bool is_learning);
void rig_health(struct rig *rig, uint8_t health, bool is_fit);
void rig_hello(struct rig *rig, enum hg_role role);
void rig_start(struct rig *rig);

/* The clock alone. */
void rig_sleep(struct rig *rig, double ms);
/* Ticks at every deadline up to `ms` on the clock. Fails on a deadline that does not
 * move on. */
void rig_run(struct rig *rig, double ms);

/* The holder's REQUEST is heard now and granted. */
void rig_request(struct rig *rig, uint64_t epoch);
/* Our CLAIM is answered now. */
void rig_fenced(struct rig *rig);

/* The witness answers the last question, asked `ms` ago. */
void rig_witness(struct rig *rig, bool is_granted, double ms);

/* Compares and empties the journal. */
#define rig_expect(rig, text) rig_compare(rig, text, __FILE__, __LINE__)
void rig_compare(struct rig *rig, const char *text, const char *file, int line);

/* Into the named state by the shortest way; the peer has heard this node for long. */
void rig_into(struct rig *rig, enum hg_elect_state state);

struct hg_time rig_ms(double ms);

#endif
