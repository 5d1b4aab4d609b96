// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The blocklist: single addresses and prefixes, when entries end, what is counted.
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

#define SECOND 1000000000ull
#define TICK (SECOND / 100) /* at most */

static struct frame f;

static int set_up(void **state)
{
	(void)state;
	rig_reset(&node_a);
	rig_serve(&node_a, RIG_EPOCH_A);
	return 0;
}

static enum hg_reason judge(const char *from)
{
	bool is_ip6 = strchr(from, ':');

	frame_ether(&f, node_a.lan_mac, mac_host, is_ip6 ? ETH_P_IPV6 : ETH_P_IP, 0);
	if (is_ip6)
		frame_ip6(&f, from, "2001:db8::7", IPPROTO_UDP);
	else
		frame_ip4(&f, from, "192.0.2.7", IPPROTO_UDP);
	frame_udp(&f, 1000, 53);
	frame_finish(&f);
	return rig_run_gate(&node_a, RIG_LAN, &f, f.len);
}

#define is_blocked(from) assert_int_equal(judge(from), HG_R_FILTER_BLOCKED)
#define is_free(from) assert_int_equal(judge(from), HG_R_PASS_TRANSIT)

static void test_addresses(void **state)
{
	(void)state;
	is_free("203.0.113.9");
	filter_block("203.0.113.9", UINT64_MAX);
	is_blocked("203.0.113.9");
	is_free("203.0.113.8");
	is_free("2001:db8:9::9");
	filter_block("2001:db8:9::9", rig_now() + 60 * SECOND);
	is_blocked("2001:db8:9::9");
	is_blocked("2001:db8:9::9");
	is_free("2001:db8:9::8");
	assert_int_equal(filter_blocked_packets("203.0.113.9"), 1);
	assert_int_equal(filter_blocked_packets("2001:db8:9::9"), 2);
	filter_unblock("203.0.113.9");
	is_free("203.0.113.9");
	filter_unblock("2001:db8:9::9");
	is_free("2001:db8:9::9");
}

static void test_prefixes(void **state)
{
	(void)state;
	filter_block("203.0.112.0/20", UINT64_MAX);
	filter_block("2001:db8:8::/47", UINT64_MAX);
	is_blocked("203.0.127.255");
	is_free("203.0.128.0");
	is_free("203.0.111.255");
	is_blocked("2001:db8:9:ffff::1");
	is_free("2001:db8:a::1");
	filter_block("203.0.113.9", UINT64_MAX);
	is_blocked("203.0.113.9");
	assert_int_equal(filter_blocked_packets("203.0.112.0/20"), 1);
	assert_int_equal(filter_blocked_packets("203.0.113.9"), 1);
	assert_int_equal(filter_blocked_packets("2001:db8:8::/47"), 1);
	filter_unblock("203.0.113.9");
	is_blocked("203.0.113.9"); /* by the prefix */
	filter_block("0.0.0.0/0", UINT64_MAX);
	is_blocked("1.2.3.4");
	is_free("2001:db8:a::1");
	filter_unblock("0.0.0.0/0");
	filter_unblock("203.0.112.0/20");
	filter_unblock("2001:db8:8::/47");
	is_free("203.0.113.9");
}

/* Runs the packet until it is free; it must be so from `end` on, or one tick of the kernel
 * later, and not before. */
static void check_end(const char *from, uint64_t end)
{
	uint64_t before, after;
	enum hg_reason reason;
	unsigned int blocked = 0;

	do {
		before = rig_now();
		reason = judge(from);
		after = rig_now();
		if (reason == HG_R_FILTER_BLOCKED) {
			assert_true(before < end + TICK);
			blocked++;
		} else {
			assert_true(after >= end);
		}
	} while (before < end + TICK);
	assert_int_equal(reason == HG_R_FILTER_BLOCKED || reason == HG_R_PASS_TRANSIT, true);
	assert_true(blocked > 0);
	is_free(from);
}

static void test_end(void **state)
{
	uint64_t end = rig_now() + SECOND / 5;

	(void)state;
	filter_block("203.0.113.9", end);
	check_end("203.0.113.9", end);
	filter_block("203.0.113.9", UINT64_MAX); /* blocked anew */
	is_blocked("203.0.113.9");
	filter_unblock("203.0.113.9");
	end = rig_now() + SECOND / 5;
	filter_block("2001:db8:9::/48", end);
	check_end("2001:db8:9::9", end);
	filter_unblock("2001:db8:9::/48");
}

/* An entry whose time is over hides none that still holds. */
static void test_ended_is_absent(void **state)
{
	uint64_t past = rig_now() - TICK;

	(void)state;
	filter_block("203.0.113.9", past);
	filter_block("203.0.113.0/24", past);
	filter_block("203.0.113.8/30", past);
	is_free("203.0.113.9");
	filter_block("203.0.0.0/16", UINT64_MAX);
	is_blocked("203.0.113.9");
	is_blocked("203.0.114.9");
	assert_int_equal(filter_blocked_packets("203.0.0.0/16"), 2);
	assert_int_equal(filter_blocked_packets("203.0.113.0/24"), 0);
	filter_block("0.0.0.0/0", past);
	is_free("204.0.113.9");
	filter_block("2001:db8:9::9", past);
	filter_block("2001:db8:9::/64", past);
	filter_block("2001:db8::/32", past);
	is_free("2001:db8:9::9");
	filter_block("2001:db8:9::/48", UINT64_MAX);
	is_blocked("2001:db8:9::9");
	filter_unblock("203.0.113.9");
	filter_unblock("203.0.113.0/24");
	filter_unblock("203.0.113.8/30");
	filter_unblock("203.0.0.0/16");
	filter_unblock("0.0.0.0/0");
	filter_unblock("2001:db8:9::9");
	filter_unblock("2001:db8:9::/64");
	filter_unblock("2001:db8::/32");
	filter_unblock("2001:db8:9::/48");
}

/* Every length of a path is looked at, the shortest last. */
static void test_long_path(void **state)
{
	uint64_t past = rig_now() - TICK;
	char text[64];
	int i;

	(void)state;
	for (i = 0; i <= 31; i++) {
		snprintf(text, sizeof(text), "0.0.0.0/%d", i);
		filter_block(text, i ? past : UINT64_MAX);
	}
	for (i = 0; i <= 127; i++) {
		snprintf(text, sizeof(text), "::/%d", i);
		filter_block(text, i ? past : UINT64_MAX);
	}
	is_blocked("0.0.0.1");
	is_blocked("::2");
	filter_unblock("0.0.0.0/0");
	filter_unblock("::/0");
	is_free("0.0.0.1");
	is_free("::2");
	for (i = 1; i <= 31; i++) {
		snprintf(text, sizeof(text), "0.0.0.0/%d", i);
		filter_unblock(text);
	}
	for (i = 1; i <= 127; i++) {
		snprintf(text, sizeof(text), "::/%d", i);
		filter_unblock(text);
	}
}

/* Blocked comes before any rule. */
static void test_before_rules(void **state)
{
	(void)state;
	filter_rules("accept from 203.0.113.9");
	filter_block("203.0.113.9", UINT64_MAX);
	is_blocked("203.0.113.9");
	assert_int_equal(filter_counters(0).packets, 0);
	filter_unblock("203.0.113.9");
	is_free("203.0.113.9");
	assert_int_equal(filter_counters(0).packets, 1);
	filter_clear();
}

int cases_blocklist(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_addresses, set_up),
		cmocka_unit_test_setup(test_prefixes, set_up),
		cmocka_unit_test_setup(test_end, set_up),
		cmocka_unit_test_setup(test_ended_is_absent, set_up),
		cmocka_unit_test_setup(test_long_path, set_up),
		cmocka_unit_test_setup(test_before_rules, set_up),
	};
	int failed;

	filter_open(&node_a);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	filter_close();
	return failed;
}
