// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Neighbours from the peer, and the second unicast address of a NIC.
 *
 * What this node found out itself beats what the peer says: an entry is only made
 * where there is none, or in place of a stale or failed one. A stale entry that the
 * peer confirms is touched (REACHABLE, then STALE again), because the kernel drops
 * stale ones that were not used or confirmed for a minute, and the standby uses none.
 */
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/job.h"
#include "agent/job_rtnl.h"

/* What is known about one entry of the job. */
enum verdict {
	SET, /* not there yet: made, exclusively */
	LOOK, /* there: see what it is */
	REPLACE, /* stale with another MAC, or failed */
	TOUCH, /* stale, confirmed by the peer */
	KEEP, /* this node knows better */
};

struct work {
	const struct hg_worker_neigh *list;
	enum verdict *verdict;
	unsigned int *entry; /* index of a request in the series -> entry of the list */
	unsigned int requests;
	struct hg_job_result *result;
};

static void put_neigh(struct work *work, struct hg_rtnl *rtnl, unsigned int entry, uint16_t type,
		      uint16_t flags, uint16_t state)
{
	const struct hg_worker_neigh *neigh = &work->list[entry];
	struct nlmsghdr *nlh;
	struct ndmsg *ndm;

	work->entry[work->requests++] = entry;
	nlh = hg_rtnl_put(rtnl, type, flags);
	ndm = mnl_nlmsg_put_extra_header(nlh, sizeof(*ndm));
	ndm->ndm_family = hg_rtnl_family(&neigh->ip);
	ndm->ndm_ifindex = neigh->ifindex;
	ndm->ndm_state = state;
	hg_rtnl_put_ip(nlh, NDA_DST, &neigh->ip);
	if (type == RTM_NEWNEIGH)
		mnl_attr_put(nlh, NDA_LLADDR, sizeof(neigh->mac), neigh->mac);
}

static void fail(struct work *work, const struct hg_worker_neigh *neigh, int error,
		 const char *text)
{
	char address[INET6_ADDRSTRLEN], line[HG_WORKER_TEXT_MAX];

	inet_ntop(hg_rtnl_family(&neigh->ip), neigh->ip.addr, address, sizeof(address));
	snprintf(line, sizeof(line), "neighbour %s on interface %d: %s%s%s%s", address,
		 neigh->ifindex, strerror(-error), *text ? ": " : "", text,
		 error == -ENOBUFS ? " (raise net.ipv4.neigh.default.gc_thresh3)" : "");
	hg_job_count(work->result, error, line);
}

static void on_set(void *context, unsigned int index, int error, const char *text)
{
	struct work *work = context;
	unsigned int entry = work->entry[index];

	if (error == -EEXIST) {
		work->verdict[entry] = LOOK;
		return;
	}
	work->verdict[entry] = KEEP;
	if (error)
		fail(work, &work->list[entry], error, text);
	else
		hg_job_count(work->result, 0, NULL);
}

static void on_found(void *context, unsigned int index, const struct nlmsghdr *nlh)
{
	struct work *work = context;
	unsigned int entry = work->entry[index];
	const struct ndmsg *ndm = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *attr;
	bool is_same = false;

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*ndm))
		return;
	mnl_attr_for_each(attr, nlh, sizeof(*ndm))
	{
		if (mnl_attr_get_type(attr) == NDA_LLADDR && mnl_attr_get_payload_len(attr) == 6)
			is_same = !memcmp(mnl_attr_get_payload(attr), work->list[entry].mac, 6);
	}
	if (ndm->ndm_state == NUD_STALE)
		work->verdict[entry] = is_same ? TOUCH : REPLACE;
	else if (ndm->ndm_state & (NUD_FAILED | NUD_INCOMPLETE) || ndm->ndm_state == NUD_NONE)
		work->verdict[entry] = REPLACE;
	else
		work->verdict[entry] = KEEP;
}

static void on_looked(void *context, unsigned int index, int error, const char *text)
{
	struct work *work = context;
	unsigned int entry = work->entry[index];

	(void)text;
	/* Gone since: made after all. Any other failure leaves the kernel's entry alone. */
	if (error == -ENOENT)
		work->verdict[entry] = REPLACE;
	else if (error || work->verdict[entry] == LOOK)
		work->verdict[entry] = KEEP;
	if (work->verdict[entry] == KEEP)
		hg_job_count(work->result, 0, NULL);
}

static void on_replaced(void *context, unsigned int index, int error, const char *text)
{
	struct work *work = context;
	unsigned int entry = work->entry[index];
	bool is_last = index + 1 == work->requests || work->entry[index + 1] != entry;

	if (work->verdict[entry] == KEEP)
		return;
	if (error) {
		work->verdict[entry] = KEEP;
		fail(work, &work->list[entry], error, text);
	} else if (is_last) {
		hg_job_count(work->result, 0, NULL);
	}
}

static void replace(struct work *work, struct hg_rtnl *rtnl, unsigned int entry)
{
	uint16_t flags = NLM_F_CREATE | NLM_F_REPLACE;

	if (work->verdict[entry] == TOUCH)
		put_neigh(work, rtnl, entry, RTM_NEWNEIGH, flags, NUD_REACHABLE);
	if (work->verdict[entry] == TOUCH || work->verdict[entry] == REPLACE)
		put_neigh(work, rtnl, entry, RTM_NEWNEIGH, flags, NUD_STALE);
}

void hg_job_neigh_set(struct hg_rtnl *rtnl, const struct hg_worker_neigh *list, size_t count,
		      struct hg_job_result *result)
{
	struct work work = { .list = list, .result = result };

	work.verdict = calloc(count + 1, sizeof(*work.verdict));
	work.entry = calloc(2 * count + 1, sizeof(*work.entry));
	if (!work.verdict || !work.entry) {
		hg_job_count(result, -ENOMEM, "neighbours: out of memory");
		goto out;
	}
	hg_rtnl_begin(rtnl, on_set, NULL, &work);
	for (size_t i = 0; i < count; i++)
		put_neigh(&work, rtnl, i, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_EXCL, NUD_STALE);
	hg_rtnl_end(rtnl);

	work.requests = 0;
	hg_rtnl_begin(rtnl, on_looked, on_found, &work);
	for (size_t i = 0; i < count; i++) {
		if (work.verdict[i] == LOOK)
			put_neigh(&work, rtnl, i, RTM_GETNEIGH, 0, 0);
	}
	hg_rtnl_end(rtnl);

	work.requests = 0;
	hg_rtnl_begin(rtnl, on_replaced, NULL, &work);
	for (size_t i = 0; i < count; i++)
		replace(&work, rtnl, i);
	hg_rtnl_end(rtnl);
out:
	free(work.verdict);
	free(work.entry);
}

static void on_filter(void *context, unsigned int index, int error, const char *text)
{
	struct hg_job_result *result = context;
	bool is_add = result->type == HG_JOB_FILTER_ADD;
	char line[HG_WORKER_TEXT_MAX];

	(void)index;
	if (!error || (is_add ? error == -EEXIST : error == -ENOENT || error == -ENODEV)) {
		hg_job_count(result, 0, NULL);
		return;
	}
	snprintf(line, sizeof(line), "second MAC of interface %d: %s%s%s", result->ifindex,
		 strerror(-error), *text ? ": " : "", text);
	hg_job_count(result, error, line);
}

void hg_job_filter(struct hg_rtnl *rtnl, int ifindex, const uint8_t mac[6], bool is_add,
		   struct hg_job_result *result)
{
	struct nlmsghdr *nlh;
	struct ndmsg *ndm;

	hg_rtnl_begin(rtnl, on_filter, NULL, result);
	nlh = hg_rtnl_put(rtnl, is_add ? RTM_NEWNEIGH : RTM_DELNEIGH,
			  is_add ? NLM_F_CREATE | NLM_F_EXCL : 0);
	ndm = mnl_nlmsg_put_extra_header(nlh, sizeof(*ndm));
	ndm->ndm_family = PF_BRIDGE;
	ndm->ndm_ifindex = ifindex;
	ndm->ndm_state = NUD_PERMANENT;
	ndm->ndm_flags = NTF_SELF;
	mnl_attr_put(nlh, NDA_LLADDR, 6, mac);
	hg_rtnl_end(rtnl);
}
