/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What may go wrong in the world of elect_world.h. */
#include "elect_world.h"

/* How long after its end a fault may still be felt: frames under way, a lease, the
 * listening after it, and the first exchange of HELLOs. */
#define AFTERMATH (150 * WORLD_MS)

static void disturb(struct world *world, uint64_t until)
{
	if (world->disturbed_until < until + AFTERMATH)
		world->disturbed_until = until + AFTERMATH;
}

static uint64_t some_time(struct world *world)
{
	static const uint64_t longest[] = { 8, 30, 100, 600 };

	return (1 + world_random(world, longest[world_random(world, 4)])) * WORLD_MS;
}

static void cut(struct world *world, uint64_t until)
{
	uint64_t ways = 1 + world_random(world, 3); /* bit: sender */
	uint64_t ports = world_random(world, 3); /* one of the two, or both */

	for (unsigned int n = 0; n < 2; n++)
		for (unsigned int port = 0; port < WORLD_PORTS; port++)
			if (ways & 1u << n && (ports == WORLD_PORTS || ports == port))
				world->cut_until[n][port] = until;
}

static void network_fault(struct world *world)
{
	uint64_t until = world->now + some_time(world);

	if (until > world->fault_until)
		until = world->fault_until;
	switch (world_random(world, 4)) {
	case 0:
		world->loss_permille = world_random(world, 900);
		world->loss_until = until;
		break;
	case 1:
		world->slow_until = until;
		break;
	default:
		cut(world, until);
		break;
	}
	disturb(world, until);
}

static void machine_fault(struct world *world)
{
	unsigned int n = world_random(world, 2);
	struct world_node *node = &world->node[n];
	uint64_t length = some_time(world);

	if (node->is_off || world->now + length > world->fault_until)
		return;
	switch (world_random(world, 6)) {
	case 0:
	case 1:
		node->stalled_until = world->now + length;
		break;
	case 2:
	case 3:
		node->paused_until = world->now + length;
		break;
	case 4:
		if (node->paused_until <= world->now)
			world_start_agent(world, n);
		break;
	default:
		length += 100 * WORLD_MS; /* a machine does not boot faster */
		world_power_off(world, n, length);
		break;
	}
	disturb(world, world->now + length);
}

/* The witness restarts, or is cut off from one node or both. */
static void third_fault(struct world *world)
{
	uint64_t until = world->now + some_time(world);
	uint64_t ways = 1 + world_random(world, 3);

	if (until > world->fault_until)
		until = world->fault_until;
	if (world_random(world, 3) == 0)
		world_third_restart(world, until - world->now);
	else
		for (unsigned int n = 0; n < 2; n++)
			if (ways & 1u << n)
				world->witness.cut_until[n] = until;
	/* It grants nothing for a longest lease after its start. */
	disturb(world, until + 250 * WORLD_MS);
}

static void operator_acts(struct world *world)
{
	unsigned int n = world_random(world, 2);
	struct hg_elect_event ev = { .type = HG_EV_HANDOVER };

	switch (world_random(world, 4)) {
	case 0:
		break;
	case 1:
		ev.type = HG_EV_MAINTENANCE_ON;
		break;
	case 2:
		ev.type = HG_EV_MAINTENANCE_OFF;
		break;
	default:
		ev.type = HG_EV_HEALTH;
		ev.self.health = 50 + world_random(world, 51);
		ev.self.is_fit = world_random(world, 4) != 0;
		break;
	}
	world_step(world, n, &ev);
}

void world_apply_fault(struct world *world)
{
	uint64_t kind = world_random(world, 3);

	if (kind == 0 && world->has_network_faults)
		network_fault(world);
	if (kind == 1 && world->has_machine_faults)
		machine_fault(world);
	if (kind == 2 && world->has_operator)
		operator_acts(world);
	if (world->has_witness && world_random(world, 4) == 0)
		third_fault(world);
}
