// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Compiler and classifier against the oracle, without a kernel: the very lines of
 * bpf/classify.h walk the compiled tables. Compares all rules that match a packet, in
 * order, not only the first.
 *
 * native [rulesets [packets [first seed [rules]]]]; exit 1 with seed, rule and packet of
 * the first difference.
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "generate.h"

struct hg_sets {
	const struct hg_compiled *compiled;
	const void *trie;
};

/* Beyond a table's end the kernel finds nothing; here it is a mistake. */
static uint32_t hg_table_at(const struct hg_sets *sets, uint32_t index)
{
	if (index >= HG_TABLE_SIZE)
		errx(1, "table index %u", index);
	return sets->compiled->table[index];
}

static const struct hg_trie_node *hg_node_at(const void *trie, uint32_t index)
{
	const struct hg_compiled *compiled = trie;

	if (index >= compiled->node_count)
		errx(1, "node %u of %u", index, compiled->node_count);
	return &compiled->node[index];
}

static const struct hg_bits *hg_bits_at(const struct hg_sets *sets, uint32_t class)
{
	if (class >= sets->compiled->class_count)
		errx(1, "class %u of %u", class, sets->compiled->class_count);
	return &sets->compiled->bits[class];
}

#include "bpf/classify.h"
#include "flow.h"

static int differ(struct generated *g, uint64_t seed, const struct packet *packet,
		  unsigned int rule, const char *what)
{
	printf("DIFFERENCE: seed %llu, %u rules: %s\n", (unsigned long long)seed,
	       g->ruleset.rule_count, what);
	oracle_print_rule(&g->ruleset.rule[rule]);
	oracle_print_packet(packet);
	return 1;
}

static uint32_t next(struct hg_walk *walk)
{
	uint32_t rule;

	do
		rule = hg_walk_step(walk);
	while (rule == HG_WALK_AGAIN);
	return rule;
}

static int compare(struct generated *g, uint64_t seed, const struct hg_compiled *compiled,
		   const struct packet *packet, unsigned long *matches)
{
	struct hg_sets sets = { compiled, compiled };
	struct hg_walk walk;
	struct hg_flow flow;
	uint32_t rule, i;

	flow_of(packet, &flow);
	if (!hg_walk_start(&sets, &flow, &walk))
		return differ(g, seed, packet, 0, "no walk");
	rule = next(&walk);
	for (i = 0; i < g->ruleset.rule_count; i++) {
		if (oracle_matches(&g->oracle, &g->ruleset.rule[i], packet)) {
			if (rule != i)
				return differ(g, seed, packet, i, "the classifier misses a rule");
			rule = next(&walk);
			++*matches;
		} else if (rule == i) {
			return differ(g, seed, packet, i, "the classifier finds too much");
		}
	}
	return rule == HG_RULE_DEFAULT ? 0 : differ(g, seed, packet, 0, "a rule too many");
}

int main(int argc, char **argv)
{
	unsigned long rulesets = argc > 1 ? strtoul(argv[1], NULL, 0) : 100, r;
	unsigned long packets = argc > 2 ? strtoul(argv[2], NULL, 0) : 1000, p;
	uint64_t seed = argc > 3 ? strtoull(argv[3], NULL, 0) : 1;
	unsigned int rules = argc > 4 ? strtoul(argv[4], NULL, 0) : 0;
	unsigned long matches = 0, total = 0;
	struct hg_compiled *compiled;
	struct generated *g;
	struct packet packet;
	int error;

	for (r = 0; r < rulesets; r++, seed++) {
		g = generate_new(seed, rules);
		error = hg_compile(&g->ruleset, &g->context, &compiled);
		if (error)
			errx(1, "seed %llu: hg_compile: %s", (unsigned long long)seed,
			     strerror(-error));
		total += g->ruleset.rule_count;
		for (p = 0; p < packets; p++) {
			generate_packet(g, &packet);
			if (compare(g, seed, compiled, &packet, &matches))
				return 1;
		}
		hg_compile_free(compiled);
		generate_free(g);
	}
	printf("%lu rulesets (%lu rules) x %lu packets, %lu matches, seeds %llu..%llu: no "
	       "difference\n",
	       rulesets, total, packets, matches, (unsigned long long)(seed - rulesets),
	       (unsigned long long)seed - 1);
	return 0;
}
