/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A frame made to order, for `filter trace`. Pure. */
#ifndef HG_FILTER_FRAME_H
#define HG_FILTER_FRAME_H

#include <stdbool.h>

#include "agent/config.h"

#define HG_FRAME_MAX 128

struct hg_frame {
	uint8_t to_mac[6];
	int vlan; /* -1: no tag */
	struct hg_ip from, to; /* of the same family; prefix lengths do not count */
	uint8_t proto;
	bool is_fragment; /* the first of several */
	uint16_t sport, dport; /* host order */
	uint8_t flags; /* TCP */
	uint8_t icmp_type;
};

/* Octets written: at least 60, as on the wire. Checksums of IPv4 headers are right, those
 * of what follows are 0: the gate does not look at them. */
size_t hg_frame_write(const struct hg_frame *frame, uint8_t ret[HG_FRAME_MAX]);

#endif
