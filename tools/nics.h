/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * This machine's Ethernet NICs, as `hagate init` writes them into example files.
 */
#ifndef HG_NICS_H
#define HG_NICS_H

#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>

#define HG_NICS_MAX 16 /* ports of a node */

struct hg_nics_entry {
	char ifname[IF_NAMESIZE];
	char port[16]; /* "lan", "wan", "ha": a guess; empty without an address */
	unsigned char mac[6];
	char address[INET6_ADDRSTRLEN]; /* empty: none that fits; IPv4 before IPv6 */
	int prefix;
	bool has_default_route;
	bool is_mac_unique; /* false: bind by name */
};

struct hg_nics {
	unsigned int count;
	struct hg_nics_entry nic[HG_NICS_MAX];
};

/* 0 or -errno. Bridges, tunnels and loopback are left out. */
int hg_nics_list(struct hg_nics *ret);

#endif
