/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the parts of sync/ share: the name of a git object, and the text of a failure.
 *
 * Functions return 0 or -errno; `error`, where there is one, may be NULL, and is filled
 * on failure only: one or several lines for people, with the remedy, without a newline
 * at the end. Nothing here logs.
 */
#ifndef HG_SYNC_TYPES_H
#define HG_SYNC_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HG_OID_HEX 41 /* with the NUL */
#define HG_UUID_TEXT 37

struct hg_oid {
	uint8_t id[20]; /* SHA-1 as git has it; all zero: none */
};

struct hg_sync_error {
	char text[4096];
};

bool hg_oid_is_none(const struct hg_oid *oid);
bool hg_oid_is_equal(const struct hg_oid *a, const struct hg_oid *b);
void hg_oid_print(const struct hg_oid *oid, char ret[HG_OID_HEX]);
/* Exactly 40 lower-case hex digits; false otherwise, `ret` untouched. */
bool hg_oid_parse(const char *text, struct hg_oid *ret);
/* 8-4-4-4-12 lower-case hex digits. */
bool hg_uuid_is_valid(const char *text);

/* Writes the text and returns `result`, so that "return hg_sync_fail(...)" reads well. */
int hg_sync_fail(struct hg_sync_error *error, int result, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
