// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Counter slots. A rule that vanished keeps its slot, and its counters with it, until
 * the slot is needed. Slots whose rules are in force, or may still be in use by running
 * programs, are never given away: there are twice as many slots as rules.
 *
 * An entry's generation is that which last had the rule. New entries carry the coming
 * generation before it is selected; when that never happened (killed), the next change
 * finds them with a generation that does not exist yet and removes them.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "filter_slots.h"
#include "internal.h"

#define BUCKETS 65536 /* more than entries, a power of two */
#define CHUNK 1024

struct hg_slots {
	int slot_fd, stat_fd, tat_fd;
	__u32 count; /* of what was read, then of all */
	__u64 id[HG_RULE_COUNTERS];
	struct hg_rule_slot slot[HG_RULE_COUNTERS];
	bool is_wanted[HG_RULE_COUNTERS];
	bool is_taken[HG_RULE_COUNTERS]; /* by counter */
	__u32 bucket[BUCKETS]; /* index + 1 */
	__u32 counter[HG_RULES_MAX];
	__u32 next_free, next_evicted;
};

static __u32 *find(struct hg_slots *s, __u64 id)
{
	__u32 at = (id * 0x9e3779b97f4a7c15ull) >> 48;

	while (s->bucket[at % BUCKETS] && s->id[s->bucket[at % BUCKETS] - 1] != id)
		at++;
	return &s->bucket[at % BUCKETS];
}

static int read_entries(struct hg_slots *s)
{
	LIBBPF_OPTS(bpf_map_batch_opts, opts);
	__u64 position = 0;
	__u32 count, i;
	int err = 0;

	while (!err && s->count < HG_RULE_COUNTERS) {
		count = HG_RULE_COUNTERS - s->count;
		err = bpf_map_lookup_batch(s->slot_fd, s->count ? &position : NULL, &position,
					   s->id + s->count, s->slot + s->count, &count, &opts);
		if (err && err != -ENOENT)
			return err;
		s->count += count;
	}
	for (i = 0; i < s->count; i++) {
		if (s->slot[i].counter >= HG_RULE_COUNTERS)
			return -EUCLEAN;
		*find(s, s->id[i]) = i + 1;
		s->is_taken[s->slot[i].counter] = true;
	}
	return 0;
}

int hg_slots_open(const char *pin, struct hg_slots **ret, struct hg_error *error)
{
	struct hg_slots *s = calloc(1, sizeof(*s));
	int err;

	if (!s)
		return hg_loader_fail(error, -ENOMEM, "no memory");
	s->slot_fd = s->stat_fd = s->tat_fd = -1;
	err = hg_pin_open(pin, "hg_rule_slot", &s->slot_fd, error);
	if (!err)
		err = hg_pin_open(pin, "hg_rule_stat", &s->stat_fd, error);
	if (!err)
		err = hg_pin_open(pin, "hg_rule_tat", &s->tat_fd, error);
	if (err) {
		hg_slots_free(s);
		return err;
	}
	*ret = s;
	return 0;
}

static void close_fd(int fd)
{
	if (fd >= 0)
		close(fd);
}

void hg_slots_free(struct hg_slots *s)
{
	if (!s)
		return;
	close_fd(s->slot_fd);
	close_fd(s->stat_fd);
	close_fd(s->tat_fd);
	free(s);
}

const __u32 *hg_slots_counters(const struct hg_slots *s)
{
	return s->counter;
}

/* Entries of a generation that never came: made by a change that was killed. */
static int remove_unborn(struct hg_slots *s, const struct hg_filter *now, __u32 next)
{
	__u32 i, kept = 0;
	int err = 0;

	for (i = 0; i < s->count && !err; i++) {
		if (s->slot[i].generation == next && next != now->generation) {
			err = bpf_map_delete_elem(s->slot_fd, &s->id[i]);
			continue;
		}
		s->id[kept] = s->id[i];
		s->slot[kept++] = s->slot[i];
	}
	s->count = kept;
	memset(s->bucket, 0, sizeof(s->bucket));
	memset(s->is_taken, 0, sizeof(s->is_taken));
	for (i = 0; i < kept; i++) {
		*find(s, s->id[i]) = i + 1;
		s->is_taken[s->slot[i].counter] = true;
	}
	return err;
}

/* The place in the arrays of an entry that may go, or -ENOSPC. */
static int find_evictable(struct hg_slots *s, const struct hg_filter *now)
{
	for (; s->next_evicted < s->count; s->next_evicted++) {
		if (s->is_wanted[s->next_evicted] ||
		    s->slot[s->next_evicted].generation == now->generation ||
		    s->slot[s->next_evicted].generation == now->settled)
			continue;
		return s->next_evicted++;
	}
	return -ENOSPC;
}

static int take_counter(struct hg_slots *s, const struct hg_filter *now, __u32 *ret)
{
	int place, err;

	while (s->next_free < HG_RULE_COUNTERS && s->is_taken[s->next_free])
		s->next_free++;
	if (s->next_free < HG_RULE_COUNTERS) {
		*ret = s->next_free++;
		return 0;
	}
	place = find_evictable(s, now);
	if (place < 0)
		return place;
	err = bpf_map_delete_elem(s->slot_fd, &s->id[place]);
	*ret = s->slot[place].counter;
	return err;
}

/* Counters of the slots given out anew. */
static int clear_counters(struct hg_slots *s, const __u32 *counter, __u32 count)
{
	LIBBPF_OPTS(bpf_map_batch_opts, opts);
	int cpus = libbpf_num_possible_cpus(), err = 0;
	__u32 from, now;
	void *zero;

	if (cpus <= 0)
		return -EINVAL;
	zero = calloc(CHUNK, cpus * sizeof(struct hg_rule_stat));
	if (!zero)
		return -ENOMEM;
	for (from = 0; from < count && !err; from += CHUNK) {
		now = count - from < CHUNK ? count - from : CHUNK;
		err = bpf_map_update_batch(s->stat_fd, counter + from, zero, &now, &opts);
		if (!err)
			err = bpf_map_update_batch(s->tat_fd, counter + from, zero, &now, &opts);
	}
	free(zero);
	return err;
}

/* Rules without an entry are added behind those that were read, in these arrays only. */
static int assign_all(struct hg_slots *s, const struct hg_compiled *set,
		      const struct hg_filter *now, struct hg_slots *added)
{
	__u32 i, *bucket, counter;
	int err;

	for (i = 0; i < set->rule_count; i++) {
		bucket = find(s, set->id[i]);
		if (*bucket)
			s->is_wanted[*bucket - 1] = true;
	}
	for (i = 0; i < set->rule_count; i++) {
		bucket = find(s, set->id[i]);
		if (*bucket) {
			s->counter[i] = s->slot[*bucket - 1].counter;
			continue;
		}
		bucket = find(added, set->id[i]);
		if (!*bucket) {
			err = take_counter(s, now, &counter);
			if (err)
				return err;
			added->id[added->count] = set->id[i];
			added->counter[added->count] = counter;
			added->slot[added->count].counter = counter;
			*bucket = ++added->count;
		}
		s->counter[i] = added->slot[*bucket - 1].counter;
	}
	return 0;
}

static int write_added(struct hg_slots *s, struct hg_slots *added, __u32 next)
{
	LIBBPF_OPTS(bpf_map_batch_opts, opts);
	__u32 i, count = added->count;
	int err;

	if (!count)
		return 0;
	err = clear_counters(s, added->counter, count);
	for (i = 0; i < count; i++)
		added->slot[i].generation = next;
	if (!err)
		err = bpf_map_update_batch(s->slot_fd, added->id, added->slot, &count, &opts);
	return err;
}

int hg_slots_assign(struct hg_slots *s, const struct hg_compiled *set, const struct hg_filter *now,
		    __u32 next, __u32 *ret_kept, struct hg_error *error)
{
	struct hg_slots *added = calloc(1, sizeof(*added));
	int err = added ? 0 : -ENOMEM;

	if (!err)
		err = read_entries(s);
	if (!err)
		err = remove_unborn(s, now, next);
	if (!err)
		err = assign_all(s, set, now, added);
	if (!err)
		err = write_added(s, added, next);
	if (err)
		hg_loader_fail(error, err, "cannot give the rules their counters: %s",
			       strerror(-err));
	else
		*ret_kept = set->rule_count - added->count;
	free(added);
	return err;
}

int hg_slots_mark(struct hg_slots *s, const struct hg_compiled *set, __u32 generation,
		  struct hg_error *error)
{
	LIBBPF_OPTS(bpf_map_batch_opts, opts);
	__u32 count = set->rule_count, i;
	struct hg_rule_slot *slot;
	int err;

	if (!count)
		return 0;
	slot = calloc(count, sizeof(*slot));
	err = slot ? 0 : -ENOMEM;
	for (i = 0; i < count && !err; i++)
		slot[i] = (struct hg_rule_slot){ s->counter[i], generation };
	if (!err)
		err = bpf_map_update_batch(s->slot_fd, set->id, slot, &count, &opts);
	free(slot);
	if (err)
		hg_loader_fail(error, err, "cannot note the rules' counters: %s", strerror(-err));
	return err;
}

static int sum_counter(struct hg_slots *s, __u32 counter, struct hg_rule_stat *percpu, int cpus,
		       struct hg_rule_stat *ret)
{
	int err, cpu;

	err = bpf_map_lookup_elem(s->stat_fd, &counter, percpu);
	for (cpu = 0; cpu < cpus && !err; cpu++) {
		ret->packets += percpu[cpu].packets;
		ret->octets += percpu[cpu].octets;
		ret->exceeded += percpu[cpu].exceeded;
		if (percpu[cpu].last_ns > ret->last_ns)
			ret->last_ns = percpu[cpu].last_ns;
	}
	return err;
}

int hg_filter_read_counters(const char *pin, const __u64 *id, size_t count,
			    struct hg_rule_stat *ret, struct hg_error *error)
{
	int cpus = libbpf_num_possible_cpus(), err;
	struct hg_rule_stat *percpu;
	struct hg_slots *s;
	__u32 *bucket;
	size_t i;

	err = hg_slots_open(pin, &s, error);
	if (err)
		return err;
	percpu = calloc(cpus > 0 ? cpus : 1, sizeof(*percpu));
	err = !percpu ? -ENOMEM : cpus <= 0 ? -EINVAL : read_entries(s);
	if (!err)
		memset(ret, 0, count * sizeof(*ret));
	for (i = 0; i < count && !err; i++) {
		bucket = find(s, id[i]);
		if (*bucket)
			err = sum_counter(s, s->slot[*bucket - 1].counter, percpu, cpus, &ret[i]);
	}
	if (err)
		hg_loader_fail(error, err, "cannot read the rules' counters: %s", strerror(-err));
	free(percpu);
	hg_slots_free(s);
	return err;
}
