// SPDX-License-Identifier: GPL-2.0-or-later
/* See story.h: the facts. */
#include "agent/story.h"

#include "agent/flight.h"

const struct hg_change *hg_changes_get(const struct hg_changes *changes, uint64_t number)
{
	if (number >= changes->count || number + HG_CHANGES < changes->count)
		return NULL;
	return &changes->list[number % HG_CHANGES];
}

static bool is_chained(const struct hg_changes *changes, uint64_t number)
{
	const struct hg_change *before = number ? hg_changes_get(changes, number - 1) : NULL;
	const struct hg_change *change = hg_changes_get(changes, number);

	return before && hg_time_since(change->at, before->at).ns < HG_STORY_QUIET.ns;
}

bool hg_changes_episode(const struct hg_changes *changes, unsigned int back, struct hg_episode *ret)
{
	uint64_t end = changes->count, first = end;

	while (first && hg_changes_get(changes, first - 1)) {
		first--;
		if (is_chained(changes, first))
			continue;
		*ret = (struct hg_episode){ first, end };
		if (!--back)
			return true;
		end = first;
	}
	return false;
}

uint64_t hg_episode_id(const struct hg_changes *changes, const struct hg_episode *episode)
{
	const struct timespec *wall = &hg_changes_get(changes, episode->first)->wall;

	return wall->tv_sec * UINT64_C(1000) + wall->tv_nsec / 1000000;
}

static double ms_between(uint64_t from, uint64_t to)
{
	return ((double)to - (double)from) / 1e6;
}

static bool is_holder(enum hg_elect_state state)
{
	return state == HG_EL_ACTIVE || state == HG_EL_RELEASING;
}

/* The change that matters: to or from serving, the last of them, but the loss where a
 * loss was made good; else the last of all. */
static void choose_key(const struct hg_changes *changes, struct hg_story *story)
{
	const struct hg_change *previous = NULL;

	story->key = story->last;
	story->cause = story->last;
	for (uint64_t i = story->episode.first; i < story->episode.end; i++) {
		const struct hg_change *change = hg_changes_get(changes, i);

		if (story->side == HG_STORY_LOSER && is_holder(change->to)) {
			story->retaken = change;
		} else if (is_holder(change->from) != is_holder(change->to)) {
			bool is_taken = is_holder(change->to);

			story->key = change;
			story->side = is_taken ? HG_STORY_TAKER : HG_STORY_LOSER;
			story->cause = is_taken && previous && previous->to == HG_EL_CLAIMING
					       ? previous
					       : change;
		}
		previous = change;
	}
}

static const struct hg_record *step_at(const struct hg_story *story, uint64_t number)
{
	return hg_recorder_step(&story->agent->flight->recorder, number);
}

/* The last step before the window, to compare with; the recorder may begin later. */
static uint64_t window_begin(const struct hg_story *story)
{
	uint64_t oldest = hg_recorder_oldest(&story->agent->flight->recorder);
	uint64_t number = story->cause->step;

	while (number > oldest && ms_between(step_at(story, number - 1)->event.now.ns,
					     story->cause->at.ns) < HG_STORY_WINDOW.ns / 1e6)
		number--;
	return number > oldest ? number - 1 : number;
}

/* The bounce as this side sees it: for a holder its lease moves on, else REQUESTs come. */
static uint64_t sign_of(const struct hg_story *story, const struct hg_record *step)
{
	return story->side == HG_STORY_LOSER ? step->event.obs.lease_until.ns
					     : step->event.obs.request.ns;
}

static void find_lateness(struct hg_story *story, uint64_t begin)
{
	const struct hg_elect_config *config = &story->agent->elect.config;
	uint64_t end = story->key->step;

	for (uint64_t i = begin; i <= end; i++) {
		const struct hg_record *step = step_at(story, i);
		uint64_t before = i > begin ? step_at(story, i - 1)->event.now.ns : 0;
		uint64_t granted = step->event.obs.lease_until.ns - config->lease.ns;
		double late = step->late.ns / 1e6, gap;

		if (late > story->late) {
			story->late = late;
			story->late_ago = ms_between(step->event.now.ns, story->key->at.ns);
			story->has_kernel_lived = story->side == HG_STORY_LOSER && before &&
						  granted > before + 2 * config->interval.ns;
		}
		if (!before || !sign_of(story, step_at(story, i - 1)))
			continue;
		gap = ms_between(sign_of(story, step_at(story, i - 1)), sign_of(story, step));
		story->gap = gap > story->gap ? gap : story->gap;
	}
	story->is_late = story->late * 1e6 > 2 * config->interval.ns;
}

/* From the last sample before the window to the first after the key. */
static void find_cpu(struct hg_story *story)
{
	const struct hg_flight *flight = story->agent->flight;
	const struct hg_cpu_sample *from = NULL, *to = NULL;
	uint64_t begin = story->cause->at.ns - HG_STORY_WINDOW.ns;
	uint64_t count = flight->cpu_count;
	uint64_t i = count > HG_FLIGHT_CPU_SAMPLES ? count - HG_FLIGHT_CPU_SAMPLES : 0;

	if (story->late * 1e6 > HG_STORY_WINDOW.ns)
		begin -= story->late * 1e6;
	for (; i < count; i++) {
		const struct hg_cpu_sample *sample = &flight->cpu_ring[i % HG_FLIGHT_CPU_SAMPLES];

		if (!from || sample->at.ns <= begin)
			from = sample;
		to = sample;
		if (sample->at.ns > story->key->at.ns)
			break;
	}
	if (!from || from == to || to->at.ns < story->key->at.ns)
		return;
	story->steal = (to->steal_ns - from->steal_ns) / 1e6 / flight->cpu.cpus;
	story->waited = (to->waited_ns - from->waited_ns) / 1e6;
}

static void find_claim(struct hg_story *story)
{
	const struct hg_change *cause = story->cause, *key = story->key;
	uint64_t lease = story->agent->elect.config.lease.ns;
	const struct hg_record *serving = step_at(story, key->step);

	story->claim = ms_between(cause->at.ns, key->at.ns);
	story->is_fenced = serving && serving->event.obs.fenced_epoch == key->epoch;
	/* One that starts knows no holder, or the word of one from an earlier life. */
	if (!cause->request || cause->from == HG_EL_LISTEN)
		return;
	story->outage_most = ms_between(cause->request, key->at.ns);
	story->outage_least = 0;
	if (!story->is_fenced && cause->last_grant && cause->last_grant + lease < key->at.ns)
		story->outage_least = ms_between(cause->last_grant + lease, key->at.ns);
}

static void find_loss(struct hg_story *story)
{
	const struct hg_change *key = story->key;
	bool is_fenced = key->fenced_at && key->fenced_at <= key->at.ns &&
			 key->fenced_at + HG_STORY_WINDOW.ns > key->at.ns;
	uint64_t stop = is_fenced ? key->fenced_at : key->lease_until;
	uint64_t end = story->agent->flight->recorder.count;

	story->is_fenced = is_fenced;
	if (story->retaken) {
		story->outage_most = ms_between(stop, story->retaken->at.ns);
		story->outage_least = story->outage_most;
		return;
	}
	for (uint64_t i = key->step; i < end; i++) {
		const struct hg_obs *obs = &step_at(story, i)->event.obs;

		if (obs->request.ns <= stop || obs->request_epoch != obs->fence_epoch)
			continue;
		story->outage_most = ms_between(stop, obs->request.ns);
		story->outage_least = 0;
		return;
	}
}

static void find_return(struct hg_story *story)
{
	uint64_t end = story->agent->flight->recorder.count;
	uint64_t heard = 0;

	for (uint64_t i = story->cause->step; i < end; i++) {
		uint64_t now = step_at(story, i)->event.obs.heard.ns;

		heard = heard ? heard : now;
		if (now <= heard)
			continue;
		story->heard_again = ms_between(story->cause->at.ns, now);
		return;
	}
}

void hg_story_find(const struct hg_agent *agent, const struct hg_episode *episode,
		   struct hg_story *ret)
{
	const struct hg_changes *changes = &agent->flight->changes;

	*ret = (struct hg_story){
		.agent = agent,
		.episode = *episode,
		.first = hg_changes_get(changes, episode->first),
		.last = hg_changes_get(changes, episode->end - 1),
		.request_age = HG_STORY_UNKNOWN,
		.late_ago = HG_STORY_UNKNOWN,
		.steal = HG_STORY_UNKNOWN,
		.waited = HG_STORY_UNKNOWN,
		.claim = HG_STORY_UNKNOWN,
		.outage_least = HG_STORY_UNKNOWN,
		.outage_most = HG_STORY_UNKNOWN,
		.heard_again = HG_STORY_UNKNOWN,
	};
	choose_key(changes, ret);
	if (ret->cause->request)
		ret->request_age = ms_between(ret->cause->request, ret->cause->at.ns);
	ret->has_lease = is_holder(ret->key->from) && ret->key->lease_until;
	ret->lease_left = ret->has_lease ? ms_between(ret->key->at.ns, ret->key->lease_until) : 0;
	ret->has_steps = step_at(ret, ret->cause->step) != NULL;
	if (ret->has_steps) {
		find_lateness(ret, window_begin(ret));
		find_return(ret);
	} else {
		ret->late = ret->gap = HG_STORY_UNKNOWN;
	}
	find_cpu(ret);
	if (ret->side == HG_STORY_TAKER)
		find_claim(ret);
	if (ret->side == HG_STORY_LOSER && ret->has_steps)
		find_loss(ret);
}
