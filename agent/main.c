/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hagated: arguments. Everything else is agent.c. */
#include <argp.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "agent.h"
#include "agent/filter/ruleset.h"
#include "hagate/control.h"
#include "log.h"

const char *argp_program_version = "hagated " HG_VERSION;

struct arguments {
	const char *node;
	const char *filter; /* a file to check */
	const char *cluster; /* with is_check: instead of the one in node.yaml */
	bool is_check;
};

#define KEY_CHECK_FILTER 'F'
#define KEY_CLUSTER 'C'

static const struct argp_option options[] = {
	{ "node", 'n', "FILE", 0, "This machine's configuration (node.yaml)", 0 },
	{ "check", 'c', NULL, 0, "Check both files and exit with 0 or 1", 0 },
	{ "cluster", KEY_CLUSTER, "FILE", 0,
	  "With --check: this cluster.yaml instead of the one in force", 0 },
	{ "check-filter", KEY_CHECK_FILTER, "FILE", 0,
	  "Check a file of filter rules, or a cluster.yaml, and exit with 0 or 1", 0 },
	{ 0 },
};

static error_t parse(int key, char *value, struct argp_state *state)
{
	struct arguments *arguments = state->input;

	switch (key) {
	case 'n':
		arguments->node = value;
		return 0;
	case 'c':
		arguments->is_check = true;
		return 0;
	case KEY_CLUSTER:
		arguments->cluster = value;
		return 0;
	case KEY_CHECK_FILTER:
		arguments->filter = value;
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "unexpected argument '%s'", value);
		return EINVAL;
	case ARGP_KEY_END:
		if (!arguments->node && !arguments->filter)
			argp_error(state, "--node FILE is required (e.g. /etc/hagate/node.yaml)");
		if (arguments->cluster && !arguments->is_check)
			argp_error(state, "--cluster goes with --check only");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

int main(int argc, char **argv)
{
	static const struct argp argp = {
		.options = options,
		.parser = parse,
		.doc = "The agent of hagate: makes this machine one half of a highly available "
		       "gateway. Runs in the foreground; logs to stderr.",
	};
	struct arguments arguments = { 0 };

	hg_log_open_stdio();
	argp_err_exit_status = HG_EXIT_USAGE;
	if (argp_parse(&argp, argc, argv, 0, NULL, &arguments))
		return HG_EXIT_USAGE;
	hg_log_init();
	if (sodium_init() < 0) {
		hg_error("libsodium does not work on this machine");
		return HG_EXIT_FAILED;
	}
	if (arguments.filter)
		return hg_ruleset_check_file(arguments.filter, NULL, stderr) ? HG_EXIT_FAILED
									     : HG_EXIT_OK;
	if (arguments.is_check)
		return hg_config_check(arguments.node, arguments.cluster, stderr) ? HG_EXIT_FAILED
										  : HG_EXIT_OK;
	return hg_agent_run(arguments.node) ? HG_EXIT_FAILED : HG_EXIT_OK;
}
