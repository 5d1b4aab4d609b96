/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Binding of a port to a NIC by MAC, PCI path or name. Reads netlink and sysfs,
 * changes nothing.
 */
#ifndef HG_NIC_H
#define HG_NIC_H

#include <net/if.h>
#include <stdbool.h>

#include "loader.h"

enum hg_nic_by { HG_NIC_BY_MAC, HG_NIC_BY_PATH, HG_NIC_BY_NAME };

struct hg_nic_id {
	enum hg_nic_by by;
	unsigned char mac[6]; /* BY_MAC: matches the permanent MAC first, then the current */
	char text[64]; /* BY_PATH: "pci-0000:0b:00.0" as udev's ID_PATH; BY_NAME: "eth0" */
};

struct hg_nic {
	int ifindex;
	char ifname[IF_NAMESIZE];
	unsigned char mac[6]; /* current */
	bool is_up; /* IFF_UP */
	bool has_link; /* IFF_RUNNING: carrier */
};

/* -ENODEV: no such NIC; -EEXIST: several match. The error lists the NICs there are. */
int hg_nic_find(const struct hg_nic_id *id, struct hg_nic *ret, struct hg_error *error);

#endif
