// SPDX-License-Identifier: GPL-2.0-or-later
/* See token.h. Octets are not interpreted: whatever is no separator is part of a word. */
#include "agent/filter/token.h"

#include <stdbool.h>
#include <string.h>

#include "agent/config_utf8.h"

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static void take_string(const char *line, size_t length, size_t *at, struct hg_token *ret)
{
	const char *end = memchr(line + *at, '"', length - *at);

	ret->kind = end ? HG_TOKEN_STRING : HG_TOKEN_OPEN_STRING;
	ret->text = line + *at;
	ret->length = end ? (size_t)(end - ret->text) : length - *at;
	*at += ret->length + !!end;
}

void hg_token_next(const char *line, size_t length, size_t *at, struct hg_token *ret)
{
	size_t i = *at;

	while (i < length && is_blank(line[i]))
		i++;
	*ret = (struct hg_token){ .text = line + i, .column = i + 1 };
	*at = i;
	if (i == length || line[i] == '#') {
		*at = length;
		return;
	}
	if (line[i] == '"') {
		++*at;
		take_string(line, length, at, ret);
		return;
	}
	ret->kind = HG_TOKEN_COMMA;
	ret->length = 1;
	if (line[i] != ',') {
		ret->kind = HG_TOKEN_WORD;
		while (i < length && !is_blank(line[i]) && line[i] != ',' && line[i] != '"')
			i++;
		ret->length = i - *at;
	}
	*at += ret->length;
}

const char *hg_token_show(const char *text, size_t length, char buffer[HG_TOKEN_SHOWN])
{
	size_t i = 0, used = 0;
	unsigned int n;
	uint32_t c;

	while (i < length && used < HG_TOKEN_SHOWN - 8) {
		n = hg_utf8_decode(text + i, length - i, &c);
		if (n && hg_utf8_is_visible(c)) {
			memcpy(buffer + used, text + i, n);
			used += n;
		} else {
			buffer[used++] = '?';
		}
		i += n ? n : 1;
	}
	buffer[used] = '\0';
	if (i < length)
		strcpy(buffer + used, "...");
	return buffer;
}
