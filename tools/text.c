// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Text for people: safe access to JSON, durations, colours, wrapping.
 */
#include "text.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "hagate/reason.h"

const char *hg_text_string(const json_t *object, const char *key, const char *otherwise)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : otherwise;
}

double hg_text_number(const json_t *object, const char *key, double otherwise)
{
	const json_t *number = json_object_get(object, key);

	return json_is_number(number) ? json_number_value(number) : otherwise;
}

bool hg_text_is_true(const json_t *object, const char *key)
{
	return json_is_true(json_object_get(object, key));
}

static char printable(char c)
{
	return (unsigned char)c < ' ' || c == 0x7f ? '?' : c;
}

void hg_text_copy(char *to, size_t size, const char *from)
{
	size_t i;

	for (i = 0; i + 1 < size && from[i]; i++)
		to[i] = printable(from[i]);
	to[i] = '\0';
}

void hg_text_duration(char *to, size_t size, double ms)
{
	double s = ms / 1000;

	if (ms < 0)
		hg_text_copy(to, size, "?");
	else if (ms < 1000)
		snprintf(to, size, "%.0f ms", ms);
	else if (s < 60)
		snprintf(to, size, "%.0f s", s);
	else if (s < 3600)
		snprintf(to, size, "%d min %d s", (int)(s / 60), (int)s % 60);
	else if (s < 86400)
		snprintf(to, size, "%d h %d min", (int)(s / 3600), (int)(s / 60) % 60);
	else
		snprintf(to, size, "%.0f d %d h", s / 86400 - 0.5, (int)(s / 3600) % 24);
}

void hg_text_epoch(char *to, size_t size, const char *epoch)
{
	unsigned long long value;
	char *end;

	value = strtoull(epoch, &end, 16);
	if (strncmp(epoch, "0x", 2) != 0 || *end)
		hg_text_copy(to, size, epoch);
	else
		snprintf(to, size, "0x%llx", value);
}

const char *hg_text_reason(const char *name)
{
	static const struct {
		const char *name, *text;
	} reasons[] = {
#define X(id, name, text) { name, text },
		HG_TRANSITION_REASONS(X)
#undef X
	};

	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
		if (strcmp(reasons[i].name, name) == 0)
			return reasons[i].text;
	return name;
}

void hg_text_add(char *text, size_t size, const char *format, ...)
{
	size_t length = strlen(text);
	va_list list;

	va_start(list, format);
	vsnprintf(text + length, size - length, format, list);
	va_end(list);
}

const char *hg_text_color(const struct hg_tool *tool, enum hg_text_color color)
{
	if (!tool->has_color)
		return "";
	switch (color) {
	case HG_TEXT_PLAIN:
		break;
	case HG_TEXT_GREEN:
		return "\033[1;32m";
	case HG_TEXT_YELLOW:
		return "\033[33m";
	case HG_TEXT_RED:
		return "\033[1;31m";
	}
	return "";
}

const char *hg_text_color_end(const struct hg_tool *tool)
{
	return tool->has_color ? "\033[0m" : "";
}

/* Octets of the next line: up to the last space that fits, or a cut word. */
static size_t line_length(const char *text, size_t room)
{
	size_t length = strlen(text);

	if (length <= room)
		return length;
	for (length = room; length > 0 && text[length] != ' ';)
		length--;
	return length ? length : room;
}

int hg_text_wrap(const struct hg_tool *tool, enum hg_text_color color, int indent, int lines_max,
		 const char *text)
{
	int lines = 0;

	for (int lead = 0; *text && lines < lines_max; lead = indent, lines++) {
		int width = tool->width ? tool->width : HG_TOOL_WIDTH;
		size_t room = (size_t)(width - lead);
		size_t length = line_length(text, room);
		bool is_cut = text[length] && lines + 1 == lines_max;

		if (is_cut)
			length = line_length(text, room - 4);
		printf("%*s%s", lead, "", hg_text_color(tool, color));
		for (size_t i = 0; i < length; i++)
			putchar(printable(text[i]));
		printf("%s%s\n", is_cut ? " ..." : "", hg_text_color_end(tool));
		for (text += length; *text == ' ';)
			text++;
	}
	return lines;
}

int hg_text_lines(const struct hg_tool *tool, int indent, const char *text)
{
	int width = tool->width ? tool->width : HG_TOOL_WIDTH, lines = 0;

	for (int lead = 0; *text; lead = indent, lines++)
		for (text += line_length(text, (size_t)(width - lead)); *text == ' ';)
			text++;
	return lines;
}

void hg_text_print_lines(FILE *out, const char *text)
{
	size_t length = strlen(text);

	for (size_t i = 0; i < length; i++)
		putc(text[i] == '\n' || text[i] == '\t' ? text[i] : printable(text[i]), out);
	if (length && text[length - 1] != '\n')
		putc('\n', out);
}

int hg_text_print_json(const struct hg_tool *tool, const json_t *json)
{
	size_t layout = tool->has_terminal ? JSON_INDENT(2) : JSON_COMPACT;

	if (json_dumpf(json, stdout, layout | JSON_ENCODE_ANY | JSON_REAL_PRECISION(15)) < 0) {
		fputs("hagate: cannot print the answer\n", stderr);
		return HG_EXIT_FAILED;
	}
	putchar('\n');
	return HG_EXIT_OK;
}
