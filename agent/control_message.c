// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A request line into a command and its arguments, words into an answer. No state,
 * no I/O: the fuzzer runs exactly these lines.
 */
#include "control.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* What goes into an error must be printable, whatever came over the socket. */
static void make_printable(char *text)
{
	for (; *text; text++)
		if (*text < ' ' || *text > '~')
			*text = '?';
}

int hg_control_parse(const char *line, size_t length, const struct hg_control_command *commands,
		     const struct hg_control_command **ret_command, json_t **ret_arguments,
		     struct hg_error *error)
{
	json_error_t why;
	json_t *root = json_loadb(line, length, JSON_REJECT_DUPLICATES, &why);
	const char *name = json_string_value(json_object_get(root, "command"));

	if (!root)
		snprintf(error->text, sizeof(error->text),
			 "the request is not one line of JSON: %s (column %d)", why.text,
			 why.column);
	else if (!name)
		snprintf(error->text, sizeof(error->text),
			 "the request must be an object like {\"command\":\"status\"}");
	for (; name && commands->name; commands++) {
		if (strcmp(commands->name, name) != 0)
			continue;
		*ret_command = commands;
		*ret_arguments = root;
		return 0;
	}
	if (name)
		snprintf(error->text, sizeof(error->text),
			 "unknown command '%.40s'; the agent and the tool may be of different "
			 "versions",
			 name);
	make_printable(error->text);
	json_decref(root);
	return -EINVAL;
}

static json_t *string_of(const char *format, va_list list)
{
	char text[1024];
	json_t *string;

	vsnprintf(text, sizeof(text), format, list);
	string = json_string(text);
	if (string)
		return string;
	for (char *c = text; *c; c++) /* not UTF-8, or cut in the middle of a character */
		if ((unsigned char)*c >= 0x80)
			*c = '?';
	return json_string(text);
}

void hg_control_done(struct hg_control_request *req, const char *format, ...)
{
	va_list list;

	va_start(list, format);
	hg_control_reply(req, json_pack("{s:b,s:o}", "ok", 1, "text", string_of(format, list)));
	va_end(list);
}

void hg_control_fail(struct hg_control_request *req, const char *format, ...)
{
	va_list list;

	va_start(list, format);
	hg_control_reply(req, json_pack("{s:b,s:o}", "ok", 0, "error", string_of(format, list)));
	va_end(list);
}
