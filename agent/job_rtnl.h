/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Requests to rtnetlink in batches: many messages in one send, an acknowledgement
 * for each of them. Blocks (RTNL); for the worker only.
 */
#ifndef HG_JOB_RTNL_H
#define HG_JOB_RTNL_H

#include <linux/netlink.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/config.h"

struct hg_rtnl;

/* Called for each request in the order of hg_rtnl_put(): `error` is 0 or -errno, `text`
 * the kernel's own words, "" when it gave none. */
typedef void (*hg_rtnl_answer_fn)(void *context, unsigned int index, int error, const char *text);
/* A message of data that a request brought, before its answer. */
typedef void (*hg_rtnl_data_fn)(void *context, unsigned int index, const struct nlmsghdr *nlh);

int hg_rtnl_new(struct hg_rtnl **ret);
void hg_rtnl_free(struct hg_rtnl *rtnl);

/* Begins a series; index counts from 0. `data` may be NULL. */
void hg_rtnl_begin(struct hg_rtnl *rtnl, hg_rtnl_answer_fn answer, hg_rtnl_data_fn data,
		   void *context);
/* The next request, to be filled (at most 256 octets). Sends the batch when it is full. */
struct nlmsghdr *hg_rtnl_put(struct hg_rtnl *rtnl, uint16_t type, uint16_t flags);
/* Sends the rest and takes all answers. */
void hg_rtnl_end(struct hg_rtnl *rtnl);

int hg_rtnl_family(const struct hg_ip *ip);
void hg_rtnl_put_ip(struct nlmsghdr *nlh, uint16_t type, const struct hg_ip *ip);

#endif
