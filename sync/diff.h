/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What an operator edited and has not committed, or what a generation changed, as a patch.
 */
#ifndef HG_SYNC_DIFF_H
#define HG_SYNC_DIFF_H

#include "sync/history.h"
#include "sync/node.h"

#define HG_DIFF_MAX (1024 * 1024) /* octets; what is beyond is named, not shown */

/* `number` 0: from the generation in force to the files on this node; else from the one before
 * `number` to it. free() the text. */
int hg_diff_run(const struct hg_sync_node *node, struct hg_history *history, uint64_t number,
		char **ret, struct hg_sync_error *error);

#endif
