/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two nodes through thousands of troubled seconds (elect_world.h).
 *
 *   stop       never do both serve, whatever happens to network, machines or agents
 *   continue   both serve only while the network is, or has just been, in trouble;
 *              machines and agents that stall never make it so on their own
 *   witness    never do both serve, though the witness forgets all when it starts anew
 *   all        once trouble is over somebody serves, without a gap, and nobody else
 *
 * ELECT_SEEDS sets the number of runs of each kind, ELECT_SEED repeats one aloud.
 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "elect_world.h"

#define SEEDS 150

struct totals {
	uint64_t runs, takeovers, overlap_ns, gap_ns;
};

static uint64_t number(const char *name, uint64_t fallback)
{
	const char *text = getenv(name);

	return text ? strtoull(text, NULL, 0) : fallback;
}

static void undo_operator(struct world *world)
{
	for (unsigned int n = 0; n < 2; n++) {
		struct hg_elect_event fit = { .type = HG_EV_HEALTH };
		struct hg_elect_event off = { .type = HG_EV_MAINTENANCE_OFF };

		fit.self.health = 100;
		fit.self.is_fit = true;
		world_step(world, n, &off);
		world_step(world, n, &fit);
	}
}

static void run_one(struct world_options options, uint64_t seed, struct totals *totals)
{
	struct world world;
	unsigned int serving;

	options.seed = seed * 1000003u;
	options.is_loud = getenv("ELECT_SEED") != NULL;
	options.fault_ns = 3000 * WORLD_MS;
	options.settle_ns = 700 * WORLD_MS;
	options.quiet_ns = 1000 * WORLD_MS;
	world_init(&world, &options);
	world_run(&world, options.fault_ns + 50 * WORLD_MS);
	if (options.has_operator)
		undo_operator(&world);
	world_run(&world, world.quiet_from + options.quiet_ns);
	serving = world_serves(&world, 0) + world_serves(&world, 1);
	totals->runs++;
	totals->takeovers += world.takeovers;
	totals->overlap_ns += world.overlap_ns;
	if (totals->gap_ns < world.quiet_gap_ns)
		totals->gap_ns = world.quiet_gap_ns;
	if ((options.isolation == HG_ISOLATION_STOP || options.has_witness) && world.overlap_at)
		fail_msg("ELECT_SEED=%" PRIu64 ": both served at %.3f ms", seed,
			 world.overlap_at / 1e6);
	if (!options.has_network_faults && world.overlap_at)
		fail_msg("ELECT_SEED=%" PRIu64 ": both served at %.3f ms, the network was fine",
			 seed, world.overlap_at / 1e6);
	if (world.quiet_overlaps)
		fail_msg("ELECT_SEED=%" PRIu64 ": both served at %.3f ms, without cause", seed,
			 world.overlap_at / 1e6);
	if (serving != 1)
		fail_msg("ELECT_SEED=%" PRIu64 ": %u serve in the end", seed, serving);
	/* A planned failback may fall into it. */
	if (world.is_silent || world.quiet_gap_ns > 3 * WORLD_MS)
		fail_msg("ELECT_SEED=%" PRIu64 ": nobody served for %.3f ms in quiet", seed,
			 world.quiet_gap_ns / 1e6);
	world_done(&world);
}

static void run_kind(const char *name, struct world_options options)
{
	uint64_t first = number("ELECT_SEED", 1), count = number("ELECT_SEEDS", SEEDS);
	struct totals totals = { 0 };

	if (getenv("ELECT_SEED"))
		count = 1;
	for (uint64_t seed = first; seed < first + count; seed++) {
		options.is_failback = seed % 2;
		run_one(options, seed, &totals);
	}
	print_message("%s: seeds %" PRIu64 "..%" PRIu64 ", %" PRIu64
		      " takeovers, both served %.1f ms in all, longest gap in quiet %.3f ms\n",
		      name, first, first + count - 1, totals.takeovers, totals.overlap_ns / 1e6,
		      totals.gap_ns / 1e6);
}

static void test_stop_never_two(void **context)
{
	(void)context;
	run_kind("stop", (struct world_options){ .isolation = HG_ISOLATION_STOP,
						 .has_network_faults = true,
						 .has_machine_faults = true,
						 .has_operator = true });
}

static void test_witness_never_two(void **context)
{
	(void)context;
	run_kind("witness", (struct world_options){ .has_witness = true,
						    .has_network_faults = true,
						    .has_machine_faults = true,
						    .has_operator = true });
}

static void test_continue_two_only_in_trouble(void **context)
{
	(void)context;
	run_kind("continue", (struct world_options){ .has_network_faults = true,
						     .has_machine_faults = true,
						     .has_operator = true });
}

static void test_continue_machines_alone(void **context)
{
	(void)context;
	run_kind("continue, good network",
		 (struct world_options){ .has_machine_faults = true, .has_operator = true });
}

static void test_continue_network_alone(void **context)
{
	(void)context;
	run_kind("continue, good machines", (struct world_options){ .has_network_faults = true });
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stop_never_two),
		cmocka_unit_test(test_witness_never_two),
		cmocka_unit_test(test_continue_two_only_in_trouble),
		cmocka_unit_test(test_continue_machines_alone),
		cmocka_unit_test(test_continue_network_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
