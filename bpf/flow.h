/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The classifier's key: what of a packet rules can ask for, looked up in hg_f_table. */
#ifndef HG_FLOW_H
#define HG_FLOW_H

#include "hagate/filter.h"

#define HG_FLOW_NO_PORT (HG_TABLE_SPORT_NONE - HG_TABLE_SPORT)
#define HG_FLOW_NO_VLAN HG_VLAN_NONE

/* A packet as rules see it. Numbers in host byte order. */
struct hg_flow {
	__u64 src[2], dst[2]; /* IPv4: the upper half of [0], all else 0 */
	__u32 is_ip6;
	__u32 sport, dport; /* or HG_FLOW_NO_PORT */
	__u32 proto; /* of the transport */
	__u32 detail; /* index: HG_TABLE_DETAIL + flags, _ICMP4 or _ICMP6 + type; or _DETAIL_NONE */
	__u32 input; /* slot * 2 + is_fragment */
	__u32 vlan; /* outer tag's id, or HG_FLOW_NO_VLAN */
};

#endif
