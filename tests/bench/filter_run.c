// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Measures the filter on a node of the data path's tests (root); a line of JSON each
 * figure, of one round or of all.
 *
 *   filter_run cost ROUNDS                ns per packet by rules and traffic
 *   filter_run exact ROUNDS               of that only one address and xdp-filter
 *   filter_run blocklist ROUNDS COUNT     loading, memory, ns per packet
 *   filter_run rate ROUNDS SECONDS        packets/s over veth, beside nftables
 *
 * Each figure of `cost` is the whole gate less what an empty program takes under the
 * same circumstances; packets come from vary.bpf.c. All variants take turns within a
 * round.
 */
#include <err.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "filter_run.h"
#include "gate.skel.h"
#include "tests/bpf/filter_rig.h"

#define REPEAT 200000

struct vary {
	struct bpf_object *object;
	struct vary_frame *frames;
	int frags_fd, plain_fd, next_fd, next_plain_fd, empty_fd, empty_plain_fd;
};
static struct vary vary;
static struct xdp_filter {
	const char *name, *file;
	int prog_fd, ipv4_fd;
} filters[] = {
	{ .name = "xdp-filter", .file = "xdpfilt_alw_all.o" },
	{ .name = "xdp-filter, addresses only", .file = "xdpfilt_alw_ip.o" },
};
#define FILTERS (sizeof(filters) / sizeof(filters[0]))
#define SOURCES 1000 /* of an exact drop; more than xdp-filter's map could be given */

int run_fd(struct bpf_object *object, const char *name)
{
	struct bpf_program *program = bpf_object__find_program_by_name(object, name);

	if (!program)
		errx(1, "no program %s", name);
	return bpf_program__fd(program);
}

int run_map(struct bpf_object *object, const char *name)
{
	int fd = bpf_object__find_map_fd_by_name(object, name);

	if (fd < 0)
		errx(1, "no map %s", name);
	return fd;
}

struct bpf_object *run_open_vary(const char *path, uint32_t out, struct vary_frame **ret_frames)
{
	struct bpf_object *object = bpf_object__open_file(path, NULL);
	struct bpf_map *map;

	if (!object)
		err(1, "%s", path);
	bpf_object__for_each_map(map, object) if (strstr(bpf_map__name(map), ".rodata"))
		bpf_map__set_initial_value(map, &out, sizeof(out));
	if (bpf_object__load(object))
		err(1, "cannot load %s", path);
	*ret_frames = mmap(NULL, sizeof(**ret_frames) * VARY_FRAMES, PROT_READ | PROT_WRITE,
			   MAP_SHARED, run_map(object, "frames"), 0);
	if (*ret_frames == MAP_FAILED)
		err(1, "mmap");
	return object;
}

static void open_vary(const char *path)
{
	vary.object = run_open_vary(path, 0, &vary.frames);
	vary.frags_fd = run_fd(vary.object, "vary");
	vary.plain_fd = run_fd(vary.object, "vary_plain");
	vary.empty_fd = run_fd(vary.object, "empty");
	vary.empty_plain_fd = run_fd(vary.object, "empty_plain");
	vary.next_fd = run_map(vary.object, "next");
	vary.next_plain_fd = run_map(vary.object, "next_plain");
	/* In use, so that the kernel's dispatcher does not change with each run. */
	if (bpf_xdp_attach(rig_ifindex(RIG_WAN), vary.frags_fd, 0, NULL) ||
	    bpf_xdp_attach(rig_ifindex(RIG_FOREIGN), vary.plain_fd, 0, NULL))
		err(1, "cannot attach");
}

/* As `xdp-filter load` and `xdp-filter ip ADDRESS -m src` do it. */
static void open_filter(struct xdp_filter *filter)
{
	uint64_t values[1024];
	struct bpf_object *object;
	struct bpf_map *map;
	char path[256];
	uint32_t key, i;

	snprintf(path, sizeof(path), "/usr/lib/x86_64-linux-gnu/bpf/%s", filter->file);
	filter->prog_fd = -1;
	object = bpf_object__open_file(path, NULL);
	if (!object)
		return;
	bpf_object__for_each_map(map, object) bpf_map__set_pin_path(map, NULL);
	bpf_program__set_type(bpf_object__next_program(object, NULL), BPF_PROG_TYPE_XDP);
	if (bpf_object__load(object)) {
		warn("%s", path);
		return;
	}
	filter->prog_fd = bpf_program__fd(bpf_object__next_program(object, NULL));
	filter->ipv4_fd = run_map(object, "filter_ipv4");
	for (i = 0; i < sizeof(values) / sizeof(*values); i++)
		values[i] = 1; /* source */
	for (i = 0; i < SOURCES; i++) {
		key = htobe32(sets_source(i));
		if (bpf_map_update_elem(filter->ipv4_fd, &key, values, BPF_ANY))
			err(1, "xdp-filter's map");
	}
}

static uint64_t run_repeated(int fd, uint32_t *ret_verdict)
{
	uint8_t data[VARY_LEN] = { 0 };
	struct xdp_md context = { .data_end = VARY_LEN,
				  .ingress_ifindex = (__u32)rig_ifindex(RIG_WAN) };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = data, .data_size_in = VARY_LEN,
		    .ctx_in = &context, .ctx_size_in = sizeof(context), .repeat = REPEAT);

	if (bpf_prog_test_run_opts(fd, &opts))
		err(1, "test run");
	*ret_verdict = opts.retval;
	return opts.duration;
}

/* ns per packet of the program behind vary; its last verdict has to be one of `allowed`. */
static double cost(int fd, bool is_plain, unsigned int allowed)
{
	int empty = is_plain ? vary.empty_plain_fd : vary.empty_fd;
	int next = is_plain ? vary.next_plain_fd : vary.next_fd;
	int runner = is_plain ? vary.plain_fd : vary.frags_fd;
	uint32_t zero = 0, verdict, ignored;
	double base, took;

	if (bpf_map_update_elem(next, &zero, &empty, BPF_ANY))
		err(1, "tail call of the empty program");
	base = run_repeated(runner, &ignored);
	if (bpf_map_update_elem(next, &zero, &fd, BPF_ANY))
		err(1, "tail call of the program");
	took = run_repeated(runner, &verdict);
	if (!(1u << verdict & allowed))
		errx(1, "verdict %u", verdict);
	return took - base;
}

#define DROPPED (1u << XDP_DROP)
#define PASSED (1u << XDP_PASS)

double run_gate_cost(unsigned int allowed)
{
	rig_serve(&node_a, RIG_EPOCH_A);
	node_a.state->lease_until = rig_now() + 3600000000000ull;
	return cost(bpf_program__fd(node_a.gate->progs.hg_gate), false, allowed);
}

void run_say(const char *name, unsigned int rules, const char *unit, double value)
{
	printf("{\"case\": \"%s\", \"rules\": %u, \"unit\": \"%s\", \"value\": %.3f}\n", name,
	       rules, unit, value);
	fflush(stdout);
}

struct vary_frame *run_frames(void)
{
	return vary.frames;
}

static const unsigned int counts[] = { 1, 10, 100, 1000, 10000 };
#define COUNTS (sizeof(counts) / sizeof(counts[0]))

static void cost_of_rules(const struct hg_compiled *random, const struct hg_compiled *worst,
			  unsigned int count)
{
	static const unsigned int allowed[TRAFFICS] = { DROPPED, DROPPED, PASSED | DROPPED,
							PASSED | DROPPED, PASSED };
	struct hg_ruleset set = sets_random(count);
	enum traffic traffic;

	filter_apply(random);
	for (traffic = 0; traffic < TRAFFICS; traffic++) {
		if (traffic == TRAFFIC_WORST)
			filter_apply(worst);
		sets_packets(vary.frames, node_a.wan_mac, &set, traffic);
		run_say(traffic_names[traffic], count, "ns", run_gate_cost(allowed[traffic]));
	}
	sets_free(&set);
}

/* The same thousand sources: as rules, on the blocklist, and in xdp-filter's map. */
static void cost_of_exact(const struct hg_compiled *exact)
{
	const struct hg_block forever = { .expire_ns = UINT64_MAX, .source = HG_BLOCK_OPERATOR };
	struct hg_blocked what = { .family = 4, .prefix = 32 };
	uint32_t i, address;
	bool is_new;

	sets_packets_from(vary.frames, node_a.wan_mac, SOURCES);
	for (i = 0; i < FILTERS; i++)
		if (filters[i].prog_fd >= 0)
			run_say(filters[i].name, SOURCES, "ns",
				cost(filters[i].prog_fd, true, DROPPED));
	filter_apply(exact);
	run_say("exact drop, rules", SOURCES, "ns", run_gate_cost(DROPPED));
	filter_clear();
	for (i = 0; i < SOURCES; i++) {
		address = htobe32(sets_source(i));
		memcpy(what.addr, &address, sizeof(address));
		hg_blocks_add(filter_blocks(), &what, &forever, &is_new);
	}
	run_say("exact drop, blocklist", SOURCES, "ns", run_gate_cost(DROPPED));
	for (i = 0; i < SOURCES; i++) {
		address = htobe32(sets_source(i));
		memcpy(what.addr, &address, sizeof(address));
		hg_blocks_remove(filter_blocks(), &what);
	}
	run_say("no rules", 0, "ns", run_gate_cost(PASSED));
	if (filters[0].prog_fd >= 0) {
		struct hg_ruleset set = sets_random(1);

		sets_packets(vary.frames, node_a.wan_mac, &set, TRAFFIC_MISS);
		run_say("xdp-filter, pass", SOURCES, "ns",
			cost(filters[0].prog_fd, true, PASSED | DROPPED));
		sets_free(&set);
	}
}

static struct hg_compiled *compiled(struct hg_ruleset set)
{
	struct hg_compiled *result = filter_compile(&set);

	sets_free(&set);
	return result;
}

static void run_cost(unsigned int rounds, bool is_exact_only)
{
	struct hg_compiled *random[COUNTS], *worst[COUNTS], *exact;
	unsigned int round, i;

	for (i = 0; i < FILTERS; i++)
		open_filter(&filters[i]);
	for (i = 0; i < COUNTS; i++) {
		random[i] = compiled(sets_random(counts[i]));
		worst[i] = compiled(sets_worst(counts[i]));
	}
	exact = compiled(sets_exact(SOURCES));
	for (round = 0; round < rounds; round++) {
		for (i = 0; i < COUNTS && !is_exact_only; i++)
			cost_of_rules(random[i], worst[i], counts[i]);
		cost_of_exact(exact);
	}
}

int main(int argc, char **argv)
{
	unsigned int rounds = argc > 2 ? strtoul(argv[2], NULL, 10) : 1;
	char path[4096];

	if (argc < 3 || rig_setup(NULL))
		errx(1, "usage: filter_run cost|exact|blocklist|rate ROUNDS [NUMBER] (root)");
	snprintf(path, sizeof(path), "%s.vary.bpf.o", argv[0]);
	filter_open(&node_a);
	if (!strcmp(argv[1], "rate")) {
		run_rate(path, rounds, argc > 3 ? atof(argv[3]) : 1);
	} else {
		open_vary(path);
		if (!strcmp(argv[1], "cost") || !strcmp(argv[1], "exact"))
			run_cost(rounds, argv[1][0] == 'e');
		else
			run_blocklist(rounds, argc > 3 ? strtoul(argv[3], NULL, 10) : 1000000);
	}
	filter_close();
	rig_teardown(NULL);
	return 0;
}
