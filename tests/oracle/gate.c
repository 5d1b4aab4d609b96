// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The whole gate against the oracle (root): frames through hg_gate with
 * BPF_PROG_TEST_RUN. The reason counted tells what the rules said of each packet; the
 * rules' own counters, compared after each ruleset, tell which rules were asked.
 *
 * gate [rulesets [packets [first seed [rules]]]]
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "frame.h"
#include "generate.h"
#include "loader/internal.h"

static const uint8_t mac[6] = { 0x02, 0, 0, 0, 0, 0x01 };

struct run {
	struct hg_loader *loader;
	const struct hg_maps *maps;
	char pin[64];
	struct generated *g;
	uint64_t seed;
	struct hg_rule_stat *expected; /* [rule_count] */
	unsigned int len; /* of the frame */
	struct hg_stat stat[HG_SLOTS_MAX][HG_R_COUNT];
};

static void count(void *context, unsigned int rule)
{
	struct run *run = context;

	run->expected[rule].packets++;
	run->expected[rule].octets += run->len;
}

static void set_slot(struct run *run, unsigned int slot)
{
	struct hg_port port = { .slot = slot, .id = 1 };

	memcpy(port.mac, mac, 6);
	if (hg_maps_set_port(run->maps, 1 /* lo */, &port))
		err(1, "hg_port");
}

/* The one reason that was counted for the last packet. */
static enum hg_reason reason_of(struct run *run, unsigned int slot)
{
	struct hg_stat now[HG_R_COUNT];
	enum hg_reason reason = HG_R_COUNT;
	unsigned int i;

	if (hg_maps_get_stats(run->maps, slot, now))
		err(1, "hg_stats");
	for (i = 0; i < HG_R_COUNT; i++)
		if (now[i].packets != run->stat[slot][i].packets)
			reason = i;
	memcpy(run->stat[slot], now, sizeof(now));
	return reason;
}

static int differ(struct run *run, const struct packet *packet, int rule, const char *what)
{
	printf("DIFFERENCE: seed %llu, %u rules: %s\n", (unsigned long long)run->seed,
	       run->g->ruleset.rule_count, what);
	if (rule >= 0)
		oracle_print_rule(&run->g->ruleset.rule[rule]);
	if (packet)
		oracle_print_packet(packet);
	return 1;
}

static int judge(struct run *run, const struct packet *packet)
{
	struct oracle_verdict verdict;
	uint8_t frame[FRAME_ROOM];
	struct xdp_md ctx = { .ingress_ifindex = 1 };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .ctx_in = &ctx,
		    .ctx_size_in = sizeof(ctx));
	enum hg_reason reason;

	run->len = frame_build(packet, mac, frame);
	opts.data_size_in = run->len;
	ctx.data_end = run->len;
	verdict = oracle_decide(&run->g->oracle, packet, false, count, run);
	if (bpf_prog_test_run_opts(run->loader->gate_fd, &opts))
		err(1, "test run");
	reason = reason_of(run, packet->slot);
	if (reason >= HG_R_BAD_ETHERNET && reason <= HG_R_BAD_LAND)
		return differ(run, packet, -1, "the parser refuses the packet");
	if ((reason == HG_R_FILTER_RULE) != (verdict.is_drop && verdict.rule >= 0))
		return differ(run, packet, verdict.rule, "drop by a rule");
	if ((reason == HG_R_FILTER_DEFAULT) != (verdict.is_drop && verdict.rule < 0))
		return differ(run, packet, verdict.rule, "drop by default");
	return reason == HG_R_FILTER_RATE ? differ(run, packet, verdict.rule, "rate") : 0;
}

static int check_counters(struct run *run, const struct hg_compiled *set)
{
	struct hg_rule_stat *found = calloc(set->rule_count, sizeof(*found));
	struct hg_error error;
	uint32_t i;
	int failed = 0;

	if (!found)
		err(1, "memory");
	if (hg_filter_read_counters(run->pin, set->id, set->rule_count, found, &error))
		errx(1, "%s", error.text);
	for (i = 0; i < set->rule_count && !failed; i++)
		if (found[i].packets != run->expected[i].packets ||
		    found[i].octets != run->expected[i].octets)
			failed = differ(run, NULL, i, "the rule's counter");
	free(found);
	return failed;
}

static int one_ruleset(struct run *run, unsigned long packets, unsigned int rules)
{
	struct generated *g = generate_new(run->seed, rules);
	struct hg_compiled *set;
	struct hg_error error;
	struct packet packet;
	int failed = 0;
	uint32_t i;

	run->g = g;
	run->expected = calloc(g->ruleset.rule_count, sizeof(*run->expected));
	for (i = 0; i < g->ruleset.rule_count; i++)
		g->ruleset.rule[i].id = run->seed << 16 | (i + 1); /* no counter is inherited */
	if (!run->expected || hg_compile(&g->ruleset, &g->context, &set))
		errx(1, "seed %llu does not compile", (unsigned long long)run->seed);
	if (hg_filter_apply(run->pin, set, NULL, &error))
		errx(1, "%s", error.text);
	while (packets && !failed) {
		generate_packet(g, &packet);
		packets--;
		if (!frame_is_good(&packet))
			continue;
		set_slot(run, packet.slot);
		failed = judge(run, &packet);
	}
	if (!failed)
		failed = check_counters(run, set);
	free(run->expected);
	hg_compile_free(set);
	generate_free(g);
	return failed;
}

int main(int argc, char **argv)
{
	unsigned long rulesets = argc > 1 ? strtoul(argv[1], NULL, 0) : 20, r;
	unsigned long packets = argc > 2 ? strtoul(argv[2], NULL, 0) : 1000;
	uint64_t first = argc > 3 ? strtoull(argv[3], NULL, 0) : 1;
	unsigned int rules = argc > 4 ? strtoul(argv[4], NULL, 0) : 0;
	struct run *run = calloc(1, sizeof(*run));
	struct hg_loader_options options = { .config = {
						     .lease_ns = 1, .udp_port = 4701, .node = 1 } };
	struct hg_error error;
	int failed = 0;

	if (!run)
		err(1, "memory");
	snprintf(run->pin, sizeof(run->pin), "/sys/fs/bpf/hg-gate-%d", getpid());
	options.pin = run->pin;
	if (hg_loader_open(&options, &run->loader, NULL, &error))
		errx(1, "%s", error.text);
	run->maps = hg_loader_maps(run->loader);
	for (r = 0; r < rulesets && !failed; r++) {
		run->seed = first + r;
		failed = one_ruleset(run, packets, rules);
	}
	hg_loader_free(run->loader);
	hg_loader_remove(run->pin, &error);
	if (!failed)
		printf("%lu rulesets x %lu packets through the gate, seeds %llu..%llu: no "
		       "difference\n",
		       rulesets, packets, (unsigned long long)first,
		       (unsigned long long)(first + rulesets - 1));
	free(run);
	return failed;
}
