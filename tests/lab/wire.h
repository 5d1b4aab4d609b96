/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What wire.bpf.c shares with its maps' users (faults.py mirrors it, bpfmap.py
 * compares the sizes): how a switch port mistreats frames, and what it has seen.
 */
#ifndef LAB_WIRE_H
#define LAB_WIRE_H

#include <linux/types.h>

#define WIRE_NODES 8

/* "from" and "to" are seen from the node that hangs on the port. */
#define WIRE_CUT_FROM 0x1
#define WIRE_CUT_TO 0x2
#define WIRE_CUT_HEARTBEAT_FROM 0x4
#define WIRE_CUT_HEARTBEAT_TO 0x8

/* wire_port: hash, key = ifindex (unique in a lab, over all its namespaces) */
struct wire_port {
	__u32 node; /* index into wire_node */
	__u32 flags; /* WIRE_CUT_* */
	__u32 loss_from; /* per mille */
	__u32 loss_to;
	__u32 duplicate_from;
	__u32 duplicate_to;
};

/* wire_node: array, key = node. Flags for all ports of a node: one write is a power-off. */
struct wire_node {
	__u32 flags;
};

/* wire_nic_mac: hash, key = ifindex of the node's own end (unique as well) */
struct wire_nic {
	__u8 mac[6];
};

enum wire_kind {
	WIRE_OTHER,
	WIRE_ARP_REQUEST, /* addr: the sender's address */
	WIRE_ARP_REPLY, /* addr: the sender's address */
	WIRE_ADVERT, /* neighbour advertisement; addr: the target */
	WIRE_HEARTBEAT, /* addr: source */
	WIRE_IP4, /* addr: source */
	WIRE_IP6, /* addr: source */
};

/* wire_seen: hash of the frames that left a node and were not cut */
struct wire_seen_key {
	__u32 ifindex;
	__u16 kind; /* enum wire_kind */
	__u8 mac[6]; /* source */
	__u8 addr[16]; /* IPv4 in the first four octets */
};
struct wire_seen {
	__u64 packets;
	__u64 first_ns, last_ns; /* CLOCK_BOOTTIME */
};

#endif
