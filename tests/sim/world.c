// SPDX-License-Identifier: GPL-2.0-or-later
/* See world.h. The world's clock, the nodes' clocks, which event comes next. */
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "explore.h"

#define PPM 1000000
/* From the end of all trouble until exactly one node serves; see docs/simulator.md. */
#define SETTLE_NS (1000 * SIM_MS)
#define WATCH_NS (100 * SIM_MS) /* and then still does */

/* --- clocks ------------------------------------------------------------------------ */

uint64_t sim_clock(const struct sim_world *world, unsigned int n)
{
	const struct sim_node *node = &world->node[n];
	int64_t passed = world->now - node->world_base;

	return node->clock_base + passed + passed * node->ppm / PPM;
}

uint64_t sim_clock_read(struct sim_world *world, unsigned int n)
{
	struct sim_gate *gate = &world->node[n].gate;
	uint64_t clock = sim_clock(world, n);

	gate->clock = gate->clock < clock ? clock : gate->clock + 1;
	return gate->clock;
}

uint64_t sim_clock_when(const struct sim_world *world, unsigned int n, uint64_t clock)
{
	const struct sim_node *node = &world->node[n];
	int64_t passed;

	if (clock == SIM_NEVER)
		return SIM_NEVER;
	if (clock <= sim_clock(world, n))
		return world->now;
	passed = clock - node->clock_base;
	return node->world_base + (uint64_t)((__int128)passed * PPM / (PPM + node->ppm)) + 1;
}

uint64_t sim_noise(const struct sim_world *world, uint64_t salt, uint64_t below)
{
	if (!world->plan->noise || !below)
		return 0;
	return sim_mix(sim_mix(world->plan->noise, world->now), salt) % below;
}

bool sim_is_running(const struct sim_world *world, unsigned int n)
{
	return !world->node[n].off_until && !world->node[n].paused_until;
}

bool sim_is_serving(const struct sim_world *world, unsigned int n)
{
	return sim_is_running(world, n) &&
	       hg_state_serves(&world->node[n].gate.state, sim_clock(world, n));
}

void sim_say(const struct sim_world *world, unsigned int n, const char *format, ...)
{
	va_list arguments;

	if (!world->trace)
		return;
	fprintf(world->trace, "%11.3f  ", world->now / 1e6);
	if (n < SIM_NODES)
		fprintf(world->trace, "gw%u  ", n + 1);
	else
		fputs("     ", world->trace);
	va_start(arguments, format);
	vfprintf(world->trace, format, arguments);
	va_end(arguments);
	fputc('\n', world->trace);
}

/* --- machines ---------------------------------------------------------------------- */

void sim_power_off(struct sim_world *world, unsigned int n, uint64_t ns)
{
	struct sim_node *node = &world->node[n];

	sim_agent_die(world, n, SIM_NEVER - world->now);
	sim_net_forget(world, n);
	node->off_until = world->now + ns;
	node->paused_until = 0;
}

static void power_on(struct sim_world *world, unsigned int n)
{
	struct sim_node *node = &world->node[n];
	const struct hg_elect_config *config = &node->config;
	struct hg_config constants = {
		.lease_ns = config->lease.ns,
		.agent_grace_ns = config->agent_grace.ns,
		.drain_ns = config->drain.ns,
		.udp_port = HG_WIRE_UDP_PORT,
		.node = config->node,
		.min_ttl = HG_WIRE_TTL,
		.peers = { !n + 1 },
	};

	sim_gate_init(&node->gate, &constants);
	node->off_until = 0;
	node->clock_base = 5000 * SIM_MS + sim_noise(world, 31 + n, 1000 * SIM_MS);
	node->world_base = world->now;
	node->ppm = world->plan->drift[n];
	sim_say(world, n, "boots");
	sim_agent_start(world, n);
}

static void init_node(struct sim_world *world, unsigned int n)
{
	struct sim_node *node = &world->node[n];

	node->config = (struct hg_elect_config){
		.node = n + 1,
		.priority = world->plan->priority[n],
		.mode = HG_MODE_MEMBER,
		.isolation = world->plan->isolation,
		.has_peer = true,
		.has_witness = world->plan->has_witness,
		.is_failback = world->plan->is_failback,
		.failback_delay = HG_MS(200),
		.interval = HG_MS(5),
		.lease = HG_MS(20),
		.hello = HG_MS(100),
		.agent_grace = HG_MS(300),
		.drain = HG_MS(100),
		.margin = { 200000 },
		.drift_ppm = 10000,
		.handover_timeout = HG_MS(300),
	};
	node->disk_counter = 1;
	node->off_until = world->plan->boot[n] + 1;
	node->wake_at = SIM_NEVER;
	node->judge_at = SIM_NEVER;
	node->dead_until = SIM_NEVER;
}

void sim_world_init(struct sim_world *world, const struct sim_plan *plan)
{
	memset(world, 0, offsetof(struct sim_world, frame));
	world->plan = plan;
	sim_net_init(world);
	sim_third_start(world);
	for (unsigned int n = 0; n < SIM_NODES; n++)
		init_node(world, n);
}

/* --- what comes next --------------------------------------------------------------- */

enum turn {
	TURN_FAULT,
	TURN_FRAME,
	TURN_THIRD,
	TURN_BOOT,
	TURN_RESUME,
	TURN_START,
	TURN_JUDGE,
	TURN_WAKE
};

struct next {
	uint64_t at;
	enum turn turn;
	unsigned int node;
};

static void consider(struct next *next, uint64_t at, enum turn turn, unsigned int node)
{
	if (at < next->at)
		*next = (struct next){ at, turn, node };
}

static struct next find_next(const struct sim_world *world)
{
	struct next next = { .at = SIM_NEVER };

	if (world->next_fault < world->plan->count)
		consider(&next, world->plan->fault[world->next_fault].at, TURN_FAULT, 0);
	if (world->flights)
		consider(&next, world->flight[0].at, TURN_FRAME, 0);
	if (world->third.off_until)
		consider(&next, world->third.off_until, TURN_THIRD, 0);
	for (unsigned int n = 0; n < SIM_NODES; n++) {
		const struct sim_node *node = &world->node[n];

		if (node->off_until) {
			consider(&next, node->off_until, TURN_BOOT, n);
			continue;
		}
		if (node->paused_until) {
			consider(&next, node->paused_until, TURN_RESUME, n);
			continue;
		}
		if (!node->is_alive)
			consider(&next, node->dead_until, TURN_START, n);
		consider(&next, node->judge_at, TURN_JUDGE, n);
		consider(&next, node->wake_at, TURN_WAKE, n);
	}
	return next;
}

static void resume(struct sim_world *world, unsigned int n)
{
	world->node[n].paused_until = 0;
	world->found.able_at[n] = world->now;
	sim_say(world, n, "runs again");
	sim_check_serving(world);
	sim_net_resume(world, n);
	sim_agent_run(world, n);
}

static void take_turn(struct sim_world *world, const struct next *next)
{
	struct sim_note judge = { .type = SIM_NOTE_JUDGE };

	switch (next->turn) {
	case TURN_FAULT:
		sim_fault_apply(world, &world->plan->fault[world->next_fault++]);
		break;
	case TURN_FRAME:
		sim_net_arrive(world);
		break;
	case TURN_THIRD:
		sim_third_start(world);
		break;
	case TURN_BOOT:
		power_on(world, next->node);
		break;
	case TURN_RESUME:
		resume(world, next->node);
		break;
	case TURN_START:
		sim_agent_start(world, next->node);
		break;
	case TURN_JUDGE:
		world->node[next->node].judge_at = SIM_NEVER;
		sim_agent_tell(world, next->node, &judge);
		break;
	case TURN_WAKE:
		world->node[next->node].wake_at = SIM_NEVER;
		sim_agent_run(world, next->node);
		break;
	}
}

void sim_world_run(struct sim_world *world, uint64_t until)
{
	while (!world->found.failure) {
		struct next next = find_next(world);

		if (next.at > until)
			break;
		if (world->now < next.at)
			world->now = next.at;
		if (world->points)
			sim_point_instant(world);
		take_turn(world, &next);
		sim_check_serving(world);
	}
	if (!world->found.failure) {
		world->now = until;
		sim_check_serving(world);
	}
}

/* The operator leaves nothing behind. */
static void undo_operator(struct sim_world *world)
{
	for (unsigned int n = 0; n < SIM_NODES; n++) {
		struct sim_node *node = &world->node[n];

		node->has_stall = node->has_death = false;
		if (node->disk_maintenance || node->el.is_maintenance)
			sim_agent_event(world, n, HG_EV_MAINTENANCE_OFF);
	}
}

/* One serves, the other grants, and so it has been for a while. */
static bool is_settled(const struct sim_world *world)
{
	enum hg_elect_state a = world->node[0].el.state, b = world->node[1].el.state;
	bool is_pair = (a == HG_EL_ACTIVE && b == HG_EL_STANDBY) ||
		       (b == HG_EL_ACTIVE && a == HG_EL_STANDBY);

	return is_pair && world->now > world->found.unsettled_at + WATCH_NS &&
	       world->now > world->plan->quiet_at + WATCH_NS;
}

enum sim_failure sim_world_finish(struct sim_world *world)
{
	uint64_t quiet = world->plan->quiet_at;

	sim_world_run(world, quiet);
	if (world->found.failure)
		return world->found.failure;
	sim_say(world, SIM_NODES, "--- no more trouble");
	undo_operator(world);
	while (!world->found.failure && world->now < quiet + SETTLE_NS + WATCH_NS &&
	       !(world->is_brief && is_settled(world)))
		sim_world_run(world, world->now + 10 * SIM_MS);
	if (!world->found.failure)
		sim_check_end(world);
	return world->found.failure;
}

enum sim_failure sim_plan_run(const struct sim_plan *plan, struct sim_world *world, FILE *trace,
			      bool has_frames)
{
	sim_world_init(world, plan);
	world->trace = trace;
	world->has_frames = has_frames;
	world->is_brief = plan->noise % 8 != 0;
	return sim_world_finish(world);
}
