// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Frames between nodes: every check, in its order, and that a refused frame has no
 * effect beyond its counter.
 */
#include <arpa/inet.h>
#include <endian.h>
#include <linux/bpf.h>
#include <netinet/in.h>
#include <string.h>

#include "cases.h"
#include "peers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static struct frame f;
static struct hg_wire_short s;
static struct hg_wire_long l;

static int set_up(void **state)
{
	(void)state;
	rig_reset(&node_a);
	rig_reset(&node_b);
	rig_serve(&node_a, RIG_EPOCH_A);
	return 0;
}

/* A PROBE of node B that node A would turn round. */
static void probe(void)
{
	peers_short(&node_b, HG_WIRE_PROBE, RIG_EPOCH_A, 12345, &s);
}

static void send_short(void)
{
	peers_send4(&node_b, &node_a, HG_KEY_SESSION0, &s, sizeof(s), &f);
}

static void send_long(void)
{
	peers_send4(&node_b, &node_a, HG_KEY_CLUSTER, &l, sizeof(l), &f);
}

/* Refused frames must leave no trace. */
static void expect_untouched(void)
{
	static const struct hg_path none;
	struct hg_peer peer = { 0 };

	memcpy(peer.nonce, node_a.peer[0].nonce, sizeof(peer.nonce));
	peer.unauthentic = node_a.peer[0].unauthentic;
	assert_memory_equal(&node_a.peer[0], &peer, sizeof(peer));
	assert_memory_equal(&node_a.path[RIG_LAN], &none, sizeof(none));
	assert_int_equal(rig_events(&node_a), 0);
}

static void test_length(void **state)
{
	size_t cut;

	(void)state;
	probe();
	send_short();
	for (cut = 1; cut <= sizeof(s); cut++) {
		f.len--;
		frame_finish(&f);
		expect_gate(&node_a, RIG_LAN, &f, XDP_DROP, PEER_LENGTH);
	}
	send_short();
	frame_payload(&f, NULL, 1);
	frame_finish(&f);
	expect_gate(&node_a, RIG_LAN, &f, XDP_DROP, PEER_LENGTH);
	peers_long(&node_b, HG_WIRE_PROBE, &l); /* a short type in a long frame */
	send_long();
	expect_gate(&node_a, RIG_LAN, &f, XDP_DROP, PEER_LENGTH);
	peers_short(&node_b, HG_WIRE_HELLO, 0, 0, &s);
	send_short();
	expect_gate(&node_a, RIG_LAN, &f, XDP_DROP, PEER_LENGTH);
	probe();
	s.head.length = htons(sizeof(s) + 1);
	send_short();
	expect_gate(&node_a, RIG_LAN, &f, XDP_DROP, PEER_LENGTH);
	expect_untouched();
}

/* Truncated for real, the IP header still promising the whole. */
static void test_truncation(void **state)
{
	size_t len, whole;

	(void)state;
	peers_long(&node_b, HG_WIRE_HELLO, &l);
	send_long();
	whole = f.len;
	for (len = 14; len < whole; len++) {
		f.len = len;
		rig_run_gate(&node_a, RIG_LAN, &f, len);
		assert_int_equal(node_a.verdict, XDP_DROP);
	}
	expect_untouched();
}

static void test_options(void **state)
{
	(void)state;
	probe(); /* IP options: not from our agent */
	frame_ether(&f, node_a.lan_mac, node_b.lan_mac, 0x0800, 0);
	frame_ip4(&f, "10.1.0.3", "10.1.0.2", IPPROTO_UDP);
	frame_ip4_options(&f, 4);
	frame_udp(&f, HG_WIRE_UDP_PORT, HG_WIRE_UDP_PORT);
	frame_payload(&f, &s, sizeof(s));
	frame_finish(&f);
	expect_gate(&node_a, RIG_LAN, &f, XDP_DROP, PEER_LENGTH);
	expect_untouched();
}

static void test_version(void **state)
{
	(void)state;
	probe();
	s.head.magic ^= htons(1);
	send_short();
	expect_gate(&node_a, RIG_LAN, &f, XDP_DROP, PEER_VERSION);
	probe();
	s.head.version++;
	send_short();
	expect_gate(&node_a, RIG_LAN, &f, XDP_DROP, PEER_VERSION);
	probe();
	s.head.type = 0;
	send_short();
	expect_gate(&node_a, RIG_LAN, &f, XDP_DROP, PEER_VERSION);
	probe();
	s.head.type = HG_WIRE_TYPES;
	send_short();
	expect_gate(&node_a, RIG_LAN, &f, XDP_DROP, PEER_VERSION);
	expect_untouched();
}

static void test_ttl(void **state)
{
	(void)state;
	probe();
	send_short();
	f.data[f.l3 + 8] = 254;
	frame_finish(&f);
	expect_gate(&node_a, RIG_LAN, &f, XDP_DROP, PEER_TTL);
	peers_send6(&node_b, &node_a, HG_KEY_SESSION0, &s, sizeof(s), &f);
	f.data[f.l3 + 7] = 64;
	expect_gate(&node_a, RIG_LAN, &f, XDP_DROP, PEER_TTL);
	expect_untouched();
}

static void test_node(void **state)
{
	(void)state;
	probe();
	s.head.group = 1;
	send_short();
	expect_gate(&node_a, RIG_LAN, &f, XDP_DROP, PEER_NODE);
	probe();
	s.head.receiver = 9;
	send_short();
	expect_gate(&node_a, RIG_LAN, &f, XDP_DROP, PEER_NODE);
	probe();
	s.head.sender = 9;
	send_short();
	expect_gate(&node_a, RIG_LAN, &f, XDP_DROP, PEER_NODE);
	probe();
	s.head.sender = 0; /* unused entries of hg_config.peers are zero */
	send_short();
	expect_gate(&node_a, RIG_LAN, &f, XDP_DROP, PEER_NODE);
	expect_untouched();
	assert_int_equal(node_a.peer[0].unauthentic, 0);
}

static void test_key(void **state)
{
	(void)state;
	peers_long(&node_b, HG_WIRE_HELLO, &l);
	peers_send4(&node_b, &node_a, HG_KEY_SESSION0, &l, sizeof(l), &f); /* not for HELLO */
	expect_gate(&node_a, RIG_LAN, &f, XDP_DROP, PEER_KEY);
	assert_true(node_a.peer[0].unauthentic != 0);
	node_a.peer[0].unauthentic = 0;
	probe();
	peers_send4(&node_b, &node_a, HG_KEY_CLUSTER, &s, sizeof(s), &f);
	expect_gate(&node_a, RIG_LAN, &f, XDP_DROP, PEER_SESSION);
	rig_set_key(&node_b, HG_KEY_SESSION0, 0x77);
	probe();
	send_short();
	expect_gate(&node_a, RIG_LAN, &f, XDP_DROP, PEER_SESSION);
	rig_set_key(&node_b, HG_KEY_SESSION0, 0); /* an unused slot is no key */
	probe();
	send_short();
	expect_gate(&node_a, RIG_LAN, &f, XDP_DROP, PEER_SESSION);
	expect_untouched();
	assert_int_equal(node_a.peer[0].unauthentic, 0); /* a restart is no attack */
}

/* One bit anywhere in the frame, tag included. */
static void test_tag(void **state)
{
	size_t octet, checked = 0;

	(void)state;
	for (octet = 0; octet < sizeof(s); octet++) {
		probe();
		send_short();
		((uint8_t *)frame_wire(&f))[octet] ^= 1;
		if (rig_run_gate(&node_a, RIG_LAN, &f, f.len) == HG_R_PEER_TAG)
			checked++;
		assert_int_equal(node_a.verdict, XDP_DROP);
	}
	assert_int_equal(checked, sizeof(s) - 12); /* the rest fails checks before */
	for (octet = sizeof(l.head); octet < sizeof(l); octet += 9) {
		peers_long(&node_b, HG_WIRE_HELLO, &l);
		send_long();
		((uint8_t *)frame_wire(&f))[octet] ^= 0x80;
		expect_gate(&node_a, RIG_LAN, &f, XDP_DROP, PEER_TAG);
	}
	expect_untouched();
	assert_true(rig_now() - node_a.peer[0].unauthentic < 1000000000u);
}

/* Signed by the right node, but for the other direction: a reflected frame. */
static void test_reflection(void **state)
{
	(void)state;
	probe();
	s.head.key_id = htonl(node_a.key[HG_KEY_SESSION0].id);
	send_short();
	wire_sign(frame_wire(&f), sizeof(s), (const uint64_t *)node_a.key[HG_KEY_SESSION0].tx);
	expect_gate(&node_a, RIG_LAN, &f, XDP_DROP, PEER_TAG);
	expect_untouched();
}

static void test_wiring(void **state)
{
	(void)state;
	probe();
	s.head.port = htonl(hg_port_id("wan"));
	send_short();
	expect_gate(&node_a, RIG_LAN, &f, XDP_DROP, PEER_WIRING);
	assert_int_equal(node_a.path[RIG_LAN].wiring_port, hg_port_id("wan"));
	assert_true(node_a.path[RIG_LAN].wiring != 0);
	node_a.path[RIG_LAN].wiring = 0;
	node_a.path[RIG_LAN].wiring_port = 0;
	expect_untouched();
	probe(); /* a lan frame on the wan NIC; addressed as the sender's ARP found it */
	send_short();
	memcpy(f.data, node_a.wan_mac, 6);
	expect_gate(&node_a, RIG_WAN, &f, XDP_DROP, PEER_WIRING);
	assert_int_equal(node_a.path[RIG_WAN].wiring_port, hg_port_id("lan"));
	expect_untouched();
}

static void test_replay(void **state)
{
	(void)state;
	probe();
	send_short();
	expect_gate(&node_a, RIG_LAN, &f, XDP_TX, PEER_PROBE);
	expect_gate(&node_a, RIG_LAN, &f, XDP_DROP, PEER_REPLAY);
	s.head.seq = htobe64(be64toh(s.head.seq) - 1);
	send_short();
	expect_gate(&node_a, RIG_LAN, &f, XDP_DROP, PEER_REPLAY);
	s.head.seq = htobe64(be64toh(s.head.seq) + 2);
	send_short();
	expect_gate(&node_a, RIG_LAN, &f, XDP_TX, PEER_PROBE);
	peers_short(&node_b, HG_WIRE_CLAIM, RIG_EPOCH_B, 1, &s); /* each type by itself */
	s.head.seq = htobe64(1);
	send_short();
	expect_gate(&node_a, RIG_LAN, &f, XDP_TX, PEER_CLAIM);
	assert_int_equal(node_a.path[RIG_LAN].seq[0][HG_WIRE_CLAIM], 1);
}

/* During a rollover both sessions count by themselves. */
static void test_second_session(void **state)
{
	uint64_t seq;

	(void)state;
	probe();
	send_short();
	expect_gate(&node_a, RIG_LAN, &f, XDP_TX, PEER_PROBE);
	seq = be64toh(s.head.seq);
	rig_set_key(&node_a, HG_KEY_SESSION1, 0x51);
	rig_set_key(&node_b, HG_KEY_SESSION1, 0x51);
	probe();
	s.head.seq = htobe64(5);
	peers_send4(&node_b, &node_a, HG_KEY_SESSION1, &s, sizeof(s), &f);
	expect_gate(&node_a, RIG_LAN, &f, XDP_TX, PEER_PROBE);
	assert_int_equal(node_a.path[RIG_LAN].seq[1][HG_WIRE_PROBE], 5);
	assert_int_equal(node_a.path[RIG_LAN].seq[0][HG_WIRE_PROBE], seq);
	assert_true(wire_is_signed(frame_wire(&node_a.out), sizeof(s),
				   (const uint64_t *)node_a.key[HG_KEY_SESSION1].tx));
	rig_set_key(&node_a, HG_KEY_CLUSTER_NEXT, 0xc2);
	rig_set_key(&node_b, HG_KEY_CLUSTER_NEXT, 0xc2);
	peers_long(&node_b, HG_WIRE_HELLO, &l);
	peers_send4(&node_b, &node_a, HG_KEY_CLUSTER_NEXT, &l, sizeof(l), &f);
	expect_gate(&node_a, RIG_LAN, &f, XDP_DROP, PEER_HELLO);
}

static void test_hello(void **state)
{
	uint64_t before = rig_now();

	(void)state;
	peers_long(&node_b, HG_WIRE_HELLO, &l);
	l.head.agent_age_ms = htons(300);
	send_long();
	expect_gate(&node_a, RIG_LAN, &f, XDP_DROP, PEER_HELLO);
	assert_int_equal(rig_events(&node_a), 1);
	assert_int_equal(node_a.event.type, HG_EVENT_HELLO);
	assert_int_equal(node_a.event.slot, RIG_LAN);
	assert_memory_equal(&node_a.event.frame, &l, sizeof(l));
	assert_true(node_a.event.at >= before && node_a.event.at <= rig_now());
	assert_true(node_a.peer[0].heard >= before);
	assert_int_equal(node_a.peer[0].heard, node_a.path[RIG_LAN].heard);
	assert_int_equal(node_a.peer[0].agent_age, 300000000u);
	assert_int_equal(node_a.path[RIG_LAN].seq[0][HG_WIRE_HELLO], be64toh(l.head.seq));
	expect_gate(&node_a, RIG_LAN, &f, XDP_DROP, PEER_REPLAY);
	peers_send6(&node_b, &node_a, HG_KEY_CLUSTER, &l, sizeof(l), &f);
	expect_gate(&node_a, RIG_LAN, &f, XDP_DROP, PEER_REPLAY);
	peers_long(&node_b, HG_WIRE_NEIGH, &l);
	peers_send6(&node_b, &node_a, HG_KEY_CLUSTER, &l, sizeof(l), &f);
	expect_gate(&node_a, RIG_LAN, &f, XDP_DROP, PEER_NEIGH);
	assert_int_equal(rig_events(&node_a), 1);
	assert_int_equal(node_a.event.type, HG_EVENT_NEIGH);
	assert_memory_equal(&node_a.event.frame, &l, sizeof(l));
}

/* A HELLO of another boot cannot move anything of the session. */
static void test_candidate(void **state)
{
	int i;

	(void)state;
	peers_long(&node_b, HG_WIRE_HELLO, &l);
	l.hello.nonce[15] ^= 1;
	send_long();
	for (i = 0; i < 3; i++) {
		node_a.path[RIG_LAN].candidate_at = i ? rig_now() : 0;
		expect_gate(&node_a, RIG_LAN, &f, XDP_DROP, PEER_NONCE);
		assert_int_equal(rig_events(&node_a), i == 0); /* every 5 ms at most */
	}
	assert_memory_equal(node_a.path[RIG_LAN].candidate, l.hello.nonce, HG_WIRE_NONCE_LEN);
	assert_int_equal(node_a.event.type, HG_EVENT_HELLO);
	assert_int_equal(node_a.peer[0].heard, 0);
	assert_int_equal(node_a.path[RIG_LAN].seq[0][HG_WIRE_HELLO], 0);
	node_a.path[RIG_LAN].candidate_at = rig_now() - 5000001;
	expect_gate(&node_a, RIG_LAN, &f, XDP_DROP, PEER_NONCE);
	assert_int_equal(rig_events(&node_a), 1);
}

/* HELLO also comes to all on the segment, from a peer that does not know our MAC yet;
 * nothing else may. */
static void test_broadcast(void **state)
{
	struct ends ends = { mac_all, node_b.lan_mac, "255.255.255.255", "10.1.0.3", 0 };

	(void)state;
	peers_long(&node_b, HG_WIRE_HELLO, &l);
	send_long();
	memcpy(&l, frame_wire(&f), sizeof(l));
	frame_heartbeat(&f, &ends, &l, sizeof(l));
	expect_gate(&node_a, RIG_LAN, &f, XDP_DROP, PEER_HELLO);
	assert_int_equal(rig_events(&node_a), 1);
	rig_reset(&node_a);
	rig_serve(&node_a, RIG_EPOCH_A);
	probe();
	send_short();
	memcpy(&s, frame_wire(&f), sizeof(s));
	frame_heartbeat(&f, &ends, &s, sizeof(s));
	expect_gate(&node_a, RIG_LAN, &f, XDP_DROP, PEER_NODE);
	peers_long(&node_b, HG_WIRE_NEIGH, &l);
	frame_heartbeat(&f, &ends, &l, sizeof(l));
	expect_gate(&node_a, RIG_LAN, &f, XDP_DROP, PEER_NODE);
	expect_untouched();
}

/* Heartbeats for somebody else, and fragments of them, are ordinary packets. */
static void test_not_for_us(void **state)
{
	(void)state;
	probe();
	send_short();
	f.data[f.l3 + 19] = 1; /* to the VIP */
	frame_finish(&f);
	expect_gate(&node_a, RIG_LAN, &f, XDP_PASS, PASS_VIP);
	send_short();
	f.data[f.l4 + 3]++;
	frame_finish(&f);
	expect_gate(&node_a, RIG_LAN, &f, XDP_PASS, PASS_OWN);
	send_short();
	f.data[f.l3 + 6] = 0x20;
	expect_gate(&node_a, RIG_LAN, &f, XDP_PASS, PASS_OWN);
	send_short();
	memcpy(f.data, mac_all, 6); /* but consumed in whatever frame it comes */
	expect_gate(&node_a, RIG_LAN, &f, XDP_TX, PEER_PROBE);
	assert_memory_equal(node_a.out.data + 6, node_a.lan_mac, 6);
}

int cases_peer(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_length, set_up),
		cmocka_unit_test_setup(test_truncation, set_up),
		cmocka_unit_test_setup(test_options, set_up),
		cmocka_unit_test_setup(test_version, set_up),
		cmocka_unit_test_setup(test_ttl, set_up),
		cmocka_unit_test_setup(test_node, set_up),
		cmocka_unit_test_setup(test_key, set_up),
		cmocka_unit_test_setup(test_tag, set_up),
		cmocka_unit_test_setup(test_reflection, set_up),
		cmocka_unit_test_setup(test_wiring, set_up),
		cmocka_unit_test_setup(test_replay, set_up),
		cmocka_unit_test_setup(test_second_session, set_up),
		cmocka_unit_test_setup(test_hello, set_up),
		cmocka_unit_test_setup(test_candidate, set_up),
		cmocka_unit_test_setup(test_broadcast, set_up),
		cmocka_unit_test_setup(test_not_for_us, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
