// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Delta debugging (Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing
 * Input") over the faults of a plan, then over what each of them says. The noise of a run
 * follows from the time alone, so that the rest of a run stays what it was when one fault
 * is taken away.
 */
#include <string.h>

#include "explore.h"

#define RUNS_MAX 6000

struct search {
	struct sim_world *world;
	struct sim_plan *best;
	enum sim_failure failure;
	unsigned int runs;
};

/* Takes `plan` when it fails as well. */
static bool try_plan(struct search *search, struct sim_plan *plan)
{
	if (search->runs >= RUNS_MAX)
		return false;
	search->runs++;
	sim_plan_finish(plan);
	if (sim_plan_run(plan, search->world, NULL, false) != search->failure)
		return false;
	*search->best = *plan;
	return true;
}

static bool drop_faults(struct search *search)
{
	bool is_better = false;

	for (unsigned int size = (search->best->count + 1) / 2; size; size /= 2) {
		unsigned int at = 0;

		while (at + size <= search->best->count) {
			struct sim_plan plan = *search->best;

			memmove(&plan.fault[at], &plan.fault[at + size],
				(plan.count - at - size) * sizeof(*plan.fault));
			plan.count -= size;
			if (try_plan(search, &plan))
				is_better = true;
			else
				at += size;
		}
	}
	return is_better;
}

static bool simplify_settings(struct search *search)
{
	const struct sim_plan was = *search->best;
	bool is_better = false;

	for (unsigned int what = 0; what < 6; what++) {
		struct sim_plan plan = *search->best;

		if (what == 0)
			plan.noise = 0;
		else if (what == 1)
			plan.drift[0] = plan.drift[1] = 0;
		else if (what == 2)
			plan.is_failback = false;
		else if (what == 3)
			plan.priority[0] = plan.priority[1] = 100;
		else if (what == 4)
			plan.boot[0] = plan.boot[1] = 0;
		else
			plan.boot[plan.boot[1] > plan.boot[0]] =
				plan.boot[plan.boot[0] > plan.boot[1]];
		if (memcmp(&plan, search->best, sizeof(plan)) && try_plan(search, &plan))
			is_better = true;
	}
	return is_better && memcmp(&was, search->best, sizeof(was));
}

static uint64_t round_to(uint64_t value, uint64_t unit)
{
	return (value + unit / 2) / unit * unit;
}

/* One simpler form of a fault. False: there is none of this number. */
static bool simplify(struct sim_fault *fault, unsigned int how)
{
	struct sim_fault was = *fault;

	switch (how) {
	case 0:
		fault->length = fault->length / (2 * SIM_MS) * SIM_MS;
		break;
	case 1:
		fault->length = round_to(fault->length, SIM_MS);
		break;
	case 2:
		fault->at = round_to(fault->at, 5 * SIM_MS);
		break;
	case 3:
		fault->at = round_to(fault->at, SIM_MS);
		break;
	case 4:
		fault->value = 0;
		break;
	case 5:
		fault->value /= 2;
		break;
	case 6:
		if (fault->ports)
			fault->ports = 3;
		break;
	case 7:
		if (fault->type == SIM_LOSS || fault->type == SIM_SLOW)
			fault->type = SIM_CUT, fault->value = 0;
		break;
	case 8:
		if (fault->type == SIM_POWER || fault->type == SIM_STALL)
			fault->type = SIM_PAUSE, fault->value = 0;
		break;
	case 9:
		fault->length = fault->length * 7 / 8 / SIM_MS * SIM_MS;
		break;
	default:
		break;
	}
	return memcmp(&was, fault, sizeof(was)) != 0;
}

static bool simplify_faults(struct search *search)
{
	bool is_better = false;

	for (unsigned int i = 0; i < search->best->count; i++)
		for (unsigned int how = 0; how < 10; how++) {
			struct sim_plan plan = *search->best;

			if (simplify(&plan.fault[i], how) && try_plan(search, &plan))
				is_better = true;
		}
	return is_better;
}

void sim_minimise(struct sim_plan *plan, enum sim_failure failure)
{
	static struct sim_world world;
	struct search search = { .world = &world, .best = plan, .failure = failure };
	bool is_better = true;

	while (is_better) {
		is_better = drop_faults(&search);
		is_better |= simplify_settings(&search);
		is_better |= simplify_faults(&search);
	}
}
