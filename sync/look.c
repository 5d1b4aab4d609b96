/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See look.h. */
#include "sync/look.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "sync/apply.h"
#include "sync/journal.h"

struct edits {
	char first[HG_FILE_PATH_MAX];
	unsigned int count;
};

static int count_edit(enum hg_change change, const struct hg_file *file, void *arg)
{
	struct edits *edits = arg;

	(void)change;
	if (!edits->count++)
		snprintf(edits->first, sizeof(edits->first), "%s", file->path);
	return 0;
}

static bool is_change_under_way(const struct hg_sync_node *node)
{
	struct hg_journal journal = { 0 };

	return hg_journal_read(node->config.state, &journal) != -ENOENT;
}

static void describe(const struct edits *edits, uint64_t number, char *ret, size_t size)
{
	char more[32] = "";

	if (edits->count > 1)
		snprintf(more, sizeof(more), " and %u more", edits->count - 1);
	/* The status of hagated takes 400 octets of it, so the path comes last. */
	snprintf(ret, size,
		 "this node was edited since generation %" PRIu64
		 ". To see it: hagate config diff; to put it in force on both: hagate config "
		 "commit; to put back what was: hagate config discard. Edited: %s%s",
		 number, edits->first, more);
}

static int compare(const struct hg_sync_node *node, struct hg_history *history, struct edits *ret)
{
	struct hg_apply_options options = {
		.state_dir = node->config.state,
		.node = node->config.node,
		.cluster_path = node->config.cluster,
	};
	struct hg_apply *apply;
	int err = hg_apply_new(&options, history, &apply, NULL);

	if (err)
		return err;
	err = hg_apply_edits(apply, count_edit, ret, NULL);
	hg_apply_free(apply);
	return err;
}

/* A generation that came meanwhile is no edit: the head must be the same before and after. */
int hg_look_for_edits(const struct hg_sync_node *node, char *ret, size_t size)
{
	struct hg_generation before, after;
	struct edits edits = { .count = 0 };
	struct hg_history *history, *again;
	int err = hg_history_open(node->config.state, false, &history, NULL);

	if (err)
		return err;
	err = is_change_under_way(node) ? -EAGAIN : hg_history_head(history, &before);
	if (!err)
		err = compare(node, history, &edits);
	hg_history_free(history);
	if (err < 0)
		return err;
	err = is_change_under_way(node) ? -EAGAIN
					: hg_history_open(node->config.state, false, &again, NULL);
	if (err)
		return err;
	err = hg_history_head(again, &after);
	if (!err && !hg_oid_is_equal(&before.oid, &after.oid))
		err = -EAGAIN;
	hg_history_free(again);
	if (err || !edits.count)
		return err;
	describe(&edits, before.number, ret, size);
	return 1;
}
