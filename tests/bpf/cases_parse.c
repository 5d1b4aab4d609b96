// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Parsing: what is malformed is dropped with its reason, on a serving node, and
 * everything else comes through the parser whole.
 */
#include <errno.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <netinet/in.h>
#include <string.h>

#include "cases.h"
#include "rig.h"

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

static void ether(uint16_t proto, int tags)
{
	frame_ether(&f, node_a.lan_mac, mac_host, proto, tags);
}

static void udp4(int tags)
{
	ether(ETH_P_IP, tags);
	frame_ip4(&f, "10.1.0.9", "192.0.2.1", IPPROTO_UDP);
	frame_udp(&f, 1000, 53);
	frame_payload(&f, NULL, 20);
	frame_finish(&f);
}

static void udp6(int tags)
{
	ether(ETH_P_IPV6, tags);
	frame_ip6(&f, "fd01::9", "2001:db8::1", IPPROTO_UDP);
	frame_udp(&f, 1000, 53);
	frame_payload(&f, NULL, 20);
	frame_finish(&f);
}

static void test_plain(void **state)
{
	int tags;

	(void)state;
	for (tags = 0; tags <= 2; tags++) {
		udp4(tags);
		expect_gate(&node_a, RIG_LAN, &f, XDP_PASS, PASS_TRANSIT);
		assert_memory_equal(node_a.out.data, f.data, f.len);
		udp6(tags);
		expect_gate(&node_a, RIG_LAN, &f, XDP_PASS, PASS_TRANSIT);
		assert_memory_equal(node_a.out.data, f.data, f.len);
	}
	ether(0x88cc, 0); /* LLDP */
	frame_payload(&f, NULL, 50);
	expect_gate(&node_a, RIG_LAN, &f, XDP_PASS, PASS_OTHER);
}

static void test_foreign(void **state)
{
	static const uint8_t other[6] = { 0x02, 1, 2, 3, 4, 5 };

	(void)state;
	udp4(0);
	memcpy(f.data, other, 6); /* flooded: none of our business, whatever is in it */
	f.data[f.l3] = 0;
	expect_gate(&node_a, RIG_LAN, &f, XDP_PASS, PASS_OTHER);
	udp4(0); /* a NIC that is no port of ours: not even counted */
	assert_int_equal(rig_run_gate(&node_a, RIG_FOREIGN, &f, f.len), HG_R_COUNT);
	assert_int_equal(node_a.verdict, XDP_PASS);
}

/* The kernel promises an Ethernet header's worth of data to XDP, but it may lie in
 * a second buffer; newer kernels let a test say so. */
static void test_ethernet(void **state)
{
	(void)state;
	udp4(0);
	if (rig_run_gate(&node_a, RIG_LAN, &f, 10) == HG_R_NONE) {
		print_message("this kernel cannot split a test frame inside its header\n");
		skip();
	}
	assert_int_equal(node_a.verdict, XDP_DROP);
	assert_true(rig_has_seen(HG_R_BAD_ETHERNET));
}

static void test_vlan(void **state)
{
	size_t len;

	(void)state;
	udp4(3);
	expect_gate(&node_a, RIG_LAN, &f, XDP_DROP, BAD_VLAN);
	for (len = 14; len < 22; len++) {
		udp4(2);
		f.len = len;
		expect_gate(&node_a, RIG_LAN, &f, XDP_DROP, BAD_VLAN);
	}
}

static void test_arp(void **state)
{
	static const size_t fields[] = { 0, 2, 4, 5 };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(fields) / sizeof(*fields); i++) {
		ether(ETH_P_ARP, 0);
		frame_arp(&f, 1, mac_host, "10.1.0.9", "10.1.0.1");
		f.data[f.l3 + fields[i]] ^= 0x40;
		expect_gate(&node_a, RIG_LAN, &f, XDP_DROP, BAD_ARP);
	}
}

static void test_ip4(void **state)
{
	(void)state;
	udp4(0);
	f.data[f.l3] = 0x55;
	expect_gate(&node_a, RIG_LAN, &f, XDP_DROP, BAD_IP);
	udp4(0);
	f.data[f.l3] = 0x44;
	expect_gate(&node_a, RIG_LAN, &f, XDP_DROP, BAD_IP);
	udp4(0);
	f.data[f.l3 + 3]++; /* longer than the frame */
	expect_gate(&node_a, RIG_LAN, &f, XDP_DROP, BAD_IP);
	udp4(0);
	f.data[f.l3 + 3] = 19; /* shorter than its header */
	expect_gate(&node_a, RIG_LAN, &f, XDP_DROP, BAD_IP);
	udp4(0);
	frame_payload(&f, NULL, 6); /* Ethernet padding is no fault */
	expect_gate(&node_a, RIG_LAN, &f, XDP_PASS, PASS_TRANSIT);
}

static void test_options(void **state)
{
	(void)state;
	ether(ETH_P_IP, 1);
	frame_ip4(&f, "10.1.0.9", "10.1.0.2", IPPROTO_TCP);
	frame_ip4_options(&f, 40);
	frame_tcp(&f, 1000, 22);
	frame_finish(&f);
	expect_gate(&node_a, RIG_LAN, &f, XDP_PASS, PASS_FAILSAFE);
	f.len = f.l3 + 59;
	f.data[f.l3 + 3] = 59;
	expect_gate(&node_a, RIG_LAN, &f, XDP_DROP, BAD_IP);
}

static void test_ip6(void **state)
{
	(void)state;
	udp6(0);
	f.data[f.l3] = 0x50;
	expect_gate(&node_a, RIG_LAN, &f, XDP_DROP, BAD_IP);
	udp6(0);
	f.data[f.l3 + 5]++;
	expect_gate(&node_a, RIG_LAN, &f, XDP_DROP, BAD_IP);
}

static void test_source(void **state)
{
	static const char *const bad4[] = { "224.0.0.1", "255.255.255.255", "127.0.0.1",
					    "0.0.0.0" };
	static const char *const bad6[] = { "ff02::1", "::1", "::" };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad4) / sizeof(*bad4); i++) {
		ether(ETH_P_IP, 0);
		frame_ip4(&f, bad4[i], "192.0.2.1", IPPROTO_UDP);
		frame_udp(&f, 1, 2);
		frame_finish(&f);
		expect_gate(&node_a, RIG_LAN, &f, XDP_DROP, BAD_SOURCE);
	}
	for (i = 0; i < sizeof(bad6) / sizeof(*bad6); i++) {
		ether(ETH_P_IPV6, 0);
		frame_ip6(&f, bad6[i], "2001:db8::1", IPPROTO_UDP);
		frame_udp(&f, 1, 2);
		frame_finish(&f);
		expect_gate(&node_a, RIG_LAN, &f, XDP_DROP, BAD_SOURCE);
	}
	udp4(0);
	f.data[6] |= 1; /* Ethernet source is a group */
	expect_gate(&node_a, RIG_LAN, &f, XDP_DROP, BAD_SOURCE);
	/* hosts without an address may speak to groups */
	frame_ether(&f, mac_all, mac_host, ETH_P_IP, 0);
	frame_ip4(&f, "0.0.0.0", "255.255.255.255", IPPROTO_UDP);
	frame_udp(&f, 68, 67);
	frame_finish(&f);
	expect_gate(&node_a, RIG_LAN, &f, XDP_PASS, PASS_MULTICAST);
}

static void test_land(void **state)
{
	(void)state;
	ether(ETH_P_IP, 0);
	frame_ip4(&f, "10.1.0.2", "10.1.0.2", IPPROTO_TCP);
	frame_tcp(&f, 22, 22);
	frame_finish(&f);
	expect_gate(&node_a, RIG_LAN, &f, XDP_DROP, BAD_LAND);
	ether(ETH_P_IPV6, 0);
	frame_ip6(&f, "fd01::2", "fd01::2", IPPROTO_TCP);
	frame_tcp(&f, 22, 22);
	frame_finish(&f);
	expect_gate(&node_a, RIG_LAN, &f, XDP_DROP, BAD_LAND);
}

static void tcp6_behind(int headers)
{
	int i;

	ether(ETH_P_IPV6, 0);
	frame_ip6(&f, "fd01::9", "fd01::2", headers ? IPPROTO_DSTOPTS : IPPROTO_TCP);
	for (i = 0; i < headers; i++)
		frame_ip6_extension(&f, IPPROTO_DSTOPTS,
				    i + 1 < headers ? IPPROTO_DSTOPTS : IPPROTO_TCP, 8 + 8 * i);
	frame_tcp(&f, 1000, 22);
	frame_finish(&f);
}

static void test_extensions(void **state)
{
	size_t len;
	int i;

	(void)state;
	for (i = 0; i <= 8; i++) {
		tcp6_behind(i);
		expect_gate(&node_a, RIG_LAN, &f, XDP_PASS, PASS_FAILSAFE);
	}
	tcp6_behind(9);
	expect_gate(&node_a, RIG_LAN, &f, XDP_DROP, BAD_EXTENSION);
	for (len = 54; len < 70; len++) { /* both headers, truncated at every octet */
		tcp6_behind(2);
		f.len = len;
		f.data[f.l3 + 5] = len - 54;
		expect_gate(&node_a, RIG_LAN, &f, XDP_DROP, BAD_EXTENSION);
	}
	ether(ETH_P_IPV6, 0); /* one of every kind */
	frame_ip6(&f, "fd01::9", "fd01::2", IPPROTO_HOPOPTS);
	frame_ip6_extension(&f, IPPROTO_HOPOPTS, IPPROTO_ROUTING, 16);
	frame_ip6_extension(&f, IPPROTO_ROUTING, IPPROTO_AH, 24);
	frame_ip6_extension(&f, IPPROTO_AH, IPPROTO_MH, 28);
	frame_ip6_extension(&f, IPPROTO_MH, IPPROTO_FRAGMENT, 8);
	frame_ip6_fragment(&f, 0, false, IPPROTO_TCP);
	frame_tcp(&f, 1000, 2222);
	frame_finish(&f);
	expect_gate(&node_a, RIG_LAN, &f, XDP_PASS, PASS_FAILSAFE);
	ether(ETH_P_IPV6, 0); /* nothing follows */
	frame_ip6(&f, "fd01::9", "fd01::2", IPPROTO_NONE);
	frame_finish(&f);
	expect_gate(&node_a, RIG_LAN, &f, XDP_PASS, PASS_OWN);
}

static void tcp4(void)
{
	ether(ETH_P_IP, 0);
	frame_ip4(&f, "10.1.0.9", "10.1.0.2", IPPROTO_TCP);
	frame_tcp(&f, 1000, 22);
	frame_finish(&f);
}

static void test_transport(void **state)
{
	(void)state;
	tcp4();
	f.data[f.l4 + 12] = 0x40; /* header of 16 octets */
	expect_gate(&node_a, RIG_LAN, &f, XDP_DROP, BAD_L4);
	tcp4();
	f.data[f.l4 + 12] = 0x60; /* beyond the packet */
	expect_gate(&node_a, RIG_LAN, &f, XDP_DROP, BAD_L4);
	udp4(0);
	f.data[f.l4 + 5] = 7;
	expect_gate(&node_a, RIG_LAN, &f, XDP_DROP, BAD_L4);
	udp4(0);
	f.data[f.l4 + 5]++;
	expect_gate(&node_a, RIG_LAN, &f, XDP_DROP, BAD_L4);
	ether(ETH_P_IP, 0);
	frame_ip4(&f, "10.1.0.9", "10.1.0.2", IPPROTO_ICMP);
	frame_payload(&f, NULL, 7);
	frame_finish(&f);
	expect_gate(&node_a, RIG_LAN, &f, XDP_DROP, BAD_L4);
	frame_payload(&f, NULL, 1);
	frame_finish(&f);
	expect_gate(&node_a, RIG_LAN, &f, XDP_PASS, PASS_OWN);
	tcp4();
	f.data[f.l3 + 9] = 50; /* ESP: nothing known about it */
	expect_gate(&node_a, RIG_LAN, &f, XDP_PASS, PASS_OWN);
}

static void test_fragments(void **state)
{
	(void)state;
	tcp4();
	f.data[f.l3 + 6] = 0x20; /* first fragment: has ports */
	expect_gate(&node_a, RIG_LAN, &f, XDP_PASS, PASS_FAILSAFE);
	tcp4();
	f.data[f.l3 + 7] = 100; /* later one: what looks like a port is data */
	expect_gate(&node_a, RIG_LAN, &f, XDP_PASS, PASS_OWN);
	ether(ETH_P_IPV6, 0);
	frame_ip6(&f, "fd01::9", "fd01::2", IPPROTO_FRAGMENT);
	frame_ip6_fragment(&f, 0, true, IPPROTO_TCP);
	frame_tcp(&f, 1000, 22);
	frame_finish(&f);
	expect_gate(&node_a, RIG_LAN, &f, XDP_PASS, PASS_FAILSAFE);
	ether(ETH_P_IPV6, 0);
	frame_ip6(&f, "fd01::9", "fd01::2", IPPROTO_FRAGMENT);
	frame_ip6_fragment(&f, 1232, false, IPPROTO_DSTOPTS);
	frame_payload(&f, "\0\377", 2); /* no extension header, though it looks like one */
	frame_finish(&f);
	expect_gate(&node_a, RIG_LAN, &f, XDP_PASS, PASS_OWN);
}

/* Cut anywhere, a frame is dropped as malformed and nothing else happens. */
static void test_truncation(void **state)
{
	static struct frame whole;
	enum hg_reason reason;
	size_t len;
	int which;

	(void)state;
	for (which = 0; which < 3; which++) {
		if (which == 0)
			udp4(2);
		else if (which == 1)
			tcp6_behind(3);
		else
			tcp4();
		whole = f;
		for (len = 14; len < whole.len; len++) {
			f.len = len;
			reason = rig_run_gate(&node_a, RIG_LAN, &f, len);
			assert_int_equal(node_a.verdict, XDP_DROP);
			assert_true(reason == HG_R_BAD_VLAN || reason == HG_R_BAD_IP);
		}
	}
	assert_true(rig_has_seen(HG_R_BAD_IP));
}

static void test_jumbo(void **state)
{
	(void)state;
	ether(ETH_P_IP, 1);
	frame_ip4(&f, "10.1.0.9", "192.0.2.1", IPPROTO_UDP);
	frame_udp(&f, 1000, 53);
	frame_payload(&f, NULL, 8900);
	frame_finish(&f);
	expect_gate(&node_a, RIG_LAN, &f, XDP_PASS, PASS_TRANSIT);
	f.data[f.l3 + 3]++;
	expect_gate(&node_a, RIG_LAN, &f, XDP_DROP, BAD_IP);
}

int cases_parse(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_plain, set_up),
		cmocka_unit_test_setup(test_foreign, set_up),
		cmocka_unit_test_setup(test_ethernet, set_up),
		cmocka_unit_test_setup(test_vlan, set_up),
		cmocka_unit_test_setup(test_arp, set_up),
		cmocka_unit_test_setup(test_ip4, set_up),
		cmocka_unit_test_setup(test_options, set_up),
		cmocka_unit_test_setup(test_ip6, set_up),
		cmocka_unit_test_setup(test_source, set_up),
		cmocka_unit_test_setup(test_land, set_up),
		cmocka_unit_test_setup(test_extensions, set_up),
		cmocka_unit_test_setup(test_transport, set_up),
		cmocka_unit_test_setup(test_fragments, set_up),
		cmocka_unit_test_setup(test_truncation, set_up),
		cmocka_unit_test_setup(test_jumbo, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
