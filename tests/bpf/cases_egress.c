// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What leaves: a node that does not serve says nothing in a VIP's name, whoever made
 * the frame; with mac: virtual the gateway's frames carry the virtual MAC.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <string.h>

#include "cases.h"
#include "rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define SENT TC_ACT_UNSPEC
#define HELD TC_ACT_SHOT

static struct frame f;

static int set_up(void **state)
{
	(void)state;
	rig_reset(&node_a);
	rig_reset(&node_v);
	return 0;
}

static void udp(const uint8_t *mac, const char *from, int tags)
{
	bool is_ip6 = strchr(from, ':');

	frame_ether(&f, mac_host, mac, is_ip6 ? ETH_P_IPV6 : ETH_P_IP, tags);
	if (is_ip6)
		frame_ip6(&f, from, "2001:db8:9::9", IPPROTO_UDP);
	else
		frame_ip4(&f, from, "203.0.113.9", IPPROTO_UDP);
	frame_udp(&f, 53, 1000);
	frame_payload(&f, NULL, 30);
	frame_finish(&f);
}

static void arp(const uint8_t *mac, const char *spa)
{
	frame_ether(&f, mac_all, mac, ETH_P_ARP, 0);
	frame_arp(&f, 1, mac, spa, "10.1.0.9");
}

/* with `headers` extension headers before it, as MLD and fools send them */
static void nd(const uint8_t *mac, uint8_t type, const char *from, const char *target, int headers)
{
	int i;

	frame_ether(&f, mac_host, mac, ETH_P_IPV6, 0);
	frame_ip6(&f, from, "ff02::1", headers ? IPPROTO_HOPOPTS : IPPROTO_ICMPV6);
	for (i = 0; i < headers; i++)
		frame_ip6_extension(&f, IPPROTO_HOPOPTS,
				    i + 1 < headers ? IPPROTO_DSTOPTS : IPPROTO_ICMPV6, 8);
	frame_nd(&f, type, target, mac);
	frame_finish(&f);
}

static void test_silence(void **state)
{
	static const char *const vips[] = { "10.1.0.1", "10.2.0.1", "fd01::1", "fe80::1" };
	int drain, tags;
	size_t i;

	(void)state;
	for (drain = 0; drain < 2; drain++) {
		if (drain)
			rig_drain(&node_a);
		for (i = 0; i < sizeof(vips) / sizeof(*vips); i++) {
			for (tags = 0; tags <= 2; tags++) {
				udp(node_a.lan_mac, vips[i], tags);
				expect_egress(&node_a, RIG_LAN, false, &f, HELD, EGRESS_VIP);
				expect_egress(&node_a, RIG_LAN, true, &f, HELD, EGRESS_VIP);
			}
		}
		arp(node_a.lan_mac, "10.1.0.1");
		expect_egress(&node_a, RIG_LAN, false, &f, HELD, EGRESS_ARP);
		nd(node_a.lan_mac, ND_NEIGHBOR_ADVERT, "fe80::2", "fd01::1", 0);
		expect_egress(&node_a, RIG_LAN, false, &f, HELD, EGRESS_ARP);
		nd(node_a.lan_mac, ND_NEIGHBOR_ADVERT, "fe80::2", "fd01::1", 3);
		expect_egress(&node_a, RIG_LAN, false, &f, HELD, EGRESS_ARP);
		nd(node_a.lan_mac, ND_ROUTER_ADVERT, "fe80::2", "::", 0);
		expect_egress(&node_a, RIG_LAN, false, &f, HELD, EGRESS_RA);
		nd(node_a.lan_mac, 143, "fd01::1", "::", 1); /* MLD report */
		expect_egress(&node_a, RIG_LAN, false, &f, HELD, EGRESS_VIP);
	}
}

static void test_own(void **state)
{
	static const char *const own[] = { "10.1.0.2", "10.2.0.2", "fd01::2", "fe80::2" };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(own) / sizeof(*own); i++) {
		udp(node_a.lan_mac, own[i], 1);
		expect_egress(&node_a, RIG_LAN, false, &f, SENT, EGRESS_PASS);
		udp(node_v.lan_mac, own[i], 0);
		expect_egress(&node_v, RIG_LAN, false, &f, SENT, EGRESS_PASS);
		rig_serve(&node_v, RIG_EPOCH_A); /* keeps the NIC's MAC also while serving */
		expect_egress(&node_v, RIG_LAN, false, &f, SENT, EGRESS_PASS);
		assert_memory_equal(node_v.out.data, f.data, f.len);
		rig_reset(&node_v);
	}
	arp(node_a.lan_mac, "10.1.0.2");
	expect_egress(&node_a, RIG_LAN, false, &f, SENT, EGRESS_PASS);
	nd(node_a.lan_mac, ND_NEIGHBOR_ADVERT, "fd01::2", "fd01::2", 0);
	expect_egress(&node_a, RIG_LAN, false, &f, SENT, EGRESS_PASS);
	nd(node_a.lan_mac, ND_NEIGHBOR_SOLICIT, "fd01::2", "fd01::1", 0); /* asks for the VIP */
	expect_egress(&node_a, RIG_LAN, false, &f, SENT, EGRESS_PASS);
	frame_ether(&f, mac_all, node_a.lan_mac, 0x88cc, 0);
	frame_payload(&f, NULL, 40);
	expect_egress(&node_a, RIG_LAN, false, &f, SENT, EGRESS_PASS);
	frame_ether(&f, mac_host, node_a.lan_mac, ETH_P_IPV6, 0); /* data that looks like RA */
	frame_ip6(&f, "fd01::2", "fd01::9", IPPROTO_FRAGMENT);
	frame_ip6_fragment(&f, 800, true, IPPROTO_ICMPV6);
	frame_icmp(&f, ND_ROUTER_ADVERT);
	frame_finish(&f);
	expect_egress(&node_a, RIG_LAN, false, &f, SENT, EGRESS_PASS);
}

static void test_transit(void **state)
{
	(void)state;
	udp(node_a.lan_mac, "198.51.100.1", 0);
	expect_egress(&node_a, RIG_LAN, true, &f, HELD, EGRESS_TRANSIT);
	expect_egress(&node_a, RIG_LAN, false, &f, SENT, EGRESS_PASS); /* made here */
	rig_drain(&node_a);
	expect_egress(&node_a, RIG_LAN, true, &f, SENT, EGRESS_PASS);
	rig_serve(&node_a, RIG_EPOCH_A);
	expect_egress(&node_a, RIG_LAN, true, &f, SENT, EGRESS_PASS);
	rig_reset(&node_a);
	udp(node_a.lan_mac, "2001:db8:5::1", 2);
	expect_egress(&node_a, RIG_WAN, true, &f, HELD, EGRESS_TRANSIT);
	udp(node_a.lan_mac, "10.1.0.2", 0); /* of a container, behind the own address */
	expect_egress(&node_a, RIG_LAN, true, &f, SENT, EGRESS_PASS);
}

static void test_serving(void **state)
{
	(void)state;
	rig_serve(&node_a, RIG_EPOCH_A);
	udp(node_a.lan_mac, "10.1.0.1", 0);
	expect_egress(&node_a, RIG_LAN, false, &f, SENT, EGRESS_PASS);
	arp(node_a.lan_mac, "10.1.0.1");
	expect_egress(&node_a, RIG_LAN, false, &f, SENT, EGRESS_PASS);
	nd(node_a.lan_mac, ND_ROUTER_ADVERT, "fe80::2", "::", 0);
	expect_egress(&node_a, RIG_LAN, false, &f, SENT, EGRESS_PASS);
}

/* The virtual MAC belongs to whoever serves, also where only ARP names it. */
static void test_virtual_silence(void **state)
{
	(void)state;
	frame_ether(&f, mac_all, mac_virtual, 0x88cc, 0);
	frame_payload(&f, NULL, 40);
	expect_egress(&node_v, RIG_LAN, false, &f, HELD, EGRESS_MAC);
	udp(mac_virtual, "10.1.0.2", 0);
	expect_egress(&node_v, RIG_LAN, false, &f, HELD, EGRESS_MAC);
	arp(mac_virtual, "10.1.0.2");
	memcpy(f.data + 6, node_v.lan_mac, 6);
	expect_egress(&node_v, RIG_LAN, false, &f, HELD, EGRESS_MAC);
	rig_drain(&node_v);
	expect_egress(&node_v, RIG_LAN, false, &f, HELD, EGRESS_MAC);
	udp(node_v.lan_mac, "198.51.100.1", 0); /* draining: transit, from the NIC's MAC */
	expect_egress(&node_v, RIG_LAN, true, &f, SENT, EGRESS_PASS);
	assert_memory_equal(node_v.out.data, f.data, f.len);
}

/* Equal but for the MAC at `at` and, when it has one, the checksum. */
static void check_vmac(size_t at)
{
	memcpy(f.data + 6, mac_virtual, 6);
	if (at)
		memcpy(f.data + at, mac_virtual, 6);
	if (f.l4)
		frame_finish(&f);
	assert_int_equal(node_v.out.len, f.len);
	assert_memory_equal(node_v.out.data, f.data, f.len);
}

static void test_virtual(void **state)
{
	int tags;

	(void)state;
	rig_serve(&node_v, RIG_EPOCH_A);
	for (tags = 0; tags <= 2; tags++) {
		udp(node_v.lan_mac, "198.51.100.1", tags);
		expect_egress(&node_v, RIG_LAN, true, &f, SENT, EGRESS_VMAC);
		check_vmac(0);
		udp(node_v.lan_mac, "fd01::1", tags);
		expect_egress(&node_v, RIG_LAN, false, &f, SENT, EGRESS_VMAC);
		check_vmac(0);
	}
	arp(node_v.lan_mac, "10.1.0.1");
	expect_egress(&node_v, RIG_LAN, false, &f, SENT, EGRESS_VMAC);
	check_vmac(f.l3 + 8);
	arp(node_v.lan_mac, "10.1.0.2");
	expect_egress(&node_v, RIG_LAN, false, &f, SENT, EGRESS_PASS);
	nd(node_v.lan_mac, ND_NEIGHBOR_ADVERT, "fe80::2", "fd01::1", 0);
	expect_egress(&node_v, RIG_LAN, false, &f, SENT, EGRESS_VMAC);
	check_vmac(f.l4 + 26);
	nd(node_v.lan_mac, ND_NEIGHBOR_SOLICIT, "fd01::1", "fd01::9", 0); /* in the VIP's name */
	expect_egress(&node_v, RIG_LAN, false, &f, SENT, EGRESS_VMAC);
	check_vmac(f.l4 + 26);
	nd(mac_virtual, ND_NEIGHBOR_ADVERT, "fd01::1", "fd01::1", 0); /* by the agent, complete */
	expect_egress(&node_v, RIG_LAN, false, &f, SENT, EGRESS_VMAC);
	check_vmac(0);
	nd(node_v.lan_mac, ND_NEIGHBOR_ADVERT, "fe80::2", "fe80::2", 0);
	expect_egress(&node_v, RIG_LAN, false, &f, SENT, EGRESS_PASS);
	udp(node_v.lan_mac, "10.1.0.2", 0); /* a heartbeat, say */
	expect_egress(&node_v, RIG_LAN, false, &f, SENT, EGRESS_PASS);
	assert_memory_equal(node_v.out.data, f.data, f.len);
}

/* An advertised router's option stands behind others. */
static void test_virtual_options(void **state)
{
	static const uint8_t mtu[8] = { 5, 1, 0, 0, 0, 0, 5, 0xdc };

	(void)state;
	rig_serve(&node_v, RIG_EPOCH_A);
	frame_ether(&f, mac_all, node_v.lan_mac, ETH_P_IPV6, 1);
	frame_ip6(&f, "fe80::1", "ff02::1", IPPROTO_ICMPV6);
	frame_icmp(&f, ND_ROUTER_ADVERT);
	frame_payload(&f, NULL, 8);
	frame_payload(&f, mtu, 8);
	frame_payload(&f, "\1\1", 2);
	frame_payload(&f, node_v.lan_mac, 6);
	frame_finish(&f);
	expect_egress(&node_v, RIG_LAN, false, &f, SENT, EGRESS_VMAC);
	check_vmac(f.l4 + 26);
}

static void test_bad(void **state)
{
	size_t len;

	(void)state;
	for (len = 15; len < 42; len++) {
		arp(node_a.lan_mac, "10.1.0.2");
		f.len = len;
		expect_egress(&node_a, RIG_LAN, false, &f, HELD, EGRESS_BAD);
	}
	/* behind a tag: newer kernels refuse to run short IP packets without one */
	for (len = 15; len < 38; len++) {
		udp(node_a.lan_mac, "10.1.0.2", 1);
		f.len = len;
		expect_egress(&node_a, RIG_LAN, false, &f, HELD, EGRESS_BAD);
	}
	for (len = 54; len < 86; len++) {
		nd(node_a.lan_mac, ND_NEIGHBOR_ADVERT, "fd01::2", "fd01::2", 1);
		f.len = len;
		expect_egress(&node_a, RIG_LAN, false, &f, HELD, EGRESS_BAD);
	}
	udp(node_a.lan_mac, "10.1.0.1", 3);
	expect_egress(&node_a, RIG_LAN, false, &f, HELD, EGRESS_BAD);
	nd(node_a.lan_mac, ND_NEIGHBOR_ADVERT, "fe80::2", "fd01::1", 9);
	expect_egress(&node_a, RIG_LAN, false, &f, HELD, EGRESS_BAD);
	udp(node_a.lan_mac, "10.1.0.1", 0); /* a NIC that is no port of ours */
	assert_int_equal(rig_run_egress(&node_a, RIG_FOREIGN, false, &f), HG_R_COUNT);
	assert_int_equal(node_a.verdict, SENT);
}

int cases_egress(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_silence, set_up),
		cmocka_unit_test_setup(test_own, set_up),
		cmocka_unit_test_setup(test_transit, set_up),
		cmocka_unit_test_setup(test_serving, set_up),
		cmocka_unit_test_setup(test_virtual_silence, set_up),
		cmocka_unit_test_setup(test_virtual, set_up),
		cmocka_unit_test_setup(test_virtual_options, set_up),
		cmocka_unit_test_setup(test_bad, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
