/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * hagate-witness: the parts that its start puts together.
 *
 *   main.c     arguments
 *   run.c      keys, state, sockets, the loop
 *   serve.c    frames in, answers out; agent/core/witness.c judges
 *   ledger.c   what is remembered
 *   socket.c   UDP        confine.c   what is given up
 */
#ifndef HG_WITNESS_DAEMON_H
#define HG_WITNESS_DAEMON_H

#include <stdbool.h>
#include <stdint.h>

#include "socket.h"

#define HG_RUN_LISTEN_MAX 16
#define HG_RUN_LEASE_MS 1000
#define HG_RUN_LEASE_MS_MAX 10000 /* the longest a cluster.yaml may ask for */

struct hg_run_options {
	const char *keys, *state;
	uint16_t port;
	uint64_t lease_ms; /* no grant is longer */
	unsigned int listen_count; /* 0: all addresses */
	const char *listen[HG_RUN_LISTEN_MAX];
	bool is_check;
};

/* Until it is told to stop, or at once with is_check. Exit status. */
int hg_run(const struct hg_run_options *options);

#endif
