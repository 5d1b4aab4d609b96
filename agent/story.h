/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The story of a change of role, for a tired person: what was heard before it and how old
 * that was, how late this node was itself and whose fault that is, who claimed, how
 * long nobody served, and what to do about it.
 *
 * An episode is a chain of transitions with less than HG_STORY_QUIET between them:
 * standby -> claiming -> active is one. At each transition the loop keeps what only that
 * moment knows (struct hg_change); the rest is read from the flight recorder later, in a
 * child. Facts first (hg_story_find), then words (hg_story_tell).
 */
#ifndef HG_STORY_H
#define HG_STORY_H

#include <jansson.h>
#include <time.h>

#include "agent/core/elect.h"

#define HG_STORY_QUIET HG_MS(1000)
#define HG_STORY_WINDOW HG_MS(1000) /* looked at before the first transition */
#define HG_CHANGES 64

struct hg_agent;

struct hg_change {
	uint64_t step; /* of the flight recorder */
	struct hg_time at;
	struct timespec wall;
	enum hg_elect_state from, to;
	enum hg_why why;
	uint64_t epoch; /* own claim after it */
	uint64_t fence_epoch, fenced_at, lease_until; /* hg_state then */
	uint64_t last_grant, request, request_epoch, agent_age;
	uint64_t heard[HG_SLOTS_MAX]; /* last authenticated frame on each port */
	uint8_t heard_type[HG_SLOTS_MAX]; /* enum hg_wire_type, 0 none */
};

/* A ring; plain data. */
struct hg_changes {
	uint64_t count; /* ever */
	struct hg_change list[HG_CHANGES];
};

const struct hg_change *hg_changes_get(const struct hg_changes *changes, uint64_t number);

/* An episode by its changes, numbers from `first` to before `end`. */
struct hg_episode {
	uint64_t first, end;
};

/* The nth last (1: the last) of those kept; false: there are not so many. */
bool hg_changes_episode(const struct hg_changes *changes, unsigned int back,
			struct hg_episode *ret);

/* Its name, over restarts too: milliseconds of the wall clock at its first change. */
uint64_t hg_episode_id(const struct hg_changes *changes, const struct hg_episode *episode);

enum hg_story_side {
	HG_STORY_OTHER,
	HG_STORY_TAKER, /* this node began to serve */
	HG_STORY_LOSER, /* it ceased to */
};

#define HG_STORY_UNKNOWN (-1.0)

/* All spans in ms; HG_STORY_UNKNOWN where nothing is known. */
struct hg_story {
	const struct hg_agent *agent;
	struct hg_episode episode;
	const struct hg_change *first, *last;
	const struct hg_change *cause; /* the decision: what was known then counts */
	const struct hg_change *key; /* the change that matters most */
	const struct hg_change *retaken; /* the role came back in the same episode, or NULL */
	enum hg_story_side side;
	bool has_steps; /* the recorder still has them; without, some facts are unknown */
	double lease_left; /* at the cause; below 0: it had ended */
	bool has_lease;
	double request_age; /* last REQUEST of the holder, at the cause */
	double late, late_ago; /* the latest step of this agent, and how long before the key */
	bool is_late; /* by more than two intervals: worth a word */
	bool has_kernel_lived; /* holder: grants came while the agent stood still */
	double steal, waited; /* round it */
	double gap; /* longest between two signs of the bounce in the window */
	bool is_fenced; /* the claim was answered */
	double claim; /* from the claim to serving */
	double outage_least, outage_most;
	double heard_again; /* the peer, after the cause */
};

void hg_story_find(const struct hg_agent *agent, const struct hg_episode *episode,
		   struct hg_story *ret);

/* story_text.c: sentences. New references. */
json_t *hg_story_sentences(const struct hg_story *story);
json_t *hg_story_advice(const struct hg_story *story);

/* story_json.c: everything, as `hagate why --json` prints it. A new reference. */
json_t *hg_story_tell(const struct hg_agent *agent, const struct hg_episode *episode);
/* "REQUEST" */
const char *hg_story_frame_name(unsigned int type);
/* The other node's name, or "the other node". */
const char *hg_story_peer(const struct hg_story *story);

#endif
