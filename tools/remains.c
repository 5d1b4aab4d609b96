// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The agent is dead, its programs may still be on the NICs. Whether they serve is asked of
 * hagate-load, which reads it from the maps; not being root it cannot, and that is said.
 */
#include "remains.h"

#include <fcntl.h>
#include <jansson.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hagate/abi.h"
#include "tool.h"

static void run_load(int out)
{
	char program[PATH_MAX];
	int nowhere = open("/dev/null", O_RDWR | O_CLOEXEC);

	dup2(nowhere, STDIN_FILENO);
	dup2(nowhere, STDERR_FILENO);
	dup2(out, STDOUT_FILENO);
	hg_find_program("hagate-load", program);
	execlp(program, "hagate-load", "status", "--json", (char *)NULL);
	_exit(HG_EXIT_FAILED);
}

/* What `hagate-load status --json` answers, or NULL. */
static json_t *ask_load(void)
{
	json_t *answer = NULL;
	FILE *from = NULL;
	int pipes[2];
	pid_t pid;

	if (pipe2(pipes, O_CLOEXEC) < 0)
		return NULL;
	pid = fork();
	if (!pid)
		run_load(pipes[1]);
	close(pipes[1]);
	from = pid < 0 ? NULL : fdopen(pipes[0], "re");
	if (from)
		answer = json_loadf(from, 0, NULL);
	if (from)
		fclose(from);
	else
		close(pipes[0]);
	if (pid > 0)
		waitpid(pid, NULL, 0);
	return answer;
}

void hg_remains_tell(void)
{
	json_t *answer, *is_serving;

	if (access(HG_PIN_DIR, F_OK) < 0)
		return;
	answer = ask_load();
	is_serving = json_object_get(answer, "serving");
	if (json_is_true(is_serving))
		fputs("  This node SERVES without its agent, for a short grace only (2 s by default);\n"
		      "  then the peer takes over, and without a peer nobody serves.\n",
		      stderr);
	else if (json_is_false(is_serving))
		fputs("  This node does not serve: its data path is loaded and keeps quiet. Without its\n"
		      "  agent it cannot take over either; ask the other node who serves.\n",
		      stderr);
	else
		fputs("  The data path of this node is still loaded; whether it serves:\n"
		      "                                  hagate-load status\n",
		      stderr);
	json_decref(answer);
}
