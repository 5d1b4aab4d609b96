/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The step: learn the facts, decide, commit. Only commit() changes the state of the
 * election, and it alone gives actions, in one fixed order:
 *
 *   RELEASE_EPOCH  CLAIM_EPOCH | SEND_CLAIM SERVE ANNOUNCE ADDRESSES_ADD | RENEW
 *   ADDRESSES_REMOVE  PROBE or REQUEST  WITNESS  HELLO  TRANSITION  HANDOVER_DONE
 *
 * Timers, all of them deadlines in struct hg_elect or computed in view.c:
 *   next_send      an interval: PROBE, CLAIM or REQUEST, whatever the state sends
 *   next_hello     a HELLO period; an interval while RELEASING
 *   listened, silence, safe, give-up, patience (view.c)
 *   half lease     a holder that may renew its own lease, or ask the witness, does so
 *                  from here
 *   next_ask       the witness, as long as it is wanted (view.c)
 *   release_until  a holder that nobody relieved serves on
 *   better_since + failback_delay
 *   drain_until    the data path's (struct hg_obs)
 */
#include <string.h>

#include "decide.h"
#include "learn.h"
#include "table.h"
#include "view.h"

void hg_elect_init(struct hg_elect *el)
{
	memset(el, 0, sizeof(*el));
}

static void add(struct hg_actions *out, struct hg_action action)
{
	if (out->count < HG_ACTIONS_MAX)
		out->list[out->count++] = action;
}

static void add_type(struct hg_actions *out, enum hg_action_type type)
{
	add(out, (struct hg_action){ .type = type });
}

static void add_epoch(struct hg_actions *out, enum hg_action_type type, uint64_t epoch)
{
	add(out, (struct hg_action){ .type = type, .epoch = epoch });
}

static void add_until(struct hg_actions *out, enum hg_action_type type, struct hg_time until)
{
	add(out, (struct hg_action){ .type = type, .until = until });
}

static enum hg_action_type frame_of(enum hg_elect_state state)
{
	if (hg_view_holds(state))
		return HG_ACT_SEND_REQUEST;
	return state == HG_EL_CLAIMING ? HG_ACT_SEND_CLAIM : HG_ACT_SEND_PROBE;
}

/* The mutator: every field that belongs to being in a state is set here. */
static void enter(struct hg_elect *el, const struct hg_decision *d)
{
	enum hg_elect_state from = el->state;

	el->why = d->why;
	if (d->why == HG_WHY_ISOLATED || d->why == HG_WHY_WITNESSED || d->why == HG_WHY_REJOINED)
		el->is_alone = d->why != HG_WHY_REJOINED;
	if (d->next == from)
		return;
	el->state = d->next;
	el->since = el->now;
	if (d->why == HG_WHY_HEARD_HOLDER)
		el->back_at = el->now;
	el->better_since.ns = 0;
	el->is_consenting = el->state == HG_EL_RELEASING;
	if (frame_of(from) != frame_of(el->state))
		el->next_send = el->now;
	if (el->state == HG_EL_RELEASING) {
		el->release_why = d->why;
		el->release_until = hg_time_add(el->now, el->config.handover_timeout);
	}
	if (from == HG_EL_RELEASING)
		el->release_after = hg_time_add(el->now, el->config.handover_timeout);
	if (!hg_view_holds(el->state)) {
		el->is_alone = false;
		el->alone_since.ns = 0;
	}
	/* Silence is counted from here, but for a holder that is listened to already. */
	if (!hg_view_holds(el->state) && d->why != HG_WHY_HEARD_HOLDER &&
	    d->why != HG_WHY_DRAINED) {
		el->silent_since = el->now;
		el->probes_unanswered = 0;
	}
}

static void commit_adoption(struct hg_elect *el, const struct hg_obs *obs, struct hg_actions *out)
{
	el->renewed_until = obs->lease_until;
	el->served_epoch = el->epoch;
	el->is_alone = !el->config.has_peer;
	el->alone_since = el->now;
	el->is_bound = el->config.has_peer && hg_view_is_promising(el) && hg_view_is_short(el, obs);
	el->release_after.ns = 0;
	add_type(out, HG_ACT_ANNOUNCE);
	add_type(out, HG_ACT_ADDRESSES_ADD);
}

static void commit_epoch(struct hg_elect *el, enum hg_elect_state from, bool is_succession,
			 struct hg_actions *out)
{
	uint64_t epoch = hg_view_next_epoch(el);

	if (el->epoch && !hg_view_owns_epoch(el->state)) {
		el->epoch = 0;
		el->is_bound = false;
		add_type(out, HG_ACT_RELEASE_EPOCH);
	}
	if (el->state != HG_EL_CLAIMING || from == HG_EL_CLAIMING)
		return;
	el->epoch = epoch;
	el->epoch_counter = hg_epoch_counter(epoch) + 1;
	el->epoch_seen = epoch;
	el->is_claim_sent = false;
	/* Where no holder's lease is to be waited out, another node may be claiming as
	 * well: leave its CLAIM the time to be heard. The witness grants one of them only. */
	el->alone_after.ns = 0;
	if (el->config.has_peer && !is_succession && !hg_view_has_grant(el, epoch))
		el->alone_after = hg_time_add(el->now, hg_view_times(el->config.interval, 2));
	add_epoch(out, HG_ACT_CLAIM_EPOCH, el->epoch);
	out->again = true;
}

static void commit_serve(struct hg_elect *el, const struct hg_decision *d, struct hg_actions *out)
{
	if (el->config.has_peer && !el->is_claim_sent)
		add_epoch(out, HG_ACT_SEND_CLAIM, el->epoch);
	el->served_epoch = el->epoch;
	el->renewed_until = d->until;
	el->release_after.ns = 0;
	el->is_alone = d->is_waited;
	el->alone_since.ns = d->is_waited ? el->now.ns : 0;
	if (!d->is_waited) {
		el->is_bound = hg_view_is_promising(el);
		el->standing_epoch = 0;
	}
	add_until(out, HG_ACT_SERVE, d->until);
	add_type(out, HG_ACT_ANNOUNCE);
	add_type(out, HG_ACT_ADDRESSES_ADD);
	el->has_addresses = true;
}

static void commit_lease(struct hg_elect *el, const struct hg_decision *d, struct hg_actions *out)
{
	if (d->has_serve)
		commit_serve(el, d, out);
	if (d->has_renew) {
		el->renewed_until = d->until;
		if (!el->alone_since.ns)
			el->alone_since = el->now;
		add_until(out, HG_ACT_RENEW, d->until);
	}
	if (el->has_addresses && !hg_view_owns_epoch(el->state) && el->state != HG_EL_DRAINING) {
		el->has_addresses = false;
		add_type(out, HG_ACT_ADDRESSES_REMOVE);
	}
}

/* The next point of a regular timer that lies ahead. */
static struct hg_time advance(struct hg_time due, struct hg_time now, struct hg_span period)
{
	struct hg_time next = hg_time_add(due, period);

	return hg_time_before(now, next) ? next : hg_time_add(now, period);
}

static void commit_frames(struct hg_elect *el, struct hg_actions *out)
{
	enum hg_action_type type = frame_of(el->state);

	/* A claim follows its withdrawal in a step of its own. */
	if (el->state == HG_EL_OFF || out->again || hg_time_before(el->now, el->next_send))
		return;
	el->next_send = advance(el->next_send, el->now, el->config.interval);
	if (type == HG_ACT_SEND_CLAIM)
		el->is_claim_sent = el->config.has_peer;
	if (type == HG_ACT_SEND_PROBE && !el->is_late && el->probes_unanswered < UINT32_MAX)
		el->probes_unanswered++;
	if (el->config.has_peer)
		add_epoch(out, type, type == HG_ACT_SEND_CLAIM ? el->epoch : 0);
}

static void commit_ask(struct hg_elect *el, const struct hg_obs *obs, struct hg_actions *out)
{
	struct hg_action ask = { .type = HG_ACT_SEND_WITNESS };

	if (out->again || !hg_view_wants_witness(el, obs) || hg_time_before(el->now, el->next_ask))
		return;
	el->next_ask = hg_time_add(el->now, hg_view_ask_again(el));
	ask.ask.epoch = hg_view_owns_epoch(el->state) ? el->epoch : hg_view_next_epoch(el);
	ask.ask.lease = hg_view_own_lease(el, obs);
	add(out, ask);
}

static void commit_hello(struct hg_elect *el, bool is_news, struct hg_actions *out)
{
	struct hg_span period = el->config.hello;

	if (el->state == HG_EL_RELEASING)
		period = el->config.interval;
	if (!is_news && (el->state == HG_EL_OFF || hg_time_before(el->now, el->next_hello)))
		return;
	el->next_hello = hg_time_add(el->now, period);
	if (el->config.has_peer)
		add_type(out, HG_ACT_SEND_HELLO);
}

static void commit_answer(struct hg_elect *el, const struct hg_decision *d, struct hg_actions *out)
{
	bool is_over = el->has_waiter && el->state != HG_EL_RELEASING;
	struct hg_action done = { .type = HG_ACT_HANDOVER_DONE };

	if (d->has_answer) {
		done.done.is_ok = d->is_ok;
		done.done.why = d->answer;
	} else if (is_over) {
		done.done.is_ok = d->is_handed_over;
		done.done.why = el->why;
	} else {
		return;
	}
	el->has_waiter = false;
	add(out, done);
}

static void commit(struct hg_elect *el, const struct hg_decision *d, const struct hg_obs *obs,
		   struct hg_actions *out)
{
	enum hg_elect_state from = el->state;
	bool is_news = d->why != HG_WHY_NONE;
	bool is_succession = hg_view_is_succession(el, obs, d->why);

	if (is_news)
		enter(el, d);
	if (d->is_waiting)
		el->has_waiter = true;
	commit_epoch(el, from, is_succession, out);
	if (d->why == HG_WHY_ADOPTED)
		commit_adoption(el, obs, out);
	commit_lease(el, d, out);
	/* Hosts beyond the partition may know another MAC, and were not told of this one. */
	if (d->why == HG_WHY_REJOINED || (el->is_reunited && hg_view_holds(el->state)))
		add_type(out, HG_ACT_ANNOUNCE);
	commit_frames(el, out);
	commit_ask(el, obs, out);
	commit_hello(el, is_news, out);
	if (is_news)
		add(out, (struct hg_action){ .type = HG_ACT_TRANSITION,
					     .transition = { from, el->state, d->why } });
	commit_answer(el, d, out);
}

void hg_elect_step(struct hg_elect *el, const struct hg_elect_event *ev,
		   struct hg_actions *ret_actions)
{
	enum hg_duty duty = hg_table_duty(el->state, ev->type);
	struct hg_decision decision;

	ret_actions->count = 0;
	ret_actions->again = false;
	if (duty == HG_DUTY_IGNORE || duty == HG_DUTY_UNDEFINED)
		return;
	hg_learn_event(el, ev);
	decision = hg_decide(el, ev);
	commit(el, &decision, &ev->obs, ret_actions);
}

/* The earlier of `due` and `t`, where t still lies ahead: what lies behind has been
 * looked at in the last step and waits for something else to happen. */
static struct hg_time sooner(const struct hg_elect *el, struct hg_time due, struct hg_time t)
{
	return hg_time_before(el->now, t) ? hg_time_min(due, t) : due;
}

static struct hg_time holder_deadline(const struct hg_elect *el, const struct hg_obs *obs,
				      struct hg_time due)
{
	struct hg_time lease = hg_view_lease(el, obs);
	uint64_t half = hg_view_own_lease(el, obs).ns / 2;

	due = sooner(el, due, lease);
	if ((hg_view_may_renew(el) || el->config.has_witness) && lease.ns > half)
		due = sooner(el, due, (struct hg_time){ lease.ns - half });
	if (el->state == HG_EL_RELEASING)
		return sooner(el, due, el->release_until);
	return sooner(el, due, el->release_after);
}

struct hg_time hg_elect_deadline(const struct hg_elect *el, const struct hg_obs *obs)
{
	struct hg_time due = hg_time_min(el->next_send, el->next_hello);

	if (hg_view_wants_witness(el, obs))
		due = sooner(el, due, el->next_ask);
	switch (el->state) {
	case HG_EL_OFF:
		return HG_TIME_NEVER;
	case HG_EL_LISTEN:
		due = sooner(el, due, hg_view_listened_at(el));
		break;
	case HG_EL_STANDBY:
		due = sooner(el, due, hg_view_silence_at(el));
		if (el->better_since.ns)
			due = sooner(el, due,
				     hg_time_add(el->better_since, el->config.failback_delay));
		break;
	case HG_EL_CLAIMING:
		if (hg_view_may_serve_alone(el, el->why))
			return sooner(el, due, hg_view_safe_at(el, obs));
		return sooner(el, due, hg_view_giveup_at(el));
	case HG_EL_ACTIVE:
	case HG_EL_RELEASING:
		return holder_deadline(el, obs, due);
	case HG_EL_DRAINING:
		due = sooner(el, due, hg_view_silence_at(el));
		return sooner(el, due, obs->drain_until);
	case HG_EL_BLANK:
	case HG_EL_LEARNER:
	case HG_EL_MAINTENANCE:
	case HG_EL_FAULT:
	case HG_EL_STATES:
		break;
	}
	return due;
}

enum hg_role hg_elect_role(const struct hg_elect *el)
{
	switch (el->state) {
	case HG_EL_OFF:
		return HG_ROLE_OFF;
	case HG_EL_BLANK:
		return HG_ROLE_BLANK;
	case HG_EL_LEARNER:
		return HG_ROLE_LEARNER;
	case HG_EL_LISTEN:
		return HG_ROLE_LISTEN;
	case HG_EL_STANDBY:
	case HG_EL_CLAIMING:
		return HG_ROLE_STANDBY;
	case HG_EL_ACTIVE:
	case HG_EL_RELEASING:
		return HG_ROLE_ACTIVE;
	case HG_EL_DRAINING:
		return HG_ROLE_DRAINING;
	case HG_EL_MAINTENANCE:
		return HG_ROLE_MAINTENANCE;
	case HG_EL_FAULT:
		return HG_ROLE_FAULT;
	case HG_EL_STATES:
		break;
	}
	return HG_ROLE_OFF;
}

const char *hg_elect_state_name(enum hg_elect_state state)
{
	switch (state) {
	case HG_EL_OFF:
		return "off";
	case HG_EL_BLANK:
		return "blank";
	case HG_EL_LEARNER:
		return "learner";
	case HG_EL_LISTEN:
		return "listen";
	case HG_EL_STANDBY:
		return "standby";
	case HG_EL_CLAIMING:
		return "claiming";
	case HG_EL_ACTIVE:
		return "active";
	case HG_EL_RELEASING:
		return "releasing";
	case HG_EL_DRAINING:
		return "draining";
	case HG_EL_MAINTENANCE:
		return "maintenance";
	case HG_EL_FAULT:
		return "fault";
	case HG_EL_STATES:
		break;
	}
	return "unknown";
}
