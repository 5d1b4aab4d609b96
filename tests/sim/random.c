// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Seeds, one after the other, on several processors. A worker is a process, so that a
 * crash of one run is a finding too: the seed at work stands in shared memory.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "explore.h"

#define JOBS_MAX 16

struct report {
	uint64_t seed; /* at work */
	uint64_t done, frames, steps, terms, descents, overlap_ns, settle_ns;
	bool is_failed, is_ended; /* neither: it crashed */
};

static void add(struct report *report, const struct sim_world *world)
{
	const struct sim_findings *found = &world->found;
	uint64_t quiet = world->plan->quiet_at;

	report->done++;
	report->frames += found->frames;
	report->steps += found->steps;
	report->terms += found->terms;
	report->descents += found->descents;
	report->overlap_ns += found->overlap_ns;
	if (found->unsettled_at > quiet && report->settle_ns < found->unsettled_at - quiet)
		report->settle_ns = found->unsettled_at - quiet;
}

static void work(const struct sim_random_options *options, unsigned int job,
		 volatile struct report *shared, volatile bool *is_over)
{
	static struct sim_world world;
	struct report own = { 0 };
	struct sim_plan plan;

	for (uint64_t i = job; i < options->seeds && !*is_over; i += options->jobs) {
		own.seed = options->first + i;
		shared->seed = own.seed;
		sim_plan_generate(&plan, own.seed);
		if (sim_plan_run(&plan, &world, NULL, false)) {
			own.is_failed = true;
			*is_over = true;
			break;
		}
		add(&own, &world);
		shared->done = own.done;
	}
	own.is_ended = !own.is_failed;
	*shared = own;
}

static void progress(const struct sim_random_options *options, volatile struct report *reports,
		     time_t began)
{
	uint64_t done = 0;

	for (unsigned int job = 0; job < options->jobs; job++)
		done += reports[job].done;
	fprintf(stderr, "\r%" PRIu64 " of %" PRIu64 " schedules, %.0f a second ", done,
		options->seeds, (double)done / (time(NULL) > began ? time(NULL) - began : 1));
}

static void wait_for(const struct sim_random_options *options, volatile struct report *reports,
		     volatile bool *is_over)
{
	time_t began = time(NULL), said = began;
	unsigned int left = options->jobs;
	int status;

	while (left) {
		pid_t pid = waitpid(-1, &status, options->is_quiet ? 0 : WNOHANG);

		if (pid < 0 && errno == ECHILD)
			break;
		if (pid > 0) {
			left--;
			if (WIFSIGNALED(status) || WEXITSTATUS(status))
				*is_over = true;
			continue;
		}
		if (time(NULL) > said + 1) {
			said = time(NULL);
			progress(options, reports, began);
		}
		nanosleep(&(struct timespec){ .tv_nsec = 50000000 }, NULL);
	}
	if (!options->is_quiet)
		fputc('\n', stderr);
}

static int sum_up(const struct sim_random_options *options, const struct report *reports,
		  double seconds, uint64_t *ret_seed)
{
	struct report sum = { .seed = UINT64_MAX };
	bool is_complete;

	for (unsigned int job = 0; job < options->jobs; job++) {
		const struct report *r = &reports[job];

		sum.done += r->done;
		sum.frames += r->frames;
		sum.steps += r->steps;
		sum.terms += r->terms;
		sum.descents += r->descents;
		sum.overlap_ns += r->overlap_ns;
		if (sum.settle_ns < r->settle_ns)
			sum.settle_ns = r->settle_ns;
	}
	is_complete = sum.done == options->seeds;
	/* One that crashed has left its seed without a word of failure. */
	for (unsigned int job = 0; job < options->jobs; job++)
		if (!reports[job].is_ended && sum.seed > reports[job].seed)
			sum.seed = reports[job].seed;
	printf("%" PRIu64 " schedules from seed %" PRIu64 ": %.0f a second, %" PRIu64
	       " frames, %" PRIu64 " steps, %" PRIu64 " terms of service\n",
	       sum.done, options->first, sum.done / (seconds > 0 ? seconds : 1), sum.frames,
	       sum.steps, sum.terms);
	printf("settled at most %.1f ms after the last trouble; both served %.1f ms in all, where "
	       "isolation: continue lets them; %" PRIu64 " terms below an epoch served before\n",
	       sum.settle_ns / 1e6, sum.overlap_ns / 1e6, sum.descents);
	fflush(stdout);
	*ret_seed = sum.seed;
	return is_complete ? 0 : 1;
}

int sim_explore_random(const struct sim_random_options *given, uint64_t *ret_seed)
{
	struct sim_random_options options = *given;
	size_t size = sizeof(struct report) * JOBS_MAX + sizeof(bool);
	struct report *reports;
	volatile bool *is_over;
	struct timespec began, ended;

	if (options.jobs > JOBS_MAX)
		options.jobs = JOBS_MAX;
	reports = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (reports == MAP_FAILED) {
		perror("memory for the workers");
		exit(2);
	}
	is_over = (bool *)(reports + JOBS_MAX);
	fflush(NULL);
	clock_gettime(CLOCK_MONOTONIC, &began);
	for (unsigned int job = 0; job < options.jobs; job++) {
		pid_t pid = fork();

		if (pid < 0) {
			perror("a worker");
			exit(2);
		}
		if (!pid) {
			work(&options, job, &reports[job], is_over);
			_exit(0);
		}
	}
	wait_for(&options, reports, is_over);
	clock_gettime(CLOCK_MONOTONIC, &ended);
	return sum_up(&options, reports,
		      ended.tv_sec - began.tv_sec + (ended.tv_nsec - began.tv_nsec) / 1e9,
		      ret_seed);
}
