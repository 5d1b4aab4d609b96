/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See elect_world.h. What the agent's shell does stands here in short: read the
 * observation, step, carry out. Between reading and carrying out an agent may be held
 * up, as a process may be on a real machine.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "elect_world.h"

uint64_t world_random(struct world *world, uint64_t below)
{
	uint64_t x = world->seed += 0x9e3779b97f4a7c15u;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return below ? (x ^ x >> 31) % below : 0;
}

/* --- clocks ----------------------------------------------------------------------- */

static uint64_t node_clock(const struct world *world, unsigned int n)
{
	const struct world_node *node = &world->node[n];

	return node->clock_base + (uint64_t)((world->now - node->world_base) * node->rate);
}

uint64_t world_clock_of(const struct world *world, unsigned int n)
{
	return node_clock(world, n);
}

static uint64_t world_clock(const struct world *world, unsigned int n, uint64_t clock)
{
	const struct world_node *node = &world->node[n];

	if (clock <= node->clock_base)
		return world->now;
	return node->world_base + (uint64_t)((clock - node->clock_base) / node->rate) + 1;
}

static bool is_running(const struct world *world, unsigned int n)
{
	return !world->node[n].is_off && world->node[n].paused_until <= world->now;
}

bool world_serves(const struct world *world, unsigned int n)
{
	return is_running(world, n) && hg_state_serves(&world->node[n].state, node_clock(world, n));
}

/* --- the queue --------------------------------------------------------------------- */

static bool is_before(const struct world_event *a, const struct world_event *b)
{
	return a->at != b->at ? a->at < b->at : a->order < b->order;
}

void world_push(struct world *world, uint64_t at, enum world_event_type type, unsigned int node,
		const struct world_frame *frame)
{
	struct world_event ev = { .at = at < world->now ? world->now : at,
				  .order = world->order++,
				  .type = type,
				  .node = node,
				  .life = world->node[node].life };
	unsigned int i = world->events++;

	if (world->events >= WORLD_EVENTS)
		abort();
	if (frame)
		ev.frame = *frame;
	for (; i && is_before(&ev, &world->heap[(i - 1) / 2]); i = (i - 1) / 2)
		world->heap[i] = world->heap[(i - 1) / 2];
	world->heap[i] = ev;
}

static struct world_event pop(struct world *world)
{
	struct world_event top = world->heap[0], last = world->heap[--world->events];
	unsigned int i = 0, child;

	while ((child = 2 * i + 1) < world->events) {
		if (child + 1 < world->events &&
		    is_before(&world->heap[child + 1], &world->heap[child]))
			child++;
		if (!is_before(&world->heap[child], &last))
			break;
		world->heap[i] = world->heap[child];
		i = child;
	}
	world->heap[i] = last;
	return top;
}

/* --- frames ------------------------------------------------------------------------ */

static void transmit(struct world *world, unsigned int from, struct world_frame *frame)
{
	struct world_node *node = &world->node[from];
	uint64_t delay = 30000 + world_random(world, 200000);

	if (world->cut_until[from][frame->port] > world->now)
		return;
	if (world->loss_until > world->now && world_random(world, 1000) < world->loss_permille)
		return;
	if (world->slow_until > world->now)
		delay += world_random(world, 30 * WORLD_MS);
	memcpy(frame->boot, node->boot, sizeof(frame->boot));
	world_push(world, world->now + delay, WORLD_FRAME, !from, frame);
}

static uint64_t next_seq(struct world *world, unsigned int n)
{
	struct world_node *node = &world->node[n];
	uint64_t clock = node_clock(world, n);

	node->seq = node->seq < clock ? clock : node->seq + 1;
	return node->seq;
}

static void send_all(struct world *world, unsigned int n, enum hg_wire_type type, uint64_t epoch)
{
	struct world_node *node = &world->node[n];
	const struct hg_elect *el = &node->el;
	uint64_t age = node_clock(world, n) - node->state.agent_seen;
	struct world_frame frame = {
		.lease = { .type = type,
			   .epoch = epoch,
			   .stamp = node_clock(world, n),
			   .agent_age_ms = age / WORLD_MS },
		.hello = { .role = hg_elect_role(el),
			   .epoch = el->epoch,
			   .epoch_seen = el->epoch_seen,
			   .generation = el->generation,
			   .node = el->config.node,
			   .priority = el->config.priority,
			   .health = el->health,
			   .is_consent = el->is_consenting,
			   .is_unfit = !el->is_fit || el->is_maintenance,
			   .is_bound = el->is_bound },
	};

	for (unsigned int port = 0; port < WORLD_PORTS; port++) {
		frame.port = port;
		frame.lease.port = port + 1;
		frame.lease.seq = next_seq(world, n);
		transmit(world, n, &frame);
	}
}

/* A new boot of the peer: the session is agreed anew. A HELLO of an old one is void. */
static bool agree_session(struct world *world, unsigned int n, const struct world_frame *frame)
{
	struct world_node *node = &world->node[n];
	bool is_news = false;

	if (frame->boot[!n] < node->boot[!n])
		return false;
	if (frame->boot[!n] > node->boot[!n]) {
		node->boot[!n] = frame->boot[!n];
		for (unsigned int port = 0; port < WORLD_PORTS; port++)
			memset(node->path[port].seq, 0, sizeof(node->path[port].seq));
		is_news = true;
	}
	if (is_news || frame->boot[n] != node->boot[n])
		send_all(world, n, HG_WIRE_HELLO, node->el.epoch);
	return frame->boot[n] == node->boot[n];
}

static bool agent_runs(const struct world *world, unsigned int n)
{
	return is_running(world, n) && world->node[n].stalled_until <= world->now;
}

static void on_hello(struct world *world, unsigned int n, const struct world_frame *frame)
{
	struct hg_elect_event ev = { .type = HG_EV_HELLO, .hello = frame->hello };

	world_step(world, n, &ev);
}

static void wake(struct world *world, unsigned int n)
{
	struct hg_elect_event ev = { .type = HG_EV_TICK };

	if (agent_runs(world, n))
		world_step(world, n, &ev);
}

/* The data path of a node takes a frame. */
static void receive(struct world *world, unsigned int n, const struct world_frame *frame)
{
	struct world_node *node = &world->node[n];
	bool is_hello = frame->lease.type == HG_WIRE_HELLO;
	struct hg_lease lease = {
		.config = &node->path_config,
		.state = &node->state,
		.peer = &node->peer,
		.path = &node->path[frame->port],
		.port = frame->port + 1,
		.now = node_clock(world, n),
	};
	struct hg_lease_result result;
	struct world_frame answer = *frame;

	if (is_hello && (!agent_runs(world, n) || !agree_session(world, n, frame)))
		return;
	if (!is_hello && memcmp(frame->boot, node->boot, sizeof(frame->boot)) != 0)
		return;
	hg_lease_receive(&lease, &frame->lease, &result);
	if (result.answer) {
		answer.lease = (struct hg_lease_frame){ .type = result.answer,
							.flags = result.flags,
							.agent_age_ms = result.agent_age_ms,
							.port = frame->port + 1,
							.echo = result.echo,
							.seq = next_seq(world, n),
							.epoch = result.epoch,
							.stamp = result.stamp };
		transmit(world, n, &answer);
	}
	if (result.event == HG_EVENT_HELLO)
		on_hello(world, n, frame);
	else if (result.event)
		wake(world, n);
}

/* --- the agent --------------------------------------------------------------------- */

static struct hg_obs observe(const struct world_node *node)
{
	return (struct hg_obs){
		.lease_until = { node->state.lease_until },
		.fence_epoch = node->state.fence_epoch,
		.epoch = node->state.epoch,
		.drain_until = { node->state.drain_until },
		.last_grant = { node->state.last_grant },
		.heard = { node->peer.heard },
		.request = { node->peer.request },
		.request_epoch = node->peer.request_epoch,
		.agent_age = { node->peer.agent_age },
		.fenced_epoch = node->peer.fenced_epoch,
		.fenced_stamp = { node->peer.fenced_stamp },
	};
}

static void say(const struct world *world, unsigned int n, const struct hg_action *act)
{
	static const char *const why[] = {
#define X(id, name, text) name,
		HG_TRANSITION_REASONS(X)
#undef X
	};

	if (world->is_loud)
		printf("%10.3f node %u %s > %s: %s (epoch %" PRIx64 ")\n", world->now / 1e6, n + 1,
		       hg_elect_state_name(act->transition.from),
		       hg_elect_state_name(act->transition.to), why[act->transition.why],
		       world->node[n].el.epoch);
}

static void renew(struct world *world, unsigned int n, uint64_t until)
{
	struct hg_state *state = &world->node[n].state;

	if (node_clock(world, n) < state->lease_until && state->lease_until < until)
		state->lease_until = until;
}

static void carry_out(struct world *world, unsigned int n, const struct hg_action *act)
{
	struct world_node *node = &world->node[n];

	switch (act->type) {
	case HG_ACT_CLAIM_EPOCH:
		node->state.lease_until = 0;
		node->state.epoch = act->epoch;
		node->counter = hg_epoch_counter(act->epoch) + 1;
		break;
	case HG_ACT_SERVE:
		node->state.lease_until = act->until.ns;
		world->takeovers++;
		break;
	case HG_ACT_RENEW:
		renew(world, n, act->until.ns);
		break;
	case HG_ACT_RELEASE_EPOCH:
		node->state.epoch = 0;
		node->state.lease_until = 0;
		break;
	case HG_ACT_SEND_CLAIM:
		send_all(world, n, HG_WIRE_CLAIM, act->epoch);
		break;
	case HG_ACT_SEND_PROBE:
		send_all(world, n, HG_WIRE_PROBE, node->state.fence_epoch);
		break;
	case HG_ACT_SEND_REQUEST:
		send_all(world, n, HG_WIRE_REQUEST, node->el.epoch);
		break;
	case HG_ACT_SEND_HELLO:
		send_all(world, n, HG_WIRE_HELLO, node->el.epoch);
		break;
	case HG_ACT_SEND_WITNESS:
		world_third_ask(world, n, act);
		break;
	case HG_ACT_TRANSITION:
		say(world, n, act);
		break;
	case HG_ACT_ANNOUNCE:
	case HG_ACT_ADDRESSES_ADD:
	case HG_ACT_ADDRESSES_REMOVE:
	case HG_ACT_HANDOVER_DONE:
	case HG_ACTS:
		break;
	}
}

static void schedule(struct world *world, unsigned int n)
{
	struct world_node *node = &world->node[n];
	struct hg_time due = hg_elect_deadline(&node->el, &node->obs);
	uint64_t at;

	if (due.ns == UINT64_MAX)
		return;
	at = world_clock(world, n, due.ns) + world_random(world, 100000);
	if (world_random(world, 500) == 0)
		at += world_random(world, 4 * WORLD_MS); /* a slow timer */
	node->timer_at = at;
	world_push(world, at, WORLD_TIMER, n, NULL);
}

static void apply(struct world *world, unsigned int n)
{
	struct world_node *node = &world->node[n];
	struct hg_elect_event tick = { .type = HG_EV_TICK };

	node->is_busy = false;
	for (unsigned int i = 0; i < node->actions.count; i++)
		carry_out(world, n, &node->actions.list[i]);
	if (node->actions.again)
		world_step(world, n, &tick);
	else
		schedule(world, n);
}

void world_step(struct world *world, unsigned int n, struct hg_elect_event *ev)
{
	struct world_node *node = &world->node[n];

	if (node->is_busy || !agent_runs(world, n))
		return;
	ev->now.ns = node_clock(world, n);
	node->obs = ev->obs = observe(node);
	node->state.agent_seen = ev->now.ns;
	hg_elect_step(&node->el, ev, &node->actions);
	node->is_busy = true;
	if (world->has_machine_faults && world->now < world->fault_until &&
	    world_random(world, 200) == 0)
		world_push(world, world->now + world_random(world, 40 * WORLD_MS), WORLD_APPLY, n,
			   NULL);
	else
		apply(world, n);
}

void world_start_agent(struct world *world, unsigned int n)
{
	struct world_node *node = &world->node[n];
	struct hg_elect_event ev = { .type = HG_EV_START, .config = node->config };

	node->life++;
	node->is_busy = false;
	node->stalled_until = 0;
	node->counter += 16;
	ev.epoch_counter = node->counter;
	hg_elect_init(&node->el);
	world_step(world, n, &ev);
}

/* --- machines ---------------------------------------------------------------------- */

void world_power_off(struct world *world, unsigned int n, uint64_t ns)
{
	struct world_node *node = &world->node[n];

	node->is_off = true;
	node->life++;
	node->is_busy = false;
	world_push(world, world->now + ns, WORLD_BOOT, n, NULL);
}

static void boot(struct world *world, unsigned int n)
{
	struct world_node *node = &world->node[n];
	uint32_t next = node->boot[n] + 1;

	memset(&node->state, 0, sizeof(node->state));
	memset(&node->peer, 0, sizeof(node->peer));
	memset(node->path, 0, sizeof(node->path));
	memset(node->boot, 0, sizeof(node->boot));
	node->boot[n] = next;
	node->is_off = false;
	node->paused_until = 0;
	node->clock_base = 5000 * WORLD_MS + world_random(world, 1000 * WORLD_MS);
	node->world_base = world->now;
	node->seq = 0;
	node->rate = 1.0 + ((double)world_random(world, 19000) - 9500) / 1e6;
	world_start_agent(world, n);
}

/* --- findings ---------------------------------------------------------------------- */

static void take_stock(struct world *world)
{
	bool first = world_serves(world, 0), second = world_serves(world, 1);

	if (first && second) {
		if (world->overlap_at + WORLD_MS >= world->now && world->overlap_at)
			world->overlap_ns += world->now - world->overlap_at;
		if (world->now > world->disturbed_until)
			world->quiet_overlaps++;
		if (world->is_loud)
			printf("%10.3f both serve\n", world->now / 1e6);
		world->overlap_at = world->now;
	}
	if (first || second) {
		world->is_silent = false;
		return;
	}
	if (!world->is_silent)
		world->silent_since = world->now;
	world->is_silent = true;
	if (world->silent_since >= world->quiet_from &&
	    world->now - world->silent_since > world->quiet_gap_ns)
		world->quiet_gap_ns = world->now - world->silent_since;
}

/* --- the world --------------------------------------------------------------------- */

static void init_node(struct world *world, unsigned int n, const struct world_options *options)
{
	struct world_node *node = &world->node[n];

	node->config = (struct hg_elect_config){
		.node = n + 1,
		.priority = 100 + n * 50,
		.mode = HG_MODE_MEMBER,
		.isolation = options->isolation,
		.has_peer = true,
		.has_witness = options->has_witness,
		.is_failback = options->is_failback,
		.failback_delay = HG_MS(400),
		.interval = HG_MS(5),
		.lease = HG_MS(20),
		.hello = HG_MS(100),
		.agent_grace = HG_MS(300),
		.drain = HG_MS(200),
		.margin = { 200000 },
		.drift_ppm = 10000,
		.handover_timeout = HG_MS(300),
	};
	node->path_config = (struct hg_config){
		.lease_ns = node->config.lease.ns,
		.agent_grace_ns = node->config.agent_grace.ns,
		.drain_ns = node->config.drain.ns,
		.node = n + 1,
	};
	node->is_off = true;
	world_push(world, world_random(world, 50 * WORLD_MS), WORLD_BOOT, n, NULL);
}

void world_init(struct world *world, const struct world_options *options)
{
	memset(world, 0, sizeof(*world));
	world->seed = options->seed;
	world->heap = calloc(WORLD_EVENTS, sizeof(*world->heap));
	if (!world->heap)
		abort();
	world->has_network_faults = options->has_network_faults;
	world->has_machine_faults = options->has_machine_faults;
	world->has_operator = options->has_operator;
	world->is_loud = options->is_loud;
	world->fault_until = options->fault_ns;
	world->quiet_from = options->fault_ns + options->settle_ns;
	world->disturbed_until = 200 * WORLD_MS; /* booting */
	world->has_witness = options->has_witness;
	for (unsigned int n = 0; n < 2; n++)
		init_node(world, n, options);
	if (options->has_witness)
		world_third_init(world);
	world_push(world, 300 * WORLD_MS, WORLD_FAULT, 0, NULL);
	world_push(world, 0, WORLD_SAMPLE, 0, NULL);
}

void world_done(struct world *world)
{
	free(world->heap);
}

static void on_node_event(struct world *world, const struct world_event *ev)
{
	struct world_node *node = &world->node[ev->node];
	uint64_t blocked = node->paused_until > node->stalled_until ? node->paused_until
								    : node->stalled_until;

	if (ev->life != node->life || node->is_off)
		return;
	if (blocked > world->now) {
		world_push(world, blocked, ev->type, ev->node, NULL);
		return;
	}
	if (ev->type == WORLD_APPLY)
		apply(world, ev->node);
	else if (ev->at >= node->timer_at)
		wake(world, ev->node);
}

static void on_event(struct world *world, const struct world_event *ev)
{
	switch (ev->type) {
	case WORLD_TIMER:
	case WORLD_APPLY:
		on_node_event(world, ev);
		break;
	case WORLD_FRAME:
		if (world->node[ev->node].is_off)
			break;
		if (is_running(world, ev->node))
			receive(world, ev->node, &ev->frame);
		else /* waits in the NIC */
			world_push(world, world->node[ev->node].paused_until, WORLD_FRAME, ev->node,
				   &ev->frame);
		break;
	case WORLD_ASK:
		world_third_receive(world, ev);
		break;
	case WORLD_ANSWER:
		world_third_answer(world, ev);
		break;
	case WORLD_RESUME:
		break;
	case WORLD_BOOT:
		boot(world, ev->node);
		break;
	case WORLD_FAULT:
		if (world->now >= world->fault_until)
			break;
		world_apply_fault(world);
		world_push(world, world->now + world_random(world, 150 * WORLD_MS), WORLD_FAULT, 0,
			   NULL);
		break;
	case WORLD_SAMPLE:
		world_push(world, world->now + WORLD_MS / 2, WORLD_SAMPLE, 0, NULL);
		break;
	}
}

void world_run(struct world *world, uint64_t until)
{
	while (world->events && world->heap[0].at <= until) {
		struct world_event ev = pop(world);

		world->now = ev.at;
		on_event(world, &ev);
		take_stock(world);
	}
	world->now = until;
}
