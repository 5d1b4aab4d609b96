/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A packet of the generator as the classifier's key, for walks without a frame. */
#ifndef TEST_ORACLE_FLOW_H
#define TEST_ORACLE_FLOW_H

#include <netinet/in.h>

#include "oracle.h"

static inline void flow_address(const uint8_t *addr, uint8_t family, __u64 *ret)
{
	unsigned int i;

	ret[0] = ret[1] = 0;
	for (i = 0; i < (family == 4 ? 4u : 16u); i++)
		ret[i / 8] |= (__u64)addr[i] << (56 - i % 8 * 8);
}

static inline void flow_of(const struct packet *p, struct hg_flow *ret)
{
	bool has_ports = !p->is_later && (p->proto == IPPROTO_TCP || p->proto == IPPROTO_UDP ||
					  p->proto == IPPROTO_SCTP || p->proto == IPPROTO_UDPLITE);

	memset(ret, 0, sizeof(*ret));
	ret->is_ip6 = p->family == 6;
	ret->proto = p->proto;
	flow_address(p->src, p->family, ret->src);
	flow_address(p->dst, p->family, ret->dst);
	ret->sport = has_ports ? p->sport : HG_FLOW_NO_PORT;
	ret->dport = has_ports ? p->dport : HG_FLOW_NO_PORT;
	ret->detail = HG_TABLE_DETAIL_NONE;
	if (!p->is_later && p->proto == IPPROTO_TCP)
		ret->detail = HG_TABLE_DETAIL + p->flags;
	else if (!p->is_later && p->proto == IPPROTO_ICMP && p->family == 4)
		ret->detail = HG_TABLE_ICMP4 + p->type;
	else if (!p->is_later && p->proto == IPPROTO_ICMPV6 && p->family == 6)
		ret->detail = HG_TABLE_ICMP6 + p->type;
	ret->input = p->slot * 2 + p->is_fragment;
	ret->vlan = p->tag_count ? p->vlan[0] : HG_FLOW_NO_VLAN;
}

#endif
