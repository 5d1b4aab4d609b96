/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The data path of one simulated node: its maps, and the stage that takes frames of
 * other nodes (gate.c). Plain data: may be copied and hashed.
 */
#ifndef SIM_GATE_H
#define SIM_GATE_H

#include <stdbool.h>
#include <stdint.h>

#include "hagate/abi.h"
#include "hagate/gap.h"

#define SIM_PORTS 2
#define SIM_PEERS 1
#define SIM_PATHS SIM_PORTS /* of the one peer */

struct sim_gate {
	struct hg_config config;
	struct hg_state state;
	struct hg_peer peer[SIM_PEERS];
	struct hg_path path[SIM_PATHS];
	struct hg_gap gap[SIM_PEERS];
	struct hg_key key[HG_KEYS];
	struct hg_port port[SIM_PORTS];
	uint64_t clock; /* last reading */
};

struct sim_gate_result {
	uint32_t reason; /* enum hg_reason */
	uint32_t event; /* enum hg_event_type, 0 none */
	uint64_t event_at;
	bool is_answered;
	struct hg_wire_short answer; /* signed by the gate */
};

/* Once, before everything else. */
void sim_gate_setup(void);

/* As after loading: empty maps, the programs' constants, the ports. */
void sim_gate_init(struct sim_gate *gate, const struct hg_config *config);

/* A frame of `length` octets comes in on a port at `now` of the node's clock. */
struct sim_gate_result sim_gate_receive(struct sim_gate *gate, uint64_t now, unsigned int port,
					const void *frame, int length);

static inline uint32_t sim_port_id(unsigned int port)
{
	return hg_port_id(port ? "wan" : "lan");
}

#endif
