// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The network: two segments, each a path in each direction. A frame takes 30 to 230 us;
 * faults lose it, hold it, double it. What comes for a machine that stands still waits in
 * its NIC, what comes for one that is off is gone.
 */
#include <endian.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "explore.h"

#define DELAY_LEAST (30 * SIM_US)
#define DELAY_NOISE (200 * SIM_US)
#define DELAY_STILL (100 * SIM_US) /* without noise */
#define THIRD_FAR (300 * SIM_US) /* the witness is further away */
#define TAPE_PER 12 /* of so many frames one is recorded */

static const char *const type_name[] = { "(third)", "HELLO", "PROBE",  "REQUEST",
					 "GRANT",   "CLAIM", "FENCED", "NEIGH" };

const char *sim_frame_name(unsigned int type)
{
	return type < HG_WIRE_TYPES ? type_name[type] : "?";
}

void sim_net_init(struct sim_world *world)
{
	for (unsigned int i = 0; i < SIM_FRAMES_MAX; i++)
		world->unused[i] = SIM_FRAMES_MAX - 1 - i;
	world->unused_count = SIM_FRAMES_MAX;
}

static bool is_before(const struct sim_flight *a, const struct sim_flight *b)
{
	return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static void push(struct sim_world *world, uint64_t at, const struct sim_frame *frame)
{
	struct sim_flight flight = { .at = at, .order = world->next_order++ };
	unsigned int i;

	if (!world->unused_count)
		return;
	flight.frame = world->unused[--world->unused_count];
	world->frame[flight.frame] = *frame;
	if (world->frames_high <= flight.frame)
		world->frames_high = flight.frame + 1u;
	for (i = world->flights++; i && is_before(&flight, &world->flight[(i - 1) / 2]);
	     i = (i - 1) / 2)
		world->flight[i] = world->flight[(i - 1) / 2];
	world->flight[i] = flight;
}

static uint16_t pop(struct sim_world *world)
{
	struct sim_flight *heap = world->flight, last = heap[--world->flights];
	uint16_t top = heap[0].frame;
	unsigned int i = 0, child;

	while ((child = 2 * i + 1) < world->flights) {
		if (child + 1 < world->flights && is_before(&heap[child + 1], &heap[child]))
			child++;
		if (!is_before(&heap[child], &last))
			break;
		heap[i] = heap[child];
		i = child;
	}
	heap[i] = last;
	return top;
}

static void drop(struct sim_world *world, uint16_t index)
{
	world->unused[world->unused_count++] = index;
}

/* The fault that works on frames of this path until `until`. */
static bool is_on(const struct sim_world *world, uint64_t until)
{
	return until > world->now;
}

static bool is_unlinked(const struct sim_world *world, unsigned int host, unsigned int port)
{
	return host < SIM_NODES && is_on(world, world->node[host].link_lost_until[port]);
}

static void harm(struct sim_world *world, uint64_t until)
{
	if (world->found.harmed_at < until)
		world->found.harmed_at = until;
}

static uint64_t salt_of(const struct sim_frame *frame)
{
	return frame->from * 1000u + frame->port * 100u + frame->head.type * 10u;
}

static bool is_third(const struct sim_frame *frame)
{
	return frame->from == SIM_THIRD || frame->to == SIM_THIRD;
}

static void show(const struct sim_world *world, const struct sim_frame *frame, const char *fate)
{
	if (world->has_frames)
		sim_say(world, frame->from, "%s %s %s epoch %" PRIx64,
			sim_frame_name(frame->head.type), frame->port ? "wan" : "lan", fate,
			(uint64_t)be64toh(frame->head.epoch));
}

void sim_net_send(struct sim_world *world, const struct sim_frame *frame)
{
	const struct sim_path *path = &world->path[frame->from][frame->to][frame->port];
	uint64_t salt = salt_of(frame);
	uint64_t delay = world->plan->noise ? DELAY_LEAST + sim_noise(world, salt, DELAY_NOISE)
					    : DELAY_STILL;
	bool is_lost = is_on(world, path->cut_until) ||
		       is_unlinked(world, frame->from, frame->port);

	if (is_on(world, path->loss_until))
		is_lost |= sim_noise(world, salt + 1, 1000) < path->loss_permille;
	if (world->plan->noise && frame->head.type && !sim_noise(world, salt + 2, TAPE_PER))
		world->tape[world->tape_count++ % SIM_TAPE_MAX] = *frame;
	if (is_third(frame))
		delay += THIRD_FAR;
	world->found.frames++;
	sim_point_frame(world, frame);
	if (is_lost) {
		if (!is_third(frame))
			harm(world, world->now);
		show(world, frame, "lost");
		return;
	}
	if (is_on(world, path->slow_until)) {
		delay += world->plan->noise ? sim_noise(world, salt + 3, path->slow_us * SIM_US)
					    : path->slow_us * SIM_US;
		harm(world, world->now + delay);
	}
	show(world, frame, "sent");
	push(world, world->now + delay, frame);
	if (is_on(world, path->double_until))
		push(world, world->now + delay + 1 + sim_noise(world, salt + 4, 8 * SIM_MS), frame);
}

void sim_net_inject(struct sim_world *world, const struct sim_frame *frame)
{
	show(world, frame, "injected");
	push(world, world->now + DELAY_LEAST, frame);
}

static void answer(struct sim_world *world, unsigned int n, const struct sim_frame *frame,
		   const struct hg_wire_short *wire)
{
	struct sim_frame back = {
		.head = wire->head, .from = n, .to = frame->from, .port = frame->port
	};

	memcpy(back.tag, wire->tag, sizeof(back.tag));
	sim_net_send(world, &back);
}

/* The data path of the node takes the frame. */
static void receive(struct sim_world *world, unsigned int n, const struct sim_frame *frame)
{
	struct sim_node *node = &world->node[n];
	struct sim_note note = { .type = SIM_NOTE_EVENT, .event = HG_EV_TICK };
	struct sim_gate_result result;
	union {
		struct hg_wire_short brief;
		struct hg_wire_long full;
	} wire;
	int length = HG_WIRE_SHORT;
	bool was_serving;

	if (frame->from == SIM_THIRD) {
		note.type = SIM_NOTE_WITNESS;
		note.frame = *frame;
		sim_agent_tell(world, n, &note);
		return;
	}

	if (frame->head.type == HG_WIRE_HELLO) {
		sim_shell_long(frame, &wire.full);
		length = HG_WIRE_LONG;
		memcpy(wire.full.tag, frame->tag, sizeof(frame->tag));
	} else {
		wire.brief.head = frame->head;
		memcpy(wire.brief.tag, frame->tag, sizeof(frame->tag));
	}
	was_serving = sim_is_serving(world, n);
	result = sim_gate_receive(&node->gate, sim_clock(world, n), frame->port, &wire, length);
	if (!was_serving && sim_is_serving(world, n))
		sim_fail(world, SIM_REVIVED, "a %s made gw%u serve, which did not before",
			 sim_frame_name(frame->head.type), n + 1);
	if (world->has_frames)
		sim_say(world, n, "     %s %s heard: reason %u", sim_frame_name(frame->head.type),
			frame->port ? "wan" : "lan", result.reason);
	sim_check_heard(world, n, frame, result.reason);
	if (result.is_answered)
		answer(world, n, frame, &result.answer);
	if (result.event == HG_EVENT_HELLO) {
		note.type = SIM_NOTE_HELLO;
		note.frame = *frame;
	}
	if (result.event)
		sim_agent_tell(world, n, &note);
}

void sim_net_arrive(struct sim_world *world)
{
	uint16_t index = pop(world);
	const struct sim_frame frame = world->frame[index];
	struct sim_node *node = &world->node[frame.to];

	if (frame.to == SIM_THIRD) {
		drop(world, index);
		sim_third_receive(world, &frame);
		return;
	}
	if (node->paused_until && node->nic_count < SIM_NIC_MAX) {
		node->nic[node->nic_count++] = index;
		return;
	}
	drop(world, index);
	if (!sim_is_running(world, frame.to) || is_unlinked(world, frame.to, frame.port))
		return;
	receive(world, frame.to, &frame);
}

void sim_net_resume(struct sim_world *world, unsigned int n)
{
	struct sim_node *node = &world->node[n];
	unsigned int count = node->nic_count;

	node->nic_count = 0;
	for (unsigned int i = 0; i < count && !world->found.failure; i++) {
		const struct sim_frame frame = world->frame[node->nic[i]];

		drop(world, node->nic[i]);
		receive(world, n, &frame);
		sim_check_serving(world);
	}
}

void sim_net_forget(struct sim_world *world, unsigned int n)
{
	struct sim_node *node = &world->node[n];

	for (unsigned int i = 0; i < node->nic_count; i++)
		drop(world, node->nic[i]);
	node->nic_count = 0;
}
