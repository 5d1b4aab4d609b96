// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The exchange itself. Which of the two versions lies where is told by the inode of what lies
 * under the hidden name: nobody but us writes there, while anybody may replace the target.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "sync/change.h"
#include "sync/paths.h"
#include "sync/stage.h"
#include "sync/store.h"

/* A step with its directory open. */
struct place {
	int dir;
	const char *target;
	char other[64];
};

static int open_step(const struct hg_journal *journal, unsigned int i, struct place *ret)
{
	hg_journal_name(journal, i, false, ret->other);
	ret->dir = hg_path_open_parent(journal->step[i].target, &ret->target);
	return ret->dir < 0 ? ret->dir : 0;
}

/* 0: nothing is there. */
static int inode_of(int dir, const char *name, uint64_t *ret)
{
	struct stat st;

	if (!fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW))
		*ret = st.st_ino;
	else if (errno == ENOENT)
		*ret = 0;
	else
		return -errno;
	return 0;
}

static int fail_step(const struct hg_step *step, int r, const char *what,
		     struct hg_sync_error *error)
{
	return hg_sync_fail(error, r, "%s %s: %s", step->target, what, strerror(-r));
}

/* --- staging ---------------------------------------------------------------------------- */

static int check_filesystem(const struct place *place, const struct hg_step *step,
			    struct hg_sync_error *error)
{
	struct stat dir, target;

	if (fstat(place->dir, &dir))
		return -errno;
	if (fstatat(place->dir, place->target, &target, AT_SYMLINK_NOFOLLOW))
		return errno == ENOENT ? 0 : -errno;
	if (S_ISDIR(target.st_mode) && target.st_dev != dir.st_dev)
		return hg_sync_fail(error, -EXDEV,
				    "%s is a mount of its own and cannot be exchanged as a whole: "
				    "list what is below it",
				    step->target);
	return 0;
}

static int stage_step(struct hg_apply *apply, const struct hg_change_sets *sets, unsigned int i,
		      struct hg_sync_error *error)
{
	struct hg_step *step = &apply->journal.step[i];
	uint64_t staged = 0, target = 0;
	struct place place;
	int r;

	r = open_step(&apply->journal, i, &place);
	if (r)
		return hg_sync_fail(error, r,
				    "%s: its directory cannot be opened: %s. Is the package that "
				    "makes it installed here?",
				    step->target, strerror(-r));
	r = check_filesystem(&place, step, error);
	if (!r && step->has_other)
		r = hg_stage_write(apply->history, step->is_in_place ? &sets->from : &sets->to,
				   step->path, place.dir, place.other, error);
	if (!r)
		r = inode_of(place.dir, place.other, &staged);
	if (!r)
		r = inode_of(place.dir, place.target, &target);
	close(place.dir);
	step->new_inode = step->is_in_place ? target : staged;
	step->old_inode = step->is_in_place ? staged : target;
	return r;
}

int hg_steps_stage(struct hg_apply *apply, const struct hg_change_sets *sets,
		   struct hg_sync_error *error)
{
	unsigned int i;
	int r = 0;

	for (i = 0; i < apply->journal.head.step_count && !r; i++)
		r = stage_step(apply, sets, i, error);
	return r;
}

/* Renamed first: half a tree must not be taken for somebody's edit after a crash. */
static int remove_other(const struct hg_journal *journal, unsigned int i)
{
	struct place place;
	char gone[64];
	int r;

	r = open_step(journal, i, &place);
	if (r)
		return r == -ENOENT ? 0 : r;
	hg_journal_name(journal, i, true, gone);
	r = hg_path_remove(place.dir, gone);
	if (!r && renameat(place.dir, place.other, place.dir, gone) && errno != ENOENT)
		r = -errno;
	if (!r)
		r = hg_path_remove(place.dir, gone);
	if (!r)
		r = hg_path_sync(place.dir);
	close(place.dir);
	return r;
}

int hg_steps_discard(struct hg_apply *apply)
{
	unsigned int i;
	int r = 0, one;

	for (i = 0; i < apply->journal.head.step_count; i++) {
		one = remove_other(&apply->journal, i);
		r = r ? r : one;
	}
	return r;
}

/* --- the exchange ------------------------------------------------------------------------- */

static int exchange(const struct place *place)
{
	unsigned int tries;

	/* The target may come or go at any moment. */
	for (tries = 0; tries < 3; tries++) {
		if (!renameat2(place->dir, place->other, place->dir, place->target,
			       RENAME_EXCHANGE))
			return 0;
		if (errno != ENOENT)
			return -errno;
		if (!renameat2(place->dir, place->other, place->dir, place->target,
			       RENAME_NOREPLACE))
			return 0;
		if (errno != EEXIST)
			return -errno;
	}
	return -EBUSY;
}

static int forward(const struct hg_step *step, const struct place *place,
		   struct hg_sync_error *error)
{
	uint64_t other = 0;
	int r;

	r = inode_of(place->dir, place->other, &other);
	if (!r && other == step->new_inode) {
		r = exchange(place);
		if (!r)
			r = inode_of(place->dir, place->other, &other);
		if (!r && other != step->old_inode)
			return hg_sync_fail(error, -EUCLEAN,
					    "%s was edited at this very moment: try again",
					    step->target);
	}
	if (!r)
		r = hg_path_sync(place->dir);
	return r ? fail_step(step, r, "cannot be exchanged", error) : 0;
}

int hg_steps_forward(struct hg_apply *apply, struct hg_sync_error *error)
{
	const struct hg_step *step;
	struct place place;
	unsigned int i;
	int r;

	for (i = 0; i < apply->journal.head.step_count; i++) {
		step = &apply->journal.step[i];
		if (step->is_in_place)
			continue;
		r = open_step(&apply->journal, i, &place);
		if (r)
			return fail_step(step, r, "cannot be opened", error);
		r = forward(step, &place, error);
		close(place.dir);
		if (r)
			return r;
	}
	return 0;
}

/* Is the new version in use? Both may have been replaced by an editor meanwhile. */
static int is_switched(const struct hg_step *step, const struct place *place)
{
	uint64_t other = 0, target = 0;
	int r;

	r = inode_of(place->dir, place->other, &other);
	if (!r)
		r = inode_of(place->dir, place->target, &target);
	if (r)
		return r;
	if (other == step->new_inode)
		return 0;
	if (other == step->old_inode)
		return other || target;
	return target != step->old_inode;
}

static int back(const struct hg_step *step, const struct place *place)
{
	uint64_t other = 0;
	int r;

	r = is_switched(step, place);
	if (r <= 0)
		return r;
	r = inode_of(place->dir, place->other, &other);
	if (r)
		return r;
	if (other)
		return exchange(place);
	if (renameat2(place->dir, place->target, place->dir, place->other, RENAME_NOREPLACE) &&
	    errno != ENOENT)
		return -errno;
	return 0;
}

int hg_steps_back(struct hg_apply *apply, struct hg_sync_error *error)
{
	const struct hg_step *step;
	struct place place;
	unsigned int i;
	int r = 0, one;

	/* One that fails does not keep the others from going back. */
	for (i = 0; i < apply->journal.head.step_count; i++) {
		step = &apply->journal.step[i];
		if (!step->has_other)
			continue;
		one = open_step(&apply->journal, i, &place);
		if (!one) {
			one = back(step, &place);
			if (!one)
				one = hg_path_sync(place.dir);
			close(place.dir);
		}
		if (one && !r)
			r = fail_step(step, one, "cannot be put back", error);
	}
	return r;
}

/* --- afterwards ------------------------------------------------------------------------------ */

static int hash_only(void *arg, const void *data, size_t length, struct hg_oid *ret)
{
	(void)arg;
	return hg_history_hash(data, length, ret);
}

static int put(void *arg, const void *data, size_t length, struct hg_oid *ret)
{
	return hg_history_put(arg, data, length, ret);
}

static int same_content(enum hg_change change, const struct hg_file *file, void *arg)
{
	(void)file;
	(void)arg;
	return change != HG_CHANGE_MODE;
}

static bool is_known(const struct hg_file_set *set, const struct hg_file_set *found,
		     const char *path)
{
	return !hg_files_compare_entry(set, found, path, same_content, NULL);
}

static bool is_known_as_kept(struct hg_apply *apply, const struct hg_file_set *found,
			     const char *path)
{
	struct hg_file_set kept;
	bool is;

	if (hg_oid_is_none(&apply->journal.head.kept) ||
	    hg_history_load_any(apply->history, &apply->journal.head.kept, &kept, NULL))
		return false;
	is = is_known(&kept, found, path);
	hg_file_set_done(&kept);
	return is;
}

/* A commit of what lies beside the target, under its path. */
static int keep(struct hg_apply *apply, const struct hg_change_sets *sets, unsigned int i,
		const char *other, struct hg_apply_report *report, struct hg_sync_error *error)
{
	const struct hg_journal_head *head = &apply->journal.head;
	const struct hg_step *step = &apply->journal.step[i];
	struct hg_generation made = { .reason = "local edits", .number = head->to_number + 1 };
	struct hg_file_set set = { .entry_count = sets->to.entry_count };
	struct hg_oid oid;
	int r = -ENOMEM;

	made.parent = head->to;
	made.time_s = time(NULL);
	memcpy(made.node, apply->node, sizeof(made.node));
	snprintf(made.subject, sizeof(made.subject), "an edit while generation %s was tried",
		 head->generation);
	set.entry = calloc(HG_ENTRIES_MAX, sizeof(*set.entry));
	if (set.entry) {
		memcpy(set.entry, sets->to.entry, set.entry_count * sizeof(*set.entry));
		r = hg_scan_at(other, step->path, 0, put, apply->history, &set, error);
	}
	hg_files_sort(&set);
	if (!r)
		r = hg_history_commit(apply->history, &set, &made, &oid, error);
	hg_file_set_done(&set);
	hg_history_drop(apply->history);
	if (r)
		return r;
	hg_ref_name("local", head->to_number, &oid, report->kept, sizeof(report->kept));
	return hg_history_set_ref(apply->history, report->kept, &oid, error);
}

static int keep_unknown(struct hg_apply *apply, const struct hg_change_sets *sets, unsigned int i,
			struct hg_apply_report *report, struct hg_sync_error *error)
{
	const char *path = apply->journal.step[i].path;
	struct hg_file_set found = { 0 };
	char other[HG_FILE_PATH_MAX + 64];
	int r;

	if (!hg_stage_path(&apply->journal, i, other, sizeof(other)))
		return -ENAMETOOLONG;
	r = hg_scan_at(other, path, 0, hash_only, NULL, &found, error);
	hg_files_sort(&found);
	if (!r && found.file_count && !is_known(&sets->from, &found, path) &&
	    !is_known(&sets->to, &found, path) && !is_known_as_kept(apply, &found, path))
		r = keep(apply, sets, i, other, report, error);
	hg_file_set_done(&found);
	return r;
}

int hg_steps_clean(struct hg_apply *apply, const struct hg_change_sets *sets,
		   struct hg_apply_report *report, struct hg_sync_error *error)
{
	unsigned int i;
	int r = 0;

	for (i = 0; i < apply->journal.head.step_count && !r; i++) {
		if (!apply->journal.step[i].has_other)
			continue;
		r = keep_unknown(apply, sets, i, report, error);
		if (!r)
			r = remove_other(&apply->journal, i);
		if (r && error && !error->text[0])
			fail_step(&apply->journal.step[i], r, "cannot be tidied up", error);
	}
	return r;
}
