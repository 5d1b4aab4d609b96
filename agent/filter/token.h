/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A rule's line as words, commas and quoted strings, each with its column. Private to
 * the parser of rules.
 */
#ifndef HG_FILTER_TOKEN_H
#define HG_FILTER_TOKEN_H

#include <stddef.h>

enum hg_token_kind {
	HG_TOKEN_END, /* of the line, or a comment */
	HG_TOKEN_WORD,
	HG_TOKEN_COMMA,
	HG_TOKEN_STRING, /* text without its quotes */
	HG_TOKEN_OPEN_STRING, /* the closing quote is missing */
};

struct hg_token {
	enum hg_token_kind kind;
	const char *text;
	size_t length;
	unsigned int column; /* of its first octet, from 1; a string's is its quote's */
};

/* The token at or behind offset `*at`, which moves behind it. */
void hg_token_next(const char *line, size_t length, size_t *at, struct hg_token *ret);

/* Text for messages: cut at about 40 octets, what is not visible becomes '?'. */
#define HG_TOKEN_SHOWN 44
const char *hg_token_show(const char *text, size_t length, char buffer[HG_TOKEN_SHOWN]);

#endif
