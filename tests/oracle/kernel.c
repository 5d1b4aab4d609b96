// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Compiler, loader and classifier against the oracle, in the kernel (root). Each ruleset
 * replaces the one before through hg_filter_apply(); now and then the programs are
 * loaded anew on the pinned maps, as by an agent's restart.
 *
 * kernel [rulesets [packets [first seed [rules]]]]
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rig.h"

static int compare(struct rig *rig, struct generated *g, uint64_t seed, const struct packet *packet)
{
	static struct classify_answer answer;
	uint32_t i, at = 0;
	bool is_match;

	rig_classify(rig, packet, &answer);
	for (i = 0; i < g->ruleset.rule_count; i++) {
		is_match = oracle_matches(&g->oracle, &g->ruleset.rule[i], packet);
		if (is_match == (at < answer.count && answer.rule[at] == i)) {
			at += is_match;
			continue;
		}
		printf("DIFFERENCE: seed %llu, %u rules: the kernel %s\n", (unsigned long long)seed,
		       g->ruleset.rule_count, is_match ? "misses a rule" : "finds too much");
		oracle_print_rule(&g->ruleset.rule[i]);
		oracle_print_packet(packet);
		return 1;
	}
	return at != answer.count;
}

int main(int argc, char **argv)
{
	unsigned long rulesets = argc > 1 ? strtoul(argv[1], NULL, 0) : 20, r;
	unsigned long packets = argc > 2 ? strtoul(argv[2], NULL, 0) : 1000, p;
	uint64_t seed = argc > 3 ? strtoull(argv[3], NULL, 0) : 1;
	unsigned int rules = argc > 4 ? strtoul(argv[4], NULL, 0) : 0;
	struct rig *rig = rig_new(argv[0]);
	struct hg_compiled *set;
	struct generated *g;
	struct packet packet;
	int failed = 0;

	for (r = 0; r < rulesets && !failed; r++, seed++) {
		g = generate_new(seed, rules);
		set = rig_compile(g);
		rig_apply(rig, set, NULL);
		if (r % 8 == 7)
			rig_reload(rig);
		for (p = 0; p < packets && !failed; p++) {
			generate_packet(g, &packet);
			failed = compare(rig, g, seed, &packet);
		}
		hg_compile_free(set);
		generate_free(g);
	}
	if (!failed)
		printf("%lu rulesets x %lu packets in the kernel, seeds %llu..%llu: no difference\n",
		       rulesets, packets, (unsigned long long)(seed - rulesets),
		       (unsigned long long)seed - 1);
	rig_done(rig);
	return failed;
}
