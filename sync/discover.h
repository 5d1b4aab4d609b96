/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How a blank node finds a member without knowing anything: a member sends its HELLO to all on
 * each segment until it hears its peer, and what this cluster's key has signed is believed.
 * Nothing is sent here.
 */
#ifndef HG_SYNC_DISCOVER_H
#define HG_SYNC_DISCOVER_H

#include "hagate/wire.h"
#include "sync/node.h"

struct hg_discovered {
	struct hg_ip address; /* where the HELLO came from */
	char node[HG_WIRE_NAME_LEN];
	char port[HG_WIRE_NAME_LEN]; /* of the sender */
	bool is_member; /* it keeps a history and can teach */
	uint64_t generation;
};

struct hg_discover {
	int fd[2]; /* IPv4, IPv6; -1 */
	unsigned int foreign; /* HELLOs under another key, since the beginning */
	unsigned int silent; /* HELLOs of members that keep no history */
};

/* Listens on UDP port `port` of all NICs. */
int hg_discover_open(struct hg_discover *discover, uint16_t port, struct hg_sync_error *error);
void hg_discover_close(struct hg_discover *discover);
/* 0: found a member. -ETIMEDOUT: none in `timeout_ms`. */
int hg_discover_wait(struct hg_discover *discover, const uint8_t key[HG_KEYFILE_LEN],
		     unsigned int timeout_ms, struct hg_discovered *ret);
/* One frame. 0; -EBADMSG: no HELLO; -EACCES: not under this key. Separate for tests. */
int hg_discover_read(const void *frame, size_t length, const uint8_t key[HG_KEYFILE_LEN],
		     struct hg_discovered *ret);

#endif
