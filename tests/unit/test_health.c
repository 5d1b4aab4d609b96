/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Health of a node by its ports, and the order of candidates. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "agent/core/health.h"
#include "agent/core/prefer.h"

#define PORTS 3

static struct hg_health_port port[PORTS];
static struct hg_health_facts facts;

static int setup(void **context)
{
	(void)context;
	for (int i = 0; i < PORTS; i++)
		port[i] = (struct hg_health_port){ .has_vips = true,
						   .has_link = true,
						   .is_attached = true,
						   .is_heartbeat = true,
						   .is_peer_heard = true };
	facts = (struct hg_health_facts){ .count = PORTS, .port = port };
	return 0;
}

static void expect(uint8_t score, bool is_fit, enum hg_health_why why, unsigned int at)
{
	struct hg_health h = hg_health_judge(&facts);

	assert_int_equal(h.score, score);
	assert_int_equal(h.is_fit, is_fit);
	assert_int_equal(h.why, why);
	assert_int_equal(h.port, at);
}

static void test_good(void **context)
{
	(void)context;
	expect(100, true, HG_HEALTH_GOOD, PORTS);
}

static void test_lost_link_weighs_most(void **context)
{
	(void)context;
	port[1].has_link = false;
	port[1].is_peer_heard = false;
	expect(67, true, HG_HEALTH_LINK_LOST, 1);
	port[1].has_link = true;
	port[1].is_attached = false;
	expect(75, true, HG_HEALTH_UNGATED, 1);
	port[2].has_link = false;
	expect(42, true, HG_HEALTH_LINK_LOST, 2); /* the worse of the two is named */
	for (int i = 0; i < PORTS; i++)
		port[i].has_link = false;
	expect(0, true, HG_HEALTH_LINK_LOST, 0);
}

static void test_port_without_vips_moves_no_role(void **context)
{
	(void)context;
	port[2].has_vips = false;
	port[2].has_link = false;
	expect(100, true, HG_HEALTH_LINK_LOST, 2);
	port[0].has_link = false;
	expect(50, true, HG_HEALTH_LINK_LOST, 0);
}

static void test_cut_segment_takes_nothing(void **context)
{
	(void)context;
	port[0].is_peer_heard = false;
	expect(100, true, HG_HEALTH_SEGMENT_CUT, 0);
	for (int i = 0; i < PORTS; i++)
		port[i].is_peer_heard = false; /* the peer is off: no segment is to blame */
	expect(100, true, HG_HEALTH_GOOD, PORTS);
	port[2].is_peer_heard = true;
	port[2].is_heartbeat = false; /* nothing is expected there */
	port[0].is_heartbeat = false;
	expect(100, true, HG_HEALTH_GOOD, PORTS);
}

static void test_wiring(void **context)
{
	(void)context;
	port[1].has_wiring_fault = true;
	expect(100, false, HG_HEALTH_WIRING, 1);
	facts.is_peer_misbound = true; /* it says itself that the fault is its own */
	expect(100, true, HG_HEALTH_GOOD, PORTS);
	port[2].is_misbound = true;
	expect(100, false, HG_HEALTH_MISBOUND, 2);
	assert_true(hg_health_judge(&facts).is_misbound);
	facts.is_peer_misbound = false; /* an own fault explains the crossing best */
	expect(100, false, HG_HEALTH_MISBOUND, 2);
}

static void test_no_gate(void **context)
{
	(void)context;
	for (int i = 0; i < PORTS; i++)
		port[i].is_attached = false;
	expect(25, false, HG_HEALTH_NO_GATE, PORTS);
	facts.count = 0;
	expect(0, false, HG_HEALTH_NO_GATE, 0);
}

static void test_names(void **context)
{
	(void)context;
	for (int i = 0; i < HG_HEALTH_WHYS; i++) {
		assert_string_not_equal(hg_health_name(i), "unknown");
		for (int j = 0; j < i; j++)
			assert_string_not_equal(hg_health_name(i), hg_health_name(j));
	}
}

/* Each criterion outweighs all that follow, and both sides see the same order. */
static void test_preference(void **context)
{
	struct hg_candidate worst = { .node = 2 }, best;

	(void)context;
	for (int rank = 0; rank < 6; rank++) {
		struct hg_candidate a = worst, b = worst;

		best = (struct hg_candidate){ true, true, 9, 100, 255, 1 };
		/* b is better in everything after `rank`, a in `rank` alone */
		if (rank < 1)
			b.is_member = true;
		if (rank < 2)
			b.generation = best.generation;
		if (rank < 3)
			b.health = best.health;
		if (rank < 4)
			b.priority = best.priority;
		if (rank < 5)
			b.node = best.node;
		a.is_fit = rank == 0;
		a.is_member = rank == 1;
		a.generation = rank == 2;
		a.health = rank == 3;
		a.priority = rank == 4;
		a.node = rank == 5 ? 1 : 3;
		assert_true(hg_prefer_compare(&a, &b) > 0);
		assert_true(hg_prefer_compare(&b, &a) < 0);
		assert_int_equal(hg_prefer_compare(&a, &a), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_good, setup),
		cmocka_unit_test_setup(test_lost_link_weighs_most, setup),
		cmocka_unit_test_setup(test_port_without_vips_moves_no_role, setup),
		cmocka_unit_test_setup(test_cut_segment_takes_nothing, setup),
		cmocka_unit_test_setup(test_wiring, setup),
		cmocka_unit_test_setup(test_no_gate, setup),
		cmocka_unit_test_setup(test_names, setup),
		cmocka_unit_test_setup(test_preference, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
