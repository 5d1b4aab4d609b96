/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The oracle: what the rule language means, as a loop over the rules. Written from the
 * manual of the language, deliberately naive; it shares no line with the compiler or
 * the data path.
 */
#ifndef TEST_ORACLE_H
#define TEST_ORACLE_H

#include "agent/filter/rule.h"

/* A packet as it was made, so nothing has to be parsed to know what it is. */
struct packet {
	uint8_t family; /* 4, 6 */
	uint8_t src[16], dst[16];
	uint8_t proto; /* of the transport */
	bool is_fragment; /* first or later */
	bool is_later; /* has no transport header */
	uint16_t sport, dport; /* where the transport has ports */
	uint8_t flags; /* TCP */
	uint8_t type; /* ICMP, ICMPv6 */
	unsigned int slot; /* port it came in on */
	unsigned int tag_count; /* 0..2 */
	uint16_t vlan[2]; /* outer first */
	/* of no meaning to rules */
	uint8_t options; /* words of IPv4 options */
	uint8_t extensions; /* IPv6 extension headers */
	uint16_t payload;
};

struct oracle {
	const struct hg_ruleset *ruleset;
	const struct hg_ip *vip;
	size_t vip_count;
	const uint8_t *slot; /* index of a port's name -> slot */
};

/* Does the packet satisfy the rule? */
bool oracle_matches(const struct oracle *oracle, const struct hg_rule *rule,
		    const struct packet *packet);

/*
 * The rule that decides, or -1: the default. All rates hold (`is_exceeded` false) or are
 * exceeded. Each rule that counts the packet is passed to `fn` in order.
 */
struct oracle_verdict {
	int rule;
	bool is_drop, is_rate; /* is_rate: dropped because it was above the rate */
};
typedef void (*oracle_count_fn)(void *context, unsigned int rule);
struct oracle_verdict oracle_decide(const struct oracle *oracle, const struct packet *packet,
				    bool is_exceeded, oracle_count_fn fn, void *context);

/* One line each, for people. Names of ports: "p0", "p1", ... */
void oracle_print_packet(const struct packet *packet);
void oracle_print_rule(const struct hg_rule *rule);

#endif
