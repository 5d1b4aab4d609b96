// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Commands that ask hagated to do something: handover, maintenance, reload; version.
 */
#include <string.h>
#include <unistd.h>

#include "client.h"
#include "text.h"

static int order(const struct hg_tool *tool, json_t *request, int timeout_ms)
{
	json_t *answer;
	int status = hg_client_ask(tool, request, timeout_ms, &answer);

	if (status)
		return status;
	hg_client_tell_diagnostics(answer);
	hg_text_print_lines(stdout, hg_text_string(answer, "text", "done"));
	json_decref(answer);
	return HG_EXIT_OK;
}

int hg_operate_handover(const struct hg_tool *tool)
{
	return order(tool, json_pack("{s:s}", "command", "handover"), HG_CLIENT_HANDOVER_MS);
}

int hg_operate_maintenance(const struct hg_tool *tool)
{
	bool is_on = strcmp(tool->argument, "on") == 0;

	if (!is_on && strcmp(tool->argument, "off") != 0) {
		fprintf(stderr, "hagate maintenance: say 'on' or 'off', not '%s'\n",
			tool->argument);
		return HG_EXIT_USAGE;
	}
	return order(tool, json_pack("{s:s,s:b}", "command", "maintenance", "on", is_on),
		     HG_CLIENT_TIMEOUT_MS);
}

int hg_operate_reload(const struct hg_tool *tool)
{
	return order(tool, json_pack("{s:s}", "command", "reload"), HG_CLIENT_LONG_MS);
}

/* The tool's own version, and that of the agent where one answers: an agent that does
 * not run is no failure of this command. */
int hg_operate_version(const struct hg_tool *tool)
{
	char path[4096], version[64];
	json_t *answer;

	printf("hagate %s\n", HG_VERSION);
	if (snprintf(path, sizeof(path), "%s/" HG_CTL_SOCKET, tool->run) >= (int)sizeof(path) ||
	    access(path, R_OK | W_OK) < 0)
		return HG_EXIT_OK;
	if (hg_client_ask(tool, json_pack("{s:s}", "command", "version"), HG_CLIENT_TIMEOUT_MS,
			  &answer))
		return HG_EXIT_OK;
	hg_text_copy(version, sizeof(version), hg_text_string(answer, "version", "?"));
	printf("hagated %s (running)\n", version);
	json_decref(answer);
	return HG_EXIT_OK;
}
