/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Forks of hagated: a child for slow work that ends with its parent, runs at ordinary
 * priority, keeps no socket of the parent and is not moved by signals to the group.
 */
#ifndef HG_CHILD_H
#define HG_CHILD_H

#include <sys/types.h>

/* As fork(); -errno on failure. In the child only the socket `keep` stays open (-1: none). */
pid_t hg_child_fork(const char *name, int keep);

#endif
