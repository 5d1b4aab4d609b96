// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * `hagate ports`: which NIC each port is bound to, what it hears, what is wrong.
 */
#include "ports.h"

#include <libsmartcols.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"
#include "text.h"

#define DROPS_SHOWN 4

enum column {
	COL_PORT,
	COL_NIC,
	COL_ADDRESS,
	COL_MAC,
	COL_BOUND,
	COL_LINK,
	COL_XDP,
	COL_PEER,
	COL_RTT,
	COL_STATE,
	COLUMNS
};

static const struct {
	const char *name;
	bool is_full, is_short; /* shown by `ports`, by `status` */
	int flags;
} columns[COLUMNS] = {
	[COL_PORT] = { "PORT", true, true, 0 },
	[COL_NIC] = { "NIC", true, true, 0 },
	[COL_ADDRESS] = { "ADDRESS", false, true, SCOLS_FL_TRUNC },
	[COL_MAC] = { "MAC", true, false, 0 },
	[COL_BOUND] = { "BOUND BY", true, false, SCOLS_FL_TRUNC },
	[COL_LINK] = { "LINK", true, true, 0 },
	[COL_XDP] = { "XDP", true, true, 0 },
	[COL_PEER] = { "PEER", true, true, 0 },
	[COL_RTT] = { "RTT", true, true, SCOLS_FL_RIGHT },
	[COL_STATE] = { "STATE", true, true, 0 },
};

static bool has_fault(const json_t *port)
{
	const json_t *fault = json_object_get(port, "fault");

	return fault && !json_is_null(fault);
}

static const char *choose(const json_t *port, const char *key, const char *yes, const char *no)
{
	const json_t *value = json_object_get(port, key);

	return json_is_true(value) ? yes : json_is_false(value) ? no : "?";
}

static void fill(const json_t *port, enum column column, char *to, size_t size)
{
	double rtt = hg_text_number(port, "peer_rtt_us", 0);
	const char *text = NULL;

	switch (column) {
	case COL_PORT:
		text = hg_text_string(port, "name", "?");
		break;
	case COL_NIC:
		text = hg_text_string(port, "ifname", "none");
		break;
	case COL_ADDRESS:
		text = hg_text_string(port, "address", "-");
		break;
	case COL_MAC:
		text = hg_text_string(port, "mac", "-");
		break;
	case COL_BOUND:
		text = hg_text_string(port, "bound_by", "-");
		break;
	case COL_LINK:
		text = choose(port, "link", "up", "DOWN");
		break;
	case COL_XDP:
		text = hg_text_string(port, "xdp", "none");
		break;
	case COL_PEER:
		text = choose(port, "peer_heard", "heard", "silent");
		break;
	case COL_RTT:
		text = rtt > 0 ? NULL : "-";
		snprintf(to, size, "%.2f ms", rtt / 1000);
		break;
	case COL_STATE:
		text = has_fault(port) ? "FAULT" : "ok";
		break;
	case COLUMNS:
		break;
	}
	if (text)
		hg_text_copy(to, size, text);
}

static bool add_line(struct libscols_table *table, const json_t *port, bool is_full)
{
	struct libscols_line *line = scols_table_new_line(table, NULL);
	size_t at = 0;

	if (!line)
		return false;
	if (has_fault(port))
		scols_line_set_color(line, "red");
	for (enum column i = 0; i < COLUMNS; i++) {
		char text[64] = "";

		if (!(is_full ? columns[i].is_full : columns[i].is_short))
			continue;
		fill(port, i, text, sizeof(text));
		if (scols_line_set_data(line, at++, text))
			return false;
	}
	return true;
}

static bool add_columns(struct libscols_table *table, bool is_full)
{
	for (enum column i = 0; i < COLUMNS; i++)
		if ((is_full ? columns[i].is_full : columns[i].is_short) &&
		    !scols_table_new_column(table, columns[i].name, 0, columns[i].flags))
			return false;
	return true;
}

/* Ports with a fault come first when not all fit. */
static bool add_ports(struct libscols_table *table, const json_t *ports, bool is_full,
		      size_t rows_max)
{
	size_t count = json_array_size(ports), rows = 0;
	bool is_sorted = count > rows_max;

	for (int pass = 0; pass < (is_sorted ? 2 : 1); pass++) {
		for (size_t i = 0; i < count && rows < rows_max; i++) {
			const json_t *port = json_array_get(ports, i);

			if (is_sorted && has_fault(port) != (pass == 0))
				continue;
			if (!add_line(table, port, is_full))
				return false;
			rows++;
		}
	}
	return true;
}

int hg_ports_print(const struct hg_tool *tool, const json_t *ports, bool is_full, size_t rows_max)
{
	struct libscols_table *table = scols_new_table();
	size_t count = json_array_size(ports);
	size_t shown = count < rows_max ? count : rows_max;
	int lines = 0;

	if (table && add_columns(table, is_full) && add_ports(table, ports, is_full, rows_max)) {
		scols_table_enable_colors(table, tool->has_color);
		scols_table_set_termforce(table, SCOLS_TERMFORCE_ALWAYS);
		scols_table_set_termwidth(table, HG_TOOL_WIDTH);
		scols_table_reduce_termwidth(table, 0);
		scols_print_table(table);
		lines = (int)shown + 1;
	}
	scols_unref_table(table);
	if (shown < count) {
		printf("and %zu more: hagate ports\n", count - shown);
		lines++;
	}
	return lines;
}

static void print_fault(const struct hg_tool *tool, const json_t *port)
{
	const char *fault = hg_text_string(port, "fault", "fault");
	bool is_named = strncmp(fault, "port", 4) == 0; /* as all of the agent's are */
	char line[1024] = "";

	if (!has_fault(port))
		return;
	if (!is_named)
		hg_text_add(line, sizeof(line), "port %s: ", hg_text_string(port, "name", "?"));
	hg_text_add(line, sizeof(line), "%s", fault);
	hg_text_wrap(tool, HG_TEXT_RED, 2, 8, line);
}

/* How virtual addresses are answered there, and why. */
static void print_mac(const struct hg_tool *tool, const json_t *port)
{
	const json_t *test = json_object_get(port, "mac_test");
	double age_ms = hg_text_number(test, "age_ms", -1);
	char line[1024], age[40];

	if (!json_is_object(test))
		return;
	snprintf(line, sizeof(line), "%s: MAC %s", hg_text_string(port, "name", "?"),
		 hg_text_string(port, "mac_mode", "?"));
	hg_text_duration(age, sizeof(age), age_ms);
	if (age_ms >= 0)
		hg_text_add(line, sizeof(line), ", tested %s ago", age);
	hg_text_add(line, sizeof(line), ": %s", hg_text_string(test, "text", "?"));
	hg_text_wrap(tool, HG_TEXT_PLAIN, 2, 6, line);
}

struct drop {
	const char *reason;
	double packets;
};

static int by_packets(const void *a, const void *b)
{
	double left = ((const struct drop *)a)->packets, right = ((const struct drop *)b)->packets;

	return (left < right) - (left > right);
}

/* The largest counters only; all of them are in --json. */
static void print_drops(const struct hg_tool *tool, json_t *port)
{
	struct drop drops[64];
	size_t count = 0;
	const char *reason;
	json_t *value;
	char line[1024];

	json_object_foreach(json_object_get(port, "rx_dropped"), reason, value)
	{
		if (json_number_value(value) > 0 && count < sizeof(drops) / sizeof(drops[0]))
			drops[count++] = (struct drop){ reason, json_number_value(value) };
	}
	if (!count)
		return;
	qsort(drops, count, sizeof(drops[0]), by_packets);
	snprintf(line, sizeof(line), "%s dropped:", hg_text_string(port, "name", "?"));
	for (size_t i = 0; i < count && i < DROPS_SHOWN; i++)
		hg_text_add(line, sizeof(line), "%s %.0f %s", i ? "," : "", drops[i].packets,
			    drops[i].reason);
	hg_text_wrap(tool, HG_TEXT_PLAIN, 2, 2, line);
}

int hg_ports_run(const struct hg_tool *tool)
{
	json_t *answer;
	const json_t *ports;
	int status = hg_client_ask(
		tool, json_pack("{s:s}", "command", tool->is_mac_test ? "mac-test" : "ports"),
		tool->is_mac_test ? HG_CLIENT_LONG_MS : HG_CLIENT_TIMEOUT_MS, &answer);

	if (status)
		return status;
	ports = json_object_get(answer, "ports");
	if (tool->is_json) {
		status = hg_text_print_json(tool, ports);
	} else {
		hg_ports_print(tool, ports, true, SIZE_MAX);
		for (size_t i = 0; i < json_array_size(ports); i++)
			print_fault(tool, json_array_get(ports, i));
		for (size_t i = 0; i < json_array_size(ports); i++)
			print_mac(tool, json_array_get(ports, i));
		for (size_t i = 0; i < json_array_size(ports); i++)
			print_drops(tool, json_array_get(ports, i));
	}
	json_decref(answer);
	return status;
}
