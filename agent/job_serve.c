// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The worker process: takes one job after the other and answers each with a result.
 * Everything here may block; nothing here is shared with the parent but the socket
 * and what was inherited at the fork.
 */
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "agent/job.h"
#include "agent/job_rtnl.h"
#include "agent/store.h"

struct server {
	int fd;
	const char *state_dir;
	struct hg_rtnl *rtnl;
	void *entries; /* of the job that is coming in */
	size_t count;
	_Alignas(struct hg_job_packet) char packet[sizeof(struct hg_job_packet) +
						   HG_JOB_CHUNK * sizeof(struct hg_worker_neigh)];
};

_Static_assert(sizeof(struct hg_worker_address) <= sizeof(struct hg_worker_neigh),
	       "the packet buffer is made for the larger entry");

void hg_job_count(struct hg_job_result *result, int error, const char *text)
{
	if (!error) {
		result->done++;
		return;
	}
	result->failed++;
	if (result->error)
		return;
	result->error = error;
	snprintf(result->text, sizeof(result->text), "%s", text ? text : strerror(-error));
}

static int send_reply(int fd, const struct hg_job_reply *reply, const void *records)
{
	struct iovec iov[2] = { { (void *)reply, sizeof(*reply) },
				{ (void *)records, reply->length } };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = reply->length ? 2 : 1 };

	while (sendmsg(fd, &msg, MSG_NOSIGNAL) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	return 0;
}

static int on_records(void *context, const void *data, size_t length)
{
	const struct server *server = context;
	const char *at = data;
	const struct nlmsghdr *nlh = data;
	int rest = length;

	/* In pieces of whole messages: a datagram may be longer than a packet of ours. */
	while (mnl_nlmsg_ok(nlh, rest)) {
		struct hg_job_reply reply = { 0 };
		int err;

		while (mnl_nlmsg_ok(nlh, rest) &&
		       (const char *)nlh - at + NLMSG_ALIGN(nlh->nlmsg_len) <= HG_JOB_RECORDS_MAX)
			nlh = mnl_nlmsg_next(nlh, &rest);
		reply.length = (const char *)nlh - at;
		/* the last message of a datagram need not be padded */
		if (reply.length > length - (at - (const char *)data))
			reply.length = length - (at - (const char *)data);
		if (!reply.length)
			return -EMSGSIZE;
		err = send_reply(server->fd, &reply, at);
		if (err)
			return err;
		at = (const char *)nlh;
	}
	return 0;
}

static void list_all(struct server *server, struct hg_job_result *result)
{
	static const uint16_t types[] = { RTM_GETLINK, RTM_GETADDR, RTM_GETNEIGH };

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		hg_job_count(result, hg_netlink_dump_raw(types[i], on_records, server), NULL);
}

static void store(struct hg_job_result *result, const char *file, int error)
{
	char text[HG_WORKER_TEXT_MAX];

	snprintf(text, sizeof(text), "writing %s in the state directory: %s", file,
		 strerror(-error));
	hg_job_count(result, error, text);
}

static void run_job(struct server *server, const struct hg_job *job, struct hg_job_result *result)
{
	switch (job->type) {
	case HG_JOB_ADDRESSES_ADD:
		hg_job_addresses_add(server->rtnl, server->entries, server->count, result);
		break;
	case HG_JOB_ADDRESSES_REMOVE:
		hg_job_addresses_remove(server->rtnl, server->entries, server->count, result);
		break;
	case HG_JOB_NEIGH_SET:
		hg_job_neigh_set(server->rtnl, server->entries, server->count, result);
		break;
	case HG_JOB_FILTER_ADD:
	case HG_JOB_FILTER_REMOVE:
		hg_job_filter(server->rtnl, job->filter.ifindex, job->filter.mac,
			      job->type == HG_JOB_FILTER_ADD, result);
		break;
	case HG_JOB_STORE_EPOCH:
		store(result, "epoch", hg_store_write_epoch(server->state_dir, job->counter));
		break;
	case HG_JOB_STORE_FLAG:
		store(result, "maintenance",
		      hg_store_write_maintenance(server->state_dir, job->is_on));
		break;
	case HG_JOB_MULTICAST_ADD:
	case HG_JOB_MULTICAST_REMOVE:
		hg_job_multicast(server->entries, server->count, job->type == HG_JOB_MULTICAST_ADD,
				 result);
		break;
	case HG_JOB_LIST:
		list_all(server, result);
		break;
	case HG_JOBS:
		break;
	}
}

/* What the result repeats from the job, so that its reader need not remember. */
static void describe(const struct hg_job *job, struct hg_job_result *result)
{
	result->type = job->type;
	if (job->type == HG_JOB_STORE_EPOCH) {
		result->counter = job->counter;
	} else if (job->type == HG_JOB_STORE_FLAG) {
		result->is_on = job->is_on;
	} else if (job->type == HG_JOB_FILTER_ADD || job->type == HG_JOB_FILTER_REMOVE) {
		result->ifindex = job->filter.ifindex;
	}
}

/* Adds the packet's entries to the job's; 0 or -ENOMEM. */
static int gather(struct server *server, const struct hg_job_packet *packet)
{
	size_t size = hg_job_entry_size(packet->job.type);
	void *entries;

	if (!packet->count)
		return 0;
	entries = reallocarray(server->entries, server->count + packet->count, size);
	if (!entries)
		return -ENOMEM;
	server->entries = entries;
	memcpy((char *)entries + server->count * size, packet + 1, packet->count * size);
	server->count += packet->count;
	return 0;
}

static int take_packet(struct server *server, const struct hg_job_packet *packet)
{
	struct hg_job_reply reply = { .is_result = 1 };
	int err = gather(server, packet);

	if (err || !packet->is_last)
		return err;
	reply.result.id = packet->id;
	describe(&packet->job, &reply.result);
	run_job(server, &packet->job, &reply.result);
	free(server->entries);
	server->entries = NULL;
	server->count = 0;
	return send_reply(server->fd, &reply, NULL);
}

int hg_job_serve(int fd, const char *state_dir)
{
	static struct server server;
	int err;

	server.fd = fd;
	server.state_dir = state_dir;
	err = hg_rtnl_new(&server.rtnl);
	while (!err) {
		ssize_t n = recv(fd, server.packet, sizeof(server.packet), 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			err = -errno;
		else if (!n)
			break;
		else
			err = take_packet(&server, (const void *)server.packet);
	}
	hg_rtnl_free(server.rtnl);
	return err;
}
