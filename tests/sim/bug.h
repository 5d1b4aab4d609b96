/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Planted bugs (bugs/): `sim` has none; `sim-bugs` has each of them behind a number, in
 * copies of the core and the data path that the script `bugs/plant` alters.
 */
#ifndef SIM_BUG_H
#define SIM_BUG_H

extern unsigned int sim_bug; /* 0: none */
extern const unsigned int sim_bug_count;
extern const char *const sim_bug_names[];

#endif
