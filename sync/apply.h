/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Puts a generation in place on this node, in two phases with a way back.
 *
 *   IDLE --stage--> READY --switch--> TRIAL --confirm--> IDLE   (main is the new generation)
 *                     |                 |
 *                     +---- abort ------+--- abort, or the deadline --> IDLE   (as before)
 *
 * stage     writes each changed entry whole, from the history, beside its target (a hidden
 *           name, the same filesystem), runs the `validate` commands, syncs. Nothing that
 *           anybody uses has changed.
 * switch    exchanges each entry with its new version by one rename (RENAME_EXCHANGE), runs the
 *           `apply` commands. The old version stays beside the target until the confirmation,
 *           so that the way back needs no space and no history.
 * confirm   moves main, removes the old versions.
 *
 * A journal on the disk (STATE/apply.journal; its size never changes after stage, so that a
 * full disk cannot stop a step) makes each step survive a crash: hg_apply_recover() brings
 * an interrupted stage back, an interrupted switch to its end, an interrupted abort to its
 * end. A restart of the machine during TRIAL counts as the deadline. Deadlines are
 * CLOCK_BOOTTIME with the boot id.
 *
 * Validation runs in a mount namespace of its own, where the staged versions are mounted
 * over the real paths: `nginx -t` needs no argument to see the new files. In the environment:
 * HAGATE_GENERATION, HAGATE_NODE, HAGATE_PATH (the entry), HAGATE_STAGED.
 *
 * Edits made on this node since its generation are found before anything is staged, and once
 * more after the switch (then in what was taken out). They are refused, or kept as a
 * commit under refs/local, never lost. What stands on a node under the path of an entry
 * that is new to it is kept in the same way.
 *
 * Everything here blocks: on the disk, and on commands up to their timeout. hg_apply_switch()
 * and hg_apply_abort() may be called again after an error.
 */
#ifndef HG_SYNC_APPLY_H
#define HG_SYNC_APPLY_H

#include "sync/history.h"

struct hg_apply_options {
	const char *state_dir; /* of the journal: that of the history */
	const char *node; /* this node's name */
	const char *cluster_path; /* where cluster.yaml is on this node */
	const char *cluster_validate; /* e.g. "hagated --node /etc/hagate/node.yaml --check" */
	const char *cluster_apply; /* e.g. "hagate reload"; both may be NULL */
	const char *const *forbidden; /* for hg_entries_check(); may be NULL */
	/* For tests; NULL: those of the kernel. */
	uint64_t (*now_ns)(void);
	const char *boot_id;
};

enum hg_apply_phase {
	HG_APPLY_IDLE,
	HG_APPLY_READY,
	HG_APPLY_TRIAL,
	HG_APPLY_BROKEN, /* a step failed halfway (the disk); hg_apply_recover() tries again */
};
const char *hg_apply_phase_name(enum hg_apply_phase phase);

struct hg_apply_status {
	enum hg_apply_phase phase;
	struct hg_oid from, to; /* READY, TRIAL; from none: the first */
	uint64_t from_number, to_number;
	uint64_t left_ns; /* TRIAL: until it goes back; UINT64_MAX: without a deadline */
	unsigned int changed; /* entries that change, cluster.yaml included */
};

/* What a step did, for the operator; empty lines end nothing. */
struct hg_apply_report {
	unsigned int changed; /* entries that change on this node */
	char kept[128]; /* the ref under which edits of this node were kept; empty: none */
	char warnings[4096]; /* e.g. an apply command that failed on the way back */
};

struct hg_apply;

/* Copies the options. Does not recover: call hg_apply_recover() before anything else. */
int hg_apply_new(const struct hg_apply_options *options, struct hg_history *history,
		 struct hg_apply **ret, struct hg_sync_error *error);
void hg_apply_free(struct hg_apply *apply);

/* At the start of the process, and in BROKEN. Afterwards IDLE or TRIAL (the deadline stands).
 * An error means that the disk still fails: call it again later. */
int hg_apply_recover(struct hg_apply *apply, struct hg_apply_report *ret,
		     struct hg_sync_error *error);
int hg_apply_status(struct hg_apply *apply, struct hg_apply_status *ret);

/* Files that differ from main on this node: b is what is there. 0 none, 1 some (or what `each`
 * returned), -errno. */
int hg_apply_edits(struct hg_apply *apply, hg_change_fn *each, void *arg,
		   struct hg_sync_error *error);

/* --- new generations: the commit is made, nothing is applied, main stays ---------------- */

/* From what is on this node's disk, with the entries of its present cluster.yaml. `cluster`: for
 * the first generation, its UUID; else NULL. -EALREADY: nothing differs from main. */
int hg_apply_commit(struct hg_apply *apply, const struct hg_entry *entry, unsigned int count,
		    const char *cluster, const char *message, struct hg_generation *ret,
		    struct hg_sync_error *error);
/* With the content of an older generation of main. -ENOENT: no such number. */
int hg_apply_rollback(struct hg_apply *apply, uint64_t number, const char *message,
		      struct hg_generation *ret, struct hg_sync_error *error);
/* After a divergence: the content of refs/diverged/NODE, on top of it, with a number above both:
 * NODE then follows by itself, this node's main is kept under refs/kept. Stage with
 * HG_STAGE_ADOPT. */
int hg_apply_adopt(struct hg_apply *apply, const char *node, struct hg_generation *ret,
		   struct hg_sync_error *error);

/* --- the steps ---------------------------------------------------------------------------- */

#define HG_STAGE_KEEP_EDITS 0x1 /* go on over edits of this node, after keeping them */
#define HG_STAGE_ADOPT 0x2 /* `to` needs not descend from main */

/* -ESTALE: `to` does not descend from main; -EUCLEAN: this node was edited (the text names the
 * files and what to type); -EINVAL: a validate command refused (the text has its output);
 * -ETIME: it took too long; -EBUSY: not IDLE; -ENOENT: a user, group or directory is
 * missing here; -ENOSPC ... All of them leave IDLE and this node as it was.
 * Staging what main already is, with nothing edited: -EALREADY. */
int hg_apply_stage(struct hg_apply *apply, const struct hg_oid *to, unsigned int flags,
		   struct hg_apply_report *ret, struct hg_sync_error *error);
/* From READY. `confirm_ns`: how long to wait for the confirmation; 0: none is needed, main
 * moves at once. Any error (-EIO an apply command failed, ...) leaves IDLE and this node as
 * it was, or BROKEN. */
int hg_apply_switch(struct hg_apply *apply, uint64_t confirm_ns, struct hg_apply_report *ret,
		    struct hg_sync_error *error);
/* From TRIAL. -ETIME: too late, it went back (or goes back with the next tick). */
int hg_apply_confirm(struct hg_apply *apply, struct hg_apply_report *ret,
		     struct hg_sync_error *error);
/* From READY or TRIAL: everything as before; what was in place is under refs/unconfirmed. */
int hg_apply_abort(struct hg_apply *apply, struct hg_apply_report *ret,
		   struct hg_sync_error *error);
/* Goes back when the deadline has passed: 1 then, else 0, or -errno. */
int hg_apply_tick(struct hg_apply *apply, struct hg_apply_report *ret, struct hg_sync_error *error);

#endif
