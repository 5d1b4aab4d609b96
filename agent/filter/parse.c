// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * One line -> one rule. Options may come in any order, each once; the printer has one
 * order. The first mistake ends the rule: later ones are mostly its consequences.
 */
#include "agent/filter/parse.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "agent/config_utf8.h"
#include "agent/config_value.h"

#define RATE_MAX 10000000 /* a second: 100 ns, so that rounding to 1 ns stays below 1 % */
#define BURST_MAX 1000000

static bool parse_icmp_type(struct hg_parser *p);
static bool parse_fragment(struct hg_parser *p);
static bool parse_vlan(struct hg_parser *p);
static bool parse_rate(struct hg_parser *p);
static bool parse_count_only(struct hg_parser *p);
static bool parse_label(struct hg_parser *p);

static const struct {
	const char *name;
	bool (*parse)(struct hg_parser *p);
} keys[HG_KEY_COUNT] = {
	[HG_KEY_IN] = { "in", hg_parse_in },
	[HG_KEY_PROTO] = { "proto", hg_parse_proto },
	[HG_KEY_FROM] = { "from", hg_parse_from },
	[HG_KEY_TO] = { "to", hg_parse_to },
	[HG_KEY_FLAGS] = { "flags", hg_parse_flags },
	[HG_KEY_ICMP_TYPE] = { "icmp-type", parse_icmp_type },
	[HG_KEY_FRAGMENT] = { "fragment", parse_fragment },
	[HG_KEY_VLAN] = { "vlan", parse_vlan },
	[HG_KEY_RATE] = { "rate", parse_rate },
	[HG_KEY_COUNT_ONLY] = { "count-only", parse_count_only },
	[HG_KEY_LABEL] = { "label", parse_label },
};

bool hg_parse_fail(struct hg_parser *p, unsigned int column, const char *format, ...)
{
	va_list args;

	*p->error = (struct hg_rule_error){ .column = column };
	va_start(args, format);
	vsnprintf(p->error->text, sizeof(p->error->text), format, args);
	va_end(args);
	return false;
}

bool hg_parse_hint(struct hg_parser *p, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(p->error->hint, sizeof(p->error->hint), format, args);
	va_end(args);
	return false;
}

void hg_parse_advance(struct hg_parser *p)
{
	p->end = p->at + 1;
	hg_token_next(p->line, p->length, &p->at, &p->token);
}

bool hg_parse_is_word(const struct hg_parser *p, const char *word)
{
	return p->token.kind == HG_TOKEN_WORD && p->token.length == strlen(word) &&
	       !memcmp(p->token.text, word, p->token.length);
}

bool hg_parse_want(struct hg_parser *p, const char *what, const char *example)
{
	switch (p->token.kind) {
	case HG_TOKEN_WORD:
		return true;
	case HG_TOKEN_END:
		hg_parse_fail(p, p->end, "the rule ends where %s is expected", what);
		break;
	case HG_TOKEN_COMMA:
		hg_parse_fail(p, p->token.column, "a comma where %s is expected", what);
		break;
	case HG_TOKEN_STRING:
	case HG_TOKEN_OPEN_STRING:
		hg_parse_fail(p, p->token.column, "a quoted text where %s is expected", what);
		break;
	}
	return hg_parse_hint(p, "%s", example);
}

bool hg_parse_number(struct hg_parser *p, const char *what, const char *text, size_t length,
		     unsigned int column, uint32_t min, uint32_t max, uint32_t *ret)
{
	char shown[HG_TOKEN_SHOWN];
	uint64_t value = 0;
	size_t i;

	for (i = 0; i < length && i < 10 && isdigit((unsigned char)text[i]); i++)
		value = value * 10 + (text[i] - '0');
	if (length && i == length && value >= min && value <= max &&
	    !(text[0] == '0' && length > 1)) {
		*ret = value;
		return true;
	}
	return hg_parse_fail(p, column, "%s must be a number from %u to %u, not '%s'", what, min,
			     max, hg_token_show(text, length, shown));
}

bool hg_parse_unknown(struct hg_parser *p, const struct hg_token *token, const char *what,
		      const char *const *names, unsigned int count, const char *hint)
{
	char shown[HG_TOKEN_SHOWN], lower[HG_TOKEN_SHOWN];
	const char *nearest;
	unsigned int i;

	hg_token_show(token->text, token->length, shown);
	for (i = 0; shown[i]; i++)
		lower[i] = tolower((unsigned char)shown[i]);
	lower[i] = '\0';
	hg_parse_fail(p, token->column, "unknown %s '%s'", what, shown);
	nearest = hg_value_nearest(lower, names, count);
	if (!hint && nearest)
		return hg_parse_hint(p, "did you mean '%s'?", nearest);
	return hint ? hg_parse_hint(p, "%s", hint) : false;
}

static bool parse_icmp_type(struct hg_parser *p)
{
	if (!hg_parse_want(p, "an ICMP type", "such as proto icmp icmp-type echo-request"))
		return false;
	p->icmp_type = p->token;
	p->rule.has_icmp_type = true;
	hg_parse_advance(p);
	return true;
}

static bool parse_fragment(struct hg_parser *p)
{
	p->rule.is_fragment = true;
	return true;
}

static bool parse_vlan(struct hg_parser *p)
{
	uint32_t id;

	if (!hg_parse_want(p, "a VLAN id", "a number from 0 to 4094: vlan 100"))
		return false;
	if (!hg_parse_number(p, "a VLAN id", p->token.text, p->token.length, p->token.column, 0,
			     4094, &id))
		return false;
	p->rule.vlan = id;
	p->rule.has_vlan = true;
	hg_parse_advance(p);
	return true;
}

uint32_t hg_parse_default_burst(const struct hg_rule_rate *rate)
{
	uint32_t burst = rate->period_s ? rate->count / rate->period_s / 10 : 0;

	return burst ? burst : 1;
}

static bool parse_burst(struct hg_parser *p)
{
	if (p->rule.rate.burst)
		return hg_parse_fail(p, p->token.column, "'burst' is given twice");
	hg_parse_advance(p);
	if (!hg_parse_want(p, "a number of packets", "such as rate 10/s burst 20"))
		return false;
	if (!hg_parse_number(p, "burst", p->token.text, p->token.length, p->token.column, 1,
			     BURST_MAX, &p->rule.rate.burst))
		return hg_parse_hint(p, "packets that may come at once");
	hg_parse_advance(p);
	return true;
}

/* "source", "source/LEN" or "source/LEN,LEN": IPv4, IPv6. A single length is given a
 * family in parse_check.c. */
static bool parse_source(struct hg_parser *p)
{
	struct hg_rule_rate *rate = &p->rule.rate;
	const char *text = p->token.text;
	uint32_t first, second;

	if (p->token.length < 6 || memcmp(text, "source", 6) ||
	    (p->token.length > 6 && text[6] != '/')) {
		hg_parse_fail(p, p->token.column, "'per' is followed by 'source'");
		return hg_parse_hint(p, "such as rate 10/s per source/24");
	}
	*rate = (struct hg_rule_rate){ rate->count, rate->period_s, rate->burst, true, 32, 64 };
	if (p->token.length == 6) {
		hg_parse_advance(p);
		return true;
	}
	p->source_column = p->token.column + 7;
	if (!hg_parse_number(p, "the length of a source prefix", text + 7, p->token.length - 7,
			     p->source_column, 1, 128, &first))
		return false;
	hg_parse_advance(p);
	if (p->token.kind != HG_TOKEN_COMMA) {
		p->source_length = first;
		return true;
	}
	if (first > 32)
		return hg_parse_fail(p, p->source_column,
				     "of two lengths the first is that of IPv4, at most 32");
	hg_parse_advance(p);
	if (!hg_parse_want(p, "the length of an IPv6 prefix", "such as per source/24,56") ||
	    !hg_parse_number(p, "the length of a source prefix", p->token.text, p->token.length,
			     p->token.column, 1, 128, &second))
		return false;
	rate->len4 = first;
	rate->len6 = second;
	hg_parse_advance(p);
	return true;
}

static bool fail_rate(struct hg_parser *p)
{
	char shown[HG_TOKEN_SHOWN];

	hg_parse_fail(p, p->token.column, "'%s' is not a rate",
		      hg_token_show(p->token.text, p->token.length, shown));
	return hg_parse_hint(p, "packets a second or a minute: rate 10/s, rate 100/m");
}

static bool parse_rate(struct hg_parser *p)
{
	struct hg_rule_rate *rate = &p->rule.rate;
	const char *slash;
	size_t digits;

	if (!hg_parse_want(p, "a rate", "packets a second or a minute: rate 10/s, rate 100/m"))
		return false;
	slash = memchr(p->token.text, '/', p->token.length);
	digits = slash ? (size_t)(slash - p->token.text) : 0;
	if (!slash || p->token.length != digits + 2 || (slash[1] != 's' && slash[1] != 'm'))
		return fail_rate(p);
	rate->period_s = slash[1] == 's' ? 1 : 60;
	if (!hg_parse_number(p, "a rate", p->token.text, digits, p->token.column, 1,
			     RATE_MAX * rate->period_s, &rate->count))
		return hg_parse_hint(p, "to let nothing through, drop without a rate");
	hg_parse_advance(p);
	for (;;) {
		if (hg_parse_is_word(p, "burst")) {
			if (!parse_burst(p))
				return false;
		} else if (hg_parse_is_word(p, "per")) {
			if (rate->is_per_source)
				return hg_parse_fail(p, p->token.column, "'per' is given twice");
			hg_parse_advance(p);
			if (!hg_parse_want(p, "'source'", "such as rate 10/s per source/24") ||
			    !parse_source(p))
				return false;
		} else {
			break;
		}
	}
	if (!rate->burst)
		rate->burst = hg_parse_default_burst(rate);
	return true;
}

static bool parse_count_only(struct hg_parser *p)
{
	p->rule.is_count_only = true;
	return true;
}

static bool parse_label(struct hg_parser *p)
{
	const struct hg_token *token = &p->token;
	unsigned int n;
	uint32_t c;
	size_t i;

	if (token->kind == HG_TOKEN_OPEN_STRING) {
		hg_parse_fail(p, token->column, "the closing quote of the label is missing");
		return hg_parse_hint(p, "a label is text between double quotes");
	}
	if (token->kind != HG_TOKEN_STRING) {
		hg_parse_fail(p, token->kind == HG_TOKEN_END ? p->end : token->column,
			      "a label is text between double quotes");
		return hg_parse_hint(p, "such as label \"block telnet\"");
	}
	if (!token->length)
		return hg_parse_fail(p, token->column, "the label is empty");
	if (token->length >= HG_RULE_LABEL_MAX) {
		hg_parse_fail(p, token->column, "the label is too long");
		return hg_parse_hint(p, "at most %d octets, here are %zu", HG_RULE_LABEL_MAX - 1,
				     token->length);
	}
	for (i = 0; i < token->length; i += n) {
		n = hg_utf8_decode(token->text + i, token->length - i, &c);
		if (!n || !hg_utf8_is_visible(c))
			return hg_parse_fail(p, token->column + 1 + i,
					     "the label holds an invisible character");
	}
	memcpy(p->rule.label, token->text, token->length);
	hg_parse_advance(p);
	return true;
}

static bool parse_action(struct hg_parser *p)
{
	static const char *const names[] = { "accept", "drop" };
	char shown[HG_TOKEN_SHOWN];

	if (p->token.kind == HG_TOKEN_END) {
		hg_parse_fail(p, p->token.column, "there is no rule");
		return hg_parse_hint(p, "a rule begins with accept or drop");
	}
	if (!hg_parse_want(p, "an action", "a rule begins with accept or drop"))
		return false;
	if (hg_parse_is_word(p, "drop"))
		p->rule.action = HG_RULE_DROP;
	else if (hg_parse_is_word(p, "accept"))
		p->rule.action = HG_RULE_ACCEPT;
	else
		return hg_parse_unknown(
			p, &p->token, "action", names, 2,
			hg_word_foreign(HG_WORD_ACTION,
					hg_token_show(p->token.text, p->token.length, shown)));
	hg_parse_advance(p);
	return true;
}

static bool parse_option(struct hg_parser *p)
{
	char shown[HG_TOKEN_SHOWN];
	const char *names[HG_KEY_COUNT];
	unsigned int i;

	if (!hg_parse_want(p, "an option", "such as from, to, proto, in on, rate, label"))
		return false;
	for (i = 0; i < HG_KEY_COUNT; i++) {
		names[i] = keys[i].name;
		if (!hg_parse_is_word(p, keys[i].name))
			continue;
		if (p->key_column[i])
			return hg_parse_fail(p, p->token.column,
					     "'%s' is given twice, first in column %u",
					     keys[i].name, p->key_column[i]);
		p->key_column[i] = p->token.column;
		hg_parse_advance(p);
		p->value_column[i] = p->token.column;
		return keys[i].parse(p);
	}
	return hg_parse_unknown(
		p, &p->token, "option", names, HG_KEY_COUNT,
		hg_word_foreign(HG_WORD_OPTION,
				hg_token_show(p->token.text, p->token.length, shown)));
}

int hg_rule_parse(const char *text, size_t length, const struct hg_rule_names *names,
		  struct hg_rule *ret, struct hg_rule_error *ret_error)
{
	static const struct hg_rule_names none;
	struct hg_parser p = {
		.line = text, .length = length, .names = names ? names : &none, .error = ret_error
	};

	hg_parse_advance(&p);
	p.end = 1;
	if (!parse_action(&p))
		return -EINVAL;
	while (p.token.kind != HG_TOKEN_END)
		if (!parse_option(&p))
			return -EINVAL;
	if (!hg_parse_finish(&p))
		return -EINVAL;
	*ret = p.rule;
	return 0;
}
