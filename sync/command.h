/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Runs a command of an entry: /bin/sh -c, in a process group of its own, standard input
 * empty, output and errors together and bounded, killed with all its children when its
 * time is over. Waits for it; the caller must not reap children meanwhile.
 */
#ifndef HG_SYNC_COMMAND_H
#define HG_SYNC_COMMAND_H

#include "sync/types.h"

struct hg_command {
	const char *text; /* {staged} in it becomes `staged`, quoted */
	const char *staged, *path, *node, *generation; /* for the environment */
	unsigned int timeout_s;
	/* In the child before the command; 0 or -errno. NULL: nothing. */
	int (*enter)(void *arg);
	void *arg;
};

/* 0: it ran, *ret_status is its exit status, or 128 and the signal. -ETIME: killed. Others:
 * it could not be started, -errno of `enter` included. `output` is what it said, cut. */
int hg_command_run(const struct hg_command *command, char *output, size_t size, int *ret_status);

#endif
