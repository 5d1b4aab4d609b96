// SPDX-License-Identifier: GPL-2.0-or-later
/* See bug.h. */
#include "bug.h"

unsigned int sim_bug;

#ifdef SIM_BUGS
#include "sim_bugs.h"
#else
const char *const sim_bug_names[] = { "none" };
#endif

const unsigned int sim_bug_count = sizeof(sim_bug_names) / sizeof(*sim_bug_names);
