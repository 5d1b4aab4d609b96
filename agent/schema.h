/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tables that say what a mapping may hold, and the walker that reads a tree by
 * them: unknown and missing keys, types and ranges are its business, so that the
 * readers of the files hold meaning only.
 *
 * Keys are read in the order of the table, not of the file: what others refer to
 * stands first. Errors are sorted by place when they are printed.
 */
#ifndef HG_SCHEMA_H
#define HG_SCHEMA_H

#include <stdint.h>

#include "agent/config_yaml.h"

enum hg_schema_type {
	HG_SCHEMA_BOOL, /* bool */
	HG_SCHEMA_UINT8, /* uint8_t, min..max */
	HG_SCHEMA_UINT16, /* uint16_t, min..max */
	HG_SCHEMA_SPAN, /* struct hg_span, min..max in ns */
	HG_SCHEMA_WORD, /* an enum whose values are the indices of `words` */
	HG_SCHEMA_NAME, /* char[max] */
	HG_SCHEMA_PATH, /* char[max] */
	HG_SCHEMA_MAP, /* a mapping with `keys` of its own; offsets from the same target */
	HG_SCHEMA_NAMED, /* a mapping with free keys: `each` per pair */
	HG_SCHEMA_LIST, /* `each` per item, without a key */
	HG_SCHEMA_VALUE, /* a value with a reader of its own: `each` once */
};

/* `key` is NULL for the items of a list. `target` is that of the walk. */
typedef void (*hg_schema_fn)(struct hg_diag *diag, const struct hg_yaml_node *key,
			     const struct hg_yaml_node *value, void *target);

struct hg_schema_key {
	const char *name; /* NULL ends the table */
	enum hg_schema_type type;
	bool is_required;
	size_t offset; /* in the target */
	uint64_t min, max;
	const char *const *words;
	const struct hg_schema_key *keys;
	hg_schema_fn each;
	const char *example; /* for MAP, NAMED and LIST: how it is written */
};

/* Reads `node` into `target`. What was not given or is wrong stays as it is there. */
void hg_schema_walk(struct hg_diag *diag, const struct hg_schema_key *keys, const char *what,
		    const struct hg_yaml_node *node, void *target);

#endif
