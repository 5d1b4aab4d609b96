/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * What BPF programs and user space share: map keys, values, constants.
 *
 * All times are CLOCK_BOOTTIME in ns (bpf_ktime_get_boot_ns): a suspended
 * machine wakes with its lease ended. All 64-bit words of hg_state are read and
 * written one at a time, with atomic operations where two sides write them.
 *
 * A node serves when, read in this order,
 *     epoch > fence_epoch && now < lease_until
 * (hg_state_serves). There is no other switch: claiming sets epoch, a higher
 * foreign epoch raises fence_epoch, grants move lease_until.
 */
#ifndef HAGATE_ABI_H
#define HAGATE_ABI_H

#include <linux/types.h>

#include "reason.h"
#include "wire.h"

/* A new number for every change of a map's meaning; see struct hg_meta. */
#define HG_LAYOUT_VERSION 1

#define HG_GROUPS_MAX 1
#define HG_PEERS_MAX 4 /* version 1 uses the first */
#define HG_SLOTS_MAX 16 /* ports of a node; a slot is a port's index on this node */
#define HG_VIPS_MAX 8192
#define HG_ADDRS_MAX 16384 /* VIPs and own addresses together, per family */

#define HG_PIN_DIR "/sys/fs/bpf/hagate"

enum hg_role {
	HG_ROLE_OFF,
	HG_ROLE_BLANK,
	HG_ROLE_LEARNER,
	HG_ROLE_LISTEN,
	HG_ROLE_STANDBY,
	HG_ROLE_ACTIVE,
	HG_ROLE_DRAINING,
	HG_ROLE_MAINTENANCE,
	HG_ROLE_FAULT,
	HG_ROLES,
};

/* hg_state: array, key = group (0). Memory-mapped by the agent. */
struct hg_state {
	/* written by the agent */
	__u64 epoch; /* own claim, 0: none. A pending claim stops this node's grants */
	__u64 agent_seen; /* last sign of life of the agent */
	/* written by both, atomically */
	__u64 lease_until;
	__u64 fence_epoch; /* highest epoch another node claimed or held */
	__u64 drain_until;
	/* written by XDP */
	__u64 last_grant; /* REQUEST or CLAIM last answered with GRANT or FENCED */
	__u64 fenced_at; /* when fence_epoch last took this node out of service */
	/* written by the agent, for people */
	__u32 role; /* enum hg_role */
	__u32 why; /* enum hg_why of the last transition */
	__u64 since; /* of the last transition */
	/* written by the agent, for its successor */
	__u64 served_epoch; /* last own epoch that was served, 0 none */
};

/* hg_peer: array, key = peer index. Memory-mapped by the agent. */
struct hg_peer {
	__u8 nonce[HG_WIRE_NONCE_LEN]; /* of the peer's boot in the current session; agent */
	__u64 heard; /* last authenticated frame of a session or current HELLO */
	__u64 request; /* last REQUEST that was not stale */
	__u64 request_epoch;
	__u64 agent_age; /* ns, from the peer's last frame */
	__u64 fenced_epoch; /* last FENCED in answer to our CLAIM */
	__u64 fenced_stamp; /* its stamp: our own clock at the CLAIM */
	__u64 session; /* slot of the key that the agent sends under (0, 1); agent */
	__u64 unauthentic; /* last frame from the peer's address under a wrong key or tag */
};

/* hg_path: array, key = peer index * HG_SLOTS_MAX + slot. Memory-mapped by the agent. */
struct hg_path {
	__u64 seq[2][HG_WIRE_TYPES]; /* last accepted, per session slot (HELLO: slot 0) */
	__u64 heard; /* last authenticated frame with the right port */
	__u64 rtt; /* ns, last bounce; 0 unknown */
	__u64 wiring; /* last frame of another port heard here */
	__u32 wiring_port; /* whose id it carried */
	__u32 pad;
	__u8 candidate[HG_WIRE_NONCE_LEN]; /* nonce of an unconfirmed HELLO */
	__u64 candidate_at;
};

/* hg_port: hash, key = ifindex */
struct hg_port {
	__u32 slot;
	__u32 id; /* hg_port_id(name) */
	__u8 mac[6]; /* of the NIC */
	__u8 vmac[6]; /* virtual MAC of this port, all zero with mac: real */
	__u32 flags; /* HG_PORT_* */
	char name[HG_WIRE_NAME_LEN];
};
#define HG_PORT_HEARTBEAT 0x1

/* hg_addr4, hg_addr6: hash, key = address in network byte order */
struct hg_addr4_key {
	__be32 addr;
};
struct hg_addr6_key {
	__u8 addr[16];
};
enum hg_addr_kind {
	HG_ADDR_OWN = 1, /* of this node itself: never silenced */
	HG_ADDR_VIP = 2,
};
struct hg_addr {
	__u32 kind; /* enum hg_addr_kind */
	__u32 slot; /* VIP: its port; own: HG_SLOTS_MAX when on no port of ours */
};

/* hg_key: array. Not readable by anybody but root; never dumped by our tools. */
enum hg_key_slot {
	HG_KEY_CLUSTER, /* HELLO, NEIGH */
	HG_KEY_CLUSTER_NEXT, /* the same during a rollover */
	HG_KEY_SESSION0, /* the bounce; sessions alternate between the two */
	HG_KEY_SESSION1,
	HG_KEYS,
};
struct hg_key {
	__u32 id; /* hg_wire_head.key_id; 0: slot unused */
	__u32 peer; /* peer index */
	__u64 rx[2]; /* SipHash key for frames from the peer, little-endian words */
	__u64 tx[2];
};

/* hg_stats: per-CPU array, key = slot * HG_R_COUNT + reason */
struct hg_stat {
	__u64 packets;
	__u64 octets;
};

/* hg_events: ring buffer */
enum hg_event_type {
	HG_EVENT_HELLO = 1, /* frame: current session, or candidate */
	HG_EVENT_NEIGH,
	HG_EVENT_FENCED, /* our claim was answered */
	HG_EVENT_OVERRULED, /* fence_epoch rose above our epoch */
	HG_EVENT_CONFLICT, /* a stranger uses a VIP: frame.body holds its MAC, at octet 6 the
			    * family (4, 6), from octet 8 the VIP */
};
struct hg_event {
	__u32 type; /* enum hg_event_type */
	__u32 slot;
	__u64 at;
	__u64 epoch; /* FENCED, OVERRULED */
	__u64 drained; /* OVERRULED: 1 when it was serving at that moment */
	struct hg_wire_long frame; /* HELLO, NEIGH */
};

/* hg_meta: array, key 0. Guards adoption: libbpf's reuse check compares sizes only. */
struct hg_meta {
	__u32 layout; /* HG_LAYOUT_VERSION */
	__u32 pad;
	__u64 hash; /* of the BTF of all map values; hg_loader computes it */
	char software[32]; /* version that created the maps */
};

/* hagate-sync listens on the first, on the node's own addresses; the others are where its
 * connections to the other node come from, so that answers find in. */
#define HG_SYNC_PORT 4702
#define HG_SYNC_PORTS 8

/* Read-only constants of the programs (.rodata), set by the loader before load. */
struct hg_config {
	__u64 lease_ns;
	__u64 agent_grace_ns;
	__u64 drain_ns;
	__u16 udp_port; /* host byte order */
	__u16 failsafe_ports[6]; /* tcp, host byte order, 0: unused */
	__u8 node; /* own id */
	__u8 group;
	__u8 min_ttl; /* 255, or 1 on routed heartbeat paths */
	__u8 is_virtual; /* mac: virtual */
	__u8 peers[HG_PEERS_MAX]; /* node ids by peer index, 0: unused */
	__u8 witness[16] __attribute__((
		aligned(4))); /* address, network order; IPv4 in the first four octets */
	__u8 witness_family; /* 4, 6; 0: none */
	__u8 pad;
	__u16 witness_port; /* host byte order */
	__u16 sync_port; /* tcp, host byte order: HG_SYNC_PORT, 0: none */
};

static inline int hg_state_serves(const volatile struct hg_state *state, __u64 now)
{
	__u64 epoch = state->epoch;
	__u64 fence = state->fence_epoch;

	return epoch > fence && now < state->lease_until;
}

_Static_assert(sizeof(struct hg_state) == 80, "abi: hg_state");
_Static_assert(sizeof(struct hg_port) == 40, "abi: hg_port");

#endif
