// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The compiler's tables by examples: what stands at a place of the table, and what the
 * compiler refuses or has to stand. Whether all places are right is the oracle's task
 * (tests/oracle).
 */
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <arpa/inet.h>
#include <cmocka.h>

#include "agent/filter/compile.h"

struct box {
	struct hg_ruleset ruleset;
	struct hg_rule rule[8];
	struct hg_list list[2];
	struct hg_ip vip[2];
	struct hg_compile_context context;
	struct hg_compiled *set;
};

static struct hg_ip ip(const char *text, unsigned int prefix)
{
	struct hg_ip ip = { .family = strchr(text, ':') ? 6 : 4, .prefix = prefix };

	assert_int_equal(inet_pton(ip.family == 4 ? AF_INET : AF_INET6, text, ip.addr), 1);
	return ip;
}

static void begin(struct box *box, unsigned int rules)
{
	unsigned int i;

	memset(box, 0, sizeof(*box));
	box->ruleset.rule = box->rule;
	box->ruleset.list = box->list;
	box->ruleset.rule_count = rules;
	box->context.vip = box->vip;
	for (i = 0; i < rules; i++)
		box->rule[i].id = 1000 + i;
	for (i = 0; i < 32; i++)
		box->context.slot[i] = HG_SLOTS_MAX;
}

static void compile(struct box *box)
{
	assert_int_equal(hg_compile(&box->ruleset, &box->context, &box->set), 0);
}

/* The first 64 rules that a class stands for, as bits. */
static uint64_t rules_of(const struct box *box, uint32_t class)
{
	assert_in_range(class, 0, box->set->class_count - 1);
	return box->set->bits[class].word[0];
}

static uint64_t at(const struct box *box, uint32_t index)
{
	return rules_of(box, box->set->table[index]);
}

/* Follows root and nodes one bit at a time, as hagate/filter.h describes them. */
static uint64_t at_address(const struct box *box, uint32_t root, const char *text)
{
	struct hg_ip a = ip(text, 0);
	uint32_t entry = box->set->table[root + (a.addr[0] << 8 | a.addr[1])];
	const struct hg_trie_node *node;
	unsigned int bit = 16, end, nibble;

	while (entry & HG_TRIE_NODE) {
		assert_in_range(entry & ~HG_TRIE_NODE, 0, box->set->node_count - 1);
		node = &box->set->node[entry & ~HG_TRIE_NODE];
		assert_true(node->skip <= HG_TRIE_SKIP_MAX && node->skip % 4 == 0);
		for (end = bit + node->skip; bit < end; bit++)
			if ((a.addr[bit / 8] >> (7 - bit % 8) & 1) !=
			    (node->match >> (63 - (bit - (end - node->skip))) & 1))
				return rules_of(box, node->miss);
		nibble = bit % 8 ? a.addr[bit / 8] & 15 : a.addr[bit / 8] >> 4;
		entry = node->entry[nibble];
		bit += 4;
		assert_true(bit <= (a.family == 4 ? 32 : 128));
	}
	return rules_of(box, entry);
}

static void done(struct box *box)
{
	hg_compile_free(box->set);
}

static void empty_ruleset_has_tables(void **state)
{
	struct box box;

	(void)state;
	begin(&box, 0);
	box.ruleset.is_default_drop = true;
	compile(&box);
	assert_int_equal(box.set->class_count, 1);
	assert_int_equal(box.set->rule_count, 0);
	assert_true(box.set->is_default_drop);
	assert_int_equal(at(&box, HG_TABLE_DPORT + 22), 0);
	done(&box);
}

static void rule_without_fields_is_everywhere(void **state)
{
	struct box box;
	uint32_t i;

	(void)state;
	begin(&box, 1);
	compile(&box);
	for (i = 0; i < HG_TABLE_ENTRIES; i++)
		assert_int_equal(box.set->table[i], HG_CLASS_ALL);
	assert_int_equal(box.set->class_count, 2);
	assert_int_equal(box.set->node_count, 0);
	assert_int_equal(box.set->bits[HG_CLASS_ALL].summary[0], 1);
	done(&box);
}

static void ports_begin_and_end(void **state)
{
	struct box box;

	(void)state;
	begin(&box, 3);
	box.rule[0].to.range_count = 2;
	box.rule[0].to.range[0] = (struct hg_port_range){ 10, 19 };
	box.rule[0].to.range[1] = (struct hg_port_range){ 20, 20 }; /* next to it */
	box.rule[1].to.range_count = 1;
	box.rule[1].to.range[0] = (struct hg_port_range){ 20, 65535 };
	compile(&box);
	assert_int_equal(at(&box, HG_TABLE_DPORT + 9), 4);
	assert_int_equal(at(&box, HG_TABLE_DPORT + 10), 5);
	assert_int_equal(at(&box, HG_TABLE_DPORT + 19), 5);
	assert_int_equal(at(&box, HG_TABLE_DPORT + 20), 7);
	assert_int_equal(at(&box, HG_TABLE_DPORT + 21), 6);
	assert_int_equal(at(&box, HG_TABLE_DPORT + 65535), 6);
	assert_int_equal(at(&box, HG_TABLE_DPORT_NONE), 4); /* no ports: no rule with ports */
	assert_int_equal(at(&box, HG_TABLE_SPORT + 10), 7);
	done(&box);
}

static void details_belong_to_their_protocol(void **state)
{
	struct box box;

	(void)state;
	begin(&box, 4);
	box.rule[0].has_flags = true; /* flags S/SA */
	box.rule[0].flags_set = 0x02;
	box.rule[0].flags_mask = 0x12;
	box.rule[1].has_icmp_type = true;
	box.rule[1].icmp_type = 8;
	box.rule[1].proto_count = 1;
	box.rule[1].proto[0] = IPPROTO_ICMP;
	box.rule[2] = box.rule[1];
	box.rule[2].proto[0] = IPPROTO_ICMPV6;
	box.rule[3].proto_count = 1;
	box.rule[3].proto[0] = IPPROTO_TCP;
	compile(&box);
	assert_int_equal(at(&box, HG_TABLE_DETAIL + 0x02), 9);
	assert_int_equal(at(&box, HG_TABLE_DETAIL + 0xc2), 9); /* others do not count */
	assert_int_equal(at(&box, HG_TABLE_DETAIL + 0x12), 8);
	assert_int_equal(at(&box, HG_TABLE_ICMP4 + 8), 2);
	assert_int_equal(at(&box, HG_TABLE_ICMP6 + 8), 4);
	assert_int_equal(at(&box, HG_TABLE_ICMP6 + 9), 0);
	assert_int_equal(at(&box, HG_TABLE_PROTO + IPPROTO_TCP), 8); /* a later fragment */
	assert_int_equal(at(&box, HG_TABLE_PROTO + IPPROTO_ICMP), 0);
	done(&box);
}

static void origin_is_port_fragment_and_tag(void **state)
{
	const uint32_t slot3 = HG_TABLE_ORIGIN + 6 * HG_TABLE_VLANS;
	const uint32_t fragment3 = slot3 + HG_TABLE_VLANS;
	struct box box;

	(void)state;
	begin(&box, 4);
	box.context.slot[5] = 3;
	box.rule[0].in_on = 1u << 5 | 1u << 6; /* name 6 is not of this node */
	box.rule[1].in_on = 1u << 6;
	box.rule[2].is_fragment = true;
	box.rule[3].has_vlan = true; /* tag 0 is not "no tag" */
	compile(&box);
	assert_int_equal(at(&box, slot3 + HG_VLAN_NONE), 1);
	assert_int_equal(at(&box, slot3 + 0), 9);
	assert_int_equal(at(&box, slot3 + 1), 1);
	assert_int_equal(at(&box, fragment3 + HG_VLAN_NONE), 5);
	assert_int_equal(at(&box, HG_TABLE_ORIGIN + HG_VLAN_NONE), 0);
	done(&box);
}

static void addresses_nest(void **state)
{
	struct box box;

	(void)state;
	begin(&box, 5);
	box.rule[0].from = (struct hg_rule_side){ HG_SIDE_ADDR, .addr = ip("10.0.0.0", 8) };
	box.rule[1].from = (struct hg_rule_side){ HG_SIDE_ADDR, .addr = ip("10.1.2.0", 23) };
	box.rule[2].from = (struct hg_rule_side){ HG_SIDE_ADDR, .addr = ip("10.1.2.7", 32) };
	box.rule[3].from = (struct hg_rule_side){ HG_SIDE_ADDR, .addr = ip("0.0.0.0", 0) };
	box.rule[4].from = (struct hg_rule_side){ HG_SIDE_ADDR, .addr = ip("2001:db8::", 33) };
	compile(&box);
	assert_int_equal(at_address(&box, HG_TABLE_SRC4, "9.255.255.255"), 8);
	assert_int_equal(at_address(&box, HG_TABLE_SRC4, "10.0.0.0"), 9);
	assert_int_equal(at_address(&box, HG_TABLE_SRC4, "10.1.1.255"), 9);
	assert_int_equal(at_address(&box, HG_TABLE_SRC4, "10.1.2.6"), 11);
	assert_int_equal(at_address(&box, HG_TABLE_SRC4, "10.1.2.7"), 15);
	assert_int_equal(at_address(&box, HG_TABLE_SRC4, "10.1.3.255"), 11);
	assert_int_equal(at_address(&box, HG_TABLE_SRC4, "10.1.4.0"), 9);
	assert_int_equal(at_address(&box, HG_TABLE_SRC4, "11.0.0.0"), 8);
	assert_int_equal(at_address(&box, HG_TABLE_SRC6, "2001:db8:7fff::1"), 16);
	assert_int_equal(at_address(&box, HG_TABLE_SRC6, "2001:db8:8000::"), 0);
	assert_int_equal(at_address(&box, HG_TABLE_SRC6, "a01:200::"), 0); /* IPv4's octets */
	assert_int_equal(at_address(&box, HG_TABLE_DST4, "1.2.3.4"), 31);
	done(&box);
}

/* /128 below /112 below ... : as many nodes on one path as there can be. */
static void deep_prefixes_are_reached(void **state)
{
	struct box box;
	struct hg_ip entry[29];
	unsigned int i;

	(void)state;
	begin(&box, 1);
	box.ruleset.list_count = 1;
	snprintf(box.list[0].name, sizeof(box.list[0].name), "deep");
	box.list[0].entry = entry;
	for (i = 0; i < 29; i++) /* siblings: bit 4 * i + 15 differs from the path */
		entry[i] = ip("2001::", 128);
	for (i = 1; i < 29; i++)
		entry[i].addr[(12 + 4 * i) / 8] |= i % 2 ? 0x10 : 0x01;
	box.list[0].count = 29;
	box.rule[0].to.kind = HG_SIDE_LIST;
	snprintf(box.rule[0].to.list, sizeof(box.rule[0].to.list), "deep");
	compile(&box);
	assert_int_equal(at_address(&box, HG_TABLE_DST6, "2001::"), 1);
	assert_int_equal(at_address(&box, HG_TABLE_DST6, "2001::1"), 1);
	assert_int_equal(at_address(&box, HG_TABLE_DST6, "2001::2"), 0);
	assert_int_equal(at_address(&box, HG_TABLE_DST6, "2001:1000::"), 1);
	assert_int_equal(at_address(&box, HG_TABLE_DST6, "2001:1000::1"), 0);
	done(&box);
}

static void vip_means_the_very_address(void **state)
{
	struct box box;

	(void)state;
	begin(&box, 1);
	box.rule[0].to.kind = HG_SIDE_VIP;
	box.vip[0] = ip("10.1.0.1", 24);
	box.vip[1] = ip("fd01::1", 64);
	box.context.vip_count = 2;
	compile(&box);
	assert_int_equal(at_address(&box, HG_TABLE_DST4, "10.1.0.1"), 1);
	assert_int_equal(at_address(&box, HG_TABLE_DST4, "10.1.0.2"), 0);
	assert_int_equal(at_address(&box, HG_TABLE_DST6, "fd01::1"), 1);
	assert_int_equal(at_address(&box, HG_TABLE_DST6, "fd01::2"), 0);
	done(&box);
}

static void rates_become_increments(void **state)
{
	struct box box;

	(void)state;
	begin(&box, 2);
	box.rule[0].action = HG_RULE_DROP;
	box.rule[0].is_count_only = true;
	box.rule[0].rate = (struct hg_rule_rate){ .count = 1000, .period_s = 1, .burst = 100 };
	box.rule[1].rate = (struct hg_rule_rate){ .count = 3,
						  .period_s = 60,
						  .burst = 1,
						  .is_per_source = true,
						  .len4 = 24,
						  .len6 = 56 };
	compile(&box);
	assert_int_equal(box.set->rule[0].action, HG_RULE_DROP);
	assert_int_equal(box.set->rule[0].flags, HG_RULE_F_COUNT_ONLY | HG_RULE_F_RATE);
	assert_int_equal(box.set->rule[0].increment_ns, 1000000);
	assert_int_equal(box.set->rule[0].limit_ns, 99000000);
	assert_int_equal(box.set->rule[1].flags, HG_RULE_F_RATE | HG_RULE_F_PER_SOURCE);
	assert_int_equal(box.set->rule[1].increment_ns, 20000000000ull);
	assert_int_equal(box.set->rule[1].limit_ns, 0);
	assert_int_equal(box.set->rule[1].source4, 24);
	assert_int_equal(box.set->rule[1].source6, 56);
	assert_int_equal(box.set->id[1], 1001);
	done(&box);
}

static void refuses_what_does_not_fit(void **state)
{
	struct box box;

	(void)state;
	begin(&box, 1);
	box.ruleset.rule_count = HG_RULES_MAX + 1;
	assert_int_equal(hg_compile(&box.ruleset, &box.context, &box.set), -E2BIG);
	begin(&box, 1);
	box.rule[0].from.kind = HG_SIDE_LIST;
	snprintf(box.rule[0].from.list, sizeof(box.rule[0].from.list), "none");
	assert_int_equal(hg_compile(&box.ruleset, &box.context, &box.set), -ENOENT);
	assert_null(box.set);
}

static double seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

static uint64_t next_random(uint64_t *random)
{
	*random = *random * 6364136223846793005ull + 1442695040888963407ull;
	return *random >> 20;
}

static void fill_list(struct hg_list *list, const char *name, size_t count, uint64_t *random)
{
	size_t i;

	snprintf(list->name, sizeof(list->name), "%s", name);
	list->count = count;
	list->entry = calloc(count, sizeof(*list->entry));
	assert_non_null(list->entry);
	for (i = 0; i < count; i++) {
		list->entry[i] = ip("0.0.0.0", 32);
		memcpy(list->entry[i].addr, &(uint32_t){ next_random(random) }, 4);
	}
}

/* 10,240 rules, most with addresses of their own, others on two lists of 100,000. */
static void large_rulesets_compile_soon(void **state)
{
	static struct hg_rule rule[HG_RULES_MAX];
	uint64_t random = 5;
	struct hg_compiled *again;
	struct box box;
	double start;
	uint32_t i;

	(void)state;
	begin(&box, 0);
	box.ruleset.list_count = 2;
	fill_list(&box.list[0], "one", 100000, &random);
	fill_list(&box.list[1], "two", 100000, &random);
	for (i = 0; i < HG_RULES_MAX; i++) {
		rule[i] = (struct hg_rule){ .id = i + 1 };
		rule[i].to.kind = HG_SIDE_ADDR;
		rule[i].to.addr = ip("10.0.0.0", 32);
		memcpy(rule[i].to.addr.addr + 1, &i, 3);
		rule[i].to.range_count = 1;
		rule[i].to.range[0].first = rule[i].to.range[0].last = next_random(&random);
		rule[i].from.kind = i % 2 ? HG_SIDE_LIST : HG_SIDE_ANY;
		snprintf(rule[i].from.list, sizeof(rule[i].from.list), i % 4 == 1 ? "one" : "two");
	}
	box.ruleset.rule = rule;
	box.ruleset.rule_count = HG_RULES_MAX;
	start = seconds();
	compile(&box);
	start = seconds() - start;
	printf("          %u rules, 200,000 addresses: %.2f s, %u classes, %u nodes\n",
	       HG_RULES_MAX, start, box.set->class_count, box.set->node_count);
	assert_true(start < 10); /* far above what it takes, for sanitizers on busy machines */
	assert_in_range(box.set->class_count, HG_RULES_MAX, 3 * HG_RULES_MAX);
	assert_in_range(box.set->node_count, 1000, 300000);

	assert_int_equal(hg_compile(&box.ruleset, &box.context, &again), 0);
	assert_int_equal(again->class_count, box.set->class_count);
	assert_memory_equal(again->table, box.set->table, HG_TABLE_SIZE * sizeof(*again->table));
	assert_memory_equal(again->bits, box.set->bits, again->class_count * sizeof(*again->bits));
	hg_compile_free(again);
	done(&box);
	free(box.list[0].entry);
	free(box.list[1].entry);
}

static int by_port(const void *a, const void *b)
{
	return ((const struct hg_port_range *)a)->first - ((const struct hg_port_range *)b)->first;
}

static void random_ports(struct hg_rule_side *side, uint64_t *random)
{
	unsigned int r;

	side->range_count = HG_RULE_RANGES_MAX;
	for (r = 0; r < HG_RULE_RANGES_MAX; r++)
		side->range[r].first = side->range[r].last = r * 4096 + next_random(random) % 4096;
	qsort(side->range, HG_RULE_RANGES_MAX, sizeof(side->range[0]), by_port);
}

/* Nearly each port of both sides is a class of its own, and so is each address in a random
 * subset of 20 lists: too many, as memory is bounded. Without one side's ports it fits. */
static void classes_are_bounded(void **state)
{
	static struct hg_rule rule[HG_RULES_MAX];
	static struct hg_list list[20];
	struct hg_ruleset ruleset = {
		.rule = rule, .rule_count = HG_RULES_MAX, .list = list, .list_count = 20
	};
	struct hg_compile_context context = { 0 };
	struct hg_compiled *set = NULL;
	uint64_t random = 9;
	uint32_t i, e;
	char name[16];

	(void)state;
	for (i = 0; i < HG_RULES_MAX; i++) {
		rule[i] = (struct hg_rule){ .id = i + 1 };
		random_ports(&rule[i].from, &random);
		random_ports(&rule[i].to, &random);
	}
	for (i = 0; i < 20; i++) {
		snprintf(name, sizeof(name), "list%u", i);
		fill_list(&list[i], name, 15000, &random);
		for (e = 0; e < list[i].count; e++)
			memcpy(list[i].entry[e].addr, &(uint32_t){ next_random(&random) % 50000 },
			       4);
		rule[i].from.kind = HG_SIDE_LIST;
		snprintf(rule[i].from.list, sizeof(rule[i].from.list), "%s", name);
	}
	assert_int_equal(hg_compile(&ruleset, &context, &set), -ENOSPC);
	assert_null(set);
	for (i = 0; i < HG_RULES_MAX; i++)
		rule[i].to.range_count = 0;
	assert_int_equal(hg_compile(&ruleset, &context, &set), 0);
	assert_in_range(set->class_count, 50000, HG_CLASSES_MAX);
	hg_compile_free(set);
	for (i = 0; i < 20; i++)
		free(list[i].entry);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(empty_ruleset_has_tables),
		cmocka_unit_test(rule_without_fields_is_everywhere),
		cmocka_unit_test(ports_begin_and_end),
		cmocka_unit_test(details_belong_to_their_protocol),
		cmocka_unit_test(origin_is_port_fragment_and_tag),
		cmocka_unit_test(addresses_nest),
		cmocka_unit_test(deep_prefixes_are_reached),
		cmocka_unit_test(vip_means_the_very_address),
		cmocka_unit_test(rates_become_increments),
		cmocka_unit_test(refuses_what_does_not_fit),
		cmocka_unit_test(large_rulesets_compile_soon),
		cmocka_unit_test(classes_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
