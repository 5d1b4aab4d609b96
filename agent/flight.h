/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the agent remembers of itself: the flight recorder round each step, how well time
 * was kept, and the commands that read both. Part of the loop: nothing here blocks,
 * makes text or takes memory at record time; what reads it runs in a task (task.h), on the
 * child's copy.
 */
#ifndef HG_FLIGHT_H
#define HG_FLIGHT_H

#include "agent/agent.h"
#include "agent/cpu.h"
#include "agent/recorder.h"
#include "agent/story.h"
#include "agent/timing.h"

#define HG_FLIGHT_CPU_SAMPLES 128 /* one a second, and one soon after a late tick */

struct hg_flight {
	struct hg_recorder recorder;
	struct hg_time due; /* when a step is due at the latest; elector.c */
	struct hg_span late; /* of the step under way */
	struct hg_timing timing;
	struct hg_span interval; /* that `timing` was observed with */
	struct hg_cpu cpu;
	uint64_t cpu_count; /* samples ever taken */
	struct hg_cpu_sample cpu_ring[HG_FLIGHT_CPU_SAMPLES];
	bool is_late; /* since the last sample: look at the CPU soon */
	struct hg_changes changes;
	uint64_t dumped; /* changes at the last dump (dump.h) */
	bool is_dump_final; /* it was made when the episode was over */
};

/* -ENOMEM. Before memory is locked. */
int hg_flight_new(struct hg_flight **ret);
void hg_flight_free(struct hg_flight *flight);

/* Round hg_elect_step(). */
void hg_flight_before_step(struct hg_agent *agent, struct hg_time now);
void hg_flight_after_step(struct hg_agent *agent, const struct hg_elect_event *ev,
			  const struct hg_actions *actions);

/* Ten times a second: samples that are due. */
void hg_flight_slow_tick(struct hg_agent *agent);

/* `timers` in the status; a new reference. */
json_t *hg_flight_status(const struct hg_agent *agent);

/* why.c */
void hg_why_on_ask(void *context, struct hg_control_request *req, json_t *arguments);

/* timers.c */
void hg_timers_on_ask(void *context, struct hg_control_request *req, json_t *arguments);

/* `events` with "steps": a line each (recorder_json.h). */
void hg_flight_on_steps(struct hg_agent *agent, struct hg_control_request *req, json_t *arguments);

#endif
