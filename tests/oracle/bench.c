// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Time of compiling, applying and classifying by the number of rules, on varied flows
 * (root). Each figure is the median of interleaved runs, the harness alone subtracted.
 * Not a test.
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "bpf/flow.h"
#include "flow.h"
#include "rig.h"

static double now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1e3 + ts.tv_nsec / 1e6;
}

static void random_prefix(struct generated *g, struct hg_ip *ret, unsigned int length)
{
	uint64_t random = generate_random(g);

	memset(ret, 0, sizeof(*ret));
	ret->family = 4;
	ret->prefix = length;
	random &= length ? ~0ull << (64 - length) : 0;
	for (unsigned int i = 0; i < 4; i++)
		ret->addr[i] = random >> (56 - 8 * i);
}

/* Random rules as a service list has them: prefixes on both sides, protocol, port. */
static struct generated *ruleset(unsigned int count)
{
	struct generated *g = generate_new(7, count);
	struct hg_rule *rule;
	unsigned int i;

	for (i = 0; i < count; i++) {
		rule = &g->ruleset.rule[i];
		*rule = (struct hg_rule){ .action = HG_RULE_DROP, .id = i + 1, .line = i + 1 };
		rule->from.kind = HG_SIDE_ADDR;
		random_prefix(g, &rule->from.addr, 8 + generate_below(g, 25));
		rule->to.kind = HG_SIDE_ADDR;
		random_prefix(g, &rule->to.addr, 16 + generate_below(g, 17));
		rule->proto_count = 1;
		rule->proto[0] = generate_below(g, 2) ? 6 : 17;
		rule->to.range_count = 1;
		rule->to.range[0].first = generate_below(g, 60000);
		rule->to.range[0].last = rule->to.range[0].first + generate_below(g, 100);
	}
	return g;
}

/* Each field of the packet satisfies every second rule, no rule is satisfied by all: every
 * word of the vectors has to be visited, in vain. */
static struct generated *worst_ruleset(unsigned int count)
{
	struct generated *g = generate_new(7, count);
	struct hg_rule *rule;
	unsigned int i;

	for (i = 0; i < count; i++) {
		rule = &g->ruleset.rule[i];
		*rule = (struct hg_rule){ .action = HG_RULE_DROP, .id = i + 1, .line = i + 1 };
		rule->proto_count = 1;
		rule->proto[0] = i % 2 ? 6 : 17;
		rule->to.range_count = 1;
		rule->to.range[0].first = i % 2 ? 0 : 32768;
		rule->to.range[0].last = i % 2 ? 32767 : 65535;
	}
	return g;
}

static void hit(struct generated *g, const struct hg_rule *rule, struct packet *p)
{
	uint32_t any = generate_random(g), mask;
	unsigned int i;

	mask = rule->from.addr.prefix ? ~0u << (32 - rule->from.addr.prefix) : 0;
	for (i = 0; i < 4; i++)
		p->src[i] = rule->from.addr.addr[i] | ((any & ~mask) >> (24 - 8 * i));
	mask = rule->to.addr.prefix ? ~0u << (32 - rule->to.addr.prefix) : 0;
	for (i = 0; i < 4; i++)
		p->dst[i] = rule->to.addr.addr[i] | ((any & ~mask) >> (24 - 8 * i));
	p->proto = rule->proto[0];
	p->dport = rule->to.range[0].first;
}

enum kind { KIND_RANDOM, KIND_HIT, KIND_WORST, KINDS };
static const char *const kind_name[KINDS] = { "random packet", "hits a random rule", "worst case" };

static void fill(struct generated *g, struct hg_flow *flow, enum kind kind)
{
	struct packet p;
	unsigned int i, o;

	for (i = 0; i < CLASSIFY_FLOWS; i++) {
		memset(&p, 0, sizeof(p));
		p.family = 4;
		for (o = 0; o < 4; o++) {
			p.src[o] = generate_random(g);
			p.dst[o] = generate_random(g);
		}
		p.proto = generate_below(g, 2) ? 6 : 17;
		p.sport = generate_random(g);
		p.dport = generate_random(g);
		if (kind == KIND_WORST) {
			p.proto = 6;
			p.dport |= 0x8000;
		}
		if (kind == KIND_HIT)
			hit(g, &g->ruleset.rule[generate_below(g, g->ruleset.rule_count)], &p);
		flow_of(&p, &flow[i]);
	}
}

static int compare_double(const void *a, const void *b)
{
	return *(const double *)a < *(const double *)b ? -1 : 1;
}

static double median_ns(struct rig *rig)
{
	double run[15];
	unsigned int i;

	for (i = 0; i < 15; i++)
		run[i] = rig_time(rig->first_fd, 200000) - rig_time(rig->none_fd, 200000);
	qsort(run, 15, sizeof(run[0]), compare_double);
	return run[7];
}

static void bench(struct rig *rig, struct hg_flow *flow, unsigned int rules)
{
	struct generated *g = ruleset(rules);
	double start = now_ms(), compiled, applied;
	struct hg_compiled *set;
	enum kind kind;

	set = rig_compile(g);
	compiled = now_ms();
	rig_apply(rig, set, NULL);
	applied = now_ms();
	printf("%5u rules: compiled in %.1f ms, applied in %.1f ms, %u classes, %u nodes\n", rules,
	       compiled - start, applied - compiled, set->class_count, set->node_count);
	for (kind = 0; kind < KINDS; kind++) {
		if (kind == KIND_WORST) {
			hg_compile_free(set);
			generate_free(g);
			g = worst_ruleset(rules);
			set = rig_compile(g);
			rig_apply(rig, set, NULL);
		}
		fill(g, flow, kind);
		printf("%5u rules: %-20s %4.0f ns\n", rules, kind_name[kind], median_ns(rig));
	}
	hg_compile_free(set);
	generate_free(g);
}

int main(int argc, char **argv)
{
	static const unsigned int rules[] = { 1, 10, 100, 1000, 10000 };
	struct rig *rig = rig_new(argv[0]);
	struct hg_flow *flow;
	unsigned int i;

	flow = mmap(NULL, CLASSIFY_FLOWS * sizeof(*flow), PROT_READ | PROT_WRITE, MAP_SHARED,
		    rig->flows_fd, 0);
	if (flow == MAP_FAILED)
		err(1, "flows");
	for (i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		bench(rig, flow, argc > 1 ? strtoul(argv[1], NULL, 0) : rules[i]);
	rig_done(rig);
	return 0;
}
