// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The compiler: for each field and each value the row of rules that this value
 * satisfies. A rule that does not name a field is satisfied by every value of it and by
 * its absence; one that names it, by the values it names only, never by absence.
 *
 * Octets ask each rule about each value; ports sweep over the ends of ranges;
 * addresses are in compile_addr.c.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "agent/filter/compile_rows.h"

struct compile {
	const struct hg_ruleset *ruleset;
	const struct hg_compile_context *context;
	struct hg_rows rows;
	struct hg_compiled *ret;
};

typedef bool (*satisfy_fn)(const struct hg_rule *rule, uint32_t value);

static bool has_proto(const struct hg_rule *rule, uint32_t proto)
{
	unsigned int i;

	for (i = 0; i < rule->proto_count; i++)
		if (rule->proto[i] == proto)
			return true;
	return false;
}

static bool is_for_proto(const struct hg_rule *rule, uint32_t proto)
{
	return !rule->proto_count || has_proto(rule, proto);
}

static bool is_proto(const struct hg_rule *rule, uint32_t proto)
{
	return is_for_proto(rule, proto) && !rule->has_flags && !rule->has_icmp_type;
}

static bool is_flags(const struct hg_rule *rule, uint32_t flags)
{
	return is_for_proto(rule, IPPROTO_TCP) && !rule->has_icmp_type &&
	       (!rule->has_flags || (flags & rule->flags_mask) == rule->flags_set);
}

static bool is_icmp4(const struct hg_rule *rule, uint32_t type)
{
	if (!rule->has_icmp_type)
		return is_for_proto(rule, IPPROTO_ICMP) && !rule->has_flags;
	return has_proto(rule, IPPROTO_ICMP) && !rule->has_flags && rule->icmp_type == type;
}

static bool is_icmp6(const struct hg_rule *rule, uint32_t type)
{
	if (!rule->has_icmp_type)
		return is_for_proto(rule, IPPROTO_ICMPV6) && !rule->has_flags;
	return has_proto(rule, IPPROTO_ICMPV6) && !rule->has_flags && rule->icmp_type == type;
}

static bool is_input(const struct compile *c, const struct hg_rule *rule, uint32_t input)
{
	uint32_t slot = input / 2, ports = rule->in_on;
	bool is_here = !ports;

	if (rule->is_fragment && !(input & 1))
		return false;
	for (; ports; ports &= ports - 1)
		is_here |= c->context->slot[__builtin_ctz(ports)] == slot;
	return is_here;
}

/* Values 0 .. 255 of a field, from `start` in the table. */
static int compile_octet(struct compile *c, uint32_t start, satisfy_fn is_satisfied)
{
	struct hg_bits row;
	uint32_t value, i;
	int err = 0;

	for (value = 0; value < 256 && !err; value++) {
		memset(&row, 0, sizeof(row));
		for (i = 0; i < c->ruleset->rule_count; i++)
			if (is_satisfied(&c->ruleset->rule[i], value))
				hg_row_set(&row, i);
		err = hg_rows_intern(&c->rows, &row, &c->ret->table[start + value]);
	}
	return err;
}

/* Rules by the VLAN that they name, as lists. */
struct vlans {
	uint32_t head[HG_VLAN_NONE]; /* rule + 1 */
	uint32_t next[HG_RULES_MAX];
};

/* One input: most rules name no VLAN: start from their row, add for the tags named. */
static int compile_input(struct compile *c, const struct vlans *vlans, uint32_t input)
{
	const struct hg_rule *rule = c->ruleset->rule;
	uint32_t *table = c->ret->table + HG_TABLE_ORIGIN + input * HG_TABLE_VLANS, vlan, i;
	struct hg_bits base = { 0 }, row;
	int err;

	for (i = 0; i < c->ruleset->rule_count; i++)
		if (!rule[i].has_vlan && is_input(c, &rule[i], input))
			hg_row_set(&base, i);
	err = hg_rows_intern(&c->rows, &base, &table[HG_VLAN_NONE]);
	for (vlan = 0; vlan < HG_VLAN_NONE && !err; vlan++) {
		table[vlan] = table[HG_VLAN_NONE];
		if (!vlans->head[vlan])
			continue;
		row = base;
		for (i = vlans->head[vlan]; i; i = vlans->next[i - 1])
			if (is_input(c, &rule[i - 1], input))
				hg_row_set(&row, i - 1);
		err = hg_rows_intern(&c->rows, &row, &table[vlan]);
	}
	return err;
}

static int compile_origin(struct compile *c)
{
	struct vlans *vlans = calloc(1, sizeof(*vlans));
	uint32_t i, *head;
	int err = vlans ? 0 : -ENOMEM;

	for (i = 0; i < c->ruleset->rule_count && !err; i++) {
		if (!c->ruleset->rule[i].has_vlan || c->ruleset->rule[i].vlan >= HG_VLAN_NONE)
			continue;
		head = &vlans->head[c->ruleset->rule[i].vlan];
		vlans->next[i] = *head;
		*head = i + 1;
	}
	for (i = 0; i < HG_INPUTS && !err; i++)
		err = compile_input(c, vlans, i);
	free(vlans);
	return err;
}

/* Where a rule's range begins or is over, as a list per port. */
struct edge {
	uint32_t rule;
	uint32_t next; /* index + 1 */
};
struct sweep {
	struct edge *edge;
	uint32_t count;
	uint32_t begin[65536], over[65536]; /* heads of lists: index + 1 */
};

static void sweep_add(struct sweep *sweep, uint32_t *head, uint32_t rule)
{
	sweep->edge[sweep->count] = (struct edge){ .rule = rule, .next = *head };
	*head = ++sweep->count;
}

static const struct hg_rule_side *side_of(const struct hg_rule *rule, unsigned int side)
{
	return side == HG_SIDE_SRC ? &rule->from : &rule->to;
}

static void sweep_fill(struct sweep *sweep, const struct hg_ruleset *ruleset, unsigned int side,
		       struct hg_bits *ret_any)
{
	const struct hg_rule_side *s;
	uint32_t i, r;

	for (i = 0; i < ruleset->rule_count; i++) {
		s = side_of(&ruleset->rule[i], side);
		if (!s->range_count)
			hg_row_set(ret_any, i);
		for (r = 0; r < s->range_count; r++) {
			sweep_add(sweep, &sweep->begin[s->range[r].first], i);
			if (s->range[r].last < 65535)
				sweep_add(sweep, &sweep->over[s->range[r].last + 1], i);
		}
	}
}

static int compile_ports(struct compile *c, unsigned int side, uint32_t start)
{
	struct sweep *sweep = calloc(1, sizeof(*sweep));
	struct hg_bits row = { 0 };
	uint32_t port, e, class = 0;
	int err = -ENOMEM;

	if (sweep)
		sweep->edge = calloc((size_t)c->ruleset->rule_count * HG_RULE_RANGES_MAX * 2 + 1,
				     sizeof(*sweep->edge));
	if (!sweep || !sweep->edge)
		goto out;
	sweep_fill(sweep, c->ruleset, side, &row);
	err = hg_rows_intern(&c->rows, &row, &class);
	c->ret->table[start + 65536] = class; /* no ports */
	for (port = 0; port < 65536 && !err; port++) {
		for (e = sweep->over[port]; e; e = sweep->edge[e - 1].next)
			hg_row_clear(&row, sweep->edge[e - 1].rule);
		for (e = sweep->begin[port]; e; e = sweep->edge[e - 1].next)
			hg_row_set(&row, sweep->edge[e - 1].rule);
		if (sweep->over[port] || sweep->begin[port])
			err = hg_rows_intern(&c->rows, &row, &class);
		c->ret->table[start + port] = class;
	}
out:
	if (sweep)
		free(sweep->edge);
	free(sweep);
	return err;
}

/* Row 1 is of all rules (HG_CLASS_ALL); without rules it is row 0, and left out. */
static int compile_all(struct compile *c)
{
	struct hg_bits row = { 0 };
	uint32_t i, class;

	for (i = 0; i < c->ruleset->rule_count; i++)
		hg_row_set(&row, i);
	return hg_rows_intern(&c->rows, &row, &class);
}

static int compile_fields(struct compile *c)
{
	int err;

	err = compile_all(c);
	if (!err)
		err = compile_octet(c, HG_TABLE_PROTO, is_proto);
	if (!err)
		err = compile_octet(c, HG_TABLE_DETAIL, is_flags);
	if (!err)
		err = compile_octet(c, HG_TABLE_ICMP4, is_icmp4);
	if (!err)
		err = compile_octet(c, HG_TABLE_ICMP6, is_icmp6);
	if (!err)
		err = compile_origin(c);
	if (!err)
		err = compile_ports(c, HG_SIDE_SRC, HG_TABLE_SPORT);
	if (!err)
		err = compile_ports(c, HG_SIDE_DST, HG_TABLE_DPORT);
	return err;
}

static int compile_addresses(struct compile *c)
{
	struct hg_trie_build build = {
		.ruleset = c->ruleset,
		.context = c->context,
		.rows = &c->rows,
		.ret = c->ret,
	};
	int err;

	err = hg_compile_side(&build, HG_SIDE_SRC, 4, HG_TABLE_SRC4);
	if (!err)
		err = hg_compile_side(&build, HG_SIDE_DST, 4, HG_TABLE_DST4);
	if (!err)
		err = hg_compile_side(&build, HG_SIDE_SRC, 6, HG_TABLE_SRC6);
	if (!err)
		err = hg_compile_side(&build, HG_SIDE_DST, 6, HG_TABLE_DST6);
	return err;
}

static void fill_entry(const struct hg_rule *rule, struct hg_rule_entry *ret)
{
	const struct hg_rule_rate *rate = &rule->rate;

	*ret = (struct hg_rule_entry){ .action = rule->action };
	if (rule->is_count_only)
		ret->flags |= HG_RULE_F_COUNT_ONLY;
	if (!rate->count)
		return;
	ret->flags |= HG_RULE_F_RATE;
	ret->increment_ns = (rate->period_s * 1000000000ull + rate->count / 2) / rate->count;
	ret->limit_ns = (rate->burst ? rate->burst - 1 : 0) * ret->increment_ns;
	if (!rate->is_per_source)
		return;
	ret->flags |= HG_RULE_F_PER_SOURCE;
	ret->source4 = rate->len4;
	ret->source6 = rate->len6;
}

static struct hg_compiled *compiled_new(const struct hg_ruleset *ruleset)
{
	struct hg_compiled *new = calloc(1, sizeof(*new));
	size_t count = ruleset->rule_count ? ruleset->rule_count : 1;
	uint32_t i;

	if (!new)
		return NULL;
	new->table = calloc(HG_TABLE_SIZE, sizeof(*new->table));
	new->rule = calloc(count, sizeof(*new->rule));
	new->id = calloc(count, sizeof(*new->id));
	if (!new->table || !new->rule || !new->id) {
		hg_compile_free(new);
		return NULL;
	}
	new->rule_count = ruleset->rule_count;
	new->is_default_drop = ruleset->is_default_drop;
	for (i = 0; i < ruleset->rule_count; i++) {
		fill_entry(&ruleset->rule[i], &new->rule[i]);
		new->id[i] = ruleset->rule[i].id;
	}
	return new;
}

int hg_compile(const struct hg_ruleset *ruleset, const struct hg_compile_context *context,
	       struct hg_compiled **ret)
{
	struct compile c = { .ruleset = ruleset, .context = context };
	int err;

	if (ruleset->rule_count > HG_RULES_MAX)
		return -E2BIG;
	c.ret = compiled_new(ruleset);
	if (!c.ret)
		return -ENOMEM;
	err = hg_rows_init(&c.rows);
	if (!err)
		err = compile_fields(&c);
	if (!err)
		err = compile_addresses(&c);
	if (err) {
		hg_rows_done(&c.rows);
		hg_compile_free(c.ret);
		return err;
	}
	c.ret->bits = c.rows.row;
	c.ret->class_count = c.rows.count;
	free(c.rows.bucket);
	*ret = c.ret;
	return 0;
}

void hg_compile_free(struct hg_compiled *compiled)
{
	if (!compiled)
		return;
	free(compiled->table);
	free(compiled->bits);
	free(compiled->node);
	free(compiled->rule);
	free(compiled->id);
	free(compiled);
}
