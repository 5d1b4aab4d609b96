/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the NICs hang on, found out by frames below IP (hagate/wiring.h), and whether
 * the segments carry a MAC that is not the NIC's.
 *
 * Raw sockets and their memberships wait for locks of the kernel, so all of it is done
 * by a child of hagated at ordinary priority. Both talk in whole messages over a
 * socket pair: hagated tells what the child needs to know (hg_wiring_input) whenever
 * that changes, the child tells what it has found (hg_wiring_output) once a second and
 * at each result. Whatever dies, nothing stays behind on a NIC or a switch but entries
 * of a MAC that nobody uses, which age.
 */
#ifndef HG_AGENT_WIRING_H
#define HG_AGENT_WIRING_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "hagate/abi.h"
#include "wiring/frame.h"

struct hg_wiring_place {
	char name[HG_WIRE_NAME_LEN]; /* of the port; "": none in this slot */
	int32_t ifindex; /* 0: no NIC */
	char ifname[IF_NAMESIZE];
	uint8_t mac[6];
};

/* No padding that is not zeroed: two of them are compared. */
struct hg_wiring_input {
	struct hg_wiring_key key;
	uint8_t nonce[HG_WIRE_NONCE_LEN], peer_nonce[HG_WIRE_NONCE_LEN];
	uint8_t self, peer; /* node ids; peer 0: none */
	uint8_t has_session; /* peer_nonce holds */
	uint8_t pad;
	char cluster[HG_WIRE_NAME_LEN], node[HG_WIRE_NAME_LEN];
	struct hg_wiring_place place[HG_SLOTS_MAX];
	uint32_t order; /* a new number orders the test of the ports in `order_slots` */
	uint32_t order_slots; /* bit per slot */
};

/* Times are CLOCK_BOOTTIME of the last frame that says so; 0: none ever. */
struct hg_wiring_port {
	uint64_t reflected_at; /* own frames of this port */
	uint64_t shared_at, shared_since; /* own frames of port shared_slot */
	uint64_t heard_at; /* the peer's of the same port, of its present boot */
	uint64_t crossed_at; /* the peer's of port crossed_name, of its present boot */
	uint64_t crossed_loose_at; /* the same, of a boot that no session confirms */
	uint64_t cloned_at; /* another machine with our node id */
	uint64_t same_mac_at; /* the peer's NIC has our NIC's MAC */
	uint64_t peer_fault_at; /* the peer says so of the same port */
	uint32_t shared_slot;
	uint32_t peer_fault_port; /* id */
	uint8_t peer_fault; /* enum hg_wiring_fault */
	uint8_t clone_mac[6];
	char clone_node[HG_WIRE_NAME_LEN], clone_cluster[HG_WIRE_NAME_LEN]; /* its names */
	char crossed_name[HG_WIRE_NAME_LEN];
	int32_t error; /* -errno: no socket on its NIC */
};

/* Result of the test of one port. */
struct hg_mac_evidence {
	uint64_t at; /* 0: never tested */
	uint32_t test;
	uint8_t is_asker; /* this node drove it */
	uint8_t seen_here, seen_there; /* HG_WIRING_SEEN_*, by this node and by the peer */
	uint8_t pad;
};

struct hg_wiring_output {
	struct hg_wiring_port port[HG_SLOTS_MAX];
	struct hg_mac_evidence mac[HG_SLOTS_MAX];
	uint32_t order; /* the last one taken */
	uint32_t is_testing;
};

/* hagated's side. */
struct hg_wiring {
	int fd; /* -1: no child */
	pid_t pid;
	pid_t lost; /* killed, not reaped yet; 0 none */
	uint64_t started_at;
	bool is_lost_told;
	struct hg_wiring_input input; /* as it was sent */
	struct hg_wiring_output output;
};

/* How long a finding counts: three beacons. */
#define HG_WIRING_FRESH_NS (3500ull * 1000 * 1000)

/* In the child: runs until the parent closes `fd`. */
int hg_wiring_child_run(int fd);

#endif
