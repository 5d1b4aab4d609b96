/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Keeps the standby's neighbour table warm, so that the first packets after a
 * takeover need no ARP. Pure logic: no clock, no sockets.
 *
 * Both nodes record what their kernel knows (hg_neigh_learn). The holder sends
 * frames (hg_neigh_next): changes at once, at most 20 frames in 100 ms, and the
 * whole table every 30 s at one frame in 20 ms. The standby checks each entry
 * (hg_neigh_accept) and hands what passes to the worker.
 */
#ifndef HG_NEIGH_H
#define HG_NEIGH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/config.h"
#include "agent/core/time.h"
#include "agent/netlink.h"
#include "agent/worker.h"

#define HG_NEIGH_MAX 4096 /* entries of a node; the one not renewed for longest goes first */

struct hg_neigh;

int hg_neigh_new(struct hg_neigh **ret);
void hg_neigh_free(struct hg_neigh *table);

/* From on_neigh, for a NIC that is a port. A state that says nothing (FAILED,
 * INCOMPLETE, NONE, NOARP) or is_deleted removes the entry. */
void hg_neigh_learn(struct hg_neigh *table, unsigned int slot, const struct hg_netlink_neigh *neigh,
		    bool is_deleted);
/* Forgets a port (its NIC is gone), or all with HG_SLOTS_MAX. */
void hg_neigh_forget(struct hg_neigh *table, unsigned int slot);
unsigned int hg_neigh_count(const struct hg_neigh *table);

/* This node became the holder: the whole table is due from now on. */
void hg_neigh_start(struct hg_neigh *table, struct hg_time now);

/* Fills the next frame that is due. False: none now; see hg_neigh_deadline(). To be
 * called by the holder only, until it returns false. */
bool hg_neigh_next(struct hg_neigh *table, struct hg_time now, unsigned int *ret_slot,
		   struct hg_wire_neigh *ret);
/* When hg_neigh_next() may have the next frame; never HG_TIME_NEVER. */
struct hg_time hg_neigh_deadline(const struct hg_neigh *table, struct hg_time now);

/* What a port may learn from the peer. */
struct hg_neigh_filter;

/* `addresses`: own addresses and VIPs of the port with their prefix lengths; they are
 * never accepted as neighbours, and their subnets are the only ones accepted (besides
 * fe80::/64). mac, vmac: own, never accepted; vmac may be NULL. */
int hg_neigh_filter_new(const struct hg_ip *addresses, size_t count, const uint8_t mac[6],
			const uint8_t *vmac, struct hg_neigh_filter **ret);
void hg_neigh_filter_free(struct hg_neigh_filter *filter);

/* Entries of a frame that pass, as a list for HG_JOB_NEIGH_SET. Returns their number. */
size_t hg_neigh_accept(const struct hg_neigh_filter *filter, int ifindex,
		       const struct hg_wire_neigh *wire,
		       struct hg_worker_neigh ret[HG_WIRE_NEIGHS]);

#endif
