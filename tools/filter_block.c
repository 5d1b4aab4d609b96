// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * `hagate filter block`, `unblock` and `blocked`. A file goes to hagated behind the
 * request, over the same connection, and is read there to its end.
 */
#include <errno.h>
#include <fcntl.h>
#include <libsmartcols.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client.h"
#include "duration.h"
#include "text.h"

/* The request, NULL: usage, which was told. */
static json_t *make_request(const struct hg_tool *tool)
{
	long long ttl = tool->ttl ? hg_duration_seconds(tool->ttl) : 0;
	json_t *request;

	if (ttl < 0) {
		fprintf(stderr,
			"hagate filter block: '%s' is no time to live; write 30s, 10min, 2h or 7d (" HG_DURATION_UNITS
			")\n",
			tool->ttl);
		return NULL;
	}
	request = json_pack("{s:s}", "command", "filter-block");
	if (tool->argument)
		json_object_set_new(request, "address", json_string(tool->argument));
	else
		json_object_set_new(request, "bulk", json_true());
	if (ttl)
		json_object_set_new(request, "ttl_s", json_integer(ttl));
	if (tool->source)
		json_object_set_new(request, "source", json_string(tool->source));
	return request;
}

/* False: reading failed, told. An agent that hangs up has an answer that says why. */
static bool send_file(int to, int from, const char *name)
{
	char buffer[65536];
	ssize_t n, sent;

	while ((n = read(from, buffer, sizeof(buffer))) > 0) {
		for (ssize_t at = 0; at < n; at += sent) {
			sent = send(to, buffer + at, n - at, MSG_NOSIGNAL);
			if (sent < 0)
				return true;
		}
	}
	if (n < 0) {
		fprintf(stderr, "hagate: cannot read %s: %s\n", name, strerror(errno));
		return false;
	}
	shutdown(to, SHUT_WR);
	return true;
}

static int ask_with_file(const struct hg_tool *tool, json_t *request, json_t **ret_answer)
{
	bool is_stdin = strcmp(tool->file, "-") == 0;
	int fd = is_stdin ? STDIN_FILENO : open(tool->file, O_RDONLY | O_CLOEXEC);
	struct hg_client client;
	int status;

	if (fd < 0) {
		fprintf(stderr, "hagate: cannot open %s: %s\n", tool->file, strerror(errno));
		json_decref(request);
		return HG_EXIT_FAILED;
	}
	status = hg_client_open(tool, request, &client);
	if (!status && !send_file(client.fd, fd, tool->file)) {
		hg_client_close(&client);
		status = HG_EXIT_FAILED;
	} else if (!status) {
		status = hg_client_answer(&client, HG_CLIENT_LONG_MS, ret_answer);
	}
	if (!is_stdin)
		close(fd);
	return status;
}

static int tell(int status, json_t *answer)
{
	if (status)
		return status;
	hg_text_print_lines(stdout, hg_text_string(answer, "text", "done"));
	json_decref(answer);
	return HG_EXIT_OK;
}

int hg_filter_block(const struct hg_tool *tool)
{
	json_t *request, *answer = NULL;
	int status;

	if (!tool->argument == !tool->file) {
		fputs("hagate filter block: say an address or prefix, or --file FILE\n", stderr);
		return HG_EXIT_USAGE;
	}
	request = make_request(tool);
	if (!request)
		return HG_EXIT_USAGE;
	if (tool->file)
		status = ask_with_file(tool, request, &answer);
	else
		status = hg_client_ask(tool, request, HG_CLIENT_TIMEOUT_MS, &answer);
	return tell(status, answer);
}

int hg_filter_unblock(const struct hg_tool *tool)
{
	json_t *answer = NULL;
	int status = hg_client_ask(
		tool,
		json_pack("{s:s,s:s}", "command", "filter-unblock", "address", tool->argument),
		HG_CLIENT_TIMEOUT_MS, &answer);

	return tell(status, answer);
}

/* --- the list --------------------------------------------------------------------------- */

static bool add_line(struct libscols_table *table, const json_t *entry)
{
	struct libscols_line *line = scols_table_new_line(table, NULL);
	double left = hg_text_number(entry, "expires_s", -1);
	char address[64], source[32], span[40] = "for ever", packets[32];

	if (left >= 0)
		hg_text_duration(span, sizeof(span), left * 1000);
	hg_text_copy(address, sizeof(address), hg_text_string(entry, "address", "?"));
	hg_text_copy(source, sizeof(source), hg_text_string(entry, "source", "?"));
	snprintf(packets, sizeof(packets), "%.0f", hg_text_number(entry, "packets", 0));
	return line && !scols_line_set_data(line, 0, address) &&
	       !scols_line_set_data(line, 1, source) && !scols_line_set_data(line, 2, span) &&
	       !scols_line_set_data(line, 3, packets);
}

static void print_list(const json_t *answer)
{
	const json_t *list = json_object_get(answer, "blocked");
	double total = hg_text_number(answer, "total", 0);
	struct libscols_table *table = scols_new_table();
	bool is_good = table && scols_table_new_column(table, "ADDRESS", 0, 0) &&
		       scols_table_new_column(table, "SOURCE", 0, 0) &&
		       scols_table_new_column(table, "LEFT", 0, SCOLS_FL_RIGHT) &&
		       scols_table_new_column(table, "PACKETS", 0, SCOLS_FL_RIGHT);

	for (size_t i = 0; is_good && i < json_array_size(list); i++)
		is_good = add_line(table, json_array_get(list, i));
	if (is_good && json_array_size(list)) {
		scols_table_set_termforce(table, SCOLS_TERMFORCE_NEVER);
		scols_print_table(table);
	}
	scols_unref_table(table);
	if (total > json_array_size(list))
		printf("%zu of %.0f are shown: --limit N shows more\n", json_array_size(list),
		       total);
	else if (!json_array_size(list))
		puts("nothing is blocked");
}

int hg_filter_blocked(const struct hg_tool *tool)
{
	json_t *request = json_pack("{s:s}", "command", "filter-blocked"), *answer;
	char *end;
	long limit = tool->limit ? strtol(tool->limit, &end, 10) : 0;
	int status;

	if (tool->limit && (end == tool->limit || *end || limit < 1)) {
		fprintf(stderr, "hagate filter blocked: '%s' is no number of entries\n",
			tool->limit);
		json_decref(request);
		return HG_EXIT_USAGE;
	}
	if (limit)
		json_object_set_new(request, "limit", json_integer(limit));
	status = hg_client_ask(tool, request, HG_CLIENT_LONG_MS, &answer);
	if (status)
		return status;
	if (tool->is_json) {
		json_object_del(answer, "ok");
		status = hg_text_print_json(tool, answer);
	} else {
		print_list(answer);
	}
	json_decref(answer);
	return status;
}
