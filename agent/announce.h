/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tells hosts and switches where the virtual addresses are: gratuitous ARP
 * (RFC 5227, 3: the request form) and unsolicited neighbour advertisements
 * (RFC 4861, 7.2.6), one of them for each VIP of a port.
 *
 * Frames are made at configuration; announcing costs system calls only. They pass
 * the port's egress program like any other frame, so a node that was fenced in the
 * meantime stays silent whatever is still queued here.
 *
 * A start announces at 0, 50 ms, 200 ms, 1 s and 3 s. One call sends at most 256
 * frames (well under a millisecond) and tells when it wants to be called again, so
 * heartbeats are never late because of it.
 */
#ifndef HG_ANNOUNCE_H
#define HG_ANNOUNCE_H

#include <stddef.h>
#include <stdint.h>

#include "agent/config.h"
#include "agent/core/time.h"

struct hg_announce;

int hg_announce_new(struct hg_announce **ret);
void hg_announce_free(struct hg_announce *an);

/*
 * The NIC of a port and its VIPs; also when the NIC appears, changes or goes (ifindex
 * 0). Source address of the frames is `mac`, the NIC's own or the virtual one. The
 * schedule that runs goes on with the new frames. Needs CAP_NET_RAW at a slot's first
 * use only. -ENOMEM, -EPERM, -EINVAL (slot).
 */
int hg_announce_set_port(struct hg_announce *an, unsigned int slot, int ifindex,
			 const uint8_t mac[6], const struct hg_ip *vips, size_t count);

/* All ports, the whole schedule from its beginning. */
void hg_announce_start(struct hg_announce *an, struct hg_time now);

/* One more round on one port, besides the schedule (frames for a VIP still reach the
 * other node). At most one in 50 ms; asked for earlier, it is put off until then. */
void hg_announce_again(struct hg_announce *an, unsigned int slot, struct hg_time now);

/* Forgets everything that is still to be sent: no longer the holder. */
void hg_announce_stop(struct hg_announce *an);

/* Sends what is due; never blocks. Returns when to call it next: at or before `now` when
 * there is more to send at once, HG_TIME_NEVER when nothing is planned. */
struct hg_time hg_announce_continue(struct hg_announce *an, struct hg_time now);

struct hg_announce_stats {
	uint64_t sent; /* frames, since the start of the process */
	uint64_t failed; /* given up: refused by the egress program, or the port was down */
	uint64_t rounds; /* finished */
	int error; /* -errno of the last failure, 0 after a good round */
};
struct hg_announce_stats hg_announce_stats(const struct hg_announce *an, unsigned int slot);

#define HG_ANNOUNCE_FRAME_MAX 86 /* octets: a neighbour advertisement */

/* One frame for a VIP: gratuitous ARP (60 octets) or neighbour advertisement (86).
 * Returns its length, 0 for no address. */
size_t hg_announce_frame(uint8_t frame[HG_ANNOUNCE_FRAME_MAX], const uint8_t mac[6],
			 const struct hg_ip *vip);

#endif
