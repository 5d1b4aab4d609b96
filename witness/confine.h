/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the witness gives up once its files and sockets are open: every capability, new
 * privileges, core dumps, and every system call but the few of its loop.
 */
#ifndef HG_CONFINE_H
#define HG_CONFINE_H

#include <stdbool.h>

/* 0 or -errno. All threads must have been started. may_open: files may still be opened. */
int hg_confine(bool may_open);

#endif
