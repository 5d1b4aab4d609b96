// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Which entries change, and what is done about edits of this node.
 *
 * An entry of the new generation is, on this node,
 *   in place already        made here, or the same since before; its old version is staged,
 *                           for the way back
 *   as the old generation   (or only owner and mode differ, which the new one sets): staged
 *   new to this node        what stands there is kept, then as above
 *   edited                  refused, or kept
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "sync/change.h"
#include "sync/paths.h"
#include "sync/store.h"

#define NAMED_EDITS_MAX 10

struct plan {
	struct hg_apply *apply;
	struct hg_change_sets *sets;
	struct hg_file_set found, set; /* what is there; and with the entries' owner and mode */
	unsigned int flags;
	bool has_edits, is_kept; /* edits that are refused; something is to be kept */
	unsigned int named;
	FILE *names; /* of edited files, for the text */
};

static int hash_only(void *arg, const void *data, size_t length, struct hg_oid *ret)
{
	(void)arg;
	return hg_history_hash(data, length, ret);
}

static int hash_and_keep(void *arg, const void *data, size_t length, struct hg_oid *ret)
{
	return hg_history_put(arg, data, length, ret);
}

const struct hg_entry *hg_entry_find(const struct hg_file_set *set, const char *path)
{
	unsigned int i;

	for (i = 0; i < set->entry_count; i++)
		if (!strcmp(set->entry[i].path, path))
			return &set->entry[i];
	return NULL;
}

static bool is_equal(const struct hg_file_set *a, const struct hg_file_set *b, const char *path)
{
	return !hg_files_compare_entry(a, b, path, NULL, NULL);
}

static bool is_listed(const struct hg_file_set *set, const char *path)
{
	return !strcmp(path, HG_CLUSTER_PATH) ? set->file_count != 0
					      : hg_entry_find(set, path) != NULL;
}

static int name_edit(enum hg_change change, const struct hg_file *file, void *arg)
{
	static const char *const names[] = {
		[HG_CHANGE_ADDED] = "added",
		[HG_CHANGE_REMOVED] = "removed",
		[HG_CHANGE_CONTENT] = "changed",
		[HG_CHANGE_MODE] = "owner or mode",
	};
	struct plan *plan = arg;

	if (plan->named++ < NAMED_EDITS_MAX)
		fprintf(plan->names, "  %s (%s)\n", file->path, names[change]);
	return 0;
}

static int add_step(struct plan *plan, const char *path, bool is_in_place)
{
	struct hg_journal *journal = &plan->apply->journal;
	struct hg_step *step = &journal->step[journal->head.step_count];
	const char *target = path;

	if (!strcmp(path, HG_CLUSTER_PATH))
		target = plan->apply->cluster_path;
	memset(step, 0, sizeof(*step));
	snprintf(step->path, sizeof(step->path), "%s", path);
	snprintf(step->target, sizeof(step->target), "%s", target);
	step->is_in_place = is_in_place;
	/* Where the old generation had nothing, nothing is put back over what was made here. */
	step->has_other = !is_in_place || hg_files_find(&plan->sets->from, path);
	journal->head.step_count++;
	return 0;
}

static int classify(struct plan *plan, const char *path)
{
	const struct hg_file_set *from = &plan->sets->from, *to = &plan->sets->to;
	bool is_changed = !is_equal(from, to, path);

	if (is_equal(&plan->found, to, path))
		return is_changed ? add_step(plan, path, true) : 0;
	if (!is_equal(&plan->found, from, path) && !is_equal(&plan->set, to, path)) {
		if (!is_listed(from, path)) {
			plan->is_kept = plan->is_kept || hg_files_find(&plan->found, path);
		} else {
			plan->has_edits = true;
			hg_files_compare_entry(from, &plan->found, path, name_edit, plan);
		}
	}
	return add_step(plan, path, false);
}

static int classify_all(struct plan *plan)
{
	const struct hg_file_set *to = &plan->sets->to;
	unsigned int i;
	int r;

	plan->apply->journal.head.step_count = 0;
	r = classify(plan, HG_CLUSTER_PATH);
	for (i = 0; i < to->entry_count && !r; i++)
		r = classify(plan, to->entry[i].path);
	return r;
}

/* What stands on this node, as a commit of its own. */
static int keep(struct plan *plan, struct hg_apply_report *report, struct hg_sync_error *error)
{
	struct hg_journal_head *head = &plan->apply->journal.head;
	struct hg_history *history = plan->apply->history;
	struct hg_generation made = { .reason = "local edits", .number = head->from_number + 1 };
	struct hg_generation to;
	struct hg_file_set kept;
	int r;

	r = hg_history_get(history, &head->to, &to);
	if (r)
		return r;
	memcpy(made.cluster, to.cluster, sizeof(made.cluster));
	memcpy(made.node, plan->apply->node, sizeof(made.node));
	made.parent = head->from;
	made.time_s = time(NULL);
	snprintf(made.subject, sizeof(made.subject), "what %s had before generation %s",
		 plan->apply->node, head->generation);
	r = hg_files_scan(plan->sets->to.entry, plan->sets->to.entry_count,
			  plan->apply->cluster_path, true, hash_and_keep, history, &kept, error);
	if (!r) {
		r = hg_history_commit(history, &kept, &made, &head->kept, error);
		hg_file_set_done(&kept);
	}
	hg_history_drop(history);
	if (r)
		return r;
	hg_ref_name("local", head->from_number, &head->kept, report->kept, sizeof(report->kept));
	return hg_history_set_ref(history, report->kept, &head->kept, error);
}

static int refuse_edits(struct plan *plan, const char *names, struct hg_sync_error *error)
{
	const char *node = plan->apply->node;

	return hg_sync_fail(error, -EUCLEAN,
			    "%s was edited since generation %llu:\n%s%s"
			    "On %s type, to see it:\n"
			    "  hagate config diff\n"
			    "then one of these (where both nodes were edited, one must discard):\n"
			    "  hagate config discard   to put its files back; what was edited is "
			    "kept\n"
			    "  hagate config commit    to put what was edited in force on both",
			    node, (unsigned long long)plan->apply->journal.head.from_number, names,
			    plan->named > NAMED_EDITS_MAX ? "  and more\n" : "", node);
}

static int find(struct plan *plan, struct hg_sync_error *error)
{
	const struct hg_file_set *to = &plan->sets->to;

	return hg_files_scan(to->entry, to->entry_count, plan->apply->cluster_path, true, hash_only,
			     NULL, &plan->found, error);
}

/* `set` is `found` with what the entries say about owner and mode. */
static int copy_overridden(struct plan *plan)
{
	const struct hg_file_set *found = &plan->found;
	struct hg_file_set *set = &plan->set;
	size_t i;

	set->entry = calloc(HG_ENTRIES_MAX, sizeof(*set->entry));
	set->file = calloc(found->file_count + 1, sizeof(*set->file));
	if (!set->entry || !set->file)
		return -ENOMEM;
	memcpy(set->entry, found->entry, found->entry_count * sizeof(*set->entry));
	set->entry_count = found->entry_count;
	for (i = 0; i < found->file_count; i++) {
		set->file[i] = found->file[i];
		set->file[i].path = strdup(found->file[i].path);
		if (!set->file[i].path)
			return -ENOMEM;
		set->file_count++;
	}
	hg_files_override(set);
	return 0;
}

int hg_plan_make(struct hg_apply *apply, struct hg_change_sets *sets, unsigned int flags,
		 struct hg_apply_report *report, struct hg_sync_error *error)
{
	struct plan plan = { .apply = apply, .sets = sets, .flags = flags };
	size_t length = 0;
	char *names = NULL;
	int r;

	plan.names = open_memstream(&names, &length);
	if (!plan.names)
		return -ENOMEM;
	r = find(&plan, error);
	if (!r)
		r = copy_overridden(&plan);
	if (!r)
		r = classify_all(&plan);
	if (fclose(plan.names))
		r = -ENOMEM;
	if (!r && plan.has_edits && !(flags & HG_STAGE_KEEP_EDITS))
		r = refuse_edits(&plan, names, error);
	if (!r && (plan.has_edits || plan.is_kept))
		r = keep(&plan, report, error);
	hg_file_set_done(&plan.found);
	hg_file_set_done(&plan.set);
	free(names);
	return r;
}
