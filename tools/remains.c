// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The agent does not answer: it is dead, or somewhere else than was said. Its programs may
 * still be on the NICs. Whether they serve, and when an agent last showed life, is asked of
 * hagate-load, which reads it from the maps; not being root it cannot, and that is said.
 */
#include "remains.h"

#include <fcntl.h>
#include <jansson.h>
#include <stdbool.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "hagate/abi.h"
#include "tool.h"

#define LOOK_MS 300 /* between two looks for a sign of life */

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

/* How long ago its agent showed life; that of a living one does so every few ms. */
static bool is_recent(const json_t *answer)
{
	const json_t *age_ms = json_object_get(answer, "agent_age_ms");

	return json_is_number(age_ms) && json_number_value(age_ms) < LOOK_MS;
}

/* An agent may have died just now: its sign of life would not become younger. */
static bool has_agent(json_t **answer)
{
	const struct timespec pause = { .tv_nsec = LOOK_MS * 1000000 };

	if (!is_recent(*answer) || nanosleep(&pause, NULL))
		return false;
	json_decref(*answer);
	*answer = ask_load();
	return is_recent(*answer);
}

void hg_remains_tell(void)
{
	json_t *answer, *is_serving;
	bool is_alive;

	if (access(HG_PIN_DIR, F_OK) < 0)
		return;
	answer = ask_load();
	is_alive = has_agent(&answer);
	is_serving = json_object_get(answer, "serving");
	if (is_alive)
		fprintf(stderr,
			"  An agent works here, and this node %s: is this its run\n"
			"  directory? paths.run in node.yaml says which; hagate --run DIR\n",
			json_is_true(is_serving) ? "serves" : "does not serve");
	else if (json_is_true(is_serving))
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
