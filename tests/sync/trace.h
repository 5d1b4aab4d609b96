/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A child that called PTRACE_TRACEME and stopped itself is run to its end; see trace.c. */
#ifndef TESTS_SYNC_TRACE_H
#define TESTS_SYNC_TRACE_H

#include "tests/sync/rig.h"

/* Its wait status. */
int trace_run(pid_t pid, struct rig_fault *fault);

#endif
