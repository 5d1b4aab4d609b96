/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See recorder.h. */
#include <stddef.h>

#include "recorder.h"

void hg_recorder_begin(struct hg_recorder *recorder, const struct hg_elect *before)
{
	if (recorder->count % HG_RECORDER_BLOCK == 0)
		recorder->before[recorder->count / HG_RECORDER_BLOCK % HG_RECORDER_BLOCKS] =
			*before;
}

static const struct hg_action *find_transition(const struct hg_actions *actions)
{
	for (unsigned int i = 0; i < actions->count; i++)
		if (actions->list[i].type == HG_ACT_TRANSITION)
			return &actions->list[i];
	return NULL;
}

void hg_recorder_end(struct hg_recorder *recorder, const struct hg_elect *after,
		     const struct hg_elect_event *event, const struct hg_actions *actions,
		     struct hg_span late)
{
	struct hg_record *step = &recorder->step[recorder->count % HG_RECORDER_STEPS];
	const struct hg_action *transition = find_transition(actions);

	step->event = *event;
	step->late = late;
	step->from = transition ? transition->transition.from : after->state;
	step->state = after->state;
	step->why = transition ? transition->transition.why : HG_WHY_NONE;
	step->epoch = after->epoch;
	step->digest = hg_recorder_digest(actions);
	step->again = actions->again;
	step->count = actions->count;
	for (unsigned int i = 0; i < actions->count; i++)
		step->action[i] = actions->list[i].type;
	recorder->count++;
}

uint64_t hg_recorder_oldest(const struct hg_recorder *recorder)
{
	uint64_t blocks = (recorder->count + HG_RECORDER_BLOCK - 1) / HG_RECORDER_BLOCK;

	return blocks > HG_RECORDER_BLOCKS ? (blocks - HG_RECORDER_BLOCKS) * HG_RECORDER_BLOCK : 0;
}

const struct hg_record *hg_recorder_step(const struct hg_recorder *recorder, uint64_t number)
{
	if (number < hg_recorder_oldest(recorder) || number >= recorder->count)
		return NULL;
	return &recorder->step[number % HG_RECORDER_STEPS];
}

uint64_t hg_recorder_block(uint64_t number)
{
	return number - number % HG_RECORDER_BLOCK;
}

const struct hg_elect *hg_recorder_before(const struct hg_recorder *recorder, uint64_t block)
{
	if (block % HG_RECORDER_BLOCK || !hg_recorder_step(recorder, block))
		return NULL;
	return &recorder->before[block / HG_RECORDER_BLOCK % HG_RECORDER_BLOCKS];
}

static uint64_t mix(uint64_t hash, uint64_t word)
{
	for (unsigned int i = 0; i < 8; i++)
		hash = (hash ^ (word >> 8 * i & 0xff)) * UINT64_C(1099511628211);
	return hash;
}

static uint64_t argument_of(const struct hg_action *action)
{
	switch (action->type) {
	case HG_ACT_CLAIM_EPOCH:
	case HG_ACT_SEND_CLAIM:
	case HG_ACT_SEND_PROBE:
	case HG_ACT_SEND_REQUEST:
		return action->epoch;
	case HG_ACT_SERVE:
	case HG_ACT_RENEW:
		return action->until.ns;
	case HG_ACT_TRANSITION:
		return action->transition.from << 16 | action->transition.to << 8 |
		       action->transition.why;
	case HG_ACT_SEND_WITNESS:
		return mix(action->ask.epoch, action->ask.lease.ns);
	case HG_ACT_HANDOVER_DONE:
		return action->done.is_ok << 8 | action->done.why;
	case HG_ACT_ANNOUNCE:
	case HG_ACT_ADDRESSES_ADD:
	case HG_ACT_RELEASE_EPOCH:
	case HG_ACT_ADDRESSES_REMOVE:
	case HG_ACT_SEND_HELLO:
	case HG_ACTS:
		break;
	}
	return 0;
}

uint64_t hg_recorder_digest(const struct hg_actions *actions)
{
	uint64_t hash = UINT64_C(14695981039346656037);

	for (unsigned int i = 0; i < actions->count; i++) {
		hash = mix(hash, actions->list[i].type);
		hash = mix(hash, argument_of(&actions->list[i]));
	}
	return hash;
}
