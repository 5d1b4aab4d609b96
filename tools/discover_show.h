/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What `hagate discover` concludes, and how it says so. */
#ifndef HG_DISCOVER_SHOW_H
#define HG_DISCOVER_SHOW_H

#include "discover.h"

enum hg_discover_basis {
	HG_DISCOVER_NOTHING,
	HG_DISCOVER_GUESS, /* by addresses and the default route */
	HG_DISCOVER_HEARD, /* a gateway node, unverified */
	HG_DISCOVER_PROVEN, /* a gateway node, under the cluster key */
};

struct hg_discover_port {
	char name[HG_WIRE_NAME_LEN]; /* "": none is proposed */
	enum hg_discover_basis basis;
	bool is_ambiguous;
};

/* One per NIC. */
void hg_discover_propose(const struct hg_discover *discover,
			 struct hg_discover_port ret[HG_NICS_MAX]);

/* Prints it. HG_EXIT_*. */
int hg_discover_show(const struct hg_tool *tool, const struct hg_discover *discover);

#endif
