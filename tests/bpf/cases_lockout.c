// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What no ruleset and no blocklist can touch: the failsafe services, neighbours,
 * heartbeats; and that the lease goes on after the filter.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <netinet/in.h>
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

/* A rule that drops everything must not keep the nodes from learning the one that mends it:
 * the port that is listened on and those that clients come from, and no more. */
static void test_sync(void **state)
{
	uint16_t port;

	(void)state;
	filter_rules_or_drop("drop");
	for (port = HG_SYNC_PORT - 1; port <= HG_SYNC_PORT + HG_SYNC_PORTS; port++) {
		bool is_in = port >= HG_SYNC_PORT && port < HG_SYNC_PORT + HG_SYNC_PORTS;

		if (is_in)
			packet_passes(PASS_FAILSAFE, .from = "10.1.0.3", .to = "10.1.0.2",
				      .proto = IPPROTO_TCP, .sport = 4703, .dport = port);
		else
			packet_drops(FILTER_RULE, .from = "10.1.0.3", .to = "10.1.0.2",
				     .proto = IPPROTO_TCP, .sport = 4703, .dport = port);
		packet_drops(FILTER_RULE, .from = "10.1.0.3", .to = "10.1.0.1",
			     .proto = IPPROTO_TCP, .sport = 4703, .dport = port);
	}
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

static void from_witness(const char *from, const char *to, uint16_t sport, size_t length,
			 uint8_t version)
{
	struct hg_wire_head head = { .magic = htons(HG_WIRE_MAGIC), .version = version };
	uint8_t wire[HG_WIRE_LONG + 1] = { 0 };

	memcpy(wire, &head, sizeof(head));
	frame_ether(&f, node_a.lan_mac, mac_host, ETH_P_IP, 0);
	frame_ip4(&f, from, to, IPPROTO_UDP);
	frame_udp(&f, sport, 40000);
	frame_payload(&f, wire, length);
	frame_finish(&f);
}

/* Whole frames from its address and port, to this node itself, and nothing else of it. */
static void test_witness(void **state)
{
	static const char witness[] = "198.51.100.44", own[] = "10.1.0.2";
	uint16_t port = HG_WIRE_UDP_PORT + 1;

	(void)state;
	filter_rules_or_drop("drop");
	filter_block(witness, UINT64_MAX);
	from_witness(witness, own, port, HG_WIRE_SHORT, HG_WIRE_VERSION);
	expect_gate(&node_a, RIG_LAN, &f, XDP_PASS, PASS_FAILSAFE);
	from_witness(witness, own, port, HG_WIRE_LONG, HG_WIRE_VERSION);
	expect_gate(&node_a, RIG_LAN, &f, XDP_PASS, PASS_FAILSAFE);
	from_witness(witness, own, port, HG_WIRE_LONG + 1, HG_WIRE_VERSION);
	expect_gate(&node_a, RIG_LAN, &f, XDP_DROP, FILTER_BLOCKED);
	from_witness(witness, own, port, HG_WIRE_SHORT - 1, HG_WIRE_VERSION);
	expect_gate(&node_a, RIG_LAN, &f, XDP_DROP, FILTER_BLOCKED);
	from_witness(witness, own, port, HG_WIRE_SHORT, HG_WIRE_VERSION + 1);
	expect_gate(&node_a, RIG_LAN, &f, XDP_DROP, FILTER_BLOCKED);
	from_witness(witness, own, port + 1, HG_WIRE_SHORT, HG_WIRE_VERSION);
	expect_gate(&node_a, RIG_LAN, &f, XDP_DROP, FILTER_BLOCKED);
	from_witness(witness, "10.1.0.1", port, HG_WIRE_SHORT, HG_WIRE_VERSION); /* a VIP */
	expect_gate(&node_a, RIG_LAN, &f, XDP_DROP, FILTER_BLOCKED);
	filter_unblock(witness);
	from_witness("198.51.100.45", own, port, HG_WIRE_SHORT, HG_WIRE_VERSION);
	expect_gate(&node_a, RIG_LAN, &f, XDP_DROP, FILTER_RULE);
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

int cases_lockout(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_failsafe, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_sync, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_neighbours, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_arp, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_heartbeats, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_witness, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_owner_comes_after, set_up, tear_down),
	};
	int failed;

	filter_open(&node_a);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	filter_close();
	return failed;
}
