/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * decide(): one function per duty (table.h), one review per state.
 *
 * A review looks at the observation and the clock only, never at which event brought
 * it about: a lost or late timer changes when something is seen, not what follows.
 */
#include "decide.h"
#include "table.h"
#include "view.h"

static struct hg_decision stay(const struct hg_elect *el)
{
	return (struct hg_decision){ .next = el->state };
}

static struct hg_decision go(enum hg_elect_state next, enum hg_why why)
{
	return (struct hg_decision){ .next = next, .why = why };
}

static bool has_come(const struct hg_elect *el, struct hg_time t)
{
	return !hg_time_before(el->now, t);
}

/* Frames under another key, and never one under ours: this node may be the one that
 * has the wrong key, and would serve beside a peer it cannot hear. Later the same sign
 * is worth nothing: anybody can send such frames. */
static bool may_be_deaf(const struct hg_elect *el, const struct hg_obs *obs)
{
	bool is_confirmed = el->has_hello || hg_time_before(el->started_at, obs->heard);

	return obs->is_wrong_key && !is_confirmed;
}

static struct hg_decision review_listen(const struct hg_elect *el, const struct hg_obs *obs)
{
	struct hg_time listened = hg_view_listened_at(el);

	if (!el->is_fit || may_be_deaf(el, obs))
		return go(HG_EL_FAULT, HG_WHY_UNFIT);
	if (hg_time_before(el->since, el->request_at))
		return go(HG_EL_STANDBY, HG_WHY_HEARD_HOLDER);
	if (!has_come(el, listened) || el->probes_unanswered < HG_PROBES_NEEDED)
		return stay(el);
	if (!hg_view_peer_is_fresh(el))
		return hg_view_may_serve_alone(el, HG_WHY_ALONE) ? go(HG_EL_CLAIMING, HG_WHY_ALONE)
								 : stay(el);
	/* A holder whose REQUESTs do not arrive yet: the session is being renewed. */
	if (el->peer.role == HG_ROLE_ACTIVE)
		return stay(el);
	if (hg_view_is_preferred(el) || has_come(el, hg_time_add(listened, hg_view_patience(el))))
		return go(HG_EL_CLAIMING, HG_WHY_ELECTED);
	return stay(el);
}

/* The witness was asked first, and did not answer for a lease: only the peer can now.
 * Or the peer holds nothing by its own word, and will answer. */
static bool is_unwitnessed(const struct hg_elect *el)
{
	struct hg_time silence = hg_view_silence_at(el);

	return hg_view_peer_is_idle(el) || (hg_time_before(el->witness_at, silence) &&
					    has_come(el, hg_time_add(silence, el->config.lease)));
}

/* Why a node that grants should claim now, NONE when it should not. */
static enum hg_why claim_after_silence(const struct hg_elect *el)
{
	struct hg_time silence = hg_view_silence_at(el);

	if (el->probes_unanswered < HG_PROBES_NEEDED)
		return HG_WHY_NONE;
	if (hg_view_peer_is_idle(el) && hg_view_is_preferred(el))
		return HG_WHY_ELECTED;
	if (hg_view_peer_is_idle(el) && !has_come(el, hg_time_add(silence, hg_view_patience(el))))
		return HG_WHY_NONE;
	if (hg_view_may_serve_alone(el, HG_WHY_SILENCE))
		return HG_WHY_SILENCE;
	/* A claim that needs an answer nobody is there to give would end in nothing. */
	if (!hg_view_peer_is_fresh(el))
		return HG_WHY_NONE;
	if (el->config.has_witness && !is_unwitnessed(el))
		return HG_WHY_NONE;
	return HG_WHY_SILENCE;
}

static enum hg_why reason_to_claim(const struct hg_elect *el, const struct hg_obs *obs)
{
	struct hg_span age = hg_time_since(el->now, obs->heard);

	if (has_come(el, hg_view_silence_at(el)))
		return claim_after_silence(el);
	if (obs->agent_age.ns > el->config.agent_grace.ns && age.ns < el->config.lease.ns)
		return HG_WHY_HUNG_AGENT;
	if (hg_view_peer_is_fresh(el) && el->peer.is_consent && el->peer.role == HG_ROLE_ACTIVE &&
	    !hg_time_before(el->hello_at, el->since))
		return HG_WHY_CONSENT;
	if (el->better_since.ns &&
	    has_come(el, hg_time_add(el->better_since, el->config.failback_delay)))
		return HG_WHY_FAILBACK;
	return HG_WHY_NONE;
}

static struct hg_decision review_standby(const struct hg_elect *el, const struct hg_obs *obs)
{
	enum hg_why why;

	if (!el->is_fit)
		return go(HG_EL_FAULT, HG_WHY_UNFIT);
	why = reason_to_claim(el, obs);
	return why == HG_WHY_NONE ? stay(el) : go(HG_EL_CLAIMING, why);
}

static struct hg_decision review_draining(const struct hg_elect *el, const struct hg_obs *obs)
{
	bool is_able = el->is_fit && !el->is_maintenance;

	if (has_come(el, obs->drain_until))
		return go(hg_view_rest(el, HG_EL_STANDBY), HG_WHY_DRAINED);
	/* The new holder may die while hosts still move to it. */
	if (is_able && has_come(el, hg_view_silence_at(el)) &&
	    claim_after_silence(el) != HG_WHY_NONE)
		return go(HG_EL_CLAIMING, claim_after_silence(el));
	return stay(el);
}

static struct hg_decision review_claiming(const struct hg_elect *el, const struct hg_obs *obs)
{
	struct hg_time fenced_until = hg_time_add(obs->fenced_stamp, el->config.lease);
	bool is_planned = el->why == HG_WHY_CONSENT || el->why == HG_WHY_FAILBACK;
	bool may_wait = hg_view_may_serve_alone(el, el->why);
	struct hg_decision d = go(HG_EL_ACTIVE, el->why);

	if (obs->fence_epoch > el->epoch)
		return go(hg_view_rest(el, HG_EL_STANDBY), HG_WHY_OVERRULED);
	if (!el->is_fit)
		return go(HG_EL_FAULT, HG_WHY_UNFIT);
	d.has_serve = true;
	if (obs->fenced_epoch == el->epoch && hg_time_before(el->now, fenced_until)) {
		d.until = fenced_until;
		return d;
	}
	if (may_wait && has_come(el, hg_view_safe_at(el, obs))) {
		d.is_waited = true;
		d.until = el->config.has_witness ? el->witness_until
						 : hg_time_add(el->now, el->config.lease);
		return d;
	}
	if (!may_wait && has_come(el, hg_view_giveup_at(el)))
		return go(is_planned ? HG_EL_STANDBY : HG_EL_LISTEN, HG_WHY_UNANSWERED);
	return stay(el);
}

/* A holder that should let the peer take over, and why. */
static enum hg_why reason_to_release(const struct hg_elect *el)
{
	if (hg_time_before(el->now, el->release_after) || !hg_view_peer_is_ready(el))
		return HG_WHY_NONE;
	if (el->is_maintenance)
		return HG_WHY_MAINTENANCE_ON;
	if (!el->is_fit)
		return HG_WHY_UNFIT;
	return el->health < el->peer.health ? HG_WHY_HEALTH : HG_WHY_NONE;
}

static void consider_isolation(const struct hg_elect *el, const struct hg_obs *obs,
			       struct hg_decision *d)
{
	struct hg_span left = hg_time_since(obs->lease_until, el->now);
	struct hg_span own = hg_view_own_lease(el, obs);

	if (hg_view_may_renew(el) && left.ns <= own.ns / 2) {
		d->has_renew = true;
		d->until = hg_time_add(el->now, own);
	}
	if (hg_view_has_grant(el, el->epoch) &&
	    hg_time_before(hg_view_lease(el, obs), el->witness_until)) {
		d->has_renew = true;
		d->until = el->witness_until;
	}
	if (d->why != HG_WHY_NONE || !el->config.has_peer)
		return;
	/* A grant that is late by half a lease is not worth a word: a whole one is. */
	if (el->is_alone && !el->alone_since.ns)
		d->why = HG_WHY_REJOINED;
	else if (!el->is_alone && el->alone_since.ns &&
		 has_come(el, hg_time_add(el->alone_since, el->config.lease)))
		d->why = el->config.has_witness ? HG_WHY_WITNESSED : HG_WHY_ISOLATED;
}

static struct hg_decision review_fenced(const struct hg_elect *el, const struct hg_obs *obs)
{
	bool is_released = el->state == HG_EL_RELEASING;
	enum hg_elect_state next = hg_view_rest(el, HG_EL_STANDBY);
	struct hg_decision d;

	if (hg_time_before(el->now, obs->drain_until))
		next = HG_EL_DRAINING;
	d = go(next, is_released ? el->release_why : HG_WHY_OVERRULED);
	d.is_handed_over = is_released;
	return d;
}

static struct hg_decision review_holder(const struct hg_elect *el, const struct hg_obs *obs)
{
	struct hg_decision d = stay(el);
	enum hg_why why;

	if (obs->fence_epoch > el->epoch)
		return review_fenced(el, obs);
	/* Somebody else wrote the data path's word: it does not serve, whatever was renewed,
	 * and the peer goes on granting. A new claim puts it right. */
	if (obs->epoch != el->epoch)
		return go(hg_view_rest(el, HG_EL_LISTEN), HG_WHY_LEASE_ENDED);
	if (has_come(el, obs->lease_until)) {
		bool is_stopped = el->config.has_peer && !hg_view_may_renew(el);

		if (is_stopped && el->config.has_witness)
			return go(hg_view_rest(el, HG_EL_LISTEN), HG_WHY_WITNESS_LOST);
		return go(hg_view_rest(el, HG_EL_LISTEN),
			  is_stopped ? HG_WHY_ISOLATED_STOP : HG_WHY_LEASE_ENDED);
	}
	if (el->state == HG_EL_RELEASING) {
		if (has_come(el, el->release_until))
			d = go(HG_EL_ACTIVE, HG_WHY_NOT_CLAIMED);
	} else {
		why = reason_to_release(el);
		if (why != HG_WHY_NONE)
			d = go(HG_EL_RELEASING, why);
	}
	consider_isolation(el, obs, &d);
	return d;
}

static struct hg_decision review(const struct hg_elect *el, const struct hg_obs *obs)
{
	switch (el->state) {
	case HG_EL_LISTEN:
		return review_listen(el, obs);
	case HG_EL_STANDBY:
		return review_standby(el, obs);
	case HG_EL_CLAIMING:
		return review_claiming(el, obs);
	case HG_EL_ACTIVE:
	case HG_EL_RELEASING:
		return review_holder(el, obs);
	case HG_EL_DRAINING:
		return review_draining(el, obs);
	case HG_EL_FAULT:
		if (el->is_fit && !may_be_deaf(el, obs))
			return go(HG_EL_LISTEN, HG_WHY_FIT);
		break;
	case HG_EL_OFF:
	case HG_EL_BLANK:
	case HG_EL_LEARNER:
	case HG_EL_MAINTENANCE:
	case HG_EL_STATES:
		break;
	}
	return stay(el);
}

static struct hg_decision decide_start(const struct hg_elect *el, const struct hg_obs *obs)
{
	bool is_ours = hg_epoch_node(obs->epoch) == el->config.node && obs->epoch;

	if (el->config.mode == HG_MODE_OFF)
		return go(HG_EL_OFF, HG_WHY_STARTED);
	if (el->config.mode == HG_MODE_JOIN)
		return go(HG_EL_BLANK, HG_WHY_STARTED);
	if (is_ours && obs->epoch > obs->fence_epoch && hg_time_before(el->now, obs->lease_until))
		return go(HG_EL_ACTIVE, HG_WHY_ADOPTED);
	return go(hg_view_rest(el, HG_EL_LISTEN), HG_WHY_STARTED);
}

static struct hg_decision decide_config(const struct hg_elect *el, const struct hg_obs *obs)
{
	bool is_outside = el->state == HG_EL_OFF || el->state == HG_EL_BLANK ||
			  el->state == HG_EL_LEARNER;

	if (el->config.mode == HG_MODE_OFF)
		return el->state == HG_EL_OFF ? stay(el) : go(HG_EL_OFF, HG_WHY_CONFIGURED);
	if (el->config.mode == HG_MODE_JOIN)
		return is_outside && el->state != HG_EL_OFF ? stay(el)
							    : go(HG_EL_BLANK, HG_WHY_CONFIGURED);
	if (is_outside)
		return go(hg_view_rest(el, HG_EL_LISTEN),
			  el->state == HG_EL_OFF ? HG_WHY_CONFIGURED : HG_WHY_JOINED);
	return review(el, obs);
}

static struct hg_decision answer(struct hg_decision d, bool is_ok, enum hg_why why)
{
	d.has_answer = true;
	d.is_ok = is_ok;
	d.answer = why;
	return d;
}

/* An operator wants this holder to let go: HANDOVER or MAINTENANCE_ON. */
static struct hg_decision decide_release(const struct hg_elect *el, const struct hg_obs *obs,
					 enum hg_why why)
{
	struct hg_decision d = review_holder(el, obs);

	if (d.next == HG_EL_RELEASING) {
		d.is_waiting = true;
		return d;
	}
	if (!hg_view_holds(d.next))
		return answer(d, d.is_handed_over || el->is_maintenance, d.why);
	if (el->state == HG_EL_RELEASING)
		return answer(d, false, d.why);
	if (!hg_view_peer_is_ready(el))
		return answer(d, false, HG_WHY_NO_PEER_READY);
	d.next = HG_EL_RELEASING;
	d.why = why;
	d.is_waiting = true;
	return d;
}

static struct hg_decision decide_retire(const struct hg_elect *el, const struct hg_obs *obs)
{
	struct hg_decision d = stay(el);

	if (hg_view_holds(el->state))
		return decide_release(el, obs, HG_WHY_MAINTENANCE_ON);
	if (el->state == HG_EL_LISTEN || el->state == HG_EL_STANDBY ||
	    el->state == HG_EL_CLAIMING || el->state == HG_EL_FAULT)
		d = go(HG_EL_MAINTENANCE, HG_WHY_MAINTENANCE_ON);
	return answer(d, true, HG_WHY_MAINTENANCE_ON);
}

static struct hg_decision decide_return(const struct hg_elect *el, const struct hg_obs *obs)
{
	struct hg_decision d;

	if (el->state == HG_EL_MAINTENANCE)
		return go(hg_view_rest(el, HG_EL_LISTEN), HG_WHY_MAINTENANCE_OFF);
	d = review(el, obs);
	if (el->state == HG_EL_RELEASING && d.next == HG_EL_RELEASING &&
	    el->release_why == HG_WHY_MAINTENANCE_ON) {
		d.next = HG_EL_ACTIVE;
		d.why = HG_WHY_MAINTENANCE_OFF;
	}
	return d;
}

static struct hg_decision decide_learn(const struct hg_elect *el, bool is_learning)
{
	if (el->state == HG_EL_BLANK && is_learning)
		return go(HG_EL_LEARNER, HG_WHY_LEARNING);
	if (el->state == HG_EL_LEARNER && !is_learning)
		return go(HG_EL_BLANK, HG_WHY_NOT_LEARNT);
	return stay(el);
}

struct hg_decision hg_decide(const struct hg_elect *el, const struct hg_elect_event *ev)
{
	switch (hg_table_duty(el->state, ev->type)) {
	case HG_DUTY_START:
		return decide_start(el, &ev->obs);
	case HG_DUTY_CONFIG:
		return decide_config(el, &ev->obs);
	case HG_DUTY_REVIEW:
		return review(el, &ev->obs);
	case HG_DUTY_RELEASE:
	case HG_DUTY_WAIT:
		return decide_release(el, &ev->obs, HG_WHY_HANDOVER);
	case HG_DUTY_REFUSE:
		return answer(stay(el), false, HG_WHY_NOT_HOLDER);
	case HG_DUTY_RETIRE:
		return decide_retire(el, &ev->obs);
	case HG_DUTY_RETURN:
		return decide_return(el, &ev->obs);
	case HG_DUTY_FAREWELL:
		return el->has_waiter ? answer(stay(el), false, HG_WHY_STOPPED) : stay(el);
	case HG_DUTY_LEARN:
		return decide_learn(el, ev->is_learning);
	case HG_DUTY_UNDEFINED:
	case HG_DUTY_IGNORE:
	case HG_DUTY_NOTE:
		break;
	}
	return stay(el);
}
