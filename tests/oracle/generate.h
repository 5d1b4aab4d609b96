/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Random rulesets of every form and random packets that lie at the borders of the rules.
 * All from one number: the same seed makes the same ruleset and packets.
 */
#ifndef TEST_GENERATE_H
#define TEST_GENERATE_H

#include "agent/filter/compile.h"
#include "oracle.h"

#define GENERATE_PORTS 6 /* names of ports; the last is not of this node */
#define GENERATE_SLOTS 5 /* slot = index of the name, given backwards */
#define GENERATE_VIPS 24

struct generated {
	uint64_t random;
	struct hg_ruleset ruleset;
	struct hg_ip vip[GENERATE_VIPS];
	struct hg_compile_context context;
	struct oracle oracle;
	/* how this ruleset is made: each in percent */
	unsigned int narrow; /* rules that name several fields */
	unsigned int passing; /* count-only and rates */
	unsigned int pool; /* addresses that rules and packets draw from */
};

uint64_t generate_random(struct generated *g);
uint32_t generate_below(struct generated *g, uint32_t bound);

/* rule_count 0: random, 1..HG_RULES_MAX, small ones more often. Aborts without memory. */
struct generated *generate_new(uint64_t seed, unsigned int rule_count);
void generate_free(struct generated *g);
void generate_packet(struct generated *g, struct packet *ret);

#endif
