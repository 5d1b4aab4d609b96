/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Drives the election core: reads what the data path recorded, steps, carries out
 * the actions in their order. Words of hg_state are written here and nowhere else in
 * the agent (but agent_seen, which every step refreshes).
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "agent.h"
#include "flight.h"
#include "log.h"

/* A tag that does not verify counts as a sign of another key for so long. */
#define WRONG_KEY_NS (3ull * 1000 * 1000 * 1000)
/* A holder not heard for longer, beyond the grace of its agent, may have served on unheard. */
#define HEARD_WITHIN_NS (3ull * 1000 * 1000 * 1000)
#define FENCED_JUST_NS (1000ull * 1000 * 1000)

static const char *const why_text[] = {
#define X(id, name, text) [HG_WHY_##id] = text,
	HG_TRANSITION_REASONS(X)
#undef X
};

static void observe(struct hg_agent *agent, struct hg_obs *ret)
{
	const volatile struct hg_state *state = agent->maps.state;
	const volatile struct hg_peer *peer = agent->maps.peer;
	uint64_t now = hg_now().ns;

	*ret = (struct hg_obs){
		.lease_until = { state->lease_until },
		.fence_epoch = state->fence_epoch,
		.epoch = state->epoch,
		.served_epoch = state->served_epoch,
		.drain_until = { state->drain_until },
		.last_grant = { state->last_grant },
		.heard = { peer->heard },
		.request = { peer->request },
		.request_epoch = peer->request_epoch,
		.agent_age = { peer->agent_age },
		.fenced_epoch = peer->fenced_epoch,
		.fenced_stamp = { peer->fenced_stamp },
		.is_wrong_key = agent->peer && peer->unauthentic &&
				now < peer->unauthentic + WRONG_KEY_NS,
	};
}

void hg_elector_config(const struct hg_agent *agent, struct hg_elect_config *ret)
{
	const struct hg_cluster_config *cluster = &agent->setup->cluster;

	*ret = (struct hg_elect_config){
		.node = agent->self->id,
		.priority = agent->self->priority,
		.mode = agent->setup->mode,
		.isolation = cluster->isolation,
		.has_peer = agent->peer != NULL,
		.has_witness = cluster->witness.family != 0,
		.is_failback = cluster->is_failback,
		.failback_delay = cluster->failback_delay,
		.interval = cluster->interval,
		.lease = cluster->lease,
		.hello = HG_MS(100),
		.agent_grace = cluster->agent_grace,
		.drain = cluster->drain,
		.margin = { 200000 },
		.drift_ppm = 10000,
		.handover_timeout = HG_MS(1000),
	};
}

/* The lease only moves forward, and only while it has not ended (protocol: continuity). */
static void renew_lease(volatile struct hg_state *state, struct hg_time until)
{
	__u64 lease = state->lease_until;

	while (hg_now().ns < lease && lease < until.ns)
		if (__atomic_compare_exchange_n(&state->lease_until, &lease, until.ns, false,
						__ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
			return;
}

static void put_word(volatile __u64 *word, uint64_t value)
{
	__atomic_store_n(word, value, __ATOMIC_SEQ_CST);
}

/* Since the last sign of the holder that this node relieves, in ms. -1: there was none to
 * relieve, since this node itself served after it, or it may have served on unheard. */
static double outage_ms(const struct hg_agent *agent, uint64_t own_epoch)
{
	const volatile struct hg_peer *peer = agent->maps.peer;
	uint64_t patience = agent->setup->cluster.agent_grace.ns + HEARD_WITHIN_NS;
	uint64_t now = hg_now().ns, request = peer->request;

	if (!request || now <= request || now - request > patience)
		return -1;
	return own_epoch > peer->request_epoch ? -1 : (now - request) / 1e6;
}

static void serve(struct hg_agent *agent, const struct hg_action *action)
{
	volatile struct hg_state *state = agent->maps.state;
	uint64_t own_epoch = state->served_epoch;

	put_word(&state->served_epoch, state->epoch);
	put_word(&state->lease_until, action->until.ns);
	agent->failover.count++;
	agent->failover.last_ms = outage_ms(agent, own_epoch);
	agent->failover.last_why = agent->elect.why;
	clock_gettime(CLOCK_REALTIME, &agent->failover.last_at);
}

/* The claim came from a node that is preferred and was well, while this one held its lease by
 * that node's grants: nothing but failback makes it claim then. */
static bool is_failback_of_peer(const struct hg_agent *agent, enum hg_why why)
{
	const volatile struct hg_state *state = agent->maps.state;
	const struct hg_elect *elect = &agent->elect;
	uint64_t now = hg_now().ns, fenced = state->fenced_at;
	bool is_well = hg_peer_has_agent(agent) && !elect->peer.is_unfit &&
		       elect->peer.health >= elect->health &&
		       (elect->peer.role == HG_ROLE_STANDBY || elect->peer.role == HG_ROLE_ACTIVE);

	return why == HG_WHY_OVERRULED && elect->config.is_failback && is_well &&
	       elect->peer.priority > elect->config.priority && !elect->is_alone &&
	       now < fenced + FENCED_JUST_NS &&
	       agent->obs.lease_until.ns > fenced + elect->config.lease.ns / 2;
}

static void on_transition(struct hg_agent *agent, const struct hg_action *act)
{
	volatile struct hg_state *state = agent->maps.state;
	struct hg_history_event event = {
		.at = hg_now(),
		.type = HG_HISTORY_TRANSITION,
		.from = act->transition.from,
		.to = act->transition.to,
		.why = act->transition.why,
		.epoch = agent->elect.epoch,
	};
	const char *from = hg_elect_state_name(event.from), *to = hg_elect_state_name(event.to);

	state->role = hg_elect_role(&agent->elect);
	state->why = event.why;
	if (event.from != event.to) {
		state->since = event.at.ns;
		clock_gettime(CLOCK_REALTIME, &agent->since_wall);
	}
	snprintf(event.text, sizeof(event.text), "%s -> %s: %s", from, to, why_text[event.why]);
	if (is_failback_of_peer(agent, event.why))
		snprintf(event.text + strlen(event.text), sizeof(event.text) - strlen(event.text),
			 ": %s, which is preferred, takes back its role (failback)",
			 agent->peer->name);
	hg_notice("%s (epoch 0x%016" PRIx64 ")", event.text, event.epoch);
	hg_control_broadcast(agent->control,
			     hg_status_event(hg_history_add(&agent->history, &event)));
}

static void refuse_handover(struct hg_agent *agent, const char *why)
{
	hg_control_fail(agent->handover, "%s%s", why,
			agent->elect.is_maintenance
				? "; maintenance is on: hands over as soon as it can"
				: "");
	agent->handover = NULL;
}

/* That the peer has claimed is not enough for a handover: its claim comes to nothing where
 * answers that XDP makes are lost on the way. confirm_handover() waits for it to serve. */
static void on_handover_done(struct hg_agent *agent, const struct hg_action *act)
{
	if (!agent->handover)
		return;
	if (!act->done.is_ok)
		refuse_handover(agent, why_text[act->done.why]);
	else
		agent->handed_at = hg_now();
}

static void confirm_handover(struct hg_agent *agent)
{
	const char *peer = agent->peer ? agent->peer->name : "the peer";
	bool is_served = agent->maps.peer->request_epoch > agent->handover_epoch;

	if (!agent->handover || !agent->handed_at.ns)
		return;
	if (agent->handover_epoch && !is_served) {
		if (hg_now().ns > agent->handed_at.ns + agent->elect.config.handover_timeout.ns)
			refuse_handover(agent,
					"the peer claimed, but has not been heard serving: "
					"`hagate why` and `hagate-load probe` on both nodes");
		return;
	}
	if (agent->elect.is_maintenance)
		hg_control_done(agent->handover, "maintenance is on%s%s",
				agent->peer ? ", the other node is " : "", agent->peer ? peer : "");
	else
		hg_control_done(agent->handover, "%s serves now", peer);
	agent->handover = NULL;
}

static void act(struct hg_agent *agent, const struct hg_action *action)
{
	volatile struct hg_state *state = agent->maps.state;

	switch (action->type) {
	case HG_ACT_CLAIM_EPOCH:
		put_word(&state->lease_until, 0);
		put_word(&state->epoch, action->epoch);
		break;
	case HG_ACT_SERVE:
		serve(agent, action);
		break;
	case HG_ACT_RENEW:
		renew_lease(state, action->until);
		break;
	case HG_ACT_RELEASE_EPOCH:
		put_word(&state->epoch, 0);
		put_word(&state->lease_until, 0);
		break;
	case HG_ACT_ANNOUNCE:
		hg_vips_announce(agent);
		break;
	case HG_ACT_ADDRESSES_ADD:
		hg_vips_add(agent);
		break;
	case HG_ACT_ADDRESSES_REMOVE:
		hg_vips_remove(agent);
		break;
	case HG_ACT_SEND_CLAIM:
		hg_peer_send_short(agent, HG_WIRE_CLAIM, action->epoch);
		break;
	case HG_ACT_SEND_PROBE:
		hg_peer_send_short(agent, HG_WIRE_PROBE, agent->maps.state->fence_epoch);
		break;
	case HG_ACT_SEND_REQUEST:
		hg_peer_send_short(agent, HG_WIRE_REQUEST, agent->elect.epoch);
		break;
	case HG_ACT_SEND_HELLO:
		hg_peer_send_hello(agent);
		break;
	case HG_ACT_SEND_WITNESS:
		hg_ask_send(agent, action->ask.epoch, action->ask.lease);
		break;
	case HG_ACT_TRANSITION:
		on_transition(agent, action);
		break;
	case HG_ACT_HANDOVER_DONE:
		on_handover_done(agent, action);
		break;
	case HG_ACTS:
		break;
	}
}

static void set_deadline(struct hg_agent *agent)
{
	struct hg_time deadline = hg_elect_deadline(&agent->elect, &agent->obs);
	uint64_t usec = deadline.ns == UINT64_MAX ? UINT64_MAX : (deadline.ns + 999) / 1000;

	agent->flight->due = deadline;
	sd_event_source_set_time(agent->deadline, usec);
	sd_event_source_set_enabled(agent->deadline, SD_EVENT_ON);
}

void hg_elector_step(struct hg_agent *agent, struct hg_elect_event *ev)
{
	uint64_t seen = agent->elect.epoch_seen;
	struct hg_actions actions;

	do {
		/* The clock first: held up between the two, the agent takes what is new for
		 * old, never what is old for new. */
		ev->now = hg_now();
		observe(agent, &ev->obs);
		agent->obs = ev->obs;
		put_word(&agent->maps.state->agent_seen, ev->now.ns);
		hg_overlap_before_step(agent);
		hg_flight_before_step(agent, ev->now);
		hg_elect_step(&agent->elect, ev, &actions);
		hg_flight_after_step(agent, ev, &actions);
		for (unsigned int i = 0; i < actions.count; i++)
			act(agent, &actions.list[i]);
		hg_overlap_after_step(agent, ev->now);
		*ev = (struct hg_elect_event){ .type = HG_EV_TICK };
	} while (actions.again);
	confirm_handover(agent);
	if (agent->elect.epoch_seen != seen)
		hg_agent_reserve_epochs(agent);
	hg_vips_on_step(agent);
	set_deadline(agent);
}

void hg_elector_event(struct hg_agent *agent, enum hg_elect_event_type type)
{
	struct hg_elect_event ev = { .type = type };

	if (type == HG_EV_START || type == HG_EV_CONFIG)
		hg_elector_config(agent, &ev.config);
	if (type == HG_EV_START)
		ev.epoch_counter = agent->epoch_first;
	hg_elector_step(agent, &ev);
}
