/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Everything that can block, in a child process of its own.
 *
 * hagated forks the worker at its start. It runs under SCHED_OTHER, dies with
 * hagated (PR_SET_PDEATHSIG, and EOF on the socket) and answers jobs in the order
 * in which they were submitted. The parent's side never blocks: jobs wait in a
 * bounded queue until the socket takes them.
 *
 * The worker has the capabilities that its parent has permitted at the moment of
 * hg_worker_new(); it raises them to effective itself.
 *
 * Newest wins: of jobs that are still waiting in the queue and mean the same thing,
 * only the newest is carried out; the older ones are answered with -ECANCELED.
 * STORE_EPOCH, STORE_FLAG, LIST and FILTER_* of one MAC do so by
 * themselves; ADDRESSES_* of one `key` do, and MULTICAST_* of one (so that adding,
 * removing and adding again leaves one job), which asks that jobs of one key
 * concern the same addresses.
 *
 * ADDRESSES_ADD is idempotent and restores what is missing: submit all VIPs of a port
 * again when its NIC comes up (IPv6 addresses and routes go with IFF_UP) and after
 * removing some of them. How VIPs are configured, and why: job_address.c.
 */
#ifndef HG_WORKER_H
#define HG_WORKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "agent/config.h"
#include "agent/core/time.h"
#include "agent/netlink.h"

#define HG_WORKER_QUEUE_MAX 64 /* jobs not yet handed to the worker */
#define HG_WORKER_NEIGH_MAX 32 /* of them NEIGH_SET, which may be lost without harm */
#define HG_WORKER_ENTRIES_MAX 16384 /* in one job */
#define HG_WORKER_TEXT_MAX 512

enum hg_job_type {
	HG_JOB_ADDRESSES_ADD = 1, /* addresses */
	HG_JOB_ADDRESSES_REMOVE, /* addresses */
	HG_JOB_NEIGH_SET, /* neighs */
	HG_JOB_FILTER_ADD, /* filter: the NIC also takes frames for `mac` */
	HG_JOB_FILTER_REMOVE, /* filter */
	HG_JOB_STORE_EPOCH, /* counter: all counters below it may be used from now on */
	HG_JOB_STORE_FLAG, /* is_on: maintenance */
	HG_JOB_MULTICAST_ADD, /* addresses: the NIC takes solicitations for IPv6 VIPs */
	HG_JOB_MULTICAST_REMOVE, /* addresses */
	HG_JOB_LIST, /* links, addresses and neighbours through the netlink handlers */
	HG_JOBS,
};

struct hg_worker_address {
	int32_t ifindex;
	struct hg_ip ip; /* with its prefix length */
};

struct hg_worker_neigh {
	int32_t ifindex;
	struct hg_ip ip;
	uint8_t mac[6];
};

struct hg_job {
	enum hg_job_type type;
	uint32_t key; /* ADDRESSES_*, MULTICAST_*: see above; 0: never superseded */
	union {
		struct {
			const struct hg_worker_address *list; /* copied */
			size_t count;
		} addresses;
		struct {
			const struct hg_worker_neigh *list; /* copied */
			size_t count;
		} neighs;
		struct {
			int32_t ifindex;
			uint8_t mac[6];
		} filter;
		uint64_t counter;
		bool is_on;
	};
};

struct hg_job_result {
	uint64_t id;
	enum hg_job_type type;
	int error; /* 0 or -errno: the first one met; the rest was tried all the same */
	uint32_t done; /* entries that are as wanted now */
	uint32_t failed;
	char text[HG_WORKER_TEXT_MAX]; /* what failed, with the kernel's own words; "" when done */
	uint64_t counter; /* STORE_EPOCH: as in the job */
	bool is_on; /* STORE_FLAG */
	int32_t ifindex; /* FILTER_* */
};

struct hg_worker;

struct hg_worker_options {
	const char *state_dir; /* for STORE_*; must exist */
	void (*on_result)(void *context, const struct hg_job_result *result);
	/* The worker ended. Every job not answered before is answered now with -EPIPE
	 * through on_result, then this is called once; hg_worker_free() it later, outside
	 * of the callback, and make a new one. */
	void (*on_lost)(void *context);
	struct hg_netlink_handlers netlink; /* records of LIST */
	void *context;
};

/* Forks. -errno when the socket pair or the child cannot be made. */
int hg_worker_new(const struct hg_worker_options *options, struct hg_worker **ret);

/* Kills the worker without waiting for it. Returns 0, or its pid when it was not dead
 * at once (it may sit in the kernel): waitpid(pid, NULL, WNOHANG) later. */
pid_t hg_worker_free(struct hg_worker *worker);

int hg_worker_fd(const struct hg_worker *worker);
pid_t hg_worker_pid(const struct hg_worker *worker);

/* What to poll the fd for now: EPOLLIN, also EPOLLOUT while jobs wait. Ask again after
 * each submit and each process. */
uint32_t hg_worker_events(const struct hg_worker *worker);

/*
 * Queues a job and hands it on when the socket takes it. Never blocks.
 * -ENOBUFS: the queue is full (any other job first pushes out a waiting NEIGH_SET).
 * -EINVAL: nonsense. -EPIPE: the worker is gone. ret_id may be NULL. on_result may be
 * called before this returns, for a job that was superseded or pushed out.
 */
int hg_worker_submit(struct hg_worker *worker, const struct hg_job *job, uint64_t *ret_id);

/* Sends waiting jobs and reads results; calls back. At most 64 messages a call.
 * 0, or -EPIPE once the worker is lost (after on_lost). */
int hg_worker_process(struct hg_worker *worker);

/* Jobs not answered yet, and for how long the oldest of those handed over has been
 * with the worker: a worker that hangs can be named. */
unsigned int hg_worker_pending(const struct hg_worker *worker, struct hg_time now,
			       struct hg_span *ret_oldest);

/* Blocks until every job is answered or the time is over (-ETIMEDOUT). For the start
 * and the stop of hagated. */
int hg_worker_wait(struct hg_worker *worker, unsigned int timeout_ms);

#endif
