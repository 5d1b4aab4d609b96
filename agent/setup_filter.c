// SPDX-License-Identifier: GPL-2.0-or-later
/* See setup_filter.h. */
#include "agent/setup_filter.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "agent/filter/compile.h"
#include "agent/filter/ruleset.h"

void hg_setup_names(const struct hg_cluster_config *cluster, struct hg_setup_names *ret)
{
	*ret = (struct hg_setup_names){ .names = { .port_count = cluster->port_count } };
	for (unsigned int i = 0; i < cluster->port_count; i++)
		ret->port[i] = cluster->port[i].name;
	ret->names.port = ret->port;
}

static uint8_t slot_of(const struct hg_node_config *node, const char *port)
{
	for (unsigned int slot = 0; slot < node->port_count; slot++)
		if (!strcmp(node->port[slot].name, port))
			return slot;
	return HG_SLOTS_MAX;
}

int hg_setup_compile(const struct hg_setup *setup, const struct hg_ruleset *ruleset,
		     struct hg_compiled **ret, FILE *out)
{
	struct hg_compile_context context = { .vip = setup->vip,
					      .vip_count = setup->cluster.vip_count };
	const char *text = NULL;
	int err;

	memset(context.slot, HG_SLOTS_MAX, sizeof(context.slot));
	for (unsigned int i = 0; i < setup->cluster.port_count; i++)
		context.slot[i] = slot_of(&setup->node, setup->cluster.port[i].name);
	err = hg_compile(ruleset, &context, ret);
	if (err == -ENOSPC)
		text = "lists and rules overlap in more ways than the filter's tables hold: give "
		       "rules the same lists instead of single prefixes";
	else if (err == -E2BIG)
		text = "too many rules";
	else if (err)
		text = strerror(-err);
	if (text)
		fprintf(out, "%s: error: the filter: %s\n", setup->node.cluster, text);
	return err;
}

/* --- RUN/filter.json ------------------------------------------------------------------ */

static json_t *json_rule(const struct hg_ruleset *ruleset, const struct hg_rule_names *names,
			 const struct hg_rule *rule)
{
	char text[HG_RULE_TEXT_MAX];

	hg_rule_print(rule, names, text, sizeof(text));
	return json_pack("{s:s,s:o,s:s,s:i,s:b,s:b,s:b}", "rule", text, "id",
			 json_sprintf("%016" PRIx64, rule->id), "file", ruleset->file[rule->file],
			 "line", (int)rule->line, "drop", rule->action == HG_RULE_DROP,
			 "count_only", rule->is_count_only, "rate", rule->rate.count > 0);
}

static json_t *json_lists(const struct hg_ruleset *ruleset)
{
	json_t *array = json_array();

	for (unsigned int i = 0; i < ruleset->list_count; i++)
		json_array_append_new(array,
				      json_pack("{s:s,s:I}", "name", ruleset->list[i].name,
						"entries", (json_int_t)ruleset->list[i].count));
	return array;
}

static json_t *json_filter(const struct hg_setup *setup, const struct hg_ruleset *ruleset)
{
	const struct hg_setup_filter *filter = &setup->filter;
	json_t *rules = json_array(), *warnings = json_array();
	struct hg_setup_names names;

	hg_setup_names(&setup->cluster, &names);
	names.names.list = ruleset->list;
	names.names.list_count = ruleset->list_count;
	for (unsigned int i = 0; i < ruleset->rule_count; i++)
		json_array_append_new(rules, json_rule(ruleset, &names.names, &ruleset->rule[i]));
	for (unsigned int i = 0; i < HG_SETUP_WARNINGS; i++)
		if (filter->warning[i][0])
			json_array_append_new(warnings, json_string(filter->warning[i]));
	return json_pack("{s:I,s:I,s:s,s:o,s:o,s:o}", "generation", (json_int_t)filter->generation,
			 "applied", (json_int_t)time(NULL), "default",
			 ruleset->is_default_drop ? "drop" : "accept", "rules", rules, "lists",
			 json_lists(ruleset), "warnings", warnings);
}

static int write_file(const char *path, const json_t *json)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0640);
	FILE *file = fd < 0 ? NULL : fdopen(fd, "w");
	int err = 0;

	if (!file)
		return -errno;
	errno = 0;
	if (!json || json_dumpf(json, file, JSON_COMPACT))
		err = errno ? -errno : -ENOMEM;
	if (fclose(file) && !err)
		err = -errno;
	return err;
}

/* The directory lives in memory and ends with the rules in force: no need to sync. */
static int store(const struct hg_setup *setup, const struct hg_ruleset *ruleset)
{
	char path[PATH_MAX + 32], temporary[PATH_MAX + 48];
	json_t *json = json_filter(setup, ruleset);
	int err;

	mkdir(setup->node.run, 0755);
	snprintf(path, sizeof(path), "%s/" HG_FILTER_FILE, setup->node.run);
	snprintf(temporary, sizeof(temporary), "%s.%d", path, (int)getpid());
	err = write_file(temporary, json);
	if (!err && rename(temporary, path))
		err = -errno;
	if (err)
		unlink(temporary);
	json_decref(json);
	return err;
}

static void warn(struct hg_setup *setup, const struct hg_ruleset *ruleset)
{
	char(*warning)[HG_SETUP_WARNING_LEN] = setup->filter.warning;

	memset(warning, 0, sizeof(setup->filter.warning));
	hg_ruleset_lockout(ruleset, &setup->cluster, warning[0], sizeof(warning[0]));
	hg_ruleset_drops_heartbeats(ruleset, &setup->cluster, warning[1], sizeof(warning[1]));
}

int hg_setup_apply(struct hg_setup *setup, const struct hg_ruleset *ruleset,
		   const struct hg_compiled *compiled, FILE *out)
{
	struct hg_setup_filter *filter = &setup->filter;
	struct hg_filter_result result;
	struct hg_error error = { "" };
	int err = hg_filter_apply(setup->node.pin, compiled, &result, &error);

	if (err) {
		fprintf(out, "the filter stays as it was: %s\n", error.text);
		return err;
	}
	filter->generation = result.generation;
	filter->kept = result.kept;
	filter->rule_count = ruleset->rule_count;
	filter->is_default_drop = ruleset->is_default_drop;
	warn(setup, ruleset);
	err = store(setup, ruleset);
	if (err)
		fprintf(out,
			"%s/" HG_FILTER_FILE ": %s: the rules are in force, but `hagate filter "
			"show` cannot show them\n",
			setup->node.run, strerror(-err));
	return 0;
}

json_t *hg_setup_filter_read(const char *run, struct hg_error *error)
{
	char path[PATH_MAX + 32];
	json_error_t why;
	json_t *json;

	snprintf(path, sizeof(path), "%s/" HG_FILTER_FILE, run);
	json = json_load_file(path, 0, &why);
	if (!json)
		snprintf(error->text, sizeof(error->text), "%.300s: %s", path, why.text);
	return json;
}
