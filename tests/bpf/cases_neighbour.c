// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * ARP and neighbour discovery on ingress: answers, silence, conflicts.
 */
#include <arpa/inet.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip6.h>
#include <string.h>

#include "cases.h"
#include "rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

enum { REQUEST = 1, REPLY = 2 };

static struct frame f;

static int set_up(void **state)
{
	(void)state;
	rig_reset(&node_a);
	rig_reset(&node_v);
	return 0;
}

static void arp(const uint8_t *to, uint16_t op, const char *spa, const char *tpa, int tags)
{
	frame_ether(&f, to, mac_host, ETH_P_ARP, tags);
	frame_arp(&f, op, mac_host, spa, tpa);
	frame_payload(&f, NULL, 18); /* as padded by a NIC */
}

/* The answer, octet by octet. */
static void check_arp_answer(const struct rig *rig, const uint8_t *mac, const char *spa,
			     const char *tpa)
{
	static struct frame want;

	frame_ether(&want, mac_host, mac, ETH_P_ARP, 0);
	want.len = 0;
	frame_ether(&want, mac_host, mac, ETH_P_ARP, rig->out.data[12] == 0x81);
	frame_arp(&want, REPLY, mac, spa, tpa);
	memcpy(want.data + want.len - 10, mac_host, 6); /* target */
	assert_memory_equal(rig->out.data, want.data, want.len);
	assert_int_equal(rig->out.len, f.len);
}

static void test_arp_answer(void **state)
{
	(void)state;
	rig_serve(&node_a, RIG_EPOCH_A);
	arp(mac_all, REQUEST, "10.1.0.9", "10.1.0.1", 0);
	expect_gate(&node_a, RIG_LAN, &f, XDP_TX, ARP_ANSWERED);
	check_arp_answer(&node_a, node_a.lan_mac, "10.1.0.1", "10.1.0.9");
	arp(node_a.lan_mac, REQUEST, "10.1.0.9", "10.1.0.1", 1);
	expect_gate(&node_a, RIG_LAN, &f, XDP_TX, ARP_ANSWERED);
	check_arp_answer(&node_a, node_a.lan_mac, "10.1.0.1", "10.1.0.9");
	arp(mac_all, REQUEST, "0.0.0.0", "10.1.0.1", 0); /* is the address free? no */
	expect_gate(&node_a, RIG_LAN, &f, XDP_TX, ARP_ANSWERED);
	arp(mac_all, REQUEST, "10.1.0.9", "10.2.0.1", 0); /* a VIP, but of wan */
	expect_gate(&node_a, RIG_LAN, &f, XDP_DROP, ARP_SILENT);
	expect_gate(&node_a, RIG_WAN, &f, XDP_TX, ARP_ANSWERED);
	rig_serve(&node_v, RIG_EPOCH_A);
	arp(mac_all, REQUEST, "10.1.0.9", "10.1.0.1", 0);
	expect_gate(&node_v, RIG_LAN, &f, XDP_TX, ARP_ANSWERED);
	check_arp_answer(&node_v, mac_virtual, "10.1.0.1", "10.1.0.9");
}

static void test_arp_silent(void **state)
{
	(void)state;
	arp(mac_all, REQUEST, "10.1.0.9", "10.1.0.1", 0);
	expect_gate(&node_a, RIG_LAN, &f, XDP_DROP, ARP_SILENT);
	rig_drain(&node_a);
	expect_gate(&node_a, RIG_LAN, &f, XDP_DROP, ARP_SILENT);
	arp(mac_virtual, REQUEST, "10.1.0.9", "10.1.0.1", 0);
	expect_gate(&node_v, RIG_LAN, &f, XDP_DROP, ARP_SILENT);
	arp(mac_virtual, REQUEST, "10.1.0.9", "10.1.0.2", 0);
	expect_gate(&node_v, RIG_LAN, &f, XDP_DROP, ARP_SILENT);
}

static void test_arp_pass(void **state)
{
	(void)state;
	arp(mac_all, REQUEST, "10.1.0.9", "10.1.0.2", 0);
	expect_gate(&node_a, RIG_LAN, &f, XDP_PASS, PASS_ARP);
	arp(mac_all, REQUEST, "10.1.0.9", "10.1.0.77", 1);
	expect_gate(&node_a, RIG_LAN, &f, XDP_PASS, PASS_ARP);
	rig_serve(&node_a, RIG_EPOCH_A); /* the kernel asked in the name of the VIP */
	arp(node_a.lan_mac, REPLY, "10.1.0.9", "10.1.0.1", 0);
	expect_gate(&node_a, RIG_LAN, &f, XDP_PASS, PASS_ARP);
}

static void test_arp_conflict(void **state)
{
	static const uint8_t vip[4] = { 10, 1, 0, 1 };

	(void)state;
	rig_serve(&node_a, RIG_EPOCH_A);
	arp(mac_all, REQUEST, "10.1.0.1", "10.1.0.1", 0);
	expect_gate(&node_a, RIG_LAN, &f, XDP_DROP, VIP_CONFLICT);
	assert_int_equal(rig_events(&node_a), 1);
	assert_int_equal(node_a.event.type, HG_EVENT_CONFLICT);
	assert_int_equal(node_a.event.slot, RIG_LAN);
	assert_memory_equal(node_a.event.frame.body, mac_host, 6);
	assert_int_equal(node_a.event.frame.body[6], 4);
	assert_memory_equal(node_a.event.frame.body + 8, vip, 4);
	arp(node_a.lan_mac, REPLY, "10.1.0.1", "10.1.0.2", 0);
	expect_gate(&node_a, RIG_LAN, &f, XDP_DROP, VIP_CONFLICT);
	assert_int_equal(rig_events(&node_a), 0); /* told at most ten times a second */
	memcpy(f.data, mac_all, 6);
	expect_gate(&node_a, RIG_WAN, &f, XDP_DROP, VIP_CONFLICT);
	assert_int_equal(rig_events(&node_a), 1); /* each port by itself */
	/* our own announcement, sent back by a team of NICs */
	frame_ether(&f, mac_all, node_a.lan_mac, ETH_P_ARP, 0);
	frame_arp(&f, REQUEST, node_a.lan_mac, "10.1.0.1", "10.1.0.1");
	expect_gate(&node_a, RIG_LAN, &f, XDP_DROP, ARP_SILENT);
	frame_ether(&f, mac_all, node_a.lan_mac, ETH_P_ARP, 0);
	frame_arp(&f, REQUEST, node_a.lan_mac, "10.1.0.2", "10.1.0.1");
	expect_gate(&node_a, RIG_LAN, &f, XDP_DROP, ARP_SILENT);
	assert_int_equal(rig_events(&node_a), 0);
}

/* What the serving node says, heard by the other one. */
static void test_arp_of_peer(void **state)
{
	(void)state;
	arp(mac_all, REQUEST, "10.1.0.1", "10.1.0.1", 0); /* gratuitous */
	expect_gate(&node_a, RIG_LAN, &f, XDP_DROP, ARP_SILENT);
	arp(mac_all, REQUEST, "10.1.0.1", "10.1.0.9", 0);
	expect_gate(&node_a, RIG_LAN, &f, XDP_DROP, ARP_SILENT);
	arp(node_a.lan_mac, REPLY, "10.1.0.1", "10.1.0.2", 0); /* we asked for the gateway */
	expect_gate(&node_a, RIG_LAN, &f, XDP_PASS, PASS_ARP);
	assert_int_equal(rig_events(&node_a), 0);
}

static void nd(uint8_t type, const char *from, const char *to, const char *target,
	       const uint8_t *mac, int tags)
{
	frame_ether(&f, mac_all, mac_host, ETH_P_IPV6, tags);
	memcpy(f.data, (uint8_t[]){ 0x33, 0x33, 0xff, 0, 0, 1 }, 6);
	frame_ip6(&f, from, to, IPPROTO_ICMPV6);
	frame_nd(&f, type, target, mac);
	frame_finish(&f);
}

static void check_na(const struct rig *rig, const uint8_t *to_mac, const char *to, const char *vip,
		     const uint8_t *mac, bool is_solicited, int tags)
{
	static struct frame want;

	frame_ether(&want, to_mac, mac, ETH_P_IPV6, tags);
	frame_ip6(&want, vip, to, IPPROTO_ICMPV6);
	frame_nd(&want, ND_NEIGHBOR_ADVERT, vip, mac);
	want.data[want.l4 + 4] = 0xa0 | (is_solicited ? 0x40 : 0); /* router, override */
	frame_finish(&want);
	assert_int_equal(rig->out.len, want.len);
	assert_memory_equal(rig->out.data, want.data, want.len);
	assert_true(frame_is_sound(&rig->out));
}

static void test_ns_answer(void **state)
{
	int tags;

	(void)state;
	rig_serve(&node_a, RIG_EPOCH_A);
	for (tags = 0; tags <= 2; tags++) {
		nd(ND_NEIGHBOR_SOLICIT, "fd01::9", "ff02::1:ff00:1", "fd01::1", mac_host, tags);
		expect_gate(&node_a, RIG_LAN, &f, XDP_TX, ND_ANSWERED);
		check_na(&node_a, mac_host, "fd01::9", "fd01::1", node_a.lan_mac, true, tags);
		nd(ND_NEIGHBOR_SOLICIT, "fd01::9", "fd01::1", "fd01::1", NULL, tags); /* grows */
		expect_gate(&node_a, RIG_LAN, &f, XDP_TX, ND_ANSWERED);
		check_na(&node_a, mac_host, "fd01::9", "fd01::1", node_a.lan_mac, true, tags);
	}
	nd(ND_NEIGHBOR_SOLICIT, "fd01::9", "fd01::1", "fd01::1", mac_host, 0);
	frame_payload(&f, "\16\1nonce.", 8); /* another option: shrinks */
	frame_finish(&f);
	expect_gate(&node_a, RIG_LAN, &f, XDP_TX, ND_ANSWERED);
	check_na(&node_a, mac_host, "fd01::9", "fd01::1", node_a.lan_mac, true, 0);
	rig_serve(&node_v, RIG_EPOCH_A);
	nd(ND_NEIGHBOR_SOLICIT, "fe80::9", "ff02::1:ff00:1", "fe80::1", mac_host, 0);
	expect_gate(&node_v, RIG_LAN, &f, XDP_TX, ND_ANSWERED);
	check_na(&node_v, mac_host, "fe80::9", "fe80::1", mac_virtual, true, 0);
}

/* Duplicate address detection: the answer goes to everybody (RFC 4861, 7.2.4). */
static void test_ns_probe(void **state)
{
	static const uint8_t all_nodes[6] = { 0x33, 0x33, 0, 0, 0, 1 };

	(void)state;
	rig_serve(&node_a, RIG_EPOCH_A);
	nd(ND_NEIGHBOR_SOLICIT, "::", "ff02::1:ff00:1", "fd01::1", NULL, 0);
	expect_gate(&node_a, RIG_LAN, &f, XDP_TX, ND_ANSWERED);
	check_na(&node_a, all_nodes, "ff02::1", "fd01::1", node_a.lan_mac, false, 0);
	nd(ND_NEIGHBOR_SOLICIT, "::", "ff02::1:ff00:2", "fd01::1", NULL, 0); /* wrong group */
	expect_gate(&node_a, RIG_LAN, &f, XDP_DROP, BAD_L4);
}

static void test_ns_silent(void **state)
{
	(void)state;
	nd(ND_NEIGHBOR_SOLICIT, "fd01::9", "ff02::1:ff00:1", "fd01::1", mac_host, 0);
	expect_gate(&node_a, RIG_LAN, &f, XDP_DROP, ND_SILENT);
	rig_drain(&node_a);
	expect_gate(&node_a, RIG_LAN, &f, XDP_DROP, ND_SILENT);
	rig_serve(&node_a, RIG_EPOCH_A);
	expect_gate(&node_a, RIG_WAN, &f, XDP_DROP, ND_SILENT); /* not of this port */
	f.data[f.l3 + 7] = 254; /* came through a router */
	expect_gate(&node_a, RIG_LAN, &f, XDP_DROP, BAD_L4);
	nd(ND_NEIGHBOR_SOLICIT, "fd01::9", "ff02::1:ff00:1", "fd01::1", mac_host, 0);
	memcpy(f.data + 6, node_a.lan_mac, 6); /* our own, come back */
	expect_gate(&node_a, RIG_LAN, &f, XDP_DROP, ND_SILENT);
	f.len = f.l4 + 20;
	f.data[f.l3 + 5] = 20;
	expect_gate(&node_a, RIG_LAN, &f, XDP_DROP, BAD_L4);
}

static void test_ns_pass(void **state)
{
	(void)state;
	rig_serve(&node_a, RIG_EPOCH_A);
	nd(ND_NEIGHBOR_SOLICIT, "fd01::9", "ff02::1:ff00:2", "fd01::2", mac_host, 0);
	expect_gate(&node_a, RIG_LAN, &f, XDP_PASS, PASS_MULTICAST);
	frame_ether(&f, node_a.lan_mac, mac_host, ETH_P_IPV6, 0);
	frame_ip6(&f, "fd01::9", "fd01::2", IPPROTO_ICMPV6);
	frame_nd(&f, ND_NEIGHBOR_ADVERT, "fd01::9", mac_host);
	frame_finish(&f);
	expect_gate(&node_a, RIG_LAN, &f, XDP_PASS, PASS_OWN);
}

static void test_na(void **state)
{
	(void)state;
	nd(ND_NEIGHBOR_ADVERT, "fd01::1", "ff02::1", "fd01::1", mac_host, 0);
	expect_gate(&node_a, RIG_LAN, &f, XDP_DROP, ND_SILENT); /* the peer announces */
	rig_serve(&node_a, RIG_EPOCH_A);
	expect_gate(&node_a, RIG_LAN, &f, XDP_DROP, VIP_CONFLICT);
	assert_int_equal(rig_events(&node_a), 1);
	assert_int_equal(node_a.event.type, HG_EVENT_CONFLICT);
	assert_memory_equal(node_a.event.frame.body, mac_host, 6);
	assert_int_equal(node_a.event.frame.body[6], 6);
	assert_memory_equal(node_a.event.frame.body + 8, f.data + f.l4 + 8, 16);
	memcpy(f.data + 6, node_a.lan_mac, 6);
	expect_gate(&node_a, RIG_LAN, &f, XDP_DROP, ND_SILENT);
	/* a standby that asked for its gateway */
	node_a.state->lease_until = 0;
	frame_ether(&f, node_a.lan_mac, mac_host, ETH_P_IPV6, 0);
	frame_ip6(&f, "fd01::1", "fd01::2", IPPROTO_ICMPV6);
	frame_nd(&f, ND_NEIGHBOR_ADVERT, "fd01::1", mac_host);
	frame_finish(&f);
	expect_gate(&node_a, RIG_LAN, &f, XDP_PASS, PASS_OWN);
}

/* ARP and solicitations cut at every octet: dropped, never answered, never passed. */
static void test_truncation(void **state)
{
	static struct frame whole;
	size_t len;

	(void)state;
	rig_serve(&node_a, RIG_EPOCH_A);
	arp(mac_all, REQUEST, "10.1.0.9", "10.1.0.1", 2);
	for (len = 14; len < f.l3 + 28; len++) {
		f.len = len;
		rig_run_gate(&node_a, RIG_LAN, &f, len);
		assert_int_equal(node_a.verdict, XDP_DROP);
	}
	nd(ND_NEIGHBOR_SOLICIT, "fd01::9", "ff02::1:ff00:1", "fd01::1", mac_host, 1);
	whole = f;
	for (len = 14; len < whole.l4 + 24; len++) {
		f = whole;
		f.len = len;
		if (len > f.l4) /* a length that fits, so that the parser goes on */
			f.data[f.l3 + 5] = len - f.l4;
		rig_run_gate(&node_a, RIG_LAN, &f, len);
		assert_int_equal(node_a.verdict, XDP_DROP);
	}
}

int cases_neighbour(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_arp_answer, set_up),
		cmocka_unit_test_setup(test_arp_silent, set_up),
		cmocka_unit_test_setup(test_arp_pass, set_up),
		cmocka_unit_test_setup(test_arp_conflict, set_up),
		cmocka_unit_test_setup(test_arp_of_peer, set_up),
		cmocka_unit_test_setup(test_ns_answer, set_up),
		cmocka_unit_test_setup(test_ns_probe, set_up),
		cmocka_unit_test_setup(test_ns_silent, set_up),
		cmocka_unit_test_setup(test_ns_pass, set_up),
		cmocka_unit_test_setup(test_na, set_up),
		cmocka_unit_test_setup(test_truncation, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
