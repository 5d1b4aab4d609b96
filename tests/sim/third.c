// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The witness as a third host: the real judgement (agent/core/witness.c) behind requests
 * and answers that the network loses, holds and cuts like any frame. What it granted is on
 * its disk before the answer goes out, as hagate-witness has it; a witness that lost its
 * disk remembers nothing. Its sessions are agreed at once here: what was under way when it
 * or the agent restarted is void.
 */
#include <string.h>

#include "world.h"

#define LEASE_MAX HG_MS(250)
#define CLOCK_BASE (7000 * SIM_MS)

static struct hg_time clock_of(const struct sim_world *world)
{
	/* Runs fast, which ends its grants early: the worse of the two. */
	return (struct hg_time){ CLOCK_BASE + world->now + world->now / 100 };
}

void sim_third_start(struct sim_world *world)
{
	struct sim_third *third = &world->third;
	struct hg_span longest;

	third->rules = (struct hg_witness_rules){
		.lease_max = LEASE_MAX,
		.margin = { 200000 },
		.drift_ppm = 10000,
	};
	longest = hg_witness_longest(&third->rules, LEASE_MAX);
	if (third->boot)
		third->rules.silent_until = hg_time_add(clock_of(world), longest);
	if (third->is_forgetful)
		third->remembered = 0;
	third->state = (struct hg_witness){ .epoch = third->remembered };
	third->off_until = 0;
	third->is_forgetful = false;
	third->boot++;
}

void sim_third_stop(struct sim_world *world, uint64_t ns, bool is_forgetful)
{
	if (!world->plan->has_witness)
		return;
	world->third.off_until = world->now + ns;
	world->third.is_forgetful |= is_forgetful;
}

void sim_third_ask(struct sim_world *world, unsigned int n, const struct hg_action *act)
{
	struct sim_frame frame;

	memset(&frame, 0, sizeof(frame));
	frame.from = n;
	frame.to = SIM_THIRD;
	frame.third.word.epoch = act->ask.epoch;
	frame.third.word.lease = act->ask.lease;
	frame.third.word.stamp.ns = sim_clock(world, n);
	frame.third.boot = world->third.boot;
	frame.third.life = world->node[n].life;
	sim_net_send(world, &frame);
}

void sim_third_receive(struct sim_world *world, const struct sim_frame *frame)
{
	struct sim_third *third = &world->third;
	struct hg_witness_request request = {
		.node = frame->from + 1,
		.epoch = frame->third.word.epoch,
		.lease = frame->third.word.lease,
	};
	struct hg_witness_answer answer;
	struct sim_frame back = *frame;

	if (third->off_until || frame->third.boot != third->boot)
		return;
	hg_witness_judge(&third->state, &third->rules, clock_of(world), &request, &answer);
	if (answer.is_new)
		third->remembered = answer.epoch;
	back.from = SIM_THIRD;
	back.to = frame->from;
	back.third.word.is_granted = answer.verdict == HG_WITNESS_GRANTED;
	back.third.word.epoch = answer.epoch;
	back.third.word.lease = answer.lease;
	if (world->has_frames)
		sim_say(world, SIM_NODES, "witness: %s to gw%u", hg_witness_name(answer.verdict),
			frame->from + 1);
	sim_net_send(world, &back);
}

bool sim_third_answered(struct sim_world *world, unsigned int n, const struct sim_frame *frame,
			struct hg_elect_event *ret_ev)
{
	if (frame->third.life != world->node[n].life || frame->third.boot != world->third.boot)
		return false;
	memset(ret_ev, 0, sizeof(*ret_ev));
	ret_ev->type = HG_EV_WITNESS;
	ret_ev->witness = frame->third.word;
	return true;
}
