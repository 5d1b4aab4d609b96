/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A raw socket on one NIC for the frames of hagate/wiring.h.
 *
 * What a socket asks of its NIC (the multicast MAC, the MAC of a test) ends with the
 * socket, so nothing stays behind when its process dies. Opening and closing may wait
 * for other users of the kernel's network lock: not for a process in real time.
 */
#ifndef HG_WIRING_LINK_H
#define HG_WIRING_LINK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "wiring/frame.h"

/* A descriptor, non-blocking, or -errno. */
int hg_wiring_open(int ifindex);

/* The NIC also takes (no longer takes) frames for this unicast MAC. 0 or -errno. */
int hg_wiring_take(int fd, int ifindex, const uint8_t mac[6], bool is_on);

/* Signs and sends. The egress programs of the NIC are passed by, so that a test frame
 * from a foreign MAC gets out whatever they think of it. 0 or -errno. */
int hg_wiring_send(int fd, int ifindex, const uint8_t to[6], const uint8_t from[6],
		   struct hg_wiring_frame *frame, const struct hg_wiring_key *key);

struct hg_wiring_received {
	uint8_t to[6], from[6]; /* of the Ethernet header */
	bool is_authentic;
	struct hg_wiring_frame frame;
};

/* The next good frame that came in: 1; 0: none is there; -errno. `key` NULL: none is
 * authentic. */
int hg_wiring_receive(int fd, const struct hg_wiring_key *key, struct hg_wiring_received *ret);

#endif
