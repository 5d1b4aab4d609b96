/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rulesets and blocklists for a node of the tests (rig.h), written as text and put in
 * force by the loader, as the agent does it.
 */
#ifndef TEST_FILTER_RIG_H
#define TEST_FILTER_RIG_H

#include "agent/filter/compile.h"
#include "loader/block.h"
#include "loader/filter.h"

#include "rig.h"

/* One node at a time has a filter; ports are lan and wan, `vip` all addresses of rig.h. */
void filter_open(struct rig *rig);
void filter_close(void);

/* Rules in force from now on, each one line; the last is NULL. */
void filter_set(bool is_default_drop, const char *const *lines);
#define filter_rules(...) filter_set(false, (const char *const[]){ __VA_ARGS__, NULL })
#define filter_rules_or_drop(...) filter_set(true, (const char *const[]){ __VA_ARGS__, NULL })
void filter_clear(void); /* no rules, default accept */

/* The same in two steps, for rulesets made otherwise. */
struct hg_compiled *filter_compile(const struct hg_ruleset *ruleset);
void filter_apply(const struct hg_compiled *compiled);

/* Counters of rule `index` of the rules in force: since they are, and in all. */
struct hg_rule_stat filter_counters(unsigned int index);
struct hg_rule_stat filter_counters_in_all(unsigned int index);

struct hg_blocks *filter_blocks(void);
/* On the blocklist until `expire_ns`: an address, or a prefix when there is a slash. */
void filter_block(const char *text, uint64_t expire_ns);
void filter_unblock(const char *text);
uint64_t filter_blocked_packets(const char *text);

#endif
