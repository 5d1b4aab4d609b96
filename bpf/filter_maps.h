/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The maps of the rules (hagate/filter.h says what each holds), and a generation's
 * inner maps as the classifier reads them.
 *
 * Each outer map holds the inner maps of two generations, at generation & 1. Inner maps
 * are memory-mapped for filling, before they are selected. Those whose size depends on
 * the ruleset carry BPF_F_INNER_MAP, which lets it differ; the others have one size, so
 * that lookups in them are inlined. Templates give sizes, not types: BTF leaves out types
 * that only a template names.
 */
#ifndef HG_FILTER_MAPS_H
#define HG_FILTER_MAPS_H

#include <linux/bpf.h>
#include <stdbool.h>

#include <bpf/bpf_helpers.h>

#include "hagate/filter.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct hg_filter);
} hg_filter SEC(".maps");

/* The third place is read by nobody: an update of it waits for all running programs. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 3);
	__type(key, __u32);
	__array(
		values, struct {
			__uint(type, BPF_MAP_TYPE_ARRAY);
			__uint(map_flags, BPF_F_INNER_MAP | BPF_F_MMAPABLE);
			__uint(max_entries, 1);
			__uint(key_size, sizeof(__u32));
			__uint(value_size, sizeof(struct hg_bits));
		});
} hg_f_bits SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 2);
	__type(key, __u32);
	__array(
		values, struct {
			__uint(type, BPF_MAP_TYPE_ARRAY);
			__uint(map_flags, BPF_F_MMAPABLE);
			__uint(max_entries, HG_TABLE_LINES);
			__uint(key_size, sizeof(__u32));
			__uint(value_size, sizeof(struct hg_table_line));
		});
} hg_f_table SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 2);
	__type(key, __u32);
	__array(
		values, struct {
			__uint(type, BPF_MAP_TYPE_ARRAY);
			__uint(map_flags, BPF_F_INNER_MAP | BPF_F_MMAPABLE);
			__uint(max_entries, 1);
			__uint(key_size, sizeof(__u32));
			__uint(value_size, sizeof(struct hg_trie_node));
		});
} hg_f_trie SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 2);
	__type(key, __u32);
	__array(
		values, struct {
			__uint(type, BPF_MAP_TYPE_ARRAY);
			__uint(map_flags, BPF_F_MMAPABLE);
			__uint(max_entries, HG_RULE_DEFAULT + 1);
			__uint(key_size, sizeof(__u32));
			__uint(value_size, sizeof(struct hg_rule_entry));
		});
} hg_f_rule SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, HG_RULE_COUNTERS);
	__type(key, __u32);
	__type(value, struct hg_rule_stat);
} hg_rule_stat SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, HG_RULE_COUNTERS);
	__type(key, __u32);
	__type(value, __u64);
} hg_rule_tat SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__type(key, struct hg_source_key);
	__type(value, __u64);
} hg_source_tat SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, HG_RULE_COUNTERS);
	__type(key, __u64);
	__type(value, struct hg_rule_slot);
} hg_rule_slot SEC(".maps");

static __always_inline const struct hg_filter *hg_filter_find(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&hg_filter, &zero);
}

/* The inner maps of one generation. */
struct hg_sets {
	void *table, *trie, *bits, *rule;
};

/* False when the generation is not there, which user space never lets happen. */
static __always_inline bool hg_sets_find(__u32 generation, struct hg_sets *ret)
{
	__u32 index = generation & 1;

	ret->table = bpf_map_lookup_elem(&hg_f_table, &index);
	ret->trie = bpf_map_lookup_elem(&hg_f_trie, &index);
	ret->bits = bpf_map_lookup_elem(&hg_f_bits, &index);
	ret->rule = bpf_map_lookup_elem(&hg_f_rule, &index);
	return ret->table && ret->trie && ret->bits && ret->rule;
}

static __always_inline __u32 hg_table_at(const struct hg_sets *sets, __u32 index)
{
	__u32 at = index / HG_TABLE_LINE;
	const struct hg_table_line *line = bpf_map_lookup_elem(sets->table, &at);

	return line ? line->entry[index % HG_TABLE_LINE] : 0;
}

static __always_inline const struct hg_trie_node *hg_node_at(const void *trie, __u32 index)
{
	return bpf_map_lookup_elem((void *)trie, &index);
}

static __always_inline const struct hg_bits *hg_bits_at(const struct hg_sets *sets, __u32 class)
{
	return bpf_map_lookup_elem(sets->bits, &class);
}

static __always_inline const struct hg_rule_entry *hg_rule_at(const struct hg_sets *sets,
							      __u32 index)
{
	return bpf_map_lookup_elem(sets->rule, &index);
}

#endif
