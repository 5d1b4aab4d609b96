/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pure predicates; every formula about time in the election stands here once.
 *
 *   listen     lease + 3 intervals; 3 HELLOs at least while none was ever heard
 *   own lease  lease; 200 ms when the peer was not heard for so long
 *   silence    last REQUEST (or CLAIM answered) + lease
 *   safe       last grant + lease * (1 + 2 * drift) + margin
 *   patience   2 leases + 10 intervals; also the life of a claim that needs an answer
 *   ask again  an eighth of a lease, not below 0.5 ms; others than holder and claimant:
 *              an interval
 */
#include "prefer.h"
#include "view.h"

#define HELLOS_FRESH 3
#define ASK_AGAIN_MIN_NS 500000u

struct hg_span hg_view_times(struct hg_span span, uint64_t factor)
{
	return (struct hg_span){ span.ns > UINT64_MAX / factor ? UINT64_MAX : span.ns * factor };
}

bool hg_view_peer_is_fresh(const struct hg_elect *el)
{
	struct hg_span fresh = hg_view_times(el->config.hello, HELLOS_FRESH);

	return el->config.has_peer && el->has_hello &&
	       hg_time_since(el->now, el->hello_at).ns <= fresh.ns;
}

bool hg_view_peer_is_idle(const struct hg_elect *el)
{
	return hg_view_peer_is_fresh(el) && el->peer.role != HG_ROLE_ACTIVE &&
	       hg_time_before(el->request_at, el->hello_at);
}

bool hg_view_peer_is_ready(const struct hg_elect *el)
{
	return hg_view_peer_is_fresh(el) && el->peer.role == HG_ROLE_STANDBY && !el->peer.is_unfit;
}

static bool role_is_member(enum hg_role role)
{
	return role != HG_ROLE_OFF && role != HG_ROLE_BLANK && role != HG_ROLE_LEARNER;
}

bool hg_view_is_preferred(const struct hg_elect *el)
{
	enum hg_role role = el->peer.role;
	bool is_away = role == HG_ROLE_MAINTENANCE || role == HG_ROLE_FAULT;
	struct hg_candidate own = {
		.is_fit = el->is_fit && !el->is_maintenance,
		.is_member = true,
		.generation = el->generation,
		.health = el->health,
		.priority = el->config.priority,
		.node = el->config.node,
	};
	struct hg_candidate peer = {
		.is_fit = !el->peer.is_unfit && !is_away,
		.is_member = role_is_member(role),
		.generation = el->peer.generation,
		.health = el->peer.health,
		.priority = el->peer.priority,
		.node = el->peer.node,
	};

	return hg_prefer_compare(&own, &peer) >= 0;
}

bool hg_view_is_better(const struct hg_elect *el)
{
	return el->state == HG_EL_STANDBY && el->config.is_failback && el->is_fit &&
	       hg_view_peer_is_fresh(el) && el->peer.role == HG_ROLE_ACTIVE &&
	       hg_time_before(el->now, hg_view_silence_at(el)) &&
	       el->config.priority > el->peer.priority && el->health >= el->peer.health &&
	       el->generation >= el->peer.generation && !el->is_unsynced;
}

bool hg_view_may_serve_alone(const struct hg_elect *el, enum hg_why why)
{
	if (!el->config.has_peer)
		return true;
	/* The holder is known to live and renews its own lease where that is allowed: to
	 * wait for the end of what we granted proves nothing. */
	if (why == HG_WHY_CONSENT || why == HG_WHY_FAILBACK)
		return false;
	if (el->config.has_witness)
		return hg_view_has_grant(
			el, hg_view_owns_epoch(el->state) ? el->epoch : hg_view_next_epoch(el));
	return el->config.isolation == HG_ISOLATION_CONTINUE || el->has_standing;
}

uint64_t hg_view_next_epoch(const struct hg_elect *el)
{
	uint64_t counter = hg_epoch_counter(el->epoch_seen) + 1;

	if (counter < el->epoch_counter)
		counter = el->epoch_counter;
	return hg_epoch_make(counter, el->config.node);
}

bool hg_view_has_grant(const struct hg_elect *el, uint64_t epoch)
{
	return el->config.has_witness && epoch && el->witness_epoch == epoch &&
	       hg_time_before(el->now, el->witness_until);
}

static bool is_silent(const struct hg_elect *el)
{
	return el->probes_unanswered >= HG_PROBES_NEEDED &&
	       !hg_time_before(el->now, hg_view_silence_at(el)) && !hg_view_peer_is_idle(el);
}

bool hg_view_wants_witness(const struct hg_elect *el, const struct hg_obs *obs)
{
	struct hg_span left = hg_time_since(hg_view_lease(el, obs), el->now);

	if (!el->config.has_witness)
		return false;
	switch (el->state) {
	case HG_EL_ACTIVE:
	case HG_EL_RELEASING:
		/* Who promised to stop without grants is waited for no longer than that. */
		return !el->is_bound && left.ns <= hg_view_own_lease(el, obs).ns / 2;
	case HG_EL_CLAIMING:
		return el->why != HG_WHY_CONSENT && el->why != HG_WHY_FAILBACK;
	case HG_EL_LISTEN:
		return el->probes_unanswered >= HG_PROBES_NEEDED &&
		       !hg_time_before(el->now, hg_view_listened_at(el)) &&
		       !hg_view_peer_is_fresh(el);
	case HG_EL_STANDBY:
		return is_silent(el);
	case HG_EL_DRAINING:
		return is_silent(el) && el->is_fit && !el->is_maintenance;
	case HG_EL_OFF:
	case HG_EL_BLANK:
	case HG_EL_LEARNER:
	case HG_EL_MAINTENANCE:
	case HG_EL_FAULT:
	case HG_EL_STATES:
		break;
	}
	return false;
}

struct hg_span hg_view_ask_again(const struct hg_elect *el)
{
	uint64_t eighth = el->config.lease.ns / 8;

	if (!hg_view_owns_epoch(el->state))
		return el->config.interval;
	return (struct hg_span){ eighth < ASK_AGAIN_MIN_NS ? ASK_AGAIN_MIN_NS : eighth };
}

bool hg_view_may_renew(const struct hg_elect *el)
{
	if (!el->config.has_peer)
		return true;
	if (el->is_bound || el->config.has_witness)
		return false;
	return el->config.isolation == HG_ISOLATION_CONTINUE || el->is_alone;
}

/* While the peer is heard, or was a moment ago, no longer than a granted one: the peer
 * counts on it. A peer that nobody hears listens for three HELLOs before it claims, so
 * a longer lease ends well before that, and a late agent costs no outage. */
struct hg_span hg_view_own_lease(const struct hg_elect *el, const struct hg_obs *obs)
{
	bool is_settled = el->is_alone &&
			  hg_time_since(el->now, obs->heard).ns >= HG_ALONE_LEASE.ns;

	return is_settled && el->config.lease.ns < HG_ALONE_LEASE.ns ? HG_ALONE_LEASE
								     : el->config.lease;
}

bool hg_view_is_succession(const struct hg_elect *el, const struct hg_obs *obs, enum hg_why why)
{
	struct hg_time noticed = hg_time_add(hg_view_silence_at(el), el->config.interval);
	bool is_sign = obs->request.ns == el->silent_since.ns ||
		       obs->last_grant.ns == el->silent_since.ns;

	if (why == HG_WHY_SILENCE)
		return is_sign && !hg_time_before(noticed, el->now);
	return why == HG_WHY_HUNG_AGENT || why == HG_WHY_CONSENT || why == HG_WHY_FAILBACK;
}

/* A lease of this length, granted or renewed by itself at t, is over on any clock. */
static struct hg_time surely_over(const struct hg_elect *el, struct hg_time t, struct hg_span lease)
{
	uint64_t drift = lease.ns / 1000000 * 2 * el->config.drift_ppm;

	t = hg_time_add(t, lease);
	return hg_time_add(hg_time_add(t, (struct hg_span){ drift }), el->config.margin);
}

/* A holder that did not hear this node may have renewed its lease for longer than L, up to
 * the moment it heard it again. Promises and the witness know nothing of the kind. */
static bool may_be_long(const struct hg_elect *el)
{
	return el->config.has_peer && el->config.isolation == HG_ISOLATION_CONTINUE &&
	       !el->config.has_witness && el->config.lease.ns < HG_ALONE_LEASE.ns;
}

struct hg_time hg_view_safe_at(const struct hg_elect *el, const struct hg_obs *obs)
{
	struct hg_time last = obs->last_grant, back = el->back_at;

	/* A promise counts from when it was heard (HG_HELLO_F_BOUND): before it, the
	 * holder may have renewed its lease by itself. */
	if (el->has_standing && hg_time_before(last, el->standing_at))
		last = el->standing_at;
	if (last.ns)
		last = surely_over(el, last, el->config.lease);
	back = surely_over(el, back, HG_ALONE_LEASE);
	if (may_be_long(el) && hg_time_before(last, back))
		last = back;
	return hg_time_before(last, el->alone_after) ? el->alone_after : last;
}

struct hg_time hg_view_listened_at(const struct hg_elect *el)
{
	struct hg_span needed = hg_view_times(el->config.interval, HG_LISTEN_INTERVALS);
	struct hg_span hellos = hg_view_times(el->config.hello, HELLOS_FRESH);

	needed.ns += el->config.lease.ns;
	/* Without a session nothing of the bounce can be heard: give HELLO its time. */
	if (el->config.has_peer && !el->has_hello && needed.ns < hellos.ns)
		needed = hellos;
	return hg_time_add(el->since, needed);
}

struct hg_time hg_view_silence_at(const struct hg_elect *el)
{
	return hg_time_add(el->silent_since, el->config.lease);
}

struct hg_span hg_view_patience(const struct hg_elect *el)
{
	struct hg_span leases = hg_view_times(el->config.lease, 2);
	struct hg_span intervals = hg_view_times(el->config.interval, 10);

	return (struct hg_span){ leases.ns > UINT64_MAX - intervals.ns ? UINT64_MAX
								       : leases.ns + intervals.ns };
}

struct hg_time hg_view_giveup_at(const struct hg_elect *el)
{
	/* A holder that lives gets its grants back after one lease. */
	if (el->why == HG_WHY_CONSENT || el->why == HG_WHY_FAILBACK)
		return hg_time_add(el->since, el->config.lease);
	return hg_time_add(el->since, hg_view_patience(el));
}

struct hg_time hg_view_lease(const struct hg_elect *el, const struct hg_obs *obs)
{
	return hg_time_before(obs->lease_until, el->renewed_until) ? el->renewed_until
								   : obs->lease_until;
}

bool hg_view_is_short(const struct hg_elect *el, const struct hg_obs *obs)
{
	return hg_time_since(hg_view_lease(el, obs), el->now).ns <= el->config.lease.ns;
}

enum hg_elect_state hg_view_rest(const struct hg_elect *el, enum hg_elect_state fit)
{
	if (el->is_maintenance)
		return HG_EL_MAINTENANCE;
	return el->is_fit ? fit : HG_EL_FAULT;
}
