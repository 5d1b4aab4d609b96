// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Leases of 200 ms, which a holder gives itself while nobody hears it: who may count on
 * them to be over, and when. Each was found by the simulator (tests/sim).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "elect_rig.h"

static struct rig rig;

static int setup(void **context)
{
	(void)context;
	rig_init(&rig);
	return 0;
}

/* The holder served alone, with a lease of 200 ms, until this node came: it may stand still
 * and wake within that lease. */
static void test_newcomer_waits_out_a_long_lease(void **context)
{
	(void)context;
	rig_start(&rig);
	rig_sleep(&rig, 1);
	rig_request(&rig, 0x302);
	rig_event(&rig, HG_EV_TICK);
	rig.length = 0;
	rig_run(&rig, 1230);
	rig_expect(&rig, "1021.000 epoch=0x501 standby>claiming:silence\n"
			 "1205.200 serve<1225.200 announce add claiming>active:silence\n"
			 "1210.200 renew<1410.200\n");
	/* Not so with its promise to have a short one. */
	rig_init(&rig);
	rig.config.isolation = HG_ISOLATION_STOP;
	rig.peer.is_bound = true;
	rig.peer.epoch = 0x302;
	rig_start(&rig);
	rig_sleep(&rig, 1);
	rig_request(&rig, 0x302);
	rig_event(&rig, HG_EV_TICK);
	rig_hello(&rig, HG_ROLE_ACTIVE);
	rig.length = 0;
	rig_run(&rig, 1030);
	rig_expect(&rig, "1021.000 epoch=0x501 standby>claiming:silence\n"
			 "1021.600 serve<1041.600 announce add claiming>active:silence\n");
}

/* An agent that restarts on a node that served alone: its promise (isolation: stop) says
 * that the lease ends within L, so it is made when that is true, not before. */
static void test_adopted_long_lease_is_not_promised(void **context)
{
	(void)context;
	rig.config.isolation = HG_ISOLATION_STOP;
	rig.obs.epoch = 0x301;
	rig.obs.lease_until = rig_ms(1150);
	rig_start(&rig);
	assert_int_equal(rig.el.state, HG_EL_ACTIVE);
	assert_false(rig.el.is_bound);
	rig_init(&rig);
	rig.config.isolation = HG_ISOLATION_STOP;
	rig.obs.epoch = 0x301;
	rig.obs.lease_until = rig_ms(1020);
	rig_start(&rig);
	assert_true(rig.el.is_bound);
}

/* The same when the configuration asks for promises. */
static void test_reload_with_a_long_lease_does_not_promise(void **context)
{
	(void)context;
	rig.obs.epoch = 0x301;
	rig.obs.lease_until = rig_ms(1150);
	rig_start(&rig);
	rig.config.isolation = HG_ISOLATION_STOP;
	rig_event(&rig, HG_EV_CONFIG);
	assert_false(rig.el.is_bound);
	/* Grants come back, beyond what it gave itself. */
	rig_sleep(&rig, 140);
	rig.obs.lease_until = rig_ms(1160);
	rig_event(&rig, HG_EV_TICK);
	assert_true(rig.el.is_bound);
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_newcomer_waits_out_a_long_lease),
		TEST(test_adopted_long_lease_is_not_promised),
		TEST(test_reload_with_a_long_lease_does_not_promise),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
