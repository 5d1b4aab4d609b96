// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Fuzzer of the gate itself: bytes are a frame that comes in, run by the kernel through
 * BPF_PROG_TEST_RUN. Nobody without the key may change what the node does: the words of
 * hg_state stay as they are, and nothing is sent back but ARP and ND answers.
 *
 * Needs root; says so and passes nothing otherwise.
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hagate/abi.h"
#include "gate.skel.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(condition)                \
	do {                              \
		if (!(condition))         \
			__builtin_trap(); \
	} while (0)

static struct gate_bpf *gate;
static struct hg_state initial;

static void put(struct bpf_map *map, const void *key, const void *value)
{
	REQUIRE(!bpf_map_update_elem(bpf_map__fd(map), key, value, BPF_ANY));
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct hg_port port = { .id = 1, .mac = { 2, 0, 0, 0, 0, 1 } };
	struct hg_addr vip = { HG_ADDR_VIP, 0 }, own = { HG_ADDR_OWN, 0 };
	struct hg_key key = { .id = 0x68676761, .rx = { 1, 2 }, .tx = { 3, 4 } };
	__u32 zero = 0, ifindex = if_nametoindex("lo"), address;

	(void)argc;
	(void)argv;
	if (geteuid()) {
		fprintf(stderr, "fuzz_gate: needs root to load the gate; nothing was fuzzed\n");
		exit(1);
	}
	libbpf_set_print(NULL);
	gate = gate_bpf__open();
	REQUIRE(gate);
	gate->rodata->hg_config = (struct hg_config){ .lease_ns = 20000000,
						      .agent_grace_ns = 2000000000,
						      .udp_port = HG_WIRE_UDP_PORT,
						      .failsafe_ports = { 22 },
						      .node = 1,
						      .min_ttl = 255,
						      .peers = { 2 } };
	REQUIRE(!gate_bpf__load(gate));
	initial = (struct hg_state){ .epoch = 0x101, .lease_until = ~0ull, .agent_seen = ~0ull };
	put(gate->maps.hg_state, &zero, &initial);
	put(gate->maps.hg_port, &ifindex, &port);
	for (unsigned int i = 0; i < HG_KEYS; i++)
		put(gate->maps.hg_key, &i, &key);
	inet_pton(AF_INET, "10.1.0.1", &address);
	put(gate->maps.hg_addr4, &address, &vip);
	inet_pton(AF_INET, "10.1.0.2", &address);
	put(gate->maps.hg_addr4, &address, &own);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t in[2048], out[2048 + 256];
	struct xdp_md context = { .ingress_ifindex = if_nametoindex("lo") };
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = in, .data_out = out,
		    .data_size_out = sizeof(out), .ctx_in = &context,
		    .ctx_size_in = sizeof(context));
	struct hg_state state;
	__u32 zero = 0;
	__u16 type;

	if (size < ETH_HLEN || size > sizeof(in))
		return 0;
	memcpy(in, data, size);
	run.data_size_in = context.data_end = size;
	if (bpf_prog_test_run_opts(bpf_program__fd(gate->progs.hg_gate), &run))
		return 0;
	REQUIRE(run.retval == XDP_PASS || run.retval == XDP_DROP || run.retval == XDP_TX);
	REQUIRE(!bpf_map_lookup_elem(bpf_map__fd(gate->maps.hg_state), &zero, &state));
	REQUIRE(state.epoch == initial.epoch && state.lease_until == initial.lease_until);
	REQUIRE(!state.fence_epoch && !state.last_grant && !state.drain_until);
	if (run.retval == XDP_TX) {
		memcpy(&type, in + 12, sizeof(type));
		REQUIRE(type == htons(ETH_P_ARP) || type == htons(ETH_P_IPV6) ||
			type == htons(ETH_P_8021Q) || type == htons(ETH_P_8021AD));
	}
	return 0;
}
