// SPDX-License-Identifier: GPL-2.0-or-later
/* Names of objects, and the text of a failure. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "sync/types.h"

bool hg_oid_is_none(const struct hg_oid *oid)
{
	static const struct hg_oid none;

	return !memcmp(oid, &none, sizeof(none));
}

bool hg_oid_is_equal(const struct hg_oid *a, const struct hg_oid *b)
{
	return !memcmp(a, b, sizeof(*a));
}

void hg_oid_print(const struct hg_oid *oid, char ret[HG_OID_HEX])
{
	unsigned int i;

	for (i = 0; i < sizeof(oid->id); i++)
		snprintf(ret + 2 * i, 3, "%02x", oid->id[i]);
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool hg_oid_parse(const char *text, struct hg_oid *ret)
{
	struct hg_oid oid;
	unsigned int i;
	int high, low;

	for (i = 0; i < sizeof(oid.id); i++) {
		high = hex_value(text[2 * i]);
		low = high < 0 ? -1 : hex_value(text[2 * i + 1]);
		if (low < 0)
			return false;
		oid.id[i] = (uint8_t)(high << 4 | low);
	}
	if (text[2 * i])
		return false;
	*ret = oid;
	return true;
}

bool hg_uuid_is_valid(const char *text)
{
	unsigned int i;

	for (i = 0; i < HG_UUID_TEXT - 1; i++) {
		if (i == 8 || i == 13 || i == 18 || i == 23) {
			if (text[i] != '-')
				return false;
		} else if (hex_value(text[i]) < 0) {
			return false;
		}
	}
	return !text[i];
}

int hg_sync_fail(struct hg_sync_error *error, int result, const char *format, ...)
{
	va_list args;

	if (error) {
		va_start(args, format);
		vsnprintf(error->text, sizeof(error->text), format, args);
		va_end(args);
	}
	return result;
}
