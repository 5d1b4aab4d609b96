/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the operator may ask over the control socket (hagate/control.h). */
#include <string.h>

#include "agent.h"
#include "agent/core/view.h"
#include "flight.h"
#include "log.h"

static void on_status(void *context, struct hg_control_request *req, json_t *arguments)
{
	(void)arguments;
	hg_control_reply(req, json_pack("{s:b,s:o}", "ok", 1, "status", hg_status_json(context)));
}

static void on_ports(void *context, struct hg_control_request *req, json_t *arguments)
{
	(void)arguments;
	hg_control_reply(req, json_pack("{s:b,s:o}", "ok", 1, "ports", hg_status_ports(context)));
}

static void on_events(void *context, struct hg_control_request *req, json_t *arguments)
{
	struct hg_agent *agent = context;
	json_t *array;

	if (json_is_true(json_object_get(arguments, "steps"))) {
		hg_flight_on_steps(agent, req, arguments);
		return;
	}
	array = json_array();
	for (uint64_t seq = hg_history_oldest(&agent->history); seq <= agent->history.count; seq++)
		json_array_append_new(array, hg_status_event(hg_history_get(&agent->history, seq)));
	hg_control_lines(req, array, json_is_true(json_object_get(arguments, "follow")));
}

/* Answered by HG_ACT_HANDOVER_DONE, at once or later. */
static void wait_handover(struct hg_agent *agent, struct hg_control_request *req,
			  enum hg_elect_event_type type)
{
	agent->handover = req;
	agent->handover_epoch = hg_view_holds(agent->elect.state) ? agent->elect.epoch : 0;
	agent->handed_at.ns = 0;
	hg_elector_event(agent, type);
}

static void on_handover(void *context, struct hg_control_request *req, json_t *arguments)
{
	struct hg_agent *agent = context;

	(void)arguments;
	if (agent->handover) {
		hg_control_fail(req, "a handover is under way already");
		return;
	}
	if (agent->elect.state != HG_EL_ACTIVE) {
		hg_control_fail(req, "%s does not serve: nothing to hand over%s%s",
				agent->self->name, agent->peer ? "; ask " : "",
				agent->peer ? agent->peer->name : "");
		return;
	}
	hg_agent_note(agent, HG_HISTORY_OPERATOR, "handover asked for by uid %u",
		      hg_control_asker(req).uid);
	wait_handover(agent, req, HG_EV_HANDOVER);
}

static void on_maintenance(void *context, struct hg_control_request *req, json_t *arguments)
{
	struct hg_agent *agent = context;
	json_t *on = json_object_get(arguments, "on");
	struct hg_job job = { .type = HG_JOB_STORE_FLAG, .is_on = json_is_true(on) };

	if (!json_is_boolean(on)) {
		hg_control_fail(req, "maintenance: \"on\" must be true or false");
		return;
	}
	if (job.is_on && agent->handover) {
		hg_control_fail(req, "a handover is under way already");
		return;
	}
	/* A holder that could not hand over yet tries again. */
	if (job.is_on == agent->elect.is_maintenance && agent->elect.state != HG_EL_ACTIVE &&
	    agent->elect.state != HG_EL_RELEASING) {
		hg_control_done(req, "maintenance is %s already", job.is_on ? "on" : "off");
		return;
	}
	hg_agent_note(agent, HG_HISTORY_OPERATOR, "maintenance %s by uid %u",
		      job.is_on ? "on" : "off", hg_control_asker(req).uid);
	hg_agent_submit(agent, &job);
	if (job.is_on) {
		wait_handover(agent, req, HG_EV_MAINTENANCE_ON);
		return;
	}
	hg_elector_event(agent, HG_EV_MAINTENANCE_OFF);
	hg_control_done(req, "maintenance is off");
}

static void on_reload(void *context, struct hg_control_request *req, json_t *arguments)
{
	(void)arguments;
	hg_reload_start(context, req);
}

static void on_version(void *context, struct hg_control_request *req, json_t *arguments)
{
	(void)context;
	(void)arguments;
	hg_control_reply(req, json_pack("{s:b,s:s}", "ok", 1, "version", HG_VERSION));
}

const struct hg_control_command hg_commands[] = {
	{ "status", false, on_status },
	{ "ports", false, on_ports },
	{ "mac-test", true, hg_mac_on_test },
	{ "events", false, on_events },
	{ "handover", true, on_handover },
	{ "maintenance", true, on_maintenance },
	{ "reload", true, on_reload },
	{ "filter-show", false, hg_filter_on_show },
	{ "filter-block", true, hg_filter_on_block },
	{ "filter-unblock", true, hg_filter_on_unblock },
	{ "filter-blocked", false, hg_filter_on_blocked },
	{ "filter-trace", false, hg_filter_on_trace },
	{ "sync", true, hg_sync_on_report },
	{ "timers", false, hg_timers_on_ask },
	{ "why", false, hg_why_on_ask },
	{ "version", false, on_version },
	{ NULL, false, NULL },
};
