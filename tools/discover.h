/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a machine without an agent can find out about its NICs by listening: whose frames
 * arrive where, which networks, which NICs share a segment.
 */
#ifndef HG_DISCOVER_H
#define HG_DISCOVER_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "nics.h"
#include "tool.h"
#include "wiring/frame.h"

#define HG_DISCOVER_PEERS_MAX 8
#define HG_DISCOVER_NETS_MAX 6
#define HG_DISCOVER_MACS_MAX 64
#define HG_DISCOVER_HOSTS_MAX 16 /* counted of one network */

enum hg_discover_trust {
	HG_DISCOVER_UNVERIFIED, /* no key was given */
	HG_DISCOVER_WRONG_KEY,
	HG_DISCOVER_VERIFIED,
};

/* A gateway node, or another machine that is being set up, heard on a NIC. */
struct hg_discover_peer {
	char node[HG_WIRE_NAME_LEN], port[HG_WIRE_NAME_LEN]; /* "": it has none yet */
	char cluster[HG_WIRE_NAME_LEN], ifname[HG_WIRE_NAME_LEN]; /* "": HELLO tells none */
	uint8_t mac[6];
	enum hg_discover_trust trust;
	bool is_probe;
};

struct hg_discover_net {
	int family; /* AF_INET: /24, AF_INET6: /64 */
	uint8_t net[8]; /* its first octets */
	uint8_t host[HG_DISCOVER_HOSTS_MAX][8]; /* last octets of those heard */
	unsigned int host_count;
};

struct hg_discover_nic {
	const struct hg_nics_entry *nic;
	int ifindex, fd;
	bool is_up, has_link, is_reflected;
	uint32_t shares; /* bit per NIC: surely on one segment */
	uint64_t frames;
	unsigned int peer_count, net_count, mac_count;
	struct hg_discover_peer peer[HG_DISCOVER_PEERS_MAX];
	struct hg_discover_net net[HG_DISCOVER_NETS_MAX];
	uint8_t mac[HG_DISCOVER_MACS_MAX][6]; /* of strangers heard */
};

struct hg_discover {
	bool has_key, is_probing;
	unsigned char cluster_key[32];
	struct hg_wiring_key key;
	uint8_t nonce[HG_WIRE_NONCE_LEN]; /* of our probes */
	struct hg_nics nics;
	struct hg_discover_nic nic[HG_NICS_MAX];
	unsigned int seconds;
};

/* Listens, and sends probes when asked to. Fills `nic`. 0 or -errno. */
int hg_discover_listen(struct hg_discover *discover);

/* One frame, from its Ethernet header on, that came in on the NIC `index`. */
void hg_discover_frame(struct hg_discover *discover, unsigned int index, const uint8_t *data,
		       size_t size);

#endif
