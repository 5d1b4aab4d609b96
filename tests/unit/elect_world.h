/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two nodes in virtual time: the real election and the real lease lines of the data
 * path (bpf/lease.h), on a network of two segments that loses, delays, reorders and
 * cuts frames each way, with agents that stall, machines that pause, restart, and
 * clocks that run apart. Everything follows from the seed.
 */
#ifndef ELECT_WORLD_H
#define ELECT_WORLD_H

#include "agent/core/elect.h"
#include "agent/core/witness.h"
#include "bpf/lease.h"

#define WORLD_PORTS 2
#define WORLD_EVENTS 8192
#define WORLD_MS 1000000ull

enum world_event_type {
	WORLD_TIMER, /* an agent's deadline */
	WORLD_APPLY, /* an agent carries out what it decided a while ago */
	WORLD_FRAME,
	WORLD_RESUME, /* a paused machine runs again */
	WORLD_BOOT, /* a machine that was off comes up */
	WORLD_ASK, /* a question reaches the witness */
	WORLD_ANSWER, /* its answer reaches the node */
	WORLD_FAULT, /* the next fault of the plan */
	WORLD_SAMPLE,
};

struct world_frame {
	struct hg_lease_frame lease;
	struct hg_elect_hello hello;
	struct hg_elect_witness witness; /* ASK: epoch, stamp, lease; ANSWER: as it says */
	uint32_t boot[2]; /* of both nodes, as the sender knows them: the session */
	uint8_t port;
};

struct world_event {
	uint64_t at;
	uint64_t order; /* first in, first out within one instant */
	enum world_event_type type;
	uint8_t node;
	uint32_t life; /* of the node's agent: a timer of an earlier one is void */
	struct world_frame frame;
};

struct world_node {
	struct hg_elect el;
	struct hg_elect_config config;
	struct hg_config path_config;
	struct hg_state state;
	struct hg_peer peer;
	struct hg_path path[WORLD_PORTS];
	struct hg_actions actions; /* decided, not yet carried out */
	struct hg_obs obs;
	uint64_t clock_base, world_base; /* node clock = base + (world - world_base) * rate */
	double rate;
	uint64_t counter; /* what the disk would hold */
	uint64_t seq;
	uint64_t paused_until; /* the machine; 0 runs */
	uint64_t stalled_until; /* the agent */
	uint64_t timer_at;
	uint32_t life;
	uint32_t boot[2]; /* session: own and the peer's boot, by node index */
	bool is_off;
	bool is_busy; /* actions wait */
	bool is_again;
};

/* The third box: judges by agent/core/witness.h, by a clock of its own, and forgets all
 * it knew when it starts anew. */
struct world_witness {
	struct hg_witness state;
	struct hg_witness_rules rules;
	double rate;
	uint64_t off_until;
	uint64_t cut_until[2]; /* from and to a node */
	uint32_t boot; /* an answer or a question of an earlier one is void */
};

struct world {
	uint64_t seed, now, order;
	struct world_node node[2];
	struct world_event *heap;
	unsigned int events;
	/* network, by sender and port */
	uint64_t cut_until[2][WORLD_PORTS];
	uint32_t loss_permille;
	uint64_t loss_until, slow_until;
	struct world_witness witness;
	bool has_network_faults, has_machine_faults, has_operator, has_witness;
	uint64_t fault_until; /* no new fault from here */
	uint64_t disturbed_until; /* some fault works up to here */
	/* findings */
	uint64_t overlap_ns, overlap_since;
	uint64_t overlap_at; /* last moment that two served */
	uint64_t takeovers;
	uint64_t silent_since; /* nobody serves since */
	uint64_t quiet_gap_ns; /* longest time that nobody served after `quiet_from` */
	uint64_t quiet_from;
	uint64_t quiet_overlaps; /* while nothing was disturbed */
	bool is_silent;
	bool is_loud; /* print every transition */
};

struct world_options {
	uint64_t seed;
	enum hg_isolation isolation;
	bool is_failback;
	bool has_network_faults, has_machine_faults, has_operator, has_witness;
	bool is_loud;
	uint64_t fault_ns; /* length of the troubled time */
	uint64_t settle_ns; /* after it, before the quiet time */
	uint64_t quiet_ns;
};

void world_init(struct world *world, const struct world_options *options);
void world_run(struct world *world, uint64_t until);
void world_done(struct world *world);

uint64_t world_random(struct world *world, uint64_t below);
bool world_serves(const struct world *world, unsigned int node);
void world_plan_fault(struct world *world);
void world_apply_fault(struct world *world);
/* elect_third.c */
void world_third_init(struct world *world);
void world_third_restart(struct world *world, uint64_t off_ns);
void world_third_ask(struct world *world, unsigned int node, const struct hg_action *act);
void world_third_receive(struct world *world, const struct world_event *ev);
void world_third_answer(struct world *world, const struct world_event *ev);
uint64_t world_clock_of(const struct world *world, unsigned int node);
/* Used by the faults. */
void world_push(struct world *world, uint64_t at, enum world_event_type type, unsigned int node,
		const struct world_frame *frame);
void world_step(struct world *world, unsigned int node, struct hg_elect_event *ev);
void world_start_agent(struct world *world, unsigned int node);
void world_power_off(struct world *world, unsigned int node, uint64_t ns);

#endif
