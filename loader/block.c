// SPDX-License-Identifier: GPL-2.0-or-later
/* See block.h. Owns nothing but descriptors of the pinned maps. */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "block.h"
#include "internal.h"

#define CHUNK 16384
#define RECOUNTS 8

enum kind { EXACT4, EXACT6, PREFIX4, PREFIX6, KINDS };

static const struct {
	const char *map;
	__u8 family;
	size_t key_size;
	size_t counter; /* in struct hg_filter */
} kind_is[KINDS] = {
	[EXACT4] = { "hg_block4", 4, 4, offsetof(struct hg_filter, block4) },
	[EXACT6] = { "hg_block6", 6, 16, offsetof(struct hg_filter, block6) },
	[PREFIX4] = { "hg_blocklpm4", 4, sizeof(struct hg_block4_prefix),
		      offsetof(struct hg_filter, block_prefix) },
	[PREFIX6] = { "hg_blocklpm6", 6, sizeof(struct hg_block6_prefix),
		      offsetof(struct hg_filter, block_prefix) },
};

union key {
	__u8 addr[16];
	struct hg_block4_prefix prefix4;
	struct hg_block6_prefix prefix6;
};

struct hg_blocks {
	int fd[KINDS];
	volatile struct hg_filter *filter;
};

static bool is_exact(enum kind kind)
{
	return kind == EXACT4 || kind == EXACT6;
}

static enum kind kind_of(const struct hg_blocked *what)
{
	if (what->family == 4)
		return what->prefix == 32 ? EXACT4 : PREFIX4;
	return what->prefix == 128 ? EXACT6 : PREFIX6;
}

static void key_of(const struct hg_blocked *what, union key *ret)
{
	switch (kind_of(what)) {
	case EXACT4:
	case EXACT6:
		memcpy(ret->addr, what->addr, 16);
		break;
	case PREFIX4:
		ret->prefix4.prefixlen = what->prefix;
		memcpy(ret->prefix4.addr, what->addr, 4);
		break;
	case PREFIX6:
		ret->prefix6.prefixlen = what->prefix;
		memcpy(ret->prefix6.addr, what->addr, 16);
		break;
	case KINDS:
		break;
	}
}

static void read_key(enum kind kind, const void *key, struct hg_blocked *ret)
{
	size_t length = kind_is[kind].family == 4 ? 4 : 16;

	*ret = (struct hg_blocked){ .family = kind_is[kind].family };
	if (is_exact(kind)) {
		ret->prefix = length * 8;
		memcpy(ret->addr, key, length);
		return;
	}
	ret->prefix = *(const __u32 *)key;
	memcpy(ret->addr, (const char *)key + sizeof(__u32), length);
}

int hg_blocks_open(const char *pin, struct hg_blocks **ret, struct hg_error *error)
{
	struct hg_blocks *blocks = calloc(1, sizeof(*blocks));
	int kind, err = 0;

	if (!blocks)
		return hg_loader_fail(error, -ENOMEM, "no memory");
	hg_loader_quiet();
	for (kind = 0; kind < KINDS; kind++)
		blocks->fd[kind] = -1;
	for (kind = 0; kind < KINDS && !err; kind++)
		err = hg_pin_open(pin, kind_is[kind].map, &blocks->fd[kind], error);
	if (!err)
		err = hg_pin_map(pin, "hg_filter", sizeof(*blocks->filter), &blocks->filter, error);
	if (err) {
		hg_blocks_free(blocks);
		return err;
	}
	*ret = blocks;
	return 0;
}

void hg_blocks_free(struct hg_blocks *blocks)
{
	int kind;

	if (!blocks)
		return;
	for (kind = 0; kind < KINDS; kind++)
		if (blocks->fd[kind] >= 0)
			close(blocks->fd[kind]);
	hg_pin_unmap(blocks->filter, sizeof(*blocks->filter));
	free(blocks);
}

/* --- counters --------------------------------------------------------------------- */

static __u32 *counter_of(struct hg_blocks *blocks, enum kind kind)
{
	return (__u32 *)((char *)(void *)blocks->filter + kind_is[kind].counter);
}

size_t hg_blocks_count(const struct hg_blocks *blocks)
{
	return (size_t)blocks->filter->block4 + blocks->filter->block6 +
	       blocks->filter->block_prefix;
}

static void count_up(struct hg_blocks *blocks, enum kind kind)
{
	__atomic_fetch_add(counter_of(blocks, kind), 1, __ATOMIC_SEQ_CST);
}

static void count_down(struct hg_blocks *blocks, enum kind kind)
{
	__u32 *counter = counter_of(blocks, kind);
	__u32 was = __atomic_load_n(counter, __ATOMIC_SEQ_CST);

	while (was && !__atomic_compare_exchange_n(counter, &was, was - 1, false, __ATOMIC_SEQ_CST,
						   __ATOMIC_SEQ_CST))
		;
}

static bool is_empty(const struct hg_blocks *blocks, enum kind kind)
{
	union key key;

	return bpf_map_get_next_key(blocks->fd[kind], NULL, &key) == -ENOENT;
}

/* --- one entry --------------------------------------------------------------------- */

int hg_blocks_add(struct hg_blocks *blocks, const struct hg_blocked *what,
		  const struct hg_block *given, bool *ret_is_new)
{
	enum kind kind = kind_of(what);
	struct hg_block value = *given, old;
	bool is_new = true;
	union key key;
	int err;

	value.prefixlen = what->prefix;
	key_of(what, &key);
	err = bpf_map_update_elem(blocks->fd[kind], &key, &value, BPF_NOEXIST);
	if (err == -EEXIST) {
		is_new = false;
		if (!bpf_map_lookup_elem(blocks->fd[kind], &key, &old) &&
		    old.prefixlen == what->prefix)
			value.packets = old.packets;
		err = bpf_map_update_elem(blocks->fd[kind], &key, &value, BPF_ANY);
	}
	if (err)
		return err == -E2BIG ? -ENOSPC : err;
	if (is_new)
		count_up(blocks, kind);
	if (ret_is_new)
		*ret_is_new = is_new;
	return 0;
}

int hg_blocks_remove(struct hg_blocks *blocks, const struct hg_blocked *what)
{
	enum kind kind = kind_of(what);
	union key key;
	int err;

	key_of(what, &key);
	err = bpf_map_delete_elem(blocks->fd[kind], &key);
	if (!err)
		count_down(blocks, kind);
	return err;
}

int hg_blocks_find(struct hg_blocks *blocks, __u8 family, const __u8 *addr, struct hg_block *ret)
{
	struct hg_blocked what = { .family = family, .prefix = family == 4 ? 32 : 128 };
	union key key;
	int err;

	memcpy(what.addr, addr, family == 4 ? 4 : 16);
	key_of(&what, &key);
	err = bpf_map_lookup_elem(blocks->fd[kind_of(&what)], &key, ret);
	if (err != -ENOENT)
		return err;
	if (family == 4) {
		key.prefix4.prefixlen = 32;
		memcpy(key.prefix4.addr, addr, 4);
		return bpf_map_lookup_elem(blocks->fd[PREFIX4], &key, ret);
	}
	key.prefix6.prefixlen = 128;
	memcpy(key.prefix6.addr, addr, 16);
	return bpf_map_lookup_elem(blocks->fd[PREFIX6], &key, ret);
}

/* --- all of a map ------------------------------------------------------------------- */

struct walk {
	hg_blocks_fn fn;
	void *context;
	size_t count;
};

/* Calls back for each entry of one map; the callback must not delete. */
static int walk_kind(struct hg_blocks *blocks, enum kind kind, struct walk *walk)
{
	size_t key_size = kind_is[kind].key_size;
	union key in, out;
	struct hg_block *value = calloc(CHUNK, sizeof(*value));
	char *key = calloc(CHUNK, key_size);
	bool is_first = true;
	int err = value && key ? 0 : -ENOMEM, result = 0;

	while (!err && !result) {
		LIBBPF_OPTS(bpf_map_batch_opts, opts);
		__u32 count = CHUNK, i;

		err = bpf_map_lookup_batch(blocks->fd[kind], is_first ? NULL : &in, &out, key,
					   value, &count, &opts);
		if (err && err != -ENOENT)
			break;
		is_first = false;
		in = out;
		walk->count += count;
		for (i = 0; i < count && walk->fn && !result; i++) {
			struct hg_blocked what;

			read_key(kind, key + i * key_size, &what);
			result = walk->fn(walk->context, &what, &value[i]);
		}
	}
	free(key);
	free(value);
	return result ? result : err == -ENOENT ? 0 : err;
}

int hg_blocks_each(struct hg_blocks *blocks, hg_blocks_fn fn, void *context)
{
	struct walk walk = { .fn = fn, .context = context };
	int kind, err = 0;

	for (kind = 0; kind < KINDS && !err; kind++)
		err = walk_kind(blocks, kind, &walk);
	return err;
}

/* Makes the counter of these maps (one or two) what they hold. */
static int recount(struct hg_blocks *blocks, enum kind first, enum kind last)
{
	__u32 *counter = counter_of(blocks, first);

	for (int i = 0; i < RECOUNTS; i++) {
		__u32 was = __atomic_load_n(counter, __ATOMIC_SEQ_CST);
		struct walk walk = { 0 };
		bool are_empty = true;
		int err = 0;

		for (enum kind kind = first; kind <= last && !err; kind++)
			err = walk_kind(blocks, kind, &walk);
		if (err)
			return err;
		if (!__atomic_compare_exchange_n(counter, &was, (__u32)walk.count, false,
						 __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
			continue; /* somebody else changed the list meanwhile */
		if (walk.count)
			return 0;
		for (enum kind kind = first; kind <= last; kind++)
			are_empty = are_empty && is_empty(blocks, kind);
		if (!are_empty)
			count_up(blocks, first);
		return 0;
	}
	return 0; /* each change was counted as it was made: not far off */
}

static int recount_all(struct hg_blocks *blocks)
{
	int err = recount(blocks, EXACT4, EXACT4);

	if (!err)
		err = recount(blocks, EXACT6, EXACT6);
	return err ? err : recount(blocks, PREFIX4, PREFIX6);
}

/* --- expiry -------------------------------------------------------------------------- */

struct expired {
	__u64 now;
	struct hg_blocked *what;
	size_t count, size;
};

static int collect_expired(void *context, const struct hg_blocked *what,
			   const struct hg_block *value)
{
	struct expired *list = context;
	void *grown;

	if (value->expire_ns > list->now)
		return 0;
	if (list->count == list->size) {
		list->size = list->size ? list->size * 2 : 1024;
		grown = realloc(list->what, list->size * sizeof(*what));
		if (!grown)
			return -ENOMEM;
		list->what = grown;
	}
	list->what[list->count++] = *what;
	return 0;
}

/* It may have been given a new end since it was read: then it is put back, or left. */
static bool remove_expired(struct hg_blocks *blocks, const struct hg_blocked *what, __u64 now)
{
	enum kind kind = kind_of(what);
	struct hg_block value = { 0 };
	union key key;

	key_of(what, &key);
	if (!is_exact(kind)) {
		/* A shorter prefix around it may be what is found. */
		if (!bpf_map_lookup_elem(blocks->fd[kind], &key, &value) &&
		    value.prefixlen == what->prefix && value.expire_ns > now)
			return false;
		return !bpf_map_delete_elem(blocks->fd[kind], &key);
	}
	if (bpf_map_lookup_and_delete_elem(blocks->fd[kind], &key, &value))
		return false;
	if (value.expire_ns <= now)
		return true;
	bpf_map_update_elem(blocks->fd[kind], &key, &value, BPF_NOEXIST);
	return false;
}

int hg_blocks_expire(struct hg_blocks *blocks, __u64 now, size_t *ret_removed)
{
	struct expired list = { .now = now };
	size_t removed = 0;
	int err = hg_blocks_each(blocks, collect_expired, &list);

	for (size_t i = 0; i < list.count; i++)
		removed += remove_expired(blocks, &list.what[i], now);
	free(list.what);
	if (!err)
		err = recount_all(blocks);
	if (!err)
		*ret_removed = removed;
	return err;
}

/* --- many ----------------------------------------------------------------------------- */

struct batch {
	enum kind kind;
	__u32 count;
	char *key;
	struct hg_block *value;
};

static int flush(struct hg_blocks *blocks, struct batch *batch)
{
	LIBBPF_OPTS(bpf_map_batch_opts, opts);
	__u32 count = batch->count;
	int err;

	batch->count = 0;
	if (!count)
		return 0;
	__atomic_fetch_add(counter_of(blocks, batch->kind), count, __ATOMIC_SEQ_CST);
	err = bpf_map_update_batch(blocks->fd[batch->kind], batch->key, batch->value, &count,
				   &opts);
	return err == -E2BIG ? -ENOSPC : err;
}

static int add_kind(struct hg_blocks *blocks, struct batch *batch, const struct hg_blocked *what,
		    size_t count)
{
	size_t key_size = kind_is[batch->kind].key_size, i;
	union key key;
	int err = 0;

	for (i = 0; i < count && !err; i++) {
		if (kind_of(&what[i]) != batch->kind)
			continue;
		key_of(&what[i], &key);
		batch->value[batch->count].prefixlen = what[i].prefix;
		memcpy(batch->key + batch->count++ * key_size, &key, key_size);
		if (batch->count == CHUNK)
			err = flush(blocks, batch);
	}
	return err ? err : flush(blocks, batch);
}

int hg_blocks_add_many(struct hg_blocks *blocks, const struct hg_blocked *what, size_t count,
		       const struct hg_block *value)
{
	struct batch batch = { .key = malloc(CHUNK * sizeof(union key)),
			       .value = calloc(CHUNK, sizeof(struct hg_block)) };
	int err = batch.key && batch.value ? 0 : -ENOMEM, counted;

	for (size_t i = 0; i < CHUNK && !err; i++)
		batch.value[i] = *value;
	for (; batch.kind < KINDS && !err; batch.kind++)
		err = add_kind(blocks, &batch, what, count);
	free(batch.key);
	free(batch.value);
	counted = recount_all(blocks);
	return err ? err : counted;
}
