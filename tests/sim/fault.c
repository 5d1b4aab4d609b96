// SPDX-License-Identifier: GPL-2.0-or-later
/* What goes wrong in the simulated world, and what operators do. */
#include <endian.h>
#include <string.h>

#include "world.h"

#define FORGED_EPOCH UINT64_C(0xffffff00)

static uint64_t later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static bool is_meant(const struct sim_fault *fault, unsigned int from, unsigned int to,
		     unsigned int port)
{
	static const uint8_t link[SIM_HOSTS][SIM_HOSTS] = {
		{ 0, SIM_LINK_12, SIM_LINK_1W },
		{ SIM_LINK_21, 0, SIM_LINK_2W },
		{ SIM_LINK_W1, SIM_LINK_W2, 0 },
	};

	return fault->links & link[from][to] && fault->ports & 1u << port;
}

static void trouble_path(struct sim_world *world, const struct sim_fault *fault,
			 struct sim_path *path)
{
	uint64_t until = world->now + fault->length;

	switch ((enum sim_fault_type)fault->type) {
	case SIM_CUT:
		path->cut_until = later(path->cut_until, until);
		break;
	case SIM_LOSS:
		path->loss_until = until;
		path->loss_permille = fault->value;
		break;
	case SIM_SLOW:
		path->slow_until = until;
		path->slow_us = fault->value;
		break;
	case SIM_DOUBLE:
		path->double_until = until;
		break;
	case SIM_REPLAY:
	case SIM_FORGE:
	case SIM_STALL:
	case SIM_PAUSE:
	case SIM_KILL:
	case SIM_STOP:
	case SIM_POWER:
	case SIM_DRIFT:
	case SIM_DISK:
	case SIM_LINK:
	case SIM_UNFIT:
	case SIM_HANDOVER:
	case SIM_MAINTENANCE:
	case SIM_PRIORITY:
	case SIM_WITNESS:
	case SIM_ISOLATION:
	case SIM_FAULT_TYPES:
		break;
	}
}

static void trouble_network(struct sim_world *world, const struct sim_fault *fault)
{
	for (unsigned int from = 0; from < SIM_HOSTS; from++)
		for (unsigned int to = 0; to < SIM_HOSTS; to++)
			for (unsigned int port = 0; port < SIM_PORTS; port++)
				if (is_meant(fault, from, to, port))
					trouble_path(world, fault, &world->path[from][to][port]);
}

static void forge(struct sim_world *world, const struct sim_fault *fault)
{
	unsigned int n = fault->node;
	struct sim_frame frame;

	memset(&frame, 0, sizeof(frame));
	frame.from = !n;
	frame.to = n;
	frame.head = (struct hg_wire_head){
		.magic = htobe16(HG_WIRE_MAGIC),
		.version = HG_WIRE_VERSION,
		.type = 1 + fault->value % (HG_WIRE_NEIGH - 1),
		.sender = !n + 1,
		.receiver = n + 1,
		.port = htobe32(sim_port_id(0)),
		.key_id = htobe32(world->node[n].session_key[0].id),
		.seq = htobe64(sim_clock(world, n) + 1000000 * SIM_MS),
		.stamp = htobe64(sim_clock(world, n)),
		.epoch = htobe64(FORGED_EPOCH | (!n + 1u)),
	};
	if (frame.head.type == HG_WIRE_HELLO)
		frame.head.key_id = htobe32(world->node[n].cluster_key.id);
	frame.head.length = htobe16(frame.head.type == HG_WIRE_HELLO ? HG_WIRE_LONG
								     : HG_WIRE_SHORT);
	memset(frame.tag, 0x5a, sizeof(frame.tag));
	sim_net_inject(world, &frame);
}

static void replay(struct sim_world *world, const struct sim_fault *fault)
{
	unsigned int kept = world->tape_count < SIM_TAPE_MAX ? world->tape_count : SIM_TAPE_MAX;

	if (kept)
		sim_net_inject(world, &world->tape[fault->value % kept]);
}

static void change_clock(struct sim_world *world, unsigned int n, int64_t ppm)
{
	struct sim_node *node = &world->node[n];

	node->clock_base = sim_clock(world, n);
	node->world_base = world->now;
	node->ppm = ppm;
}

static void hold_up(struct sim_world *world, const struct sim_fault *fault)
{
	struct sim_node *node = &world->node[fault->node];

	if (!node->is_alive || node->has_stall || node->has_death)
		return;
	node->has_stall = fault->type == SIM_STALL;
	node->has_death = fault->type == SIM_KILL;
	node->countdown = fault->value;
	node->trouble_ns = fault->length;
	if (!fault->value)
		sim_agent_run(world, fault->node);
}

static void judge(struct sim_world *world, unsigned int n, uint64_t again_at)
{
	struct sim_note note = { .type = SIM_NOTE_JUDGE };

	world->node[n].judge_at = again_at;
	sim_agent_tell(world, n, &note);
}

static void trouble_node(struct sim_world *world, const struct sim_fault *fault)
{
	struct sim_node *node = &world->node[fault->node];
	uint64_t until = world->now + fault->length;

	switch ((enum sim_fault_type)fault->type) {
	case SIM_STALL:
	case SIM_KILL:
		hold_up(world, fault);
		break;
	case SIM_PAUSE:
		node->paused_until = later(node->paused_until, until);
		break;
	case SIM_STOP:
		sim_agent_event(world, fault->node, HG_EV_STOP);
		sim_agent_die(world, fault->node, fault->length);
		break;
	case SIM_POWER:
		sim_power_off(world, fault->node, fault->length);
		break;
	case SIM_DRIFT:
		change_clock(world, fault->node, (int32_t)fault->value);
		break;
	case SIM_DISK:
		node->disk_fails_until = until;
		node->had_disk_trouble = true;
		break;
	case SIM_LINK:
		for (unsigned int port = 0; port < SIM_PORTS; port++)
			if (fault->ports & 1u << port)
				node->link_lost_until[port] = until;
		judge(world, fault->node, until);
		break;
	case SIM_UNFIT:
		node->unfit_until = until;
		judge(world, fault->node, until);
		break;
	case SIM_CUT:
	case SIM_LOSS:
	case SIM_SLOW:
	case SIM_DOUBLE:
	case SIM_REPLAY:
	case SIM_FORGE:
	case SIM_HANDOVER:
	case SIM_MAINTENANCE:
	case SIM_PRIORITY:
	case SIM_WITNESS:
	case SIM_ISOLATION:
	case SIM_FAULT_TYPES:
		break;
	}
}

/* False: not the operator's. */
static bool operate(struct sim_world *world, const struct sim_fault *fault)
{
	struct sim_node *node = &world->node[fault->node];

	if (fault->type == SIM_HANDOVER) {
		sim_agent_event(world, fault->node, HG_EV_HANDOVER);
	} else if (fault->type == SIM_MAINTENANCE) {
		sim_agent_event(world, fault->node,
				fault->value ? HG_EV_MAINTENANCE_ON : HG_EV_MAINTENANCE_OFF);
	} else if (fault->type == SIM_PRIORITY) {
		node->config.priority = fault->value;
		sim_agent_event(world, fault->node, HG_EV_CONFIG);
	} else if (fault->type == SIM_ISOLATION) {
		node->config.isolation = fault->value ? HG_ISOLATION_STOP : HG_ISOLATION_CONTINUE;
		sim_agent_event(world, fault->node, HG_EV_CONFIG);
	} else {
		return false;
	}
	return true;
}

static void show(const struct sim_world *world, const struct sim_fault *fault)
{
	if (!world->trace)
		return;
	fputs("             * ", world->trace);
	sim_fault_print(world->trace, fault);
	fputc('\n', world->trace);
}

void sim_fault_apply(struct sim_world *world, const struct sim_fault *fault)
{
	show(world, fault);
	if (fault->links) {
		trouble_network(world, fault);
		return;
	}
	if (fault->type == SIM_REPLAY) {
		replay(world, fault);
		return;
	}
	if (fault->type == SIM_WITNESS) {
		sim_third_stop(world, fault->length, fault->value);
		return;
	}
	if (world->node[fault->node].off_until)
		return;
	if (fault->type == SIM_FORGE)
		forge(world, fault);
	else if (!operate(world, fault))
		trouble_node(world, fault);
}
