/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A child that called trace_me() is run to its end; see trace.c. */
#ifndef TESTS_SYNC_TRACE_H
#define TESTS_SYNC_TRACE_H

#include "tests/sync/rig.h"

/* In the child, before anything else. */
void trace_me(void);
/* Its wait status. */
int trace_run(pid_t pid, struct rig_fault *fault);

#endif
