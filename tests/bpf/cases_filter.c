// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The rules, one packet at a time: what each word of a rule matches, which rule decides,
 * what is counted.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "cases.h"
#include "filter_rig.h"
#include "packet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static struct frame f;

static int set_up(void **state)
{
	(void)state;
	rig_reset(&node_a);
	rig_serve(&node_a, RIG_EPOCH_A);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	filter_clear();
	return 0;
}

struct row {
	const char *rule;
	struct packet packet;
	bool is_hit;
};

static const struct row rows[] = {
	{ "drop", { V4, UDP }, true },
	{ "drop", { V6, TCP }, true },
	/* ports of the node */
	{ "drop in on lan", { V4, UDP }, true },
	{ "drop in on lan", { V4, UDP, .port = RIG_WAN }, false },
	{ "drop in on wan", { V6, UDP, .port = RIG_WAN }, true },
	{ "drop in on lan,wan", { V4, UDP, .port = RIG_WAN }, true },
	/* protocols */
	{ "drop proto tcp", { V4, TCP }, true },
	{ "drop proto tcp", { V4, UDP }, false },
	{ "drop proto udp,tcp", { V6, TCP }, true },
	{ "drop proto 47", { V4, .proto = 47 }, true },
	{ "drop proto 47", { V4, .proto = 46 }, false },
	{ "drop proto tcp", { V4, TCP, .part = LATER }, true },
	{ "drop proto tcp", { V6, TCP, .part = LATER, .has_extensions = true }, true },
	/* addresses */
	{ "drop from 203.0.113.9", { V4, UDP }, true },
	{ "drop from 203.0.113.8", { V4, UDP }, false },
	{ "drop from 203.0.113.0/24", { V4, UDP, .has_extensions = true }, true },
	{ "drop from 203.0.112.0/24", { V4, UDP }, false },
	{ "drop from 0.0.0.0/0", { V4, UDP }, true },
	{ "drop from 0.0.0.0/0", { V6, UDP }, false },
	{ "drop to 192.0.2.0/29", { V4, UDP }, true },
	{ "drop to 192.0.2.8/29", { V4, UDP }, false },
	{ "drop from 192.0.2.7", { V4, UDP }, false },
	{ "drop from 2001:db8:9::9", { V6, UDP }, true },
	{ "drop from 2001:db8:9::8", { V6, UDP }, false },
	{ "drop from 2001:db8:8::/47", { V6, UDP }, true },
	{ "drop from 2001:db8:8::/48", { V6, UDP }, false },
	{ "drop to 2001:db8::7", { V6, UDP, .has_extensions = true }, true },
	{ "drop to ::/0", { V6, UDP }, true },
	{ "drop to ::/0", { V4, UDP }, false },
	{ "drop to vip", { .from = "203.0.113.9", .to = "10.1.0.1", UDP }, true },
	{ "drop to vip", { .from = "2001:db8::9", .to = "fd02::1", UDP }, true },
	{ "drop to vip", { .from = "203.0.113.9", .to = "10.1.0.9", UDP }, false },
	/* ports of the transport */
	{ "drop proto udp to any port 53", { V4, UDP }, true },
	{ "drop proto udp to any port 54", { V4, UDP }, false },
	{ "drop proto udp from any port 53", { V4, UDP }, false },
	{ "drop proto udp from any port 1-1000", { V4, UDP }, true },
	{ "drop proto udp from any port 1-999", { V4, UDP }, false },
	{ "drop proto udp from any port 1001-65535", { V6, UDP }, false },
	{ "drop to any port 22,80-81", { V4, TCP }, true },
	{ "drop to any port 80", { V4, SCTP }, true },
	{ "drop to any port 80", { V6, UDPLITE }, true },
	{ "drop to any port 81", { V6, SCTP }, false },
	{ "drop to any port 0-65535", { V4, PING }, false },
	{ "drop to any port 0-65535", { V4, UDP, .part = LATER }, false },
	{ "drop to any port 53", { V4, UDP, .part = FIRST }, true },
	{ "drop to any port 53", { V6, UDP, .part = FIRST, .has_extensions = true }, true },
	{ "drop to any port 0-65535", { V6, UDP, .part = LATER }, false },
	/* flags */
	{ "drop proto tcp flags S/SA", { V4, SYN }, true },
	{ "drop proto tcp flags S/SA", { V4, TCP, .octet = 0x12 }, false },
	{ "drop proto tcp flags S/SA", { V6, TCP, .octet = 0xc2 }, true },
	{ "drop proto tcp flags A/A", { V4, TCP, .octet = 0x11 }, true },
	{ "drop proto tcp flags A/A", { V4, SYN }, false },
	{ "drop proto tcp flags S/SA", { V4, TCP, .part = LATER }, false },
	/* ICMP */
	{ "drop proto icmp icmp-type 8", { V4, PING }, true },
	{ "drop proto icmp icmp-type 8", { V4, ICMP, .octet = 0 }, false },
	{ "drop proto icmp", { V4, ICMP, .octet = 3 }, true },
	{ "drop proto icmp6 icmp-type 128", { V6, PING6 }, true },
	{ "drop proto icmp6 icmp-type 128", { V6, ICMP6, .octet = 129 }, false },
	{ "drop proto icmp icmp-type 128", { V6, PING6 }, false },
	{ "drop proto icmp icmp-type 8", { V6, .proto = IPPROTO_ICMP, .octet = 8 }, false },
	{ "drop proto icmp icmp-type 1", { V4, PING, .part = LATER }, false },
	{ "drop proto icmp6 icmp-type 128", { V6, PING6, .has_extensions = true }, true },
	/* fragments */
	{ "drop fragment", { V4, UDP }, false },
	{ "drop fragment", { V4, UDP, .part = FIRST }, true },
	{ "drop fragment", { V4, UDP, .part = LATER }, true },
	{ "drop fragment", { V6, UDP }, false },
	{ "drop fragment", { V6, UDP, .part = FIRST }, true },
	{ "drop fragment", { V6, UDP, .part = LATER }, true },
	/* VLANs: the outer tag */
	{ "drop vlan 101", { V4, UDP, .tags = 1 }, true },
	{ "drop vlan 101", { V4, UDP }, false },
	{ "drop vlan 101", { V4, UDP, .tags = 2 }, false },
	{ "drop vlan 102", { V6, UDP, .tags = 2 }, true },
	{ "drop vlan 0", { V4, UDP }, false },
	/* everything at once */
	{ "drop in on wan proto tcp from 203.0.113.0/24 port 1000 to 192.0.2.7 port 80 flags S/SA "
	  "vlan 101",
	  { V4, SYN, .port = RIG_WAN, .tags = 1 },
	  true },
	{ "drop in on wan proto tcp from 203.0.113.0/24 port 1000 to 192.0.2.7 port 81 flags S/SA "
	  "vlan 101",
	  { V4, SYN, .port = RIG_WAN, .tags = 1 },
	  false },
};

static bool is_to_vip(const struct packet *p)
{
	return !strcmp(p->to, "10.1.0.1") || !strcmp(p->to, "fd02::1");
}

static void test_words(void **state)
{
	enum hg_reason missed;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		rig_serve(&node_a, RIG_EPOCH_A); /* each ruleset takes a while */
		filter_rules(rows[i].rule);
		packet_make(&f, &rows[i].packet);
		missed = is_to_vip(&rows[i].packet) ? HG_R_PASS_VIP : HG_R_PASS_TRANSIT;
		rig_expect_gate(&node_a, rows[i].packet.port, &f,
				rows[i].is_hit ? XDP_DROP : XDP_PASS,
				rows[i].is_hit ? HG_R_FILTER_RULE : missed, rows[i].rule, (int)i);
		/* The other way round, by the default. */
		filter_rules_or_drop("accept proto 250");
		rig_expect_gate(&node_a, rows[i].packet.port, &f, XDP_DROP, HG_R_FILTER_DEFAULT,
				rows[i].rule, (int)i);
		assert_int_equal(filter_counters(0).packets, 0);
	}
}

static void expect_udp(uint16_t port, int verdict, enum hg_reason reason, int line)
{
	const struct packet packet = { V4, .proto = IPPROTO_UDP, .sport = 1000, .dport = port };

	packet_make(&f, &packet);
	rig_expect_gate(&node_a, RIG_LAN, &f, verdict, reason, __FILE__, line);
}
#define udp_passes(port) expect_udp(port, XDP_PASS, HG_R_PASS_TRANSIT, __LINE__)
#define udp_drops(port, reason) expect_udp(port, XDP_DROP, HG_R_##reason, __LINE__)

static void test_first_match_wins(void **state)
{
	(void)state;
	filter_rules("accept proto udp to any port 53", "drop proto udp to any port 50-60",
		     "accept proto udp to any port 55", "accept", "drop");
	udp_passes(53);
	udp_drops(54, FILTER_RULE);
	udp_drops(55, FILTER_RULE);
	udp_passes(61);
	assert_int_equal(filter_counters(0).packets, 1);
	assert_int_equal(filter_counters(1).packets, 2);
	assert_int_equal(filter_counters(2).packets, 0);
	assert_int_equal(filter_counters(3).packets, 1);
	assert_int_equal(filter_counters(4).packets, 0);
}

static void test_default(void **state)
{
	(void)state;
	filter_rules_or_drop("accept proto udp to any port 53");
	udp_passes(53);
	udp_drops(54, FILTER_DEFAULT);
	filter_rules("accept proto udp to any port 53");
	udp_passes(54);
	filter_rules_or_drop(NULL); /* not one rule */
	udp_drops(53, FILTER_DEFAULT);
	filter_clear();
	udp_passes(53);
}

/* A dry run: counts and goes on, also behind other matches and with the last word. */
static void test_count_only(void **state)
{
	uint64_t before = rig_now() - 10000000; /* a tick of the kernel */

	(void)state;
	filter_rules("drop count-only", "drop proto udp to any port 53 count-only",
		     "accept proto udp to any port 53", "drop proto udp count-only");
	udp_passes(53);
	udp_passes(54);
	assert_int_equal(filter_counters(0).packets, 2);
	assert_int_equal(filter_counters(0).octets, 2 * f.len);
	assert_in_range(filter_counters(0).last_ns, before, rig_now());
	assert_int_equal(filter_counters(1).packets, 1);
	assert_int_equal(filter_counters(2).packets, 1);
	assert_int_equal(filter_counters(3).packets, 1);
	filter_rules("accept count-only", "drop proto udp to any port 53");
	udp_drops(53, FILTER_RULE);
	udp_passes(54);
}

/* What a rule counted stays with the rule when the rules around it change. */
static void test_counters_survive(void **state)
{
	(void)state;
	filter_rules("drop proto udp to any port 7000", "drop proto udp to any port 7001");
	udp_drops(7001, FILTER_RULE);
	udp_drops(7001, FILTER_RULE);
	filter_rules("accept proto tcp to any port 7001", "drop proto udp to any port 7001",
		     "accept proto udp");
	udp_drops(7001, FILTER_RULE);
	assert_int_equal(filter_counters_in_all(1).packets, 3);
	assert_int_equal(filter_counters_in_all(0).packets, 0);
}

/* More rules that match than one step of the walk looks at, in words far apart. */
static void test_many_passing(void **state)
{
	static const char *lines[66];
	static char text[64][64];
	int i;

	(void)state;
	for (i = 0; i < 63; i++) {
		snprintf(text[i], sizeof(text[i]), "drop proto udp count-only label \"n%d\"", i);
		lines[i] = text[i];
	}
	lines[63] = "drop proto udp to any port 53";
	filter_set(false, lines);
	udp_drops(53, FILTER_RULE);
	udp_passes(54);
	for (i = 0; i < 63; i++)
		assert_int_equal(filter_counters((unsigned int)i).packets, 2);
	assert_int_equal(filter_counters(63).packets, 1);
}

/* One packet a minute: what comes with the first second is above it. */
static void test_rate(void **state)
{
	(void)state;
	filter_rules("accept proto udp to any port 53 rate 1/m burst 2", "drop proto udp");
	udp_passes(53);
	udp_passes(53);
	udp_drops(53, FILTER_RATE);
	udp_drops(54, FILTER_RULE);
	assert_int_equal(filter_counters(0).packets, 3);
	assert_int_equal(filter_counters(0).exceeded, 1);
	assert_int_equal(filter_counters(1).packets, 1);
	/* within its rate `drop` leaves the packet to the rules behind it */
	filter_rules("drop proto udp to any port 63 rate 1/m burst 1", "accept");
	udp_passes(63);
	udp_drops(63, FILTER_RATE);
	assert_int_equal(filter_counters(1).packets, 1);
	/* a dry run of a rate */
	filter_rules("accept proto udp to any port 73 rate 1/m burst 1 count-only", "accept");
	udp_passes(73);
	udp_passes(73);
	udp_passes(73);
	assert_int_equal(filter_counters(0).packets, 3);
	assert_int_equal(filter_counters(0).exceeded, 2);
}

static void test_rate_per_source(void **state)
{
	(void)state;
	filter_rules("accept rate 1/m burst 1 per source/24");
	packet_passes(PASS_TRANSIT, .from = "198.51.100.1", .to = "192.0.2.7", UDP);
	packet_drops(FILTER_RATE, .from = "198.51.100.99", .to = "192.0.2.7", UDP);
	packet_passes(PASS_TRANSIT, .from = "198.51.101.1", .to = "192.0.2.7", UDP);
	packet_passes(PASS_TRANSIT, .from = "2001:db8:1:1::1", .to = "2001:db8::7", UDP);
	filter_rules("accept rate 2/m burst 1 per source");
	packet_passes(PASS_TRANSIT, .from = "198.51.100.1", .to = "192.0.2.7", UDP);
	packet_passes(PASS_TRANSIT, .from = "198.51.100.2", .to = "192.0.2.7", UDP);
	packet_drops(FILTER_RATE, .from = "198.51.100.2", .to = "192.0.2.7", UDP);
	packet_passes(PASS_TRANSIT, .from = "2001:db8:1:1::1", .to = "2001:db8::7", UDP);
	packet_drops(FILTER_RATE, .from = "2001:db8:1:1:ffff::1", .to = "2001:db8::7", UDP);
	packet_passes(PASS_TRANSIT, .from = "2001:db8:1:2::1", .to = "2001:db8::7", UDP);
}

int cases_filter(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_words, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_first_match_wins, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_default, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_count_only, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_counters_survive, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_many_passing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_rate, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_rate_per_source, set_up, tear_down),
	};
	int failed;

	filter_open(&node_a);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	filter_close();
	return failed;
}
