// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The walker over schema tables (schema.h). Recursion is bounded by the depth of
 * the tables, which are constant.
 */
#include "agent/schema.h"

#include <string.h>

#include "agent/config_value.h"

#define KEYS_MAX 32 /* of one table */

static const struct hg_schema_key *find_key(const struct hg_schema_key *keys, const char *name)
{
	for (; keys->name; keys++)
		if (!strcmp(keys->name, name))
			return keys;
	return NULL;
}

/* The key of the table that was probably meant, or NULL. */
static const char *find_nearest(const struct hg_schema_key *keys, const char *text)
{
	const char *names[KEYS_MAX] = { 0 };
	unsigned int count;

	for (count = 0; count < KEYS_MAX && keys[count].name; count++)
		names[count] = keys[count].name;
	return hg_value_nearest(text, names, count);
}

static void report_unknown(struct hg_diag *diag, const struct hg_schema_key *keys, const char *what,
			   const struct hg_yaml_node *key)
{
	const char *nearest = find_nearest(keys, key->text);
	char list[256] = "";
	unsigned int i;
	size_t used = 0;

	hg_diag_error(diag, key->at, "unknown key '%.60s' in %s", key->text, what);
	if (nearest) {
		hg_diag_hint(diag, "did you mean '%s'?", nearest);
		return;
	}
	for (i = 0; keys[i].name && used < sizeof(list); i++)
		used += snprintf(list + used, sizeof(list) - used, "%s%s", i ? ", " : "",
				 keys[i].name);
	hg_diag_hint(diag, "known here: %s", list);
}

/* A misspelt key was reported as unknown: it is not missing as well. */
static bool is_misspelt(const struct hg_schema_key *keys, const struct hg_yaml_node *map,
			const char *name)
{
	const struct hg_yaml_node *key;
	const char *nearest;

	for (key = map->first; key; key = key->next->next) {
		if (key->type != HG_YAML_SCALAR || find_key(keys, key->text))
			continue;
		nearest = find_nearest(keys, key->text);
		if (nearest && !strcmp(nearest, name))
			return true;
	}
	return false;
}

/* Is the node of the type? Says so when it is not. */
static bool check_type(struct hg_diag *diag, const struct hg_schema_key *schema,
		       const struct hg_yaml_node *value, enum hg_yaml_type type)
{
	const char *expected = type == HG_YAML_MAP ? "mapping" : "list";

	if (value->type == type)
		return true;
	switch (value->type) {
	case HG_YAML_SCALAR:
		if (!hg_value_text(diag, value, schema->name))
			break;
		hg_diag_error(diag, value->at, "'%s' must be a %s, not '%.60s'", schema->name,
			      expected, value->text);
		break;
	case HG_YAML_MAP:
	case HG_YAML_LIST:
		hg_diag_error(diag, value->at, "'%s' must be a %s, not a %s", schema->name,
			      expected, value->type == HG_YAML_MAP ? "mapping" : "list");
		break;
	case HG_YAML_BROKEN:
		return false;
	}
	if (schema->example)
		hg_diag_hint(diag, "such as %s: %s", schema->name, schema->example);
	return false;
}

static void read_number(struct hg_diag *diag, const struct hg_schema_key *schema,
			const struct hg_yaml_node *value, char *at)
{
	uint64_t n;

	if (!hg_value_uint(diag, value, schema->name, schema->min, schema->max, &n))
		return;
	if (schema->type == HG_SCHEMA_UINT8)
		*(uint8_t *)at = n;
	else
		*(uint16_t *)at = n;
}

static void read_children(struct hg_diag *diag, const struct hg_schema_key *schema,
			  const struct hg_yaml_node *value, void *target)
{
	bool is_list = schema->type == HG_SCHEMA_LIST;
	const struct hg_yaml_node *child;

	if (!check_type(diag, schema, value, is_list ? HG_YAML_LIST : HG_YAML_MAP))
		return;
	for (child = value->first; child; child = is_list ? child->next : child->next->next) {
		if (is_list)
			schema->each(diag, NULL, child, target);
		else if (child->type != HG_YAML_BROKEN)
			schema->each(diag, child, child->next, target);
	}
}

static void read_value(struct hg_diag *diag, const struct hg_schema_key *schema,
		       const struct hg_yaml_node *key, void *target)
{
	const struct hg_yaml_node *value = key->next;
	char *at = (char *)target + schema->offset;
	const char *name = schema->name;

	switch (schema->type) {
	case HG_SCHEMA_BOOL:
		hg_value_bool(diag, value, name, (bool *)at);
		break;
	case HG_SCHEMA_UINT8:
	case HG_SCHEMA_UINT16:
		read_number(diag, schema, value, at);
		break;
	case HG_SCHEMA_SPAN:
		hg_value_span(diag, value, name, (struct hg_span){ schema->min },
			      (struct hg_span){ schema->max }, (struct hg_span *)at);
		break;
	case HG_SCHEMA_WORD:
		hg_value_word(diag, value, name, schema->words, (unsigned int *)at);
		break;
	case HG_SCHEMA_NAME:
		hg_value_name(diag, value, name, at, schema->max);
		break;
	case HG_SCHEMA_PATH:
		hg_value_path(diag, value, name, at, schema->max);
		break;
	case HG_SCHEMA_MAP:
		if (check_type(diag, schema, value, HG_YAML_MAP))
			hg_schema_walk(diag, schema->keys, name, value, target);
		break;
	case HG_SCHEMA_NAMED:
	case HG_SCHEMA_LIST:
		read_children(diag, schema, value, target);
		break;
	case HG_SCHEMA_VALUE:
		schema->each(diag, key, value, target);
		break;
	}
}

void hg_schema_walk(struct hg_diag *diag, const struct hg_schema_key *keys, const char *what,
		    const struct hg_yaml_node *node, void *target)
{
	const struct hg_yaml_node *key;
	const struct hg_schema_key *schema;

	if (node->type == HG_YAML_BROKEN)
		return;
	if (node->type != HG_YAML_MAP) {
		hg_diag_error(diag, node->at, "%s must be a mapping: lines of 'key: value'", what);
		return;
	}
	for (key = node->first; key; key = key->next->next)
		if (key->type == HG_YAML_SCALAR && !find_key(keys, key->text))
			report_unknown(diag, keys, what, key);
	for (schema = keys; schema->name; schema++) {
		key = hg_yaml_find(node, schema->name);
		if (key)
			read_value(diag, schema, key, target);
		else if (schema->is_required && !is_misspelt(keys, node, schema->name))
			hg_diag_error(diag, node->at, "'%s' is missing in %s", schema->name, what);
	}
}
