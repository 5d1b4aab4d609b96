// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The parent's side of the worker: queue, socket, child. See worker.h.
 *
 * A job is in one of two lists: `waiting` (may still be superseded) or `sent` (handed
 * over, at least in part). No more than SENT_MAX jobs are handed over at a time: one
 * that runs and one that follows without a pause. So a worker that hangs leaves the
 * rest where the newest can still win.
 *
 * Callbacks come from hg_worker_process() (results) and hg_worker_submit()
 * (-ECANCELED of a superseded job); the lists are consistent whenever one is called.
 */
#include "agent/worker.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "agent/job.h"
#include "agent/worker_child.h"

#define SENT_MAX 2
#define MESSAGES_PER_CALL 64

struct queued {
	TAILQ_ENTRY(queued) entry;
	uint64_t id;
	struct hg_job job; /* list pointers unused */
	size_t count; /* entries */
	size_t offset; /* entries handed over */
	struct hg_time sent_at;
	char entries[];
};

TAILQ_HEAD(queue, queued);

struct hg_worker {
	struct hg_worker_options options;
	int fd;
	pid_t pid;
	bool is_lost; /* EOF or broken; nothing more will come */
	bool is_partial; /* the last of `sent` is not handed over completely */
	bool is_listing; /* records of LIST have begun */
	uint64_t last_id;
	struct queue waiting, sent;
	unsigned int waiting_count, neigh_count, sent_count;
	_Alignas(struct hg_job_reply) char buffer[sizeof(struct hg_job_reply) + HG_JOB_RECORDS_MAX];
};

static struct hg_time now_boottime(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return (struct hg_time){ ts.tv_sec * UINT64_C(1000000000) + ts.tv_nsec };
}

int hg_worker_new(const struct hg_worker_options *options, struct hg_worker **ret)
{
	struct hg_worker *worker = calloc(1, sizeof(*worker));
	int fds[2], err;

	if (!worker)
		return -ENOMEM;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds)) {
		err = -errno;
		free(worker);
		return err;
	}
	worker->options = *options;
	worker->fd = fds[0];
	TAILQ_INIT(&worker->waiting);
	TAILQ_INIT(&worker->sent);
	worker->pid = hg_worker_child(fds[1], options->state_dir);
	close(fds[1]);
	if (worker->pid < 0) {
		err = worker->pid;
		close(worker->fd);
		free(worker);
		return err;
	}
	*ret = worker;
	return 0;
}

static void free_queue(struct queue *queue)
{
	struct queued *q;

	while ((q = TAILQ_FIRST(queue))) {
		TAILQ_REMOVE(queue, q, entry);
		free(q);
	}
}

pid_t hg_worker_free(struct hg_worker *worker)
{
	pid_t pid;

	if (!worker)
		return 0;
	pid = worker->pid;
	close(worker->fd);
	kill(pid, SIGKILL);
	if (waitpid(pid, NULL, WNOHANG))
		pid = 0; /* reaped now, or by somebody else (-1, ECHILD) */
	free_queue(&worker->waiting);
	free_queue(&worker->sent);
	free(worker);
	return pid;
}

int hg_worker_fd(const struct hg_worker *worker)
{
	return worker->fd;
}

pid_t hg_worker_pid(const struct hg_worker *worker)
{
	return worker->pid;
}

/* May something be written? Not while the worker has enough to do: writing would only
 * be possible, not useful, and polling for it would spin. */
static bool has_to_send(const struct hg_worker *worker)
{
	return worker->is_partial ||
	       (worker->sent_count < SENT_MAX && !TAILQ_EMPTY(&worker->waiting));
}

uint32_t hg_worker_events(const struct hg_worker *worker)
{
	return EPOLLIN | (has_to_send(worker) ? EPOLLOUT : 0);
}

/* --- the queue ------------------------------------------------------------------- */
static void take_from_waiting(struct hg_worker *worker, struct queued *q)
{
	TAILQ_REMOVE(&worker->waiting, q, entry);
	worker->waiting_count--;
	if (q->job.type == HG_JOB_NEIGH_SET)
		worker->neigh_count--;
}

static void answer(struct hg_worker *worker, struct queued *q, int error)
{
	struct hg_job_result result = { .id = q->id, .type = q->job.type, .error = error };

	snprintf(result.text, sizeof(result.text), "%s",
		 error == -EPIPE ? "the worker ended before it had done this"
				 : "superseded by a newer job");
	free(q);
	if (worker->options.on_result)
		worker->options.on_result(worker->options.context, &result);
}

/* Jobs that undo one another are of one kind: they are named by the one that adds. */
static enum hg_job_type kind(enum hg_job_type type)
{
	if (type == HG_JOB_ADDRESSES_REMOVE)
		return HG_JOB_ADDRESSES_ADD;
	if (type == HG_JOB_MULTICAST_REMOVE)
		return HG_JOB_MULTICAST_ADD;
	return type == HG_JOB_FILTER_REMOVE ? HG_JOB_FILTER_ADD : type;
}

static bool is_superseded(const struct hg_job *old, const struct hg_job *new)
{
	if (kind(old->type) != kind(new->type) || old->type == HG_JOB_NEIGH_SET)
		return false;
	if (hg_job_has_addresses(old->type))
		return old->key && old->key == new->key;
	if (kind(old->type) == HG_JOB_FILTER_ADD)
		return old->filter.ifindex == new->filter.ifindex &&
		       !memcmp(old->filter.mac, new->filter.mac, 6);
	return true;
}

static struct queued *find_superseded(struct hg_worker *worker, const struct hg_job *job)
{
	struct queued *q;

	TAILQ_FOREACH(q, &worker->waiting, entry)
	{
		if (is_superseded(&q->job, job))
			return q;
	}
	return NULL;
}

static struct queued *find_neigh(struct hg_worker *worker)
{
	struct queued *q;

	TAILQ_FOREACH(q, &worker->waiting, entry)
	{
		if (q->job.type == HG_JOB_NEIGH_SET)
			return q;
	}
	return NULL;
}

/* The job that has to make room for this one, if any. -ENOBUFS: there is none. */
static int find_victim(struct hg_worker *worker, const struct hg_job *job, struct queued **ret)
{
	bool is_neigh = job->type == HG_JOB_NEIGH_SET;

	*ret = find_superseded(worker, job);
	if (*ret)
		return 0;
	if (is_neigh && worker->neigh_count == HG_WORKER_NEIGH_MAX)
		return -ENOBUFS;
	if (worker->waiting_count < HG_WORKER_QUEUE_MAX)
		return 0;
	if (!is_neigh)
		*ret = find_neigh(worker);
	return *ret ? 0 : -ENOBUFS;
}

static const void *job_list(const struct hg_job *job, size_t *ret_count)
{
	*ret_count = 0;
	if (hg_job_has_addresses(job->type)) {
		*ret_count = job->addresses.count;
		return job->addresses.list;
	}
	if (job->type == HG_JOB_NEIGH_SET) {
		*ret_count = job->neighs.count;
		return job->neighs.list;
	}
	return NULL;
}

static struct queued *make_queued(const struct hg_job *job, const void *list, size_t count)
{
	size_t size = count * hg_job_entry_size(job->type);
	struct queued *q = calloc(1, sizeof(*q) + size);

	if (!q)
		return NULL;
	q->job = *job;
	q->count = count;
	if (size)
		memcpy(q->entries, list, size);
	return q;
}

/* --- the socket ------------------------------------------------------------------- */
/* 0, -EAGAIN when the socket is full, or another -errno. */
static int send_chunk(struct hg_worker *worker, struct queued *q)
{
	size_t size = hg_job_entry_size(q->job.type), rest = q->count - q->offset;
	struct hg_job_packet packet = { .id = q->id, .job = q->job };
	struct iovec iov[2] = { { &packet, sizeof(packet) } };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };

	packet.count = rest < HG_JOB_CHUNK ? rest : HG_JOB_CHUNK;
	packet.is_last = packet.count == rest;
	iov[1] = (struct iovec){ q->entries + q->offset * size, packet.count * size };
	if (sendmsg(worker->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		return errno == EWOULDBLOCK || errno == EINTR || errno == ENOBUFS ? -EAGAIN
										  : -errno;
	q->offset += packet.count;
	worker->is_partial = !packet.is_last;
	return 0;
}

static void send_waiting(struct hg_worker *worker)
{
	while (!worker->is_lost && has_to_send(worker)) {
		struct queued *q = TAILQ_LAST(&worker->sent, queue);

		/* A job changes lists before its first packet: from here on it must not be
		 * superseded any more. */
		if (!worker->is_partial) {
			q = TAILQ_FIRST(&worker->waiting);
			take_from_waiting(worker, q);
			q->sent_at = now_boottime();
			TAILQ_INSERT_TAIL(&worker->sent, q, entry);
			worker->sent_count++;
			worker->is_partial = true;
		}
		/* Any other error shows as EOF at the next read. */
		if (send_chunk(worker, q))
			return;
	}
}

int hg_worker_submit(struct hg_worker *worker, const struct hg_job *job, uint64_t *ret_id)
{
	struct queued *q, *victim;
	const void *list;
	size_t count;
	int err;

	if (job->type < HG_JOB_ADDRESSES_ADD || job->type >= HG_JOBS)
		return -EINVAL;
	list = job_list(job, &count);
	if (count > HG_WORKER_ENTRIES_MAX || (count && !list))
		return -EINVAL;
	if (worker->is_lost)
		return -EPIPE;
	err = find_victim(worker, job, &victim);
	if (err)
		return err;
	q = make_queued(job, list, count);
	if (!q)
		return -ENOMEM;
	q->id = ++worker->last_id;
	if (victim)
		take_from_waiting(worker, victim);
	TAILQ_INSERT_TAIL(&worker->waiting, q, entry);
	worker->waiting_count++;
	worker->neigh_count += job->type == HG_JOB_NEIGH_SET;
	if (ret_id)
		*ret_id = q->id;
	send_waiting(worker);
	if (victim)
		answer(worker, victim, -ECANCELED);
	return 0;
}

static void on_result(struct hg_worker *worker, const struct hg_job_result *result)
{
	const struct hg_netlink_handlers *handlers = &worker->options.netlink;
	struct queued *q = TAILQ_FIRST(&worker->sent);

	if (q && q->id == result->id) {
		TAILQ_REMOVE(&worker->sent, q, entry);
		worker->sent_count--;
		free(q);
		q = TAILQ_FIRST(&worker->sent);
		if (q)
			q->sent_at = now_boottime(); /* it begins only now */
	}
	if (result->type == HG_JOB_LIST) {
		/* A list that broke off must not let anybody forget what it did not name. */
		if (worker->is_listing && !result->error && handlers->on_sync_end)
			handlers->on_sync_end(worker->options.context);
		worker->is_listing = false;
	}
	if (worker->options.on_result)
		worker->options.on_result(worker->options.context, result);
}

static void on_records(struct hg_worker *worker, const void *data, size_t length)
{
	const struct hg_netlink_handlers *handlers = &worker->options.netlink;

	if (!worker->is_listing && handlers->on_sync_begin)
		handlers->on_sync_begin(worker->options.context);
	worker->is_listing = true;
	hg_netlink_parse(handlers, worker->options.context, data, length);
}

static void on_lost(struct hg_worker *worker)
{
	struct queued *q;

	worker->is_lost = true;
	worker->is_partial = false;
	while ((q = TAILQ_FIRST(&worker->sent))) {
		TAILQ_REMOVE(&worker->sent, q, entry);
		worker->sent_count--;
		answer(worker, q, -EPIPE);
	}
	while ((q = TAILQ_FIRST(&worker->waiting))) {
		take_from_waiting(worker, q);
		answer(worker, q, -EPIPE);
	}
	if (worker->options.on_lost)
		worker->options.on_lost(worker->options.context);
}

/* 1: a message was taken; 0: none there; -EPIPE. */
static int receive(struct hg_worker *worker)
{
	const struct hg_job_reply *reply = (const void *)worker->buffer;
	ssize_t n = recv(worker->fd, worker->buffer, sizeof(worker->buffer), MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n < (ssize_t)sizeof(*reply))
		return -EPIPE;
	if (reply->is_result)
		on_result(worker, &reply->result);
	else
		on_records(worker, reply + 1, n - sizeof(*reply));
	return 1;
}

int hg_worker_process(struct hg_worker *worker)
{
	int more = 1;

	if (worker->is_lost)
		return -EPIPE;
	for (int i = 0; i < MESSAGES_PER_CALL && more > 0; i++)
		more = receive(worker);
	if (more < 0) {
		on_lost(worker);
		return -EPIPE;
	}
	send_waiting(worker);
	return 0;
}

unsigned int hg_worker_pending(const struct hg_worker *worker, struct hg_time now,
			       struct hg_span *ret_oldest)
{
	const struct queued *q = TAILQ_FIRST(&worker->sent);

	*ret_oldest = q ? hg_time_since(now, q->sent_at) : HG_MS(0);
	return worker->sent_count + worker->waiting_count;
}

int hg_worker_wait(struct hg_worker *worker, unsigned int timeout_ms)
{
	struct hg_time end = hg_time_add(now_boottime(), HG_MS(timeout_ms));

	while (worker->sent_count + worker->waiting_count) {
		struct hg_span left = hg_time_since(end, now_boottime());
		struct pollfd pfd = { .fd = worker->fd, .events = POLLIN };
		int err;

		if (!left.ns)
			return -ETIMEDOUT;
		if (has_to_send(worker))
			pfd.events |= POLLOUT;
		if (poll(&pfd, 1, left.ns / 1000000 + 1) < 0 && errno != EINTR)
			return -errno;
		err = hg_worker_process(worker);
		if (err)
			return err;
	}
	return 0;
}
