// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Packets a second over a veth pair, beside nftables with the same rules and traffic:
 * frames made and sent in the kernel (live frames of BPF_PROG_TEST_RUN) into the pair's
 * end `foreign`; at `wan` they are dropped, or forwarded by the kernel into a sink.
 *
 * Sender and receiver share a processor, so a figure holds the sender's part too; it is
 * the same for all. nftables drops at its earliest place, the ingress hook of the NIC,
 * behind an XDP program that only passes; it forwards at its forward hook.
 */
#include <err.h>
#include <errno.h>
#include <linux/bpf.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "filter_run.h"
#include "gate.skel.h"
#include "tests/bpf/filter_rig.h"

#define CHUNK 65536

static struct bpf_object *object;
static struct vary_frame *frames;

static void shell(const char *command)
{
	if (system(command))
		errx(1, "failed: %s", command);
}

/* A router: in by wan, out by `out` to a sink. */
static void make_router(void)
{
	shell("ip link add out type veth peer name sink && "
	      "ip link add idle0 type veth peer name idle1 && "
	      "ip link add idle2 type veth peer name idle3 && "
	      "ip link set foreign up && ip link set wan up && ip link set out up && "
	      "ip link set sink up && "
	      "ip link set wan address 02:aa:00:00:01:02 && ip link set foreign arp off && "
	      "sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.rp_filter=0 "
	      "net.ipv4.conf.default.rp_filter=0 net.ipv4.conf.wan.rp_filter=0 && "
	      "ip addr add 10.2.0.2/24 dev wan && ip addr add 10.4.0.2/24 dev out && "
	      "ip neigh add 10.4.0.1 lladdr 02:cc:00:00:00:09 dev out nud permanent && "
	      "ip route add default via 10.4.0.1");
}

static void attach(const char *interface, int fd)
{
	int err = bpf_xdp_attach((int)if_nametoindex(interface), fd, 0, NULL);

	if (err)
		errx(1, "cannot attach to %s: %s", interface, strerror(-err));
}

static uint64_t sunk(void)
{
	uint64_t values[1024], sum = 0;
	uint32_t zero = 0;
	int cpu, cpus = libbpf_num_possible_cpus();

	if (bpf_map_lookup_elem(run_map(object, "sunk"), &zero, values))
		err(1, "sunk");
	for (cpu = 0; cpu < cpus; cpu++)
		sum += values[cpu];
	return sum;
}

static uint64_t gate_count(enum hg_reason reason)
{
	struct hg_stat values[1024];
	uint32_t key = RIG_WAN * HG_R_COUNT + reason;
	uint64_t sum = 0;
	int cpu, cpus = libbpf_num_possible_cpus();

	if (bpf_map_lookup_elem(bpf_map__fd(node_a.gate->maps.hg_stats), &key, values))
		err(1, "hg_stats");
	for (cpu = 0; cpu < cpus; cpu++)
		sum += values[cpu].packets;
	return sum;
}

static uint64_t gate_drops(void)
{
	return gate_count(HG_R_FILTER_RULE);
}

/* What the counter `dropped` of the only table says. */
static uint64_t nft_drops(void)
{
	FILE *pipe = popen("nft list counters", "r");
	unsigned long packets = 0;
	char line[128];

	while (pipe && fgets(line, sizeof(line), pipe))
		if (sscanf(line, " packets %lu", &packets) == 1)
			break;
	if (pipe)
		pclose(pipe);
	return packets;
}

/* Sends for some seconds; how much `count` rose in a second. */
static double rate_of(uint64_t (*count)(void), double seconds)
{
	struct vary_frame data = { { 0 } };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = &data, .data_size_in = sizeof(data),
		    .repeat = CHUNK, .flags = BPF_F_TEST_XDP_LIVE_FRAMES, .batch_size = 256);
	int fd = run_fd(object, "vary_send");
	uint64_t start, end, before = count();

	rig_serve(&node_a, RIG_EPOCH_A);
	node_a.state->lease_until = rig_now() + 3600000000000ull;
	start = rig_now();
	end = start + (uint64_t)(seconds * 1e9);
	do
		if (bpf_prog_test_run_opts(fd, &opts))
			err(1, "live frames");
	while (rig_now() < end);
	end = rig_now();
	return (double)(count() - before) / ((double)(end - start) / 1e9);
}

/* Packets a second that the program drops where they are made: live frames that come in
 * at wan, no second NIC in between. */
static double rate_in_place(int fd, bool is_plain, double seconds)
{
	struct vary_frame data = { { 0 } };
	struct xdp_md context = { .data_end = sizeof(data),
				  .ingress_ifindex = (__u32)rig_ifindex(RIG_WAN) };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = &data, .data_size_in = sizeof(data),
		    .ctx_in = &context, .ctx_size_in = sizeof(context), .repeat = CHUNK,
		    .flags = BPF_F_TEST_XDP_LIVE_FRAMES, .batch_size = 256);
	int runner = run_fd(object, is_plain ? "vary_plain" : "vary");
	uint64_t start = rig_now(), end = start + (uint64_t)(seconds * 1e9), frames_made = 0;
	uint32_t zero = 0;

	if (bpf_map_update_elem(run_map(object, is_plain ? "next_plain" : "next"), &zero, &fd,
				BPF_ANY))
		err(1, "tail call");
	do {
		if (bpf_prog_test_run_opts(runner, &opts))
			err(1, "live frames");
		frames_made += CHUNK;
	} while (rig_now() < end);
	return (double)frames_made / ((double)(rig_now() - start) / 1e9);
}

static const char *text_of(const struct hg_rule_side *side, char *buffer)
{
	return hg_rule_ip_text(&side->addr, buffer);
}

/* The same rules in the words of nft: one each, or one set of concatenated ranges. */
static void put_rules(FILE *file, const struct hg_ruleset *set, bool is_set)
{
	char from[HG_RULE_IP_TEXT], to[HG_RULE_IP_TEXT];
	const struct hg_rule *rule;
	unsigned int i;

	if (is_set) {
		fprintf(file, "\tset s {\n\t\ttype ipv4_addr . ipv4_addr . inet_proto . "
			      "inet_service\n\t\tflags interval\n\t\telements = {\n");
		for (i = 0; i < set->rule_count; i++) {
			rule = &set->rule[i];
			fprintf(file, "%s . %s . %u . %u-%u,\n", text_of(&rule->from, from),
				text_of(&rule->to, to), rule->proto[0], rule->to.range[0].first,
				rule->to.range[0].last);
		}
		fprintf(file, "\t\t}\n\t}\n");
	}
}

static void put_chain(FILE *file, const struct hg_ruleset *set, bool is_set)
{
	char from[HG_RULE_IP_TEXT], to[HG_RULE_IP_TEXT];
	const struct hg_rule *rule;
	unsigned int i;

	if (is_set) {
		fprintf(file, "ip saddr . ip daddr . ip protocol . th dport @s counter name "
			      "dropped drop\n");
		return;
	}
	for (i = 0; i < set->rule_count; i++) {
		rule = &set->rule[i];
		fprintf(file, "ip saddr %s ip daddr %s %s dport %u-%u counter name dropped drop\n",
			text_of(&rule->from, from), text_of(&rule->to, to),
			rule->proto[0] == 6 ? "tcp" : "udp", rule->to.range[0].first,
			rule->to.range[0].last);
	}
}

/* False when nft does not take them. */
static bool nft_load(const struct hg_ruleset *set, bool is_set, bool is_forward)
{
	char path[] = "/tmp/hagate-bench-XXXXXX", command[128];
	int fd = mkstemp(path), status;
	FILE *file = fd < 0 ? NULL : fdopen(fd, "w");

	if (!file)
		err(1, "%s", path);
	fprintf(file, "flush ruleset\ntable %s f {\n\tcounter dropped { }\n",
		is_forward ? "ip" : "netdev");
	put_rules(file, set, is_set);
	fprintf(file, "\tchain c {\n\t\ttype filter hook %s priority 0;\n",
		is_forward ? "forward" : "ingress device \"wan\"");
	put_chain(file, set, is_set);
	fprintf(file, "\t}\n}\n");
	fclose(file);
	snprintf(command, sizeof(command), "nft -f %s", path);
	status = system(command);
	unlink(path);
	return !status;
}

static void say(const char *what, unsigned int rules, double value)
{
	run_say(what, rules, "packets/s", value);
}

static void rates_of_nft(const struct hg_ruleset *set, double seconds)
{
	static const char *const names[2][2] = { { "drop, nftables", "drop, nftables set" },
						 { "forward, nftables", "forward, nftables set" } };
	int is_set, is_forward;

	attach("wan", run_fd(object, "empty_plain"));
	for (is_forward = 0; is_forward < 2; is_forward++) {
		sets_packets(frames, node_a.wan_mac, set, is_forward ? TRAFFIC_MISS : TRAFFIC_LAST);
		for (is_set = 0; is_set < 2; is_set++)
			if (nft_load(set, is_set, is_forward))
				say(names[is_forward][is_set], set->rule_count,
				    rate_of(is_forward ? sunk : nft_drops, seconds));
	}
	shell("nft flush ruleset");
}

static void rates_of(unsigned int count, double seconds)
{
	struct hg_ruleset set = sets_random(count);
	struct hg_compiled *compiled = filter_compile(&set);

	filter_apply(compiled);
	attach("wan", bpf_program__fd(node_a.gate->progs.hg_gate));
	sets_packets(frames, node_a.wan_mac, &set, TRAFFIC_LAST);
	say("drop, hagate", count, rate_of(gate_drops, seconds));
	say("drop in place, hagate", count,
	    rate_in_place(bpf_program__fd(node_a.gate->progs.hg_gate), false, seconds));
	sets_packets(frames, node_a.wan_mac, &set, TRAFFIC_MISS);
	say("forward, hagate", count, rate_of(sunk, seconds));
	filter_clear();
	rates_of_nft(&set, seconds);
	hg_compile_free(compiled);
	sets_free(&set);
}

static void rates_without_rules(double seconds)
{
	struct hg_ruleset set = sets_random(1);

	sets_packets(frames, node_a.wan_mac, &set, TRAFFIC_MISS);
	attach("wan", bpf_program__fd(node_a.gate->progs.hg_gate));
	say("forward, hagate", 0, rate_of(sunk, seconds));
	attach("wan", run_fd(object, "empty_plain"));
	say("forward, kernel alone", 0, rate_of(sunk, seconds));
	attach("wan", run_fd(object, "sink"));
	say("drop, XDP program that only counts", 0, rate_of(sunk, seconds));
	say("drop in place, XDP program that only counts", 0,
	    rate_in_place(run_fd(object, "sink"), true, seconds));
	sets_free(&set);
}

void run_rate(const char *path, unsigned int rounds, double seconds)
{
	static const unsigned int counts[] = { 10, 100, 1000, 10000 };
	unsigned int round, i;

	make_router();
	object = run_open_vary(path, if_nametoindex("foreign"), &frames);
	attach("sink", run_fd(object, "sink"));
	/* In use, so that the kernel does not wait for a grace period around each run. */
	attach("idle0", run_fd(object, "vary"));
	attach("idle1", run_fd(object, "vary_plain"));
	attach("idle2", run_fd(object, "vary_send"));
	for (round = 0; round < rounds; round++) {
		rates_without_rules(seconds);
		for (i = 0; i < sizeof(counts) / sizeof(*counts); i++)
			rates_of(counts[i], seconds);
	}
}
