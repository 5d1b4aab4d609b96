/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Makes the worker process. Private to worker.c. */
#ifndef HG_WORKER_CHILD_H
#define HG_WORKER_CHILD_H

#include <sys/types.h>

/* Forks a child that serves jobs from `fd` and never returns. Its pid or -errno. */
pid_t hg_worker_child(int fd, const char *state_dir);

#endif
