/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Getting the role, by examples: start, listen, standby, claim, each told by the
 * journal of one node (elect_rig.h). Defaults there: interval 5 ms, lease 20 ms, node 1,
 * priority 100, and the peer is node 2.
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

/* --- start ------------------------------------------------------------------------- */

static void test_alone(void **context)
{
	(void)context;
	rig_start(&rig);
	rig_run(&rig, 1294); /* three HELLOs' time: the peer may be there, without a session */
	rig_expect(&rig, "1000.000 remove off>listen:started\n");
	rig.has_frames = true;
	rig_run(&rig, 1316);
	rig_expect(&rig, "1295.000 PROBE\n"
			 "1300.000 epoch=0x501 HELLO listen>claiming:alone\n"
			 "1300.000 CLAIM\n"
			 "1305.000 CLAIM\n"
			 "1310.000 serve<1330.000 announce add REQUEST HELLO "
			 "claiming>active:alone\n"
			 "1315.000 renew<1515.000 REQUEST\n");
}

/* A holder whom nobody hears may be late by more than a lease; one that is heard may not. */
static void test_own_lease(void **context)
{
	(void)context;
	rig_into(&rig, HG_EL_ACTIVE);
	rig.is_granted = false;
	rig.obs.heard = rig.now;
	rig_run(&rig, 1200);
	assert_true(rig.obs.lease_until.ns <= rig.now.ns + rig.config.lease.ns);
	rig_run(&rig, 1400);
	assert_true(rig.obs.lease_until.ns > rig.now.ns + 5 * rig.config.lease.ns / 2);
	rig.obs.heard = rig.now; /* it is back: the next lease must be granted */
	rig_run(&rig, 1620);
	rig.obs.heard = rig.now;
	assert_true(rig.obs.lease_until.ns <= rig.now.ns + 200000000);
	assert_int_equal(rig.el.state, HG_EL_ACTIVE);
}

static void test_without_peer(void **context)
{
	(void)context;
	rig.config.has_peer = false;
	rig.config.isolation = HG_ISOLATION_STOP;
	rig.has_frames = true;
	rig_start(&rig);
	rig_run(&rig, 1050);
	rig_expect(&rig, "1000.000 remove off>listen:started\n"
			 "1035.000 epoch=0x501 listen>claiming:alone\n"
			 "1035.000 serve<1055.000 announce add claiming>active:alone\n"
			 "1040.000 renew<1240.000\n");
	rig_run(&rig, 3000);
	assert_int_equal(rig.el.state, HG_EL_ACTIVE);
}

static void test_adoption(void **context)
{
	(void)context;
	rig.obs.epoch = 0x701;
	rig.obs.fence_epoch = 0x602;
	rig.obs.lease_until = rig_ms(1012);
	rig.has_frames = true;
	rig_start(&rig);
	rig_expect(&rig, "1000.000 announce add REQUEST HELLO off>active:adopted\n");
	rig.is_granted = true;
	rig_run(&rig, 1100);
	assert_int_equal(rig.el.state, HG_EL_ACTIVE);
	assert_int_equal(rig.el.epoch, 0x701);
}

static void test_no_adoption(void **context)
{
	(void)context;
	rig.obs.epoch = 0x701;
	rig.obs.lease_until = rig_ms(1000); /* over at this very moment */
	rig_start(&rig);
	rig_expect(&rig, "1000.000 release remove off>listen:started\n");
	rig_init(&rig);
	rig.obs.epoch = 0x701;
	rig.obs.fence_epoch = 0x702;
	rig.obs.lease_until = rig_ms(1012);
	rig_start(&rig);
	rig_expect(&rig, "1000.000 release remove off>listen:started\n");
	rig_init(&rig);
	rig.obs.epoch = 0x703; /* of a node id that this one no longer has */
	rig.obs.lease_until = rig_ms(1012);
	rig_start(&rig);
	rig_expect(&rig, "1000.000 release remove off>listen:started\n");
}

/* --- listen ------------------------------------------------------------------------ */

static void test_listen_hears_holder(void **context)
{
	(void)context;
	rig_into(&rig, HG_EL_LISTEN);
	rig_run(&rig, 1020);
	rig_request(&rig, 0x302);
	rig_run(&rig, 1026);
	rig_expect(&rig, "1025.000 listen>standby:heard-holder\n");
}

static void test_listen_worse_goes_second(void **context)
{
	(void)context;
	rig.peer.priority = 101;
	rig_into(&rig, HG_EL_LISTEN);
	rig_hello(&rig, HG_ROLE_LISTEN);
	rig_run(&rig, 1120);
	rig_expect(&rig, "");
	rig_run(&rig, 1126); /* 35 ms listened, 90 ms of patience: the better one is stuck */
	rig_expect(&rig, "1125.000 epoch=0x501 listen>claiming:elected\n");
}

static void test_listen_better_goes_first(void **context)
{
	(void)context;
	rig.peer.priority = 99;
	rig.peer.epoch_seen = 0x123402;
	rig_into(&rig, HG_EL_LISTEN);
	rig_hello(&rig, HG_ROLE_LISTEN);
	rig_run(&rig, 1036);
	rig_expect(&rig, "1035.000 epoch=0x123501 listen>claiming:elected\n");
	rig_fenced(&rig);
	rig_expect(&rig, "1036.000 serve<1056.000 announce add claiming>active:elected\n");
}

static void test_listen_waits_for_session(void **context)
{
	(void)context;
	rig_into(&rig, HG_EL_LISTEN);
	rig_hello(&rig, HG_ROLE_ACTIVE);
	rig_run(&rig, 1299); /* while HELLOs of the holder are fresh */
	rig_expect(&rig, "");
	rig_run(&rig, 1310);
	rig_expect(&rig, "1305.000 epoch=0x501 listen>claiming:alone\n");
}

static void test_late_listener_looks_again(void **context)
{
	(void)context;
	rig_into(&rig, HG_EL_LISTEN);
	rig_run(&rig, 1295);
	rig_sleep(&rig, 40); /* the machine stood still */
	rig_run(&rig, 1354);
	rig_expect(&rig, "");
	rig_run(&rig, 1356);
	rig_expect(&rig, "1355.000 epoch=0x501 listen>claiming:alone\n");
}

static void test_wrong_key(void **context)
{
	(void)context;
	rig.obs.is_wrong_key = true;
	rig_into(&rig, HG_EL_LISTEN);
	rig_run(&rig, 2000);
	rig_expect(&rig, "1005.000 listen>fault:unfit\n");
	rig.obs.is_wrong_key = false;
	rig_run(&rig, 2005);
	rig_expect(&rig, "2005.000 fault>listen:fit\n");
	/* A frame under the right key was heard once: what others send is worth nothing. */
	rig.obs.heard = rig.now;
	rig.obs.is_wrong_key = true;
	rig_run(&rig, 2306);
	rig_expect(&rig, "2305.000 epoch=0x501 listen>claiming:alone\n");
}

static void test_forger_cannot_stop_service(void **context)
{
	(void)context;
	rig_into(&rig, HG_EL_ACTIVE);
	rig.obs.is_wrong_key = true;
	rig_run(&rig, 3000);
	rig_expect(&rig, "");
	rig_init(&rig);
	rig_into(&rig, HG_EL_STANDBY);
	rig.obs.is_wrong_key = true;
	rig_run(&rig, 3000);
	rig_expect(&rig, "");
	assert_int_equal(rig.el.state, HG_EL_STANDBY);
}

/* --- standby ----------------------------------------------------------------------- */

static void test_silence(void **context)
{
	(void)context;
	rig_into(&rig, HG_EL_STANDBY);
	rig_run(&rig, 1102);
	rig_request(&rig, 0x302); /* the holder's own, between two bounces */
	rig_event(&rig, HG_EV_TICK);
	rig.is_holder_heard = false;
	rig.has_frames = true;
	rig_run(&rig, 1124);
	rig_expect(&rig,
		   "1105.000 PROBE\n"
		   "1110.000 PROBE\n"
		   "1115.000 PROBE\n"
		   "1120.000 PROBE\n"
		   "1122.000 epoch=0x501 HELLO standby>claiming:silence\n"
		   "1122.000 CLAIM\n"
		   /* last grant + lease * 1.02 + 0.2 ms */
		   "1122.600 serve<1142.600 announce add REQUEST HELLO claiming>active:silence\n");
}

static void test_stalled_standby_looks_again(void **context)
{
	(void)context;
	rig_into(&rig, HG_EL_STANDBY);
	rig_run(&rig, 1100);
	rig.is_holder_heard = false;
	rig_run(&rig, 1116);
	rig_sleep(&rig, 50);
	rig_event(&rig, HG_EV_TICK); /* 66 ms of silence, but it slept itself */
	rig_expect(&rig, "");
	rig_run(&rig, 1181);
	rig_request(&rig, 0x302); /* the holder answers */
	rig.is_holder_heard = true;
	rig_run(&rig, 1300);
	rig_expect(&rig, "");
}

static void test_hung_agent(void **context)
{
	(void)context;
	rig_into(&rig, HG_EL_STANDBY);
	rig.obs.agent_age = HG_MS(2000);
	rig_run(&rig, 1100);
	rig_expect(&rig, "");
	rig.obs.agent_age = HG_MS(2001);
	rig_run(&rig, 1101);
	rig_event(&rig, HG_EV_TICK);
	rig_expect(&rig, "1101.000 epoch=0x501 standby>claiming:hung-agent\n");
	rig_fenced(&rig);
	rig_expect(&rig, "1101.000 serve<1121.000 announce add claiming>active:hung-agent\n");
}

static void test_consent(void **context)
{
	(void)context;
	rig_into(&rig, HG_EL_STANDBY);
	rig_run(&rig, 1100);
	rig.peer.is_consent = true;
	rig_hello(&rig, HG_ROLE_ACTIVE);
	rig_expect(&rig, "1100.000 epoch=0x501 standby>claiming:consent\n");
	rig.is_holder_heard = false;
	/* The holder lives: without its answer nothing is proved by waiting. */
	rig_run(&rig, 1121);
	rig_expect(&rig, "1120.000 release claiming>standby:unanswered\n");
}

static void test_silence_of_nobody(void **context)
{
	(void)context;
	rig_into(&rig, HG_EL_STANDBY);
	rig_run(&rig, 1100);
	rig.peer.is_consent = true;
	rig_hello(&rig, HG_ROLE_ACTIVE);
	rig.is_holder_heard = false;
	/* The holder dies while it asks. There is no lease left to wait for, but whoever
	 * else sees the same silence gets two intervals to say so. */
	rig_run(&rig, 1151);
	rig_expect(&rig, "1100.000 epoch=0x501 standby>claiming:consent\n"
			 "1120.000 release claiming>standby:unanswered\n"
			 "1140.000 epoch=0x601 standby>claiming:silence\n"
			 "1150.000 serve<1170.000 announce add claiming>active:silence\n");
}

static void test_failback(void **context)
{
	(void)context;
	rig.config.priority = 150;
	rig_into(&rig, HG_EL_STANDBY);
	for (int ms = 1100; ms < 1500; ms += 100) {
		rig_run(&rig, ms);
		rig_hello(&rig, HG_ROLE_ACTIVE);
	}
	rig_run(&rig, 1450);
	rig.peer.health = 101; /* a disturbance: the delay begins again */
	rig_hello(&rig, HG_ROLE_ACTIVE);
	rig.peer.health = 100;
	for (int ms = 1500; ms < 2000; ms += 100) {
		rig_run(&rig, ms);
		rig_hello(&rig, HG_ROLE_ACTIVE);
	}
	rig_expect(&rig, "");
	rig_run(&rig, 2001);
	rig_expect(&rig, "2000.000 epoch=0x501 standby>claiming:failback\n");
}

/* Its configuration is not the holder's yet: the delay counts from when it is. */
static void test_no_failback_before_sync(void **context)
{
	(void)context;
	rig.config.priority = 150;
	rig_into(&rig, HG_EL_STANDBY);
	rig.is_unsynced = true;
	rig_health(&rig, 100, true);
	for (int ms = 1100; ms < 4000; ms += 100) {
		rig_run(&rig, ms);
		rig_hello(&rig, HG_ROLE_ACTIVE);
	}
	rig_expect(&rig, "");
	rig.is_unsynced = false;
	rig_health(&rig, 100, true);
	for (int ms = 4000; ms < 4400; ms += 100) {
		rig_run(&rig, ms);
		rig_hello(&rig, HG_ROLE_ACTIVE);
	}
	rig_expect(&rig, "");
	rig_run(&rig, 4401);
	rig_expect(&rig, "4400.000 epoch=0x501 standby>claiming:failback\n");
}

static void test_no_failback(void **context)
{
	(void)context;
	rig.config.priority = 150;
	rig.config.is_failback = false;
	rig_into(&rig, HG_EL_STANDBY);
	for (int ms = 1100; ms < 5000; ms += 100) {
		rig_run(&rig, ms);
		rig_hello(&rig, HG_ROLE_ACTIVE);
	}
	rig_expect(&rig, "");
}

static void test_idle_peer_is_elected_against(void **context)
{
	(void)context;
	rig.peer.priority = 200; /* better than this node */
	rig_into(&rig, HG_EL_STANDBY);
	rig_run(&rig, 1100);
	rig.is_holder_heard = false;
	rig_run(&rig, 1102);
	rig_hello(&rig, HG_ROLE_LISTEN); /* it lost its lease and will claim again */
	rig_run(&rig, 1209);
	rig_expect(&rig, "");
	rig_run(&rig, 1211); /* but does not: silence since 1100, a lease, 90 ms of patience */
	rig_expect(&rig, "1210.000 epoch=0x501 standby>claiming:silence\n");
}

/* --- claiming ---------------------------------------------------------------------- */

static void test_overruled(void **context)
{
	(void)context;
	rig_into(&rig, HG_EL_CLAIMING);
	rig.obs.fence_epoch = 0x502;
	rig_event(&rig, HG_EV_TICK);
	rig_expect(&rig, "1036.000 release claiming>standby:overruled\n");
	rig_run(&rig, 1057);
	/* The claimant never served. The next epoch is above its. */
	rig_expect(&rig, "1056.000 epoch=0x601 standby>claiming:elected\n");
}

static void test_fenced_too_late(void **context)
{
	(void)context;
	rig_into(&rig, HG_EL_CLAIMING);
	rig.config.isolation = HG_ISOLATION_STOP;
	rig_event(&rig, HG_EV_CONFIG);
	rig.obs.fenced_epoch = rig.obs.epoch;
	rig.obs.fenced_stamp = rig_ms(1036);
	rig.now = rig_ms(1056);
	rig_event(&rig, HG_EV_TICK);
	rig_expect(&rig, "");
	rig.obs.fenced_epoch = rig.obs.epoch - 0x100; /* for another claim */
	rig.obs.fenced_stamp = rig_ms(1056);
	rig_event(&rig, HG_EV_TICK);
	rig_expect(&rig, "");
}

static void test_late_claimant_waits_for_answer(void **context)
{
	(void)context;
	rig_into(&rig, HG_EL_STANDBY);
	rig_run(&rig, 1100);
	rig.is_holder_heard = false;
	rig_run(&rig, 1120.1);
	rig_expect(&rig, "1120.000 epoch=0x501 standby>claiming:silence\n");
	/* Anything may have happened meanwhile; a holder that heard nobody for so long may
	 * have renewed its lease for 200 ms, up to the moment it heard this node again. */
	rig_sleep(&rig, 300);
	rig_event(&rig, HG_EV_TICK);
	rig_expect(&rig, "");
	rig_run(&rig, 1640);
	rig_expect(&rig, "1624.300 serve<1644.300 announce add claiming>active:silence\n"
			 "1629.300 renew<1829.300\n");
}

static void test_peer_appears_while_claiming(void **context)
{
	(void)context;
	rig.config.has_peer = false;
	rig_into(&rig, HG_EL_LISTEN);
	rig_run(&rig, 1016);
	rig.obs.last_grant = rig.now; /* to a peer that the configuration then lost */
	rig_run(&rig, 1036);
	rig.config.has_peer = true;
	rig_event(&rig, HG_EV_CONFIG);
	rig.has_frames = true;
	rig_run(&rig, 1039);
	rig_expect(&rig, "1035.000 epoch=0x501 listen>claiming:alone\n"
			 "1036.600 CLAIM serve<1056.600 announce add REQUEST HELLO "
			 "claiming>active:alone\n");
}

static void test_unfit_claimant(void **context)
{
	(void)context;
	rig_into(&rig, HG_EL_CLAIMING);
	rig_health(&rig, 30, false);
	rig_expect(&rig, "1036.000 release claiming>fault:unfit\n");
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_alone),
		TEST(test_without_peer),
		TEST(test_own_lease),
		TEST(test_adoption),
		TEST(test_no_adoption),
		TEST(test_listen_hears_holder),
		TEST(test_listen_worse_goes_second),
		TEST(test_listen_better_goes_first),
		TEST(test_listen_waits_for_session),
		TEST(test_late_listener_looks_again),
		TEST(test_wrong_key),
		TEST(test_forger_cannot_stop_service),
		TEST(test_silence),
		TEST(test_stalled_standby_looks_again),
		TEST(test_hung_agent),
		TEST(test_consent),
		TEST(test_silence_of_nobody),
		TEST(test_failback),
		TEST(test_no_failback),
		TEST(test_no_failback_before_sync),
		TEST(test_idle_peer_is_elected_against),
		TEST(test_overruled),
		TEST(test_fenced_too_late),
		TEST(test_late_claimant_waits_for_answer),
		TEST(test_peer_appears_while_claiming),
		TEST(test_unfit_claimant),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
