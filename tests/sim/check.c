// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What must hold at every instant, and at the end.
 *
 * Two may serve only with `isolation: continue`, and only because of the network: frames
 * between the two were lost or late by a fault, and since that fault, and since the
 * agents were last kept from running, there has not been the time for a frame to pass.
 */
#include <endian.h>
#include <inttypes.h>
#include <stdarg.h>

#include "world.h"

#define PASS_NS (16 * SIM_MS) /* two intervals, a slow timer, a frame's delay */
#define MEET_NS (240 * SIM_MS) /* without a session: two HELLO periods and an exchange */
#define CAUSE_NS (500 * SIM_MS) /* harm so long before a claim may be its reason */
#define ANSWER_NS (380 * SIM_MS) /* handover_timeout, and some intervals */

static const char *const failure_name[] = {
	[SIM_FINE] = "fine",
	[SIM_TWO_SERVE] = "two-serve",
	[SIM_UNDUE_OVERLAP] = "undue-overlap",
	[SIM_SERVES_FENCED] = "serves-fenced",
	[SIM_REVIVED] = "revived",
	[SIM_EPOCH] = "epoch",
	[SIM_ORDER] = "order",
	[SIM_ENDLESS] = "endless",
	[SIM_NOBODY] = "nobody",
	[SIM_NO_ANSWER] = "no-answer",
};

const char *sim_failure_name(enum sim_failure failure)
{
	return (unsigned int)failure < SIM_FAILURES ? failure_name[failure] : "?";
}

void sim_fail(struct sim_world *world, enum sim_failure failure, const char *format, ...)
{
	struct sim_findings *found = &world->found;
	va_list arguments;

	if (found->failure)
		return;
	found->failure = failure;
	found->failed_at = world->now;
	va_start(arguments, format);
	vsnprintf(found->text, sizeof(found->text), format, arguments);
	va_end(arguments);
	sim_say(world, SIM_NODES, "FAILED (%s): %s", sim_failure_name(failure), found->text);
}

/* --- who serves --------------------------------------------------------------------- */

static bool is_strict(const struct sim_world *world)
{
	const struct sim_plan *plan = world->plan;

	for (unsigned int i = 0; i < plan->count && !plan->has_witness; i++)
		if (plan->fault[i].type == SIM_ISOLATION)
			return false;
	return plan->isolation == HG_ISOLATION_STOP || plan->has_witness;
}

/* When the agent was last kept from running. */
static uint64_t able_since(const struct sim_world *world, unsigned int n)
{
	const struct sim_node *node = &world->node[n];

	if (!node->is_alive || node->stalled_until > world->now || !sim_is_running(world, n))
		return world->now;
	if (world->found.able_at[n] < node->stalled_until)
		return node->stalled_until;
	return world->found.able_at[n];
}

/* Both have known for a while that they have met. */
static bool has_session(const struct sim_world *world)
{
	for (unsigned int n = 0; n < SIM_NODES; n++)
		if (!world->node[n].session.is_confirmed)
			return false;
	return world->now > world->found.met_at + PASS_NS;
}

static bool is_due(const struct sim_world *world)
{
	const struct sim_findings *found = &world->found;
	unsigned int later = world->node[1].gate.state.epoch > world->node[0].gate.state.epoch;
	uint64_t since = found->harmed_at;

	if (!since || since + CAUSE_NS < found->claimed_at[later])
		return false;
	for (unsigned int n = 0; n < SIM_NODES; n++)
		if (since < able_since(world, n))
			since = able_since(world, n);
	return world->now <= since + (has_session(world) ? PASS_NS : MEET_NS);
}

static void on_both(struct sim_world *world)
{
	if (is_strict(world))
		sim_fail(world, SIM_TWO_SERVE, "both serve");
	else if (!is_due(world))
		sim_fail(world, SIM_UNDUE_OVERLAP, "both serve, and the network is not the reason");
}

static void show_serving(const struct sim_world *world, unsigned int serving)
{
	static const char *const who[] = { "nobody", "gw1", "gw2", "BOTH" };

	sim_say(world, SIM_NODES, "serving: %s", who[serving]);
}

static void count_change(struct sim_world *world, unsigned int serving)
{
	struct sim_findings *found = &world->found;

	show_serving(world, serving);
	if (found->serving == 3)
		found->overlap_ns += world->now - found->overlap_since;
	if (serving == 3)
		found->overlap_since = world->now;
	if (!serving)
		found->gap_since = world->now;
	else if (!found->serving && found->terms > 1 &&
		 found->longest_gap < world->now - found->gap_since)
		found->longest_gap = world->now - found->gap_since;
	found->serving = serving;
}

void sim_check_serving(struct sim_world *world)
{
	unsigned int serving = 0;

	for (unsigned int n = 0; n < SIM_NODES; n++)
		serving |= (unsigned int)sim_is_serving(world, n) << n;
	if (serving != world->found.serving)
		count_change(world, serving);
	if (serving == 3)
		on_both(world);
	if (world->now >= world->plan->quiet_at && (!serving || serving == 3))
		world->found.unsettled_at = world->now;
}

/* --- frames -------------------------------------------------------------------------- */

static bool is_believed(uint32_t reason)
{
	return reason == HG_R_PEER_REQUEST || reason == HG_R_PEER_CLAIM ||
	       reason == HG_R_PEER_STALE || reason == HG_R_PEER_REPLAY ||
	       reason == HG_R_PEER_GRANT || reason == HG_R_PEER_FENCED;
}

void sim_check_heard(struct sim_world *world, unsigned int n, const struct sim_frame *frame,
		     uint32_t reason)
{
	const struct hg_state *state = &world->node[n].gate.state;
	uint64_t epoch = be64toh(frame->head.epoch);
	bool is_holder = frame->head.type == HG_WIRE_REQUEST || frame->head.type == HG_WIRE_CLAIM;

	if (is_believed(reason) && is_holder && epoch > state->epoch && sim_is_serving(world, n))
		sim_fail(world, SIM_SERVES_FENCED,
			 "gw%u serves on after a %s of epoch %" PRIx64 " above its own", n + 1,
			 sim_frame_name(frame->head.type), epoch);
	if (state->fence_epoch > world->found.last_epoch[!n])
		sim_fail(world, SIM_EPOCH, "gw%u obeys epoch %" PRIx64 ", which nobody claimed",
			 n + 1, (uint64_t)state->fence_epoch);
}

/* --- steps and actions ----------------------------------------------------------------- */

#define REQUIRE(world, n, condition)                                                          \
	do {                                                                                  \
		if (!(condition))                                                             \
			sim_fail(world, SIM_ORDER, "gw%u in %s: %s", (n) + 1,                 \
				 hg_elect_state_name((world)->node[n].el.state), #condition); \
	} while (0)

static unsigned int count(const struct hg_actions *actions, enum hg_action_type type)
{
	unsigned int found = 0;

	for (unsigned int i = 0; i < actions->count; i++)
		found += actions->list[i].type == type;
	return found;
}

void sim_check_step(struct sim_world *world, unsigned int n)
{
	struct sim_node *node = &world->node[n];
	const struct hg_elect *el = &node->el;
	const struct hg_actions *actions = &node->actions;
	enum hg_elect_event_type type = node->ev.type;
	bool holds = el->state == HG_EL_ACTIVE || el->state == HG_EL_RELEASING;

	if (type == HG_EV_START)
		node->order.claimed = node->order.served = node->obs.epoch;
	if (type == HG_EV_HANDOVER || type == HG_EV_MAINTENANCE_ON)
		world->found.waiting_since[n] = world->now ? world->now : 1;
	REQUIRE(world, n, actions->count < HG_ACTIONS_MAX);
	REQUIRE(world, n, count(actions, HG_ACT_TRANSITION) <= 1);
	REQUIRE(world, n, (el->epoch != 0) == (holds || el->state == HG_EL_CLAIMING));
	REQUIRE(world, n, el->is_consenting == (el->state == HG_EL_RELEASING));
	REQUIRE(world, n, !el->is_bound || holds);
	REQUIRE(world, n, !el->has_waiter || el->state == HG_EL_RELEASING);
	if (el->state == HG_EL_OFF || type == HG_EV_STOP)
		return;
	REQUIRE(world, n, el->epoch_seen >= node->obs.fence_epoch);
	REQUIRE(world, n, actions->again || hg_elect_deadline(el, &node->obs).ns > node->ev.now.ns);
}

static void check_claim(struct sim_world *world, unsigned int n, uint64_t epoch)
{
	struct sim_node *node = &world->node[n];
	struct sim_findings *found = &world->found;

	REQUIRE(world, n, hg_epoch_node(epoch) == n + 1);
	REQUIRE(world, n, node->actions.again && !node->order.claimed);
	REQUIRE(world, n, epoch > node->gate.state.fence_epoch || node->obs.fence_epoch < epoch);
	/* What a full disk could not remember may be lost with the machine's memory. */
	if (epoch <= found->last_epoch[n] && !node->had_disk_trouble)
		sim_fail(world, SIM_EPOCH,
			 "gw%u claims epoch %" PRIx64 " again, had %" PRIx64 " before", n + 1,
			 epoch, found->last_epoch[n]);
	if (found->last_epoch[n] < epoch)
		found->last_epoch[n] = epoch;
	found->claimed_at[n] = world->now;
	node->order.claimed = epoch;
}

static void check_serve(struct sim_world *world, unsigned int n)
{
	struct sim_node *node = &world->node[n];
	struct sim_findings *found = &world->found;
	uint64_t epoch = node->order.claimed;

	REQUIRE(world, n, epoch && epoch == node->el.epoch);
	REQUIRE(world, n, node->order.announced == epoch);
	REQUIRE(world, n, epoch > node->obs.fence_epoch);
	/* A claimant that never heard of the last term may get below it. */
	found->descents += epoch < found->top_served;
	if (found->top_served < epoch)
		found->top_served = epoch;
	node->order.served = epoch;
}

static void check_answer(struct sim_world *world, unsigned int n)
{
	uint64_t since = world->found.waiting_since[n];

	if (since && since < able_since(world, n))
		since = able_since(world, n);
	if (since && world->now > since + ANSWER_NS)
		sim_fail(world, SIM_NO_ANSWER, "gw%u's operator waited for %.3f ms", n + 1,
			 (world->now - since) / 1e6);
	world->found.waiting_since[n] = 0;
}

void sim_check_action(struct sim_world *world, unsigned int n, const struct hg_action *act)
{
	struct sim_order *order = &world->node[n].order;
	uint64_t epoch = world->node[n].el.epoch;

	switch (act->type) {
	case HG_ACT_CLAIM_EPOCH:
		check_claim(world, n, act->epoch);
		break;
	case HG_ACT_SEND_CLAIM:
		REQUIRE(world, n, act->epoch == order->claimed && order->claimed);
		REQUIRE(world, n, !world->node[n].actions.again);
		order->announced = act->epoch;
		break;
	case HG_ACT_SERVE:
		check_serve(world, n);
		break;
	case HG_ACT_ANNOUNCE:
	case HG_ACT_ADDRESSES_ADD:
	case HG_ACT_RENEW:
	case HG_ACT_SEND_REQUEST:
		REQUIRE(world, n, order->served && order->served == epoch);
		break;
	case HG_ACT_RELEASE_EPOCH:
		REQUIRE(world, n, order->claimed);
		*order = (struct sim_order){ 0 };
		break;
	case HG_ACT_ADDRESSES_REMOVE:
	case HG_ACT_SEND_PROBE:
		REQUIRE(world, n, !order->claimed);
		break;
	case HG_ACT_HANDOVER_DONE:
		check_answer(world, n);
		break;
	case HG_ACT_SEND_HELLO:
	case HG_ACT_SEND_WITNESS:
	case HG_ACT_TRANSITION:
		break;
	case HG_ACTS:
		REQUIRE(world, n, act->type != HG_ACTS);
		break;
	}
}

/* --- the end --------------------------------------------------------------------------- */

void sim_check_end(struct sim_world *world)
{
	struct sim_findings *found = &world->found;

	for (unsigned int n = 0; n < SIM_NODES; n++)
		if (found->waiting_since[n])
			sim_fail(world, SIM_NO_ANSWER, "gw%u's operator got no answer", n + 1);
	if (!found->serving || found->serving == 3)
		sim_fail(world, SIM_NOBODY, "%s serve%s though all trouble is over",
			 found->serving ? "both" : "nobody", found->serving ? "" : "s");
	else if (found->unsettled_at > world->now - 100 * SIM_MS)
		sim_fail(world, SIM_NOBODY, "not settled %.3f ms after the last trouble",
			 (found->unsettled_at - world->plan->quiet_at) / 1e6);
}
