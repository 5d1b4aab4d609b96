/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One fresh pair of nodes for each test of a program, with every option as it is by default.
 * The fixture owns `rig`; a test may change what rig.h lets it change, the next one starts
 * anew.
 */
#ifndef TESTS_SYNC_FIXTURE_H
#define TESTS_SYNC_FIXTURE_H

#include "tests/sync/rig.h"

extern struct rig rig;

int fixture_setup(void **state);
/* With files on gw1, all words "first", that nobody has committed. */
int fixture_setup_files(void **state);
int fixture_teardown(void **state);

#endif
