/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hagate-witness: arguments. Everything else is run.c. */
#include <argp.h>
#include <errno.h>
#include <signal.h>
#include <sodium.h>
#include <stdlib.h>
#include <unistd.h>

#include "agent/log.h"
#include "hagate/control.h"
#include "hagate/wire.h"
#include "witness.h"

const char *argp_program_version = "hagate-witness " HG_VERSION;

static const struct argp_option options[] = {
	{ "keys", 'k', "DIR", 0,
	  "Directory of cluster keys, one NAME.key each (default: /etc/hagate/witness.d)", 0 },
	{ "state", 's', "DIR", 0, "What is remembered (default: /var/lib/hagate-witness)", 0 },
	{ "listen", 'l', "ADDRESS", 0, "Listen here only; may be repeated (default: everywhere)",
	  0 },
	{ "port", 'p', "PORT", 0, "UDP port (default: 4701)", 0 },
	{ "lease", 'L', "MS", 0,
	  "Longest lease granted, and how long nothing is granted after a start (default: 1000)",
	  0 },
	{ "check", 'c', NULL, 0, "Check keys, state and addresses, and exit with 0 or 1", 0 },
	{ 0 },
};

static unsigned long parse_number(struct argp_state *state, const char *name, const char *value,
				  unsigned long min, unsigned long max)
{
	unsigned long number;
	char *end;

	errno = 0;
	number = strtoul(value, &end, 10);
	if (errno || !*value || *end || *value == '-' || number < min || number > max)
		argp_error(state, "--%s: '%s' is not a number from %lu to %lu", name, value, min,
			   max);
	return number;
}

static void add_listen(struct argp_state *state, struct hg_run_options *run, const char *value)
{
	struct hg_socket_address address;

	if (hg_socket_parse(value, run->port, &address))
		argp_error(state, "--listen: '%s' is not an IPv4 or IPv6 address", value);
	else if (run->listen_count == HG_RUN_LISTEN_MAX)
		argp_error(state, "--listen: more than %d addresses", HG_RUN_LISTEN_MAX);
	else
		run->listen[run->listen_count++] = value;
}

static error_t parse(int key, char *value, struct argp_state *state)
{
	struct hg_run_options *run = state->input;

	switch (key) {
	case 'k':
		run->keys = value;
		return 0;
	case 's':
		run->state = value;
		return 0;
	case 'l':
		add_listen(state, run, value);
		return 0;
	case 'p':
		run->port = parse_number(state, "port", value, 1, UINT16_MAX);
		return 0;
	case 'L':
		run->lease_ms = parse_number(state, "lease", value, 4, HG_RUN_LEASE_MS_MAX);
		return 0;
	case 'c':
		run->is_check = true;
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "unexpected argument '%s'", value);
		return EINVAL;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

int main(int argc, char **argv)
{
	static const struct argp argp = {
		.options = options,
		.parser = parse,
		.doc = "The witness of hagate: a third machine that settles which of two gateways "
		       "that do not hear each other goes on. Runs in the foreground, needs no "
		       "privilege; logs to stderr.",
	};
	struct hg_run_options run = {
		.keys = "/etc/hagate/witness.d",
		.state = "/var/lib/hagate-witness",
		.port = HG_WIRE_UDP_PORT,
		.lease_ms = HG_RUN_LEASE_MS,
	};

	hg_log_open_stdio();
	signal(SIGPIPE, SIG_IGN); /* whoever read the log may be gone */
	argp_err_exit_status = HG_EXIT_USAGE;
	if (argp_parse(&argp, argc, argv, 0, NULL, &run))
		return HG_EXIT_USAGE;
	hg_log_init();
	if (sodium_init() < 0) {
		hg_error("libsodium does not work on this machine");
		return HG_EXIT_FAILED;
	}
	return hg_run(&run);
}
