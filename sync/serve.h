/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One connection of the other node, from its first octet to its end. Runs in a child of its
 * own, so that nothing here can hold up anything else; dies with its deadline.
 */
#ifndef HG_SYNC_SERVE_H
#define HG_SYNC_SERVE_H

#include "sync/node.h"

/* Takes `fd` over. 0, or -errno with what went wrong. */
int hg_serve_connection(const struct hg_sync_node *node, int fd, struct hg_sync_error *error);

#endif
