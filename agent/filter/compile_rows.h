/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rows of bits over the rules, each kept once; its place is the class. Shared by the
 * compiler's files, nobody else includes this.
 *
 * A row is built in a scratch row and then interned. Row 0 is the empty row.
 */
#ifndef HG_FILTER_COMPILE_ROWS_H
#define HG_FILTER_COMPILE_ROWS_H

#include "agent/filter/compile.h"

struct hg_rows {
	struct hg_bits *row;
	uint32_t count, capacity;
	uint32_t *bucket; /* class + 1, 0: free; open addressing */
	uint32_t bucket_mask;
};

int hg_rows_init(struct hg_rows *rows);
void hg_rows_done(struct hg_rows *rows);
/* -ENOMEM, -ENOSPC. */
int hg_rows_intern(struct hg_rows *rows, const struct hg_bits *row, uint32_t *ret_class);

static inline void hg_row_set(struct hg_bits *row, uint32_t rule)
{
	row->word[rule / 64] |= 1ull << rule % 64;
	row->summary[rule / 4096] |= 1ull << rule / 64 % 64;
}

static inline void hg_row_clear(struct hg_bits *row, uint32_t rule)
{
	row->word[rule / 64] &= ~(1ull << rule % 64);
	if (!row->word[rule / 64])
		row->summary[rule / 4096] &= ~(1ull << rule / 64 % 64);
}

static inline void hg_row_add(struct hg_bits *row, const struct hg_bits *other)
{
	unsigned int i;

	for (i = 0; i < HG_BIT_SUMMARIES; i++)
		row->summary[i] |= other->summary[i];
	for (i = 0; i < HG_BIT_WORDS; i++)
		row->word[i] |= other->word[i];
}

/* compile_addr.c: the prefixes of one side of one family: fills the root part of the
 * table and appends nodes. */
struct hg_trie_build {
	const struct hg_ruleset *ruleset;
	const struct hg_compile_context *context;
	struct hg_rows *rows;
	struct hg_compiled *ret; /* node, node_count and the table are written */
	uint32_t node_capacity;
};
int hg_compile_side(struct hg_trie_build *build, unsigned int side, uint8_t family, uint32_t root);
#define HG_SIDE_SRC 0
#define HG_SIDE_DST 1

#endif
