// SPDX-License-Identifier: GPL-2.0-or-later
/* See story.h: facts and words as JSON. */
#include <inttypes.h>

#include "agent/flight.h"
#include "agent/story.h"

static const struct {
	const char *name, *text;
} whys[] = {
#define X(id, name, text) [HG_WHY_##id] = { name, text },
	HG_TRANSITION_REASONS(X)
#undef X
};

static json_t *json_ms(double ms)
{
	return json_real((double)(int64_t)(ms * 1000 + (ms < 0 ? -0.5 : 0.5)) / 1000);
}

static json_t *json_known(double ms)
{
	return ms < 0 ? json_null() : json_ms(ms);
}

static json_t *json_transitions(const struct hg_story *story)
{
	const struct hg_changes *changes = &story->agent->flight->changes;
	json_t *array = json_array();

	for (uint64_t i = story->episode.first; i < story->episode.end; i++) {
		const struct hg_change *change = hg_changes_get(changes, i);

		json_array_append_new(
			array,
			json_pack("{s:o,s:s,s:s,s:s,s:s,s:o}", "at_ms",
				  json_ms((change->at.ns - story->first->at.ns) / 1e6), "from",
				  hg_elect_state_name(change->from), "to",
				  hg_elect_state_name(change->to), "reason", whys[change->why].name,
				  "reason_text", whys[change->why].text, "epoch",
				  json_sprintf("0x%016" PRIx64, change->epoch)));
	}
	return array;
}

static json_t *json_heard(const struct hg_story *story)
{
	const struct hg_agent *agent = story->agent;
	json_t *array = json_array();

	for (unsigned int slot = 0; agent->peer && slot < agent->port_count; slot++) {
		uint64_t heard = story->cause->heard[slot];

		if (!agent->port[slot].cluster->is_heartbeat)
			continue;
		json_array_append_new(
			array, json_pack("{s:s,s:o,s:o}", "port", agent->port[slot].name, "frame",
					 heard ? json_string(hg_story_frame_name(
							 story->cause->heard_type[slot]))
					       : json_null(),
					 "age_ms",
					 heard ? json_ms((story->cause->at.ns - heard) / 1e6)
					       : json_null()));
	}
	return array;
}

static json_t *json_claim(const struct hg_story *story)
{
	bool is_taker = story->side == HG_STORY_TAKER;

	if (story->side == HG_STORY_OTHER || (!is_taker && !story->is_fenced))
		return json_null();
	return json_pack("{s:s,s:o,s:s,s:o}", "by",
			 is_taker ? story->agent->self->name : hg_story_peer(story), "epoch",
			 json_sprintf("0x%016" PRIx64,
				      is_taker ? story->key->epoch : story->key->fence_epoch),
			 "answer", story->is_fenced ? "fenced" : "waited", "took_ms",
			 json_known(story->claim));
}

static json_t *json_outage(const struct hg_story *story)
{
	if (story->outage_most < 0)
		return json_null();
	return json_pack("{s:s,s:o,s:o}", "seen_on", story->agent->self->name, "at_least_ms",
			 json_ms(story->outage_least), "at_most_ms", json_ms(story->outage_most));
}

json_t *hg_story_tell(const struct hg_agent *agent, const struct hg_episode *episode)
{
	struct hg_story story;
	json_t *json;

	hg_story_find(agent, episode, &story);
	json = json_pack("{s:I,s:o,s:s,s:o,s:s,s:s,s:s,s:s,s:o,s:o,s:o,s:o}", "id",
			 (json_int_t)hg_episode_id(&agent->flight->changes, episode), "time",
			 hg_status_time(&story.key->wall), "node", agent->self->name, "peer",
			 agent->peer ? json_string(agent->peer->name) : json_null(), "from",
			 hg_elect_state_name(story.first->from), "to",
			 hg_elect_state_name(story.last->to), "reason", whys[story.key->why].name,
			 "reason_text", whys[story.key->why].text, "transitions",
			 json_transitions(&story), "heard", json_heard(&story), "claim",
			 json_claim(&story), "outage", json_outage(&story));
	if (!json)
		return NULL;
	json_object_set_new(json, "lease_left_ms",
			    story.has_lease ? json_ms(story.lease_left) : json_null());
	json_object_set_new(json, "request_age_ms", json_known(story.request_age));
	json_object_set_new(json, "agent_late_ms", json_known(story.late));
	json_object_set_new(json, "agent_late", json_boolean(story.is_late));
	json_object_set_new(json, "steal_ms", json_known(story.steal));
	json_object_set_new(json, "waited_ms", json_known(story.waited));
	json_object_set_new(json, "gap_ms", json_known(story.gap));
	json_object_set_new(json, "heard_again_ms", json_known(story.heard_again));
	json_object_set_new(json, "text", hg_story_sentences(&story));
	json_object_set_new(json, "advice", hg_story_advice(&story));
	return json;
}
