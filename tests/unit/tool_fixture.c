// SPDX-License-Identifier: GPL-2.0-or-later
/* See tool_fixture.h. */
#include "tool_fixture.h"

#include <libgen.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#define OUTPUT_MAX (1024 * 1024)

char tool_program[PATH_MAX];

/* BUILD/tests/unit/test_tools -> BUILD/bin/hagate */
int tool_find(void **state)
{
	char self[PATH_MAX - 32] = "";

	(void)state;
	if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
		return -1;
	snprintf(tool_program, sizeof(tool_program), "%s/../../bin/hagate", dirname(self));
	if (access(tool_program, X_OK) == 0)
		return 0;
	fprintf(stderr, "%s is missing: make builds it\n", tool_program);
	return -1;
}

static char *slurp(FILE *file)
{
	char *text = calloc(1, OUTPUT_MAX);

	assert_non_null(text);
	rewind(file);
	assert_true(fread(text, 1, OUTPUT_MAX - 1, file) < OUTPUT_MAX - 1);
	fclose(file);
	return text;
}

/* Runs `hagate --run RUN ARGUMENTS...`; the list ends with NULL. */
struct tool_result tool_run(const char *run_dir, ...)
{
	FILE *out = tmpfile(), *err = tmpfile();
	char *argv[16] = { tool_program, (char *)"--run", (char *)run_dir };
	struct tool_result result;
	int argc = 3, status;
	va_list list;
	pid_t pid;

	va_start(list, run_dir);
	do
		argv[argc] = va_arg(list, char *);
	while (argv[argc++]);
	va_end(list);
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		dup2(fileno(out), STDOUT_FILENO);
		dup2(fileno(err), STDERR_FILENO);
		execv(tool_program, argv);
		_exit(99);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	result.status = WEXITSTATUS(status);
	result.out = slurp(out);
	result.err = slurp(err);
	return result;
}

void tool_check(struct tool_result result, int status, const char *out, const char *err)
{
	if (result.status != status || !strstr(result.out, out) || !strstr(result.err, err) ||
	    (!*out && *result.out) || (!*err && *result.err))
		fail_msg("status %d, stdout '%s', stderr '%s'; expected %d, '%s', '%s'",
			 result.status, result.out, result.err, status, out, err);
	free(result.out);
	free(result.err);
}

/* Lines of at most 80 columns, at most so many of them, no control characters. */
void tool_check_lines(const char *text, int max)
{
	int lines = 0;

	for (const char *line = text; *line; lines++) {
		size_t length = strcspn(line, "\n");

		assert_true(length <= 80);
		for (size_t i = 0; i < length; i++)
			assert_true((unsigned char)line[i] >= ' ' && line[i] != 0x7f);
		line += length + (line[length] == '\n');
	}
	assert_true(lines <= max);
}

void tool_check_screen(const char *text)
{
	tool_check_lines(text, 24);
}

/* `hagate status` of this answer. */
struct tool_result tool_status(struct control_fixture *fixture, const char *status)
{
	struct tool_result result;

	fixture->status = status;
	control_fixture_start(fixture);
	result = tool_run(fixture->run, "status", NULL);
	control_fixture_stop(fixture);
	return result;
}
