// SPDX-License-Identifier: GPL-2.0-or-later
/* The oracle, see oracle.h. Clear before fast: bit by bit, entry by entry. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "oracle.h"

static bool has_ports(const struct packet *p)
{
	return !p->is_later && (p->proto == IPPROTO_TCP || p->proto == IPPROTO_UDP ||
				p->proto == IPPROTO_SCTP || p->proto == IPPROTO_UDPLITE);
}

static bool is_in_prefix(const struct hg_ip *prefix, uint8_t family, const uint8_t *addr,
			 unsigned int length)
{
	unsigned int bit;

	if (prefix->family != family)
		return false;
	for (bit = 0; bit < length; bit++)
		if ((prefix->addr[bit / 8] ^ addr[bit / 8]) & 0x80 >> bit % 8)
			return false;
	return true;
}

static bool is_in_list(const struct hg_ruleset *ruleset, const char *name, uint8_t family,
		       const uint8_t *addr)
{
	const struct hg_list *list;
	unsigned int i;
	size_t e;

	for (i = 0; i < ruleset->list_count; i++) {
		list = &ruleset->list[i];
		for (e = 0; e < list->count && !strcmp(list->name, name); e++)
			if (is_in_prefix(&list->entry[e], family, addr, list->entry[e].prefix))
				return true;
	}
	return false;
}

static bool is_vip(const struct oracle *o, uint8_t family, const uint8_t *addr)
{
	size_t i;

	for (i = 0; i < o->vip_count; i++)
		if (o->vip[i].family == family &&
		    !memcmp(o->vip[i].addr, addr, family == 4 ? 4 : 16))
			return true;
	return false;
}

static bool is_address(const struct oracle *o, const struct hg_rule_side *side, uint8_t family,
		       const uint8_t *addr)
{
	switch (side->kind) {
	case HG_SIDE_ANY:
		return true;
	case HG_SIDE_ADDR:
		return is_in_prefix(&side->addr, family, addr, side->addr.prefix);
	case HG_SIDE_LIST:
		return is_in_list(o->ruleset, side->list, family, addr);
	case HG_SIDE_VIP:
		return is_vip(o, family, addr);
	}
	return false;
}

static bool is_port(const struct hg_rule_side *side, bool is_there, uint16_t port)
{
	unsigned int i;

	if (!side->range_count)
		return true;
	for (i = 0; is_there && i < side->range_count; i++)
		if (port >= side->range[i].first && port <= side->range[i].last)
			return true;
	return false;
}

static bool is_proto(const struct hg_rule *rule, uint8_t proto)
{
	unsigned int i;

	for (i = 0; i < rule->proto_count; i++)
		if (rule->proto[i] == proto)
			return true;
	return !rule->proto_count;
}

static bool is_from_port(const struct oracle *o, const struct hg_rule *rule, unsigned int slot)
{
	unsigned int i;

	for (i = 0; i < 32; i++)
		if (rule->in_on & 1u << i && o->slot[i] == slot)
			return true;
	return !rule->in_on;
}

/* `icmp-type` speaks of ICMP or ICMPv6 as `proto` says, in that one's own family. */
static bool is_icmp_type(const struct hg_rule *rule, const struct packet *p)
{
	bool is_icmp = p->family == 4 && p->proto == IPPROTO_ICMP;
	bool is_icmp6 = p->family == 6 && p->proto == IPPROTO_ICMPV6;

	return !p->is_later && (is_icmp || is_icmp6) && is_proto(rule, p->proto) &&
	       rule->proto_count && rule->icmp_type == p->type;
}

bool oracle_matches(const struct oracle *o, const struct hg_rule *rule, const struct packet *p)
{
	if (!is_from_port(o, rule, p->slot) || !is_proto(rule, p->proto))
		return false;
	if (!is_port(&rule->from, has_ports(p), p->sport) ||
	    !is_port(&rule->to, has_ports(p), p->dport))
		return false;
	if (rule->is_fragment && !p->is_fragment)
		return false;
	if (rule->has_vlan && (!p->tag_count || p->vlan[0] != rule->vlan))
		return false;
	if (rule->has_icmp_type && !is_icmp_type(rule, p))
		return false;
	if (rule->has_flags && (p->proto != IPPROTO_TCP || p->is_later ||
				(p->flags & rule->flags_mask) != rule->flags_set))
		return false;
	return is_address(o, &rule->from, p->family, p->src) &&
	       is_address(o, &rule->to, p->family, p->dst);
}

struct oracle_verdict oracle_decide(const struct oracle *o, const struct packet *p,
				    bool is_exceeded, oracle_count_fn fn, void *context)
{
	const struct hg_rule *rule;
	unsigned int i;

	for (i = 0; i < o->ruleset->rule_count; i++) {
		rule = &o->ruleset->rule[i];
		if (!oracle_matches(o, rule, p))
			continue;
		fn(context, i);
		if (rule->is_count_only)
			continue;
		if (rule->rate.count && is_exceeded)
			return (struct oracle_verdict){ i, true, true };
		if (rule->rate.count && rule->action == HG_RULE_DROP)
			continue;
		return (struct oracle_verdict){ i, rule->action == HG_RULE_DROP, false };
	}
	return (struct oracle_verdict){ -1, o->ruleset->is_default_drop, false };
}

void oracle_print_packet(const struct packet *p)
{
	char src[INET6_ADDRSTRLEN], dst[INET6_ADDRSTRLEN];
	int family = p->family == 4 ? AF_INET : AF_INET6;

	inet_ntop(family, p->src, src, sizeof(src));
	inet_ntop(family, p->dst, dst, sizeof(dst));
	printf("packet: slot %u tags %u (%u %u) proto %u from %s port %u to %s port %u "
	       "flags 0x%02x type %u fragment %d later %d options %u extensions %u payload %u\n",
	       p->slot, p->tag_count, p->vlan[0], p->vlan[1], p->proto, src, p->sport, dst,
	       p->dport, p->flags, p->type, p->is_fragment, p->is_later, p->options, p->extensions,
	       p->payload);
}

static void print_side(const char *word, const struct hg_rule_side *side)
{
	char text[INET6_ADDRSTRLEN];
	unsigned int i;

	if (side->kind == HG_SIDE_ADDR)
		printf(" %s %s/%u", word,
		       inet_ntop(side->addr.family == 4 ? AF_INET : AF_INET6, side->addr.addr, text,
				 sizeof(text)),
		       side->addr.prefix);
	else if (side->kind == HG_SIDE_LIST)
		printf(" %s @%s", word, side->list);
	else if (side->kind == HG_SIDE_VIP)
		printf(" %s vip", word);
	else if (side->range_count)
		printf(" %s any", word);
	for (i = 0; i < side->range_count; i++)
		printf("%s%u-%u", i ? "," : " port ", side->range[i].first, side->range[i].last);
}

void oracle_print_rule(const struct hg_rule *rule)
{
	unsigned int i;

	printf("rule %u: %s", rule->line, rule->action == HG_RULE_DROP ? "drop" : "accept");
	if (rule->in_on)
		printf(" in on 0x%x", rule->in_on);
	for (i = 0; i < rule->proto_count; i++)
		printf("%s%u", i ? "," : " proto ", rule->proto[i]);
	print_side("from", &rule->from);
	print_side("to", &rule->to);
	if (rule->has_flags)
		printf(" flags 0x%02x/0x%02x", rule->flags_set, rule->flags_mask);
	if (rule->has_icmp_type)
		printf(" icmp-type %u", rule->icmp_type);
	if (rule->has_vlan)
		printf(" vlan %u", rule->vlan);
	printf("%s%s%s\n", rule->is_fragment ? " fragment" : "", rule->rate.count ? " rate" : "",
	       rule->is_count_only ? " count-only" : "");
}
