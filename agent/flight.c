// SPDX-License-Identifier: GPL-2.0-or-later
/* See flight.h. */
#include "agent/flight.h"

#include <errno.h>
#include <stdlib.h>

#include "agent/recorder_json.h"

int hg_flight_new(struct hg_flight **ret)
{
	struct hg_flight *flight = calloc(1, sizeof(*flight));

	if (!flight)
		return -ENOMEM;
	*ret = flight;
	return 0;
}

void hg_flight_free(struct hg_flight *flight)
{
	free(flight);
}

void hg_flight_on_tick(struct hg_agent *agent, uint64_t due_usec)
{
	agent->flight->late = hg_time_since(hg_now(), (struct hg_time){ due_usec * 1000 });
}

void hg_flight_before_step(struct hg_agent *agent)
{
	hg_recorder_begin(&agent->flight->recorder, &agent->elect);
}

void hg_flight_after_step(struct hg_agent *agent, const struct hg_elect_event *ev,
			  const struct hg_actions *actions)
{
	struct hg_flight *flight = agent->flight;

	hg_recorder_end(&flight->recorder, &agent->elect, ev, actions, flight->late);
	flight->late.ns = 0;
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
