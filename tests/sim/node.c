// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The agent as a process: one thing after the other, in small steps, and held up between
 * any two of them when a plan says so. The order of the small steps is elector.c's:
 * clock, observation and decision, each action.
 */
#include <inttypes.h>
#include <string.h>

#include "explore.h"

#define STEPS_MAX 2000 /* small steps within one instant: more are an endless loop */
#define SLACK_NS (100 * SIM_US) /* of a timer */
#define SLOW_TIMER_PER 400 /* of so many timers one is late by more */
#define SLOW_TIMER_NS (4 * SIM_MS)

static const char *const why_name[] = {
#define X(id, name, text) name,
	HG_TRANSITION_REASONS(X)
#undef X
};

static bool is_able(const struct sim_world *world, unsigned int n)
{
	const struct sim_node *node = &world->node[n];

	return node->is_alive && sim_is_running(world, n) && node->stalled_until <= world->now;
}

/* --- actions ----------------------------------------------------------------------- */

static void renew(struct sim_world *world, unsigned int n, uint64_t until)
{
	struct hg_state *state = &world->node[n].gate.state;

	if (sim_clock(world, n) < state->lease_until && state->lease_until < until)
		state->lease_until = until;
}

static void on_transition(struct sim_world *world, unsigned int n, const struct hg_action *act)
{
	struct sim_node *node = &world->node[n];

	node->gate.state.role = hg_elect_role(&node->el);
	node->gate.state.why = act->transition.why;
	sim_say(world, n, "%s -> %s: %s (epoch %" PRIx64 ")",
		hg_elect_state_name(act->transition.from), hg_elect_state_name(act->transition.to),
		why_name[act->transition.why], node->el.epoch);
}

static void act(struct sim_world *world, unsigned int n, const struct hg_action *action)
{
	struct sim_node *node = &world->node[n];
	struct hg_state *state = &node->gate.state;

	sim_check_action(world, n, action);
	switch (action->type) {
	case HG_ACT_CLAIM_EPOCH:
		state->lease_until = 0;
		state->epoch = action->epoch;
		break;
	case HG_ACT_SERVE:
		state->served_epoch = state->epoch;
		state->lease_until = action->until.ns;
		world->found.terms++;
		break;
	case HG_ACT_RENEW:
		renew(world, n, action->until.ns);
		break;
	case HG_ACT_RELEASE_EPOCH:
		state->epoch = 0;
		state->lease_until = 0;
		break;
	case HG_ACT_SEND_CLAIM:
		sim_shell_send(world, n, HG_WIRE_CLAIM, action->epoch);
		break;
	case HG_ACT_SEND_PROBE:
		sim_shell_send(world, n, HG_WIRE_PROBE, state->fence_epoch);
		break;
	case HG_ACT_SEND_REQUEST:
		sim_shell_send(world, n, HG_WIRE_REQUEST, node->el.epoch);
		break;
	case HG_ACT_SEND_HELLO:
		sim_shell_greet(world, n);
		break;
	case HG_ACT_TRANSITION:
		on_transition(world, n, action);
		break;
	case HG_ACT_HANDOVER_DONE:
		sim_say(world, n, "answers the operator: %s, %s",
			action->done.is_ok ? "done" : "refused", why_name[action->done.why]);
		break;
	case HG_ACT_SEND_WITNESS:
		sim_third_ask(world, n, action);
		break;
	case HG_ACT_ANNOUNCE:
	case HG_ACT_ADDRESSES_ADD:
	case HG_ACT_ADDRESSES_REMOVE:
	case HG_ACTS:
		break;
	}
}

/* --- events ------------------------------------------------------------------------- */

static struct hg_elect_event make_event(const struct sim_node *node, enum hg_elect_event_type type)
{
	struct hg_elect_event ev;

	memset(&ev, 0, sizeof(ev));
	ev.type = type;
	if (type == HG_EV_START || type == HG_EV_CONFIG)
		ev.config = node->config;
	if (type == HG_EV_START)
		ev.epoch_counter = node->epoch_first;
	return ev;
}

static void begin(struct sim_node *node, const struct hg_elect_event *ev)
{
	node->ev = *ev;
	node->phase = SIM_CLOCK;
}

static void take_event(struct sim_world *world, unsigned int n, enum hg_elect_event_type type)
{
	struct sim_node *node = &world->node[n];
	struct hg_elect_event ev = make_event(node, type);

	begin(node, &ev);
	if (type == HG_EV_MAINTENANCE_ON || type == HG_EV_MAINTENANCE_OFF)
		if (node->disk_fails_until <= world->now)
			node->disk_maintenance = type == HG_EV_MAINTENANCE_ON;
}

static void take_note(struct sim_world *world, unsigned int n)
{
	struct sim_node *node = &world->node[n];
	struct sim_note note = node->inbox[0];
	struct hg_elect_event ev;

	memmove(node->inbox, node->inbox + 1, --node->inbox_count * sizeof(*node->inbox));
	switch (note.type) {
	case SIM_NOTE_EVENT:
		take_event(world, n, note.event);
		break;
	case SIM_NOTE_JUDGE:
		if (sim_shell_judge(world, n, &ev))
			begin(node, &ev);
		break;
	case SIM_NOTE_GREET:
		sim_shell_greet(world, n);
		break;
	case SIM_NOTE_WITNESS:
		if (sim_third_answered(world, n, &note.frame, &ev))
			begin(node, &ev);
		break;
	case SIM_NOTE_HELLO:
		if (!sim_shell_hello(world, n, &note.frame, &node->next_ev))
			break;
		node->has_next_ev = true;
		if (sim_shell_judge(world, n, &ev)) /* before it hears of a consent */
			begin(node, &ev);
		break;
	}
}

/* --- small steps -------------------------------------------------------------------- */

static void sleep_until(struct sim_world *world, unsigned int n)
{
	struct sim_node *node = &world->node[n];
	uint64_t due = hg_elect_deadline(&node->el, &node->obs).ns;
	uint64_t at, slow = sim_clock_when(world, n, node->slow_at);

	if (due != SIM_NEVER)
		due = (due + 999) / 1000 * 1000; /* sd-event counts us */
	at = sim_clock_when(world, n, due);
	if (at != SIM_NEVER) {
		at += sim_noise(world, 51 + n, SLACK_NS);
		if (world->plan->noise && !sim_noise(world, 53 + n, SLOW_TIMER_PER))
			at += sim_noise(world, 55 + n, SLOW_TIMER_NS);
	}
	node->wake_at = at < slow ? at : slow;
}

/* Nothing is in hand: what next? False: sleep. */
static bool look_round(struct sim_world *world, unsigned int n)
{
	struct sim_node *node = &world->node[n];
	uint64_t clock = sim_clock(world, n);

	if (node->has_next_ev) {
		node->has_next_ev = false;
		begin(node, &node->next_ev);
		return true;
	}
	if (node->inbox_count) {
		take_note(world, n);
		return true;
	}
	if (hg_elect_deadline(&node->el, &node->obs).ns <= clock) {
		take_event(world, n, HG_EV_TICK);
		return true;
	}
	if (node->slow_at <= clock) {
		struct sim_note judge = { .type = SIM_NOTE_JUDGE };

		sim_shell_slow_tick(world, n);
		node->inbox[node->inbox_count++] = judge;
		return true;
	}
	return false;
}

static void decide(struct sim_world *world, unsigned int n)
{
	struct sim_node *node = &world->node[n];

	sim_shell_observe(world, n, &node->obs);
	node->ev.obs = node->obs;
	node->gate.state.agent_seen = node->ev.now.ns;
	sim_record_begin(world, n);
	hg_elect_step(&node->el, &node->ev, &node->actions);
	sim_record_end(world, n);
	world->found.steps++;
	sim_check_step(world, n);
	node->next_action = 0;
	node->phase = SIM_ACT;
}

static void rest(struct sim_world *world, unsigned int n)
{
	struct sim_node *node = &world->node[n];

	if (node->seen_before != node->el.epoch_seen)
		sim_shell_reserve(world, n);
	node->seen_before = node->el.epoch_seen;
	node->phase = SIM_IDLE;
}

/* False: nothing left to do. */
static bool take_step(struct sim_world *world, unsigned int n)
{
	struct sim_node *node = &world->node[n];

	switch (node->phase) {
	case SIM_IDLE:
		return look_round(world, n);
	case SIM_CLOCK:
		node->ev.now.ns = sim_clock_read(world, n);
		node->phase = SIM_OBSERVE;
		return true;
	case SIM_OBSERVE:
		decide(world, n);
		return true;
	case SIM_ACT:
		if (node->next_action < node->actions.count)
			act(world, n, &node->actions.list[node->next_action++]);
		else if (node->actions.again)
			take_event(world, n, HG_EV_TICK);
		else
			rest(world, n);
		return true;
	}
	return false;
}

static void be_held_up(struct sim_world *world, unsigned int n)
{
	struct sim_node *node = &world->node[n];
	uint64_t left = world->plan->quiet_at > world->now ? world->plan->quiet_at - world->now : 0;
	uint64_t ns = node->trouble_ns < left ? node->trouble_ns : left;

	if (node->has_death) {
		sim_agent_die(world, n, ns);
		return;
	}
	node->has_stall = false;
	node->stalled_until = world->now + ns;
	node->wake_at = node->stalled_until;
	sim_say(world, n, "agent held up for %.3f ms%s", ns / 1e6,
		node->phase == SIM_IDLE ? "" : ", in the middle of a step");
}

static void count_step(struct sim_world *world, unsigned int n)
{
	struct sim_node *node = &world->node[n];

	if (!world->points)
		return;
	if (node->step_at != world->now)
		node->step_index = 0;
	node->step_at = world->now;
	sim_point_step(world, n, node->step_index++);
}

void sim_agent_run(struct sim_world *world, unsigned int n)
{
	struct sim_node *node = &world->node[n];
	unsigned int steps = 0;

	while (is_able(world, n) && !world->found.failure) {
		if ((node->has_stall || node->has_death) && !node->countdown--) {
			be_held_up(world, n);
			return;
		}
		count_step(world, n);
		if (!take_step(world, n)) {
			sleep_until(world, n);
			return;
		}
		sim_check_serving(world);
		if (++steps > STEPS_MAX)
			sim_fail(world, SIM_ENDLESS, "the agent of gw%u never rests", n + 1);
	}
	if (node->is_alive && node->stalled_until > world->now)
		node->wake_at = node->stalled_until;
}

void sim_agent_tell(struct sim_world *world, unsigned int n, const struct sim_note *note)
{
	struct sim_node *node = &world->node[n];

	if (!node->is_alive || node->off_until)
		return;
	if (node->inbox_count < SIM_INBOX_MAX - 1) /* else lost, as from a full ring */
		node->inbox[node->inbox_count++] = *note;
	if (node->phase == SIM_IDLE)
		sim_agent_run(world, n);
}

void sim_agent_event(struct sim_world *world, unsigned int n, enum hg_elect_event_type type)
{
	struct sim_note note = { .type = SIM_NOTE_EVENT, .event = type };

	sim_agent_tell(world, n, &note);
}

/* --- life --------------------------------------------------------------------------- */

void sim_agent_start(struct sim_world *world, unsigned int n)
{
	struct sim_node *node = &world->node[n];
	struct sim_note judge = { .type = SIM_NOTE_JUDGE }, greet = { .type = SIM_NOTE_GREET };

	node->life++;
	node->is_alive = true;
	node->is_judged = false;
	node->dead_until = SIM_NEVER;
	node->stalled_until = 0;
	node->has_stall = node->has_death = node->has_next_ev = false;
	node->phase = SIM_IDLE;
	node->inbox_count = 0;
	node->order = (struct sim_order){ 0 };
	world->found.able_at[n] = world->now;
	memset(&node->obs, 0, sizeof(node->obs));
	hg_elect_init(&node->el);
	sim_shell_start(world, n);
	sim_record_start(world, n);
	sim_say(world, n, "agent starts");
	take_event(world, n, HG_EV_START);
	if (node->disk_maintenance)
		node->inbox[node->inbox_count++] = (struct sim_note){
			.type = SIM_NOTE_EVENT, .event = HG_EV_MAINTENANCE_ON
		};
	node->inbox[node->inbox_count++] = judge;
	node->inbox[node->inbox_count++] = greet;
	sim_agent_run(world, n);
}

void sim_agent_die(struct sim_world *world, unsigned int n, uint64_t ns)
{
	struct sim_node *node = &world->node[n];

	if (!node->is_alive)
		return;
	sim_say(world, n, "agent dies%s",
		node->phase == SIM_IDLE ? "" : " in the middle of a step");
	node->is_alive = false;
	node->has_stall = node->has_death = false;
	node->dead_until = world->now + ns;
	node->wake_at = SIM_NEVER;
	node->inbox_count = 0;
	node->phase = SIM_IDLE;
	world->found.waiting_since[n] = 0;
}
