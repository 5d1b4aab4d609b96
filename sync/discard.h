/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An edit that is given up: the files of the generation in force again, on this node alone.
 * What was edited is kept under refs/local.
 */
#ifndef HG_SYNC_DISCARD_H
#define HG_SYNC_DISCARD_H

#include "sync/node.h"

/* `ret`: what was done, for the operator. -EALREADY: nothing was edited. */
int hg_discard_run(const struct hg_sync_node *node, struct hg_sync_error *ret,
		   struct hg_sync_error *error);

#endif
