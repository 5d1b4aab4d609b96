// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * From a staged generation to a confirmed one, or back. Every function that changes something
 * first writes the phase that a crash from there on has to be finished from.
 */
#include <errno.h>
#include <string.h>

#include "sync/change.h"
#include "sync/store.h"

/* --- back ------------------------------------------------------------------------------------ */

/* Did main move already? Then the way is forward, whatever else failed. */
static bool has_moved(struct hg_apply *apply)
{
	const struct hg_journal_head *head = &apply->journal.head;
	struct hg_head now;

	return !hg_oid_is_equal(&head->from, &head->to) &&
	       !hg_history_describe(apply->history, &now) && hg_oid_is_equal(&now.oid, &head->to);
}

static int clean(struct hg_apply *apply, struct hg_change_sets *sets,
		 struct hg_apply_report *report, struct hg_sync_error *error)
{
	int r;

	hg_change_set_phase(apply, HG_JOURNAL_CONFIRM, NULL);
	r = hg_steps_clean(apply, sets, report, error);
	if (r) {
		apply->is_broken = true;
		return r;
	}
	hg_change_forget_trial(apply);
	hg_history_tidy(apply->history);
	return hg_change_end(apply, error);
}

static int go_back(struct hg_apply *apply, struct hg_change_sets *sets,
		   struct hg_apply_report *report, struct hg_sync_error *error)
{
	struct hg_sync_error hook = { .text = "" };
	int r;

	if (has_moved(apply))
		return clean(apply, sets, report, error);
	/* If this cannot be written the disk fails; then a restart would go forward, to a whole
	 * set as well. */
	hg_change_set_phase(apply, HG_JOURNAL_REVERT, NULL);
	r = hg_steps_back(apply, error);
	if (!r && hg_hooks_apply(apply, sets, true, &hook))
		hg_report_warn(report, "%s", hook.text);
	if (!r)
		r = hg_steps_clean(apply, sets, report, error);
	if (r) {
		apply->is_broken = true;
		return r;
	}
	return hg_change_end(apply, error);
}

int hg_apply_abort(struct hg_apply *apply, struct hg_apply_report *ret, struct hg_sync_error *error)
{
	struct hg_change_sets sets;
	int r;

	memset(ret, 0, sizeof(*ret));
	if (apply->is_broken)
		return hg_sync_fail(error, -EBUSY, "an earlier change is not finished yet");
	if (apply->journal.head.phase == HG_JOURNAL_NONE)
		return hg_sync_fail(error, -EALREADY, "no change is under way");
	ret->changed = apply->journal.head.step_count;
	if (apply->journal.head.phase == HG_JOURNAL_READY)
		return hg_change_discard(apply, error);
	r = hg_change_load(apply, &sets, error);
	if (r)
		return r;
	r = go_back(apply, &sets, ret, error);
	hg_change_done(&sets);
	return r;
}

/* --- switch and confirm -------------------------------------------------------------------------- */

/* main first: from there on a restart knows that it was confirmed. */
static int confirm(struct hg_apply *apply, struct hg_change_sets *sets,
		   struct hg_apply_report *report, struct hg_sync_error *error)
{
	const struct hg_journal_head *head = &apply->journal.head;
	int r;

	r = hg_history_advance(apply->history, &head->from, &head->to, head->is_adopted, error);
	if (r && !has_moved(apply))
		return r;
	r = clean(apply, sets, report, error);
	if (r)
		hg_report_warn(report, "%s", error ? error->text : "not tidied up yet");
	return 0;
}

/* All in place: the commands, then the trial or the end of it. */
static int run_hooks(struct hg_apply *apply, struct hg_change_sets *sets,
		     struct hg_apply_report *report, struct hg_sync_error *error)
{
	struct hg_journal_head *head = &apply->journal.head;
	int r;

	head->deadline_ns = head->confirm_ns ? apply->now_ns() + head->confirm_ns : 0;
	memcpy(head->boot_id, apply->boot_id, sizeof(head->boot_id));
	r = hg_change_set_phase(apply, HG_JOURNAL_HOOKS, error);
	if (!r)
		r = hg_hooks_apply(apply, sets, false, error);
	if (r)
		return r;
	return head->confirm_ns ? hg_change_set_phase(apply, HG_JOURNAL_TRIAL, error)
				: confirm(apply, sets, report, error);
}

static int switch_over(struct hg_apply *apply, struct hg_change_sets *sets,
		       struct hg_apply_report *report, struct hg_sync_error *error)
{
	int r;

	r = hg_steps_forward(apply, error);
	if (!r)
		r = run_hooks(apply, sets, report, error);
	if (r)
		/* `error` says why; that the way back failed too shows in the status. */
		go_back(apply, sets, report, NULL);
	return r;
}

int hg_apply_switch(struct hg_apply *apply, uint64_t confirm_ns, struct hg_apply_report *ret,
		    struct hg_sync_error *error)
{
	struct hg_change_sets sets;
	int r;

	memset(ret, 0, sizeof(*ret));
	if (apply->is_broken || apply->journal.head.phase != HG_JOURNAL_READY)
		return hg_sync_fail(error, -EBUSY, "no generation is staged");
	ret->changed = apply->journal.head.step_count;
	r = hg_change_load(apply, &sets, error);
	if (r) {
		hg_change_discard(apply, NULL);
		return r;
	}
	apply->journal.head.confirm_ns = confirm_ns;
	r = hg_change_set_phase(apply, HG_JOURNAL_SWITCH, error);
	if (r)
		hg_change_discard(apply, NULL);
	else
		r = switch_over(apply, &sets, ret, error);
	hg_change_done(&sets);
	return r;
}

static bool is_late(const struct hg_apply *apply)
{
	const struct hg_journal_head *head = &apply->journal.head;

	if (!head->confirm_ns)
		return false;
	return strcmp(head->boot_id, apply->boot_id) != 0 || apply->now_ns() >= head->deadline_ns;
}

int hg_apply_confirm(struct hg_apply *apply, struct hg_apply_report *ret,
		     struct hg_sync_error *error)
{
	struct hg_change_sets sets;
	int r;

	memset(ret, 0, sizeof(*ret));
	if (apply->is_broken || apply->journal.head.phase != HG_JOURNAL_TRIAL)
		return hg_sync_fail(error, -EBUSY, "no generation waits for a confirmation");
	ret->changed = apply->journal.head.step_count;
	r = hg_change_load(apply, &sets, error);
	if (r)
		return r;
	if (is_late(apply)) {
		r = hg_sync_fail(error, -ETIME,
				 "too late: generation %s went back, it is kept under "
				 "refs/unconfirmed",
				 apply->journal.head.generation);
		go_back(apply, &sets, ret, NULL);
	} else {
		r = confirm(apply, &sets, ret, error);
	}
	hg_change_done(&sets);
	return r;
}

int hg_apply_tick(struct hg_apply *apply, struct hg_apply_report *ret, struct hg_sync_error *error)
{
	int r;

	memset(ret, 0, sizeof(*ret));
	if (apply->is_broken || apply->journal.head.phase != HG_JOURNAL_TRIAL || !is_late(apply))
		return 0;
	r = hg_apply_abort(apply, ret, error);
	return r ? r : 1;
}

/* --- after a restart --------------------------------------------------------------------------------- */

static int resume(struct hg_apply *apply, struct hg_change_sets *sets,
		  struct hg_apply_report *report, struct hg_sync_error *error)
{
	if (apply->journal.head.phase == HG_JOURNAL_CONFIRM || has_moved(apply))
		return clean(apply, sets, report, error);
	switch ((enum hg_journal_phase)apply->journal.head.phase) {
	case HG_JOURNAL_NONE:
	case HG_JOURNAL_PREPARE:
	case HG_JOURNAL_READY:
		return hg_change_discard(apply, error);
	case HG_JOURNAL_SWITCH:
		return switch_over(apply, sets, report, error);
	case HG_JOURNAL_HOOKS:
		if (is_late(apply))
			return go_back(apply, sets, report, error);
		return switch_over(apply, sets, report, error);
	case HG_JOURNAL_TRIAL:
		if (is_late(apply))
			return go_back(apply, sets, report, error);
		return 0;
	case HG_JOURNAL_CONFIRM:
		return clean(apply, sets, report, error);
	case HG_JOURNAL_REVERT:
		return go_back(apply, sets, report, error);
	}
	return -EBADMSG;
}

static int recover(struct hg_apply *apply, struct hg_apply_report *report,
		   struct hg_sync_error *error)
{
	struct hg_change_sets sets;
	int r;

	if (apply->journal.head.phase <= HG_JOURNAL_READY)
		return hg_change_discard(apply, error);
	r = hg_change_load(apply, &sets, error);
	if (r)
		return r;
	report->changed = apply->journal.head.step_count;
	r = resume(apply, &sets, report, error);
	hg_change_done(&sets);
	/* A switch that was resumed, failed and went back is done with. */
	if (r && apply->journal.head.phase == HG_JOURNAL_NONE) {
		hg_report_warn(report, "%s", error ? error->text : "the change went back");
		return 0;
	}
	return r;
}

int hg_apply_recover(struct hg_apply *apply, struct hg_apply_report *ret,
		     struct hg_sync_error *error)
{
	struct hg_sync_error own;
	int r;

	memset(ret, 0, sizeof(*ret));
	own.text[0] = '\0';
	apply->is_broken = true;
	hg_journal_tidy(apply->state_dir);
	r = hg_journal_read(apply->state_dir, &apply->journal);
	if (r == -ENOENT) {
		hg_change_forget(apply);
		return 0;
	}
	if (r)
		return hg_sync_fail(error, r,
				    "%s/apply.journal: %s. If it is beyond repair: remove it, look "
				    "for .hagate-stage-* beside the entries, compare with "
				    "`hagate config diff`",
				    apply->state_dir, strerror(-r));
	apply->is_broken = false;
	r = recover(apply, ret, &own);
	if (r) {
		apply->is_broken = true;
		return hg_sync_fail(error, r, "%s", own.text);
	}
	return 0;
}
