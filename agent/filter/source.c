// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Where rules and lists come from: the `filter` of cluster.yaml, files of rules, files of
 * addresses (build.h).
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "agent/config_file.h"
#include "agent/config_value.h"
#include "agent/filter/build.h"
#include "agent/filter/ruleset.h"
#include "agent/schema.h"

#define RULES_FILE_MAX (8u << 20) /* octets: all the rules there may be, and comments */

static void on_list(struct hg_diag *diag, const struct hg_yaml_node *key,
		    const struct hg_yaml_node *value, void *target);
static void on_rule(struct hg_diag *diag, const struct hg_yaml_node *key,
		    const struct hg_yaml_node *value, void *target);
static void on_include(struct hg_diag *diag, const struct hg_yaml_node *key,
		       const struct hg_yaml_node *value, void *target);

/* What the walk writes to. */
struct section {
	struct hg_ruleset_build *build;
	unsigned int default_word;
};

static const char *const default_words[] = { "accept", "drop", NULL };

/* Lists before rules, which name them; rules before files of rules, which follow them. */
static const struct hg_schema_key filter_keys[] = {
	{ "default", HG_SCHEMA_WORD, .offset = offsetof(struct section, default_word),
	  .words = default_words },
	{ "lists", HG_SCHEMA_NAMED, .each = on_list,
	  .example = "{ bogons: [192.0.2.0/24], feed: { file: feed.txt } }" },
	{ "rules", HG_SCHEMA_LIST, .each = on_rule, .example = "[drop from 192.0.2.0/24]" },
	{ "include", HG_SCHEMA_LIST, .each = on_include, .example = "[rules.conf]" },
	{ 0 },
};

/* PATH as cluster.yaml means it. False, reported, when it is none. */
static bool resolve(const struct hg_ruleset_build *build, struct hg_diag *diag,
		    const struct hg_yaml_node *node, const char *what, char ret[PATH_MAX])
{
	const char *slash = strrchr(build->path, '/');
	int directory = slash ? slash - build->path + 1 : 0;

	if (!hg_value_text(diag, node, what))
		return false;
	if (node->text[0] == '/')
		directory = 0;
	if (snprintf(ret, PATH_MAX, "%.*s%s", directory, build->path, node->text) < PATH_MAX)
		return true;
	hg_diag_error(diag, node->at, "the path of '%s' is too long", what);
	return false;
}

static int open_file(struct hg_config_file *file, const char *path, size_t max, bool is_quiet,
		     struct hg_diag *diag, const struct hg_yaml_node *referrer)
{
	int error = hg_config_file_load(file, path, max);

	file->diag.is_quiet = is_quiet;
	if (error && referrer && !file->diag.text)
		hg_diag_hint(&file->diag, "it is named on line %zu of %s",
			     hg_diag_line(diag, referrer->at), diag->file);
	return error;
}

static void close_file(struct hg_ruleset_build *build, struct hg_config_file *file)
{
	if (!build->report)
		build->report = open_memstream(&build->report_text, &build->report_size);
	/* without memory for the report its errors still count */
	if (hg_config_file_close(file, build->report ? build->report : stderr))
		build->has_errors = true;
}

static void read_list_file(struct hg_ruleset_build *build, struct hg_diag *diag,
			   const struct hg_yaml_node *map, struct hg_list_build *list)
{
	const struct hg_yaml_node *key = hg_yaml_find(map, "file"), *other;
	struct hg_config_file file;
	char path[PATH_MAX];

	for (other = map->first; other; other = other->next->next) {
		if (other == key || other->type == HG_YAML_BROKEN)
			continue;
		hg_diag_error(diag, other->at, "unknown key '%.60s' in a list", other->text);
		hg_diag_hint(diag, "known here: file");
	}
	if (!key && !map->count)
		hg_diag_error(diag, map->at, "'file' is missing in a list");
	if (!key || !resolve(build, diag, key->next, "file", path))
		return;
	if (!open_file(&file, path, HG_LIST_FILE_MAX, build->is_quiet, diag, key->next))
		hg_list_read(list, &file.diag);
	close_file(build, &file);
}

static void read_list_items(struct hg_diag *diag, const struct hg_yaml_node *value,
			    struct hg_list_build *list)
{
	const struct hg_yaml_node *item;
	struct hg_rule_error error;
	struct hg_ip ip;

	for (item = value->first; item; item = item->next) {
		if (!hg_value_text(diag, item, "an entry of a list"))
			continue;
		if (hg_rule_ip_parse(item->text, strlen(item->text), &ip, &error)) {
			if (!hg_list_add(list, &ip, diag, item->at))
				return;
			continue;
		}
		hg_diag_error(diag, item->at + (item->is_plain ? error.column - 1 : 0), "%s",
			      error.text);
		hg_diag_hint(diag, "%s", error.hint);
	}
}

static void on_list(struct hg_diag *diag, const struct hg_yaml_node *key,
		    const struct hg_yaml_node *value, void *target)
{
	struct hg_ruleset_build *build = ((struct section *)target)->build;
	struct hg_list_build list = { .left = build->entries_left };

	if (!hg_value_name(diag, key, "lists", list.list.name, sizeof(list.list.name)))
		return;
	if (build->ruleset->list_count == HG_LISTS_MAX) {
		hg_diag_error(diag, key->at, "more than %d lists", HG_LISTS_MAX);
		return;
	}
	switch (value->type) {
	case HG_YAML_LIST:
		read_list_items(diag, value, &list);
		break;
	case HG_YAML_MAP:
		read_list_file(build, diag, value, &list);
		break;
	case HG_YAML_SCALAR:
		hg_diag_error(diag, value->at, "a list must be a list of addresses, or a file");
		hg_diag_hint(diag, "such as %.31s: [192.0.2.0/24], or %.31s: { file: feed.txt }",
			     key->text, key->text);
		break;
	case HG_YAML_BROKEN:
		break;
	}
	/* also when it is wrong: rules that name it are not wrong as well */
	hg_build_add_list(build, &list);
}

static void on_rule(struct hg_diag *diag, const struct hg_yaml_node *key,
		    const struct hg_yaml_node *value, void *target)
{
	struct hg_rule_place place = { .diag = diag, .node = value };

	(void)key;
	if (hg_value_text(diag, value, "rules"))
		hg_build_add_rule(((struct section *)target)->build, &place, value->text,
				  strlen(value->text));
}

static void read_lines(struct hg_ruleset_build *build, struct hg_diag *diag, uint16_t index)
{
	struct hg_rule_place place = { .diag = diag, .file = index };
	const char *text = diag->text, *newline;
	size_t at, end;

	for (at = 0; at < diag->length; at = end + 1) {
		newline = memchr(text + at, '\n', diag->length - at);
		end = newline ? (size_t)(newline - text) : diag->length;
		for (place.at = at; place.at < end && strchr(" \t\r", text[place.at]);)
			place.at++;
		if (place.at < end && text[place.at] != '#')
			hg_build_add_rule(build, &place, text + place.at, end - place.at);
	}
}

void hg_build_read_rules(struct hg_ruleset_build *build, const char *path, struct hg_diag *diag,
			 const struct hg_yaml_node *referrer)
{
	struct hg_ruleset *ruleset = build->ruleset;
	struct hg_config_file file;
	uint16_t index = 0;
	char *name;

	if (!open_file(&file, path, RULES_FILE_MAX, build->is_quiet, diag, referrer)) {
		name = referrer ? strdup(path) : NULL;
		if (name) {
			index = ruleset->file_count++;
			ruleset->file[index] = name;
		}
		read_lines(build, &file.diag, index);
	}
	close_file(build, &file);
}

static void on_include(struct hg_diag *diag, const struct hg_yaml_node *key,
		       const struct hg_yaml_node *value, void *target)
{
	struct hg_ruleset_build *build = ((struct section *)target)->build;
	char path[PATH_MAX];
	unsigned int i;

	(void)key;
	if (!resolve(build, diag, value, "include", path))
		return;
	if (build->include_count == HG_BUILD_INCLUDES_MAX) {
		hg_diag_error(diag, value->at, "more than %d files", HG_BUILD_INCLUDES_MAX);
		return;
	}
	for (i = 1; i < build->ruleset->file_count; i++) {
		if (strcmp(build->ruleset->file[i], path))
			continue;
		hg_diag_error(diag, value->at, "'%.60s' is included twice", value->text);
		return;
	}
	build->include_count++;
	hg_build_read_rules(build, path, diag, value);
}

void hg_build_read(struct hg_ruleset_build *build, struct hg_diag *diag,
		   const struct hg_yaml_node *filter)
{
	struct section section = { .build = build };

	hg_schema_walk(diag, filter_keys, "filter", filter, &section);
	build->ruleset->is_default_drop = section.default_word == 1;
}

/* Whatever its name: the first line that says something is `key:` or `---`, where a rule
 * has a word and a blank. What cannot be read is reported by whoever reads it as rules. */
static bool is_yaml(const char *path)
{
	struct hg_config_file file;
	const char *line = "";
	size_t length = 0;
	bool is_found;

	if (!hg_config_file_load(&file, path, RULES_FILE_MAX))
		line = file.diag.text;
	while (line && *line && !(length = strcspn(line, " \t\r\n#:"))) {
		line = strchr(line, '\n');
		line = line ? line + 1 : NULL;
	}
	is_found = line && (line[length] == ':' || !strncmp(line, "---", 3));
	hg_diag_done(&file.diag);
	free(file.text);
	return is_found;
}

static int check_cluster(const char *path, FILE *out)
{
	struct hg_cluster_config cluster;
	struct hg_ruleset *ruleset;
	int error = hg_config_read_gateway(path, NULL, &cluster, &ruleset, out);

	if (error)
		return error;
	hg_config_done(&cluster);
	hg_ruleset_free(ruleset);
	return 0;
}

int hg_ruleset_check_file(const char *path, const struct hg_rule_names *names, FILE *out)
{
	struct hg_ruleset_build build;
	char text[256];

	if (is_yaml(path))
		return check_cluster(path, out);
	if (hg_build_begin(&build, path)) {
		hg_build_end(&build, NULL, out);
		fprintf(out, "%s:1:1: error: out of memory\n", path);
		return -EINVAL;
	}
	if (names)
		hg_build_set_ports(&build, names->port, names->port_count, false);
	build.is_open = !names;
	build.names.list = names ? names->list : NULL;
	build.names.list_count = names ? names->list_count : 0;
	hg_build_read_rules(&build, path, NULL, NULL);
	if (!build.has_errors && build.report &&
	    hg_ruleset_lockout(build.ruleset, NULL, text, sizeof(text)))
		fprintf(build.report, "%s:1:1: warning: %s\n", path, text);
	return hg_build_end(&build, NULL, out);
}
