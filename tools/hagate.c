// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The `hagate` command: a table of commands {name, function, help}, one parser for
 * the options of all.
 */
#include <argp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "tool.h"

enum {
	OPT_RUN = 'r',
	OPT_JSON = 'j',
	OPT_FOLLOW = 'f',
	OPT_DIR = 'd',
	OPT_TTL = 't',
	OPT_SOURCE = 's',
	OPT_FILE = 'F',
	OPT_LIMIT = 'n',
	OPT_MESSAGE = 'm',
	OPT_CONFIRM = 'c',
	OPT_STEPS = 'S',
	OPT_TEST_MAC = 'T',
	OPT_RATE = 'R',
	OPT_KEY = 'k',
	OPT_NODE = 'N',
	OPT_SECONDS = 'w',
	OPT_PROBE = 'p',
	OPT_STATE = 'D',
};

static const struct argp_option json_options[] = {
	{ "json", OPT_JSON, NULL, 0, "JSON: indented on a terminal, else one line", 0 },
	{ 0 },
};
static const struct argp_option ports_options[] = {
	{ "json", OPT_JSON, NULL, 0, "JSON: indented on a terminal, else one line", 0 },
	{ "test-mac", OPT_TEST_MAC, NULL, 0,
	  "First test whether the networks carry a virtual MAC (root; takes seconds)", 0 },
	{ 0 },
};
static const struct argp_option why_options[] = {
	{ "state", OPT_STATE, "DIR", 0, "From what an agent left in its state directory", 0 },
	{ "json", OPT_JSON, NULL, 0, "JSON: indented on a terminal, else one line", 0 },
	{ 0 },
};
static const struct argp_option events_options[] = {
	{ "follow", OPT_FOLLOW, NULL, 0, "Go on printing until interrupted", 0 },
	{ "steps", OPT_STEPS, NULL, 0, "The last steps of the election, for replay", 0 },
	{ "json", OPT_JSON, NULL, 0, "One line of JSON per event", 0 },
	{ 0 },
};
static const struct argp_option init_options[] = {
	{ "dir", OPT_DIR, "DIR", 0, "Write into DIR instead of /etc/hagate", 0 },
	{ 0 },
};
static const struct argp_option discover_options[] = {
	{ "key", OPT_KEY, "FILE", 0, "Verify what is heard with this cluster key", 0 },
	{ "node", OPT_NODE, "FILE", 0, "... with the key that this node.yaml names", 0 },
	{ "seconds", OPT_SECONDS, "N", 0, "Listen for N seconds (5)", 0 },
	{ "probe", OPT_PROBE, NULL, 0,
	  "Also send: finds NICs of this machine on one segment, and loops", 0 },
	{ "json", OPT_JSON, NULL, 0, "JSON: indented on a terminal, else one line", 0 },
	{ 0 },
};
static const struct argp_option block_options[] = {
	{ "ttl", OPT_TTL, "TIME", 0, "Until then only: 30s, 10min, 2h, 7d", 0 },
	{ "source", OPT_SOURCE, "NAME", 0, "Who says so: operator, feed or ids", 0 },
	{ "file", OPT_FILE, "FILE", 0, "All of FILE, one address or prefix a line; -: stdin", 0 },
	{ 0 },
};
static const struct argp_option blocked_options[] = {
	{ "limit", OPT_LIMIT, "N", 0, "At most N entries (1000)", 0 },
	{ "json", OPT_JSON, NULL, 0, "JSON: indented on a terminal, else one line", 0 },
	{ 0 },
};
static const struct argp_option timers_options[] = {
	{ "false-takeovers", OPT_RATE, "N/UNIT", 0, "To be allowed: 1/year, 2/month, ...", 0 },
	{ "json", OPT_JSON, NULL, 0, "JSON: indented on a terminal, else one line", 0 },
	{ 0 },
};
static const struct argp_option publish_options[] = {
	{ "message", OPT_MESSAGE, "TEXT", 0, "What was changed and why, for the log", 0 },
	{ "confirm", OPT_CONFIRM, "TIME", 0,
	  "Go back after TIME (60s, 5min) unless `hagate config confirm` comes", 0 },
	{ 0 },
};
static const struct argp_option no_options[] = { { 0 } };

struct command {
	const char *name;
	int (*fn)(const struct hg_tool *tool); /* NULL: see filter_commands, config_commands */
	const char *argument; /* NULL: takes none; "[A]" may be left out; "A..." is all that
			       * follow, joined by blanks */
	const struct argp_option *options;
	const char *help;
};

static const struct command filter_commands[] = {
	{ "show", hg_filter_show, NULL, json_options,
	  "Show the rules in force, and how many packets each has met." },
	{ "check", hg_filter_check, "FILE", no_options,
	  "Check a file of rules, or a cluster.yaml; needs no agent." },
	{ "block", hg_filter_block, "[ADDRESS[/LENGTH]]", block_options,
	  "Drop everything from an address or prefix, or from those in a file." },
	{ "unblock", hg_filter_unblock, "ADDRESS[/LENGTH]", no_options,
	  "Take an address or prefix off the blocklist." },
	{ "blocked", hg_filter_blocked, NULL, blocked_options, "Show the blocklist." },
	{ "reload", hg_operate_reload, NULL, no_options,
	  "The same as `hagate reload`: all files are read again, or nothing changes." },
	{ "trace", hg_filter_trace, "PACKET...", json_options,
	  "Say what becomes of a packet, and by which rule: trace in on wan proto tcp from "
	  "192.0.2.1 to vip port 443 flags S" },
	{ 0 },
};

static const struct command config_commands[] = {
	{ "status", hg_config_status, NULL, json_options,
	  "Show the generation in force on both nodes, and what is wrong." },
	{ "diff", hg_config_diff, "[GENERATION]", no_options,
	  "Show what was edited on this node, or what a generation changed." },
	{ "log", hg_config_log, NULL, json_options, "Show all generations, the newest first." },
	{ "commit", hg_config_commit, NULL, publish_options,
	  "Put the files of this node in force on both, or on neither." },
	{ "rollback", hg_config_rollback, "GENERATION", publish_options,
	  "Make a new generation with the content of an older one, as commit does." },
	{ "discard", hg_config_discard, NULL, no_options,
	  "Put the files of the generation in force back on this node; keeps what was edited." },
	{ "confirm", hg_config_confirm, NULL, no_options,
	  "Keep what commit or rollback --confirm put in force." },
	{ "abort", hg_config_abort, NULL, no_options, "Go back at once instead." },
	{ "adopt", hg_config_adopt, "[NODE]", no_options,
	  "After both nodes went different ways: take what the other has." },
	{ 0 },
};

static const struct command commands[] = {
	{ "status", hg_status_run, NULL, json_options,
	  "Show who serves, since when and why; the peer, the ports, what is wrong." },
	{ "handover", hg_operate_handover, NULL, no_options,
	  "Let the peer take over, wait for it and report." },
	{ "maintenance", hg_operate_maintenance, "on|off", no_options,
	  "Leave the pair (hand over, claim nothing, also after a restart) or rejoin." },
	{ "reload", hg_operate_reload, NULL, no_options,
	  "Read the files again; nothing changes if they are wrong." },
	{ "ports", hg_ports_run, NULL, ports_options,
	  "Show NIC, link, XDP mode, MAC and wiring of each port." },
	{ "filter", NULL, "COMMAND", no_options, "The packet filter: rules and blocklist." },
	{ "config", NULL, "COMMAND", no_options,
	  "The configuration of both nodes and its history." },
	{ "events", hg_events_run, NULL, events_options,
	  "Show what happened and why, the oldest first." },
	{ "why", hg_why_run, "[N]", why_options,
	  "Tell the story of the last change of role, or of the Nth last." },
	{ "timers", hg_timers_run, NULL, timers_options,
	  "Tell how close leases came to lapse, and recommend interval and lease." },
	{ "keygen", hg_keygen_run, "FILE", no_options,
	  "Make a cluster key. A file that exists is left alone." },
	{ "init", hg_init_run, NULL, init_options,
	  "Write example files and a key for this machine, overwriting nothing." },
	{ "discover", hg_discover_run, NULL, discover_options,
	  "Listen on every NIC and propose the ports of node.yaml (root; needs no agent)." },
	{ "version", hg_operate_version, NULL, no_options,
	  "Print the version, and that of the agent if one runs." },
	{ 0 },
};

struct command_line {
	struct hg_tool tool;
	const char *group; /* "", "filter", "config" */
	const struct command *table; /* commands that may come here */
	const struct command *command;
	int at; /* index of the command's name in argv */
	char words[4096];
};

static bool takes_words(const struct command *command)
{
	return command->argument && strstr(command->argument, "...");
}

static void add_argument(struct command_line *line, char *arg, struct argp_state *state)
{
	size_t length = strlen(line->words);

	if (!line->command->argument || (line->tool.argument && !takes_words(line->command)))
		argp_error(state, "too many arguments: %s", arg);
	if (!takes_words(line->command)) {
		line->tool.argument = arg;
		return;
	}
	if (snprintf(line->words + length, sizeof(line->words) - length, "%s%s", length ? " " : "",
		     arg) >= (int)(sizeof(line->words) - length))
		argp_error(state, "too long");
	line->tool.argument = line->words;
}

static error_t parse_command_option(int key, char *arg, struct argp_state *state)
{
	struct command_line *line = state->input;

	switch (key) {
	case OPT_JSON:
		line->tool.is_json = true;
		return 0;
	case OPT_KEY:
		line->tool.key = arg;
		return 0;
	case OPT_NODE:
		line->tool.node = arg;
		return 0;
	case OPT_SECONDS:
		line->tool.seconds = arg;
		return 0;
	case OPT_PROBE:
		line->tool.is_probe = true;
		return 0;
	case OPT_TEST_MAC:
		line->tool.is_mac_test = true;
		return 0;
	case OPT_FOLLOW:
		line->tool.is_follow = true;
		return 0;
	case OPT_RATE:
		line->tool.rate = arg;
		return 0;
	case OPT_STATE:
		line->tool.state = arg;
		return 0;
	case OPT_STEPS:
		line->tool.is_steps = true;
		return 0;
	case OPT_DIR:
		line->tool.dir = arg;
		return 0;
	case OPT_TTL:
		line->tool.ttl = arg;
		return 0;
	case OPT_SOURCE:
		line->tool.source = arg;
		return 0;
	case OPT_FILE:
		line->tool.file = arg;
		return 0;
	case OPT_MESSAGE:
		line->tool.message = arg;
		return 0;
	case OPT_CONFIRM:
		line->tool.confirm = arg;
		return 0;
	case OPT_LIMIT:
		line->tool.limit = arg;
		return 0;
	case ARGP_KEY_ARG:
		add_argument(line, arg, state);
		return 0;
	case ARGP_KEY_END:
		if (line->command->argument && !line->tool.argument &&
		    line->command->argument[0] != '[')
			argp_error(state, "%s is missing", line->command->argument);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct command *find_command(const struct command *table, const char *name)
{
	for (; table->name; table++)
		if (strcmp(table->name, name) == 0)
			return table;
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
		line->command = find_command(line->table, arg);
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

/* Broken at blanks within 80 columns; argp would go on at the margin. */
static void put_indented(FILE *out, const char *text)
{
	size_t width = HG_TOOL_WIDTH - 8;

	while (strlen(text) > width) {
		size_t length = width;

		while (length && text[length] != ' ')
			length--;
		if (!length)
			break;
		fprintf(out, "      %.*s\n", (int)length, text);
		text += length + 1;
	}
	fprintf(out, "      %s\n", text);
}

/* The list of commands comes from the table. */
static char *filter_help(int key, const char *text, void *input)
{
	const struct command_line *line = input;
	const struct command *command = line ? line->table : commands;
	char *help = NULL;
	size_t size;
	FILE *out;

	if (key != ARGP_KEY_HELP_POST_DOC)
		return (char *)text;
	out = open_memstream(&help, &size);
	if (!out)
		return NULL;
	fputs("Commands:\n", out);
	for (; command->name; command++) {
		fprintf(out, "  %s%s%s\n", command->name, command->argument ? " " : "",
			command->argument ? command->argument : "");
		put_indented(out, command->help);
	}
	fputs("\nhandover, maintenance, reload, ports --test-mac, filter block and unblock,\n"
	      "config (but status and log) need root.\n"
	      "Exit status: 0 done, 1 refused or failed, 2 usage, 3 hagated not reachable.",
	      out);
	fclose(out);
	return help;
}

static int run_command(struct command_line *line, int argc, char **argv);

/* `hagate filter ...`: the same over again, one word further. */
static int run_group(struct command_line *line, int argc, char **argv)
{
	char doc[256];
	const struct argp argp = {
		.options = no_options,
		.parser = parse_main_option,
		.args_doc = "COMMAND [ARGUMENT...]",
		.doc = doc,
		.help_filter = filter_help,
	};

	snprintf(doc, sizeof(doc), "%s\v ", line->command->help);
	line->group = line->command->name;
	line->table = strcmp(line->group, "filter") ? config_commands : filter_commands;
	argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, line);
	return run_command(line, argc, argv);
}

static int run_command(struct command_line *line, int argc, char **argv)
{
	const struct argp argp = {
		.options = line->command->options,
		.parser = parse_command_option,
		.args_doc = line->command->argument,
		.doc = line->command->help,
	};
	char name[80];

	snprintf(name, sizeof(name), "hagate %s%s%s", line->group, *line->group ? " " : "",
		 line->command->name);
	argc -= line->at;
	argv += line->at;
	argv[0] = name;
	if (!line->command->fn)
		return run_group(line, argc, argv);
	argp_parse(&argp, argc, argv, 0, NULL, line);
	return line->command->fn(&line->tool);
}

static int terminal_width(const struct hg_tool *tool)
{
	struct winsize size;

	if (!tool->has_terminal || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 ||
	    size.ws_col < HG_TOOL_WIDTH_MIN)
		return HG_TOOL_WIDTH;
	return size.ws_col < HG_TOOL_WIDTH ? size.ws_col : HG_TOOL_WIDTH;
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
	struct command_line line = { .tool = { .run = HG_RUN_DIR, .dir = "/etc/hagate" },
				     .group = "",
				     .table = commands };
	const char *no_color = getenv("NO_COLOR");
	int status;

	argp_err_exit_status = HG_EXIT_USAGE;
	argp_program_version = "hagate " HG_VERSION;
	argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &line);
	line.tool.has_terminal = isatty(STDOUT_FILENO);
	line.tool.width = terminal_width(&line.tool);
	line.tool.has_color = line.tool.has_terminal && !(no_color && *no_color);
	status = run_command(&line, argc, argv);
	if ((fflush(stdout) == EOF || ferror(stdout)) && !status) {
		perror("hagate: cannot write");
		status = HG_EXIT_FAILED;
	}
	return status;
}
