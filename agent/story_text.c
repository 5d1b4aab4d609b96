// SPDX-License-Identifier: GPL-2.0-or-later
/* See story.h: the words. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "agent/flight.h"
#include "agent/story.h"

/* Reasons that are not named need nothing done. */
enum advice {
	ADVISE_NOTHING,
	ADVISE_SILENCE,
	ADVISE_HUNG,
	ADVISE_LOSS,
	ADVISE_ALONE,
	ADVISE_HEALTH,
	ADVISE_CONSENT,
	ADVISE_PLANNED,
	ADVISE_NOBODY,
};

static const enum advice advice_of[HG_WHY_COUNT] = {
	[HG_WHY_SILENCE] = ADVISE_SILENCE,	   [HG_WHY_HUNG_AGENT] = ADVISE_HUNG,
	[HG_WHY_OVERRULED] = ADVISE_LOSS,	   [HG_WHY_LEASE_ENDED] = ADVISE_LOSS,
	[HG_WHY_ISOLATED] = ADVISE_ALONE,	   [HG_WHY_ISOLATED_STOP] = ADVISE_ALONE,
	[HG_WHY_WITNESSED] = ADVISE_ALONE,	   [HG_WHY_WITNESS_LOST] = ADVISE_ALONE,
	[HG_WHY_HEALTH] = ADVISE_HEALTH,	   [HG_WHY_UNFIT] = ADVISE_HEALTH,
	[HG_WHY_CONSENT] = ADVISE_CONSENT,	   [HG_WHY_HANDOVER] = ADVISE_PLANNED,
	[HG_WHY_FAILBACK] = ADVISE_PLANNED,	   [HG_WHY_MAINTENANCE_ON] = ADVISE_PLANNED,
	[HG_WHY_MAINTENANCE_OFF] = ADVISE_PLANNED, [HG_WHY_CONFIGURED] = ADVISE_PLANNED,
	[HG_WHY_NO_PEER_READY] = ADVISE_NOBODY,	   [HG_WHY_NOT_CLAIMED] = ADVISE_NOBODY,
	[HG_WHY_UNANSWERED] = ADVISE_NOBODY,
};

/* From this share of the agent's lateness on, one cause is named. */
#define BLAME 4

static void __attribute__((format(printf, 2, 3))) say(json_t *list, const char *format, ...)
{
	char line[512];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(line, sizeof(line), format, arguments);
	va_end(arguments);
	json_array_append_new(list, json_string(line));
}

const char *hg_story_peer(const struct hg_story *story)
{
	return story->agent->peer ? story->agent->peer->name : "the other node";
}

static const char *self_name(const struct hg_story *story)
{
	return story->agent->self->name;
}

const char *hg_story_frame_name(unsigned int type)
{
	static const char *const names[HG_WIRE_TYPES] = {
		[HG_WIRE_HELLO] = "HELLO", [HG_WIRE_PROBE] = "PROBE", [HG_WIRE_REQUEST] = "REQUEST",
		[HG_WIRE_GRANT] = "GRANT", [HG_WIRE_CLAIM] = "CLAIM", [HG_WIRE_FENCED] = "FENCED",
		[HG_WIRE_NEIGH] = "NEIGH",
	};

	return type < HG_WIRE_TYPES && names[type] ? names[type] : "frame";
}

static void say_heard(const struct hg_story *story, json_t *list)
{
	const struct hg_agent *agent = story->agent;
	char line[400] = "";
	int length = 0;

	for (unsigned int slot = 0; agent->peer && slot < agent->port_count; slot++) {
		uint64_t heard = story->cause->heard[slot];

		if (!agent->port[slot].cluster->is_heartbeat || length >= (int)sizeof(line) - 80)
			continue;
		if (heard)
			length += snprintf(line + length, sizeof(line) - length,
					   "%s%.15s: %s %.1f ms", length ? ", " : "",
					   agent->port[slot].name,
					   hg_story_frame_name(story->cause->heard_type[slot]),
					   (story->cause->at.ns - heard) / 1e6);
		else
			length += snprintf(line + length, sizeof(line) - length, "%s%.15s: nothing",
					   length ? ", " : "", agent->port[slot].name);
	}
	if (length)
		say(list, "Last heard of %s, and how long before: %s.", hg_story_peer(story), line);
}

static void say_agent(const struct hg_story *story, json_t *list)
{
	char cpu[200] = "";

	if (!story->has_steps) {
		say(list, "The single steps round it are no longer kept.");
		return;
	}
	if (story->steal >= 0)
		snprintf(cpu, sizeof(cpu),
			 "; round it the hypervisor took %.0f ms per CPU, and the agent waited "
			 "%.1f ms for a CPU",
			 story->steal, story->waited);
	say(list,
	    "The agent of this node was %s: its latest step in that second came %.1f ms late%s.",
	    story->is_late ? "LATE" : "on time", story->late, cpu);
	if (story->gap > 0)
		say(list, "Longest gap of the bounce before: %.1f ms of a lease of %.0f ms.",
		    story->gap, story->agent->elect.config.lease.ns / 1e6);
}

static void say_taker(const struct hg_story *story, json_t *list)
{
	if (story->claim > 0 && story->agent->peer)
		say(list, "%s claimed; %s and %s served %.1f ms later.", self_name(story),
		    story->is_fenced
			    ? "FENCED came back: the other kernel lived and stopped serving"
			    : "no FENCED came, so the old lease was waited out",
		    self_name(story), story->claim);
	if (story->outage_most < 0)
		say(list, "Outage: unknown here; this node heard no holder since it started.");
	else if (story->is_fenced)
		say(list,
		    "Outage as seen here: at most %.1f ms, from the last sign of the old holder.",
		    story->outage_most);
	else
		say(list,
		    "Outage as seen here: %.1f to %.1f ms (from the end of the old lease; from the "
		    "last sign of the old holder).",
		    story->outage_least, story->outage_most);
	if (story->heard_again >= 0 && advice_of[story->key->why] == ADVISE_SILENCE)
		say(list, "%s was heard again %.1f ms after the claim.", hg_story_peer(story),
		    story->heard_again);
}

static void say_loser(const struct hg_story *story, json_t *list)
{
	const struct hg_change *key = story->key;

	if (story->is_fenced)
		say(list,
		    "%s claimed epoch 0x%" PRIx64 "; the data path here obeyed %.1f ms before the "
		    "agent knew, and left transit open to drain.",
		    hg_story_peer(story), key->fence_epoch, (key->at.ns - key->fenced_at) / 1e6);
	else if (story->has_lease && story->lease_left <= 0)
		say(list,
		    "The lease had ended %.1f ms before; from then on the data path was silent.",
		    -story->lease_left);
	if (story->retaken)
		say(list, "Outage: %.1f ms, until this node served again.", story->outage_most);
	else if (story->outage_most >= 0)
		say(list,
		    "Outage as seen here: at most %.1f ms, until the first REQUEST of the new "
		    "holder.",
		    story->outage_most);
}

json_t *hg_story_sentences(const struct hg_story *story)
{
	json_t *list = json_array();

	say_heard(story, list);
	if (story->has_lease && story->lease_left > 0)
		say(list, "Lease left: %.1f ms.", story->lease_left);
	say_agent(story, list);
	if (story->side == HG_STORY_TAKER)
		say_taker(story, list);
	if (story->side == HG_STORY_LOSER)
		say_loser(story, list);
	return list;
}

/* --- what to do -------------------------------------------------------------------------- */

static void advise_lateness(const struct hg_story *story, json_t *list)
{
	if (story->steal * BLAME > story->late)
		say(list, "The hypervisor gave this machine's CPU to others: reserve CPU for it "
			  "(shares are not enough), or ask `hagate timers` for a longer lease.");
	else if (story->waited * BLAME > story->late)
		say(list,
		    "Other programs kept the agent from the CPU: look for real-time processes "
		    "(ps -eo cls,rtprio,pid,comm | grep -E 'FF|RR') and for a missing "
		    "real-time priority of hagated (its log at the start).");
	else if (story->has_kernel_lived)
		say(list, "Only the agent stood still, the kernel answered on: was it stopped "
			  "(SIGSTOP, debugger, freezer)? See journalctl -u hagated.");
	else
		say(list,
		    "Nobody here took the CPU: the whole machine stood still (snapshot, "
		    "migration, suspend), or the agent was stopped. See the hypervisor's log.");
}

static void advise_loss(const struct hg_story *story, json_t *list)
{
	if (story->is_late)
		advise_lateness(story, list);
	else
		say(list,
		    "This agent ran on time. Ask %s: `hagate why` there tells what it missed; then "
		    "look at the segments between (`hagate ports`).",
		    hg_story_peer(story));
}

static void advise_silence(const struct hg_story *story, json_t *list)
{
	if (story->heard_again >= 0)
		say(list,
		    "%s lives: it was paused, starved or cut off for a while. `hagate why` there "
		    "tells which; `hagate timers` tells whether the lease is too short.",
		    hg_story_peer(story));
	else
		say(list,
		    "%s is off, has crashed, or all segments between the nodes are cut: look at its "
		    "console, then at `hagate ports` here.",
		    hg_story_peer(story));
}

static void advise(const struct hg_story *story, json_t *list)
{
	const char *peer = hg_story_peer(story);

	switch (advice_of[story->key->why]) {
	case ADVISE_SILENCE:
		advise_silence(story, list);
		return;
	case ADVISE_HUNG:
		say(list,
		    "The agent of %s hung or died while its kernel lived. There: systemctl status "
		    "hagated; journalctl -u hagated -n 50.",
		    peer);
		return;
	case ADVISE_LOSS:
		advise_loss(story, list);
		return;
	case ADVISE_ALONE:
		say(list,
		    "No grants came: %s is off, or all segments to it are cut. See `hagate ports` on "
		    "both.%s",
		    peer,
		    story->key->why == HG_WHY_WITNESS_LOST
			    ? " Nor did the witness answer: see `hagate status`."
			    : "");
		return;
	case ADVISE_HEALTH:
		say(list, "A fault on the node that let go: see its `hagate status`.");
		return;
	case ADVISE_CONSENT:
		say(list,
		    "%s asked for it: `hagate why` there tells whether it was an operator or its "
		    "health.",
		    peer);
		return;
	case ADVISE_PLANNED:
		say(list, "Planned: nothing.");
		return;
	case ADVISE_NOBODY:
		say(list, "Nobody took over: see `hagate status` on %s.", peer);
		return;
	case ADVISE_NOTHING:
		say(list, "Nothing.");
		return;
	}
}

json_t *hg_story_advice(const struct hg_story *story)
{
	json_t *list = json_array();

	advise(story, list);
	return list;
}
