// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * `hagate why`: the story of the last change of role, in the words of the agent.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client.h"
#include "text.h"
#include "why_files.h"

#define STATE_DIR "/var/lib/hagate"

static void print_list(const struct hg_tool *tool, enum hg_text_color color, const char *mark,
		       const json_t *list)
{
	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *text = json_string_value(json_array_get(list, i));
		char line[1024];

		snprintf(line, sizeof(line), "%s%s", mark, text ? text : "");
		hg_text_wrap(tool, color, 2, 10, line);
	}
}

static void print_transitions(const struct hg_tool *tool, const json_t *list)
{
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *one = json_array_get(list, i);
		char line[512];

		snprintf(line, sizeof(line), "+%.1f ms  %s -> %s: %s",
			 hg_text_number(one, "at_ms", 0), hg_text_string(one, "from", "?"),
			 hg_text_string(one, "to", "?"), hg_text_string(one, "reason_text", "?"));
		hg_text_wrap(tool, HG_TEXT_PLAIN, 6, 3, line);
	}
}

static void print_text(const struct hg_tool *tool, const json_t *why)
{
	const char *time = hg_text_string(why, "time", "?");
	char line[512];

	snprintf(line, sizeof(line), "%.10s %.12s  %s: %s -> %s: %s", time,
		 strlen(time) > 11 ? time + 11 : "", hg_text_string(why, "node", "?"),
		 hg_text_string(why, "from", "?"), hg_text_string(why, "to", "?"),
		 hg_text_string(why, "reason_text", hg_text_string(why, "reason", "?")));
	hg_text_wrap(tool, HG_TEXT_YELLOW, 2, 4, line);
	print_transitions(tool, json_object_get(why, "transitions"));
	putchar('\n');
	print_list(tool, HG_TEXT_PLAIN, "", json_object_get(why, "text"));
	putchar('\n');
	print_list(tool, HG_TEXT_GREEN, "What to do: ", json_object_get(why, "advice"));
}

static int print(const struct hg_tool *tool, const json_t *why)
{
	if (tool->is_json)
		return hg_text_print_json(tool, why);
	print_text(tool, why);
	return HG_EXIT_OK;
}

/* From the files that an agent left. */
static int tell_files(const struct hg_tool *tool, const char *dir, long back)
{
	json_t *why;
	int err = hg_why_read(dir, back, &why);
	int status;

	if (err) {
		fprintf(stderr, "hagate why: %s: %s\n", dir,
			err == -ENOENT	  ? "no change of role that far back was kept there"
			: err == -EBADMSG ? "the record of that change is damaged"
					  : strerror(-err));
		return HG_EXIT_FAILED;
	}
	status = print(tool, why);
	json_decref(why);
	return status;
}

int hg_why_run(const struct hg_tool *tool)
{
	const json_t *why;
	json_t *answer;
	char *end = "";
	long back = tool->argument ? strtol(tool->argument, &end, 10) : 1;
	int status;

	if (*end || back < 1 || back > 1000) {
		fprintf(stderr,
			"hagate why: say 1 for the last change, 2 for the one before, not "
			"'%s'\n",
			tool->argument);
		return HG_EXIT_USAGE;
	}
	if (tool->state)
		return tell_files(tool, tool->state, back);
	status = hg_client_ask(tool,
			       json_pack("{s:s,s:I}", "command", "why", "back", (json_int_t)back),
			       HG_CLIENT_TIMEOUT_MS, &answer);
	if (status == HG_EXIT_UNREACHABLE && !geteuid())
		fputs("  What it left behind:            hagate why --state=" STATE_DIR "\n",
		      stderr);
	if (status)
		return status;
	why = json_object_get(answer, "why");
	if (!json_is_object(why)) {
		fputs("hagate: the answer is not one that this version understands\n", stderr);
		status = HG_EXIT_UNREACHABLE;
	} else {
		status = print(tool, why);
	}
	json_decref(answer);
	return status;
}
