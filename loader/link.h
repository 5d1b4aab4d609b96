/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * NICs and addresses of the current network namespace, read over rtnetlink. sysfs
 * would show the namespace of its mount instead.
 */
#ifndef HG_LINK_H
#define HG_LINK_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>

struct hg_link {
	int ifindex;
	unsigned int flags; /* IFF_* */
	unsigned int mtu;
	int master; /* ifindex of bridge, bond, ...; 0: none */
	bool is_stacked; /* bridge, VLAN, macvlan, bond: stands on other NICs */
	bool has_permanent;
	unsigned char mac[6];
	unsigned char permanent[6];
	char ifname[IF_NAMESIZE];
	char altname[64]; /* the first, or empty */
	char kind[16]; /* "veth", "bridge"; empty: a device with a driver */
	char path[64]; /* as udev's ID_PATH, or empty */
};

/* Ethernet devices only. *ret is freed by the caller. 0 or -errno. */
int hg_link_list(struct hg_link **ret, size_t *ret_count);

struct hg_link_addr {
	unsigned char family; /* 4 or 6 */
	unsigned char prefix; /* length */
	unsigned char addr[16];
	int ifindex;
};
int hg_link_addrs(struct hg_link_addr **ret, size_t *ret_count);

#endif
