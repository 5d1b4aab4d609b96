/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The flight recorder: the last steps of the election core, with everything that went
 * in and what came out, so that they can be played again to the letter.
 *
 * A ring in memory, written by the election's driver only, a few hundred octets copied a
 * step and no text. It is cut into blocks; before the first step of a block the state of
 * the core is kept, and the ring loses whole blocks. So the oldest step kept always has
 * the state that it began with.
 *
 * Plain data without pointers: a forked child reads its copy. recorder_json.c makes the
 * text of it and takes it back.
 */
#ifndef HG_RECORDER_H
#define HG_RECORDER_H

#include "agent/core/elect.h"

#define HG_RECORDER_BLOCK 64
#define HG_RECORDER_BLOCKS 64
#define HG_RECORDER_STEPS (HG_RECORDER_BLOCK * HG_RECORDER_BLOCKS) /* 16 s at 5 ms */

struct hg_record {
	struct hg_elect_event event; /* what went in */
	struct hg_span late; /* so long after a step was due; 0: was not due yet */
	enum hg_elect_state from; /* before the step */
	enum hg_elect_state state; /* after it */
	enum hg_why why; /* of its transition; NONE: it made none */
	uint64_t epoch; /* own claim after it */
	uint64_t digest; /* of its actions with their arguments: hg_recorder_digest() */
	bool again; /* the core asked for another step at once */
	uint8_t count; /* of `action` */
	uint8_t action[HG_ACTIONS_MAX]; /* enum hg_action_type */
};

struct hg_recorder {
	uint64_t count; /* steps ever recorded */
	struct hg_elect before[HG_RECORDER_BLOCKS]; /* before the first step of each block */
	struct hg_record step[HG_RECORDER_STEPS];
};

/* Round one step: before it, and after it. */
void hg_recorder_begin(struct hg_recorder *recorder, const struct hg_elect *before);
void hg_recorder_end(struct hg_recorder *recorder, const struct hg_elect *after,
		     const struct hg_elect_event *event, const struct hg_actions *actions,
		     struct hg_span late);

/* Number of the oldest step kept, the first of a block; `count` when there is none. */
uint64_t hg_recorder_oldest(const struct hg_recorder *recorder);

/* Step by its number, from 0; NULL when it is not kept. */
const struct hg_record *hg_recorder_step(const struct hg_recorder *recorder, uint64_t number);

/* The first step of the block that has step `number`, and the state before it. */
uint64_t hg_recorder_block(uint64_t number);
const struct hg_elect *hg_recorder_before(const struct hg_recorder *recorder, uint64_t block);

/* Of type and argument of each action, in their order (FNV-1a, 64 bits, octets of a
 * word from the lowest): two steps with the same digest did the same. */
uint64_t hg_recorder_digest(const struct hg_actions *actions);

#endif
