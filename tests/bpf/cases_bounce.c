// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The bounce and the claim between two nodes: what one gate sends is fed to the
 * other. A holds the lease (epoch A), B stands by.
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

typedef void (*send_fn)(struct rig *from, struct rig *to, enum hg_key_slot slot, void *wire,
			size_t len, struct frame *ret);

static int set_up(void **state)
{
	(void)state;
	rig_reset(&node_a);
	rig_reset(&node_b);
	rig_serve(&node_a, RIG_EPOCH_A);
	return 0;
}

static void make(struct rig *from, enum hg_wire_type type, uint64_t epoch, uint64_t stamp)
{
	peers_short(from, type, epoch, stamp, &s);
	peers_send4(from, from == &node_a ? &node_b : &node_a, HG_KEY_SESSION0, &s, sizeof(s), &f);
}

/* The answer that `from` just made, as a frame on its way to `to`. */
static void pass_on(struct rig *from, struct rig *to, enum hg_wire_type type)
{
	const struct hg_wire_head *head;

	f = from->out;
	head = frame_wire(&f);
	assert_true(frame_is_sound(&f));
	assert_memory_equal(f.data, to->lan_mac, 6);
	assert_memory_equal(f.data + 6, from->lan_mac, 6);
	assert_int_equal(head->type, type);
	assert_int_equal(head->sender, from->node);
	assert_int_equal(head->receiver, to->node);
	assert_int_equal(ntohl(head->port), hg_port_id("lan"));
	assert_int_equal(ntohl(head->key_id), from->key[HG_KEY_SESSION0].id);
	assert_true(
		wire_is_signed(head, sizeof(s), (const uint64_t *)from->key[HG_KEY_SESSION0].tx));
	assert_true(rig_now() - be64toh(head->seq) < 1000000000u);
	memcpy(&s, head, sizeof(s));
}

/* B's agent asks, A's gate asks for its lease, B's grants, A's lease moves on. */
static void bounce(send_fn send)
{
	uint64_t before, asked;

	set_up(NULL);
	node_a.state->agent_seen = rig_now() - 40000000u;
	before = rig_now();
	peers_short(&node_b, HG_WIRE_PROBE, RIG_EPOCH_A, before, &s);
	send(&node_b, &node_a, HG_KEY_SESSION0, &s, sizeof(s), &f);
	expect_gate(&node_a, RIG_LAN, &f, XDP_TX, PEER_PROBE);
	pass_on(&node_a, &node_b, HG_WIRE_REQUEST);
	asked = be64toh(s.head.stamp);
	assert_true(asked > before && asked < rig_now());
	assert_int_equal(be64toh(s.head.epoch), RIG_EPOCH_A);
	assert_int_equal(s.head.flags, HG_WIRE_F_BOUNCED);
	assert_int_equal(ntohl(s.head.echo), (uint32_t)before);
	assert_in_range(ntohs(s.head.agent_age_ms), 40, 1000);
	assert_int_equal(node_a.peer[0].agent_age, 7000000);

	expect_gate(&node_b, RIG_LAN, &f, XDP_TX, PEER_REQUEST);
	assert_true(node_b.state->last_grant > asked);
	assert_int_equal(node_b.state->fence_epoch, RIG_EPOCH_A);
	assert_int_equal(node_b.peer[0].request_epoch, RIG_EPOCH_A);
	assert_int_equal(node_b.peer[0].request, node_b.state->last_grant);
	assert_in_range(node_b.path[RIG_LAN].rtt, 1, 1000000000u);
	assert_int_equal(rig_events(&node_b), 1); /* a holder it had not heard of */
	pass_on(&node_b, &node_a, HG_WIRE_GRANT);
	assert_int_equal(be64toh(s.head.stamp), asked);
	assert_int_equal(be64toh(s.head.epoch), RIG_EPOCH_A);
	assert_int_equal(s.head.flags, 0);

	expect_gate(&node_a, RIG_LAN, &f, XDP_DROP, PEER_GRANT);
	assert_int_equal(node_a.state->lease_until, asked + RIG_LEASE_NS);
	assert_int_equal(rig_events(&node_a), 0);
}

static void test_bounce(void **state)
{
	(void)state;
	bounce(peers_send4);
	bounce(peers_send6);
}

/* Over routers: any TTL comes in, a full one goes out. */
static void test_bounce_routed(void **state)
{
	static const send_fn send[] = { peers_send4, peers_send6 };
	int i;

	(void)state;
	for (i = 0; i < 2; i++) {
		rig_reset(&node_v);
		rig_serve(&node_v, RIG_EPOCH_A);
		peers_short(&node_b, HG_WIRE_PROBE, RIG_EPOCH_A, 1, &s);
		send[i](&node_b, &node_v, HG_KEY_SESSION0, &s, sizeof(s), &f);
		f.data[f.l3 + (i ? 7 : 8)] = 9;
		frame_finish(&f);
		expect_gate(&node_v, RIG_LAN, &f, XDP_TX, PEER_PROBE);
		assert_int_equal(node_v.out.data[f.l3 + (i ? 7 : 8)], 255);
		pass_on(&node_v, &node_b, HG_WIRE_REQUEST);
	}
}

/* Inside VLAN tags the answer stays inside them. */
static void test_bounce_tagged(void **state)
{
	struct ends ends = { node_a.lan_mac, node_b.lan_mac, "fd01::2", "fd01::3", 2 };

	(void)state;
	make(&node_b, HG_WIRE_PROBE, RIG_EPOCH_A, 1);
	frame_heartbeat(&f, &ends, &s, sizeof(s));
	expect_gate(&node_a, RIG_LAN, &f, XDP_TX, PEER_PROBE);
	assert_memory_equal(node_a.out.data + 12, f.data + 12, 10);
	pass_on(&node_a, &node_b, HG_WIRE_REQUEST);
}

static void test_probe_idle(void **state)
{
	(void)state;
	make(&node_b, HG_WIRE_PROBE, 0, 1);
	node_a.state->lease_until = rig_now(); /* lapsed */
	expect_gate(&node_a, RIG_LAN, &f, XDP_DROP, PEER_PROBE_IDLE);
	assert_true(node_a.peer[0].heard != 0);
	set_up(NULL);
	make(&node_b, HG_WIRE_PROBE, 0, 1);
	node_a.state->fence_epoch = RIG_EPOCH_B;
	expect_gate(&node_a, RIG_LAN, &f, XDP_DROP, PEER_PROBE_IDLE);
	set_up(NULL);
	make(&node_b, HG_WIRE_PROBE, 0, 1); /* a hung agent's node does not ask for ever */
	node_a.state->agent_seen = rig_now() - RIG_GRACE_NS - 2 * RIG_LEASE_NS;
	expect_gate(&node_a, RIG_LAN, &f, XDP_DROP, PEER_PROBE_IDLE);
}

/* The holder's own agent asks: no bounce, no round trip to measure. */
static void test_request(void **state)
{
	(void)state;
	make(&node_a, HG_WIRE_REQUEST, RIG_EPOCH_A, rig_now());
	expect_gate(&node_b, RIG_LAN, &f, XDP_TX, PEER_REQUEST);
	assert_int_equal(node_b.path[RIG_LAN].rtt, 0);
	node_b.path[RIG_LAN].rtt = 5;
	peers_short(&node_a, HG_WIRE_REQUEST, RIG_EPOCH_A, rig_now(), &s);
	s.head.flags = HG_WIRE_F_BOUNCED; /* an absurd round trip is not believed */
	s.head.echo = htonl((uint32_t)rig_now() + 1000000000u);
	peers_send4(&node_a, &node_b, HG_KEY_SESSION0, &s, sizeof(s), &f);
	expect_gate(&node_b, RIG_LAN, &f, XDP_TX, PEER_REQUEST);
	assert_int_equal(node_b.path[RIG_LAN].rtt, 5);
}

/* A pending or held claim of its own, or a higher one known: nothing is granted. */
static void test_request_stale(void **state)
{
	(void)state;
	make(&node_a, HG_WIRE_REQUEST, RIG_EPOCH_A, rig_now());
	node_b.state->epoch = RIG_EPOCH_B;
	expect_gate(&node_b, RIG_LAN, &f, XDP_DROP, PEER_STALE);
	make(&node_a, HG_WIRE_REQUEST, RIG_EPOCH_A, rig_now());
	node_b.state->epoch = 0;
	node_b.state->fence_epoch = RIG_EPOCH_A + 1;
	expect_gate(&node_b, RIG_LAN, &f, XDP_DROP, PEER_STALE);
	make(&node_a, HG_WIRE_REQUEST, 0, rig_now());
	node_b.state->fence_epoch = 0;
	expect_gate(&node_b, RIG_LAN, &f, XDP_DROP, PEER_STALE);
	assert_int_equal(node_b.state->last_grant, 0);
	assert_int_equal(node_b.peer[0].request, 0);
	assert_int_equal(rig_events(&node_b), 0);
}

/* Two holders meet: the lower epoch is fenced by the other's mere REQUEST. */
static void test_request_fences(void **state)
{
	(void)state;
	make(&node_b, HG_WIRE_REQUEST, RIG_EPOCH_B, rig_now());
	expect_gate(&node_a, RIG_LAN, &f, XDP_TX, PEER_REQUEST);
	assert_int_equal(node_a.state->fence_epoch, RIG_EPOCH_B);
	assert_false(hg_state_serves(node_a.state, rig_now()));
	assert_true(node_a.state->drain_until > rig_now());
	assert_int_equal(rig_events(&node_a), 1);
	assert_int_equal(node_a.event.type, HG_EVENT_OVERRULED);
	assert_int_equal(node_a.event.drained, 1);
}

static void test_grant(void **state)
{
	uint64_t until = node_a.state->lease_until, stamp = rig_now();

	(void)state;
	make(&node_b, HG_WIRE_GRANT, RIG_EPOCH_A,
	     stamp - 1000000000u); /* older: shortens nothing */
	until = node_a.state->lease_until;
	expect_gate(&node_a, RIG_LAN, &f, XDP_DROP, PEER_GRANT);
	assert_int_equal(node_a.state->lease_until, until);
	make(&node_b, HG_WIRE_GRANT, RIG_EPOCH_A + 1, rig_now());
	expect_gate(&node_a, RIG_LAN, &f, XDP_DROP, PEER_STALE);
	make(&node_b, HG_WIRE_GRANT, RIG_EPOCH_A, rig_now());
	node_a.state->fence_epoch = RIG_EPOCH_A;
	expect_gate(&node_a, RIG_LAN, &f, XDP_DROP, PEER_STALE);
	assert_int_equal(node_a.state->lease_until, until);
}

static void test_grant_late(void **state)
{
	uint64_t ended, until;

	(void)state;
	make(&node_b, HG_WIRE_GRANT, RIG_EPOCH_A, rig_now() + 5000000000u); /* from the future */
	until = node_a.state->lease_until;
	expect_gate(&node_a, RIG_LAN, &f, XDP_DROP, PEER_LATE);
	make(&node_b, HG_WIRE_GRANT, RIG_EPOCH_A, rig_now() - RIG_LEASE_NS); /* over already */
	expect_gate(&node_a, RIG_LAN, &f, XDP_DROP, PEER_LATE);
	assert_int_equal(node_a.state->lease_until, until);
	ended = rig_now();
	node_a.state->lease_until = ended; /* a lease that ended is never renewed */
	make(&node_b, HG_WIRE_GRANT, RIG_EPOCH_A, rig_now());
	expect_gate(&node_a, RIG_LAN, &f, XDP_DROP, PEER_LATE);
	assert_int_equal(node_a.state->lease_until, ended);
}

static uint64_t gaps(const struct rig *rig, enum hg_gap_kind kind)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < HG_GAP_BUCKETS; i++)
		sum += rig->gap[0].count[kind][i];
	return sum;
}

/* What the lease lives on is measured where it is renewed: between requests that were
 * granted, and between the holder's REQUESTs. The first of a term ends no gap. */
static void test_gaps(void **state)
{
	const uint64_t long_ago = rig_now() - 50000000u;
	uint64_t stamp;

	(void)state;
	make(&node_b, HG_WIRE_GRANT, RIG_EPOCH_A, long_ago);
	expect_gate(&node_a, RIG_LAN, &f, XDP_DROP, PEER_GRANT);
	assert_int_equal(gaps(&node_a, HG_GAP_GRANT), 0);
	assert_int_equal(node_a.gap[0].stamp, long_ago);
	stamp = rig_now();
	make(&node_b, HG_WIRE_GRANT, RIG_EPOCH_A, stamp);
	expect_gate(&node_a, RIG_LAN, &f, XDP_DROP, PEER_GRANT);
	assert_int_equal(gaps(&node_a, HG_GAP_GRANT), 1);
	assert_in_range(node_a.gap[0].longest[HG_GAP_GRANT], 50000000, rig_now() - long_ago);
	make(&node_b, HG_WIRE_GRANT, RIG_EPOCH_A, stamp - 1); /* overtaken on the way */
	expect_gate(&node_a, RIG_LAN, &f, XDP_DROP, PEER_GRANT);
	assert_int_equal(gaps(&node_a, HG_GAP_GRANT), 1);
	assert_int_equal(gaps(&node_a, HG_GAP_REQUEST), 0);

	make(&node_a, HG_WIRE_REQUEST, RIG_EPOCH_A, rig_now());
	expect_gate(&node_b, RIG_LAN, &f, XDP_TX, PEER_REQUEST);
	assert_int_equal(gaps(&node_b, HG_GAP_REQUEST), 0);
	make(&node_a, HG_WIRE_REQUEST, RIG_EPOCH_A, rig_now());
	expect_gate(&node_b, RIG_LAN, &f, XDP_TX, PEER_REQUEST);
	assert_int_equal(gaps(&node_b, HG_GAP_REQUEST), 1);
	make(&node_a, HG_WIRE_REQUEST, RIG_EPOCH_A + 256, rig_now()); /* a new term */
	expect_gate(&node_b, RIG_LAN, &f, XDP_TX, PEER_REQUEST);
	assert_int_equal(gaps(&node_b, HG_GAP_REQUEST), 1);
}

/* A lease that begins with FENCED is counted from that claim. */
static void test_gap_after_claim(void **state)
{
	const uint64_t stamp = rig_now() - 30000000u;

	(void)state;
	node_b.state->epoch = RIG_EPOCH_B;
	make(&node_a, HG_WIRE_FENCED, RIG_EPOCH_B, stamp);
	expect_gate(&node_b, RIG_LAN, &f, XDP_DROP, PEER_FENCED);
	assert_int_equal(gaps(&node_b, HG_GAP_GRANT), 0);
	node_b.state->lease_until = stamp + RIG_LEASE_NS;
	make(&node_a, HG_WIRE_GRANT, RIG_EPOCH_B, rig_now());
	expect_gate(&node_b, RIG_LAN, &f, XDP_DROP, PEER_GRANT);
	assert_int_equal(gaps(&node_b, HG_GAP_GRANT), 1);
	assert_true(node_b.gap[0].longest[HG_GAP_GRANT] >= 30000000);
}

/* B claims; A, serving, is fenced and drains in the same instant; B hears it. */
static void claim(send_fn send)
{
	uint64_t stamp, before;

	set_up(NULL);
	node_b.state->epoch = RIG_EPOCH_B;
	stamp = rig_now();
	peers_short(&node_b, HG_WIRE_CLAIM, RIG_EPOCH_B, stamp, &s);
	send(&node_b, &node_a, HG_KEY_SESSION0, &s, sizeof(s), &f);
	before = rig_now();
	expect_gate(&node_a, RIG_LAN, &f, XDP_TX, PEER_CLAIM);
	assert_int_equal(node_a.state->fence_epoch, RIG_EPOCH_B);
	assert_false(hg_state_serves(node_a.state, rig_now()));
	assert_in_range(node_a.state->fenced_at, before, rig_now());
	assert_int_equal(node_a.state->drain_until, node_a.state->fenced_at + RIG_DRAIN_NS);
	assert_in_range(node_a.state->last_grant, before, rig_now());
	assert_int_equal(rig_events(&node_a), 1);
	assert_int_equal(node_a.event.type, HG_EVENT_OVERRULED);
	assert_int_equal(node_a.event.epoch, RIG_EPOCH_B);
	assert_int_equal(node_a.event.drained, 1);
	pass_on(&node_a, &node_b, HG_WIRE_FENCED);
	assert_int_equal(be64toh(s.head.stamp), stamp);
	assert_int_equal(be64toh(s.head.epoch), RIG_EPOCH_B);

	expect_gate(&node_b, RIG_LAN, &f, XDP_DROP, PEER_FENCED);
	assert_int_equal(node_b.peer[0].fenced_epoch, RIG_EPOCH_B);
	assert_int_equal(node_b.peer[0].fenced_stamp, stamp);
	assert_int_equal(rig_events(&node_b), 1);
	assert_int_equal(node_b.event.type, HG_EVENT_FENCED);
	assert_int_equal(node_b.event.epoch, RIG_EPOCH_B);
}

static void test_claim(void **state)
{
	uint64_t drain;

	(void)state;
	claim(peers_send4);
	claim(peers_send6);
	drain = node_a.state->drain_until;
	make(&node_b, HG_WIRE_CLAIM, RIG_EPOCH_B, rig_now()); /* repeated: answered, not told */
	expect_gate(&node_a, RIG_LAN, &f, XDP_TX, PEER_CLAIM);
	assert_int_equal(rig_events(&node_a), 0);
	assert_int_equal(node_a.state->drain_until, drain);
	make(&node_b, HG_WIRE_CLAIM, RIG_EPOCH_B - 1, rig_now());
	expect_gate(&node_a, RIG_LAN, &f, XDP_DROP, PEER_STALE);
	make(&node_b, HG_WIRE_GRANT, RIG_EPOCH_A, rig_now()); /* and no grant brings A back */
	expect_gate(&node_a, RIG_LAN, &f, XDP_DROP, PEER_STALE);
}

/* A node that does not serve is fenced without draining; one above the claim refuses. */
static void test_claim_at_standby(void **state)
{
	(void)state;
	make(&node_a, HG_WIRE_CLAIM, RIG_EPOCH_A, rig_now());
	expect_gate(&node_b, RIG_LAN, &f, XDP_TX, PEER_CLAIM);
	assert_int_equal(node_b.state->drain_until, 0);
	assert_int_equal(node_b.state->fenced_at, 0);
	assert_int_equal(rig_events(&node_b), 1);
	assert_int_equal(node_b.event.drained, 0);
	set_up(NULL);
	make(&node_b, HG_WIRE_CLAIM, RIG_EPOCH_A - 1, rig_now());
	expect_gate(&node_a, RIG_LAN, &f, XDP_DROP, PEER_STALE);
	assert_true(hg_state_serves(node_a.state, rig_now()));
	assert_int_equal(node_a.state->last_grant, 0);
}

static void test_fenced(void **state)
{
	(void)state;
	node_b.state->epoch = RIG_EPOCH_B;
	make(&node_a, HG_WIRE_FENCED, RIG_EPOCH_B - 1, rig_now()); /* to an older claim */
	expect_gate(&node_b, RIG_LAN, &f, XDP_DROP, PEER_STALE);
	make(&node_a, HG_WIRE_FENCED, RIG_EPOCH_B, rig_now() - RIG_LEASE_NS);
	expect_gate(&node_b, RIG_LAN, &f, XDP_DROP, PEER_LATE);
	make(&node_a, HG_WIRE_FENCED, RIG_EPOCH_B, rig_now() + 5000000000u);
	expect_gate(&node_b, RIG_LAN, &f, XDP_DROP, PEER_LATE);
	node_b.state->epoch = 0;
	make(&node_a, HG_WIRE_FENCED, 0, rig_now());
	expect_gate(&node_b, RIG_LAN, &f, XDP_DROP, PEER_STALE);
	assert_int_equal(node_b.peer[0].fenced_epoch, 0);
	assert_int_equal(rig_events(&node_b), 0);
}

/* After the claim: transit drains, nothing of the VIP; later silence. */
static void test_drain(void **state)
{
	static struct frame transit;

	(void)state;
	frame_ether(&transit, node_a.lan_mac, mac_host, 0x0800, 0);
	frame_ip4(&transit, "10.1.0.9", "192.0.2.1", IPPROTO_UDP);
	frame_udp(&transit, 1, 2);
	frame_finish(&transit);
	expect_gate(&node_a, RIG_LAN, &transit, XDP_PASS, PASS_TRANSIT);
	claim(peers_send4);
	expect_gate(&node_a, RIG_LAN, &transit, XDP_PASS, PASS_DRAIN);
	node_a.state->drain_until = rig_now();
	expect_gate(&node_a, RIG_LAN, &transit, XDP_DROP, TRANSIT_SILENT);
}

int cases_bounce(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_bounce, set_up),
		cmocka_unit_test_setup(test_bounce_routed, set_up),
		cmocka_unit_test_setup(test_bounce_tagged, set_up),
		cmocka_unit_test_setup(test_probe_idle, set_up),
		cmocka_unit_test_setup(test_request, set_up),
		cmocka_unit_test_setup(test_request_stale, set_up),
		cmocka_unit_test_setup(test_request_fences, set_up),
		cmocka_unit_test_setup(test_grant, set_up),
		cmocka_unit_test_setup(test_grant_late, set_up),
		cmocka_unit_test_setup(test_gaps, set_up),
		cmocka_unit_test_setup(test_gap_after_claim, set_up),
		cmocka_unit_test_setup(test_claim, set_up),
		cmocka_unit_test_setup(test_claim_at_standby, set_up),
		cmocka_unit_test_setup(test_fenced, set_up),
		cmocka_unit_test_setup(test_drain, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
