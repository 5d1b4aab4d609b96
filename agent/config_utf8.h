/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * UTF-8, as far as configuration files need it: decode one character strictly,
 * and tell which characters a file may hold. No state.
 */
#ifndef HG_CONFIG_UTF8_H
#define HG_CONFIG_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Octets of the character at `text` (1..4), 0 when it is not UTF-8 (RFC 3629:
 * overlong forms, surrogates and values above U+10FFFF are not). `left` > 0. */
static inline unsigned int hg_utf8_decode(const char *text, size_t left, uint32_t *ret)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	const unsigned char *p = (const unsigned char *)text;
	unsigned int length, i;
	uint32_t c;

	if (p[0] < 0x80) {
		*ret = p[0];
		return 1;
	}
	length = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
	if (p[0] < 0xc2 || p[0] > 0xf4 || length > left)
		return 0;
	c = p[0] & (0x7fu >> length);
	for (i = 1; i < length; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3fu);
	}
	if (c < least[length] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return 0;
	*ret = c;
	return length;
}

/* False for what is not seen, or moves the cursor: a file that shows one thing and
 * means another is refused, and no escape sequence reaches a terminal. */
static inline bool hg_utf8_is_visible(uint32_t c)
{
	if (c < 0x20 || (c >= 0x7f && c <= 0x9f))
		return false;
	if ((c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069))
		return false;
	return c != 0xfeff && c != 0xfffe && c != 0xffff;
}

#endif
