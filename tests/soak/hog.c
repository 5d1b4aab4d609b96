// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Takes the processors away: one SCHED_FIFO thread on each, spinning.
 *
 *   hog [PRIORITY]        default 99, above everything of hagate's and keepalived's
 *
 * Each line of stdin is a number of milliseconds for which all threads spin, then
 * sleep again; a line on stdout says that they have begun and one that they are done.
 * The kernel leaves other tasks what sched_rt_runtime_us does (5 % by default).
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S 1000000000ull
#define THREADS_MAX 64

static pthread_barrier_t start, end;
static _Atomic uint64_t until;

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

static void *spin(void *arg)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((int)(intptr_t)arg, &set);
	if (pthread_setaffinity_np(pthread_self(), sizeof(set), &set))
		fprintf(stderr, "hog: cannot stay on processor %d\n", (int)(intptr_t)arg);
	for (;;) {
		pthread_barrier_wait(&start);
		while (now_ns() < atomic_load(&until))
			;
		pthread_barrier_wait(&end);
	}
	return NULL;
}

static int start_threads(int count, int priority)
{
	struct sched_param param = { .sched_priority = priority };
	pthread_attr_t attr;
	pthread_t thread;
	int err = 0;

	pthread_attr_init(&attr);
	pthread_attr_setinheritsched(&attr, PTHREAD_EXPLICIT_SCHED);
	pthread_attr_setschedpolicy(&attr, SCHED_FIFO);
	pthread_attr_setschedparam(&attr, &param);
	for (int i = 0; i < count && !err; i++)
		err = pthread_create(&thread, &attr, spin, (void *)(intptr_t)i);
	pthread_attr_destroy(&attr);
	return err;
}

int main(int argc, char **argv)
{
	int priority = argc > 1 ? atoi(argv[1]) : 99;
	long count = sysconf(_SC_NPROCESSORS_ONLN);
	char line[32];

	if (count > THREADS_MAX)
		count = THREADS_MAX;
	pthread_barrier_init(&start, NULL, (unsigned int)count + 1);
	pthread_barrier_init(&end, NULL, (unsigned int)count + 1);
	if (mlockall(MCL_CURRENT) || start_threads((int)count, priority)) {
		perror("hog: SCHED_FIFO needs root");
		return 1;
	}
	while (fgets(line, sizeof(line), stdin)) {
		atomic_store(&until, now_ns() + strtoull(line, NULL, 10) * 1000000);
		puts("begun");
		fflush(stdout);
		pthread_barrier_wait(&start);
		pthread_barrier_wait(&end);
		puts("done");
		fflush(stdout);
	}
	return 0;
}
