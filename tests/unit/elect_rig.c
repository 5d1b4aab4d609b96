/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See elect_rig.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "elect_rig.h"

static const char *const why_name[] = {
#define X(id, name, text) name,
	HG_TRANSITION_REASONS(X)
#undef X
};

struct hg_time rig_ms(double ms)
{
	return (struct hg_time){ (uint64_t)(ms * 1e6 + 0.5) };
}

void rig_init(struct rig *rig)
{
	memset(rig, 0, sizeof(*rig));
	rig->config = (struct hg_elect_config){
		.node = 1,
		.priority = 100,
		.mode = HG_MODE_MEMBER,
		.isolation = HG_ISOLATION_CONTINUE,
		.has_peer = true,
		.is_failback = true,
		.failback_delay = HG_MS(500),
		.interval = HG_MS(5),
		.lease = HG_MS(20),
		.hello = HG_MS(100),
		.agent_grace = HG_MS(2000),
		.drain = HG_MS(1000),
		.margin = { 200000 },
		.drift_ppm = 10000,
		.handover_timeout = HG_MS(1000),
	};
	rig->peer = (struct hg_elect_hello){ .node = 2, .priority = 100, .health = 100 };
	rig->now = rig_ms(1000);
	rig->asked.type = HG_ACTS;
	hg_elect_init(&rig->el);
}

static void write_journal(struct rig *rig, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(rig->journal + rig->length, sizeof(rig->journal) - rig->length, format, args);
	va_end(args);
	rig->length += n;
	assert_true(rig->length < sizeof(rig->journal));
}

static void on_frame(struct rig *rig, const struct hg_action *act)
{
	if (act->type == HG_ACT_SEND_PROBE && rig->is_holder_heard)
		rig_request(rig, rig->obs.fence_epoch);
	if (act->type == HG_ACT_SEND_REQUEST && rig->is_granted &&
	    rig->now.ns < rig->obs.lease_until.ns)
		rig->obs.lease_until = hg_time_add(rig->now, rig->config.lease);
}

/* Does to the observation what the shell and the data path would do. */
static void apply(struct rig *rig, const struct hg_action *act)
{
	switch (act->type) {
	case HG_ACT_CLAIM_EPOCH:
		rig->obs.lease_until.ns = 0;
		rig->obs.epoch = act->epoch;
		break;
	case HG_ACT_SERVE:
		rig->obs.lease_until = act->until;
		break;
	case HG_ACT_RENEW:
		if (rig->now.ns < rig->obs.lease_until.ns &&
		    rig->obs.lease_until.ns < act->until.ns)
			rig->obs.lease_until = act->until;
		break;
	case HG_ACT_RELEASE_EPOCH:
		rig->obs.epoch = 0;
		rig->obs.lease_until.ns = 0;
		break;
	case HG_ACT_SEND_PROBE:
	case HG_ACT_SEND_REQUEST:
		on_frame(rig, act);
		break;
	case HG_ACT_SEND_WITNESS:
		rig->asked = *act;
		rig->asked_at = rig->now;
		break;
	case HG_ACT_SEND_CLAIM:
	case HG_ACT_SEND_HELLO:
	case HG_ACT_ANNOUNCE:
	case HG_ACT_ADDRESSES_ADD:
	case HG_ACT_ADDRESSES_REMOVE:
	case HG_ACT_TRANSITION:
	case HG_ACT_HANDOVER_DONE:
	case HG_ACTS:
		break;
	}
}

static double to_ms(struct hg_time t)
{
	return t.ns / 1e6;
}

static void write_action(struct rig *rig, const struct hg_action *act)
{
	switch (act->type) {
	case HG_ACT_CLAIM_EPOCH:
		write_journal(rig, " epoch=%#llx", (unsigned long long)act->epoch);
		break;
	case HG_ACT_SERVE:
		write_journal(rig, " serve<%.3f", to_ms(act->until));
		break;
	case HG_ACT_RENEW:
		write_journal(rig, " renew<%.3f", to_ms(act->until));
		break;
	case HG_ACT_RELEASE_EPOCH:
		write_journal(rig, " release");
		break;
	case HG_ACT_ANNOUNCE:
		write_journal(rig, " announce");
		break;
	case HG_ACT_ADDRESSES_ADD:
		write_journal(rig, " add");
		break;
	case HG_ACT_ADDRESSES_REMOVE:
		write_journal(rig, " remove");
		break;
	case HG_ACT_TRANSITION:
		write_journal(rig, " %s>%s:%s", hg_elect_state_name(act->transition.from),
			      hg_elect_state_name(act->transition.to),
			      why_name[act->transition.why]);
		break;
	case HG_ACT_HANDOVER_DONE:
		write_journal(rig, " %s:%s", act->done.is_ok ? "done" : "refused",
			      why_name[act->done.why]);
		break;
	case HG_ACT_SEND_CLAIM:
		write_journal(rig, " CLAIM");
		break;
	case HG_ACT_SEND_PROBE:
		write_journal(rig, " PROBE");
		break;
	case HG_ACT_SEND_REQUEST:
		write_journal(rig, " REQUEST");
		break;
	case HG_ACT_SEND_HELLO:
		write_journal(rig, " HELLO");
		break;
	case HG_ACT_SEND_WITNESS:
		write_journal(rig, " ask=%#llx/%g", (unsigned long long)act->ask.epoch,
			      act->ask.lease.ns / 1e6);
		break;
	case HG_ACTS:
		break;
	}
}

static bool is_frame(enum hg_action_type type)
{
	return type == HG_ACT_SEND_CLAIM || type == HG_ACT_SEND_PROBE ||
	       type == HG_ACT_SEND_REQUEST || type == HG_ACT_SEND_HELLO;
}

static void carry_out(struct rig *rig, const struct hg_actions *actions)
{
	bool is_open = false;

	for (unsigned int i = 0; i < actions->count; i++) {
		const struct hg_action *act = &actions->list[i];

		apply(rig, act);
		if (is_frame(act->type) && !rig->has_frames)
			continue;
		if (!is_open)
			write_journal(rig, "%.3f", to_ms(rig->now));
		is_open = true;
		write_action(rig, act);
	}
	if (is_open)
		write_journal(rig, "\n");
}

static void step(struct rig *rig, struct hg_elect_event *ev)
{
	struct hg_actions actions;

	do {
		ev->now = rig->now;
		ev->obs = rig->obs;
		hg_elect_step(&rig->el, ev, &actions);
		rig->steps++;
		carry_out(rig, &actions);
		*ev = (struct hg_elect_event){ .type = HG_EV_TICK };
	} while (actions.again);
	if (rig->witness != RIG_WITNESS_MUTE && rig->asked.type == HG_ACT_SEND_WITNESS &&
	    rig->asked_at.ns == rig->now.ns)
		rig_witness(rig, rig->witness == RIG_WITNESS_GRANTS, 0);
}

void rig_witness(struct rig *rig, bool is_granted, double ms)
{
	struct hg_elect_event ev = { .type = HG_EV_WITNESS };

	ev.witness = (struct hg_elect_witness){
		.is_granted = is_granted,
		.epoch = is_granted ? rig->asked.ask.epoch : rig->witness_epoch,
		.stamp = { rig->now.ns - rig_ms(ms).ns },
		.lease = rig->asked.ask.lease,
	};
	rig->asked.type = HG_ACTS;
	step(rig, &ev);
}

void rig_event(struct rig *rig, enum hg_elect_event_type type)
{
	struct hg_elect_event ev = { .type = type };

	if (type == HG_EV_START || type == HG_EV_CONFIG)
		ev.config = rig->config;
	if (type == HG_EV_HELLO)
		ev.hello = rig->peer;
	if (type == HG_EV_HEALTH)
		ev.self.is_fit = true;
	if (type == HG_EV_START)
		ev.epoch_counter = 5;
	step(rig, &ev);
}

void rig_start(struct rig *rig)
{
	rig_event(rig, HG_EV_START);
}

void rig_health(struct rig *rig, uint8_t health, bool is_fit)
{
	struct hg_elect_event ev = { .type = HG_EV_HEALTH };

	ev.self.health = health;
	ev.self.is_fit = is_fit;
	ev.self.is_unsynced = rig->is_unsynced;
	step(rig, &ev);
}

void rig_learn(struct rig *rig, bool is_learning)
{
	struct hg_elect_event ev = { .type = HG_EV_LEARN, .is_learning = is_learning };

	step(rig, &ev);
}

void rig_hello(struct rig *rig, enum hg_role role)
{
	rig->peer.role = role;
	rig->obs.heard = rig->now;
	rig_event(rig, HG_EV_HELLO);
}

void rig_sleep(struct rig *rig, double ms)
{
	rig->now.ns += rig_ms(ms).ns;
}

void rig_run(struct rig *rig, double ms)
{
	struct hg_time end = rig_ms(ms), due;

	for (;;) {
		due = hg_elect_deadline(&rig->el, &rig->obs);
		if (due.ns > end.ns)
			break;
		if (rig->now.ns < due.ns)
			rig->now = due;
		rig_event(rig, HG_EV_TICK);
		assert_true(hg_elect_deadline(&rig->el, &rig->obs).ns > rig->now.ns);
	}
	rig->now = end;
}

void rig_request(struct rig *rig, uint64_t epoch)
{
	rig->obs.request = rig->now;
	rig->obs.heard = rig->now;
	rig->obs.last_grant = rig->now;
	rig->obs.request_epoch = epoch;
	rig->obs.fence_epoch = epoch;
}

void rig_fenced(struct rig *rig)
{
	rig->obs.fenced_epoch = rig->obs.epoch;
	rig->obs.fenced_stamp = rig->now;
	rig->obs.heard = rig->now;
	rig_event(rig, HG_EV_TICK);
}

void rig_compare(struct rig *rig, const char *text, const char *file, int line)
{
	if (strcmp(rig->journal, text))
		fail_msg("%s:%d: the journal says\n%sand should say\n%s", file, line, rig->journal,
			 text);
	rig->length = 0;
	rig->journal[0] = '\0';
}

static void into_active(struct rig *rig, bool is_releasing)
{
	rig_start(rig);
	rig_hello(rig, HG_ROLE_LISTEN);
	rig_run(rig, 1036);
	rig_fenced(rig);
	rig->is_granted = true;
	rig_hello(rig, HG_ROLE_STANDBY);
	if (is_releasing)
		rig_event(rig, HG_EV_HANDOVER);
}

void rig_into(struct rig *rig, enum hg_elect_state state)
{
	switch (state) {
	case HG_EL_OFF:
		break;
	case HG_EL_BLANK:
	case HG_EL_LEARNER:
		rig->config.mode = HG_MODE_JOIN;
		rig_start(rig);
		if (state == HG_EL_LEARNER)
			rig_learn(rig, true);
		break;
	case HG_EL_LISTEN:
		rig_start(rig);
		break;
	case HG_EL_STANDBY:
		rig_start(rig);
		rig_sleep(rig, 1);
		rig->is_holder_heard = true;
		rig_request(rig, 0x302);
		rig_event(rig, HG_EV_TICK);
		rig_hello(rig, HG_ROLE_ACTIVE);
		break;
	case HG_EL_CLAIMING:
		rig_start(rig);
		rig_hello(rig, HG_ROLE_LISTEN);
		rig_run(rig, 1036);
		break;
	case HG_EL_ACTIVE:
	case HG_EL_RELEASING:
		into_active(rig, state == HG_EL_RELEASING);
		break;
	case HG_EL_DRAINING:
		into_active(rig, false);
		rig_request(rig, 0x10002);
		rig->obs.drain_until = hg_time_add(rig->now, rig->config.drain);
		rig->is_holder_heard = true;
		rig_event(rig, HG_EV_TICK);
		break;
	case HG_EL_MAINTENANCE:
		rig_start(rig);
		rig_event(rig, HG_EV_MAINTENANCE_ON);
		break;
	case HG_EL_FAULT:
		rig_start(rig);
		rig_health(rig, 40, false);
		break;
	case HG_EL_STATES:
		break;
	}
	assert_int_equal(rig->el.state, state);
	rig->el.back_at.ns = 0;
	rig->length = 0;
	rig->journal[0] = '\0';
}
