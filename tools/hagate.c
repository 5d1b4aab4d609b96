// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The `hagate` command: a table of commands {name, function, help}, one parser for
 * the options of all.
 */
#include <argp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tool.h"

enum { OPT_RUN = 'r', OPT_JSON = 'j', OPT_FOLLOW = 'f', OPT_DIR = 'd' };

static const struct argp_option json_options[] = {
	{ "json", OPT_JSON, NULL, 0, "JSON: indented on a terminal, else one line", 0 },
	{ 0 },
};
static const struct argp_option events_options[] = {
	{ "follow", OPT_FOLLOW, NULL, 0, "Go on printing until interrupted", 0 },
	{ "json", OPT_JSON, NULL, 0, "One line of JSON per event", 0 },
	{ 0 },
};
static const struct argp_option init_options[] = {
	{ "dir", OPT_DIR, "DIR", 0, "Write into DIR instead of /etc/hagate", 0 },
	{ 0 },
};
static const struct argp_option no_options[] = { { 0 } };

static const struct command {
	const char *name;
	int (*fn)(const struct hg_tool *tool);
	const char *argument; /* name of the one argument, NULL: takes none */
	const struct argp_option *options;
	const char *help;
} commands[] = {
	{ "status", hg_status_run, NULL, json_options,
	  "Show who serves, since when and why; the peer, the ports, what is wrong." },
	{ "handover", hg_operate_handover, NULL, no_options,
	  "Let the peer take over, wait for it and report." },
	{ "maintenance", hg_operate_maintenance, "on|off", no_options,
	  "Leave the pair (hand over, claim nothing, also after a restart) or rejoin." },
	{ "reload", hg_operate_reload, NULL, no_options,
	  "Read the files again; nothing changes if they are wrong." },
	{ "ports", hg_ports_run, NULL, json_options,
	  "Show NIC, link, XDP mode and wiring of each port." },
	{ "events", hg_events_run, NULL, events_options,
	  "Show what happened and why, the oldest first." },
	{ "keygen", hg_keygen_run, "FILE", no_options,
	  "Make a cluster key. A file that exists is left alone." },
	{ "init", hg_init_run, NULL, init_options,
	  "Write example files and a key for this machine, overwriting nothing." },
	{ "version", hg_operate_version, NULL, no_options,
	  "Print the version, and that of the agent if one runs." },
};

#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

struct command_line {
	struct hg_tool tool;
	const struct command *command;
	int at; /* index of the command's name in argv */
};

static error_t parse_command_option(int key, char *arg, struct argp_state *state)
{
	struct command_line *line = state->input;

	switch (key) {
	case OPT_JSON:
		line->tool.is_json = true;
		return 0;
	case OPT_FOLLOW:
		line->tool.is_follow = true;
		return 0;
	case OPT_DIR:
		line->tool.dir = arg;
		return 0;
	case ARGP_KEY_ARG:
		if (!line->command->argument || line->tool.argument)
			argp_error(state, "too many arguments: %s", arg);
		line->tool.argument = arg;
		return 0;
	case ARGP_KEY_END:
		if (line->command->argument && !line->tool.argument)
			argp_error(state, "%s is missing", line->command->argument);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct command *find_command(const char *name)
{
	for (size_t i = 0; i < COMMANDS; i++)
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	return NULL;
}

static error_t parse_main_option(int key, char *arg, struct argp_state *state)
{
	struct command_line *line = state->input;

	switch (key) {
	case OPT_RUN:
		line->tool.run = arg;
		return 0;
	case ARGP_KEY_ARG:
		line->command = find_command(arg);
		if (!line->command)
			argp_error(state, "unknown command '%s'", arg);
		line->at = state->next - 1;
		state->next = state->argc; /* the rest belongs to the command */
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "which command?");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* The list of commands comes from the table. */
static char *filter_help(int key, const char *text, void *input)
{
	char *help = NULL;
	size_t size;
	FILE *out;

	(void)input;
	if (key != ARGP_KEY_HELP_POST_DOC)
		return (char *)text;
	out = open_memstream(&help, &size);
	if (!out)
		return NULL;
	fputs("Commands:\n", out);
	for (size_t i = 0; i < COMMANDS; i++)
		fprintf(out, "  %s%s%s\n      %s\n", commands[i].name,
			commands[i].argument ? " " : "",
			commands[i].argument ? commands[i].argument : "", commands[i].help);
	fputs("\nhandover, maintenance and reload need root.\n"
	      "Exit status: 0 done, 1 refused or failed, 2 usage, 3 hagated not reachable.",
	      out);
	fclose(out);
	return help;
}

static int run_command(struct command_line *line, int argc, char **argv)
{
	const struct argp argp = {
		.options = line->command->options,
		.parser = parse_command_option,
		.args_doc = line->command->argument,
		.doc = line->command->help,
	};
	char name[64];

	snprintf(name, sizeof(name), "hagate %s", line->command->name);
	argv[line->at] = name;
	argp_parse(&argp, argc - line->at, argv + line->at, 0, NULL, line);
	return line->command->fn(&line->tool);
}

int main(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "run", OPT_RUN, "DIR", 0, "Run directory of hagated (" HG_RUN_DIR ")", 0 },
		{ 0 },
	};
	const struct argp argp = {
		.options = options,
		.parser = parse_main_option,
		.args_doc = "COMMAND [ARGUMENT...]",
		.doc = "Look at and operate a hagate gateway.\v ",
		.help_filter = filter_help,
	};
	struct command_line line = { .tool = { .run = HG_RUN_DIR, .dir = "/etc/hagate" } };
	const char *no_color = getenv("NO_COLOR");
	int status;

	argp_err_exit_status = HG_EXIT_USAGE;
	argp_program_version = "hagate " HG_VERSION;
	argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &line);
	line.tool.has_terminal = isatty(STDOUT_FILENO);
	line.tool.has_color = line.tool.has_terminal && !(no_color && *no_color);
	status = run_command(&line, argc, argv);
	if ((fflush(stdout) == EOF || ferror(stdout)) && !status) {
		perror("hagate: cannot write");
		status = HG_EXIT_FAILED;
	}
	return status;
}
