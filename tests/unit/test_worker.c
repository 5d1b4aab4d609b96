// SPDX-License-Identifier: GPL-2.0-or-later
/* The worker as a process: it may hang or die, and the parent neither waits for it nor
 * forgets a job. In a network namespace, so that addresses hurt nobody. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "agent/store.h"
#include "agent/worker.h"
#include "netns.h"

#define RESULTS_MAX 20000

static struct hg_worker *worker;
static char dir[64];
static struct {
	unsigned int results, lost, done, canceled, broken;
	uint64_t order[RESULTS_MAX]; /* ids of those that were carried out */
} seen;

static void on_result(void *context, const struct hg_job_result *result)
{
	(void)context;
	seen.results++;
	seen.canceled += result->error == -ECANCELED;
	seen.broken += result->error == -EPIPE;
	if (result->error != -ECANCELED && result->error != -EPIPE)
		seen.order[seen.done++ % RESULTS_MAX] = result->id;
}

static void on_lost(void *context)
{
	(void)context;
	seen.lost++;
}

static struct hg_worker *make(void)
{
	struct hg_worker_options options = { .on_result = on_result,
					     .on_lost = on_lost,
					     .state_dir = dir };
	struct hg_worker *made = NULL;

	assert_int_equal(hg_worker_new(&options, &made), 0);
	return made;
}

static int set_up(void **state)
{
	(void)state;
	memset(&seen, 0, sizeof(seen));
	strcpy(dir, "/tmp/hagate-worker-XXXXXX");
	assert_non_null(mkdtemp(dir));
	close(netns_new());
	worker = make();
	return 0;
}

/* The socket is at EOF a moment before the process can be reaped: wait for it. */
static void end_worker(struct hg_worker **ended)
{
	pid_t pid = hg_worker_free(*ended);

	*ended = NULL;
	if (pid)
		waitpid(pid, NULL, 0);
}

static int tear_down(void **state)
{
	(void)state;
	end_worker(&worker);
	run("rm -rf %s", dir);
	return 0;
}

static int submit_epoch(uint64_t counter)
{
	return hg_worker_submit(
		worker, &(struct hg_job){ .type = HG_JOB_STORE_EPOCH, .counter = counter }, NULL);
}

static int submit_list(void)
{
	return hg_worker_submit(worker, &(struct hg_job){ .type = HG_JOB_LIST }, NULL);
}

static int submit_addresses(enum hg_job_type type, uint32_t key, size_t count)
{
	static struct hg_worker_address list[HG_WORKER_ENTRIES_MAX + 1];

	for (size_t i = 0; i < count && i < HG_WORKER_ENTRIES_MAX; i++)
		list[i] = (struct hg_worker_address){ 1, { 4, 32, { 10, 9, i >> 8, i } } };
	return hg_worker_submit(
		worker, &(struct hg_job){ .type = type, .key = key, .addresses = { list, count } },
		NULL);
}

static int submit_neigh(void)
{
	struct hg_worker_neigh neigh = { 1, { 4, 32, { 127, 0, 0, 9 } }, { 2 } };

	return hg_worker_submit(
		worker, &(struct hg_job){ .type = HG_JOB_NEIGH_SET, .neighs = { &neigh, 1 } },
		NULL);
}

static void test_answers_in_order(void **state)
{
	uint64_t ids[40];

	(void)state;
	for (unsigned int i = 0; i < 40; i++) {
		struct hg_job job = { .type = i % 2 ? HG_JOB_FILTER_ADD : HG_JOB_NEIGH_SET };

		if (i % 2)
			job.filter.ifindex = 1000 + i; /* each of its own kind */
		assert_int_equal(hg_worker_submit(worker, &job, &ids[i]), 0);
	}
	assert_int_equal(hg_worker_wait(worker, 60000), 0);
	assert_int_equal(seen.done, 40);
	assert_memory_equal(seen.order, ids, sizeof(ids));
	assert_int_equal(hg_worker_events(worker), EPOLLIN);
}

static void test_nonsense_refused(void **state)
{
	(void)state;
	assert_int_equal(hg_worker_submit(worker, &(struct hg_job){ 0 }, NULL), -EINVAL);
	assert_int_equal(hg_worker_submit(worker, &(struct hg_job){ .type = HG_JOBS }, NULL),
			 -EINVAL);
	assert_int_equal(submit_addresses(HG_JOB_ADDRESSES_ADD, 0, HG_WORKER_ENTRIES_MAX + 1),
			 -EINVAL);
	assert_int_equal(hg_worker_submit(worker,
					  &(struct hg_job){ .type = HG_JOB_NEIGH_SET,
							    .neighs = { NULL, 3 } },
					  NULL),
			 -EINVAL);
}

/* A stopped worker stands for one that hangs in the kernel. */
static void test_hanging_worker(void **state)
{
	double worst = 0, begin;
	struct hg_span oldest;
	uint64_t counter;
	unsigned int accepted = 0;
	int last = 0;

	(void)state;
	assert_int_equal(kill(hg_worker_pid(worker), SIGSTOP), 0);
	for (int i = 1; i <= 10000; i++) {
		int err;

		begin = now_ms();
		accepted += !submit_epoch(i);
		accepted += !submit_list();
		accepted += !submit_addresses(
			i % 2 ? HG_JOB_ADDRESSES_REMOVE : HG_JOB_ADDRESSES_ADD, 7, 20);
		err = submit_neigh();
		assert_true(!err || err == -ENOBUFS);
		accepted += !err;
		last = err;
		assert_int_equal(hg_worker_process(worker), 0);
		if (now_ms() - begin > worst)
			worst = now_ms() - begin;
	}
	assert_int_equal(last, -ENOBUFS);
	print_message("40,000 jobs for a hanging worker: worst round of four %.2f ms\n", worst);
	assert_true(hg_worker_pending(worker, HG_TIME_NEVER, &oldest) <= HG_WORKER_QUEUE_MAX + 2);
	assert_true(oldest.ns > 0);
	assert_int_equal(hg_worker_wait(worker, 30), -ETIMEDOUT);
	/* nothing to write while it has enough to do: or the loop would spin */
	assert_int_equal(hg_worker_events(worker), EPOLLIN);

	assert_int_equal(kill(hg_worker_pid(worker), SIGCONT), 0);
	assert_int_equal(hg_worker_wait(worker, 60000), 0);
	/* every accepted job was answered, most as superseded, and the newest won */
	assert_true(accepted >= 30000);
	assert_int_equal(seen.results, accepted);
	assert_true(seen.canceled > 29000);
	assert_int_equal(hg_store_read_epoch(dir, &counter), 0);
	assert_int_equal(counter, 10000);
	assert_int_equal(number("ip -4 addr show dev lo | grep -c 10.9."), 20);
}

static void test_order_of_kinds_is_kept(void **state)
{
	(void)state;
	kill(hg_worker_pid(worker), SIGSTOP);
	submit_list();
	submit_list(); /* two are with the worker, the rest waits */
	submit_addresses(HG_JOB_ADDRESSES_ADD, 1, 3); /* id 3: superseded by 5 */
	submit_addresses(HG_JOB_ADDRESSES_ADD, 2, 2); /* another key */
	submit_addresses(HG_JOB_ADDRESSES_REMOVE, 1, 3);
	submit_addresses(HG_JOB_ADDRESSES_ADD, 0, 1); /* no key: never superseded */
	submit_addresses(HG_JOB_ADDRESSES_ADD, 0, 1);
	kill(hg_worker_pid(worker), SIGCONT);
	assert_int_equal(hg_worker_wait(worker, 60000), 0);
	assert_int_equal(seen.canceled, 1);
	assert_int_equal(seen.done, 6);
	assert_int_equal(seen.order[2], 4);
	assert_int_equal(seen.order[3], 5);
	assert_int_equal(seen.order[5], 7);
}

static void test_full_queue(void **state)
{
	int err = 0, accepted = 0;

	(void)state;
	kill(hg_worker_pid(worker), SIGSTOP);
	for (int i = 0; i < 100; i++)
		submit_neigh();
	/* others push waiting NEIGH_SETs out, then the queue is full */
	for (; !err && accepted < 1000; accepted++)
		err = submit_addresses(HG_JOB_ADDRESSES_ADD, 0, 1);
	assert_int_equal(err, -ENOBUFS);
	assert_int_equal(accepted, HG_WORKER_QUEUE_MAX + 1);
	assert_int_equal(seen.canceled, HG_WORKER_NEIGH_MAX);
	kill(hg_worker_pid(worker), SIGCONT);
	assert_int_equal(hg_worker_wait(worker, 60000), 0);
}

/* More than a socket buffer holds: it goes over in pieces. */
static void test_largest_job(void **state)
{
	double begin = now_ms();

	(void)state;
	kill(hg_worker_pid(worker), SIGSTOP);
	assert_int_equal(submit_addresses(HG_JOB_ADDRESSES_ADD, 1, HG_WORKER_ENTRIES_MAX), 0);
	assert_true(hg_worker_events(worker) & EPOLLOUT);
	/* half handed over: cannot be superseded any more, and the next waits for it */
	assert_int_equal(submit_addresses(HG_JOB_ADDRESSES_REMOVE, 1, HG_WORKER_ENTRIES_MAX), 0);
	assert_true(now_ms() - begin < 5000); /* it does not wait for the stopped worker */
	kill(hg_worker_pid(worker), SIGCONT);
	assert_int_equal(hg_worker_wait(worker, 300000), 0);
	assert_int_equal(seen.done, 2);
	assert_int_equal(number("ip -4 addr show dev lo | grep -c 10.9."), 0);
}

static void test_killed_worker(void **state)
{
	pid_t pid = hg_worker_pid(worker);
	double begin = now_ms();

	(void)state;
	kill(pid, SIGSTOP);
	submit_list();
	submit_epoch(5);
	submit_neigh();
	submit_addresses(HG_JOB_ADDRESSES_ADD, 0, 1);
	kill(pid, SIGKILL);
	while (!seen.lost && now_ms() - begin < 20000)
		hg_worker_process(worker);
	assert_int_equal(seen.lost, 1);
	assert_int_equal(seen.broken, 4);
	assert_int_equal(submit_epoch(6), -EPIPE);
	assert_int_equal(hg_worker_process(worker), -EPIPE);
	assert_int_equal(seen.lost, 1);
	/* and a new one does its work */
	end_worker(&worker);
	worker = make();
	assert_int_equal(submit_epoch(7), 0);
	assert_int_equal(hg_worker_wait(worker, 60000), 0);
	assert_int_equal(seen.done, 1);
}

static bool is_gone(pid_t pid)
{
	char state = 0, path[64];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	file = fopen(path, "r");
	if (!file)
		return true;
	if (fscanf(file, "%*d (%*[^)]) %c", &state) != 1)
		state = 'Z';
	fclose(file);
	return state == 'Z';
}

static bool is_gone_within(pid_t pid, unsigned int ms)
{
	double begin = now_ms();

	while (!is_gone(pid) && now_ms() - begin < ms)
		sleep_ms(2);
	return is_gone(pid);
}

static void test_dies_with_its_parent(void **state)
{
	int pipefd[2];
	pid_t parent, child = 0;

	(void)state;
	assert_int_equal(pipe(pipefd), 0);
	parent = fork();
	if (!parent) {
		struct hg_worker *own = make();

		child = hg_worker_pid(own);
		if (write(pipefd[1], &child, sizeof(child)) != sizeof(child))
			_exit(1);
		pause();
		_exit(0);
	}
	assert_int_equal(read(pipefd[0], &child, sizeof(child)), sizeof(child));
	assert_false(is_gone_within(child, 50));
	kill(parent, SIGKILL);
	waitpid(parent, NULL, 0);
	assert_true(is_gone_within(child, 20000));
	close(pipefd[0]);
	close(pipefd[1]);
}

/* Ctrl-C and a service manager's SIGTERM reach the whole group: last jobs still run. */
static void test_ignores_polite_signals(void **state)
{
	(void)state;
	assert_int_equal(submit_epoch(1), 0);
	assert_int_equal(hg_worker_wait(worker, 60000), 0);
	kill(hg_worker_pid(worker), SIGTERM);
	kill(hg_worker_pid(worker), SIGINT);
	assert_int_equal(submit_epoch(9), 0);
	assert_int_equal(hg_worker_wait(worker, 60000), 0);
	assert_int_equal(seen.done, 2);
}

/* EOF alone ends it too: it holds no copy of the parent's end. */
static void test_ends_at_eof(void **state)
{
	pid_t pid = hg_worker_pid(worker);
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	(void)state;
	assert_int_equal(submit_epoch(1), 0);
	assert_int_equal(hg_worker_wait(worker, 60000), 0);
	assert_true(dup2(null, hg_worker_fd(worker)) >= 0); /* closes the socket */
	close(null);
	assert_true(is_gone_within(pid, 20000));
}

static void test_scheduling(void **state)
{
	struct sched_param param = { .sched_priority = 1 };
	struct hg_worker *normal;

	(void)state;
	if (sched_setscheduler(0, SCHED_FIFO, &param)) {
		fprintf(stderr, "skipped: real-time scheduling is not permitted\n");
		skip();
	}
	normal = make();
	param.sched_priority = 0;
	sched_setscheduler(0, SCHED_OTHER, &param);
	assert_int_equal(hg_worker_submit(normal, &(struct hg_job){ .type = HG_JOB_LIST }, NULL),
			 0);
	assert_int_equal(hg_worker_wait(normal, 60000), 0);
	assert_int_equal(sched_getscheduler(hg_worker_pid(normal)), SCHED_OTHER);
	end_worker(&normal);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_answers_in_order),
		TEST(test_nonsense_refused),
		TEST(test_hanging_worker),
		TEST(test_order_of_kinds_is_kept),
		TEST(test_full_queue),
		TEST(test_largest_job),
		TEST(test_killed_worker),
		TEST(test_dies_with_its_parent),
		TEST(test_ignores_polite_signals),
		TEST(test_ends_at_eof),
		TEST(test_scheduling),
	};

	return netns_is_possible() ? cmocka_run_group_tests(tests, NULL, NULL) : 0;
}
