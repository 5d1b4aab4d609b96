// SPDX-License-Identifier: GPL-2.0-or-later
/* The table of neighbours, when it is sent, and what a port accepts. No root. */
#include <arpa/inet.h>
#include <linux/neighbour.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "agent/neigh.h"

static struct hg_neigh *table;
static struct hg_time now;

static int set_up(void **state)
{
	(void)state;
	now = (struct hg_time){ 5000000000000 };
	return hg_neigh_new(&table);
}

static int tear_down(void **state)
{
	(void)state;
	hg_neigh_free(table);
	return 0;
}

static struct hg_ip ip(const char *text, uint8_t prefix)
{
	struct hg_ip ret = { .family = strchr(text, ':') ? 6 : 4, .prefix = prefix };

	assert_int_equal(inet_pton(ret.family == 4 ? AF_INET : AF_INET6, text, ret.addr), 1);
	return ret;
}

/* Host `n` of 10.0.0.0/8. */
static struct hg_netlink_neigh host(unsigned int n, uint16_t state)
{
	struct hg_netlink_neigh neigh = { .ifindex = 3, .ip = ip("10.0.0.0", 32), .state = state };

	neigh.ip.addr[1] = n >> 16;
	neigh.ip.addr[2] = n >> 8;
	neigh.ip.addr[3] = n;
	memcpy(neigh.mac, (uint8_t[]){ 2, 0, 0, n >> 16, n >> 8, n }, 6);
	return neigh;
}

static void learn(unsigned int slot, unsigned int n, uint16_t state)
{
	struct hg_netlink_neigh neigh = host(n, state);

	hg_neigh_learn(table, slot, &neigh, false);
}

static unsigned int entries(const struct hg_wire_neigh *frame)
{
	unsigned int count = 0;

	for (unsigned int i = 0; i < HG_WIRE_NEIGHS; i++)
		count += frame->entry[i].family != 0;
	return count;
}

static void advance(unsigned int ms)
{
	now = hg_time_add(now, HG_MS(ms));
}

/* Takes everything that is due until `ms` from now; counts frames and entries. */
static unsigned int drain(unsigned int ms, unsigned int *ret_entries)
{
	struct hg_time end = hg_time_add(now, HG_MS(ms));
	unsigned int frames = 0, slot;
	struct hg_wire_neigh frame;

	*ret_entries = 0;
	while (!hg_time_before(end, now)) {
		struct hg_time next;

		while (hg_neigh_next(table, now, &slot, &frame)) {
			frames++;
			*ret_entries += entries(&frame);
		}
		next = hg_neigh_deadline(table, now);
		assert_true(hg_time_before(now, next)); /* or the caller would spin */
		now = next;
	}
	now = end;
	return frames;
}

static void settle(void)
{
	unsigned int count;

	hg_neigh_start(table, now);
	drain(29000, &count);
}

static void test_usable_states(void **state)
{
	static const uint16_t usable[] = { NUD_REACHABLE, NUD_STALE, NUD_DELAY, NUD_PROBE,
					   NUD_PERMANENT };
	static const uint16_t useless[] = { NUD_NONE, NUD_INCOMPLETE, NUD_FAILED, NUD_NOARP };
	struct hg_netlink_neigh neigh;

	(void)state;
	for (size_t i = 0; i < 5; i++)
		learn(0, i + 1, usable[i]);
	assert_int_equal(hg_neigh_count(table), 5);
	for (size_t i = 0; i < 4; i++)
		learn(0, 100 + i, useless[i]);
	assert_int_equal(hg_neigh_count(table), 5);
	learn(0, 1, NUD_FAILED);
	assert_int_equal(hg_neigh_count(table), 4);
	neigh = host(2, NUD_STALE);
	hg_neigh_learn(table, 1, &neigh, true); /* another port's */
	assert_int_equal(hg_neigh_count(table), 4);
	hg_neigh_learn(table, 0, &neigh, true);
	assert_int_equal(hg_neigh_count(table), 3);
	neigh = host(9, NUD_REACHABLE);
	neigh.mac[0] = 1;
	hg_neigh_learn(table, 0, &neigh, false);
	memset(neigh.mac, 0, 6);
	hg_neigh_learn(table, 0, &neigh, false);
	hg_neigh_learn(table, HG_SLOTS_MAX, &neigh, false);
	assert_int_equal(hg_neigh_count(table), 3);
}

static void test_changes_at_once(void **state)
{
	struct hg_wire_neigh frame;
	unsigned int slot = 99;

	(void)state;
	settle();
	assert_false(hg_neigh_next(table, now, &slot, &frame));
	learn(3, 7, NUD_REACHABLE);
	assert_true(hg_neigh_deadline(table, now).ns <= now.ns);
	assert_true(hg_neigh_next(table, now, &slot, &frame));
	assert_int_equal(slot, 3);
	assert_int_equal(entries(&frame), 1);
	assert_int_equal(frame.entry[0].family, 4);
	assert_memory_equal(frame.entry[0].mac, "\x02\0\0\0\0\x07", 6);
	assert_memory_equal(frame.entry[0].addr, "\x0a\0\0\x07\0\0\0\0\0\0\0\0\0\0\0\0", 16);
	learn(3, 7, NUD_STALE); /* no news */
	assert_false(hg_neigh_next(table, now, &slot, &frame));
	/* A change of the MAC is news. */
	struct hg_netlink_neigh moved = host(7, NUD_REACHABLE);
	moved.mac[5] = 0xaa;
	hg_neigh_learn(table, 3, &moved, false);
	assert_true(hg_neigh_next(table, now, &slot, &frame));
	assert_int_equal(frame.entry[0].mac[5], 0xaa);
}

static void test_frame_is_of_one_port(void **state)
{
	struct hg_wire_neigh frame;
	unsigned int slot, seen[2] = { 0 };

	(void)state;
	settle();
	for (unsigned int n = 1; n <= 10; n++)
		learn(n % 2, n, NUD_REACHABLE);
	while (hg_neigh_next(table, now, &slot, &frame)) {
		assert_in_range(slot, 0, 1);
		for (unsigned int i = 0; i < entries(&frame); i++)
			assert_int_equal(frame.entry[i].addr[3] % 2, slot);
		seen[slot] += entries(&frame);
	}
	assert_int_equal(seen[0], 5);
	assert_int_equal(seen[1], 5);
}

static void test_rate(void **state)
{
	unsigned int frames = 0, count, slot;
	struct hg_wire_neigh frame;

	(void)state;
	settle();
	for (unsigned int n = 1; n <= 4000; n++)
		learn(0, n, NUD_REACHABLE);
	while (hg_neigh_next(table, now, &slot, &frame))
		frames++;
	assert_int_equal(frames, 20);
	assert_int_equal(hg_neigh_deadline(table, now).ns, now.ns + 100000000);
	advance(99);
	assert_false(hg_neigh_next(table, now, &slot, &frame));
	advance(1);
	assert_int_equal(drain(99, &count), 20);
	drain(2300, &count); /* 4000 / 8 = 500 frames in 2.5 s */
	assert_int_equal(count, 4000 - 2 * 160);
}

static void test_sweep(void **state)
{
	unsigned int frames, count;

	(void)state;
	for (unsigned int n = 1; n <= 100; n++)
		learn(n % 3, n, NUD_STALE);
	hg_neigh_start(table, now);
	frames = drain(29999, &count);
	assert_int_equal(count, 100);
	assert_int_equal(frames, 5 + 5 + 5); /* 34 + 33 + 33 */
	frames = drain(30000, &count);
	assert_int_equal(count, 100);
	frames = drain(30000, &count);
	assert_int_equal(count, 100);
}

static void test_bounded(void **state)
{
	unsigned int slot, count;
	struct hg_wire_neigh frame;

	(void)state;
	for (unsigned int n = 1; n <= HG_NEIGH_MAX; n++)
		learn(0, n, NUD_STALE);
	learn(0, 1, NUD_REACHABLE); /* renewed: the oldest is 2 now */
	learn(0, HG_NEIGH_MAX + 1, NUD_STALE);
	assert_int_equal(hg_neigh_count(table), HG_NEIGH_MAX);
	hg_neigh_start(table, now);
	count = 0;
	for (;; advance(20)) {
		if (!hg_neigh_next(table, now, &slot, &frame))
			break;
		for (unsigned int i = 0; i < entries(&frame); i++, count++)
			assert_false(frame.entry[i].addr[2] == 0 && frame.entry[i].addr[3] == 2);
	}
	assert_int_equal(count, HG_NEIGH_MAX);
	hg_neigh_forget(table, 1);
	assert_int_equal(hg_neigh_count(table), HG_NEIGH_MAX);
	hg_neigh_forget(table, 0);
	assert_int_equal(hg_neigh_count(table), 0);
	hg_neigh_start(table, now);
	assert_false(hg_neigh_next(table, now, &slot, &frame));
}

/* Against a plain list: the same entries after 200,000 random steps. */
static void test_random_against_list(void **state)
{
	static uint8_t known[2][2048];
	unsigned int seed = 1, expected = 0, sent = 0, slot;
	struct hg_wire_neigh frame;

	(void)state;
	for (int step = 0; step < 200000; step++) {
		unsigned int n = rand_r(&seed) % 2048, s = rand_r(&seed) % 2;
		bool is_known = rand_r(&seed) % 3;

		learn(s, n, is_known ? NUD_STALE : NUD_FAILED);
		known[s][n] = is_known;
		if (step % 1000 == 0)
			while (hg_neigh_next(table, now, &slot, &frame))
				advance(5);
	}
	for (unsigned int i = 0; i < 4096; i++)
		expected += known[i / 2048][i % 2048];
	assert_int_equal(hg_neigh_count(table), expected);
	hg_neigh_start(table, now);
	for (; hg_neigh_next(table, now, &slot, &frame); advance(20)) {
		for (unsigned int i = 0; i < entries(&frame); i++) {
			unsigned int n = frame.entry[i].addr[2] << 8 | frame.entry[i].addr[3];

			assert_true(known[slot][n]);
			known[slot][n] = 0; /* each once */
			sent++;
		}
	}
	assert_int_equal(sent, expected);
}

/* --- what a port accepts ----------------------------------------------------------- */
static const uint8_t own_mac[6] = { 2, 0, 0, 0, 0, 0xee }, vmac[6] = { 2, 0, 0, 0, 0, 0xef };

static bool accepts(const char *address, const char *mac)
{
	struct hg_ip list[] = { ip("10.1.0.2", 24), ip("10.1.0.1", 24), ip("192.0.2.1", 31),
				ip("203.0.113.5", 32), ip("fd01::2", 64) };
	struct hg_wire_neigh wire = { 0 };
	struct hg_worker_neigh out[HG_WIRE_NEIGHS];
	struct hg_neigh_filter *filter;
	struct hg_ip who = ip(address, 0);
	size_t count;

	assert_int_equal(hg_neigh_filter_new(list, 5, own_mac, vmac, &filter), 0);
	wire.entry[3].family = who.family;
	memcpy(wire.entry[3].addr, who.addr, 16);
	if (who.family == 4)
		memset(wire.entry[3].addr + 4, 0xa5, 12); /* means nothing */
	memcpy(wire.entry[3].mac, mac, 6);
	count = hg_neigh_accept(filter, 17, &wire, out);
	hg_neigh_filter_free(filter);
	if (!count)
		return false;
	assert_int_equal(count, 1);
	assert_int_equal(out[0].ifindex, 17);
	assert_memory_equal(out[0].mac, mac, 6);
	assert_int_equal(out[0].ip.family, who.family);
	assert_memory_equal(out[0].ip.addr, who.addr, 16);
	return true;
}

#define GOOD "\x02\0\0\0\0\x05"

static void test_accepted(void **state)
{
	(void)state;
	assert_true(accepts("10.1.0.77", GOOD));
	assert_true(accepts("192.0.2.0", GOOD)); /* both addresses of a /31 are hosts */
	assert_true(accepts("fd01::77", GOOD));
	assert_true(accepts("fe80::77", GOOD));
}

static void test_refused(void **state)
{
	static const char *const addresses[] = {
		"10.1.0.1",  "10.1.0.2", /* VIP and own */
		"10.1.1.77", "192.0.2.1",  "203.0.113.5",    "203.0.113.6", /* no subnet */
		"10.1.0.0",  "10.1.0.255", "224.0.0.1",	     "127.0.0.1",
		"0.0.0.0",   "fd01::2",	   "fd01::",	     "fd02::77",
		"ff02::1",   "::1",	   "fe80:0:0:1::77",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
		if (accepts(addresses[i], GOOD))
			fail_msg("%s was accepted", addresses[i]);
	}
	assert_false(accepts("10.1.0.77", "\x01\0\0\0\0\x05"));
	assert_false(accepts("10.1.0.77", "\xff\xff\xff\xff\xff\xff"));
	assert_false(accepts("10.1.0.77", "\0\0\0\0\0\0"));
	assert_false(accepts("10.1.0.77", (const char *)own_mac));
	assert_false(accepts("10.1.0.77", (const char *)vmac));
}

static void test_unknown_family(void **state)
{
	struct hg_ip own = ip("10.1.0.2", 24);
	struct hg_worker_neigh out[HG_WIRE_NEIGHS];
	struct hg_neigh_filter *filter;
	struct hg_wire_neigh wire;

	(void)state;
	memset(&wire, 0x0a, sizeof(wire)); /* family 10 */
	assert_int_equal(hg_neigh_filter_new(&own, 1, own_mac, NULL, &filter), 0);
	assert_int_equal(hg_neigh_accept(filter, 1, &wire, out), 0);
	hg_neigh_filter_free(filter);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_usable_states),
		TEST(test_changes_at_once),
		TEST(test_frame_is_of_one_port),
		TEST(test_rate),
		TEST(test_sweep),
		TEST(test_bounded),
		TEST(test_random_against_list),
		cmocka_unit_test(test_accepted),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_unknown_family),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
