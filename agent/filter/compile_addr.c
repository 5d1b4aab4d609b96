// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Addresses of one side and family. All prefixes of rules, lists and VIPs are sorted; a
 * sweep gives each the row of its parent plus the rules that name it; then the sorted
 * prefixes are folded into a root by 16 bits and nodes of four bits (hagate/filter.h).
 *
 * A list's rules are one row of their own, so the work is per prefix, not per prefix and
 * rule. Prefixes that add nothing to their parent are dropped.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/filter/compile_rows.h"

/* Who named a prefix: a rule, or by a list or `vip` all rules of a group. */
#define GROUP_VIP HG_LISTS_MAX
#define GROUPS (HG_LISTS_MAX + 1)

struct item {
	uint64_t hi, lo; /* left aligned, host order */
	uint32_t origin; /* rule, or HG_RULES_MAX + group; after the sweep the class */
	uint8_t length;
};

struct side {
	struct hg_trie_build *build;
	uint8_t family;
	struct item *item;
	size_t count, capacity;
	struct hg_bits any; /* rules that take every address */
	struct hg_bits *group; /* [GROUPS] */
	uint8_t is_used[GROUPS];
};

static int add_item(struct side *s, const struct hg_ip *ip, uint8_t length, uint32_t origin)
{
	size_t capacity = s->capacity ? s->capacity * 2 : 1024;
	uint64_t word[2] = { 0, 0 };
	struct item *item;
	unsigned int i;

	if (ip->family != s->family)
		return 0;
	if (s->count == s->capacity) {
		item = realloc(s->item, capacity * sizeof(*item));
		if (!item)
			return -ENOMEM;
		s->item = item;
		s->capacity = capacity;
	}
	for (i = 0; i < (s->family == 4 ? 4u : 16u); i++)
		word[i / 8] |= (uint64_t)ip->addr[i] << (56 - i % 8 * 8);
	if (length <= 64) {
		word[0] &= length ? ~0ull << (64 - length) : 0;
		word[1] = 0;
	} else if (length < 128) {
		word[1] &= ~0ull << (128 - length);
	}
	s->item[s->count++] = (struct item){ word[0], word[1], origin, length };
	return 0;
}

static int find_list(const struct hg_ruleset *ruleset, const char *name)
{
	unsigned int i;

	for (i = 0; i < ruleset->list_count; i++)
		if (!strcmp(ruleset->list[i].name, name))
			return i;
	return -ENOENT;
}

static int add_rule(struct side *s, const struct hg_rule_side *from, uint32_t rule)
{
	int list;

	switch (from->kind) {
	case HG_SIDE_ANY:
		hg_row_set(&s->any, rule);
		return 0;
	case HG_SIDE_ADDR:
		return add_item(s, &from->addr, from->addr.prefix, rule);
	case HG_SIDE_LIST:
		list = find_list(s->build->ruleset, from->list);
		if (list < 0)
			return list;
		hg_row_set(&s->group[list], rule);
		s->is_used[list] = true;
		return 0;
	case HG_SIDE_VIP:
		hg_row_set(&s->group[GROUP_VIP], rule);
		s->is_used[GROUP_VIP] = true;
		return 0;
	}
	return -EINVAL;
}

static int add_list(struct side *s, const struct hg_list *list, uint32_t origin)
{
	size_t i;
	int err = 0;

	for (i = 0; i < list->count && !err; i++)
		err = add_item(s, &list->entry[i], list->entry[i].prefix, origin);
	return err;
}

static int collect(struct side *s, unsigned int side)
{
	const struct hg_ruleset *ruleset = s->build->ruleset;
	const struct hg_compile_context *context = s->build->context;
	unsigned int i;
	size_t v;
	int err = 0;

	for (i = 0; i < ruleset->rule_count && !err; i++)
		err = add_rule(
			s, side == HG_SIDE_SRC ? &ruleset->rule[i].from : &ruleset->rule[i].to, i);
	for (i = 0; i < ruleset->list_count && !err; i++)
		if (s->is_used[i])
			err = add_list(s, &ruleset->list[i], HG_RULES_MAX + i);
	for (v = 0; v < context->vip_count && !err && s->is_used[GROUP_VIP]; v++)
		err = add_item(s, &context->vip[v], s->family == 4 ? 32 : 128,
			       HG_RULES_MAX + GROUP_VIP);
	return err;
}

/* By address, shorter first: a prefix stands behind all that contain it. */
static int compare_items(const void *left, const void *right)
{
	const struct item *a = left, *b = right;

	if (a->hi != b->hi)
		return a->hi < b->hi ? -1 : 1;
	if (a->lo != b->lo)
		return a->lo < b->lo ? -1 : 1;
	if (a->length != b->length)
		return a->length < b->length ? -1 : 1;
	return a->origin < b->origin ? -1 : a->origin > b->origin;
}

/* Do the first `length` bits agree? */
static bool is_within(const struct item *a, const struct item *b, unsigned int length)
{
	if (!length)
		return true;
	if (length <= 64)
		return !((a->hi ^ b->hi) >> (64 - length));
	return a->hi == b->hi && !((a->lo ^ b->lo) >> (128 - length));
}

static void add_origin(const struct side *s, struct hg_bits *row, uint32_t origin)
{
	if (origin < HG_RULES_MAX)
		hg_row_set(row, origin);
	else
		hg_row_add(row, &s->group[origin - HG_RULES_MAX]);
}

/* Classes for the sorted items, equal prefixes made one. The items' own array takes the
 * result: it is never longer than what was read. */
static int sweep(struct side *s, uint32_t any)
{
	struct hg_rows *rows = s->build->rows;
	size_t parent[129], depth = 0, from, to, kept = 0;
	struct hg_bits row;
	struct item item;
	uint32_t above;
	int err;

	for (from = 0; from < s->count; from = to) {
		item = s->item[from];
		while (depth && !is_within(&s->item[parent[depth - 1]], &item,
					   s->item[parent[depth - 1]].length))
			depth--;
		above = depth ? s->item[parent[depth - 1]].origin : any;
		row = rows->row[above];
		for (to = from; to < s->count && s->item[to].length == item.length &&
				s->item[to].hi == item.hi && s->item[to].lo == item.lo;
		     to++)
			add_origin(s, &row, s->item[to].origin);
		err = hg_rows_intern(rows, &row, &item.origin);
		if (err)
			return err;
		if (item.origin == above)
			continue;
		s->item[kept] = item;
		parent[depth++] = kept++;
	}
	s->count = kept;
	return 0;
}

static unsigned int nibble(const struct item *item, unsigned int at)
{
	return (at < 64 ? item->hi >> (60 - at) : item->lo >> (124 - at)) & 15;
}

/* 64 bits from bit `at`. */
static uint64_t bits_at(const struct item *item, unsigned int at)
{
	if (at >= 64)
		return item->lo << (at - 64);
	return at ? item->hi << at | item->lo >> (64 - at) : item->hi;
}

static int node_new(struct hg_trie_build *build, uint32_t *ret)
{
	uint32_t capacity = build->node_capacity ? build->node_capacity * 2 : 256;
	struct hg_trie_node *node;

	if (build->ret->node_count == build->node_capacity) {
		node = realloc(build->ret->node, (size_t)capacity * sizeof(*node));
		if (!node)
			return -ENOMEM;
		build->ret->node = node;
		build->node_capacity = capacity;
	}
	*ret = build->ret->node_count++;
	memset(&build->ret->node[*ret], 0, sizeof(build->ret->node[*ret]));
	return 0;
}

/* How many bits from `at` on all items share before any of them ends or differs. */
static unsigned int common_bits(const struct item *item, size_t count, unsigned int at)
{
	uint64_t differ = bits_at(&item[0], at) ^ bits_at(&item[count - 1], at);
	unsigned int common = differ ? __builtin_clzll(differ) : 64;
	size_t i;

	for (i = 0; i < count; i++)
		if (common > item[i].length - at - 1u)
			common = item[i].length - at - 1u;
	if (common > HG_TRIE_SKIP_MAX)
		common = HG_TRIE_SKIP_MAX;
	return common / 4 * 4;
}

/* The entry for sorted items that are all longer than `at` and agree up to it. */
static int fold(struct hg_trie_build *build, const struct item *item, size_t count, unsigned int at,
		uint32_t class, uint32_t *ret)
{
	unsigned int skip, value, width;
	uint32_t index, entry[16];
	size_t i, end;
	int err;

	*ret = class;
	if (!count)
		return 0;
	err = node_new(build, &index);
	if (err)
		return err;
	skip = common_bits(item, count, at);
	build->ret->node[index].match = skip ? bits_at(item, at) >> (64 - skip) << (64 - skip) : 0;
	build->ret->node[index].skip = skip;
	build->ret->node[index].miss = class;
	at += skip;
	for (value = 0; value < 16; value++)
		entry[value] = class;
	for (i = 0, value = 0; value < 16 && !err; value++) {
		for (; i < count && nibble(&item[i], at) == value && item[i].length <= at + 4; i++)
			for (width = 0; width < 16u >> (item[i].length - at); width++)
				entry[value + width] = item[i].origin;
		for (end = i; end < count && nibble(&item[end], at) == value;)
			end++;
		err = fold(build, item + i, end - i, at + 4, entry[value], &entry[value]);
		i = end;
	}
	memcpy(build->ret->node[index].entry, entry, sizeof(entry));
	*ret = index | HG_TRIE_NODE;
	return err;
}

static int fill_root(struct side *s, uint32_t root, uint32_t any)
{
	uint32_t *table = s->build->ret->table + root, value, i;
	size_t from, to;
	int err = 0;

	for (i = 0; i < HG_TABLE_ROOT; i++)
		table[i] = any;
	for (from = 0; from < s->count && !err; from = to) {
		value = s->item[from].hi >> 48;
		to = from + 1;
		if (s->item[from].length <= 16) {
			for (i = 0; i < 1u << (16 - s->item[from].length); i++)
				table[value + i] = s->item[from].origin;
			continue;
		}
		while (to < s->count && s->item[to].hi >> 48 == value)
			to++;
		err = fold(s->build, s->item + from, to - from, 16, table[value], &table[value]);
	}
	return err;
}

int hg_compile_side(struct hg_trie_build *build, unsigned int side, uint8_t family, uint32_t root)
{
	struct side *s = calloc(1, sizeof(*s));
	uint32_t any = 0;
	int err = -ENOMEM;

	if (s)
		s->group = calloc(GROUPS, sizeof(*s->group));
	if (!s || !s->group)
		goto out;
	s->build = build;
	s->family = family;
	err = collect(s, side);
	if (err)
		goto out;
	if (s->count)
		qsort(s->item, s->count, sizeof(*s->item), compare_items);
	err = hg_rows_intern(build->rows, &s->any, &any);
	if (!err)
		err = sweep(s, any);
	if (!err)
		err = fill_root(s, root, any);
out:
	if (s) {
		free(s->item);
		free(s->group);
	}
	free(s);
	return err;
}
