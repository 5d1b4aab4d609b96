/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Questions about the election's state and an observation, answered without changing
 * either. Shared by the decisions, by the deadline and by nobody outside of the core.
 */
#ifndef HG_CORE_VIEW_H
#define HG_CORE_VIEW_H

#include "elect.h"

/* Probes that must have gone unanswered, and intervals listened beyond a lease. */
#define HG_PROBES_NEEDED 3
#define HG_LISTEN_INTERVALS 3

/* That a holder gives itself when it has heard nobody for so long. */
#define HG_ALONE_LEASE HG_MS(200)

/* States in which the data path of this node may serve. */
static inline bool hg_view_holds(enum hg_elect_state state)
{
	return state == HG_EL_ACTIVE || state == HG_EL_RELEASING;
}

/* States that keep an epoch of their own in the data path. */
static inline bool hg_view_owns_epoch(enum hg_elect_state state)
{
	return state == HG_EL_CLAIMING || hg_view_holds(state);
}

/* A HELLO of the peer not older than three periods. */
bool hg_view_peer_is_fresh(const struct hg_elect *el);

/* The peer says freshly, and no REQUEST has come since, that it holds no role. */
bool hg_view_peer_is_idle(const struct hg_elect *el);

/* The peer could claim at once if it were asked to. */
bool hg_view_peer_is_ready(const struct hg_elect *el);

/* This node comes before the (fresh) peer. */
bool hg_view_is_preferred(const struct hg_elect *el);

/* Failback: this node should have the role and the peer holds it in good order. */
bool hg_view_is_better(const struct hg_elect *el);

/* May serve on a claim of this kind that nobody answered, when the lease is over. */
bool hg_view_may_serve_alone(const struct hg_elect *el, enum hg_why why);

/* The epoch that this node's next claim has, given what it has seen. */
uint64_t hg_view_next_epoch(const struct hg_elect *el);

/* The witness decides, and has granted `epoch` for now. */
bool hg_view_has_grant(const struct hg_elect *el, uint64_t epoch);

/* The witness is to be asked, for the own epoch or for that of the next claim:
 *   a holder       from half its lease on, when no grants came
 *   CLAIMING       as long as nobody answered, but for a planned takeover
 *   others         instead of a claim after silence: it comes with the grant, so that
 *                  a holder that lives is not fenced by a claim that leads to nothing */
bool hg_view_wants_witness(const struct hg_elect *el, const struct hg_obs *obs);

/* Until it is asked again. */
struct hg_span hg_view_ask_again(const struct hg_elect *el);

/* May renew its own lease without grants. */
bool hg_view_may_renew(const struct hg_elect *el);

/* With grants of the peer, a holder promises to stop without (HG_HELLO_F_BOUND). */
static inline bool hg_view_is_promising(const struct hg_elect *el)
{
	return el->config.isolation == HG_ISOLATION_STOP && !el->config.has_witness;
}

/* How long a lease is that a holder gives itself; it does so from half of it on. */
struct hg_span hg_view_own_lease(const struct hg_elect *el, const struct hg_obs *obs);

/* A claim for this reason follows directly on a holder that had grants of ours, so that
 * nobody else can be claiming at the same time. */
bool hg_view_is_succession(const struct hg_elect *el, const struct hg_obs *obs, enum hg_why why);

/* When the old holder's lease has surely ended, whatever the clocks did. */
struct hg_time hg_view_safe_at(const struct hg_elect *el, const struct hg_obs *obs);

/* When LISTEN has listened long enough. */
struct hg_time hg_view_listened_at(const struct hg_elect *el);

/* When a lease has passed since the last sign of a holder. */
struct hg_time hg_view_silence_at(const struct hg_elect *el);

/* How long a node lets a better one go first. */
struct hg_span hg_view_patience(const struct hg_elect *el);

/* When an unanswered claim that may not do without an answer is given up. */
struct hg_time hg_view_giveup_at(const struct hg_elect *el);

/* End of the lease as far as it is known: `obs` may be older than the last RENEW. */
struct hg_time hg_view_lease(const struct hg_elect *el, const struct hg_obs *obs);

/* The lease ends within L: the peer may be promised that it does. One that the holder gave
 * itself while nobody heard it may be longer. */
bool hg_view_is_short(const struct hg_elect *el, const struct hg_obs *obs);

/* Where a node goes that stops serving, and one that comes back. */
enum hg_elect_state hg_view_rest(const struct hg_elect *el, enum hg_elect_state fit);

struct hg_span hg_view_times(struct hg_span span, uint64_t factor);

#endif
