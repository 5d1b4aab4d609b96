/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Text for people. Whatever comes out of JSON may be missing, of another type or
 * full of control characters: nothing here fails for that.
 */
#ifndef HG_TEXT_H
#define HG_TEXT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "tool.h"

enum hg_text_color { HG_TEXT_PLAIN, HG_TEXT_GREEN, HG_TEXT_YELLOW, HG_TEXT_RED };

/* Members of an object. */
const char *hg_text_string(const json_t *object, const char *key, const char *otherwise);
double hg_text_number(const json_t *object, const char *key, double otherwise);
bool hg_text_is_true(const json_t *object, const char *key);

/* Copies, cuts to size, control characters become '?'. */
void hg_text_copy(char *to, size_t size, const char *from);
/* 850 -> "850 ms", 11520000 -> "3 h 12 min" */
void hg_text_duration(char *to, size_t size, double ms);
/* "0x0000000000000501" -> "0x501" */
void hg_text_epoch(char *to, size_t size, const char *epoch);

/* "silence" -> its sentence (hagate/reason.h); an unknown name as it is. */
const char *hg_text_reason(const char *name);

/* Appends to a buffer that is already a string; cuts at its end. */
void hg_text_add(char *text, size_t size, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* "" without colours. */
const char *hg_text_color(const struct hg_tool *tool, enum hg_text_color color);
const char *hg_text_color_end(const struct hg_tool *tool);

/* Prints text wrapped at the tool's width, at most `lines_max` lines, later ones indented.
 * Returns the number of lines. */
int hg_text_wrap(const struct hg_tool *tool, enum hg_text_color color, int indent, int lines_max,
		 const char *text);
/* How many lines that would be without a limit. */
int hg_text_lines(const struct hg_tool *tool, int indent, const char *text);

/* Text of several lines; control characters except newline and tab become '?'. */
void hg_text_print_lines(FILE *out, const char *text);

/* Pretty on a terminal, else one line. Takes no reference. */
int hg_text_print_json(const struct hg_tool *tool, const json_t *json);

#endif
