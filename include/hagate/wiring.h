/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * Frames below IP, by which a node learns what its NICs hang on.
 *
 * Ethernet frames of the local experimental EtherType (IEEE 802, 88-B5), one fixed length,
 * all integers big-endian, closed by a SipHash-2-4-128 tag over all octets before it, with
 * one key for both directions. No address, no heartbeat and no session is needed: they
 * pass where a cable leads, and nowhere else.
 *
 *   BEACON   each node, each port, once a second, to a multicast MAC: who, which port, which
 *            boot, what is wrong with the port. Heard on another NIC of the same boot: two
 *            NICs on one segment; on the same NIC: a loop or a reflection
 *   PROBE    the same from a machine that is being set up (`hagate discover --probe`)
 *
 * The test whether a segment carries a MAC that is not the NIC's. T is a MAC made up for
 * one test; the asker drives, the answerer answers; both keep the NIC's own MAC but for
 * FROM_T:
 *   CUE      asker: do what belongs to `step`, and say what you have seen
 *   SEEN     answerer, to each CUE
 *   FROM_T   source MAC T; step 1 by the asker, step 2 by the answerer
 *   TO_T     destination MAC T; step 1 by the answerer, step 3 by the asker
 *   RESULT   asker: what both have seen; answered by DONE
 */
#ifndef HAGATE_WIRING_H
#define HAGATE_WIRING_H

#include <linux/types.h>

#include "wire.h"

#define HG_WIRING_ETHERTYPE 0x88b5
#define HG_WIRING_VERSION 1
/* Group and local bit set: for nobody but us, and not in a range that switches keep. */
#define HG_WIRING_GROUP                            \
	{                                          \
		0x03, 0x68, 0x67, 0x00, 0x00, 0x01 \
	}

enum hg_wiring_type {
	HG_WIRING_BEACON = 1,
	HG_WIRING_PROBE,
	HG_WIRING_CUE,
	HG_WIRING_SEEN,
	HG_WIRING_FROM_T,
	HG_WIRING_TO_T,
	HG_WIRING_RESULT,
	HG_WIRING_DONE,
	HG_WIRING_TYPES,
};

/* What a node finds wrong with one of its ports, by these frames. */
enum hg_wiring_fault {
	HG_WIRING_WELL,
	HG_WIRING_REFLECTED, /* hears its own frames there */
	HG_WIRING_SHARED, /* hears its own frames of another port there */
	HG_WIRING_CROSSED, /* hears the peer's frames of another port there */
	HG_WIRING_CLONED, /* hears another machine that has the same node id */
	HG_WIRING_SAME_MAC, /* the peer's NIC has the same MAC */
	HG_WIRING_FAULTS,
};

/* What one side of the test has seen of the other. */
#define HG_WIRING_SEEN_FROM_T 0x1 /* a frame with source MAC T */
#define HG_WIRING_SEEN_REWRITTEN 0x2 /* the same frame with another source */
#define HG_WIRING_SEEN_TO_T 0x4 /* a frame for T, when T was on its side */
#define HG_WIRING_SEEN_ANSWER 0x8 /* an answer at all */

#define HG_WIRING_STEPS 4 /* 0: is anybody there? */

struct hg_wiring_frame {
	__be16 magic; /* HG_WIRE_MAGIC */
	__u8 version;
	__u8 type; /* enum hg_wiring_type */
	__be16 length; /* octets after the Ethernet header */
	__u8 sender; /* node id; 0: none yet (PROBE) */
	__u8 receiver; /* 0: everybody */
	__be32 port; /* hg_port_id() of port_name; 0: none yet */
	__be32 test; /* number of the test; 0 */
	__be64 seq; /* sender's CLOCK_BOOTTIME, ns */
	__u8 nonce[HG_WIRE_NONCE_LEN]; /* of the sender's boot */
	char cluster[HG_WIRE_NAME_LEN]; /* cut to what fits */
	char port_name[HG_WIRE_NAME_LEN];
	char node_name[HG_WIRE_NAME_LEN];
	char ifname[HG_WIRE_NAME_LEN];
	__u8 mac[6]; /* of the sender's NIC */
	__u8 fault; /* enum hg_wiring_fault of this port */
	__u8 step;
	__u8 test_mac[6]; /* T */
	__u8 seen; /* HG_WIRING_SEEN_*; RESULT: by the asker */
	__u8 seen_peer; /* RESULT: by the answerer */
	__be32 fault_port; /* SHARED, CROSSED: the other port's id */
	__u8 pad[4];
	__u8 tag[HG_WIRE_TAG_LEN];
};

#define HG_WIRING_LEN ((int)sizeof(struct hg_wiring_frame))

_Static_assert(sizeof(struct hg_wiring_frame) == 144, "wiring: frame");

#endif
