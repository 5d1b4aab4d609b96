/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A YAML file as a small tree of our own, with the place of every node.
 *
 * Only what a configuration needs is accepted: mappings with scalar keys, lists,
 * scalars of one line; one document; no anchors, aliases, tags, merge keys or
 * directives. All of these, and duplicate keys, are reported while the tree is built.
 * The tree owns its nodes and their text; hg_yaml_done() frees all of it.
 */
#ifndef HG_CONFIG_YAML_H
#define HG_CONFIG_YAML_H

#include <stdbool.h>
#include <stddef.h>

#include "agent/diag.h"

enum hg_yaml_type {
	HG_YAML_SCALAR,
	HG_YAML_MAP,
	HG_YAML_LIST,
	HG_YAML_BROKEN, /* reported already: to be skipped in silence */
};

struct hg_yaml_node {
	enum hg_yaml_type type;
	bool is_plain; /* scalar without quotes */
	size_t at, end; /* place; of a scalar without text: that of its key */
	const char *text; /* scalar: NUL-terminated, visible characters only */
	unsigned int count; /* list: items; map: pairs */
	struct hg_yaml_node *first; /* list: items; map: key, value, key, value, ... */
	struct hg_yaml_node *next;
};

struct hg_yaml_block;

struct hg_yaml {
	struct hg_yaml_node *root; /* NULL: nothing in the file */
	struct hg_yaml_block *blocks; /* memory of nodes and text */
};

/* Reads the text of `diag`. -EINVAL: no tree, the reason is in `diag`. With 0 the tree
 * can be walked although errors may have been reported. */
int hg_yaml_parse(struct hg_diag *diag, struct hg_yaml *ret);
void hg_yaml_done(struct hg_yaml *yaml);

/* The pair named `name` of a map; NULL when there is none. The value is key->next. */
const struct hg_yaml_node *hg_yaml_find(const struct hg_yaml_node *map, const char *name);

#endif
