/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Was this node edited since its generation? Reads all files: for a child. Takes no lock, and
 * says nothing while a generation is being put in place.
 */
#ifndef HG_SYNC_LOOK_H
#define HG_SYNC_LOOK_H

#include "sync/node.h"

/* 1: edited, and *ret says what and what to type; 0: as the generation; -EAGAIN: no telling
 * now; -errno. */
int hg_look_for_edits(const struct hg_sync_node *node, char *ret, size_t size);

#endif
