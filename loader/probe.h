/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a NIC can do for XDP, as far as the kernel says without attaching anything.
 */
#ifndef HG_PROBE_H
#define HG_PROBE_H

#include <stdbool.h>

#include "loader.h"

enum hg_probe_native {
	HG_PROBE_UNKNOWN, /* kernel before 6.3 */
	HG_PROBE_NO,
	HG_PROBE_YES,
};

struct hg_probe {
	char driver[32];
	enum hg_probe_native native;
	unsigned int channels; /* receive or combined queues in use, 0: not said */
	unsigned int channels_max;
	const char *hint; /* for this driver, or NULL */
};

void hg_probe_nic(int ifindex, const char *ifname, struct hg_probe *ret);

/* Attaches a passing program natively for a moment. The link may go down and up.
 * 0: it works; -EBUSY: an XDP program is there already; else -errno of the driver. */
int hg_probe_try(int ifindex);

#endif
