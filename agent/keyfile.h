/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The file with the cluster key: 64 hex digits, for the owner alone.
 *
 * The key is in memory only where the caller put it: wipe it with
 * hg_keyfile_wipe() as soon as the session keys are derived from it. Nothing here
 * puts a part of the key into a text.
 */
#ifndef HG_KEYFILE_H
#define HG_KEYFILE_H

#include "loader/loader.h"

#define HG_KEYFILE_LEN 32

/* -ENOENT, -EACCES ...: cannot be opened or read. -EPERM: others than the owner may
 * open it, or the owner is neither root nor this user. -EINVAL: not a key. The
 * reason and the remedy are in `error`; `ret` is untouched then. */
int hg_keyfile_read(const char *path, unsigned char ret[HG_KEYFILE_LEN], struct hg_error *error);
/* The same on a node that joins: a key made there would be another one, so the remedy is
 * the member's file only. */
int hg_keyfile_read_copy(const char *path, unsigned char ret[HG_KEYFILE_LEN],
			 struct hg_error *error);
void hg_keyfile_wipe(unsigned char key[HG_KEYFILE_LEN]);

#endif
