/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The hagate command run as a program: what it prints, and its exit status. */
#ifndef TESTS_TOOL_FIXTURE_H
#define TESTS_TOOL_FIXTURE_H

#include <limits.h>

#include "control_fixture.h"

struct tool_result {
	int status;
	char *out, *err;
};

extern char tool_program[PATH_MAX];

/* cmocka group fixture: finds the program. */
int tool_find(void **state);
/* Runs `hagate --run RUN ARGUMENTS...`; the list ends with NULL. */
struct tool_result tool_run(const char *run_dir, ...);
/* `hagate status` of this answer. */
struct tool_result tool_status(struct control_fixture *fixture, const char *status);
/* The status, and parts of both outputs; "": nothing was printed there. Frees the result. */
void tool_check(struct tool_result result, int status, const char *out, const char *err);
/* Lines of at most 80 columns, at most 24 of them, no control characters. */
void tool_check_lines(const char *text, int max);
void tool_check_screen(const char *text); /* 24 lines */

#endif
