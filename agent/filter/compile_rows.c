// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Rows of bits, each kept once. Most rows of a large ruleset are nearly empty, so the
 * hash goes by the summaries and reads only words that are not 0.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/filter/compile_rows.h"

#define ROWS_FIRST 64

static uint64_t mix(uint64_t hash, uint64_t value)
{
	hash = (hash ^ value) * 0x9e3779b97f4a7c15ull;
	return hash ^ hash >> 29;
}

static uint32_t hash_row(const struct hg_bits *row)
{
	uint64_t hash = 0, live;
	unsigned int i;

	for (i = 0; i < HG_BIT_SUMMARIES; i++) {
		hash = mix(hash, row->summary[i]);
		for (live = row->summary[i]; live; live &= live - 1)
			hash = mix(hash, row->word[i * 64 + __builtin_ctzll(live)]);
	}
	return hash ^ hash >> 32;
}

static void place(struct hg_rows *rows, uint32_t class)
{
	uint32_t at = hash_row(&rows->row[class]);

	while (rows->bucket[at & rows->bucket_mask])
		at++;
	rows->bucket[at & rows->bucket_mask] = class + 1;
}

static int grow(struct hg_rows *rows)
{
	uint32_t capacity = rows->capacity ? rows->capacity * 2 : ROWS_FIRST, i;
	uint32_t *bucket = calloc(capacity * 2, sizeof(*bucket));
	struct hg_bits *row = realloc(rows->row, capacity * sizeof(*row));

	if (row)
		rows->row = row;
	if (!row || !bucket) {
		free(bucket);
		return -ENOMEM;
	}
	free(rows->bucket);
	rows->bucket = bucket;
	rows->bucket_mask = capacity * 2 - 1;
	rows->capacity = capacity;
	for (i = 0; i < rows->count; i++)
		place(rows, i);
	return 0;
}

int hg_rows_intern(struct hg_rows *rows, const struct hg_bits *row, uint32_t *ret_class)
{
	uint32_t at = hash_row(row), found;
	int err;

	for (;; at++) {
		found = rows->bucket[at & rows->bucket_mask];
		if (!found)
			break;
		if (!memcmp(&rows->row[found - 1], row, sizeof(*row))) {
			*ret_class = found - 1;
			return 0;
		}
	}
	if (rows->count == HG_CLASSES_MAX)
		return -ENOSPC;
	if (rows->count == rows->capacity) {
		err = grow(rows);
		if (err)
			return err;
	}
	rows->row[rows->count] = *row;
	place(rows, rows->count);
	*ret_class = rows->count++;
	return 0;
}

int hg_rows_init(struct hg_rows *rows)
{
	static const struct hg_bits empty;
	uint32_t class;
	int err;

	memset(rows, 0, sizeof(*rows));
	err = grow(rows);
	return err ? err : hg_rows_intern(rows, &empty, &class);
}

void hg_rows_done(struct hg_rows *rows)
{
	free(rows->row);
	free(rows->bucket);
}
