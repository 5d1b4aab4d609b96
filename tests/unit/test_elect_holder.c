/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Keeping the role and letting go of it, by examples: isolation, standing, fences,
 * health, the operator. Each is told by the journal of one node (elect_rig.h).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "elect_rig.h"

static struct rig rig;

static int setup(void **context)
{
	(void)context;
	rig_init(&rig);
	return 0;
}

/* --- the holder -------------------------------------------------------------------- */

static void test_isolated_continue(void **context)
{
	(void)context;
	rig_into(&rig, HG_EL_ACTIVE);
	rig_run(&rig, 1100);
	rig.is_granted = false; /* the last grant came at 1096 */
	rig_run(&rig, 1130);
	rig_expect(&rig, "1106.000 renew<1126.000\n"
			 "1116.000 renew<1136.000\n"
			 "1126.000 renew<1146.000 active>active:isolated\n");
	assert_true(rig.el.is_alone);
	rig.is_granted = true;
	rig_run(&rig, 1140);
	rig_expect(&rig, "1136.000 announce active>active:rejoined\n");
	assert_false(rig.el.is_alone);
}

/* After a long partition its own lease is a long one, so grants count late; the hosts
 * beyond are told of this node's MAC at the first frame. */
static void test_reunion_is_announced(void **context)
{
	(void)context;
	rig_into(&rig, HG_EL_ACTIVE);
	rig_run(&rig, 1100);
	rig.is_granted = false;
	rig_run(&rig, 2000);
	assert_true(rig.el.is_alone);
	rig.length = 0; /* how it renewed its lease is not the matter here */
	rig.journal[0] = '\0';
	rig.obs.heard = rig.now;
	rig_event(&rig, HG_EV_TICK);
	rig_expect(&rig, "2000.000 announce\n");
	rig.obs.heard = rig_ms(2004);
	rig_run(&rig, 2005);
	rig_expect(&rig, "");
}

/* Somebody clears the epoch in hg_state: the node would renew for ever what no longer
 * serves, and the peer grant it. */
static void test_epoch_taken_away(void **context)
{
	(void)context;
	rig_into(&rig, HG_EL_ACTIVE);
	rig_run(&rig, 1100);
	rig.obs.epoch = 0;
	rig_run(&rig, 1102);
	rig_expect(&rig, "1101.000 release remove active>listen:lease-ended\n");
	rig_hello(&rig, HG_ROLE_STANDBY);
	rig_run(&rig, 1140);
	rig_expect(&rig, "1136.000 epoch=0x601 listen>claiming:elected\n");
}

static void test_isolated_stop(void **context)
{
	(void)context;
	rig.config.isolation = HG_ISOLATION_STOP;
	rig_into(&rig, HG_EL_ACTIVE);
	assert_true(rig.el.is_bound);
	rig_run(&rig, 1500);
	rig_expect(&rig, "");
	rig.is_granted = false;
	rig_run(&rig, 5000);
	/* It may not claim by itself: the peer may have waited its lease out. */
	rig_expect(&rig, "1516.000 release remove active>listen:isolated-stop\n");
	assert_false(rig.el.is_bound);
	rig_hello(&rig, HG_ROLE_LISTEN);
	rig_expect(&rig, "5000.000 epoch=0x601 listen>claiming:elected\n");
	rig_run(&rig, 5089);
	rig_expect(&rig, "");
	rig_run(&rig, 5091);
	rig_expect(&rig, "5090.000 release claiming>listen:unanswered\n");
}

/* A standby of isolation: stop, whose holder (epoch 0x302) says what it is bound to. */
static void into_stop_standby(bool is_bound)
{
	rig.config.isolation = HG_ISOLATION_STOP;
	rig.peer.is_bound = is_bound;
	rig.peer.epoch = 0x302;
	rig_into(&rig, HG_EL_STANDBY);
	rig_run(&rig, 1100);
	rig.is_holder_heard = false;
}

static void test_stop_with_standing(void **context)
{
	(void)context;
	into_stop_standby(true);
	rig_run(&rig, 1200);
	rig_expect(&rig, "1120.000 epoch=0x501 standby>claiming:silence\n"
			 "1120.600 serve<1140.600 announce add claiming>active:silence\n"
			 "1130.600 renew<1150.600\n"
			 "1140.600 renew<1160.600\n"
			 "1150.600 renew<1170.600\n"
			 "1160.600 renew<1180.600\n"
			 "1170.600 renew<1190.600\n"
			 "1180.600 renew<1200.600\n"
			 "1190.600 renew<1210.600\n");
	assert_false(rig.el.is_bound);
	rig.is_granted = true; /* from now on the peer has standing, and we must stop */
	rig_run(&rig, 1212);
	assert_true(rig.el.is_bound);
	rig.length = 0;
	rig.is_granted = false;
	rig_run(&rig, 2000);
	rig_expect(&rig, "1230.600 release remove active>listen:isolated-stop\n");
}

static void test_stop_without_promise(void **context)
{
	(void)context;
	into_stop_standby(false);
	rig_run(&rig, 1330);
	/* One claim while its HELLO is fresh: a holder that lives would answer. */
	rig_expect(&rig, "1120.000 epoch=0x501 standby>claiming:silence\n"
			 "1210.000 release claiming>listen:unanswered\n");
}

static void test_stop_standing_is_of_one_epoch(void **context)
{
	(void)context;
	into_stop_standby(true);
	rig_request(&rig, 0x402); /* a new claim of the holder, which may serve alone */
	rig_event(&rig, HG_EV_TICK);
	assert_false(rig.el.has_standing);
	rig.peer.epoch = 0x402;
	rig_run(&rig, 1110);
	rig_hello(&rig, HG_ROLE_ACTIVE);
	assert_true(rig.el.has_standing);
	/* Counted from the promise, not from the last grant. */
	rig_run(&rig, 1140);
	rig_expect(&rig, "1120.000 epoch=0x501 standby>claiming:silence\n"
			 "1130.600 serve<1150.600 announce add claiming>active:silence\n");
}

/* Heard late, by a new agent: this node has served a higher epoch since that promise. */
static void test_stop_old_promise_counts_for_nothing(void **context)
{
	(void)context;
	rig.obs.served_epoch = 0x401;
	into_stop_standby(true);
	assert_false(rig.el.has_standing);
	rig_request(&rig, 0x502);
	rig.peer.epoch = 0x502;
	rig_event(&rig, HG_EV_TICK);
	rig_hello(&rig, HG_ROLE_ACTIVE);
	assert_true(rig.el.has_standing);
}

/* A new agent remembers what the node has served, and tells the peer: a claim of the peer
 * below it would be granted, but give this node no standing after it. */
static void test_served_epoch_is_seen(void **context)
{
	(void)context;
	rig.config.isolation = HG_ISOLATION_STOP;
	rig.obs.served_epoch = 0x901;
	rig.obs.fence_epoch = 0x302;
	rig_into(&rig, HG_EL_LISTEN);
	assert_int_equal(rig.el.epoch_seen, 0x901);
}

static void test_promise_is_kept(void **context)
{
	(void)context;
	rig.config.isolation = HG_ISOLATION_STOP;
	rig_into(&rig, HG_EL_ACTIVE);
	rig.config.isolation = HG_ISOLATION_CONTINUE;
	rig_event(&rig, HG_EV_CONFIG);
	rig.is_granted = false;
	rig_run(&rig, 1100);
	rig_expect(&rig, "1056.000 release remove active>listen:isolated-stop\n"
			 "1091.000 epoch=0x601 listen>claiming:elected\n");
}

static void test_reload_to_stop_promises_at_once(void **context)
{
	(void)context;
	rig_into(&rig, HG_EL_STANDBY);
	rig_run(&rig, 1100);
	rig.is_holder_heard = false;
	rig_run(&rig, 1125); /* serves alone from 1120.6 on, without standing */
	rig.config.isolation = HG_ISOLATION_STOP;
	rig_event(&rig, HG_EV_CONFIG);
	assert_true(rig.el.is_bound);
	rig.length = 0;
	rig_run(&rig, 1200);
	rig_expect(&rig, "1140.600 release remove active>listen:isolated-stop\n");
}

static void test_lease_ended(void **context)
{
	(void)context;
	rig_into(&rig, HG_EL_ACTIVE);
	rig_sleep(&rig, 200); /* a paused machine: silent until it has listened again */
	rig_event(&rig, HG_EV_TICK);
	rig_expect(&rig, "1236.000 release remove active>listen:lease-ended\n");
	rig_run(&rig, 1270);
	rig_expect(&rig, "");
}

static void test_holder_is_overruled(void **context)
{
	(void)context;
	rig_into(&rig, HG_EL_ACTIVE);
	rig.is_holder_heard = true;
	rig_request(&rig, 0x10002);
	rig.obs.drain_until = rig_ms(1070);
	rig_event(&rig, HG_EV_TICK);
	rig_run(&rig, 1100);
	rig_expect(&rig, "1036.000 release active>draining:overruled\n"
			 "1070.000 remove draining>standby:drained\n");
}

static void test_fenced_without_drain(void **context)
{
	(void)context;
	rig_into(&rig, HG_EL_ACTIVE);
	rig_request(&rig, 0x10002);
	rig_event(&rig, HG_EV_TICK);
	rig_expect(&rig, "1036.000 release remove active>standby:overruled\n");
}

static void test_new_holder_dies_while_draining(void **context)
{
	(void)context;
	rig_into(&rig, HG_EL_DRAINING);
	rig.is_granted = false;
	rig_run(&rig, 1100);
	rig.is_holder_heard = false;
	rig_run(&rig, 1130);
	rig_expect(&rig, "1116.000 epoch=0x10101 draining>claiming:silence\n"
			 "1116.600 serve<1136.600 announce add claiming>active:silence\n"
			 "1126.600 renew<1146.600\n");
}

static void test_worse_health_hands_over(void **context)
{
	(void)context;
	rig_into(&rig, HG_EL_ACTIVE);
	rig_health(&rig, 100, true);
	rig_expect(&rig, "");
	rig_health(&rig, 67, true);
	rig_expect(&rig, "1036.000 active>releasing:health\n");
	assert_true(rig.el.is_consenting);
	rig_run(&rig, 2040);
	rig_expect(&rig, "2036.000 releasing>active:not-claimed\n");
}

static void test_unfit_holder_without_peer_serves(void **context)
{
	(void)context;
	rig_into(&rig, HG_EL_ACTIVE);
	rig.peer.is_unfit = true;
	rig_hello(&rig, HG_ROLE_STANDBY);
	rig_health(&rig, 0, false);
	rig_run(&rig, 5000);
	rig_expect(&rig, "");
	rig.peer.is_unfit = false;
	rig_hello(&rig, HG_ROLE_STANDBY);
	rig_expect(&rig, "5000.000 active>releasing:unfit\n");
}

/* --- the operator ------------------------------------------------------------------ */

static void test_handover(void **context)
{
	(void)context;
	rig_into(&rig, HG_EL_ACTIVE);
	rig.has_frames = true;
	rig_event(&rig, HG_EV_HANDOVER);
	rig_sleep(&rig, 5);
	rig_event(&rig, HG_EV_TICK);
	rig_request(&rig, 0x10002);
	rig.obs.drain_until = rig_ms(1100);
	rig_event(&rig, HG_EV_TICK);
	rig_expect(&rig,
		   "1036.000 HELLO active>releasing:handover\n"
		   "1041.000 REQUEST HELLO\n"
		   "1041.000 release PROBE HELLO releasing>draining:handover done:handover\n");
}

static void test_handover_refused(void **context)
{
	(void)context;
	rig_into(&rig, HG_EL_ACTIVE);
	rig_run(&rig, 1400); /* the peer's HELLO is stale */
	rig_event(&rig, HG_EV_HANDOVER);
	rig_hello(&rig, HG_ROLE_MAINTENANCE);
	rig_event(&rig, HG_EV_HANDOVER);
	rig_expect(&rig, "1400.000 refused:no-peer-ready\n"
			 "1400.000 refused:no-peer-ready\n");
	rig_init(&rig);
	rig_into(&rig, HG_EL_STANDBY);
	rig_event(&rig, HG_EV_HANDOVER);
	rig_expect(&rig, "1001.000 refused:not-holder\n");
}

static void test_handover_not_claimed(void **context)
{
	(void)context;
	rig_into(&rig, HG_EL_ACTIVE);
	rig_event(&rig, HG_EV_HANDOVER);
	rig_run(&rig, 3000);
	rig_expect(&rig, "1036.000 active>releasing:handover\n"
			 "2036.000 releasing>active:not-claimed refused:not-claimed\n");
	assert_false(rig.el.is_consenting);
}

static void test_stop_answers_operator(void **context)
{
	(void)context;
	rig_into(&rig, HG_EL_RELEASING);
	rig_event(&rig, HG_EV_STOP);
	rig_expect(&rig, "1036.000 refused:stopped\n");
	rig_event(&rig, HG_EV_STOP);
	rig_expect(&rig, "");
}

static void test_maintenance_of_holder(void **context)
{
	(void)context;
	rig_into(&rig, HG_EL_ACTIVE);
	rig_event(&rig, HG_EV_MAINTENANCE_ON);
	rig_request(&rig, 0x10002);
	rig.obs.drain_until = rig_ms(1100);
	rig.is_holder_heard = true;
	rig_run(&rig, 1041);
	rig_run(&rig, 3000);
	rig.is_holder_heard = false; /* it grants, it never claims */
	rig_run(&rig, 9000);
	rig_expect(&rig, "1036.000 active>releasing:maintenance-on\n"
			 "1041.000 release releasing>draining:maintenance-on done:maintenance-on\n"
			 "1100.000 remove draining>maintenance:drained\n");
	rig_event(&rig, HG_EV_MAINTENANCE_OFF);
	rig_expect(&rig, "9000.000 maintenance>listen:maintenance-off\n");
}

static void test_maintenance_waits_for_peer(void **context)
{
	(void)context;
	rig_into(&rig, HG_EL_ACTIVE);
	rig_run(&rig, 1400);
	rig_event(&rig, HG_EV_MAINTENANCE_ON);
	rig_expect(&rig, "1400.000 refused:no-peer-ready\n");
	rig_run(&rig, 2000);
	rig_hello(&rig, HG_ROLE_STANDBY);
	rig_expect(&rig, "2000.000 active>releasing:maintenance-on\n");
	rig_event(&rig, HG_EV_MAINTENANCE_OFF);
	rig_expect(&rig, "2000.000 releasing>active:maintenance-off\n");
}

static void test_maintenance_of_standby(void **context)
{
	(void)context;
	rig_into(&rig, HG_EL_STANDBY);
	rig_event(&rig, HG_EV_MAINTENANCE_ON);
	rig_expect(&rig, "1001.000 standby>maintenance:maintenance-on done:maintenance-on\n");
	rig_init(&rig);
	rig_into(&rig, HG_EL_CLAIMING);
	rig_event(&rig, HG_EV_MAINTENANCE_ON);
	rig_expect(&rig,
		   "1036.000 release claiming>maintenance:maintenance-on done:maintenance-on\n");
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_isolated_continue),
		TEST(test_reunion_is_announced),
		TEST(test_epoch_taken_away),
		TEST(test_isolated_stop),
		TEST(test_stop_with_standing),
		TEST(test_stop_without_promise),
		TEST(test_stop_standing_is_of_one_epoch),
		TEST(test_served_epoch_is_seen),
		TEST(test_stop_old_promise_counts_for_nothing),
		TEST(test_promise_is_kept),
		TEST(test_reload_to_stop_promises_at_once),
		TEST(test_lease_ended),
		TEST(test_holder_is_overruled),
		TEST(test_fenced_without_drain),
		TEST(test_new_holder_dies_while_draining),
		TEST(test_worse_health_hands_over),
		TEST(test_unfit_holder_without_peer_serves),
		TEST(test_handover),
		TEST(test_handover_refused),
		TEST(test_handover_not_claimed),
		TEST(test_stop_answers_operator),
		TEST(test_maintenance_of_holder),
		TEST(test_maintenance_waits_for_peer),
		TEST(test_maintenance_of_standby),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
