/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How well this node could serve, from what is known of its ports: a score that two
 * nodes compare, and whether it may claim at all.
 */
#ifndef HG_CORE_HEALTH_H
#define HG_CORE_HEALTH_H

#include <stdbool.h>
#include <stdint.h>

#define HG_HEALTH_FULL 100

struct hg_health_port {
	bool has_vips; /* hosts depend on it: only such ports weigh */
	bool has_link;
	bool is_attached; /* the gate runs on its NIC */
	bool is_heartbeat;
	bool is_peer_heard; /* on this port, lately */
	bool has_wiring_fault; /* frames of another port of the peer are heard here */
	bool is_misbound; /* own NIC is known not to be the one the port means */
};

struct hg_health_facts {
	unsigned int count;
	const struct hg_health_port *port; /* [count] */
	bool is_peer_misbound; /* HG_HELLO_F_MISBOUND: crossed ports are the peer's fault */
};

/* The worst thing found; what is further down outranks what is above it. */
enum hg_health_why {
	HG_HEALTH_GOOD,
	HG_HEALTH_SEGMENT_CUT, /* the peer is not heard on a port, but on others */
	HG_HEALTH_UNGATED, /* a port without the gate */
	HG_HEALTH_LINK_LOST,
	HG_HEALTH_WIRING, /* unfit */
	HG_HEALTH_MISBOUND, /* unfit */
	HG_HEALTH_NO_GATE, /* unfit: the gate runs on no port */
	HG_HEALTH_WHYS,
};

struct hg_health {
	uint8_t score; /* 0..HG_HEALTH_FULL */
	bool is_fit;
	bool is_misbound; /* to be said in HELLO (HG_HELLO_F_MISBOUND) */
	enum hg_health_why why;
	unsigned int port; /* index of the first port that is the reason; count: none */
};

/* A node without ports is unfit. */
struct hg_health hg_health_judge(const struct hg_health_facts *facts);

/* "good", "segment-cut", ... */
const char *hg_health_name(enum hg_health_why why);

#endif
