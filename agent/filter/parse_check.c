// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What only the whole rule shows: options that exclude each other, values that another
 * option gives their meaning, rules that no packet can match (parse.h).
 */
#include <ctype.h>
#include <netinet/in.h>
#include <string.h>

#include "agent/filter/parse.h"

#define FAMILY4 1u
#define FAMILY6 2u

static bool is_proto_only(const struct hg_rule *rule, uint8_t proto)
{
	return rule->proto_count == 1 && rule->proto[0] == proto;
}

static bool check_flags(struct hg_parser *p)
{
	if (!p->rule.has_flags || !p->rule.proto_count || is_proto_only(&p->rule, IPPROTO_TCP))
		return true;
	hg_parse_fail(p, p->key_column[HG_KEY_FLAGS], "only TCP has flags");
	return hg_parse_hint(p, "write proto tcp");
}

static bool check_ports(struct hg_parser *p)
{
	const struct hg_rule *rule = &p->rule;
	unsigned int side, i;
	const char *name;

	for (side = 0; side < 2; side++) {
		for (i = 0; p->port_column[side] && i < rule->proto_count; i++) {
			if (hg_word_has_ports(rule->proto[i]))
				continue;
			name = hg_word_proto(rule->proto[i]);
			hg_parse_fail(p, p->port_column[side], "%s has no ports",
				      name ? name : "this protocol");
			return hg_parse_hint(p, "tcp, udp, sctp and udplite have");
		}
	}
	return true;
}

static bool read_icmp_type(struct hg_parser *p)
{
	struct hg_rule *rule = &p->rule;
	const char *names[HG_WORDS_MAX];
	char shown[HG_TOKEN_SHOWN];
	uint32_t number;
	int known;

	if (!rule->has_icmp_type)
		return true;
	if (!is_proto_only(rule, IPPROTO_ICMP) && !is_proto_only(rule, IPPROTO_ICMPV6)) {
		hg_parse_fail(p, p->key_column[HG_KEY_ICMP_TYPE],
			      "icmp-type needs proto icmp or proto icmp6");
		return hg_parse_hint(p, "the same number means different things in the two");
	}
	hg_token_show(p->icmp_type.text, p->icmp_type.length, shown);
	known = hg_word_find_icmp(rule->proto[0], shown);
	if (known < 0 && !isdigit((unsigned char)shown[0])) {
		hg_parse_unknown(p, &p->icmp_type, "ICMP type", names,
				 hg_word_list_icmp(rule->proto[0], names), NULL);
		return p->error->hint[0]
			       ? false
			       : hg_parse_hint(p, "a name such as echo-request, or a number");
	}
	if (known < 0 && !hg_parse_number(p, "an ICMP type", p->icmp_type.text, p->icmp_type.length,
					  p->icmp_type.column, 0, 255, &number))
		return false;
	rule->icmp_type = known < 0 ? (int)number : known;
	return true;
}

/* Families a side can match; both when that is not known. */
static unsigned int side_families(const struct hg_parser *p, const struct hg_rule_side *side)
{
	const struct hg_list *list = p->names->list;
	unsigned int i;

	switch (side->kind) {
	case HG_SIDE_ADDR:
		return side->addr.family == 4 ? FAMILY4 : FAMILY6;
	case HG_SIDE_LIST:
		for (i = 0; list && i < p->names->list_count; i++)
			if (!strcmp(list[i].name, side->list) && list[i].count)
				return (list[i].entry[0].family == 4 ? FAMILY4 : FAMILY6) |
				       (list[i].entry[list[i].count - 1].family == 6 ? FAMILY6
										     : FAMILY4);
		break;
	case HG_SIDE_ANY:
	case HG_SIDE_VIP:
		break;
	}
	return FAMILY4 | FAMILY6;
}

static const char *family_text(unsigned int families)
{
	return families == FAMILY4 ? "IPv4" : "IPv6";
}

static unsigned int proto_families(const struct hg_rule *rule)
{
	if (is_proto_only(rule, IPPROTO_ICMP))
		return FAMILY4;
	return is_proto_only(rule, IPPROTO_ICMPV6) ? FAMILY6 : FAMILY4 | FAMILY6;
}

static bool check_families(struct hg_parser *p, unsigned int *ret)
{
	unsigned int from = side_families(p, &p->rule.from), to = side_families(p, &p->rule.to);
	unsigned int proto = proto_families(&p->rule);

	if (!(from & to)) {
		hg_parse_fail(p, p->value_column[HG_KEY_TO],
			      "can never match: 'from' is %s, 'to' is %s", family_text(from),
			      family_text(to));
		return hg_parse_hint(p, "one rule for each family");
	}
	if (!(from & to & proto)) {
		hg_parse_fail(p, p->value_column[HG_KEY_PROTO],
			      "can never match: %s belongs to %s, the address is %s",
			      proto == FAMILY4 ? "icmp" : "icmp6", family_text(proto),
			      family_text(from & to));
		return hg_parse_hint(p, "write proto %s", proto == FAMILY4 ? "icmp6" : "icmp");
	}
	*ret = from & to & proto;
	return true;
}

static bool check_land(struct hg_parser *p)
{
	const struct hg_rule_side *from = &p->rule.from, *to = &p->rule.to;

	if (from->kind != HG_SIDE_ADDR || to->kind != HG_SIDE_ADDR ||
	    from->addr.prefix != (from->addr.family == 4 ? 32 : 128) ||
	    memcmp(&from->addr, &to->addr, sizeof(to->addr)))
		return true;
	hg_parse_fail(p, p->value_column[HG_KEY_TO],
		      "can never match: packets from an address to itself never get to the rules");
	return hg_parse_hint(p, "they are always dropped: leave the rule out");
}

/* A single length belongs to the family of the rule; when it may match both, one that
 * IPv4 does not have is of IPv6. */
static bool set_source_length(struct hg_parser *p, unsigned int families)
{
	struct hg_rule_rate *rate = &p->rule.rate;
	bool is_six = families == FAMILY6 || (families != FAMILY4 && p->source_length > 32);

	if (!p->source_length)
		return true;
	if (!is_six && p->source_length > 32)
		return hg_parse_fail(p, p->source_column,
				     "the length of an IPv4 prefix is at most 32");
	*(is_six ? &rate->len6 : &rate->len4) = p->source_length;
	return true;
}

bool hg_parse_finish(struct hg_parser *p)
{
	unsigned int families = 0;
	size_t length;

	if (!check_flags(p) || !read_icmp_type(p) || !check_ports(p) ||
	    !check_families(p, &families) || !check_land(p) || !set_source_length(p, families))
		return false;
	length = hg_rule_print(&p->rule, p->names, NULL, 0);
	if (p->end > HG_RULE_TEXT_MAX || length >= HG_RULE_TEXT_MAX) {
		hg_parse_fail(p, p->end > HG_RULE_TEXT_MAX ? HG_RULE_TEXT_MAX : 1,
			      "the rule is too long: %zu octets, at most %d",
			      p->end > length ? (size_t)p->end - 1 : length, HG_RULE_TEXT_MAX - 1);
		return hg_parse_hint(p, "several addresses are a list; several ports, two rules");
	}
	p->rule.id = hg_rule_id(&p->rule, p->names);
	return true;
}
