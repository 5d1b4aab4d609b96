// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * `hagate filter check` and `filter trace`: what rules would do. `check` asks hagated's
 * program, not a running agent, so that a file can be checked on any machine.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client.h"
#include "text.h"

void hg_find_program(const char *name, char ret[PATH_MAX])
{
	static const char *const installed[] = { "/usr/local/sbin", "/usr/sbin" };
	char here[PATH_MAX - 32];
	ssize_t length = readlink("/proc/self/exe", here, sizeof(here) - 1);
	char *slash;

	here[length > 0 ? length : 0] = '\0';
	slash = strrchr(here, '/');
	if (slash)
		*slash = '\0';
	snprintf(ret, PATH_MAX, "%s/%s", here, name);
	if (access(ret, X_OK) == 0)
		return;
	snprintf(ret, PATH_MAX, "%s/../sbin/%s", here, name);
	if (access(ret, X_OK) == 0)
		return;
	for (size_t i = 0; i < sizeof(installed) / sizeof(installed[0]); i++) {
		snprintf(ret, PATH_MAX, "%s/%s", installed[i], name);
		if (access(ret, X_OK) == 0)
			return;
	}
	snprintf(ret, PATH_MAX, "%s", name);
}

int hg_filter_check(const struct hg_tool *tool)
{
	char program[PATH_MAX];
	pid_t pid;
	int status;

	hg_find_program("hagated", program);
	pid = fork();
	if (pid == 0) {
		execlp(program, "hagated", "--check-filter", tool->argument, (char *)NULL);
		fprintf(stderr, "hagate: cannot run %s: %s\n", program, strerror(errno));
		_exit(HG_EXIT_UNREACHABLE);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0) {
		perror("hagate: cannot run hagated");
		return HG_EXIT_FAILED;
	}
	if (!WIFEXITED(status)) {
		fprintf(stderr, "hagate: %s died of signal %d\n", program, WTERMSIG(status));
		return HG_EXIT_FAILED;
	}
	if (!WEXITSTATUS(status))
		printf("%s: no mistakes\n", tool->argument);
	return WEXITSTATUS(status);
}

/* --- trace ---------------------------------------------------------------------------- */

static const char *rule_effect(const json_t *trace, const json_t *rule)
{
	const json_t *decided = json_object_get(trace, "decided_by");

	if (json_is_integer(decided) && json_equal(decided, json_object_get(rule, "number")))
		return hg_text_is_true(rule, "exceeded") ? "decides: above its rate" : "decides";
	if (hg_text_is_true(rule, "count_only"))
		return "counts only";
	return "within its rate";
}

static void print_trace(const struct hg_tool *tool, const json_t *trace)
{
	const char *verdict = hg_text_string(trace, "verdict", "?");
	bool is_drop = strcmp(verdict, "drop") == 0;
	const json_t *rules = json_object_get(trace, "rules");
	char line[1024];
	json_t *rule;
	size_t i;

	snprintf(line, sizeof(line), "packet   %s", hg_text_string(trace, "packet", "?"));
	hg_text_wrap(tool, HG_TEXT_PLAIN, 9, 4, line);
	snprintf(line, sizeof(line), "verdict  %s: %s (%s)", verdict,
		 hg_text_string(trace, "reason_text", ""), hg_text_string(trace, "reason", ""));
	hg_text_wrap(tool, is_drop ? HG_TEXT_RED : HG_TEXT_GREEN, 9, 4, line);
	json_array_foreach(rules, i, rule)
	{
		snprintf(line, sizeof(line), "rule %-3.0f %s (%s:%.0f) - %s",
			 hg_text_number(rule, "number", 0), hg_text_string(rule, "rule", "?"),
			 hg_text_string(rule, "file", "?"), hg_text_number(rule, "line", 0),
			 rule_effect(trace, rule));
		hg_text_wrap(tool, HG_TEXT_PLAIN, 9, 8, line);
	}
}

int hg_filter_trace(const struct hg_tool *tool)
{
	json_t *answer;
	const json_t *trace;
	int status = hg_client_ask(
		tool, json_pack("{s:s,s:s}", "command", "filter-trace", "packet", tool->argument),
		HG_CLIENT_LONG_MS, &answer);

	if (status)
		return status;
	trace = json_object_get(answer, "trace");
	if (tool->is_json)
		status = hg_text_print_json(tool, trace);
	else
		print_trace(tool, trace);
	json_decref(answer);
	return status;
}
