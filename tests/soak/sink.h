/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What sink.bpf.c shares with its user (sink.py mirrors it, bpfmap.py compares the
 * sizes). The head of sink.bpf.c says what counts as a frame from two owners.
 */
#ifndef SOAK_SINK_H
#define SOAK_SINK_H

#include <linux/types.h>

#define SINK_NODES 8
#define SINK_RECORDS 256
#define SINK_FLIGHT_NS 1000000 /* a frame that left before its node fell silent is here by then */

/* sink_port: hash, key = ifindex of a switch end towards a gateway */
struct sink_port {
	__u32 node;
	__u32 delay_to; /* per mille of the frames to the node that are held */
	__u32 holder; /* ifindex of the device whose reader holds them */
};

/* sink_addr: hash, key = address (IPv4 in the first four octets). Others are transit's. */
struct sink_addr_key {
	__u8 addr[16];
};
enum sink_addr_kind {
	SINK_ADDR_OWN = 1, /* of a gateway itself */
	SINK_ADDR_VIP = 2,
};

enum sink_kind {
	SINK_NONE, /* in nobody's name but the node's own */
	SINK_CLAIM, /* says that the sender owns a VIP */
	SINK_TRANSIT,
};

enum sink_bad {
	SINK_TWO, /* the other node has begun since the sender's epoch began */
	SINK_MUTE, /* the sender neither serves nor drains */
	SINK_BOTH, /* both nodes' data paths serve at this moment */
	SINK_BADS,
};

/* sink_all: array, one entry */
struct sink_all {
	__u64 claims, transit, drained; /* frames seen, by what they are */
	__u64 bare; /* owner frames of a node without hagate's maps (powered off) */
	__u64 bad[SINK_BADS]; /* while nothing was declared */
	__u64 declared[SINK_BADS]; /* while the soak said that a partition stands */
	__u64 flight, flight_max; /* mute frames that were under way; ns since the silence */
	__u64 crossed, crossed_max; /* the same for frames that are `two` */
	__u64 foreign; /* ARP for a VIP from another node than the last that announced it */
	__u64 records; /* written so far; the last SINK_RECORDS are kept */
};

/* sink_node: array, key = node. The soak clears it when the node loses power. */
struct sink_node {
	__u64 epoch; /* of its last owner frame */
	__u64 began_at; /* first owner frame under that epoch */
	__u64 served_at; /* last frame at which it served */
};

/* sink_declared: array, one entry; the soak writes it when it declares a partition */
struct sink_declared {
	__u64 is_declared;
	__u64 first, last; /* frames of two owners since then */
};

/* sink_record: array, the frames that were counted as bad */
struct sink_record {
	__u64 at;
	__u64 epoch, fence_epoch, lease_until, drain_until, fenced_at; /* of the sender */
	__u64 other_epoch; /* the other node's last */
	__u64 served_at; /* last seen serving, before this frame */
	__u32 node, ifindex;
	__u32 kind; /* enum sink_kind */
	__u32 bads; /* bit set of enum sink_bad */
	__u8 addr[16];
};

#endif
