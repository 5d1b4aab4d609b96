/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The journal of one change, STATE/apply.journal: what is to be exchanged with what, and how
 * far it got.
 *
 * Written whole (temporary file, fsync, rename, fsync of the directory) when the change
 * begins and when everything is staged; afterwards only its head changes, which is one
 * sector, overwritten in place: that needs no space and cannot be torn. A file of this
 * machine alone, in its own octet order.
 */
#ifndef HG_SYNC_JOURNAL_H
#define HG_SYNC_JOURNAL_H

#include "sync/files.h"

#define HG_BOOT_ID 37
#define HG_STEPS_MAX (HG_ENTRIES_MAX + 1)

enum hg_journal_phase {
	HG_JOURNAL_NONE,
	HG_JOURNAL_PREPARE, /* staging; a crash: as it was */
	HG_JOURNAL_READY, /* staged and valid; a crash: as it was */
	HG_JOURNAL_SWITCH, /* a crash: on to the end */
	HG_JOURNAL_HOOKS, /* all in place, apply commands to be run */
	HG_JOURNAL_TRIAL, /* waits for the confirmation */
	HG_JOURNAL_CONFIRM, /* main is the new generation, old versions to be removed */
	HG_JOURNAL_REVERT, /* a crash: on to the end, backwards */
};

/* One sector. */
struct hg_journal_head {
	char magic[16];
	uint32_t phase; /* enum hg_journal_phase */
	uint32_t step_count;
	uint32_t is_adopted;
	uint32_t pad;
	uint64_t transaction; /* random: part of the hidden names */
	uint64_t confirm_ns; /* 0: no confirmation needed */
	uint64_t deadline_ns; /* HOOKS, TRIAL: CLOCK_BOOTTIME */
	uint64_t from_number, to_number;
	struct hg_oid from, to, kept; /* kept: edits of this node, none if there were none */
	char boot_id[HG_BOOT_ID]; /* of the deadline */
	char generation[24]; /* to_number as text */
	char room[512 - 16 - 4 * 4 - 5 * 8 - 60 - HG_BOOT_ID - 24 - 7 - 16];
	char pad2[7];
	uint64_t steps_sum, sum; /* FNV-1a of the steps; of the head before it */
};
_Static_assert(sizeof(struct hg_journal_head) == 512, "one sector");

/* One entry that changes. Beside its target lies, under a hidden name, the other version. */
struct hg_step {
	char path[HG_FILE_PATH_MAX]; /* in the set */
	char target[HG_FILE_PATH_MAX]; /* on this node */
	uint32_t is_in_place; /* the target is the new version already: made here */
	uint32_t has_other; /* something is staged beside it */
	uint64_t new_inode; /* of the new version, wherever it is */
	uint64_t old_inode; /* of the old one; 0: there was none */
};

struct hg_journal {
	struct hg_journal_head head;
	struct hg_step step[HG_STEPS_MAX];
};

/* -ENOENT: no change is under way. -EBADMSG: damaged. Needs no lock. */
int hg_journal_read(const char *state_dir, struct hg_journal *ret);
/* Removes what a crash left while one was written: for who holds the lock of the history. */
void hg_journal_tidy(const char *state_dir);
int hg_journal_write(const char *state_dir, struct hg_journal *journal);
/* The head alone, in place. */
int hg_journal_update(const char *state_dir, struct hg_journal *journal);
int hg_journal_remove(const char *state_dir);
/* The hidden name of a step's other version; `is_gone`: it is about to be removed. */
void hg_journal_name(const struct hg_journal *journal, unsigned int step, bool is_gone,
		     char ret[64]);

#endif
