/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The blocklist: single addresses in hash maps, prefixes in LPM tries (hagate/filter.h).
 *
 * hg_blocks_add() and hg_blocks_remove() are one or two map updates and may be called
 * from the agent's loop; everything else takes as long as the list is and belongs into
 * a task. Any number of processes may work on the list at once.
 *
 * Packets look into a map only when its counter in hg_filter is not 0. So a counter may
 * be too high for a while, never 0 beside an entry: an entry is counted right after it
 * was put in (many: before, and then exactly), counted off after it was taken out, and
 * whoever corrects a counter to 0 looks once more.
 */
#ifndef HG_LOADER_BLOCK_H
#define HG_LOADER_BLOCK_H

#include "hagate/filter.h"
#include "loader.h"

/* An address or prefix. */
struct hg_blocked {
	__u8 family; /* 4 or 6 */
	__u8 prefix; /* length; 32 and 128 are single addresses */
	__u8 addr[16]; /* network order, no host bits; IPv4 in the first four octets */
};

struct hg_blocks;

/* -ENOENT: nothing is pinned. */
int hg_blocks_open(const char *pin, struct hg_blocks **ret, struct hg_error *error);
void hg_blocks_free(struct hg_blocks *blocks);

/* Entries as packets see them: 0 only when there are none, else about right. */
size_t hg_blocks_count(const struct hg_blocks *blocks);

/* Adds, or gives an entry that is there a new end and source; its count of
 * packets goes on. -ENOSPC: the map is full, expired entries may still be in it. */
int hg_blocks_add(struct hg_blocks *blocks, const struct hg_blocked *what,
		  const struct hg_block *value, bool *ret_is_new);
/* -ENOENT: not on the list (the very address or prefix). */
int hg_blocks_remove(struct hg_blocks *blocks, const struct hg_blocked *what);

/* Many at once; those that were there start to count anew. On -ENOSPC some are in. */
int hg_blocks_add_many(struct hg_blocks *blocks, const struct hg_blocked *what, size_t count,
		       const struct hg_block *value);

/* Calls back for each entry until it returns other than 0, and returns that. The callback
 * must not change the list. */
typedef int (*hg_blocks_fn)(void *context, const struct hg_blocked *what,
			    const struct hg_block *value);
int hg_blocks_each(struct hg_blocks *blocks, hg_blocks_fn fn, void *context);

/* Removes what has expired at `now` and sets the counters right. */
int hg_blocks_expire(struct hg_blocks *blocks, __u64 now, size_t *ret_removed);

/* The entry that holds for this address, expired or not: itself, else the longest prefix.
 * -ENOENT. */
int hg_blocks_find(struct hg_blocks *blocks, __u8 family, const __u8 *addr, struct hg_block *ret);

#endif
