/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The witness in the world of elect_world.h. */
#include <string.h>

#include "elect_world.h"

static uint64_t third_clock(const struct world *world)
{
	return 7000 * WORLD_MS + (uint64_t)(world->now * world->witness.rate);
}

static void start(struct world *world)
{
	struct world_witness *witness = &world->witness;
	struct hg_span longest = hg_witness_longest(&witness->rules, witness->rules.lease_max);

	memset(&witness->state, 0, sizeof(witness->state));
	witness->boot++;
	witness->rules.silent_until.ns = third_clock(world) + longest.ns;
}

void world_third_init(struct world *world)
{
	struct world_witness *witness = &world->witness;

	witness->rate = 1.0 + ((double)world_random(world, 19000) - 9500) / 1e6;
	witness->rules = (struct hg_witness_rules){
		.lease_max = HG_MS(200),
		.margin = { 200000 },
		.drift_ppm = 10000,
	};
	start(world);
}

void world_third_restart(struct world *world, uint64_t off_ns)
{
	world->witness.off_until = world->now + off_ns;
	world->witness.boot++;
}

/* Frames to and from the witness share the network's loss and slowness. */
static bool is_lost(struct world *world, unsigned int n, uint64_t *ret_delay)
{
	*ret_delay = 50000 + world_random(world, 400000);
	if (world->slow_until > world->now)
		*ret_delay += world_random(world, 30 * WORLD_MS);
	return world->witness.cut_until[n] > world->now ||
	       (world->loss_until > world->now && world_random(world, 1000) < world->loss_permille);
}

void world_third_ask(struct world *world, unsigned int n, const struct hg_action *act)
{
	struct world_frame frame = { .boot = { world->witness.boot, 0 } };
	uint64_t delay;

	frame.witness.epoch = act->ask.epoch;
	frame.witness.lease = act->ask.lease;
	frame.witness.stamp.ns = world_clock_of(world, n);
	if (!is_lost(world, n, &delay))
		world_push(world, world->now + delay, WORLD_ASK, n, &frame);
}

void world_third_receive(struct world *world, const struct world_event *ev)
{
	struct world_witness *witness = &world->witness;
	struct hg_witness_request request = {
		.node = world->node[ev->node].config.node,
		.epoch = ev->frame.witness.epoch,
		.lease = ev->frame.witness.lease,
	};
	struct world_frame frame = ev->frame;
	struct hg_witness_answer answer;
	uint64_t delay;

	if (world->now < witness->off_until)
		return;
	if (witness->off_until) {
		witness->off_until = 0;
		start(world);
	}
	if (frame.boot[0] != witness->boot) /* agreed anew by HELLO, in no time here */
		return;
	hg_witness_judge(&witness->state, &witness->rules, (struct hg_time){ third_clock(world) },
			 &request, &answer);
	frame.witness.is_granted = answer.verdict == HG_WITNESS_GRANTED;
	frame.witness.epoch = answer.epoch;
	frame.witness.lease = answer.lease;
	if (!is_lost(world, ev->node, &delay))
		world_push(world, world->now + delay, WORLD_ANSWER, ev->node, &frame);
}

/* An agent that does not run now never gets it; one of a later life has another session. */
void world_third_answer(struct world *world, const struct world_event *ev)
{
	struct world_node *node = &world->node[ev->node];
	struct hg_elect_event step = { .type = HG_EV_WITNESS, .witness = ev->frame.witness };

	if (ev->life == node->life && ev->frame.boot[0] == world->witness.boot)
		world_step(world, ev->node, &step);
}
