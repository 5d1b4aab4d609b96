// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The simulator's command.
 *
 *   sim random     seeds, one after the other; the first that fails is made small
 *   sim small      every place of a few deviations
 *   sim partitions who owns, by who reaches the witness
 *   sim seed N     one seed, with its trace
 *   sim plan TEXT  one plan, with its trace
 *
 * Exit: 0 nothing failed, 1 something did, 2 usage.
 */
#include <argp.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "bug.h"
#include "explore.h"

struct arguments {
	const char *command, *operand;
	struct sim_random_options random;
	struct sim_small_options small;
	bool has_frames, is_raw;
	const char *record;
	unsigned int recorded;
};

enum { KEY_DEPTH = 256, KEY_WINDOW, KEY_RAW, KEY_BUG, KEY_BUGS, KEY_NODE };

static const struct argp_option options[] = {
	{ "seeds", 'n', "N", 0, "random: so many schedules (10000)", 0 },
	{ "first", 'f', "SEED", 0, "random: from this seed (1)", 0 },
	{ "jobs", 'j', "N", 0, "processes (2)", 0 },
	{ "quiet", 'q', NULL, 0, "random: no progress", 0 },
	{ "depth", KEY_DEPTH, "N", 0, "small: deviations (1)", 0 },
	{ "window", KEY_WINDOW, "MS", 0, "small: where they are placed (25)", 0 },
	{ "raw", KEY_RAW, NULL, 0, "random, small: do not make the failure small", 0 },
	{ "frames", 'v', NULL, 0, "seed, plan: trace frames as well", 0 },
	{ "record", 'r', "FILE", 0, "seed, plan: write a node's steps as JSON lines", 0 },
	{ "node", KEY_NODE, "N", 0, "whose steps (1)", 0 },
	{ "bug", KEY_BUG, "NAME", 0, "plant a bug (only where it is built with bugs)", 0 },
	{ "bugs", KEY_BUGS, NULL, 0, "list the bugs that are built in", 0 },
	{ 0 },
};

static uint64_t read_number(const char *text, struct argp_state *state)
{
	char *end;
	uint64_t value = strtoull(text, &end, 0);

	if (!*text || *end)
		argp_error(state, "not a number: %s", text);
	return value;
}

static void list_bugs(void)
{
	for (unsigned int i = 1; i < sim_bug_count; i++)
		puts(sim_bug_names[i]);
	exit(0);
}

static void plant(const char *name, struct argp_state *state)
{
	for (unsigned int i = 1; i < sim_bug_count; i++)
		if (!strcmp(name, sim_bug_names[i]))
			sim_bug = i;
	if (!sim_bug)
		argp_error(state, "no such bug is built in: %s", name);
}

static error_t parse(int key, char *text, struct argp_state *state)
{
	struct arguments *a = state->input;

	switch (key) {
	case 'n':
		a->random.seeds = read_number(text, state);
		break;
	case 'f':
		a->random.first = read_number(text, state);
		break;
	case 'j':
		a->random.jobs = read_number(text, state);
		if (!a->random.jobs || a->random.jobs > 16)
			argp_error(state, "jobs: 1 to 16");
		break;
	case 'q':
		a->random.is_quiet = true;
		break;
	case 'v':
		a->has_frames = true;
		break;
	case 'r':
		a->record = text;
		break;
	case KEY_NODE:
		a->recorded = read_number(text, state) - 1;
		if (a->recorded >= SIM_NODES)
			argp_error(state, "node: 1 to %u", SIM_NODES);
		break;
	case KEY_DEPTH:
		a->small.depth = read_number(text, state);
		if (a->small.depth > 6)
			argp_error(state, "depth: 0 to 6");
		break;
	case KEY_WINDOW:
		a->small.window_ns = read_number(text, state) * SIM_MS;
		break;
	case KEY_RAW:
		a->is_raw = true;
		break;
	case KEY_BUG:
		plant(text, state);
		break;
	case KEY_BUGS:
		list_bugs();
		break;
	case ARGP_KEY_ARG:
		if (state->arg_num > 1)
			argp_error(state, "too many words: %s", text);
		*(state->arg_num ? &a->operand : &a->command) = text;
		break;
	case ARGP_KEY_END:
		if (!a->command)
			argp_error(state, "what: random, small, partitions, seed or plan?");
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

/* --- one plan -------------------------------------------------------------------------- */

static struct sim_world world;

static void print_command(const struct sim_plan *plan)
{
	fputs("again: sim", stdout);
	if (sim_bug)
		printf(" --bug %s", sim_bug_names[sim_bug]);
	fputs(" plan '", stdout);
	sim_plan_print(stdout, plan);
	fputs("'\n", stdout);
}

static int show(const struct arguments *a, const struct sim_plan *plan)
{
	FILE *record = NULL;
	enum sim_failure failure;

	if (a->record) {
		record = fopen(a->record, "w");
		if (!record) {
			perror(a->record);
			return 2;
		}
	}
	sim_world_init(&world, plan);
	world.trace = stdout;
	world.has_frames = a->has_frames;
	world.record = record;
	world.recorded = a->recorded;
	failure = sim_world_finish(&world);
	if (record && (fflush(record) || fclose(record))) {
		perror(a->record);
		return 2;
	}
	printf("%s: %s\n", sim_failure_name(failure),
	       failure ? world.found.text : "nothing failed");
	print_command(plan);
	return failure ? 1 : 0;
}

/* A plan that failed: made small, shown. */
static int present(const struct arguments *a, struct sim_plan *plan)
{
	enum sim_failure failure = sim_plan_run(plan, &world, NULL, false);
	unsigned int count = plan->count;

	if (!failure) {
		printf("a run that failed does not fail again: the simulator itself is wrong\n");
		print_command(plan);
		return 1;
	}
	printf("FAILED (%s): %s\n", sim_failure_name(failure), world.found.text);
	if (!a->is_raw) {
		sim_minimise(plan, failure);
		printf("made small: %u faults of %u are needed\n", plan->count, count);
	}
	show(a, plan);
	return 1;
}

static int run_random(const struct arguments *a)
{
	struct sim_plan plan;
	uint64_t seed;

	if (!sim_explore_random(&a->random, &seed))
		return 0;
	printf("seed %" PRIu64 "\n", seed);
	sim_plan_generate(&plan, seed);
	return present(a, &plan);
}

static int run_small(const struct arguments *a)
{
	struct sim_plan plan;

	return sim_explore_small(&a->small, &plan) ? present(a, &plan) : 0;
}

static int run_text(const struct arguments *a)
{
	struct sim_plan plan;
	const char *wrong;

	if (sim_plan_parse(&plan, a->operand ? a->operand : "", &wrong)) {
		fprintf(stderr, "sim: not understood: %s\n", wrong);
		return 2;
	}
	return show(a, &plan);
}

static int run_seed(const struct arguments *a)
{
	struct sim_plan plan;
	char *end = NULL;
	uint64_t seed = a->operand ? strtoull(a->operand, &end, 0) : 0;

	if (!end || *end) {
		fprintf(stderr, "sim: seed: a number is missing\n");
		return 2;
	}
	sim_plan_generate(&plan, seed);
	return show(a, &plan);
}

int main(int argc, char **argv)
{
	static const struct argp argp = {
		.options = options,
		.parser = parse,
		.args_doc = "random|small|partitions|seed N|plan TEXT",
		.doc = "Two gateways in virtual time, with faults. See docs/simulator.md.",
	};
	struct arguments a = {
		.random = { .first = 1, .seeds = 10000, .jobs = 2 },
		.small = { .depth = 1, .window_ns = 25 * SIM_MS },
	};

	argp_err_exit_status = 2;
	argp_parse(&argp, argc, argv, 0, NULL, &a);
	a.small.jobs = a.random.jobs;
	sim_gate_setup();
	if (!strcmp(a.command, "random"))
		return run_random(&a);
	if (!strcmp(a.command, "small"))
		return run_small(&a);
	if (!strcmp(a.command, "partitions"))
		return sim_explore_partitions();
	if (!strcmp(a.command, "seed"))
		return run_seed(&a);
	if (!strcmp(a.command, "plan"))
		return run_text(&a);
	fprintf(stderr, "sim: no such thing as %s; sim --help\n", a.command);
	return 2;
}
