// SPDX-License-Identifier: GPL-2.0-or-later
/* Options, what all steps share, and the first of them: staging. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "sync/change.h"
#include "sync/paths.h"
#include "sync/store.h"

#define NS_PER_S UINT64_C(1000000000)

const char *hg_apply_phase_name(enum hg_apply_phase phase)
{
	switch (phase) {
	case HG_APPLY_IDLE:
		return "idle";
	case HG_APPLY_READY:
		return "ready";
	case HG_APPLY_TRIAL:
		return "trial";
	case HG_APPLY_BROKEN:
		return "broken";
	}
	return "?";
}

static uint64_t kernel_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

static int read_boot_id(char ret[HG_BOOT_ID])
{
	ssize_t n;
	int fd;

	fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = read(fd, ret, HG_BOOT_ID - 1);
	close(fd);
	if (n != HG_BOOT_ID - 1)
		return -EIO;
	ret[HG_BOOT_ID - 1] = '\0';
	return 0;
}

static int copy_text(char *to, size_t size, const char *from)
{
	if (!from)
		from = "";
	if (strlen(from) >= size)
		return -ENAMETOOLONG;
	memcpy(to, from, strlen(from) + 1);
	return 0;
}

static int copy_forbidden(struct hg_apply *apply, const char *const *forbidden)
{
	unsigned int count = 0, i;

	while (forbidden && forbidden[count])
		count++;
	apply->forbidden = calloc(count + 1, sizeof(*apply->forbidden));
	for (i = 0; apply->forbidden && i < count; i++) {
		apply->forbidden[i] = strdup(forbidden[i]);
		if (!apply->forbidden[i])
			return -ENOMEM;
	}
	return apply->forbidden ? 0 : -ENOMEM;
}

static int copy_options(struct hg_apply *apply, const struct hg_apply_options *options)
{
	int r;

	r = copy_text(apply->state_dir, sizeof(apply->state_dir), options->state_dir);
	if (!r)
		r = copy_text(apply->node, sizeof(apply->node), options->node);
	if (!r)
		r = copy_text(apply->cluster_path, sizeof(apply->cluster_path),
			      options->cluster_path);
	if (!r)
		r = copy_text(apply->cluster_validate, sizeof(apply->cluster_validate),
			      options->cluster_validate);
	if (!r)
		r = copy_text(apply->cluster_apply, sizeof(apply->cluster_apply),
			      options->cluster_apply);
	if (!r && options->boot_id)
		r = copy_text(apply->boot_id, sizeof(apply->boot_id), options->boot_id);
	else if (!r)
		r = read_boot_id(apply->boot_id);
	if (!r)
		r = copy_forbidden(apply, options->forbidden);
	apply->now_ns = options->now_ns ? options->now_ns : kernel_now_ns;
	return r;
}

int hg_apply_new(const struct hg_apply_options *options, struct hg_history *history,
		 struct hg_apply **ret, struct hg_sync_error *error)
{
	struct hg_apply *apply;
	int r;

	apply = calloc(1, sizeof(*apply));
	if (!apply)
		return -ENOMEM;
	apply->history = history;
	/* Nothing may be done before hg_apply_recover() has looked. */
	apply->is_broken = true;
	r = copy_options(apply, options);
	if (r) {
		r = hg_sync_fail(error, r, "apply: %s", strerror(-r));
		goto out;
	}
	snprintf(apply->scratch, sizeof(apply->scratch), "%s/validate", apply->state_dir);
	if (mkdir(apply->scratch, 0700) && errno != EEXIST)
		r = hg_sync_fail(error, -errno, "%s: %s", apply->scratch, strerror(errno));
out:
	if (r)
		hg_apply_free(apply);
	else
		*ret = apply;
	return r;
}

void hg_apply_free(struct hg_apply *apply)
{
	unsigned int i;

	if (!apply)
		return;
	for (i = 0; apply->forbidden && apply->forbidden[i]; i++)
		free((char *)apply->forbidden[i]);
	free(apply->forbidden);
	free(apply);
}

/* --- what a change is made from --------------------------------------------------------- */

int hg_change_load(struct hg_apply *apply, struct hg_change_sets *ret, struct hg_sync_error *error)
{
	const struct hg_journal_head *head = &apply->journal.head;
	int r = 0;

	memset(ret, 0, sizeof(*ret));
	if (!hg_oid_is_none(&head->from))
		r = hg_history_load(apply->history, &head->from, &ret->from, error);
	if (!r)
		r = hg_history_load(apply->history, &head->to, &ret->to, error);
	if (r)
		hg_change_done(ret);
	return r;
}

void hg_change_done(struct hg_change_sets *sets)
{
	hg_file_set_done(&sets->from);
	hg_file_set_done(&sets->to);
}

int hg_change_set_phase(struct hg_apply *apply, enum hg_journal_phase phase,
			struct hg_sync_error *error)
{
	int r;

	apply->journal.head.phase = phase;
	r = hg_journal_update(apply->state_dir, &apply->journal);
	return r ? hg_sync_fail(error, r, "%s/apply.journal: %s", apply->state_dir, strerror(-r))
		 : 0;
}

void hg_change_forget(struct hg_apply *apply)
{
	memset(&apply->journal, 0, sizeof(apply->journal));
	apply->is_broken = false;
}

int hg_change_end(struct hg_apply *apply, struct hg_sync_error *error)
{
	int r = hg_journal_remove(apply->state_dir);

	if (r) {
		apply->is_broken = true;
		return hg_sync_fail(error, r, "%s/apply.journal: %s", apply->state_dir,
				    strerror(-r));
	}
	hg_change_forget(apply);
	return 0;
}

/* Staged, never used: gone. */
int hg_change_discard(struct hg_apply *apply, struct hg_sync_error *error)
{
	int r = hg_steps_discard(apply);

	if (r) {
		apply->is_broken = true;
		return hg_sync_fail(error, r, "what was staged cannot be removed: %s",
				    strerror(-r));
	}
	return hg_change_end(apply, error);
}

static bool is_new(const struct hg_journal_head *head, char *ret_ref, size_t size)
{
	hg_ref_name("unconfirmed", head->to_number, &head->to, ret_ref, size);
	return !hg_oid_is_equal(&head->from, &head->to);
}

void hg_change_forget_trial(struct hg_apply *apply)
{
	char ref[96];

	if (is_new(&apply->journal.head, ref, sizeof(ref)))
		hg_history_delete_ref(apply->history, ref);
}

static int note_trial(struct hg_apply *apply, struct hg_sync_error *error)
{
	char ref[96];

	return is_new(&apply->journal.head, ref, sizeof(ref))
		       ? hg_history_set_ref(apply->history, ref, &apply->journal.head.to, error)
		       : 0;
}

/* --- stage --------------------------------------------------------------------------------- */

static int begin(struct hg_apply *apply, const struct hg_oid *to, unsigned int flags,
		 struct hg_sync_error *error)
{
	struct hg_journal_head *head = &apply->journal.head;
	struct hg_generation next;
	struct hg_head now;
	int r;

	r = hg_history_describe(apply->history, &now);
	if (r)
		return hg_sync_fail(error, r, "history: main is damaged");
	r = hg_history_get(apply->history, to, &next);
	if (r)
		return hg_sync_fail(error, r, "history: the generation is not here");
	hg_change_forget(apply);
	head->from = now.oid;
	head->from_number = now.number;
	head->to = *to;
	head->to_number = next.number;
	head->is_adopted = !!(flags & HG_STAGE_ADOPT);
	memcpy(head->boot_id, apply->boot_id, sizeof(head->boot_id));
	snprintf(head->generation, sizeof(head->generation), "%llu",
		 (unsigned long long)next.number);
	r = hg_history_can_advance(apply->history, &now, &next, head->is_adopted, error);
	if (!r && getentropy(&head->transaction, sizeof(head->transaction)))
		r = -errno;
	return r;
}

static int stage(struct hg_apply *apply, struct hg_change_sets *sets, unsigned int flags,
		 struct hg_apply_report *report, struct hg_sync_error *error)
{
	struct hg_journal_head *head = &apply->journal.head;
	int r;

	r = hg_entries_check(sets->to.entry, sets->to.entry_count,
			     (const char *const *)apply->forbidden, error);
	if (!r)
		r = hg_plan_make(apply, sets, flags, report, error);
	if (r)
		return r;
	report->changed = head->step_count;
	if (!head->step_count && hg_oid_is_equal(&head->from, &head->to))
		return hg_sync_fail(error, -EALREADY, "generation %s is in place",
				    head->generation);
	r = note_trial(apply, error);
	if (r)
		return r;
	head->phase = HG_JOURNAL_PREPARE;
	r = hg_journal_write(apply->state_dir, &apply->journal);
	if (!r)
		r = hg_steps_stage(apply, sets, error);
	else
		hg_sync_fail(error, r, "%s/apply.journal: %s", apply->state_dir, strerror(-r));
	if (!r)
		r = hg_hooks_validate(apply, sets, error);
	if (r)
		return r;
	head->phase = HG_JOURNAL_READY;
	r = hg_journal_write(apply->state_dir, &apply->journal);
	return r ? hg_sync_fail(error, r, "%s/apply.journal: %s", apply->state_dir, strerror(-r))
		 : 0;
}

int hg_change_check_idle(struct hg_apply *apply, struct hg_sync_error *error)
{
	if (apply->is_broken)
		return hg_sync_fail(error, -EBUSY, "an earlier change is not finished yet");
	if (apply->journal.head.phase != HG_JOURNAL_NONE)
		return hg_sync_fail(error, -EBUSY, "generation %s is not confirmed yet",
				    apply->journal.head.generation);
	return 0;
}

int hg_apply_stage(struct hg_apply *apply, const struct hg_oid *to, unsigned int flags,
		   struct hg_apply_report *ret, struct hg_sync_error *error)
{
	struct hg_change_sets sets = { 0 };
	int r;

	memset(ret, 0, sizeof(*ret));
	r = hg_change_check_idle(apply, error);
	if (r)
		return r;
	r = begin(apply, to, flags, error);
	if (!r)
		r = hg_change_load(apply, &sets, error);
	if (!r)
		r = stage(apply, &sets, flags, ret, error);
	hg_change_done(&sets);
	if (!r)
		return 0;
	if (apply->journal.head.phase != HG_JOURNAL_NONE)
		hg_change_discard(apply, NULL);
	else
		hg_change_forget(apply);
	return r;
}

int hg_apply_status(struct hg_apply *apply, struct hg_apply_status *ret)
{
	const struct hg_journal_head *head = &apply->journal.head;
	uint64_t now = apply->now_ns();

	memset(ret, 0, sizeof(*ret));
	ret->phase = apply->is_broken		       ? HG_APPLY_BROKEN
		     : head->phase == HG_JOURNAL_NONE  ? HG_APPLY_IDLE
		     : head->phase == HG_JOURNAL_READY ? HG_APPLY_READY
						       : HG_APPLY_TRIAL;
	if (head->phase == HG_JOURNAL_NONE)
		return 0;
	ret->from = head->from;
	ret->to = head->to;
	ret->from_number = head->from_number;
	ret->to_number = head->to_number;
	ret->changed = head->step_count;
	ret->left_ns = !head->confirm_ns	 ? UINT64_MAX
		       : head->deadline_ns > now ? head->deadline_ns - now
						 : 0;
	return 0;
}
