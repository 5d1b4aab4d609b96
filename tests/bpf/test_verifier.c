// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Loads both programs with a configuration that leaves no code out, and reads from
 * the verifier's log how many instructions it walked through. As a test: each stays
 * below a tenth of what the kernel allows. With --print: the figures, for
 * tests/bpf/verifier.sh.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <bpf/libbpf.h>

#include "hagate/abi.h"

#include "egress.skel.h"
#include "gate.skel.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define LOG_STATS 4 /* the verifier's summary only */
#define LIMIT 1000000 /* of the kernel */

static const struct hg_config config = {
	.lease_ns = 20000000,
	.agent_grace_ns = 2000000000,
	.drain_ns = 3000000000,
	.udp_port = HG_WIRE_UDP_PORT,
	.failsafe_ports = { 22, 23, 24, 25, 26, 27 },
	.sync_port = HG_SYNC_PORT,
	.witness_family = 6,
	.witness_port = 4701,
	.node = 1,
	.min_ttl = 255,
	.is_virtual = 1,
	.peers = { 2, 3, 4, 5 },
};

/* Instructions processed, or -errno. */
static long count(struct bpf_program *program, struct bpf_object *object)
{
	static char log[65536];
	const char *at;
	int err;

	log[0] = '\0';
	bpf_program__set_log_buf(program, log, sizeof(log));
	bpf_program__set_log_level(program, LOG_STATS);
	err = bpf_object__load(object);
	if (err)
		return err;
	at = strstr(log, "processed ");
	return at ? strtol(at + strlen("processed "), NULL, 10) : -ENODATA;
}

static long count_gate(void)
{
	struct gate_bpf *gate = gate_bpf__open();
	long processed;

	if (!gate)
		return -errno;
	gate->rodata->hg_config = config;
	processed = count(gate->progs.hg_gate, gate->obj);
	gate_bpf__destroy(gate);
	return processed;
}

static long count_egress(void)
{
	struct egress_bpf *egress = egress_bpf__open();
	long processed;

	if (!egress)
		return -errno;
	egress->rodata->hg_config = config;
	processed = count(egress->progs.hg_egress, egress->obj);
	egress_bpf__destroy(egress);
	return processed;
}

static void test_gate(void **state)
{
	(void)state;
	assert_in_range(count_gate(), 1, LIMIT / 10);
}

static void test_egress(void **state)
{
	(void)state;
	assert_in_range(count_egress(), 1, LIMIT / 10);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_gate),
		cmocka_unit_test(test_egress),
	};
	long gate, egress;

	if (argc < 2 || strcmp(argv[1], "--print"))
		return cmocka_run_group_tests(tests, NULL, NULL);
	gate = count_gate();
	egress = count_egress();
	if (gate < 0 || egress < 0) {
		fprintf(stderr, "cannot load: %s\n", strerror((int)-(gate < 0 ? gate : egress)));
		return 1;
	}
	printf("hg_gate %ld\nhg_egress %ld\n", gate, egress);
	return 0;
}
