/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A plan: everything that a run of the simulator depends on. The same plan gives the
 * same run, to the nanosecond. As text (plan.c) it is what a failure prints and what
 * `sim plan` takes:
 *
 *   noise 7; isolation stop; failback on; 312.500 cut 1>2 lan 40; 350 pause 1 30
 *
 * Times are in ms with up to six digits, of the world's clock, which no node sees.
 */
#ifndef SIM_PLAN_H
#define SIM_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "agent/core/elect.h"

#define SIM_NODES 2
#define SIM_FAULTS_MAX 24
#define SIM_US UINT64_C(1000)
#define SIM_MS UINT64_C(1000000)

/* Directed links, as bits of sim_fault.links. */
#define SIM_LINK_12 0x01
#define SIM_LINK_21 0x02
#define SIM_LINKS_PAIR 0x03
#define SIM_LINK_1W 0x04 /* w: the witness */
#define SIM_LINK_W1 0x08
#define SIM_LINK_2W 0x10
#define SIM_LINK_W2 0x20
#define SIM_LINK_NAMES 10

struct sim_link_name {
	const char *name;
	uint8_t links;
};
extern const struct sim_link_name sim_link_names[SIM_LINK_NAMES];

/* X(TYPE, "word", arguments): l links, p ports, n node, t length, v value */
#define SIM_FAULTS(X)                                                                   \
	X(CUT, "cut", "lpt") /* nothing passes */                                       \
	X(LOSS, "loss", "lptv") /* v of 1000 frames are lost */                         \
	X(SLOW, "slow", "lptv") /* up to v us more, so that frames overtake */          \
	X(DOUBLE, "double", "lpt") /* each frame comes twice, the second one later */   \
	X(REPLAY, "replay", "v") /* frame v of those recorded comes again */            \
	X(FORGE, "forge", "nv") /* a frame for n of type v with a wrong tag */          \
	X(STALL, "stall", "ntv") /* the agent stops after v more of its small steps */  \
	X(PAUSE, "pause", "nt") /* the machine stands still, its clock goes on */       \
	X(KILL, "kill", "ntv") /* the agent dies after v small steps, back after t */   \
	X(STOP, "stop", "nt") /* the agent is told to exit, back after t */             \
	X(POWER, "power", "nt") /* off for t */                                         \
	X(DRIFT, "drift", "nv") /* the clock runs v ppm fast; v - 2^32 when negative */ \
	X(DISK, "disk", "nt") /* nothing can be stored */                               \
	X(LINK, "link", "npt") /* a NIC without link */                                 \
	X(UNFIT, "unfit", "nt") /* a NIC is known to be misbound */                     \
	X(HANDOVER, "handover", "n")                                                    \
	X(MAINTENANCE, "maintenance", "nv") /* 1 on, 0 off */                           \
	X(PRIORITY, "priority", "nv") /* reload with another priority */                \
	X(WITNESS, "witness", "tv") /* off for t; v 1: and its state is lost */         \
	X(ISOLATION, "isolation", "nv") /* reload: 0 continue, 1 stop */

enum sim_fault_type {
#define X(id, word, arguments) SIM_##id,
	SIM_FAULTS(X)
#undef X
		SIM_FAULT_TYPES,
};

struct sim_fault {
	uint64_t at;
	uint64_t length;
	uint32_t value;
	uint8_t type; /* enum sim_fault_type */
	uint8_t node; /* index */
	uint8_t links; /* SIM_LINK_* */
	uint8_t ports; /* bits */
};

struct sim_plan {
	uint64_t noise; /* seed of delays and timer slack; 0: none */
	enum hg_isolation isolation;
	bool is_failback;
	bool has_witness;
	uint8_t priority[SIM_NODES];
	uint64_t boot[SIM_NODES];
	int32_t drift[SIM_NODES]; /* ppm */
	uint64_t quiet_at; /* every fault is over */
	unsigned int count;
	struct sim_fault fault[SIM_FAULTS_MAX]; /* by time */
};

/* Without faults or noise; both boot at 0. */
void sim_plan_init(struct sim_plan *plan);

/* What a seed stands for. */
void sim_plan_generate(struct sim_plan *plan, uint64_t seed);

/* Sorts the faults; sets quiet_at. */
void sim_plan_finish(struct sim_plan *plan);

void sim_plan_print(FILE *out, const struct sim_plan *plan);
void sim_fault_print(FILE *out, const struct sim_fault *fault);

/* 0, or -EINVAL with *ret_word set to what was not understood. */
int sim_plan_parse(struct sim_plan *plan, const char *text, const char **ret_word);

const char *sim_fault_name(enum sim_fault_type type);

/* A number that follows from others. */
uint64_t sim_mix(uint64_t a, uint64_t b);

#endif
