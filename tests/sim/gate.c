// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The gate's peer stage, natively: bpf/peer.h with bpf/lease.h and bpf/siphash.h, line
 * for line as the kernel runs them, over the maps of one simulated node. Frames are real
 * ones: Ethernet, IPv4, UDP, tag; an answer is what the stage made of the octets.
 *
 * libbpf's helpers are variables that point to functions of the kernel; here they point
 * to functions of this file. Pointers into a packet are 32 bits wide for a BPF program,
 * so the packet lies in the lowest 4 GiB.
 */
#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in6.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "tests/sim/gate.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmissing-prototypes"
#pragma GCC diagnostic ignored "-Wunused-function"
#ifdef __clang__
#pragma GCC diagnostic ignored "-Wincompatible-pointer-types-discards-qualifiers"
#else
#pragma GCC diagnostic ignored "-Wdiscarded-qualifiers"
#pragma GCC diagnostic ignored "-Wunknown-pragmas"
#endif
/* The kernel's loader sets the programs' constants per node; here one program serves
 * all nodes in turn, so the constants are none. */
#define const
#include "bpf/maps.h"
#undef const
#include "bpf/peer.h"
#pragma GCC diagnostic pop

#define OFFSET (sizeof(struct ethhdr) + sizeof(struct iphdr) + sizeof(struct udphdr))
#define PACKET_MAX 512
#define LEAD 6 /* so that the words of IP and of the frame lie as UBSan wants them */

static struct sim_gate *gate; /* whose turn it is */
static uint64_t gate_now;
static uint8_t *packet;
static struct hg_event event;
static bool has_event;

static void *lookup(void *map, const void *key)
{
	__u32 index = *(const __u32 *)key;

	if (map == &hg_state)
		return index < HG_GROUPS_MAX ? &gate->state : NULL;
	if (map == &hg_peer)
		return index < SIM_PEERS ? &gate->peer[index] : NULL;
	if (map == &hg_path)
		return index < SIM_PATHS ? &gate->path[index] : NULL;
	if (map == &hg_gap)
		return index < SIM_PEERS ? &gate->gap[index] : NULL;
	if (map == &hg_key)
		return index < HG_KEYS ? &gate->key[index] : NULL;
	if (map == &hg_port)
		return index && index <= SIM_PORTS ? &gate->port[index - 1] : NULL;
	fprintf(stderr, "gate: a map that the simulator does not have\n");
	abort();
}

/* No two readings are the same, as on a real machine. */
static __u64 read_clock(void)
{
	gate->clock = gate->clock < gate_now ? gate_now : gate->clock + 1;
	return gate->clock;
}

static void *reserve(void *ringbuf, __u64 size, __u64 flags)
{
	(void)flags;
	if (ringbuf != &hg_events || size != sizeof(event))
		abort();
	return &event;
}

static void submit(void *data, __u64 flags)
{
	(void)flags;
	has_event = data == &event;
}

void sim_gate_setup(void)
{
	packet = mmap(NULL, LEAD + PACKET_MAX, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	if (packet == MAP_FAILED) {
		perror("a packet below 4 GiB");
		exit(2);
	}
	packet += LEAD;
	bpf_map_lookup_elem = lookup;
	bpf_ktime_get_boot_ns = read_clock;
	bpf_ringbuf_reserve = reserve;
	bpf_ringbuf_submit = submit;
}

void sim_gate_init(struct sim_gate *g, const struct hg_config *config)
{
	memset(g, 0, sizeof(*g));
	g->config = *config;
	for (unsigned int i = 0; i < SIM_PORTS; i++)
		g->port[i] = (struct hg_port){ .slot = i,
					       .id = sim_port_id(i),
					       .mac = { 2, 0, 0, 0, config->node, i } };
}

static void wrap(const void *frame, int length)
{
	struct ethhdr *eth = (struct ethhdr *)packet;
	struct iphdr *ip = (struct iphdr *)(eth + 1);
	struct udphdr *udp = (struct udphdr *)(ip + 1);

	*eth = (struct ethhdr){ .h_proto = htobe16(ETH_P_IP) };
	*ip = (struct iphdr){ .version = 4,
			      .ihl = 5,
			      .ttl = HG_WIRE_TTL,
			      .protocol = IPPROTO_UDP,
			      .tot_len = htobe16(sizeof(*ip) + sizeof(*udp) + length) };
	*udp = (struct udphdr){ .source = htobe16(HG_WIRE_UDP_PORT),
				.dest = htobe16(HG_WIRE_UDP_PORT),
				.len = htobe16(sizeof(*udp) + length) };
	memcpy(udp + 1, frame, length);
}

struct sim_gate_result sim_gate_receive(struct sim_gate *g, uint64_t now, unsigned int port,
					const void *frame, int length)
{
	struct xdp_md ctx = {
		.data = (uint32_t)(uintptr_t)packet,
		.data_end = (uint32_t)(uintptr_t)packet + OFFSET + length,
		.ingress_ifindex = port + 1,
	};
	struct sim_gate_result ret = { 0 };
	uint32_t judged;

	if (OFFSET + length > PACKET_MAX)
		abort();
	gate = g;
	gate_now = now;
	has_event = false;
	memcpy((void *)&hg_config, &g->config, sizeof(g->config));
	wrap(frame, length);
	judged = hg_peer_judge(&ctx, sizeof(struct ethhdr), HG_NET_IP4, HG_ADDR_OWN);
	ret.reason = judged >> 1;
	ret.is_answered = judged & 1;
	if (ret.is_answered)
		memcpy(&ret.answer, packet + OFFSET, sizeof(ret.answer));
	ret.event = has_event ? event.type : 0;
	ret.event_at = event.at;
	return ret;
}
