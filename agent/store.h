/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The few things a node must remember over a restart, in its state directory:
 *
 *   epoch        every counter below the stored one may have been used in a claim.
 *                Reserved in blocks ahead of use, so that no fsync stands between
 *                a failure and the takeover.
 *   maintenance  1: on, 0: off.
 *
 * Each is one line of fixed length, "hagate NAME 1 VALUE SUM": format version, 20
 * decimal digits, FNV-1a of what stands before it in 16 hex digits. Written to a
 * temporary file, synced, renamed, the directory synced: a crash leaves the old or
 * the new content. All of this may block; hagated reads at its start and writes
 * through the worker.
 */
#ifndef HG_STORE_H
#define HG_STORE_H

#include <stdbool.h>
#include <stdint.h>

#define HG_STORE_BLOCK 1024 /* counters reserved at once */
#define HG_STORE_COUNTER_MAX ((UINT64_C(1) << 56) - 1) /* an epoch keeps 8 bits for the node */

/* Makes the directory (0700, parents 0755) when it is missing. */
int hg_store_prepare(const char *dir);

/* -ENOENT: nothing stored yet. -EBADMSG: the file is damaged (empty, cut, altered):
 * go on with a warning. Others as the system says. ret is untouched on error. */
int hg_store_read_epoch(const char *dir, uint64_t *ret_counter);
int hg_store_read_maintenance(const char *dir, bool *ret_is_on);

/* -ENOSPC, -EROFS, ...: the old content is still there. A counter below the stored one
 * is not written (0): the reservation never goes back. -EINVAL: above the maximum. */
int hg_store_write_epoch(const char *dir, uint64_t counter);
int hg_store_write_maintenance(const char *dir, bool is_on);

/* What to store so that a whole block from `next`, the next counter to be used, is
 * covered. */
uint64_t hg_store_reserve(uint64_t next);
/* Half of the block is used up (or `reserved` lies below `next`). */
bool hg_store_is_low(uint64_t next, uint64_t reserved);

#endif
