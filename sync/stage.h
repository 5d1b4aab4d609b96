/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writes an entry of a generation beside its target, and runs commands that are to see it
 * as if it were in place.
 */
#ifndef HG_SYNC_STAGE_H
#define HG_SYNC_STAGE_H

#include "sync/history.h"
#include "sync/journal.h"

/* All files of `set` at or below `path`, as `name` in the directory `dir` of `target`; durable.
 * -ENOENT: a user or group is not known here. On failure something may lie under `name`. */
int hg_stage_write(struct hg_history *history, const struct hg_file_set *set, const char *path,
		   int dir, const char *name, struct hg_sync_error *error);

/* For struct hg_command.enter: a mount namespace where each staged version lies over its
 * target. `arg` is a struct hg_stage_view. */
struct hg_stage_view {
	const struct hg_journal *journal;
	const char *scratch; /* an existing directory to mount on, in that namespace only */
};
int hg_stage_enter(void *arg);

/* The path of a step's other version; false: too long. */
bool hg_stage_path(const struct hg_journal *journal, unsigned int step, char *ret, size_t size);

#endif
