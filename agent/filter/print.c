// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A rule as canonical text: options in the order of the grammar, ports by name, defaults
 * left out. Ids of rules are hashes of this text: a change of it costs every user the
 * counters of his rules.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "agent/filter/parse.h"

struct output {
	char *text;
	size_t size, used;
};

__attribute__((format(printf, 2, 3))) static void add(struct output *out, const char *format, ...)
{
	bool has_room = out->used < out->size;
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(has_room ? out->text + out->used : NULL, has_room ? out->size - out->used : 0,
		      format, args);
	va_end(args);
	out->used += n > 0 ? n : 0;
}

/* By name, so that the order of the ports in a file does not change the text. */
static void add_in(struct output *out, const struct hg_rule *rule,
		   const struct hg_rule_names *names)
{
	unsigned int count = names && names->port_count < 32 ? names->port_count : names ? 32 : 0;
	const char *last = NULL, *next;
	unsigned int i;

	for (;;) {
		for (next = NULL, i = 0; i < count; i++)
			if ((rule->in_on >> i & 1) && (!last || strcmp(names->port[i], last) > 0) &&
			    (!next || strcmp(names->port[i], next) < 0))
				next = names->port[i];
		if (!next)
			return;
		add(out, "%s%s", last ? "," : " in on ", next);
		last = next;
	}
}

static void add_proto(struct output *out, const struct hg_rule *rule)
{
	const char *name;
	unsigned int i;

	for (i = 0; i < rule->proto_count && i < HG_RULE_PROTOS_MAX; i++) {
		name = hg_word_proto(rule->proto[i]);
		add(out, "%s", i ? "," : " proto ");
		if (name)
			add(out, "%s", name);
		else
			add(out, "%u", rule->proto[i]);
	}
}

static void add_side(struct output *out, const char *word, const struct hg_rule_side *side)
{
	char text[HG_RULE_IP_TEXT];
	unsigned int i;

	switch (side->kind) {
	case HG_SIDE_ANY:
		if (!side->range_count)
			return;
		add(out, " %s any", word);
		break;
	case HG_SIDE_ADDR:
		add(out, " %s %s", word, hg_rule_ip_text(&side->addr, text));
		break;
	case HG_SIDE_LIST:
		add(out, " %s @%s", word, side->list);
		break;
	case HG_SIDE_VIP:
		add(out, " %s vip", word);
		break;
	}
	for (i = 0; i < side->range_count && i < HG_RULE_RANGES_MAX; i++) {
		add(out, "%s%u", i ? "," : " port ", side->range[i].first);
		if (side->range[i].last != side->range[i].first)
			add(out, "-%u", side->range[i].last);
	}
}

static void add_letters(struct output *out, uint8_t flags)
{
	static const char letters[] = "FSRPAUEW";
	unsigned int i;

	for (i = 0; i < 8; i++)
		if (flags >> i & 1)
			add(out, "%c", letters[i]);
}

static void add_flags(struct output *out, const struct hg_rule *rule)
{
	add(out, " flags ");
	add_letters(out, rule->flags_set);
	add(out, "/");
	add_letters(out, rule->flags_mask);
}

static void add_rate(struct output *out, const struct hg_rule_rate *rate)
{
	add(out, " rate %u/%s", rate->count, rate->period_s == 60 ? "m" : "s");
	if (rate->burst != hg_parse_default_burst(rate))
		add(out, " burst %u", rate->burst);
	if (rate->is_per_source)
		add(out, " per source");
	if (rate->is_per_source && (rate->len4 != 32 || rate->len6 != 64))
		add(out, "/%u,%u", rate->len4, rate->len6);
}

static void add_icmp_type(struct output *out, const struct hg_rule *rule)
{
	const char *name = rule->proto_count ? hg_word_icmp(rule->proto[0], rule->icmp_type) : NULL;

	if (name)
		add(out, " icmp-type %s", name);
	else
		add(out, " icmp-type %u", rule->icmp_type);
}

size_t hg_rule_print(const struct hg_rule *rule, const struct hg_rule_names *names, char *ret,
		     size_t size)
{
	struct output out = { .text = ret, .size = size };

	add(&out, "%s", rule->action == HG_RULE_DROP ? "drop" : "accept");
	add_in(&out, rule, names);
	add_proto(&out, rule);
	add_side(&out, "from", &rule->from);
	add_side(&out, "to", &rule->to);
	if (rule->has_flags)
		add_flags(&out, rule);
	if (rule->has_icmp_type)
		add_icmp_type(&out, rule);
	if (rule->is_fragment)
		add(&out, " fragment");
	if (rule->has_vlan)
		add(&out, " vlan %u", rule->vlan);
	if (rule->rate.count)
		add_rate(&out, &rule->rate);
	if (rule->is_count_only)
		add(&out, " count-only");
	if (rule->label[0])
		add(&out, " label \"%s\"", rule->label);
	return out.used;
}

/* FNV-1a, 64 bits */
static uint64_t hash(uint64_t state, const char *text, size_t length)
{
	size_t i;

	for (i = 0; i < length; i++)
		state = (state ^ (unsigned char)text[i]) * UINT64_C(0x100000001b3);
	return state;
}

uint64_t hg_rule_id(const struct hg_rule *rule, const struct hg_rule_names *names)
{
	const uint64_t start = UINT64_C(0xcbf29ce484222325);
	char text[HG_RULE_TEXT_MAX * 4];
	uint64_t id;

	/* the quote keeps labels and texts apart: no text begins with one */
	if (rule->label[0])
		id = hash(hash(start, "\"", 1), rule->label, strlen(rule->label));
	else
		id = hash(start, text, hg_rule_print(rule, names, text, sizeof(text)));
	return id ? id : 1;
}
