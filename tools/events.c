// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * `hagate events`: what happened, oldest first, a line each. With --steps what the flight
 * recorder holds.
 */
#include <string.h>

#include "client.h"
#include "text.h"

/* "2026-11-22T15:45:40.123+01:00" -> "2026-11-22 15:45:40.123" */
static void copy_time(char *to, size_t size, const char *time)
{
	size_t length = strlen(time);

	if (length > 19)
		length = 19 + strcspn(time + 19, "+-Z");

	hg_text_copy(to, length + 1 < size ? length + 1 : size, time);
	if (length > 10 && to[10] == 'T')
		to[10] = ' ';
}

static enum hg_text_color color_of(const char *type, const char *to)
{
	if (strcmp(type, "fault") == 0)
		return HG_TEXT_RED;
	if (strcmp(type, "transition") == 0 && strcmp(to, "active") == 0)
		return HG_TEXT_GREEN;
	return HG_TEXT_PLAIN;
}

static void print_text(const struct hg_tool *tool, const json_t *event)
{
	const char *type = hg_text_string(event, "type", "?");
	const char *from = hg_text_string(event, "from", "");
	const char *to = hg_text_string(event, "to", "");
	const char *text = hg_text_string(event, "text", hg_text_string(event, "reason", ""));
	char time[40], head[80], change[80] = "", words[1024], epoch[32];

	copy_time(time, sizeof(time), hg_text_string(event, "time", "?"));
	hg_text_copy(head, sizeof(head), type);
	if ((*from || *to) && !strstr(text, " -> "))
		snprintf(change, sizeof(change), "%s -> %s: ", from, to);
	hg_text_copy(change, sizeof(change), change);
	hg_text_copy(words, sizeof(words), text);
	hg_text_epoch(epoch, sizeof(epoch), hg_text_string(event, "epoch", ""));
	printf("%-23s  %-10s  %s%s%s%s", time, head, hg_text_color(tool, color_of(type, to)),
	       change, words, hg_text_color_end(tool));
	if (*epoch && strcmp(epoch, "0x0") != 0)
		printf(" (epoch %s)", epoch);
	putchar('\n');
}

/* One step of the election. The first line, its state before them, is for a replayer. */
static void print_step(const json_t *step)
{
	const json_t *actions = json_object_get(step, "actions");
	char words[512], from[40];

	if (!json_is_string(json_object_get(step, "event")))
		return;
	hg_text_copy(words, sizeof(words), hg_text_string(step, "event", "?"));
	printf("%15.6f  %-15s ", hg_text_number(step, "now_ns", 0) / 1e9, words);
	hg_text_copy(words, sizeof(words), hg_text_string(step, "state", "?"));
	printf("%-11s", words);
	words[0] = '\0';
	for (size_t i = 0; i < json_array_size(actions); i++) {
		const char *name = json_string_value(json_array_get(actions, i));

		hg_text_add(words, sizeof(words), " %s", name ? name : "?");
	}
	hg_text_copy(words, sizeof(words), words);
	fputs(words, stdout);
	hg_text_copy(from, sizeof(from), hg_text_string(step, "from", ""));
	hg_text_copy(words, sizeof(words), hg_text_string(step, "reason", ""));
	if (*words)
		printf("  (from %s: %s)", from, words);
	putchar('\n');
}

/* Prints one line of the answer; is_end: hagated refused or wrote nonsense. */
static int print_line(const struct hg_tool *tool, const char *line)
{
	json_t *event = json_loads(line, 0, NULL);
	int status = HG_EXIT_OK;

	if (!json_is_object(event)) {
		fputs("hagate: the answer is not one that this version understands\n", stderr);
		status = HG_EXIT_UNREACHABLE;
	} else if (hg_client_is_refusal(event)) {
		status = HG_EXIT_FAILED;
	} else if (tool->is_json) {
		puts(line);
	} else if (tool->is_steps) {
		print_step(event);
	} else {
		print_text(tool, event);
	}
	json_decref(event);
	if (fflush(stdout) == EOF)
		status = HG_EXIT_FAILED;
	return status;
}

int hg_events_run(const struct hg_tool *tool)
{
	int timeout_ms = tool->is_follow ? HG_CLIENT_NO_TIMEOUT : HG_CLIENT_TIMEOUT_MS;
	json_t *request = json_pack("{s:s,s:b,s:b}", "command", "events", "follow", tool->is_follow,
				    "steps", tool->is_steps);
	struct hg_client client;
	const char *line;
	int status = hg_client_open(tool, request, &client);

	if (status)
		return status;
	for (;;) {
		status = hg_client_line(&client, timeout_ms, &line);
		if (status || !line)
			break;
		status = print_line(tool, line);
		if (status)
			break;
	}
	hg_client_close(&client);
	if (!status && tool->is_follow) {
		fputs("hagate: hagated closed the connection; did it stop? systemctl status "
		      "hagated\n",
		      stderr);
		status = HG_EXIT_UNREACHABLE;
	}
	return status;
}
