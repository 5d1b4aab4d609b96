/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which cluster this node is a member of, and what it has of its configuration:
 * the file `identity` in the state directory. A node without the file is blank.
 *
 * One line, written whole or not at all:
 *   hagate identity 1 UUID GENERATION HEAD SUM
 * Written by hagate-sync and hagate-learn only, the latter as the last step of joining;
 * read by hagated and by both.
 */
#ifndef HG_IDENTITY_H
#define HG_IDENTITY_H

#include <stdbool.h>
#include <stdint.h>

#define HG_IDENTITY_FILE "identity"
#define HG_UUID_LEN 16
#define HG_UUID_TEXT 37
#define HG_HEAD_LEN 20 /* a git object id */
#define HG_HEAD_TEXT 41

struct hg_identity {
	uint8_t cluster[HG_UUID_LEN]; /* random, made by `hagate init` on one node */
	uint64_t generation; /* confirmed last; 0: none yet */
	uint8_t head[HG_HEAD_LEN]; /* its commit */
};

/* -ENOENT: blank. -EBADMSG: damaged. `ret` is untouched on error. */
int hg_identity_read(const char *state_dir, struct hg_identity *ret);
/* Synced when it returns 0; on error the old content is still there. */
int hg_identity_write(const char *state_dir, const struct hg_identity *identity);
void hg_identity_make_uuid(uint8_t ret[HG_UUID_LEN]);

const char *hg_identity_uuid_text(const uint8_t uuid[HG_UUID_LEN], char ret[HG_UUID_TEXT]);
const char *hg_identity_head_text(const uint8_t head[HG_HEAD_LEN], char ret[HG_HEAD_TEXT]);
/* As hg_identity_uuid_text() writes it. */
bool hg_identity_uuid_parse(const char *text, uint8_t ret[HG_UUID_LEN]);
/* Exactly 40 hex digits in lower case. */
bool hg_identity_head_parse(const char *text, uint8_t ret[HG_HEAD_LEN]);

#endif
