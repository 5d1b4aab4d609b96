/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sending frames: one UDP socket per heartbeat port, bound to its NIC and to the
 * node's own address there. Receiving is XDP's; the sockets never get a frame while
 * the gate is attached (and what arrives without it is left unread: the receive
 * buffer is as small as it gets).
 */
#ifndef HG_HEARTBEAT_H
#define HG_HEARTBEAT_H

#include <netinet/in.h>
#include <sys/socket.h>

#include "agent/config.h"
#include "hagate/abi.h"

struct hg_heartbeat {
	int fd; /* -1: closed */
	uint32_t port_id;
	struct sockaddr_storage everybody;
	socklen_t everybody_len;
	int send_errno; /* of the last send, 0 when it went out */
};

struct hg_heartbeat_options {
	const char *ifname;
	const char *port; /* name */
	const struct hg_ip *self, *peer;
	uint16_t udp_port;
};

void hg_heartbeat_init(struct hg_heartbeat *heartbeat);

/* 0 or -errno: -EADDRNOTAVAIL when the node's address is not configured (yet). */
int hg_heartbeat_open(struct hg_heartbeat *heartbeat, const struct hg_heartbeat_options *options);
void hg_heartbeat_close(struct hg_heartbeat *heartbeat);

/* Fills magic, version, length and port of `head`, signs with key->tx, sends without
 * blocking. A frame that cannot go out is lost, as on a wire. */
void hg_heartbeat_send_short(struct hg_heartbeat *heartbeat, struct hg_wire_short *frame,
			     const struct hg_key *key);
void hg_heartbeat_send_long(struct hg_heartbeat *heartbeat, struct hg_wire_long *frame,
			    const struct hg_key *key);

/* The same long frame, signed before, to all on the segment (255.255.255.255,
 * ff02::1): for a peer whose MAC is not known yet. The kernel's own search gives up
 * for a second when its first ARP request is lost. */
void hg_heartbeat_broadcast(struct hg_heartbeat *heartbeat, const struct hg_wire_long *frame);

#endif
