/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The explorers: many plans, and one that failed made small. */
#ifndef SIM_EXPLORE_H
#define SIM_EXPLORE_H

#include "tests/sim/world.h"

struct sim_random_options {
	uint64_t first, seeds;
	unsigned int jobs;
	bool is_quiet; /* no line of progress */
};

/* 0: no seed failed. 1: one did; *ret_seed is the lowest that was met. */
int sim_explore_random(const struct sim_random_options *options, uint64_t *ret_seed);

struct sim_small_options {
	unsigned int depth; /* deviations beside the trigger */
	uint64_t window_ns; /* in which they are placed */
	unsigned int jobs;
};

/* 0: nothing failed. 1: *ret_plan did. */
int sim_explore_small(const struct sim_small_options *options, struct sim_plan *ret_plan);

/* 0: each partition of a pair and its witness has the owners it should have. */
int sim_explore_partitions(void);

/* Makes a plan that fails small; what it becomes fails in the same way. */
void sim_minimise(struct sim_plan *plan, enum sim_failure failure);

/* Where a small deviation could be placed; called by the world where it watches. */
struct sim_points {
	uint64_t from, until;
	unsigned int count, size;
	bool is_frame_only;
	struct sim_fault *list;
};
void sim_point_frame(struct sim_world *world, const struct sim_frame *frame);
void sim_point_step(struct sim_world *world, unsigned int n, unsigned int index);
void sim_point_instant(struct sim_world *world);

#endif
