// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * hg_maps_sync_addrs(): the address maps hold exactly what they should.
 *
 * The map is read, compared with the wanted list, and only the difference is
 * written, in batches. An entry that stays is never touched, one that changes is
 * replaced by a single update; deletions go first, so that a full map has room.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

#define KEY_MAX 16
#define CHUNK 4096

/* Keys and values of one map side by side, as the batch calls want them. */
struct table {
	size_t key_len;
	__u32 count, room;
	__u8 *keys;
	struct hg_addr *values;
};

/* One entry for sorting; the key is zero behind its length. */
struct item {
	__u8 key[KEY_MAX];
	struct hg_addr value;
};

static int compare(const void *a, const void *b)
{
	return memcmp(((const struct item *)a)->key, ((const struct item *)b)->key, KEY_MAX);
}

static void table_free(struct table *table)
{
	free(table->keys);
	free(table->values);
}

static int table_init(struct table *table, size_t key_len, __u32 room)
{
	*table = (struct table){ .key_len = key_len, .room = room };
	table->keys = calloc(room + 1, key_len);
	table->values = calloc(room + 1, sizeof(*table->values));
	if (table->keys && table->values)
		return 0;
	table_free(table);
	return -ENOMEM;
}

static void table_add(struct table *table, const struct item *item)
{
	memcpy(table->keys + table->count * table->key_len, item->key, table->key_len);
	table->values[table->count++] = item->value;
}

/* A position in the middle of a hash is opaque to the reader: room for any key. */
static int read_map(int fd, struct table *table)
{
	LIBBPF_OPTS(bpf_map_batch_opts, opts);
	__u8 position[KEY_MAX] = { 0 };
	bool is_begun = false;
	__u32 count;
	int err;

	do {
		count = table->room - table->count;
		if (!count)
			return -E2BIG;
		err = bpf_map_lookup_batch(fd, is_begun ? position : NULL, position,
					   table->keys + table->count * table->key_len,
					   table->values + table->count, &count, &opts);
		if (err && err != -ENOENT)
			return err;
		table->count += count;
		is_begun = true;
	} while (!err);
	return 0;
}

/* `done` counts what a call achieved: the kernel stops at the first failure. */
static int write_map(int fd, const struct table *table, bool is_delete)
{
	LIBBPF_OPTS(bpf_map_batch_opts, opts);
	const __u8 *keys = table->keys;
	__u32 done, left, at;
	int err = 0;

	for (at = 0; at < table->count && !err; at += done) {
		left = table->count - at;
		done = left > CHUNK ? CHUNK : left;
		if (is_delete)
			err = bpf_map_delete_batch(fd, keys + at * table->key_len, &done, &opts);
		else
			err = bpf_map_update_batch(fd, keys + at * table->key_len,
						   table->values + at, &done, &opts);
	}
	return err;
}

/* Sorted and each address once. A VIP that is also an own address is a VIP: silence
 * must not depend on the order of a list. */
static __u32 normalise(struct item *item, __u32 count)
{
	__u32 i, kept = 0;

	qsort(item, count, sizeof(*item), compare);
	for (i = 0; i < count; i++) {
		if (!kept || compare(&item[kept - 1], &item[i]))
			item[kept++] = item[i];
		else if (item[i].value.kind == HG_ADDR_VIP)
			item[kept - 1] = item[i];
	}
	return kept;
}

static void find_difference(const struct table *have, const struct item *want, __u32 want_count,
			    bool *is_same, struct table *gone)
{
	const struct item *found;
	struct item key;
	__u32 i;

	for (i = 0; i < have->count; i++) {
		memset(&key, 0, sizeof(key));
		memcpy(key.key, have->keys + i * have->key_len, have->key_len);
		found = bsearch(&key, want, want_count, sizeof(*want), compare);
		if (!found)
			table_add(gone, &key);
		else if (!memcmp(&found->value, &have->values[i], sizeof(found->value)))
			is_same[found - want] = true;
	}
}

static int sync_map(int fd, size_t key_len, struct item *want, __u32 count)
{
	struct table have = { 0 }, gone = { 0 }, fresh = { 0 };
	bool *is_same;
	__u32 i;
	int err;

	count = normalise(want, count);
	if (count > HG_ADDRS_MAX)
		return -E2BIG;
	is_same = calloc(count + 1, sizeof(*is_same));
	err = is_same ? table_init(&have, key_len, HG_ADDRS_MAX + 1) : -ENOMEM;
	if (!err)
		err = table_init(&gone, key_len, HG_ADDRS_MAX);
	if (!err)
		err = table_init(&fresh, key_len, HG_ADDRS_MAX);
	if (!err)
		err = read_map(fd, &have);
	if (!err) {
		find_difference(&have, want, count, is_same, &gone);
		for (i = 0; i < count; i++)
			if (!is_same[i])
				table_add(&fresh, &want[i]);
		err = write_map(fd, &gone, true);
	}
	if (!err)
		err = write_map(fd, &fresh, false);
	table_free(&have);
	table_free(&gone);
	table_free(&fresh);
	free(is_same);
	return err;
}

static __u32 pick(const struct hg_addr_entry *entries, size_t count, __u8 family, size_t key_len,
		  struct item *ret)
{
	__u32 picked = 0;
	size_t i;

	for (i = 0; i < count; i++) {
		if (entries[i].family != family)
			continue;
		memset(&ret[picked], 0, sizeof(ret[picked]));
		memcpy(ret[picked].key, entries[i].addr, key_len);
		ret[picked++].value = entries[i].value;
	}
	return picked;
}

int hg_maps_sync_addrs(const struct hg_maps *maps, const struct hg_addr_entry *entries,
		       size_t count)
{
	struct item *item;
	size_t i;
	int err;

	for (i = 0; i < count; i++)
		if (entries[i].family != 4 && entries[i].family != 6)
			return -EINVAL;
	item = calloc(count + 1, sizeof(*item));
	if (!item)
		return -ENOMEM;
	err = sync_map(maps->addr4_fd, sizeof(struct hg_addr4_key), item,
		       pick(entries, count, 4, sizeof(struct hg_addr4_key), item));
	if (!err)
		err = sync_map(maps->addr6_fd, sizeof(struct hg_addr6_key), item,
			       pick(entries, count, 6, sizeof(struct hg_addr6_key), item));
	free(item);
	return err;
}
