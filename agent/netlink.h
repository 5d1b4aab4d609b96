/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the kernel says about NICs, addresses and neighbours (rtnetlink, read only).
 *
 * The monitor never blocks and takes a bounded number of messages in a call, so a
 * storm of neighbours cannot hold up the loop. When the kernel had to drop
 * messages, on_overrun is called once: the owner then asks the worker for
 * HG_JOB_LIST, whose records come through the same handlers, between
 * on_sync_begin and on_sync_end (what was not named in between is gone). A list is a
 * little older than what the monitor says while it comes in: for one and the same
 * object the monitor is right.
 *
 * Bridge-port and bridge-FDB messages share the message types but speak of other
 * things; they never reach a handler.
 */
#ifndef HG_NETLINK_H
#define HG_NETLINK_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/config.h"

struct hg_netlink_link {
	int ifindex;
	char name[IF_NAMESIZE];
	uint8_t mac[6]; /* zero when the NIC is no Ethernet */
	bool is_up; /* IFF_UP */
	bool has_link; /* IFF_RUNNING: carrier */
};

struct hg_netlink_neigh {
	int ifindex;
	struct hg_ip ip; /* prefix 32 or 128 */
	uint8_t mac[6];
	uint16_t state; /* NUD_*, one bit */
};

/* Each may be NULL. Pointers are valid during the call only. */
struct hg_netlink_handlers {
	void (*on_link)(void *context, const struct hg_netlink_link *link, bool is_deleted);
	void (*on_address)(void *context, int ifindex, const struct hg_ip *ip, bool is_deleted);
	void (*on_neigh)(void *context, const struct hg_netlink_neigh *neigh, bool is_deleted);
	void (*on_overrun)(void *context);
	void (*on_sync_begin)(void *context);
	void (*on_sync_end)(void *context);
};

struct hg_netlink;

/* Joins the groups. Do this before hg_netlink_dump(), so that nothing is missed in
 * between. `handlers` is copied. */
int hg_netlink_new(const struct hg_netlink_handlers *handlers, void *context,
		   struct hg_netlink **ret);
void hg_netlink_free(struct hg_netlink *nl);
int hg_netlink_fd(const struct hg_netlink *nl);

/* To be called when the fd is readable. Never blocks; at most 64 datagrams, the fd
 * stays readable when there are more. 0, or -errno when the socket is broken. */
int hg_netlink_consume(struct hg_netlink *nl);

/* Links, then addresses, then neighbours, by dump requests. Blocks: for the start
 * and for the worker only. Calls on_sync_begin and on_sync_end. Retries a dump that
 * the kernel marks as interrupted. */
int hg_netlink_dump(const struct hg_netlink_handlers *handlers, void *context);

/* The same as raw rtnetlink messages, for a process that passes them on. `type`:
 * RTM_GETLINK, RTM_GETADDR, RTM_GETNEIGH. `fn` returns 0, or -errno to stop. */
typedef int (*hg_netlink_raw_fn)(void *context, const void *data, size_t length);
int hg_netlink_dump_raw(uint16_t type, hg_netlink_raw_fn fn, void *context);

/* Reads a buffer of rtnetlink messages. -EBADMSG when one is malformed. */
int hg_netlink_parse(const struct hg_netlink_handlers *handlers, void *context, const void *data,
		     size_t length);

#endif
