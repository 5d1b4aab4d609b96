/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Facts: the clock, the configuration, the peer's word, what the data path recorded.
 *
 * Standing (isolation: stop). A standby may wait a holder's lease out only when that
 * lease cannot outlive its own grants. A holder that once had to serve alone renews
 * its own lease, and cannot know whether a grant was given that it never received.
 * So it is the holder's promise that gives standing (HG_HELLO_F_BOUND: "I stop without
 * grants"), it is made for one epoch and never taken back within it, and it ends for
 * the standby with that epoch, or when this node itself depends on grants.
 *
 * A promise may be heard late, when its epoch is over and the node that made it stands on
 * a promise of ours. So it counts only above the last epoch that this node served, which
 * an agent learns from the data path when it starts: of two promises the older one, made
 * for the lower epoch, is always refused by the node that served the higher one.
 */
#include "learn.h"
#include "view.h"

/* Below this a timer would only turn round and round. */
#define SHORTEST_NS 100000u

static uint64_t highest(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static void promise(struct hg_elect *el)
{
	el->is_bound = true;
	el->standing_epoch = 0;
}

static void learn_config(struct hg_elect *el, const struct hg_elect_config *config,
			 const struct hg_obs *obs)
{
	bool was_free = el->config.isolation == HG_ISOLATION_CONTINUE;

	el->config = *config;
	if (!config->has_peer)
		el->config.has_witness = false; /* there is nobody to decide about */
	if (el->config.interval.ns < SHORTEST_NS)
		el->config.interval.ns = SHORTEST_NS;
	if (el->config.hello.ns < SHORTEST_NS)
		el->config.hello.ns = SHORTEST_NS;
	/* The other way round a holder keeps the promise it has made for its epoch. */
	if (hg_view_holds(el->state) && was_free && hg_view_is_promising(el) &&
	    hg_view_is_short(el, obs))
		promise(el);
}

static void learn_start(struct hg_elect *el, const struct hg_elect_event *ev)
{
	learn_config(el, &ev->config, &ev->obs);
	el->epoch_counter = highest(el->epoch_counter, ev->epoch_counter);
	el->served_epoch = highest(el->served_epoch, ev->obs.served_epoch);
	el->epoch = ev->obs.epoch;
	el->started_at = el->now;
	el->back_at = el->now;
	el->next_send = el->now;
	el->next_hello = el->now;
	el->has_addresses = true; /* an earlier agent may have left some */
	el->is_fit = true; /* HG_EV_HEALTH says otherwise */
	el->health = 100;
}

static void learn_hello(struct hg_elect *el, const struct hg_elect_event *ev)
{
	const struct hg_elect_hello *hello = &ev->hello;
	bool is_promise = hello->role == HG_ROLE_ACTIVE && hello->is_bound && hello->epoch;

	el->peer = *hello;
	el->has_hello = true;
	el->hello_at = el->now;
	el->epoch_seen = highest(el->epoch_seen, highest(hello->epoch, hello->epoch_seen));
	if (is_promise && hello->epoch == ev->obs.fence_epoch && ev->obs.last_grant.ns &&
	    hello->epoch > el->served_epoch && hello->epoch != el->standing_epoch) {
		el->standing_epoch = hello->epoch;
		el->standing_at = el->now;
	}
}

/* An answer for an epoch that is no longer, or not, this node's counts for nothing. A
 * refusal names an epoch to get above; a grant names ours, which the next claim is to
 * have. */
static void learn_witness(struct hg_elect *el, const struct hg_elect_event *ev)
{
	const struct hg_elect_witness *answer = &ev->witness;
	uint64_t epoch = hg_view_owns_epoch(el->state) ? el->epoch : hg_view_next_epoch(el);
	struct hg_time until = hg_time_add(answer->stamp, answer->lease);

	if (!el->config.has_witness)
		return;
	el->witness_at = el->now;
	if (!answer->is_granted)
		el->epoch_seen = highest(el->epoch_seen, answer->epoch);
	if (!answer->is_granted || answer->epoch != epoch || hg_time_before(el->now, answer->stamp))
		return;
	if (el->witness_epoch != epoch || hg_time_before(el->witness_until, until))
		el->witness_until = until;
	el->witness_epoch = epoch;
}

static void learn_by_type(struct hg_elect *el, const struct hg_elect_event *ev)
{
	switch (ev->type) {
	case HG_EV_START:
		learn_start(el, ev);
		break;
	case HG_EV_CONFIG:
		learn_config(el, &ev->config, &ev->obs);
		break;
	case HG_EV_HELLO:
		learn_hello(el, ev);
		break;
	case HG_EV_WITNESS:
		learn_witness(el, ev);
		break;
	case HG_EV_HEALTH:
		el->health = ev->self.health;
		el->is_fit = ev->self.is_fit;
		el->generation = ev->self.generation;
		el->is_unsynced = ev->self.is_unsynced;
		break;
	case HG_EV_MAINTENANCE_ON:
		el->is_maintenance = true;
		break;
	case HG_EV_MAINTENANCE_OFF:
		el->is_maintenance = false;
		break;
	case HG_EV_TICK:
	case HG_EV_HANDOVER:
	case HG_EV_STOP:
	case HG_EV_LEARN:
	case HG_EVS:
		break;
	}
}

/* A node that could not run when it wanted to knows nothing about the time between. */
static void learn_lateness(struct hg_elect *el)
{
	struct hg_time latest = hg_time_add(el->next_send, el->config.interval);

	el->is_late = el->state != HG_EL_OFF && hg_time_before(latest, el->now);
	if (!el->is_late)
		return;
	el->probes_unanswered = 0;
	if (hg_time_since(el->now, el->next_send).ns >= HG_ALONE_LEASE.ns / 2)
		el->back_at = el->now;
	if (el->state == HG_EL_CLAIMING)
		el->alone_after = hg_time_add(el->now, hg_view_times(el->config.interval, 2));
}

static void learn_holder(struct hg_elect *el, const struct hg_obs *obs)
{
	struct hg_time sign = hg_time_before(obs->request, obs->last_grant) ? obs->last_grant
									    : obs->request;

	el->request_at = obs->request;
	if (hg_time_before(el->silent_since, sign)) {
		el->silent_since = sign;
		el->probes_unanswered = 0;
	}
}

static void learn_grants(struct hg_elect *el, const struct hg_obs *obs)
{
	if (!hg_view_holds(el->state) || obs->fence_epoch > el->epoch ||
	    !hg_time_before(el->renewed_until, obs->lease_until))
		return;
	el->alone_since.ns = 0;
	if (hg_view_is_promising(el))
		promise(el);
}

/* Grants may come long before they count: what it granted itself lasts longer. */
static void learn_reunion(struct hg_elect *el, const struct hg_obs *obs)
{
	struct hg_span silence = hg_time_since(obs->heard, el->heard_at);

	el->is_reunited = el->is_alone && hg_view_holds(el->state) &&
			  silence.ns >= el->config.lease.ns;
	el->heard_at = obs->heard;
}

void hg_learn_event(struct hg_elect *el, const struct hg_elect_event *ev)
{
	const struct hg_obs *obs = &ev->obs;

	if (hg_time_before(el->now, ev->now))
		el->now = ev->now;
	learn_lateness(el);
	learn_by_type(el, ev);
	learn_holder(el, obs);
	learn_grants(el, obs);
	learn_reunion(el, obs);
	el->epoch_seen = highest(el->epoch_seen, highest(obs->fence_epoch, obs->request_epoch));
	/* What an earlier agent served too: this node takes no promise below it, so the peer
	 * has to hear of it before it claims. */
	el->epoch_seen = highest(el->epoch_seen, highest(el->epoch, el->served_epoch));
	el->has_standing = el->standing_epoch && el->standing_epoch == obs->fence_epoch;
	if (!hg_view_is_better(el))
		el->better_since.ns = 0;
	else if (!el->better_since.ns)
		el->better_since = el->now;
}
