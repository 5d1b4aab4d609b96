// SPDX-License-Identifier: GPL-2.0-or-later
/* What a packet is compared with: ports of the gateway, protocols, addresses, TCP and UDP
 * ports, TCP flags (parse.h). */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "agent/filter/parse.h"

static bool has_comma(struct hg_parser *p)
{
	if (p->token.kind != HG_TOKEN_COMMA)
		return false;
	hg_parse_advance(p);
	return true;
}

static bool add_port_name(struct hg_parser *p)
{
	unsigned int i, count = p->names->port_count < 32 ? p->names->port_count : 32;

	for (i = 0; i < count; i++) {
		if (!hg_parse_is_word(p, p->names->port[i]))
			continue;
		if (p->rule.in_on >> i & 1)
			return hg_parse_fail(p, p->token.column, "port '%s' is listed twice",
					     p->names->port[i]);
		p->rule.in_on |= UINT32_C(1) << i;
		hg_parse_advance(p);
		return true;
	}
	hg_parse_unknown(p, &p->token, "port", p->names->port, count, NULL);
	p->error->is_unknown_port = true;
	if (!p->error->hint[0] && count == 1)
		hg_parse_hint(p, "the only port is '%s'", p->names->port[0]);
	else if (!p->error->hint[0])
		hg_parse_hint(p, "ports are named under 'ports' in cluster.yaml");
	return false;
}

bool hg_parse_in(struct hg_parser *p)
{
	if (!hg_parse_is_word(p, "on")) {
		hg_parse_fail(p, p->token.kind == HG_TOKEN_END ? p->end : p->token.column,
			      "'in' is followed by 'on'");
		return hg_parse_hint(p, "such as in on wan");
	}
	hg_parse_advance(p);
	do {
		if (!hg_parse_want(p, "the name of a port", "such as in on wan") ||
		    !add_port_name(p))
			return false;
	} while (has_comma(p));
	return true;
}

static int compare_octets(const void *a, const void *b)
{
	return *(const uint8_t *)a - *(const uint8_t *)b;
}

static bool read_proto(struct hg_parser *p, uint32_t *ret)
{
	const char *names[HG_WORDS_MAX];
	char shown[HG_TOKEN_SHOWN];
	unsigned int count;
	int number;

	hg_token_show(p->token.text, p->token.length, shown);
	number = hg_word_find_proto(shown);
	if (number >= 0) {
		*ret = number;
		return true;
	}
	if (isdigit((unsigned char)shown[0]))
		return hg_parse_number(p, "a protocol", p->token.text, p->token.length,
				       p->token.column, 0, 255, ret);
	count = hg_word_list_protos(names);
	hg_parse_unknown(p, &p->token, "protocol", names, count,
			 strcmp(shown, "ipv6-icmp") ? NULL : "write icmp6");
	return p->error->hint[0] ? false : hg_parse_hint(p, "a name such as tcp, or a number");
}

bool hg_parse_proto(struct hg_parser *p)
{
	struct hg_rule *rule = &p->rule;
	uint32_t number;

	do {
		if (!hg_parse_want(p, "a protocol", "such as proto tcp,udp") ||
		    !read_proto(p, &number))
			return false;
		if (memchr(rule->proto, number, rule->proto_count))
			return hg_parse_fail(p, p->token.column, "protocol '%.*s' is listed twice",
					     (int)p->token.length, p->token.text);
		if (rule->proto_count == HG_RULE_PROTOS_MAX) {
			hg_parse_fail(p, p->token.column, "more than %d protocols",
				      HG_RULE_PROTOS_MAX);
			return hg_parse_hint(p, "write a second rule");
		}
		rule->proto[rule->proto_count++] = number;
		hg_parse_advance(p);
	} while (has_comma(p));
	qsort(rule->proto, rule->proto_count, 1, compare_octets);
	return true;
}

static bool read_range(struct hg_parser *p, struct hg_port_range *ret)
{
	const char *text = p->token.text, *dash = memchr(text, '-', p->token.length);
	size_t length = dash ? (size_t)(dash - text) : p->token.length;
	char shown[HG_TOKEN_SHOWN];
	const char *hint = hg_word_foreign(HG_WORD_PORT,
					   hg_token_show(text, p->token.length, shown));
	uint32_t first, last;

	if (!hint && memchr(text, ':', p->token.length))
		hint = "a range is written 1024-65535";
	else if (!hint && text[0] == '{')
		hint = "without braces: port 80,443";
	else if (!hint && strchr("<>=!", text[0]))
		hint = "a range says it: port 1024-65535";
	else if (!hint && !isdigit((unsigned char)text[0]))
		hint = "services are not looked up: write the number";
	if (!hg_parse_number(p, "a port", text, length, p->token.column, 0, 65535, &first))
		return hint ? hg_parse_hint(p, "%s", hint) : false;
	last = first;
	if (dash &&
	    !hg_parse_number(p, "the end of a port range", dash + 1, p->token.length - length - 1,
			     p->token.column + length + 1, 0, 65535, &last))
		return hg_parse_hint(p, "a range is written 1024-65535, without blanks");
	if (first > last) {
		hg_parse_fail(p, p->token.column, "the range %u-%u is empty", first, last);
		return hg_parse_hint(p, "write %u-%u", last, first);
	}
	*ret = (struct hg_port_range){ first, last };
	return true;
}

/* Keeps the ranges sorted; they must not overlap. */
static bool add_range(struct hg_parser *p, struct hg_rule_side *side,
		      const struct hg_port_range *range)
{
	unsigned int i;

	for (i = 0; i < side->range_count; i++) {
		if (range->first > side->range[i].last || range->last < side->range[i].first)
			continue;
		if (range->first == range->last)
			return hg_parse_fail(p, p->token.column, "port %u is listed twice",
					     range->first);
		return hg_parse_fail(p, p->token.column, "the range %u-%u overlaps %u-%u",
				     range->first, range->last, side->range[i].first,
				     side->range[i].last);
	}
	if (side->range_count == HG_RULE_RANGES_MAX) {
		hg_parse_fail(p, p->token.column, "more than %d ports or ranges",
			      HG_RULE_RANGES_MAX);
		return hg_parse_hint(p, "write a second rule");
	}
	for (i = side->range_count++; i && side->range[i - 1].first > range->first; i--)
		side->range[i] = side->range[i - 1];
	side->range[i] = *range;
	return true;
}

static bool parse_ports(struct hg_parser *p, struct hg_rule_side *side)
{
	struct hg_port_range range;

	do {
		if (!hg_parse_want(p, "a port number", "such as port 80,443,8000-8099") ||
		    !read_range(p, &range) || !add_range(p, side, &range))
			return false;
		hg_parse_advance(p);
	} while (has_comma(p));
	return true;
}

static bool read_list_name(struct hg_parser *p, struct hg_rule_side *side)
{
	const struct hg_rule_names *names = p->names;
	struct hg_token name = { HG_TOKEN_WORD, p->token.text + 1, p->token.length - 1,
				 p->token.column };
	const char *known[HG_LISTS_MAX];
	unsigned int i;

	for (i = 0; i < name.length; i++)
		if (!name.text[i] ||
		    !strchr("abcdefghijklmnopqrstuvwxyz0123456789_-", name.text[i]))
			break;
	if (!name.length || i < name.length || name.length >= HG_LIST_NAME_MAX) {
		hg_parse_fail(p, name.column, "this is not the name of a list");
		return hg_parse_hint(p, "names are made of a-z, 0-9, '_' and '-', at most %d",
				     HG_LIST_NAME_MAX - 1);
	}
	side->kind = HG_SIDE_LIST;
	memcpy(side->list, name.text, name.length);
	if (!names->list)
		return true;
	for (i = 0; i < names->list_count && i < HG_LISTS_MAX; i++) {
		if (!strcmp(names->list[i].name, side->list))
			return true;
		known[i] = names->list[i].name;
	}
	hg_parse_unknown(p, &name, "list", known, i, NULL);
	return p->error->hint[0] ? false : hg_parse_hint(p, "lists stand under filter.lists");
}

static bool read_address(struct hg_parser *p, struct hg_rule_side *side)
{
	const struct hg_token *token = &p->token;
	char shown[HG_TOKEN_SHOWN];
	const char *hint;

	if (token->text[0] == '@')
		return read_list_name(p, side);
	if (hg_rule_ip_parse(token->text, token->length, &side->addr, p->error)) {
		side->kind = HG_SIDE_ADDR;
		return true;
	}
	p->error->column += token->column - 1;
	hint = hg_word_foreign(HG_WORD_ADDRESS, hg_token_show(token->text, token->length, shown));
	if (!hint && p->names->list && token->length < HG_LIST_NAME_MAX)
		for (unsigned int i = 0; !hint && i < p->names->list_count; i++)
			if (!strcmp(p->names->list[i].name, shown))
				hint = "a list is written with @ before its name";
	return hint ? hg_parse_hint(p, "%s", hint) : false;
}

static bool parse_side(struct hg_parser *p, enum hg_parse_key key, struct hg_rule_side *side)
{
	const char *word = key == HG_KEY_FROM ? "from" : "to";

	if (hg_parse_is_word(p, "port")) {
		side->kind = HG_SIDE_ANY; /* `to port 80` is `to any port 80` */
	} else {
		if (!hg_parse_want(p, "an address", "such as 192.0.2.0/24, @LIST or any"))
			return false;
		if (hg_parse_is_word(p, "vip") && key == HG_KEY_FROM) {
			hg_parse_fail(p, p->token.column, "'vip' stands behind 'to' only");
			return hg_parse_hint(p, "the gateway itself sends from its VIPs");
		}
		if (hg_parse_is_word(p, "vip"))
			side->kind = HG_SIDE_VIP;
		else if (!hg_parse_is_word(p, "any") && !read_address(p, side))
			return false;
		hg_parse_advance(p);
	}
	if (p->token.kind == HG_TOKEN_COMMA) {
		hg_parse_fail(p, p->token.column, "one address behind '%s'", word);
		return hg_parse_hint(p, "several are a list: %s @NAME, and NAME under filter.lists",
				     word);
	}
	if (!hg_parse_is_word(p, "port"))
		return true;
	hg_parse_advance(p);
	p->port_column[key == HG_KEY_TO] = p->token.column;
	return parse_ports(p, side);
}

bool hg_parse_from(struct hg_parser *p)
{
	return parse_side(p, HG_KEY_FROM, &p->rule.from);
}

bool hg_parse_to(struct hg_parser *p)
{
	return parse_side(p, HG_KEY_TO, &p->rule.to);
}

static bool read_flags(struct hg_parser *p, size_t from, size_t to, uint8_t *ret)
{
	static const char letters[] = "FSRPAUEW";
	const char *letter;
	uint8_t bit;
	size_t i;

	for (*ret = 0, i = from; i < to; i++) {
		letter = p->token.text[i] ? strchr(letters, p->token.text[i]) : NULL;
		bit = letter ? 1 << (letter - letters) : 0;
		if (!bit || (*ret & bit)) {
			hg_parse_fail(p, p->token.column + i,
				      bit ? "a flag is given twice" : "this is not a TCP flag");
			return hg_parse_hint(p, "F, S, R, P, A, U, E and W, as in flags S/SA");
		}
		*ret |= bit;
	}
	return true;
}

bool hg_parse_flags(struct hg_parser *p)
{
	struct hg_rule *rule = &p->rule;
	const char *slash;
	size_t at;

	if (!hg_parse_want(p, "a set of TCP flags",
			   "such as flags S/SA: of SYN and ACK only SYN is set"))
		return false;
	slash = memchr(p->token.text, '/', p->token.length);
	if (!slash) {
		hg_parse_fail(p, p->token.column,
			      "'flags' needs the flags to look at behind a '/'");
		return hg_parse_hint(p, "SET/MASK, such as S/SA");
	}
	at = slash - p->token.text;
	if (!read_flags(p, 0, at, &rule->flags_set) ||
	    !read_flags(p, at + 1, p->token.length, &rule->flags_mask))
		return false;
	if (!rule->flags_mask) {
		hg_parse_fail(p, p->token.column + at + 1, "no flags to look at behind the '/'");
		return hg_parse_hint(p, "SET/MASK, such as S/SA");
	}
	if (rule->flags_set & ~rule->flags_mask) {
		hg_parse_fail(p, p->token.column,
			      "can never match: a flag that must be set is not looked at");
		return hg_parse_hint(p, "repeat the flags behind the '/', such as S/SA");
	}
	rule->has_flags = true;
	hg_parse_advance(p);
	return true;
}
