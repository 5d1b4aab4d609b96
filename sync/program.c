/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See program.h. */
#include "sync/program.h"

#include <argp.h>
#include <errno.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "agent/log.h"
#include "hagate/control.h"
#include "sync/node.h"

#define NICE 10

static const struct argp_option options[] = {
	{ "node", 'n', "FILE", 0, "This machine's configuration (/etc/hagate/node.yaml)", 0 },
	{ "init", 'i', NULL, 0, "Make a cluster, with this node as its first member, and exit", 0 },
	{ 0 },
};
static const struct argp_option options_without_init[] = {
	{ "node", 'n', "FILE", 0, "This machine's configuration (/etc/hagate/node.yaml)", 0 },
	{ 0 },
};

static error_t parse(int key, char *value, struct argp_state *state)
{
	struct hg_program *program = state->input;

	switch (key) {
	case 'n':
		program->node = value;
		return 0;
	case 'i':
		program->is_init = true;
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "unexpected argument '%s'", value);
		return EINVAL;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

void hg_program_start(int argc, char **argv, const char *name, const char *doc, bool has_init,
		      struct hg_program *ret)
{
	struct argp argp = { .options = has_init ? options : options_without_init,
			     .parser = parse,
			     .doc = doc };
	static char version[64];

	hg_log_open_stdio();
	hg_log_init();
	snprintf(version, sizeof(version), "%s " HG_VERSION, name);
	argp_program_version = version;
	argp_err_exit_status = HG_EXIT_USAGE;
	*ret = (struct hg_program){ .node = "/etc/hagate/node.yaml" };
	argp_parse(&argp, argc, argv, 0, NULL, ret);
	setvbuf(stderr, NULL, _IOLBF, 0);
	signal(SIGPIPE, SIG_IGN);
	setpriority(PRIO_PROCESS, 0, NICE);
	if (sodium_init() >= 0)
		return;
	fprintf(stderr, "%s: libsodium does not work on this machine\n", name);
	exit(HG_EXIT_FAILED);
}

void hg_program_ready(void)
{
	sd_notify(0, "READY=1");
}

void hg_program_become(const char *name, const char *node_path)
{
	char path[PATH_MAX];

	hg_sync_node_program(name, path);
	execl(path, name, "--node", node_path, (char *)NULL);
	fprintf(stderr, "cannot run %s: %s\n", path, strerror(errno));
}
