/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * Frames between nodes: UDP payloads, all integers big-endian, fixed lengths.
 *
 * Two lengths only: a short frame (the bounce and the claim, made and answered
 * in XDP) and a long one (HELLO and NEIGH, made and read by the agents). Both
 * begin with struct hg_wire_head and end with a SipHash-2-4-128 tag over all
 * octets before it.
 *
 *   PROBE    standby's agent -> holder     "are you there?"  stamp = sender's clock
 *   REQUEST  holder -> standby             "extend my lease" stamp = holder's clock t_h
 *   GRANT    standby's XDP -> holder       stamp = t_h echoed: lease_until = t_h + L
 *   CLAIM    claimant's agent -> peer      "I take over"     stamp = claimant's clock
 *   FENCED   peer's XDP -> claimant        stamp echoed: the peer is silent from now on
 *   HELLO    agent -> agent                who, state, nonces, health, load;
 *                                          stamp = seq of the receiver's last HELLO heard
 *   NEIGH    holder's agent -> standby     neighbours to keep warm
 *
 * With a witness (node id 0) agents speak over a socket of their own, of any TTL:
 *
 *   HELLO    agent <-> witness             nonces, names; stamp as above
 *   REQUEST  agent -> witness              "grant me epoch"  stamp = own clock t_h,
 *                                          echo = length of the lease, us
 *   GRANT    witness -> agent              stamp = t_h echoed, echo = lease granted, us
 *   REFUSE   witness -> agent              stamp echoed, epoch = highest granted, flags =
 *                                          why (enum hg_witness_verdict), echo = ask again
 *                                          after, us
 */
#ifndef HAGATE_WIRE_H
#define HAGATE_WIRE_H

#include <linux/types.h>

#define HG_WIRE_MAGIC 0x6867 /* "hg" */
#define HG_WIRE_VERSION 1
#define HG_WIRE_UDP_PORT 4701 /* default; `heartbeat_port` in cluster.yaml */
#define HG_WIRE_TTL 255 /* RFC 5082 */

enum hg_wire_type {
	HG_WIRE_HELLO = 1,
	HG_WIRE_PROBE = 2,
	HG_WIRE_REQUEST = 3,
	HG_WIRE_GRANT = 4,
	HG_WIRE_CLAIM = 5,
	HG_WIRE_FENCED = 6,
	HG_WIRE_NEIGH = 7,
	HG_WIRE_TYPES = 8, /* bound for arrays indexed by type */
};

#define HG_WIRE_WITNESS 0 /* as sender and receiver: no node has this id */
#define HG_WIRE_REFUSE 8 /* a type that only witnesses send: no XDP takes it */

/* struct hg_wire_head.flags */
#define HG_WIRE_F_BOUNCED 0x01 /* REQUEST made by XDP from a PROBE: echo is valid */
#define HG_WIRE_F_FORGETFUL 0x02 /* GRANT of a witness that cannot write its state */
#define HG_WIRE_F_SETTLING \
	0x04 /* HELLO of a witness that started so lately that it grants nothing */

struct hg_wire_head {
	__be16 magic;
	__u8 version;
	__u8 type; /* enum hg_wire_type */
	__be16 length; /* octets of UDP payload: HG_WIRE_SHORT or HG_WIRE_LONG */
	__u8 group;
	__u8 flags;
	__u8 sender; /* node id, 1..255 */
	__u8 receiver;
	__be16 agent_age_ms; /* since the sender's agent last showed life; saturates */
	__be32 port; /* hg_port_id() of the sender's port name */
	__be32 key_id; /* HELLO, NEIGH before a session: cluster key; else session */
	__be32 echo; /* REQUEST: low 32 bits of the PROBE's stamp, for the round trip */
	__be64 seq; /* sender's CLOCK_BOOTTIME in ns at sending; rises per port and type */
	__be64 epoch; /* claimed or held by the sender (PROBE: followed); 0 none */
	__be64 stamp; /* see the list above, ns */
};

#define HG_WIRE_TAG_LEN 16

struct hg_wire_short {
	struct hg_wire_head head;
	__u8 tag[HG_WIRE_TAG_LEN];
};

#define HG_WIRE_NONCE_LEN 16
#define HG_WIRE_NAME_LEN 16 /* NUL-padded, the last octet is NUL */

/* struct hg_wire_hello.flags */
#define HG_HELLO_F_CONSENT 0x01 /* holder: take over, please */
#define HG_HELLO_F_UNFIT 0x02 /* sender will not claim: fault or maintenance */
#define HG_HELLO_F_MISBOUND 0x04 /* sender knows that its own NICs are misbound */
#define HG_HELLO_F_LINK 0x08 /* the link of this port is up */
#define HG_HELLO_F_PEER_HEARD 0x10 /* sender hears the receiver on this port */
#define HG_HELLO_F_COLD 0x80 /* the link of this port came up: the kernel knows no neighbours */
#define HG_HELLO_F_UUID 0x40 /* `cluster` is the cluster's UUID: `generation`, `head` are kept */
#define HG_HELLO_F_BOUND 0x20 /* holder: promises to stop without grants (isolation: stop) */

struct hg_wire_hello {
	__u8 nonce[HG_WIRE_NONCE_LEN]; /* of the sender's boot */
	__u8 echo[HG_WIRE_NONCE_LEN]; /* nonce of the receiver as last heard; zero: none */
	__u8 cluster[HG_WIRE_NONCE_LEN]; /* hash of the cluster's name or its UUID */
	char port_name[HG_WIRE_NAME_LEN];
	char node_name[HG_WIRE_NAME_LEN];
	char software[HG_WIRE_NAME_LEN];
	__u8 mac[6]; /* of the sender's NIC on this port */
	__u8 role; /* enum hg_role */
	__u8 health; /* 0..100 */
	__be16 priority;
	__u8 flags; /* HG_HELLO_F_* */
	__u8 pad0;
	__be64 epoch_seen; /* highest epoch the sender ever saw */
	__be64 generation; /* of the configuration */
	__u8 config[16]; /* hash of cluster.yaml's meaning */
	__be32 stray; /* frames for VIPs or transit that still reached this standby's port */
	__be16 cpu_permille;
	__be16 mem_permille;
	__be32 rx_pps, tx_pps; /* of this port */
	__be32 rx_kbps, tx_kbps;
	__be32 connections;
	__u8 head[16]; /* of the configuration's history: its id, cut */
	__be16 no_link; /* bit n: the sender's NIC of the nth port in cluster.yaml has no link */
	__u8 reserved[2];
};

#define HG_WIRE_NEIGHS 8

struct hg_wire_neigh_entry {
	__u8 family; /* 4, 6, or 0: unused */
	__u8 pad;
	__u8 mac[6];
	__u8 addr[16]; /* IPv4 in the first four octets */
};

struct hg_wire_neigh {
	struct hg_wire_neigh_entry entry[HG_WIRE_NEIGHS]; /* on the frame's port */
};

#define HG_WIRE_BODY_LEN 192

struct hg_wire_long {
	struct hg_wire_head head;
	union {
		__u8 body[HG_WIRE_BODY_LEN];
		struct hg_wire_hello hello;
		struct hg_wire_neigh neigh;
	};
	__u8 tag[HG_WIRE_TAG_LEN];
};

#define HG_WIRE_SHORT ((int)sizeof(struct hg_wire_short))
#define HG_WIRE_LONG ((int)sizeof(struct hg_wire_long))

_Static_assert(sizeof(struct hg_wire_head) == 48, "wire: head");
_Static_assert(sizeof(struct hg_wire_short) == 64, "wire: short frame");
_Static_assert(sizeof(struct hg_wire_hello) == HG_WIRE_BODY_LEN, "wire: HELLO");
_Static_assert(sizeof(struct hg_wire_neigh) == HG_WIRE_BODY_LEN, "wire: NEIGH");
_Static_assert(sizeof(struct hg_wire_long) == 256, "wire: long frame");

/* Port id on the wire: FNV-1a of the port's name (RFC draft-eastlake-fnv), so that
 * it depends on the name alone and not on the order in a file. */
static inline __u32 hg_port_id(const char *name)
{
	__u32 hash = 2166136261u;

	for (; *name; name++)
		hash = (hash ^ (__u8)*name) * 16777619u;
	return hash;
}

/* Epoch: counter << 8 | node id of the claimant. No two nodes ever use the same. */
static inline __u64 hg_epoch_make(__u64 counter, __u8 node)
{
	return counter << 8 | node;
}

static inline __u64 hg_epoch_counter(__u64 epoch)
{
	return epoch >> 8;
}

static inline __u8 hg_epoch_node(__u64 epoch)
{
	return epoch & 0xff;
}

#endif
