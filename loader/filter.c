// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A new generation of rules, in this order:
 *
 *  1. counter slots for rules that have none (filter_slots.c);
 *  2. new inner maps, filled, at index generation & 1 of the outer maps: nobody reads
 *     there since the last change settled;
 *  3. hg_filter.generation: one word, each packet sees the old or the new value;
 *  4. an update of a map of maps, which returns only after every program that was
 *     running has ended: the old generation is no longer in use, the change settled;
 *  5. the old generation's inner maps are dropped when they are large; else they stay
 *     until they are replaced, as each removal waits as well.
 *
 * Killed before 3, the old rules are in force and the next apply does all again; killed
 * after it, the new ones are, and the next apply begins by waiting (hg_filter.settled).
 * The lock ends with the process.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "filter_slots.h"
#include "internal.h"

#define WAIT_INDEX 2 /* in hg_f_bits, see bpf/filter_maps.h */
#define LARGE (16u << 20) /* octets */

enum part { PART_BITS, PART_TABLE, PART_TRIE, PART_RULE, PARTS };

static const struct {
	const char *outer, *inner;
	__u32 value_size, flags;
} part_is[PARTS] = {
	{ "hg_f_bits", "hg_bits", sizeof(struct hg_bits), BPF_F_INNER_MAP | BPF_F_MMAPABLE },
	{ "hg_f_table", "hg_table", sizeof(struct hg_table_line), BPF_F_MMAPABLE },
	{ "hg_f_trie", "hg_trie", sizeof(struct hg_trie_node), BPF_F_INNER_MAP | BPF_F_MMAPABLE },
	{ "hg_f_rule", "hg_rule", sizeof(struct hg_rule_entry), BPF_F_MMAPABLE },
};

struct apply {
	const char *pin;
	const struct hg_compiled *set;
	struct hg_error *error;
	int outer[PARTS];
	volatile struct hg_filter *filter;
	struct hg_slots *slots;
	__u32 next; /* generation to come; 0: none is needed */
};

static int apply_open(struct apply *a)
{
	int part, err = 0;

	for (part = 0; part < PARTS && !err; part++)
		err = hg_pin_open(a->pin, part_is[part].outer, &a->outer[part], a->error);
	if (!err)
		err = hg_pin_map(a->pin, "hg_filter", sizeof(*a->filter), &a->filter, a->error);
	if (!err)
		err = hg_slots_open(a->pin, &a->slots, a->error);
	return err;
}

static void apply_close(struct apply *a)
{
	int part;

	for (part = 0; part < PARTS; part++)
		if (a->outer[part] >= 0)
			close(a->outer[part]);
	hg_pin_unmap(a->filter, sizeof(*a->filter));
	hg_slots_free(a->slots);
}

/* An inner map of `count` values; `ret_values` (may be NULL) is its memory. */
static int inner_new(struct apply *a, enum part part, __u32 count, void **ret_values)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = part_is[part].flags);
	size_t size = (size_t)count * part_is[part].value_size;
	int fd, err;

	fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, part_is[part].inner, sizeof(__u32),
			    part_is[part].value_size, count, &opts);
	if (fd < 0)
		return hg_loader_fail(a->error, fd, "cannot make a map of %zu octets for rules: %s",
				      size, strerror(-fd));
	if (!ret_values)
		return fd;
	*ret_values = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (*ret_values == MAP_FAILED) {
		err = -errno;
		close(fd);
		return hg_loader_fail(a->error, err, "cannot map rules into memory: %s",
				      strerror(-err));
	}
	return fd;
}

static int outer_set(struct apply *a, enum part part, __u32 index, int fd)
{
	int err = bpf_map_update_elem(a->outer[part], &index, &fd, BPF_ANY);

	if (err)
		hg_loader_fail(a->error, err, "cannot write %s/%s: %s", a->pin, part_is[part].outer,
			       strerror(-err));
	return err;
}

/* Returns after all programs have ended that were running when it was called. */
static int wait_for_programs(struct apply *a)
{
	int fd = inner_new(a, PART_BITS, 1, NULL), err;

	if (fd < 0)
		return fd;
	err = outer_set(a, PART_BITS, WAIT_INDEX, fd);
	close(fd);
	return err;
}

static int settle(struct apply *a)
{
	int err = 0;

	if (a->filter->settled == a->filter->generation)
		return 0;
	err = wait_for_programs(a);
	if (!err)
		a->filter->settled = a->filter->generation;
	return err;
}

static void fill_rules(const struct apply *a, struct hg_rule_entry *rule)
{
	const __u32 *counter = hg_slots_counters(a->slots);
	__u32 i;

	memcpy(rule, a->set->rule, a->set->rule_count * sizeof(*rule));
	for (i = 0; i < a->set->rule_count; i++)
		rule[i].counter = counter[i];
	rule[HG_RULE_DEFAULT].action = a->set->is_default_drop ? HG_RULE_DROP : HG_RULE_ACCEPT;
	rule[HG_RULE_DEFAULT].counter = a->set->rule_count;
}

static void fill_part(const struct apply *a, enum part part, void *values, __u32 count)
{
	size_t size = (size_t)count * part_is[part].value_size;

	switch (part) {
	case PART_BITS:
		memcpy(values, a->set->bits, size);
		break;
	case PART_TABLE:
		memcpy(values, a->set->table, size);
		break;
	case PART_TRIE:
		if (a->set->node_count)
			memcpy(values, a->set->node, size);
		break;
	case PART_RULE:
		fill_rules(a, values);
		break;
	case PARTS:
		break;
	}
}

static int put_part(struct apply *a, enum part part)
{
	const __u32 count[PARTS] = { a->set->class_count, HG_TABLE_LINES,
				     a->set->node_count ? a->set->node_count : 1,
				     HG_RULE_DEFAULT + 1 };
	void *values;
	int fd, err;

	fd = inner_new(a, part, count[part], &values);
	if (fd < 0)
		return fd;
	fill_part(a, part, values, count[part]);
	munmap(values, (size_t)count[part] * part_is[part].value_size);
	err = outer_set(a, part, a->next & 1, fd);
	close(fd);
	return err;
}

/* Frees what no packet reads any more; what fails to go is replaced next time. */
static void drop_parts(struct apply *a, __u32 index)
{
	if (!(a->filter->large & 1u << index))
		return;
	bpf_map_delete_elem(a->outer[PART_BITS], &index);
	bpf_map_delete_elem(a->outer[PART_TRIE], &index);
	a->filter->large &= ~(1u << index);
}

static int put_parts(struct apply *a)
{
	size_t size = a->set->class_count * sizeof(struct hg_bits) +
		      a->set->node_count * sizeof(struct hg_trie_node);
	int part, err = 0;

	for (part = 0; part < PARTS && !err; part++)
		err = put_part(a, part);
	if (!err && size > LARGE)
		a->filter->large |= 1u << (a->next & 1);
	return err;
}

static void choose_generation(struct apply *a)
{
	__u32 before = a->filter->generation;

	if (!a->set->rule_count && !a->set->is_default_drop)
		a->next = 0;
	else
		a->next = (before ? before : a->filter->last) + 1;
}

static int apply_locked(struct apply *a, struct hg_filter_result *ret)
{
	__u32 before, kept = 0;
	int err;

	err = apply_open(a);
	if (err)
		return err;
	before = a->filter->generation;
	choose_generation(a);
	if (!a->next && !before)
		goto out; /* there are no rules, and none are wanted */
	if (a->next)
		err = hg_slots_assign(a->slots, a->set, (struct hg_filter *)a->filter, a->next,
				      &kept, a->error);
	if (!err)
		err = settle(a);
	if (a->next && !err)
		err = put_parts(a);
	if (err)
		return err;
	if (a->next)
		a->filter->last = a->next;
	__atomic_store_n(&a->filter->generation, a->next, __ATOMIC_SEQ_CST);
	if (a->next)
		err = hg_slots_mark(a->slots, a->set, a->next, a->error);
	if (!err)
		err = settle(a);
	if (err)
		return err;
	if (before)
		drop_parts(a, before & 1);
out:
	if (ret)
		*ret = (struct hg_filter_result){ .generation = a->next, .kept = kept };
	return err;
}

int hg_filter_apply(const char *pin, const struct hg_compiled *set,
		    struct hg_filter_result *ret_result, struct hg_error *error)
{
	struct apply a = { .pin = pin, .set = set, .error = error, .outer = { -1, -1, -1, -1 } };
	int err, lock = -1;

	if (set->rule_count > HG_RULES_MAX || !set->class_count)
		return hg_loader_fail(error, -EINVAL, "not a compiled ruleset");
	err = hg_bpffs_enter(pin, false, &lock, error);
	if (err)
		return err;
	err = apply_locked(&a, ret_result);
	apply_close(&a);
	hg_bpffs_leave(lock);
	return err;
}

int hg_filter_read(const char *pin, struct hg_filter *ret, struct hg_error *error)
{
	volatile struct hg_filter *filter;
	int err;

	err = hg_pin_map(pin, "hg_filter", sizeof(*filter), &filter, error);
	if (err)
		return err;
	*ret = *filter;
	hg_pin_unmap(filter, sizeof(*filter));
	return 0;
}
