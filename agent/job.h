/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The worker's side: what a job does. Private to worker.c and job_*.c.
 *
 * Both ends of the socket are the same program, so packets are plain structures.
 * A job with many entries comes in several packets; `is_last` marks the end.
 */
#ifndef HG_JOB_H
#define HG_JOB_H

#include "agent/worker.h"

#define HG_JOB_CHUNK 512 /* entries in one packet */
#define HG_JOB_RECORDS_MAX 32768 /* octets of netlink messages in one packet */

/* Parent to worker. `entries` follow. */
struct hg_job_packet {
	uint64_t id;
	struct hg_job job; /* its list pointers mean nothing to the receiver */
	uint32_t count; /* entries in this packet */
	uint32_t is_last;
};

/* Worker to parent. Records, if any, follow. */
struct hg_job_reply {
	uint32_t is_result; /* else records of LIST */
	uint32_t length; /* of the records */
	struct hg_job_result result;
};

static inline bool hg_job_has_addresses(enum hg_job_type type)
{
	return type == HG_JOB_ADDRESSES_ADD || type == HG_JOB_ADDRESSES_REMOVE ||
	       type == HG_JOB_MULTICAST_ADD || type == HG_JOB_MULTICAST_REMOVE;
}

static inline size_t hg_job_entry_size(enum hg_job_type type)
{
	if (hg_job_has_addresses(type))
		return sizeof(struct hg_worker_address);
	return type == HG_JOB_NEIGH_SET ? sizeof(struct hg_worker_neigh) : 0;
}

/* The child's whole life: takes jobs from `fd` until the other end closes it. */
int hg_job_serve(int fd, const char *state_dir);

/* Counts one entry; keeps the first error and its text. `text` may be NULL. */
void hg_job_count(struct hg_job_result *result, int error, const char *text);

struct hg_rtnl;
void hg_job_addresses_add(struct hg_rtnl *rtnl, const struct hg_worker_address *list, size_t count,
			  struct hg_job_result *result);
void hg_job_addresses_remove(struct hg_rtnl *rtnl, const struct hg_worker_address *list,
			     size_t count, struct hg_job_result *result);
void hg_job_neigh_set(struct hg_rtnl *rtnl, const struct hg_worker_neigh *list, size_t count,
		      struct hg_job_result *result);
void hg_job_filter(struct hg_rtnl *rtnl, int ifindex, const uint8_t mac[6], bool is_add,
		   struct hg_job_result *result);
void hg_job_multicast(const struct hg_worker_address *list, size_t count, bool is_add,
		      struct hg_job_result *result);

#endif
