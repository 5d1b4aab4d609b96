// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Who may speak: own addresses always, virtual addresses and transit by the lease,
 * in both MAC modes; the failsafe services.
 */
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
	rig_reset(&node_v);
	return 0;
}

static void udp(const uint8_t *to_mac, const char *to, int tags)
{
	bool is_ip6 = strchr(to, ':');

	frame_ether(&f, to_mac, mac_host, is_ip6 ? ETH_P_IPV6 : ETH_P_IP, tags);
	if (is_ip6)
		frame_ip6(&f, "2001:db8:9::9", to, IPPROTO_UDP);
	else
		frame_ip4(&f, "203.0.113.9", to, IPPROTO_UDP);
	frame_udp(&f, 1000, 53);
	frame_payload(&f, NULL, 4);
	frame_finish(&f);
}

struct row {
	const char *to;
	enum hg_reason silent, drained, served;
};

/* The table of owner.h, for both families. */
static const struct row table[] = {
	{ "10.1.0.2", HG_R_PASS_OWN, HG_R_PASS_OWN, HG_R_PASS_OWN },
	{ "10.2.0.2", HG_R_PASS_OWN, HG_R_PASS_OWN, HG_R_PASS_OWN },
	{ "fd01::2", HG_R_PASS_OWN, HG_R_PASS_OWN, HG_R_PASS_OWN },
	{ "fe80::1234", HG_R_PASS_OWN, HG_R_PASS_OWN, HG_R_PASS_OWN },
	{ "10.1.0.1", HG_R_VIP_SILENT, HG_R_VIP_SILENT, HG_R_PASS_VIP },
	{ "10.2.0.1", HG_R_VIP_SILENT, HG_R_VIP_SILENT, HG_R_PASS_VIP },
	{ "fd01::1", HG_R_VIP_SILENT, HG_R_VIP_SILENT, HG_R_PASS_VIP },
	{ "fe80::1", HG_R_VIP_SILENT, HG_R_VIP_SILENT, HG_R_PASS_VIP },
	{ "192.0.2.7", HG_R_TRANSIT_SILENT, HG_R_PASS_DRAIN, HG_R_PASS_TRANSIT },
	{ "2001:db8::7", HG_R_TRANSIT_SILENT, HG_R_PASS_DRAIN, HG_R_PASS_TRANSIT },
	{ "240.0.0.1", HG_R_TRANSIT_SILENT, HG_R_PASS_DRAIN, HG_R_PASS_TRANSIT },
	{ "10.1.0.3", HG_R_TRANSIT_SILENT, HG_R_PASS_DRAIN, HG_R_PASS_TRANSIT },
	{ "224.0.0.251", HG_R_PASS_MULTICAST, HG_R_PASS_MULTICAST, HG_R_PASS_MULTICAST },
	{ "ff02::fb", HG_R_PASS_MULTICAST, HG_R_PASS_MULTICAST, HG_R_PASS_MULTICAST },
};

static bool is_pass(enum hg_reason reason)
{
	return reason != HG_R_VIP_SILENT && reason != HG_R_TRANSIT_SILENT;
}

static void walk_table(struct rig *rig, size_t offset)
{
	enum hg_reason reason;
	size_t i;
	int tags;

	for (i = 0; i < sizeof(table) / sizeof(*table); i++) {
		memcpy(&reason, (const char *)&table[i] + offset, sizeof(reason));
		for (tags = 0; tags <= 2; tags++) {
			udp(rig->lan_mac, table[i].to, tags);
			rig_expect_gate(rig, RIG_LAN, &f, is_pass(reason) ? XDP_PASS : XDP_DROP,
					reason, table[i].to, tags);
			assert_memory_equal(rig->out.data, f.data, f.len);
		}
	}
}

static void test_table(void **state)
{
	(void)state;
	walk_table(&node_a, offsetof(struct row, silent)); /* as if no agent ever ran */
	rig_drain(&node_a);
	walk_table(&node_a, offsetof(struct row, drained));
	rig_serve(&node_a, RIG_EPOCH_A);
	walk_table(&node_a, offsetof(struct row, served));
}

/* Each condition of serving alone takes it away. */
static void test_lease(void **state)
{
	(void)state;
	udp(node_a.lan_mac, "10.1.0.1", 0);
	rig_serve(&node_a, RIG_EPOCH_A);
	expect_gate(&node_a, RIG_LAN, &f, XDP_PASS, PASS_VIP);
	node_a.state->lease_until = rig_now();
	expect_gate(&node_a, RIG_LAN, &f, XDP_DROP, VIP_SILENT);
	rig_serve(&node_a, RIG_EPOCH_A);
	node_a.state->fence_epoch = RIG_EPOCH_A;
	expect_gate(&node_a, RIG_LAN, &f, XDP_DROP, VIP_SILENT);
	rig_serve(&node_a, RIG_EPOCH_A);
	node_a.state->epoch = 0;
	expect_gate(&node_a, RIG_LAN, &f, XDP_DROP, VIP_SILENT);
}

static void test_broadcast(void **state)
{
	static const uint8_t group[6] = { 0x01, 0, 0x5e, 0, 0, 251 };

	(void)state;
	udp(mac_all, "10.1.0.255", 0); /* a subnet's broadcast address looks like transit */
	expect_gate(&node_a, RIG_LAN, &f, XDP_PASS, PASS_MULTICAST);
	udp(group, "224.0.0.251", 1);
	expect_gate(&node_a, RIG_LAN, &f, XDP_PASS, PASS_MULTICAST);
}

static void tcp(const char *to, uint16_t port)
{
	bool is_ip6 = strchr(to, ':');

	frame_ether(&f, node_a.lan_mac, mac_host, is_ip6 ? ETH_P_IPV6 : ETH_P_IP, 0);
	if (is_ip6)
		frame_ip6(&f, "2001:db8:9::9", to, IPPROTO_TCP);
	else
		frame_ip4(&f, "203.0.113.9", to, IPPROTO_TCP);
	frame_tcp(&f, 1000, port);
	frame_finish(&f);
}

static void test_failsafe(void **state)
{
	(void)state;
	tcp("10.1.0.2", 22);
	expect_gate(&node_a, RIG_LAN, &f, XDP_PASS, PASS_FAILSAFE);
	tcp("fd02::2", 2222);
	expect_gate(&node_a, RIG_LAN, &f, XDP_PASS, PASS_FAILSAFE);
	tcp("10.1.0.2", 80);
	expect_gate(&node_a, RIG_LAN, &f, XDP_PASS, PASS_OWN);
	tcp("10.1.0.2", 0); /* an unused entry matches nothing */
	expect_gate(&node_a, RIG_LAN, &f, XDP_PASS, PASS_OWN);
	tcp("10.1.0.1", 22); /* the VIP's ssh is no way round the lease */
	expect_gate(&node_a, RIG_LAN, &f, XDP_DROP, VIP_SILENT);
}

/* Frames to the virtual MAC reach the kernel under the NIC's, or not at all. */
static void test_virtual(void **state)
{
	(void)state;
	udp(mac_virtual, "192.0.2.7", 1);
	expect_gate(&node_v, RIG_LAN, &f, XDP_DROP, TRANSIT_SILENT);
	udp(mac_virtual, "10.1.0.1", 0);
	expect_gate(&node_v, RIG_LAN, &f, XDP_DROP, VIP_SILENT);
	udp(mac_virtual, "10.1.0.2", 0); /* the other node will bring it */
	expect_gate(&node_v, RIG_LAN, &f, XDP_DROP, TRANSIT_SILENT);
	udp(node_v.lan_mac, "10.1.0.2", 0);
	expect_gate(&node_v, RIG_LAN, &f, XDP_PASS, PASS_OWN);

	rig_drain(&node_v);
	udp(mac_virtual, "192.0.2.7", 0);
	expect_gate(&node_v, RIG_LAN, &f, XDP_PASS, PASS_DRAIN);
	assert_memory_equal(node_v.out.data, node_v.lan_mac, 6);
	udp(mac_virtual, "10.1.0.1", 0);
	expect_gate(&node_v, RIG_LAN, &f, XDP_DROP, VIP_SILENT);

	rig_serve(&node_v, RIG_EPOCH_A);
	udp(mac_virtual, "192.0.2.7", 2);
	expect_gate(&node_v, RIG_WAN, &f, XDP_PASS, PASS_TRANSIT);
	assert_memory_equal(node_v.out.data, node_v.wan_mac, 6);
	assert_memory_equal(node_v.out.data + 6, f.data + 6, f.len - 6);
	udp(mac_virtual, "fd01::1", 0);
	expect_gate(&node_v, RIG_LAN, &f, XDP_PASS, PASS_VIP);
	assert_memory_equal(node_v.out.data, node_v.lan_mac, 6);
	/* with mac: real the same MAC is somebody else's */
	rig_serve(&node_a, RIG_EPOCH_A);
	expect_gate(&node_a, RIG_LAN, &f, XDP_PASS, PASS_OTHER);
}

int cases_owner(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_table, set_up),
		cmocka_unit_test_setup(test_lease, set_up),
		cmocka_unit_test_setup(test_broadcast, set_up),
		cmocka_unit_test_setup(test_failsafe, set_up),
		cmocka_unit_test_setup(test_virtual, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
