/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See discard.h. */
#include "sync/discard.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "sync/fetch.h"

#define LOCK_MS 15000

struct discard {
	const struct hg_sync_node *node;
	struct hg_history *history;
	struct hg_apply *apply;
	struct hg_generation head;
	char kept[sizeof(((struct hg_apply_report *)0)->kept)];
};

static int put_back(struct discard *d, struct hg_sync_error *error)
{
	struct hg_apply_report report;
	int err = hg_history_head(d->history, &d->head);

	if (err)
		return hg_sync_fail(error, err, "history: %s", strerror(-err));
	err = hg_apply_stage(d->apply, &d->head.oid, HG_STAGE_KEEP_EDITS, &report, error);
	if (err == -EALREADY)
		return hg_sync_fail(error, err, "nothing differs from generation %" PRIu64,
				    d->head.number);
	memcpy(d->kept, report.kept, sizeof(d->kept));
	return err ? err : hg_apply_switch(d->apply, 0, &report, error);
}

static void tell(const struct discard *d, struct hg_sync_error *ret)
{
	const char *state = d->node->config.state, *ref = d->kept;

	hg_sync_fail(ret, 0,
		     "%s has the files of generation %" PRIu64
		     " again. What was edited is kept as %s in %s/history.git\n"
		     "To have a file of it again: git --git-dir=%s/history.git show "
		     "%s:cluster.yaml (others: %s:files/PATH)",
		     d->node->config.node, d->head.number, ref, state, state, ref, ref);
}

int hg_discard_run(const struct hg_sync_node *node, struct hg_sync_error *ret,
		   struct hg_sync_error *error)
{
	struct discard d = { .node = node };
	int err = hg_fetch_open_history(node, LOCK_MS, &d.history, error);

	if (!err)
		err = hg_fetch_open_apply(node, true, d.history, &d.apply, error);
	if (!err)
		err = put_back(&d, error);
	if (!err)
		tell(&d, ret);
	if (d.apply)
		hg_apply_free(d.apply);
	if (d.history)
		hg_history_free(d.history);
	return err;
}
