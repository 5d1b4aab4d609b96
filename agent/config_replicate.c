// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * `replicate` in cluster.yaml: files and directories that hagate-sync keeps the same on
 * both nodes. What makes a machine itself (its node.yaml, key, state) is refused here.
 */
#include <stdlib.h>
#include <string.h>

#include "agent/config_file.h"
#include "agent/config_value.h"
#include "agent/schema.h"

static void on_owner(struct hg_diag *diag, const struct hg_yaml_node *key,
		     const struct hg_yaml_node *value, void *target);
static void on_mode(struct hg_diag *diag, const struct hg_yaml_node *key,
		    const struct hg_yaml_node *value, void *target);
static void on_validate(struct hg_diag *diag, const struct hg_yaml_node *key,
			const struct hg_yaml_node *value, void *target);
static void on_apply(struct hg_diag *diag, const struct hg_yaml_node *key,
		     const struct hg_yaml_node *value, void *target);

static const struct hg_schema_key entry_keys[] = {
	{ "path", HG_SCHEMA_PATH, true, .offset = offsetof(struct hg_replicate, path),
	  .max = sizeof(((struct hg_replicate *)0)->path) },
	{ "owner", HG_SCHEMA_VALUE, .each = on_owner },
	{ "mode", HG_SCHEMA_VALUE, .each = on_mode },
	{ "validate", HG_SCHEMA_VALUE, .each = on_validate },
	{ "apply", HG_SCHEMA_VALUE, .each = on_apply },
	{ 0 },
};

static bool is_name(const char *text, size_t length)
{
	static const char good[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				   "_.-";

	return length && length < HG_REPLICATE_NAME && *text != '-' && strspn(text, good) >= length;
}

/* USER, USER:GROUP or :GROUP, by name: numbers differ between machines. */
static void on_owner(struct hg_diag *diag, const struct hg_yaml_node *key,
		     const struct hg_yaml_node *value, void *target)
{
	struct hg_replicate *entry = target;
	const char *colon, *group;
	size_t length;

	if (!hg_value_text(diag, value, key->text))
		return;
	colon = strchr(value->text, ':');
	group = colon ? colon + 1 : "";
	length = colon ? (size_t)(colon - value->text) : strlen(value->text);
	if ((length && !is_name(value->text, length)) || (!length && !*group) ||
	    (colon && !is_name(group, strlen(group)))) {
		hg_diag_error(diag, value->at,
			      "'owner' must be USER, USER:GROUP or :GROUP, not "
			      "'%.60s'",
			      value->text);
		return;
	}
	memcpy(entry->owner, value->text, length);
	strcpy(entry->group, group);
}

static void on_mode(struct hg_diag *diag, const struct hg_yaml_node *key,
		    const struct hg_yaml_node *value, void *target)
{
	struct hg_replicate *entry = target;
	const char *text = value->text;

	if (!hg_value_text(diag, value, key->text))
		return;
	if (strspn(text, "01234567") != strlen(text) || strlen(text) < 3 || strlen(text) > 4 ||
	    strtoul(text, NULL, 8) > 0777) {
		hg_diag_error(diag, value->at, "'mode' must be octal digits, not '%.60s'", text);
		hg_diag_hint(diag, "such as 0644; 0777 is the most, set-id bits are not carried");
		return;
	}
	entry->mode = strtoul(text, NULL, 8);
}

static void read_command(struct hg_diag *diag, const struct hg_yaml_node *key,
			 const struct hg_yaml_node *value, char ret[HG_REPLICATE_COMMAND])
{
	if (!hg_value_text(diag, value, key->text))
		return;
	if (strlen(value->text) >= HG_REPLICATE_COMMAND || strpbrk(value->text, "\r\n"))
		hg_diag_error(diag, value->at, "'%s' must be one line of at most %d octets",
			      key->text, HG_REPLICATE_COMMAND - 1);
	else
		strcpy(ret, value->text);
}

static void on_validate(struct hg_diag *diag, const struct hg_yaml_node *key,
			const struct hg_yaml_node *value, void *target)
{
	read_command(diag, key, value, ((struct hg_replicate *)target)->validate);
}

static void on_apply(struct hg_diag *diag, const struct hg_yaml_node *key,
		     const struct hg_yaml_node *value, void *target)
{
	read_command(diag, key, value, ((struct hg_replicate *)target)->apply);
}

/* No "//", ".", "..", slash at the end; at least two components. */
static bool is_clean(const char *path)
{
	const char *part = path, *slash;
	unsigned int parts = 0;
	size_t length;

	while (*part == '/') {
		part++;
		slash = strchrnul(part, '/');
		length = slash - part;
		if (!length || (length == 1 && *part == '.') ||
		    (length == 2 && !strncmp(part, "..", 2)))
			return false;
		parts++;
		part = slash;
	}
	return parts > 1;
}

void hg_config_read_replicate(struct hg_diag *diag, const struct hg_yaml_node *key,
			      const struct hg_yaml_node *value, void *target)
{
	struct hg_cluster_build *build = target;
	struct hg_cluster_config *config = &build->config;
	struct hg_replicate *entry;

	(void)key;
	if (config->replicate_count == HG_REPLICATE_MAX) {
		hg_diag_error(diag, value->at, "more than %d entries in 'replicate'",
			      HG_REPLICATE_MAX);
		return;
	}
	if (!config->replicate)
		config->replicate = calloc(HG_REPLICATE_MAX, sizeof(*config->replicate));
	if (!config->replicate) {
		hg_diag_error(diag, value->at, "out of memory");
		return;
	}
	entry = &config->replicate[config->replicate_count];
	*entry = (struct hg_replicate){ .mode = -1 };
	if (value->type == HG_YAML_MAP)
		hg_schema_walk(diag, entry_keys, "an entry of 'replicate'", value, entry);
	else
		hg_value_path(diag, value, "replicate", entry->path, sizeof(entry->path));
	if (hg_diag_has_within(diag, value->at, value->end))
		return;
	if (!is_clean(entry->path)) {
		hg_diag_error(diag, value->at, "'%.200s' cannot be replicated", entry->path);
		hg_diag_hint(diag, "a path such as /etc/nginx: two parts at least, no '.', '..', "
				   "'//' and no '/' at the end");
		return;
	}
	build->replicate_at[config->replicate_count++] = value;
}

/* Is `path` the same as `top`, or below it? */
static bool is_within(const char *path, const char *top)
{
	size_t length = strlen(top);

	return !strncmp(path, top, length) && (!path[length] || path[length] == '/');
}

static bool overlap(const char *a, const char *b)
{
	return is_within(a, b) || is_within(b, a);
}

static void check_entry(struct hg_diag *diag, const struct hg_cluster_build *build,
			unsigned int index, const struct hg_node_config *node)
{
	const struct hg_replicate *list = build->config.replicate;
	const char *path = list[index].path;
	const char *const own[] = { node->key, node->state, node->run, node->cluster };
	static const char *const what[] = { "the cluster key", "the state of this node",
					    "the run directory of this node",
					    "cluster.yaml, which is replicated anyway" };
	unsigned int i;

	for (i = 0; i < index; i++)
		if (overlap(path, list[i].path))
			hg_diag_error(diag, build->replicate_at[index]->at,
				      "'%.200s' and '%.200s' overlap", list[i].path, path);
	for (i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
		if (!*own[i] || !overlap(path, own[i]))
			continue;
		hg_diag_error(diag, build->replicate_at[index]->at, "'%.200s' holds %s", path,
			      what[i]);
		hg_diag_hint(diag, "name the files or directories beside it");
		return;
	}
}

void hg_config_check_replicate(struct hg_diag *diag, const struct hg_cluster_build *build,
			       const struct hg_node_config *node)
{
	static const struct hg_node_config nobody;
	unsigned int i;

	for (i = 0; i < build->config.replicate_count; i++)
		check_entry(diag, build, i, node ? node : &nobody);
}
