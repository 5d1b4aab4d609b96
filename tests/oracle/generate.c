// SPDX-License-Identifier: GPL-2.0-or-later
/* Random rulesets, see generate.h. */
#include <err.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "generate.h"

/* splitmix64 (Steele, Lea, Flood, 2014) */
uint64_t generate_random(struct generated *g)
{
	uint64_t z = g->random += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

uint32_t generate_below(struct generated *g, uint32_t bound)
{
	return (generate_random(g) >> 32) * bound >> 32;
}

static bool is_chance(struct generated *g, unsigned int percent)
{
	return generate_below(g, 100) < percent;
}

static void *get(size_t count, size_t size)
{
	void *memory = calloc(count ? count : 1, size);

	if (!memory)
		err(1, "memory");
	return memory;
}

static void mask(struct hg_ip *ip)
{
	unsigned int bit;

	for (bit = ip->prefix; bit < 128; bit++)
		ip->addr[bit / 8] &= ~(0x80 >> bit % 8);
}

/* Addresses from a pool with few bits, so that prefixes nest and packets hit them. */
static void random_ip(struct generated *g, struct hg_ip *ret)
{
	uint32_t few = generate_below(g, g->pool);
	unsigned int i;

	memset(ret, 0, sizeof(*ret));
	ret->family = is_chance(g, 60) ? 4 : 6;
	for (i = 0; i < 16; i++)
		ret->addr[i] = (few * 2654435761u + i * 40503u) >> (i % 3 + 9);
	if (ret->family == 4) {
		ret->addr[0] = 10 + few % 3;
		ret->addr[1] = few / 64 % 4;
		memset(ret->addr + 4, 0, 12);
	} else {
		ret->addr[0] = 0x20;
		ret->addr[1] = few % 2;
		memset(ret->addr + 2, 0, few % 5);
	}
	ret->prefix = ret->family == 4 ? 32 : 128;
}

static void random_prefix(struct generated *g, struct hg_ip *ret)
{
	unsigned int bits;

	random_ip(g, ret);
	bits = ret->prefix;
	if (is_chance(g, 60))
		ret->prefix = generate_below(g, bits + 1);
	else if (is_chance(g, 50))
		ret->prefix = bits / 2 + generate_below(g, bits / 2 + 1);
	mask(ret);
}

static int compare_ip(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct hg_ip));
}

static void random_list(struct generated *g, struct hg_list *list, unsigned int index)
{
	size_t i, kept = 0;

	snprintf(list->name, sizeof(list->name), "list%u", index);
	list->count = is_chance(g, 5) ? 0 : 1 + generate_below(g, is_chance(g, 10) ? 400 : 20);
	list->entry = get(list->count, sizeof(*list->entry));
	for (i = 0; i < list->count; i++)
		random_prefix(g, &list->entry[i]);
	qsort(list->entry, list->count, sizeof(*list->entry), compare_ip);
	for (i = 0; i < list->count; i++)
		if (!kept || memcmp(&list->entry[kept - 1], &list->entry[i], sizeof(struct hg_ip)))
			list->entry[kept++] = list->entry[i];
	list->count = kept;
}

/* Ports that matter: ends, neighbours of the ends, and a few that rules share. */
static uint16_t random_port(struct generated *g)
{
	static const uint16_t known[] = { 0,   1,   22,	  23,	53,    79,    80,    81,
					  443, 444, 1023, 1024, 32767, 32768, 65534, 65535 };

	if (is_chance(g, 40))
		return known[generate_below(g, sizeof(known) / sizeof(known[0]))];
	return is_chance(g, 50) ? generate_below(g, 2000) : generate_below(g, 65536);
}

static void random_ranges(struct generated *g, struct hg_rule_side *side)
{
	unsigned int count = is_chance(g, 70) ? 1 : 1 + generate_below(g, HG_RULE_RANGES_MAX);
	uint32_t next = 0, first, last;

	for (; count; count--) {
		first = next;
		if (count == 1 || is_chance(g, 50))
			first = random_port(g);
		if (first < next)
			first = next;
		if (first > 65535)
			break;
		last = is_chance(g, 50) ? first : first + generate_below(g, 3000);
		if (is_chance(g, 5) || last > 65535)
			last = 65535;
		side->range[side->range_count++] = (struct hg_port_range){ first, last };
		next = last + 1 + (is_chance(g, 20) ? 0 : 1);
	}
}

static void random_side(struct generated *g, struct hg_rule_side *side, bool is_to)
{
	unsigned int kind = generate_below(g, 100);

	if (kind < 60) {
		side->kind = HG_SIDE_ADDR;
		random_prefix(g, &side->addr);
	} else if (kind < 80 && g->ruleset.list_count) {
		side->kind = HG_SIDE_LIST;
		snprintf(side->list, sizeof(side->list), "list%u",
			 generate_below(g, g->ruleset.list_count));
	} else if (kind < 90 && is_to) {
		side->kind = HG_SIDE_VIP;
	}
}

static uint8_t random_proto(struct generated *g)
{
	static const uint8_t known[] = {
		IPPROTO_TCP,	IPPROTO_UDP,  IPPROTO_ICMP, 47,
		IPPROTO_ICMPV6, IPPROTO_SCTP, 50,	    IPPROTO_UDPLITE
	};

	if (is_chance(g, 55))
		return known[generate_below(g, 2)];
	return is_chance(g, 90) ? known[generate_below(g, sizeof(known))] : generate_below(g, 256);
}

static void random_protos(struct generated *g, struct hg_rule *rule)
{
	unsigned int count = is_chance(g, 75) ? 1 : 1 + generate_below(g, HG_RULE_PROTOS_MAX);
	bool is_in[256] = { false };
	unsigned int i;

	for (i = 0; i < count; i++)
		is_in[random_proto(g)] = true;
	for (i = 0; i < 256; i++)
		if (is_in[i])
			rule->proto[rule->proto_count++] = i;
}

/* What only one transport has; each excludes the others. */
static void random_detail(struct generated *g, struct hg_rule *rule)
{
	if (is_chance(g, 50)) {
		rule->has_flags = true;
		rule->flags_mask = generate_below(g, 256) | 1u << generate_below(g, 8);
		rule->flags_set = rule->flags_mask & generate_below(g, 256);
		if (is_chance(g, 50)) {
			rule->flags_mask = 0x12;
			rule->flags_set = 0x02;
		}
		return;
	}
	rule->has_icmp_type = true;
	rule->proto_count = 1;
	rule->proto[0] = is_chance(g, 50) ? IPPROTO_ICMP : IPPROTO_ICMPV6;
	rule->icmp_type = is_chance(g, 50) ? generate_below(g, 16) : generate_below(g, 256);
}

static void random_passing(struct generated *g, struct hg_rule *rule)
{
	if (is_chance(g, 50)) {
		rule->is_count_only = true;
		return;
	}
	/* so much that no test exceeds it */
	rule->rate = (struct hg_rule_rate){ .count = 1000000000, .period_s = 1, .burst = 1000000 };
	rule->rate.is_per_source = is_chance(g, 50);
	rule->rate.len4 = rule->rate.is_per_source ? generate_below(g, 33) : 0;
	rule->rate.len6 = rule->rate.is_per_source ? generate_below(g, 129) : 0;
}

static void random_rule(struct generated *g, struct hg_rule *rule)
{
	unsigned int n = g->narrow;

	rule->action = is_chance(g, 50) ? HG_RULE_DROP : HG_RULE_ACCEPT;
	if (is_chance(g, n / 4))
		rule->in_on = 1 + generate_below(g, (1u << GENERATE_PORTS) - 1);
	if (is_chance(g, n))
		random_protos(g, rule);
	if (is_chance(g, n))
		random_side(g, &rule->from, false);
	if (is_chance(g, n))
		random_side(g, &rule->to, true);
	if (is_chance(g, n / 3))
		random_ranges(g, &rule->from);
	if (is_chance(g, n / 2))
		random_ranges(g, &rule->to);
	if (is_chance(g, n / 4))
		random_detail(g, rule);
	rule->is_fragment = is_chance(g, n / 12);
	rule->has_vlan = is_chance(g, n / 8);
	if (rule->has_vlan)
		rule->vlan = is_chance(g, 80) ? generate_below(g, 4) : generate_below(g, 4095);
	if (is_chance(g, g->passing))
		random_passing(g, rule);
}

static void random_context(struct generated *g)
{
	unsigned int i;

	for (i = 0; i < GENERATE_VIPS; i++) {
		random_ip(g, &g->vip[i]);
		g->vip[i].prefix = generate_below(g, g->vip[i].prefix + 1);
	}
	for (i = 0; i < 32; i++)
		g->context.slot[i] = i < GENERATE_SLOTS ? GENERATE_SLOTS - 1 - i : HG_SLOTS_MAX;
	g->context.vip = g->vip;
	g->context.vip_count = generate_below(g, GENERATE_VIPS + 1);
	g->oracle = (struct oracle){ &g->ruleset, g->vip, g->context.vip_count, g->context.slot };
}

struct generated *generate_new(uint64_t seed, unsigned int rule_count)
{
	struct generated *g = get(1, sizeof(*g));
	unsigned int i;

	g->random = seed;
	if (!rule_count)
		rule_count = 1 + generate_below(g, 1u << (1 + generate_below(g, 13)));
	if (!rule_count || rule_count > HG_RULES_MAX)
		rule_count = HG_RULES_MAX;
	g->pool = 4 + generate_below(g, 2 + rule_count);
	g->narrow = 20 + generate_below(g, 80);
	g->passing = is_chance(g, 50) ? 0 : generate_below(g, 60);
	random_context(g);
	g->ruleset.is_default_drop = is_chance(g, 50);
	g->ruleset.list_count = generate_below(g, 8);
	g->ruleset.list = get(g->ruleset.list_count, sizeof(*g->ruleset.list));
	for (i = 0; i < g->ruleset.list_count; i++)
		random_list(g, &g->ruleset.list[i], i);
	g->ruleset.rule_count = rule_count;
	g->ruleset.rule = get(rule_count, sizeof(*g->ruleset.rule));
	for (i = 0; i < rule_count; i++) {
		random_rule(g, &g->ruleset.rule[i]);
		g->ruleset.rule[i].id = i + 1;
		g->ruleset.rule[i].line = i + 1;
	}
	return g;
}

void generate_free(struct generated *g)
{
	unsigned int i;

	for (i = 0; i < g->ruleset.list_count; i++)
		free(g->ruleset.list[i].entry);
	free(g->ruleset.list);
	free(g->ruleset.rule);
	free(g);
}

/* An address of the prefix, or the one before its first or behind its last. */
static void at_border(struct generated *g, const struct hg_ip *prefix, unsigned int length,
		      uint8_t *ret)
{
	unsigned int octets = prefix->family == 4 ? 4 : 16, bits = octets * 8, bit, i;
	unsigned int where = generate_below(g, 5);
	int carry;

	memcpy(ret, prefix->addr, 16);
	for (bit = length; bit < bits; bit++)
		if (where == 1 || where == 3 || (where == 4 && is_chance(g, 50)))
			ret[bit / 8] |= 0x80 >> bit % 8;
	carry = where == 2 ? -1 : where == 3 ? 1 : 0;
	for (i = octets; i-- && carry;) {
		carry += ret[i];
		ret[i] = carry;
		carry = carry < 0 ? -1 : carry > 255 ? 1 : 0;
	}
}

static void packet_address(struct generated *g, const struct hg_rule_side *side, uint8_t family,
			   uint8_t *ret)
{
	const struct hg_list *list;
	struct hg_ip ip;

	do
		random_ip(g, &ip);
	while (ip.family != family);
	if (side->kind == HG_SIDE_ADDR && side->addr.family == family) {
		ip = side->addr;
	} else if (side->kind == HG_SIDE_VIP && g->context.vip_count) {
		ip = g->vip[generate_below(g, g->context.vip_count)];
		ip.prefix = ip.family == 4 ? 32 : 128;
	} else if (side->kind == HG_SIDE_LIST) {
		list = &g->ruleset.list[atoi(side->list + 4)];
		if (list->count)
			ip = list->entry[generate_below(g, list->count)];
	}
	if (ip.family != family || is_chance(g, 10)) {
		memset(&ip, 0, sizeof(ip));
		ip.family = family;
	}
	at_border(g, &ip, ip.prefix, ret);
}

static uint16_t packet_port(struct generated *g, const struct hg_rule_side *side)
{
	const struct hg_port_range *range;

	if (!side->range_count || is_chance(g, 10))
		return random_port(g);
	range = &side->range[generate_below(g, side->range_count)];
	switch (generate_below(g, 5)) {
	case 0:
		return range->first;
	case 1:
		return range->last;
	case 2:
		return range->first - 1;
	case 3:
		return range->last + 1;
	}
	return range->first + generate_below(g, range->last - range->first + 1);
}

static uint8_t packet_family(struct generated *g, const struct hg_rule *rule)
{
	if (rule->from.kind == HG_SIDE_ADDR && is_chance(g, 90))
		return rule->from.addr.family;
	if (rule->to.kind == HG_SIDE_ADDR && is_chance(g, 90))
		return rule->to.addr.family;
	if (rule->has_icmp_type && is_chance(g, 90))
		return rule->proto[0] == IPPROTO_ICMP ? 4 : 6;
	return is_chance(g, 50) ? 4 : 6;
}

/* 255 is reserved; 0, 43, 44, 51, 59 and 60 head IPv6 extensions and are no transport. */
static bool is_transport(uint8_t proto)
{
	return proto != 0 && proto != 43 && proto != 44 && proto != 51 && proto != 59 &&
	       proto != 60 && proto != 135 && proto != 139 && proto != 140 && proto < 253;
}

static uint8_t packet_proto(struct generated *g, const struct hg_rule *rule)
{
	uint8_t proto;

	if (rule->proto_count && is_chance(g, 85))
		proto = rule->proto[generate_below(g, rule->proto_count)];
	else if (rule->has_flags)
		proto = IPPROTO_TCP;
	else
		proto = random_proto(g);
	return is_transport(proto) ? proto : IPPROTO_UDP;
}

void generate_packet(struct generated *g, struct packet *ret)
{
	const struct hg_rule *rule = &g->ruleset.rule[generate_below(g, g->ruleset.rule_count)];
	unsigned int i;

	memset(ret, 0, sizeof(*ret));
	ret->family = packet_family(g, rule);
	packet_address(g, &rule->from, ret->family, ret->src);
	packet_address(g, &rule->to, ret->family, ret->dst);
	ret->proto = packet_proto(g, rule);
	ret->is_fragment = is_chance(g, rule->is_fragment ? 80 : 8);
	ret->is_later = ret->is_fragment && is_chance(g, 50);
	ret->sport = packet_port(g, &rule->from);
	ret->dport = packet_port(g, &rule->to);
	ret->flags = rule->flags_set | (generate_below(g, 256) & ~rule->flags_mask);
	if (is_chance(g, 30))
		ret->flags ^= 1u << generate_below(g, 8);
	ret->type = rule->has_icmp_type && is_chance(g, 80) ? rule->icmp_type
							    : generate_below(g, 256);
	ret->slot = generate_below(g, GENERATE_SLOTS);
	ret->tag_count = rule->has_vlan && is_chance(g, 80) ? 1 + generate_below(g, 2)
							    : generate_below(g, 10) / 4;
	for (i = 0; i < ret->tag_count; i++)
		ret->vlan[i] = rule->has_vlan && is_chance(g, 70) ? rule->vlan
								  : generate_below(g, 4095);
	ret->options = is_chance(g, 10) ? 1 + generate_below(g, 10) : 0;
	ret->extensions = is_chance(g, 10) ? 1 + generate_below(g, 6) : 0;
	ret->payload = is_chance(g, 10) ? 0 : generate_below(g, 200);
}
