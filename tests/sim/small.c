// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Every small thing that can go wrong, everywhere. A pair that has settled meets a
 * trigger (or none); in the window after it each run shows at which points something
 * could deviate, and each of these deviations is tried, to a given depth:
 *
 *   a frame       is lost, or comes 7 ms late, behind others
 *   an agent      is held up before any of its small steps, or dies there
 *   a machine     stands still, or loses power, before any event
 *   the network   is cut before any event, one way or both
 *
 * No noise, so a plan is its deviations. A state at the end of the window that was met
 * before is not followed any further: what follows from it is known. States are compared
 * by 64-bit hashes; what the checks remember is part of them.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "explore.h"

#define START_AT (600 * SIM_MS) /* the pair has settled, a failback is over */
#define POINTS_MAX 16384
#define SEEN_BITS 24

static const char *const triggers[] = {
	"",
	"600 handover 1",
	"600 handover 2",
	"600 power 1 90",
	"600 pause 1 45",
	"600 pause 2 45",
	"600 stall 1 330 0",
	"600 kill 1 30 0",
	"600 cut 1=2 all 45",
	"600 cut 1>2 all 45",
	"600 cut 2>1 all 45",
	"600 maintenance 1 1",
	"590 cut w all 60; 600 power 1 90",
};
#define TRIGGERS (sizeof(triggers) / sizeof(*triggers))
#define MODES 3 /* continue, stop, with a witness */

/* --- points -------------------------------------------------------------------------- */

static bool is_open(const struct sim_world *world)
{
	const struct sim_points *points = world->points;

	return points && world->now > points->from && world->now <= points->until;
}

static void add(struct sim_world *world, struct sim_fault fault)
{
	struct sim_points *points = world->points;

	fault.at = world->now;
	if (points->count < points->size)
		points->list[points->count++] = fault;
}

void sim_point_frame(struct sim_world *world, const struct sim_frame *frame)
{
	struct sim_fault fault = {
		.type = SIM_CUT,
		.links = frame->from ? SIM_LINK_21 : SIM_LINK_12,
		.ports = 1u << frame->port,
		.length = 1,
	};

	if (!is_open(world))
		return;
	if (frame->to == SIM_THIRD)
		fault.links = frame->from ? SIM_LINK_2W : SIM_LINK_1W;
	if (frame->from == SIM_THIRD)
		fault.links = frame->to ? SIM_LINK_W2 : SIM_LINK_W1;
	add(world, fault);
	fault.type = SIM_SLOW;
	fault.value = 7000;
	add(world, fault);
}

void sim_point_step(struct sim_world *world, unsigned int n, unsigned int index)
{
	struct sim_fault fault = { .type = SIM_STALL, .node = n, .value = index };

	if (!is_open(world))
		return;
	fault.length = 12 * SIM_MS;
	add(world, fault);
	fault.length = 30 * SIM_MS;
	add(world, fault);
	fault.type = SIM_KILL;
	fault.length = 10 * SIM_MS;
	add(world, fault);
}

static uint64_t points_at; /* the last instant that was taken */

void sim_point_instant(struct sim_world *world)
{
	struct sim_fault fault = { .type = SIM_PAUSE, .length = 30 * SIM_MS };

	if (!is_open(world) || points_at == world->now)
		return;
	points_at = world->now;
	for (unsigned int n = 0; n < SIM_NODES; n++) {
		fault.node = n;
		fault.type = SIM_PAUSE;
		fault.length = 30 * SIM_MS;
		add(world, fault);
		fault.type = SIM_POWER;
		fault.length = 80 * SIM_MS;
		add(world, fault);
	}
	fault = (struct sim_fault){ .type = SIM_CUT, .ports = 3, .length = 30 * SIM_MS };
	for (fault.links = 1; fault.links <= SIM_LINKS_PAIR; fault.links++)
		add(world, fault);
}

/* --- states --------------------------------------------------------------------------- */

static uint64_t *seen;

static uint64_t hash(uint64_t sum, const void *data, size_t size)
{
	const uint8_t *octet = data;
	uint64_t word;

	for (; size >= 8; size -= 8, octet += 8) {
		memcpy(&word, octet, 8);
		sum = (sum ^ word) * 0x9fb21c651e98df25u;
		sum ^= sum >> 32;
	}
	for (; size; size--, octet++)
		sum = (sum ^ *octet) * 0x100000001b3u;
	return sum;
}

static uint64_t hash_world(const struct sim_world *world)
{
	uint64_t sum = hash(1, world, offsetof(struct sim_world, next_fault)), all = 0;

	sum = hash(sum, &world->found, offsetof(struct sim_findings, unsettled_at));
	/* Frames under way, whatever their order in the heap. */
	for (unsigned int i = 0; i < world->flights; i++)
		all += hash(world->flight[i].at, &world->frame[world->flight[i].frame],
			    sizeof(struct sim_frame));
	return sim_mix(sum, all);
}

static bool is_new(uint64_t sum)
{
	uint64_t slot = sum >> (64 - SEEN_BITS);

	sum |= !sum;
	for (unsigned int i = 0; i < 64; i++, slot = (slot + 1) % (1u << SEEN_BITS)) {
		if (seen[slot] == sum)
			return false;
		if (!seen[slot]) {
			seen[slot] = sum;
			return true;
		}
	}
	return true; /* a full neighbourhood costs time only */
}

/* --- search ---------------------------------------------------------------------------- */

struct search {
	const struct sim_small_options *options;
	struct sim_plan plan;
	struct sim_points points[8]; /* per depth */
	uint64_t runs, states, places;
	uint64_t longest_gap;
	bool is_failed;
};

static struct sim_world world;

/* Runs the plan; collects points after its last fault. */
static void run(struct search *search, struct sim_points *points)
{
	uint64_t end = START_AT + search->options->window_ns;

	points->count = 0;
	points->from = search->plan.count ? search->plan.fault[search->plan.count - 1].at
					  : START_AT - 1;
	points->until = end;
	sim_plan_finish(&search->plan);
	if (search->plan.quiet_at < end)
		search->plan.quiet_at = end;
	sim_world_init(&world, &search->plan);
	world.points = points;
	points_at = 0;
	world.is_brief = true;
	sim_world_run(&world, end);
	search->runs++;
	world.points = NULL;
	if (!world.found.failure && is_new(hash_world(&world))) {
		search->states++;
		sim_world_finish(&world);
	}
	if (search->longest_gap < world.found.longest_gap)
		search->longest_gap = world.found.longest_gap;
	search->is_failed = world.found.failure != SIM_FINE;
}

static void explore(struct search *search, unsigned int depth, unsigned int share,
		    unsigned int shares)
{
	struct sim_points *points = &search->points[depth];

	run(search, points);
	if (!depth)
		search->places = points->count;
	if (search->is_failed || depth >= search->options->depth)
		return;
	for (unsigned int i = 0; i < points->count && !search->is_failed; i++) {
		if (depth == 0 && i % shares != share)
			continue;
		search->plan.fault[search->plan.count++] = points->list[i];
		explore(search, depth + 1, share, shares);
		if (!search->is_failed)
			search->plan.count--;
	}
}

static void start_plan(struct sim_plan *plan, const char *trigger, unsigned int mode)
{
	const char *wrong;

	if (sim_plan_parse(plan, trigger, &wrong))
		abort();
	plan->isolation = mode == 1 ? HG_ISOLATION_STOP : HG_ISOLATION_CONTINUE;
	plan->has_witness = mode == 2;
	plan->boot[1] = 3 * SIM_MS;
	plan->priority[0] = 150; /* gw1 is the holder */
}

static int work(const struct sim_small_options *options, unsigned int share, FILE *out)
{
	static struct search search;

	seen = calloc(UINT64_C(1) << SEEN_BITS, sizeof(*seen));
	for (unsigned int i = 0; i <= options->depth; i++) {
		search.points[i].size = POINTS_MAX;
		search.points[i].list = calloc(POINTS_MAX, sizeof(struct sim_fault));
	}
	search.options = options;
	for (unsigned int i = 0; i < MODES * TRIGGERS && !search.is_failed; i++) {
		start_plan(&search.plan, triggers[i / MODES], i % MODES);
		explore(&search, 0, share, options->jobs);
	}
	fprintf(out, "%" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %d\n", search.runs,
		search.states, search.places, search.longest_gap, search.is_failed);
	if (search.is_failed)
		sim_plan_print(out, &search.plan);
	return fclose(out);
}

struct total {
	uint64_t runs, states, longest_gap;
};

static int collect(FILE *in, struct total *total, struct sim_plan *ret_plan)
{
	uint64_t runs, states, places, gap;
	char text[8192];
	const char *wrong;
	int is_failed;

	if (fscanf(in, "%" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %d\n", &runs, &states,
		   &places, &gap, &is_failed) != 5) {
		fprintf(stderr, "small: a worker died\n");
		exit(1);
	}
	total->runs += runs;
	total->states += states;
	if (total->longest_gap < gap)
		total->longest_gap = gap;
	if (is_failed && fgets(text, sizeof(text), in) && !sim_plan_parse(ret_plan, text, &wrong))
		return 1;
	return 0;
}

int sim_explore_small(const struct sim_small_options *options, struct sim_plan *ret_plan)
{
	struct total total = { 0 };
	time_t began = time(NULL);
	FILE *pipes[16];
	int ends[2], ret = 0;

	fflush(NULL);
	for (unsigned int job = 0; job < options->jobs; job++) {
		if (pipe(ends)) {
			perror("pipe");
			exit(2);
		}
		if (!fork()) {
			close(ends[0]);
			_exit(work(options, job, fdopen(ends[1], "w")) ? 2 : 0);
		}
		close(ends[1]);
		pipes[job] = fdopen(ends[0], "r");
	}
	for (unsigned int job = 0; job < options->jobs; job++) {
		ret |= collect(pipes[job], &total, ret_plan);
		fclose(pipes[job]);
	}
	while (wait(NULL) > 0)
		;
	printf("%zu triggers x %d modes, every place of up to %u deviations in %.0f ms: %" PRIu64
	       " runs, %" PRIu64 " states followed to the end, %ld s, longest gap %.3f ms\n",
	       TRIGGERS, MODES, options->depth, options->window_ns / 1e6, total.runs, total.states,
	       (long)(time(NULL) - began), total.longest_gap / 1e6);
	fflush(stdout);
	return ret;
}
