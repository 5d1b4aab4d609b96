// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * `hagate filter show`: the rules in force with their counters.
 */
#include <libsmartcols.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"
#include "text.h"

enum column { COL_NUMBER, COL_PACKETS, COL_OCTETS, COL_LAST, COL_EXCEEDED, COL_RULE, COLUMNS };

static const struct {
	const char *name;
	int flags;
} columns[COLUMNS] = {
	[COL_NUMBER] = { "NO", SCOLS_FL_RIGHT },
	[COL_PACKETS] = { "PACKETS", SCOLS_FL_RIGHT },
	[COL_OCTETS] = { "OCTETS", SCOLS_FL_RIGHT },
	[COL_LAST] = { "LAST HIT", SCOLS_FL_RIGHT },
	[COL_EXCEEDED] = { "EXCEEDED", SCOLS_FL_RIGHT },
	[COL_RULE] = { "RULE", 0 },
};

/* 1234567 -> "1.2 MB" */
static void fill_octets(char *to, size_t size, double octets)
{
	static const char *const units[] = { "B", "kB", "MB", "GB", "TB", "PB" };
	size_t unit = 0;

	while (octets >= 10000 && unit + 1 < sizeof(units) / sizeof(units[0])) {
		octets /= 1000;
		unit++;
	}
	snprintf(to, size, unit && octets < 100 ? "%.1f %s" : "%.0f %s", octets, units[unit]);
}

static void fill(const json_t *rule, enum column column, char *to, size_t size)
{
	double last_ms = hg_text_number(rule, "last_hit_ms", -1);

	switch (column) {
	case COL_NUMBER:
		snprintf(to, size, "%.0f", hg_text_number(rule, "number", 0));
		break;
	case COL_PACKETS:
		snprintf(to, size, "%.0f", hg_text_number(rule, "packets", 0));
		break;
	case COL_OCTETS:
		fill_octets(to, size, hg_text_number(rule, "octets", 0));
		break;
	case COL_LAST:
		if (last_ms < 0)
			hg_text_copy(to, size, "never");
		else
			hg_text_duration(to, size, last_ms);
		break;
	case COL_EXCEEDED:
		if (hg_text_is_true(rule, "rate"))
			snprintf(to, size, "%.0f", hg_text_number(rule, "exceeded", 0));
		else
			hg_text_copy(to, size, "-");
		break;
	case COL_RULE:
		hg_text_copy(to, size, hg_text_string(rule, "rule", "?"));
		break;
	case COLUMNS:
		break;
	}
}

static bool add_rule(struct libscols_table *table, const json_t *rule)
{
	struct libscols_line *line = scols_table_new_line(table, NULL);
	char text[1024];

	for (enum column i = 0; line && i < COLUMNS; i++) {
		fill(rule, i, text, sizeof(text));
		if (scols_line_set_data(line, i, text))
			return false;
	}
	return line;
}

/* As wide as its longest rule: a rule that is cut says something else. */
static void print_rules(const json_t *rules)
{
	struct libscols_table *table = scols_new_table();
	bool is_good = table && json_array_size(rules);
	json_t *rule;
	size_t i;

	for (enum column column = 0; is_good && column < COLUMNS; column++)
		is_good = scols_table_new_column(table, columns[column].name, 0,
						 columns[column].flags);
	json_array_foreach(rules, i, rule) is_good = is_good && add_rule(table, rule);
	if (is_good) {
		scols_table_set_termforce(table, SCOLS_TERMFORCE_NEVER);
		scols_print_table(table);
	}
	scols_unref_table(table);
}

static void add_count(char *line, size_t size, double count, const char *one, const char *many)
{
	hg_text_add(line, size, "%.0f %s", count, count > 0 && count < 2 ? one : many);
}

static void print_rest(const struct hg_tool *tool, const json_t *filter)
{
	const json_t *blocklist = json_object_get(filter, "blocklist");
	const json_t *warnings = json_object_get(filter, "warnings");
	char line[1024];

	snprintf(line, sizeof(line), "default    %s, ", hg_text_string(filter, "default", "?"));
	add_count(line, sizeof(line), hg_text_number(filter, "default_dropped", 0), "packet",
		  "packets");
	hg_text_add(line, sizeof(line), " dropped by it");
	hg_text_wrap(tool, HG_TEXT_PLAIN, 11, 2, line);
	snprintf(line, sizeof(line), "blocklist  ");
	add_count(line, sizeof(line),
		  hg_text_number(blocklist, "ip4", 0) + hg_text_number(blocklist, "ip6", 0),
		  "address, ", "addresses, ");
	add_count(line, sizeof(line), hg_text_number(blocklist, "prefixes", 0), "prefix, ",
		  "prefixes, ");
	add_count(line, sizeof(line), hg_text_number(blocklist, "dropped", 0), "packet", "packets");
	hg_text_add(line, sizeof(line), " dropped by it");
	hg_text_wrap(tool, HG_TEXT_PLAIN, 11, 2, line);
	for (size_t i = 0; i < json_array_size(warnings); i++) {
		const char *text = json_string_value(json_array_get(warnings, i));

		snprintf(line, sizeof(line), "note       %s", text ? text : "?");
		hg_text_wrap(tool, HG_TEXT_YELLOW, 11, 4, line);
	}
	if (!hg_text_is_true(filter, "in_force"))
		hg_text_wrap(tool, HG_TEXT_RED, 0, 4,
			     "These are not the rules in force: an agent died while it changed "
			     "them. Run: hagate reload");
}

int hg_filter_show(const struct hg_tool *tool)
{
	json_t *answer;
	const json_t *filter;
	int status = hg_client_ask(tool, json_pack("{s:s}", "command", "filter-show"),
				   HG_CLIENT_LONG_MS, &answer);

	if (status)
		return status;
	filter = json_object_get(answer, "filter");
	if (tool->is_json) {
		status = hg_text_print_json(tool, filter);
	} else {
		print_rules(json_object_get(filter, "rules"));
		print_rest(tool, filter);
	}
	json_decref(answer);
	return status;
}
