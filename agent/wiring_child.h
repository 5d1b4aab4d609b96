/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Inside the child that holds the raw sockets: its state, and the test of MACs. */
#ifndef HG_AGENT_WIRING_CHILD_H
#define HG_AGENT_WIRING_CHILD_H

#include "agent/wiring.h"
#include "wiring/link.h"

/* The test that this node drives; one port at a time. */
struct hg_mac_asker {
	int slot; /* -1: none */
	uint32_t slots_left; /* bit per slot */
	uint32_t test;
	uint8_t mac[6]; /* T */
	uint8_t to[6]; /* the answerer's NIC */
	bool has_to, is_answered, is_closing;
	unsigned int step, tries;
	uint64_t next; /* when this try is over */
	uint8_t seen_here, seen_there;
};

/* A test that the peer drives. */
struct hg_mac_answerer {
	uint32_t test; /* 0: none */
	uint64_t until; /* T is taken until then */
	uint64_t seq; /* of the last CUE */
	uint8_t mac[6];
	uint8_t seen;
};

struct hg_wiring_child {
	int fd; /* to the parent */
	int port_fd[HG_SLOTS_MAX]; /* -1: none */
	uint64_t retry_at[HG_SLOTS_MAX];
	uint64_t beacon_at, tell_at; /* next */
	uint64_t peer_seq[HG_SLOTS_MAX]; /* of the last beacon of the present boot */
	uint8_t clone_nonce[HG_WIRE_NONCE_LEN];
	uint64_t clone_at; /* of the first frame with that nonce */
	bool is_changed; /* something to tell at once */
	struct hg_wiring_input in;
	struct hg_wiring_output out;
	struct hg_mac_asker asker;
	struct hg_mac_answerer answerer[HG_SLOTS_MAX];
};

uint64_t hg_wiring_now(void);

/* Fills who and which port. */
void hg_wiring_child_fill(const struct hg_wiring_child *child, unsigned int slot,
			  enum hg_wiring_type type, struct hg_wiring_frame *ret);

/* --- mac_test.c */
void hg_mac_test_init(struct hg_wiring_child *child);
/* The parent ordered in.order_slots. */
void hg_mac_test_order(struct hg_wiring_child *child);
/* The NIC of a slot changes or goes: before its socket closes. */
void hg_mac_test_forget(struct hg_wiring_child *child, unsigned int slot);
/* An authentic frame of the peer's present boot, of one of the test's types. */
void hg_mac_test_receive(struct hg_wiring_child *child, unsigned int slot,
			 const struct hg_wiring_received *received);
/* Does what is due; returns when to be called next, UINT64_MAX: not before a frame. */
uint64_t hg_mac_test_run(struct hg_wiring_child *child, uint64_t now);

#endif
