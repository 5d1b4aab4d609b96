// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Collecting, sorting and printing errors and warnings with their place (diag.h). The line table
 * is built at the first question for a line. When memory runs out an error is
 * still counted, so that a failure never looks like a success.
 */
#include "agent/diag.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "agent/config_utf8.h"

#define SHOWN 100 /* characters of a source line */
#define SHOWN_BEFORE 60 /* of these before the column, when the line is longer */

void hg_diag_init(struct hg_diag *diag, const char *file)
{
	*diag = (struct hg_diag){ .file = file };
}

void hg_diag_set_text(struct hg_diag *diag, const char *text, size_t length)
{
	free(diag->line);
	diag->line = NULL;
	diag->line_count = 0;
	diag->text = text;
	diag->length = length;
}

void hg_diag_done(struct hg_diag *diag)
{
	unsigned int i;

	for (i = 0; i < diag->count; i++) {
		free(diag->item[i].text);
		free(diag->item[i].hint);
	}
	free(diag->item);
	free(diag->line);
	*diag = (struct hg_diag){ 0 };
}

/* False when it was not kept. */
static bool keep(struct hg_diag *diag, size_t at, bool is_warning, const char *format, va_list args)
{
	struct hg_diag_item *item;

	if (diag->count >= HG_DIAG_MAX)
		return false;
	if (!diag->item)
		diag->item = calloc(HG_DIAG_MAX, sizeof(*diag->item));
	if (!diag->item)
		return false;
	item = &diag->item[diag->count];
	*item = (struct hg_diag_item){ .at = at, .order = diag->count, .is_warning = is_warning };
	if (vasprintf(&item->text, format, args) < 0) {
		item->text = NULL;
		return false;
	}
	diag->count++;
	return true;
}

void hg_diag_error(struct hg_diag *diag, size_t at, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	diag->is_last_lost = diag->lost || !keep(diag, at, false, format, args);
	va_end(args);
	diag->lost += diag->is_last_lost;
}

void hg_diag_warning(struct hg_diag *diag, size_t at, const char *format, ...)
{
	va_list args;

	diag->is_last_lost = true;
	if (diag->is_quiet)
		return;
	va_start(args, format);
	if (diag->warning_count < HG_DIAG_WARNINGS_MAX)
		diag->is_last_lost = !keep(diag, at, true, format, args);
	va_end(args);
	*(diag->is_last_lost ? &diag->lost_warnings : &diag->warning_count) += 1;
}

void hg_diag_hint(struct hg_diag *diag, const char *format, ...)
{
	struct hg_diag_item *item;
	va_list args;

	if (diag->is_last_lost || !diag->count)
		return;
	item = &diag->item[diag->count - 1];
	free(item->hint);
	va_start(args, format);
	if (vasprintf(&item->hint, format, args) < 0)
		item->hint = NULL;
	va_end(args);
}

bool hg_diag_has_errors(const struct hg_diag *diag)
{
	return diag->count > diag->warning_count || diag->lost;
}

bool hg_diag_has_within(const struct hg_diag *diag, size_t from, size_t to)
{
	unsigned int i;

	if (diag->lost)
		return true;
	for (i = 0; i < diag->count; i++)
		if (!diag->item[i].is_warning && diag->item[i].at >= from && diag->item[i].at < to)
			return true;
	return false;
}

/* Without memory for the table everything is on line 1. */
static void build_lines(struct hg_diag *diag)
{
	size_t count = 1, i;

	if (diag->line || !diag->text)
		return;
	for (i = 0; i < diag->length; i++)
		count += diag->text[i] == '\n';
	diag->line = calloc(count, sizeof(*diag->line));
	if (!diag->line)
		return;
	diag->line_count = 1;
	for (i = 0; i < diag->length; i++)
		if (diag->text[i] == '\n')
			diag->line[diag->line_count++] = i + 1;
}

size_t hg_diag_line(struct hg_diag *diag, size_t at)
{
	size_t low = 0, high, middle;

	build_lines(diag);
	for (high = diag->line_count; low + 1 < high;) {
		middle = (low + high) / 2;
		if (diag->line[middle] <= at)
			low = middle;
		else
			high = middle;
	}
	return low + 1;
}

/* Octets of the line that begins at `start`, without its line end. */
static size_t line_length(const struct hg_diag *diag, size_t start)
{
	const char *end;
	size_t length;

	if (start >= diag->length)
		return 0;
	end = memchr(diag->text + start, '\n', diag->length - start);
	length = end ? (size_t)(end - diag->text) - start : diag->length - start;
	if (length && diag->text[start + length - 1] == '\r')
		length--;
	return length;
}

/* Octets of the character at `text`; what is not UTF-8 counts one by one. */
static unsigned int step(const char *text, size_t left, uint32_t *ret)
{
	unsigned int length = hg_utf8_decode(text, left, ret);

	if (length)
		return length;
	*ret = 0;
	return 1;
}

static size_t count_characters(const char *text, size_t length)
{
	size_t count = 0, i;
	uint32_t c;

	for (i = 0; i < length; count++)
		i += step(text + i, length - i, &c);
	return count;
}

/* Offset of the character number `count`, at most `length`. */
static size_t skip_characters(const char *text, size_t length, size_t count)
{
	size_t i = 0;
	uint32_t c;

	while (i < length && count--)
		i += step(text + i, length - i, &c);
	return i;
}

size_t hg_diag_place(struct hg_diag *diag, size_t line, size_t column)
{
	size_t at = diag->length;

	build_lines(diag);
	if (!line || !diag->line)
		return 0;
	if (line <= diag->line_count) {
		at = diag->line[line - 1];
		at += skip_characters(diag->text + at, line_length(diag, at),
				      column ? column - 1 : 0);
	}
	/* "past the end" is of no use to a reader: behind the last word instead */
	if (at == diag->length)
		while (at && strchr(" \t\r\n", diag->text[at - 1]))
			at--;
	return at;
}

static void print_characters(FILE *out, const char *text, size_t length)
{
	unsigned int n;
	size_t i;
	uint32_t c;

	for (i = 0; i < length; i += n) {
		n = step(text + i, length - i, &c);
		if (c == '\t' || hg_utf8_is_visible(c))
			fwrite(text + i, 1, n, out);
		else
			fputc('?', out);
	}
}

/* The source line and the caret; `before` octets of the line stand before the caret.
 * Tabs are repeated in the caret's line, so that both lines are indented alike. */
static void print_source(FILE *out, const char *line, size_t length, size_t before)
{
	size_t column = count_characters(line, before);
	size_t from = 0, to = length, i;
	uint32_t c;

	if (count_characters(line, length) > SHOWN) {
		if (column > SHOWN_BEFORE)
			from = skip_characters(line, length, column - SHOWN_BEFORE);
		to = from + skip_characters(line + from, length - from, SHOWN);
	}
	fprintf(out, "  %s", from ? "..." : "");
	print_characters(out, line + from, to - from);
	fprintf(out, "%s\n  %s", to < length ? "..." : "", from ? "   " : "");
	for (i = from; i < before;) {
		fputc(line[i] == '\t' ? '\t' : ' ', out);
		i += step(line + i, length - i, &c);
	}
	fputs("^\n", out);
}

static void print_item(struct hg_diag *diag, const struct hg_diag_item *item, FILE *out)
{
	size_t line, column = 1, start = 0, length = 0, before = 0;

	line = hg_diag_line(diag, item->at);
	if (diag->line) {
		start = diag->line[line - 1];
		length = line_length(diag, start);
		before = item->at - start < length ? item->at - start : length;
		column = 1 + count_characters(diag->text + start, before);
	}
	if (diag->text)
		fprintf(out, "%s:%zu:%zu: ", diag->file, line, column);
	else /* it was not read: no place in it is at fault */
		fprintf(out, "%s: ", diag->file);
	fprintf(out, "%s: %s\n", item->is_warning ? "warning" : "error", item->text);
	if (length)
		print_source(out, diag->text + start, length, before);
	if (item->hint)
		fprintf(out, "  hint: %s\n", item->hint);
}

static int compare_items(const void *a, const void *b)
{
	const struct hg_diag_item *x = a, *y = b;

	if (x->at != y->at)
		return x->at < y->at ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

void hg_diag_print(struct hg_diag *diag, FILE *out)
{
	unsigned int i;

	if (diag->count)
		qsort(diag->item, diag->count, sizeof(*diag->item), compare_items);
	for (i = 0; i < diag->count; i++)
		print_item(diag, &diag->item[i], out);
	if (diag->lost && diag->count)
		fprintf(out, "%s: %u more errors are not shown\n", diag->file, diag->lost);
	else if (diag->lost)
		fprintf(out, "%s:1:1: error: out of memory\n", diag->file);
	if (diag->lost_warnings)
		fprintf(out, "%s: %u more warnings are not shown\n", diag->file,
			diag->lost_warnings);
}
