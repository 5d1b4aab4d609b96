// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The rules, one packet at a time: what each word of a rule matches, which rule decides,
 * what is counted, and what no rule can touch.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "cases.h"
#include "filter_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

enum part { WHOLE, FIRST, LATER }; /* of a fragmented packet */

struct packet {
	const char *from, *to;
	uint8_t proto;
	uint16_t sport, dport;
	uint8_t octet; /* TCP flags, or ICMP type */
	enum rig_port port;
	int tags; /* outer VLAN: 101 of one, 102 of two */
	enum part part;
	bool has_extensions; /* options of IPv4, extension headers of IPv6 */
};

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

static void put_ip4(const struct packet *p)
{
	frame_ip4(&f, p->from, p->to, p->proto);
	if (p->has_extensions)
		frame_ip4_options(&f, 12);
	if (p->part == FIRST)
		f.data[f.l3 + 6] = 0x20;
	if (p->part == LATER)
		f.data[f.l3 + 7] = 185;
}

static void put_ip6(const struct packet *p)
{
	uint8_t first = p->part == WHOLE ? p->proto : IPPROTO_FRAGMENT;

	frame_ip6(&f, p->from, p->to, p->has_extensions ? IPPROTO_HOPOPTS : first);
	if (p->has_extensions) {
		frame_ip6_extension(&f, IPPROTO_HOPOPTS, IPPROTO_DSTOPTS, 16);
		frame_ip6_extension(&f, IPPROTO_DSTOPTS, first, 8);
	}
	if (p->part != WHOLE)
		frame_ip6_fragment(&f, p->part == LATER ? 1480 : 0, p->part == FIRST, p->proto);
}

static void put_transport(const struct packet *p)
{
	static const uint8_t rest[12] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 };

	if (p->part == LATER) { /* what would be ports, flags and a type */
		frame_payload(&f, rest, sizeof(rest));
		return;
	}
	if (p->proto == IPPROTO_TCP) {
		frame_tcp(&f, p->sport, p->dport);
		f.data[f.l4 + 13] = p->octet;
	} else if (p->proto == IPPROTO_ICMP || p->proto == IPPROTO_ICMPV6) {
		frame_icmp(&f, p->octet);
	} else {
		frame_udp(&f, p->sport, p->dport); /* SCTP and UDP-Lite begin alike */
		frame_payload(&f, rest, sizeof(rest));
	}
}

static void make(const struct packet *p)
{
	bool is_ip6 = strchr(p->to, ':');

	frame_ether(&f, p->port == RIG_LAN ? node_a.lan_mac : node_a.wan_mac, mac_host,
		    is_ip6 ? ETH_P_IPV6 : ETH_P_IP, p->tags);
	if (is_ip6)
		put_ip6(p);
	else
		put_ip4(p);
	put_transport(p);
	frame_finish(&f);
}

#define V4 .from = "203.0.113.9", .to = "192.0.2.7"
#define V6 .from = "2001:db8:9::9", .to = "2001:db8::7"
#define TCP .proto = IPPROTO_TCP, .sport = 1000, .dport = 80
#define SYN TCP, .octet = 0x02
#define UDP .proto = IPPROTO_UDP, .sport = 1000, .dport = 53
#define SCTP .proto = IPPROTO_SCTP, .sport = 1000, .dport = 80
#define UDPLITE .proto = IPPROTO_UDPLITE, .sport = 1000, .dport = 80
#define ICMP .proto = IPPROTO_ICMP
#define PING ICMP, .octet = 8
#define ICMP6 .proto = IPPROTO_ICMPV6
#define PING6 ICMP6, .octet = 128

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
		make(&rows[i].packet);
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

	make(&packet);
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

static void expect(const struct packet *packet, int verdict, enum hg_reason reason, int line)
{
	make(packet);
	rig_expect_gate(&node_a, packet->port, &f, verdict, reason, __FILE__, line);
}
#define SSH .proto = IPPROTO_TCP, .sport = 999, .dport = 22
#define packet_passes(reason, ...) \
	expect(&(const struct packet){ __VA_ARGS__ }, XDP_PASS, HG_R_##reason, __LINE__)
#define packet_drops(reason, ...) \
	expect(&(const struct packet){ __VA_ARGS__ }, XDP_DROP, HG_R_##reason, __LINE__)

/* Not even `drop` alone locks the operator out; everything else it does cut. */
static void test_failsafe(void **state)
{
	(void)state;
	filter_rules_or_drop("drop");
	filter_block("203.0.113.0/24", UINT64_MAX);
	packet_passes(PASS_FAILSAFE, .from = "203.0.113.9", .to = "10.1.0.2", SSH);
	packet_passes(PASS_FAILSAFE, .from = "2001:db8::9", .to = "fd02::2", SSH, .tags = 1);
	packet_drops(FILTER_BLOCKED, .from = "203.0.113.9", .to = "10.1.0.1", SSH);
	packet_drops(FILTER_RULE, .from = "198.51.100.9", .to = "10.1.0.1", SSH);
	packet_drops(FILTER_RULE, .from = "198.51.100.9", .to = "10.1.0.2", UDP);
	packet_drops(FILTER_RULE, .from = "198.51.100.9", .to = "10.1.0.2", TCP);
	filter_unblock("203.0.113.0/24");
}

static void nd(uint8_t type, const char *to, uint8_t hops)
{
	frame_ether(&f, node_a.lan_mac, mac_host, ETH_P_IPV6, 0);
	frame_ip6(&f, "fd01::9", to, IPPROTO_ICMPV6);
	frame_nd(&f, type, "fd01::77", mac_host);
	f.data[f.l3 + 7] = hops;
	frame_finish(&f);
}

static void test_neighbours(void **state)
{
	uint8_t type;

	(void)state;
	filter_rules_or_drop("drop");
	filter_block("fd01::9", UINT64_MAX);
	for (type = 133; type <= 137; type++) {
		nd(type, "fd01::2", 255);
		expect_gate(&node_a, RIG_LAN, &f, XDP_PASS, PASS_OWN);
		nd(type, "fe80::1234", 255);
		expect_gate(&node_a, RIG_LAN, &f, XDP_PASS, PASS_OWN);
		nd(type, "ff02::1", 255);
		expect_gate(&node_a, RIG_LAN, &f, XDP_PASS, PASS_MULTICAST);
		nd(type, "fd01::1", 255);
		expect_gate(&node_a, RIG_LAN, &f, XDP_PASS, PASS_VIP);
		nd(type, "2001:db8::7", 255); /* not for anybody here */
		expect_gate(&node_a, RIG_LAN, &f, XDP_DROP, FILTER_BLOCKED);
		nd(type, "fd01::2", 254); /* through a router */
		expect_gate(&node_a, RIG_LAN, &f, XDP_DROP, FILTER_BLOCKED);
	}
	filter_unblock("fd01::9");
	nd(132, "ff02::1", 255);
	expect_gate(&node_a, RIG_LAN, &f, XDP_DROP, FILTER_RULE);
	nd(138, "fd01::2", 255);
	expect_gate(&node_a, RIG_LAN, &f, XDP_DROP, FILTER_RULE);
	/* Questions about a VIP are answered, advertisements are watched. */
	frame_ether(&f, node_a.lan_mac, mac_host, ETH_P_IPV6, 0);
	frame_ip6(&f, "fd01::9", "fd01::1", IPPROTO_ICMPV6);
	frame_nd(&f, 135, "fd01::1", mac_host);
	frame_finish(&f);
	expect_gate(&node_a, RIG_LAN, &f, XDP_TX, ND_ANSWERED);
}

static void test_arp(void **state)
{
	(void)state;
	filter_rules_or_drop("drop");
	frame_ether(&f, mac_all, mac_host, ETH_P_ARP, 0);
	frame_arp(&f, 1, mac_host, "10.1.0.9", "10.1.0.1");
	expect_gate(&node_a, RIG_LAN, &f, XDP_TX, ARP_ANSWERED);
	frame_ether(&f, mac_all, mac_host, ETH_P_ARP, 0);
	frame_arp(&f, 1, mac_host, "10.1.0.9", "10.1.0.2");
	expect_gate(&node_a, RIG_LAN, &f, XDP_PASS, PASS_ARP);
	frame_ether(&f, node_a.lan_mac, mac_host, 0x88cc, 0); /* LLDP: not IP */
	frame_payload(&f, NULL, 40);
	expect_gate(&node_a, RIG_LAN, &f, XDP_PASS, PASS_OTHER);
}

/* Heartbeats are dealt with before any filter. */
static void test_heartbeats(void **state)
{
	struct hg_wire_head head = {
		.magic = htons(HG_WIRE_MAGIC),
		.version = HG_WIRE_VERSION,
		.type = HG_WIRE_PROBE,
		.length = htons(HG_WIRE_SHORT),
		.sender = 2,
		.receiver = 1,
		.key_id = htonl(0x50),
		.port = htonl(hg_port_id("lan")),
	};
	const struct ends ends = { node_a.lan_mac, mac_host, "10.1.0.2", "10.1.0.3", 0 };
	uint8_t wire[HG_WIRE_SHORT] = { 0 };

	(void)state;
	filter_rules_or_drop("drop");
	filter_block("10.1.0.3", UINT64_MAX);
	head.seq = htobe64(rig_now());
	memcpy(wire, &head, sizeof(head));
	wire_sign(wire, sizeof(wire), (const uint64_t *)node_a.key[HG_KEY_SESSION0].rx);
	frame_heartbeat(&f, &ends, wire, sizeof(wire));
	expect_gate(&node_a, RIG_LAN, &f, XDP_TX, PEER_PROBE);
	filter_unblock("10.1.0.3");
}

/* Transit and VIPs go by the lease also when the filter lets them pass. */
static void test_owner_comes_after(void **state)
{
	(void)state;
	filter_rules("accept");
	node_a.state->lease_until = 0;
	packet_drops(TRANSIT_SILENT, V4, UDP);
	packet_drops(VIP_SILENT, .from = "203.0.113.9", .to = "10.1.0.1", UDP);
	packet_passes(PASS_OWN, .from = "203.0.113.9", .to = "10.1.0.2", UDP);
	filter_rules("drop");
	packet_drops(FILTER_RULE, V4, UDP);
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
		cmocka_unit_test_setup_teardown(test_failsafe, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_neighbours, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_arp, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_heartbeats, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_owner_comes_after, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_rate, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_rate_per_source, set_up, tear_down),
	};
	int failed;

	filter_open(&node_a);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	filter_close();
	return failed;
}
