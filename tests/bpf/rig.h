/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A node for the tests: both programs loaded, maps filled, packets run through
 * them with BPF_PROG_TEST_RUN.
 *
 *   node A (id 1)            node B (id 2)
 *   lan 10.1.0.2 fd01::2     lan 10.1.0.3 fd01::3     VIPs 10.1.0.1 fd01::1 fe80::1
 *   wan 10.2.0.2 fd02::2     wan 10.2.0.3 fd02::3     VIPs 10.2.0.1 fd02::1
 *
 * The process lives in a network namespace of its own: lan is its lo, wan one end
 * of a veth pair, "foreign" the other, which has no entry in hg_port.
 */
#ifndef TEST_RIG_H
#define TEST_RIG_H

#include "hagate/abi.h"
#include "hagate/gap.h"

#include "frame.h"

enum rig_port { RIG_LAN, RIG_WAN, RIG_FOREIGN };

#define RIG_LEASE_NS 2000000000ull /* long, so that slow test runs stay within it */
#define RIG_GRACE_NS 1000000000ull
#define RIG_DRAIN_NS 3000000000ull
#define RIG_EPOCH_A 0x501ull
#define RIG_EPOCH_B 0x602ull

struct rig {
	struct gate_bpf *gate;
	struct egress_bpf *egress;
	struct ring_buffer *ring;
	struct hg_state *state; /* memory-mapped, as in the agent */
	struct hg_peer *peer;
	struct hg_path *path;
	struct hg_gap *gap;
	uint8_t node;
	uint8_t lan_mac[6], wan_mac[6];
	struct hg_key key[HG_KEYS];
	struct hg_event event; /* the last one */
	unsigned int events;
	struct frame out; /* of the last run */
	int verdict;
	uint64_t ns; /* of the last run */
};

extern struct rig node_a, node_b; /* mac: real */
extern struct rig node_v; /* node A with mac: virtual and routed heartbeats */
extern const uint8_t mac_host[6], mac_all[6], mac_virtual[6];

int rig_setup(void **state); /* cmocka group setup: loads all three */
int rig_teardown(void **state);

uint64_t rig_now(void);
int rig_ifindex(enum rig_port port);

void rig_reset(struct rig *rig); /* all zero, as before any agent ran; session agreed */
void rig_serve(struct rig *rig, uint64_t epoch);
void rig_drain(struct rig *rig);
void rig_set_key(struct rig *rig, enum hg_key_slot slot, uint32_t id);
/* collects events into rig->event; returns how many there were */
unsigned int rig_events(struct rig *rig);

/* Runs the frame in on a port; fails the test unless the verdict is as expected and
 * exactly one counter rose, that of the reason, by one packet and the frame's octets. */
#define expect_gate(rig, port, frame, verdict, reason) \
	rig_expect_gate(rig, port, frame, verdict, HG_R_##reason, __FILE__, __LINE__)
#define expect_egress(rig, port, transit, frame, verdict, reason) \
	rig_expect_egress(rig, port, transit, frame, verdict, HG_R_##reason, __FILE__, __LINE__)
void rig_expect_gate(struct rig *rig, enum rig_port port, const struct frame *f, int verdict,
		     enum hg_reason reason, const char *file, int line);
void rig_expect_egress(struct rig *rig, enum rig_port port, bool is_transit, const struct frame *f,
		       int verdict, enum hg_reason reason, const char *file, int line);
/* Runs without expectations; returns the one reason counted, HG_R_COUNT when none was,
 * HG_R_NONE for a failed run or a wrong count. */
enum hg_reason rig_run_gate(struct rig *rig, enum rig_port port, const struct frame *f,
			    size_t linear);
enum hg_reason rig_run_egress(struct rig *rig, enum rig_port port, bool is_transit,
			      const struct frame *f);

/* Every reason counted so far, by any node. */
bool rig_has_seen(enum hg_reason reason);
const char *rig_reason_name(enum hg_reason reason);

#endif
