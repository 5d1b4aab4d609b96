/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Errors and warnings of one text file, each with its place. Collected first and printed
 * together in the order of their places, as
 *
 *   FILE:LINE:COLUMN: error: TEXT
 *     the source line
 *         ^
 *     hint: the remedy
 *
 * A warning has the word "warning" instead, and is no failure.
 *
 * Lines and columns count from 1, columns count characters (a tab is one). A place
 * is an offset in octets from the start of the text.
 */
#ifndef HG_DIAG_H
#define HG_DIAG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define HG_DIAG_MAX 1000 /* more are counted, not kept */
#define HG_DIAG_WARNINGS_MAX 50 /* of these */

struct hg_diag_item {
	size_t at;
	unsigned int order; /* of the report, so that sorting is stable */
	bool is_warning;
	char *text, *hint;
};

struct hg_diag {
	const char *file; /* as the user wrote it */
	const char *text; /* the file; NULL while it could not be read */
	size_t length;
	unsigned int count, lost; /* lost: errors */
	unsigned int warning_count, lost_warnings; /* warning_count: of `count` */
	bool is_last_lost; /* the last report was not kept, nor will its hint be */
	bool is_quiet; /* warnings are not wanted */
	struct hg_diag_item *item;
	size_t *line; /* where each line begins */
	size_t line_count;
};

/* Keeps the pointers `file` and `text`, which must outlive the diag. */
void hg_diag_init(struct hg_diag *diag, const char *file);
void hg_diag_set_text(struct hg_diag *diag, const char *text, size_t length);
void hg_diag_done(struct hg_diag *diag);

void hg_diag_error(struct hg_diag *diag, size_t at, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void hg_diag_warning(struct hg_diag *diag, size_t at, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* Adds the remedy to what was reported last. */
void hg_diag_hint(struct hg_diag *diag, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

bool hg_diag_has_errors(const struct hg_diag *diag);
/* Was an error reported for a place from `from` up to, not including, `to`? */
bool hg_diag_has_within(const struct hg_diag *diag, size_t from, size_t to);

/* The line of a place, from 1. */
size_t hg_diag_line(struct hg_diag *diag, size_t at);
/* The place of a line and column, both from 1, clamped to what there is. */
size_t hg_diag_place(struct hg_diag *diag, size_t line, size_t column);

void hg_diag_print(struct hg_diag *diag, FILE *out);

#endif
