// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A pair that does not hear each other, and a witness that one of them, the other, both or
 * none reaches: 1, 1, 1 and 0 owners, whoever held the lease before and whatever the noise.
 */
#include <inttypes.h>

#include "explore.h"

#define RUNS 40
#define LOOK_AT (1300 * SIM_MS)

static const struct {
	const char *who, *cuts;
	unsigned int owners; /* bits that are right: by node; 4: nobody */
} cases[] = {
	{ "gw1", "600 cut 1=2 all 2000; 600 cut 2=w all 2000", 1 },
	{ "gw2", "600 cut 1=2 all 2000; 600 cut 1=w all 2000", 2 },
	{ "both", "600 cut 1=2 all 2000", 1 | 2 },
	{ "nobody", "600 cut 1=2 all 2000; 600 cut w all 2000", 4 },
};

static struct sim_world world;

static bool is_right(struct sim_plan *plan, unsigned int which)
{
	unsigned int serving;

	sim_world_init(&world, plan);
	sim_world_run(&world, LOOK_AT);
	serving = world.found.serving ? world.found.serving : 4;
	if (!world.found.failure && serving != 3 && serving & cases[which].owners)
		return true;
	printf("witness reached by %s: %s serve%s %s\nagain: sim plan '", cases[which].who,
	       serving == 3 ? "both" : "not the right one", serving == 3 ? "" : "s",
	       world.found.text);
	sim_plan_print(stdout, plan);
	puts("'");
	return false;
}

int sim_explore_partitions(void)
{
	struct sim_plan plan;
	const char *wrong;

	for (unsigned int which = 0; which < sizeof(cases) / sizeof(*cases); which++)
		for (unsigned int run = 0; run < RUNS; run++) {
			if (sim_plan_parse(&plan, cases[which].cuts, &wrong))
				return 1;
			plan.has_witness = true;
			plan.noise = run;
			plan.priority[run % 2] = 150; /* who holds it before */
			plan.boot[run / 2 % 2] = 5 * SIM_MS;
			plan.isolation = run / 4 % 2 ? HG_ISOLATION_STOP : HG_ISOLATION_CONTINUE;
			if (!is_right(&plan, which))
				return 1;
		}
	printf("partitions, witness reached by one, the other, both, none: 1, 1, 1, 0 owners in %d "
	       "runs each\n",
	       RUNS);
	return 0;
}
