/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rulesets and traffic for the benchmark of the filter; the same in every run. */
#ifndef BENCH_FILTER_SETS_H
#define BENCH_FILTER_SETS_H

#include "agent/filter/rule.h"

#include "vary.h"

enum traffic { TRAFFIC_FIRST, TRAFFIC_LAST, TRAFFIC_MISS, TRAFFIC_RANDOM, TRAFFIC_WORST, TRAFFICS };
extern const char *const traffic_names[TRAFFICS];

/* `count` rules of two prefixes, a protocol and a range of ports, all `drop`. */
struct hg_ruleset sets_random(unsigned int count);
/* Each field of TRAFFIC_WORST satisfies three rules of four, no rule is satisfied. */
struct hg_ruleset sets_worst(unsigned int count);
/* `drop from A` for each of `count` addresses, sets_source(0) and so on. */
struct hg_ruleset sets_exact(unsigned int count);
void sets_free(struct hg_ruleset *ruleset);

/* An address for each number, scattered over 1.0.0.0 to 222.255.255.255; in host order. */
uint32_t sets_source(uint32_t number);

/* VARY_FRAMES packets to the MAC: of what `traffic` says about the rules. RANDOM: one half
 * random, one half made to hit a random rule. */
void sets_packets(struct vary_frame *frames, const uint8_t *mac, const struct hg_ruleset *ruleset,
		  enum traffic traffic);
/* From sets_source(0..count-1). */
void sets_packets_from(struct vary_frame *frames, const uint8_t *mac, uint32_t count);

#endif
