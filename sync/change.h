/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Inside sync/: a change in the making, shared by plan.c, steps.c, hooks.c, apply.c and trial.c. */
#ifndef HG_SYNC_CHANGE_H
#define HG_SYNC_CHANGE_H

#include <limits.h>

#include "sync/apply.h"
#include "sync/journal.h"

struct hg_apply {
	struct hg_history *history;
	char state_dir[PATH_MAX], scratch[PATH_MAX + 16];
	char node[HG_NODE_NAME];
	char cluster_path[HG_FILE_PATH_MAX];
	char cluster_validate[HG_COMMAND_MAX], cluster_apply[HG_COMMAND_MAX];
	char boot_id[HG_BOOT_ID];
	const char **forbidden; /* and its strings: copies */
	uint64_t (*now_ns)(void);
	struct hg_journal journal; /* phase NONE: nothing is under way */
	bool is_broken; /* what the journal says is not what is on the disk */
};

/* What a change is made from; loaded for the time of a call. */
struct hg_change_sets {
	struct hg_file_set from, to; /* from: empty for the first generation */
};
int hg_change_load(struct hg_apply *apply, struct hg_change_sets *ret, struct hg_sync_error *error);
void hg_change_done(struct hg_change_sets *sets);

/* apply.c: what the steps share. */
int hg_change_check_idle(struct hg_apply *apply, struct hg_sync_error *error);
int hg_change_set_phase(struct hg_apply *apply, enum hg_journal_phase phase,
			struct hg_sync_error *error);
/* Staged, never used: removed, and the journal with it. */
int hg_change_discard(struct hg_apply *apply, struct hg_sync_error *error);
/* Removes the journal. */
int hg_change_end(struct hg_apply *apply, struct hg_sync_error *error);
void hg_change_forget(struct hg_apply *apply);
void hg_change_forget_trial(struct hg_apply *apply); /* refs/unconfirmed of it */

/* plan.c: fills the steps of the journal from what is on the disk, keeps edits. */
int hg_plan_make(struct hg_apply *apply, struct hg_change_sets *sets, unsigned int flags,
		 struct hg_apply_report *report, struct hg_sync_error *error);

/* steps.c: each may be repeated after a crash in the middle of it. */
int hg_steps_stage(struct hg_apply *apply, const struct hg_change_sets *sets,
		   struct hg_sync_error *error);
/* Removes what was staged and never used. */
int hg_steps_discard(struct hg_apply *apply);
int hg_steps_forward(struct hg_apply *apply, struct hg_sync_error *error);
int hg_steps_back(struct hg_apply *apply, struct hg_sync_error *error);
/* Removes the version that is not in use, and keeps first what nobody else has of it. */
int hg_steps_clean(struct hg_apply *apply, const struct hg_change_sets *sets,
		   struct hg_apply_report *report, struct hg_sync_error *error);

/* hooks.c: validate, or apply commands of the entries that change. */
int hg_hooks_validate(struct hg_apply *apply, const struct hg_change_sets *sets,
		      struct hg_sync_error *error);
/* is_back: those of the old generation; all of them run, whatever happens. */
int hg_hooks_apply(struct hg_apply *apply, const struct hg_change_sets *sets, bool is_back,
		   struct hg_sync_error *error);

const struct hg_entry *hg_entry_find(const struct hg_file_set *set, const char *path);
void hg_report_warn(struct hg_apply_report *report, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif
