// SPDX-License-Identifier: GPL-2.0-or-later
/* See flight.h. */
#include "agent/flight.h"

#include <errno.h>
#include <stdlib.h>

#include "agent/dump.h"
#include "agent/recorder_json.h"

#define HOUR_S 3600

int hg_flight_new(struct hg_flight **ret)
{
	struct hg_flight *flight = calloc(1, sizeof(*flight));

	if (!flight)
		return -ENOMEM;
	hg_cpu_open(&flight->cpu);
	*ret = flight;
	return 0;
}

void hg_flight_free(struct hg_flight *flight)
{
	if (flight)
		hg_cpu_close(&flight->cpu);
	free(flight);
}

static void sample_cpu(struct hg_flight *flight, struct hg_time now)
{
	const struct hg_cpu_sample *last;
	struct hg_cpu_sample *sample;

	last = &flight->cpu_ring[(flight->cpu_count - 1) % HG_FLIGHT_CPU_SAMPLES];
	sample = &flight->cpu_ring[flight->cpu_count % HG_FLIGHT_CPU_SAMPLES];
	hg_cpu_read(&flight->cpu, now, sample);
	if (flight->cpu_count && sample->steal_ns >= last->steal_ns)
		hg_timing_add(&flight->timing, HG_TIMING_STEAL,
			      (sample->steal_ns - last->steal_ns) / flight->cpu.cpus);
	flight->cpu_count++;
	flight->is_late = false;
}

static void sample_rtt(struct hg_agent *agent)
{
	for (unsigned int slot = 0; slot < agent->port_count; slot++) {
		uint64_t rtt = agent->maps.path[slot].rtt;

		if (rtt && hg_port_is_peer_heard(agent, slot))
			hg_timing_add(&agent->flight->timing, HG_TIMING_RTT, rtt);
	}
}

void hg_flight_slow_tick(struct hg_agent *agent)
{
	struct hg_flight *flight = agent->flight;
	struct hg_span interval = agent->setup->cluster.interval;
	struct hg_time now = hg_now();

	if (flight->interval.ns != interval.ns) {
		flight->interval = interval;
		hg_timing_reset(&flight->timing, now);
		hg_timing_look(&flight->timing, agent->maps.gap, agent->setup->cluster.lease);
	}
	hg_dump_slow_tick(agent);
	if (hg_time_before(now, flight->timing.second)) {
		if (flight->is_late)
			sample_cpu(flight, now);
		return;
	}
	hg_timing_look(&flight->timing, agent->maps.gap, agent->setup->cluster.lease);
	sample_rtt(agent);
	sample_cpu(flight, now);
	hg_timing_turn(&flight->timing, now);
}

static json_t *json_ms(uint64_t ns)
{
	return json_real((double)(ns / 10000) / 100);
}

json_t *hg_flight_status(const struct hg_agent *agent)
{
	const struct hg_timing *timing = &agent->flight->timing;
	struct hg_span lease = agent->setup->cluster.lease;
	bool is_holder = agent->elect.state == HG_EL_ACTIVE ||
			 agent->elect.state == HG_EL_RELEASING;
	uint64_t gap = hg_timing_longest(timing, is_holder ? HG_TIMING_GRANT : HG_TIMING_REQUEST);
	uint64_t seconds = hg_time_since(timing->second, timing->began).ns / 1000000000;

	return json_pack("{s:o,s:o,s:s,s:o,s:o,s:o,s:I}", "interval_ms",
			 json_ms(agent->setup->cluster.interval.ns), "lease_ms", json_ms(lease.ns),
			 "gaps_of", is_holder ? "grants" : "requests", "longest_gap_ms",
			 gap ? json_ms(gap) : json_null(), "least_left_ms",
			 gap ? json_ms(gap < lease.ns ? lease.ns - gap : 0) : json_null(),
			 "agent_late_ms", json_ms(hg_timing_longest(timing, HG_TIMING_LATE)),
			 "window_s", (json_int_t)(seconds < HOUR_S ? seconds : HOUR_S));
}

/* Whatever wakes the agent first after a pause, a frame or the timer: what was due before
 * is late. */
void hg_flight_before_step(struct hg_agent *agent, struct hg_time now)
{
	struct hg_flight *flight = agent->flight;

	hg_recorder_begin(&flight->recorder, &agent->elect);
	flight->late.ns = 0;
	if (!flight->due.ns || hg_time_before(now, flight->due))
		return;
	flight->late = hg_time_since(now, flight->due);
	flight->due.ns = 0; /* told once */
	if (!flight->interval.ns)
		return; /* not before the first slow tick */
	hg_timing_add(&flight->timing, HG_TIMING_LATE, flight->late.ns);
	flight->is_late |= flight->late.ns > flight->interval.ns;
}

/* The newest by the sender's clock: what was heard last. */
static uint8_t newest_type(const volatile struct hg_path *path)
{
	uint64_t newest = 0;
	uint8_t type = 0;

	for (unsigned int session = 0; session < 2; session++) {
		for (unsigned int i = 0; i < HG_WIRE_TYPES; i++) {
			if (path->seq[session][i] <= newest)
				continue;
			newest = path->seq[session][i];
			type = i;
		}
	}
	return type;
}

/* What only this moment knows. */
static void note_change(struct hg_agent *agent, const struct hg_record *step)
{
	struct hg_changes *changes = &agent->flight->changes;
	struct hg_change *change = &changes->list[changes->count % HG_CHANGES];
	const struct hg_obs *obs = &step->event.obs;

	*change = (struct hg_change){
		.step = agent->flight->recorder.count - 1,
		.at = step->event.now,
		.from = step->from,
		.to = step->state,
		.why = step->why,
		.epoch = step->epoch,
		.fence_epoch = obs->fence_epoch,
		.fenced_at = agent->maps.state->fenced_at,
		.lease_until = obs->lease_until.ns,
		.last_grant = obs->last_grant.ns,
		.request = obs->request.ns,
		.request_epoch = obs->request_epoch,
		.agent_age = obs->agent_age.ns,
	};
	clock_gettime(CLOCK_REALTIME, &change->wall);
	for (unsigned int slot = 0; slot < agent->port_count; slot++) {
		change->heard[slot] = agent->maps.path[slot].heard;
		change->heard_type[slot] = newest_type(&agent->maps.path[slot]);
	}
	changes->count++;
}

void hg_flight_after_step(struct hg_agent *agent, const struct hg_elect_event *ev,
			  const struct hg_actions *actions)
{
	struct hg_flight *flight = agent->flight;

	const struct hg_record *step;

	hg_recorder_end(&flight->recorder, &agent->elect, ev, actions, flight->late);
	step = hg_recorder_step(&flight->recorder, flight->recorder.count - 1);
	if (step->why != HG_WHY_NONE)
		note_change(agent, step);
}

/* In a task. The client may leave at any line. */
static json_t *send_steps(struct hg_task *task, void *context, json_t *arguments)
{
	const struct hg_agent *agent = context;
	const struct hg_recorder *recorder = &agent->flight->recorder;
	uint64_t number = hg_recorder_oldest(recorder);
	const struct hg_elect *before = hg_recorder_before(recorder, number);
	int err;

	(void)arguments;
	if (!before)
		return hg_task_fail("no step is recorded yet");
	err = hg_task_line(task, hg_recorder_snapshot_to_json(before));
	for (; !err && number < recorder->count; number++)
		err = hg_task_line(task,
				   hg_recorder_step_to_json(hg_recorder_step(recorder, number)));
	return NULL;
}

void hg_flight_on_steps(struct hg_agent *agent, struct hg_control_request *req, json_t *arguments)
{
	if (json_is_true(json_object_get(arguments, "follow")))
		hg_control_fail(req, "steps cannot be followed: ask again");
	else
		hg_task_start(&agent->tasks, req, send_steps, agent, arguments);
}
