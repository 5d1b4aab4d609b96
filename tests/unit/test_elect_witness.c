/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * With a witness: who asks it, when, and what follows from its answer or its silence.
 * Told by the journal of one node (elect_rig.h); the rig's witness answers at once, or
 * when it is told to.
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
	rig.config.has_witness = true;
	return 0;
}

static void forget(void)
{
	rig.length = 0;
	rig.journal[0] = '\0';
}

/* --- the holder -------------------------------------------------------------------- */

static void test_holder_with_grants_asks_nobody(void **context)
{
	(void)context;
	rig_into(&rig, HG_EL_ACTIVE);
	rig_run(&rig, 3000);
	rig_expect(&rig, "");
}

static void test_holder_asks_from_half_its_lease(void **context)
{
	(void)context;
	rig_into(&rig, HG_EL_ACTIVE);
	rig_run(&rig, 1100);
	rig.is_granted = false; /* the last grant came at 1096 */
	rig.witness = RIG_WITNESS_GRANTS;
	rig_run(&rig, 1130);
	rig_expect(&rig, "1106.000 ask=0x501/20\n"
			 "1106.000 renew<1126.000\n"
			 "1116.000 ask=0x501/20\n"
			 "1116.000 renew<1136.000\n"
			 "1126.000 ask=0x501/20 active>active:witnessed\n"
			 "1126.000 renew<1146.000\n");
	assert_true(rig.el.is_alone);
	rig.is_granted = true;
	rig_run(&rig, 1140);
	rig_expect(&rig, "1136.000 announce active>active:rejoined\n");
}

/* Asked often enough that a lost frame costs nothing; nothing is renewed without it. */
static void test_holder_without_answer_stops(void **context)
{
	(void)context;
	rig_into(&rig, HG_EL_ACTIVE);
	rig_run(&rig, 1100);
	rig.is_granted = false;
	rig_run(&rig, 1120);
	rig_expect(&rig, "1106.000 ask=0x501/20\n"
			 "1108.500 ask=0x501/20\n"
			 "1111.000 ask=0x501/20\n"
			 "1113.500 ask=0x501/20\n"
			 "1116.000 release remove active>listen:witness-lost\n");
}

static void test_refused_holder_stops(void **context)
{
	(void)context;
	rig_into(&rig, HG_EL_ACTIVE);
	rig_run(&rig, 1100);
	rig.is_granted = false;
	rig.witness = RIG_WITNESS_REFUSES;
	rig.witness_epoch = 0x902;
	rig_run(&rig, 1117);
	assert_int_equal(rig.el.state, HG_EL_LISTEN);
	assert_int_equal(rig.el.epoch_seen, 0x902); /* the next claim is above it */
}

/* However late an answer comes, the lease counts from the question. */
static void test_grant_counts_from_the_question(void **context)
{
	(void)context;
	rig_into(&rig, HG_EL_ACTIVE);
	rig_run(&rig, 1100);
	rig.is_granted = false;
	rig_run(&rig, 1107);
	forget();
	rig_witness(&rig, true, 1); /* asked at 1106 */
	rig_expect(&rig, "1107.000 renew<1126.000\n");
	rig_run(&rig, 1117);
	forget();
	rig_run(&rig, 1125.9);
	rig_witness(&rig, true, 25); /* ends where the lease ended */
	assert_null(strstr(rig.journal, "renew"));
	rig_run(&rig, 1126);
	assert_non_null(strstr(rig.journal, "1126.000 release remove active>listen:witness-lost"));
	rig_witness(&rig, true, 0.1); /* an ended lease is not renewed */
	assert_null(strstr(rig.journal, "renew"));
	assert_int_equal(rig.el.state, HG_EL_LISTEN);
}

static void test_grant_of_another_epoch_is_nothing(void **context)
{
	struct hg_elect_event ev = { .type = HG_EV_WITNESS };
	struct hg_actions actions;

	(void)context;
	rig_into(&rig, HG_EL_ACTIVE);
	rig_run(&rig, 1100);
	rig.is_granted = false;
	rig_run(&rig, 1107);
	forget();
	ev.now = rig.now;
	ev.obs = rig.obs;
	ev.witness = (struct hg_elect_witness){ true, 0x401, rig.now, HG_MS(20) };
	hg_elect_step(&rig.el, &ev, &actions);
	assert_int_equal(actions.count, 0);
	ev.witness.epoch = rig.el.epoch;
	ev.witness.stamp.ns = rig.now.ns + 1; /* a question that was never asked */
	hg_elect_step(&rig.el, &ev, &actions);
	assert_int_equal(actions.count, 0);
	ev.witness.stamp.ns = rig.now.ns;
	hg_elect_step(&rig.el, &ev, &actions);
	assert_int_equal(actions.count, 1);
	assert_int_equal(actions.list[0].type, HG_ACT_RENEW);
}

/* With the peer gone for long, the lease asked for is the longer one of a lone holder. */
static void test_lone_holder_asks_for_more(void **context)
{
	(void)context;
	rig_into(&rig, HG_EL_ACTIVE);
	rig_run(&rig, 1100);
	rig.is_granted = false;
	rig.obs.heard = rig.now;
	rig.witness = RIG_WITNESS_GRANTS;
	rig_run(&rig, 2000);
	assert_non_null(strstr(rig.journal, "ask=0x501/200"));
	assert_int_equal(rig.el.state, HG_EL_ACTIVE);
	assert_true(rig.obs.lease_until.ns > rig.now.ns + 90000000);
}

/* `isolation` does not count, nor does it promise anything to the peer. */
static void test_isolation_does_not_count(void **context)
{
	(void)context;
	rig.config.isolation = HG_ISOLATION_STOP;
	rig_into(&rig, HG_EL_ACTIVE);
	assert_false(rig.el.is_bound);
	rig_run(&rig, 1100);
	rig.is_granted = false;
	rig.witness = RIG_WITNESS_GRANTS;
	rig_run(&rig, 3000);
	assert_int_equal(rig.el.state, HG_EL_ACTIVE);
}

/* A promise given before the witness was configured is kept. */
static void test_promise_outlives_reload(void **context)
{
	(void)context;
	rig.config.has_witness = false;
	rig.config.isolation = HG_ISOLATION_STOP;
	rig_into(&rig, HG_EL_ACTIVE);
	assert_true(rig.el.is_bound);
	rig.config.has_witness = true;
	rig_event(&rig, HG_EV_CONFIG);
	rig.is_granted = false;
	rig.witness = RIG_WITNESS_GRANTS;
	rig_run(&rig, 1057);
	rig_expect(&rig, "1056.000 release remove active>listen:witness-lost\n");
}

/* --- the claimant ------------------------------------------------------------------ */

static void into_silence(void)
{
	rig_into(&rig, HG_EL_STANDBY);
	rig_run(&rig, 1100);
	rig.is_holder_heard = false; /* the last REQUEST was heard, and granted, at 1100 */
}

/* The holder's host dies: no later than without a witness that answers in 0.6 ms. */
static void test_takeover_with_its_grant(void **context)
{
	(void)context;
	into_silence();
	rig_run(&rig, 1120.4);
	rig_expect(&rig, "1120.000 ask=0x501/20\n");
	rig_witness(&rig, true, 0.4);
	rig_run(&rig, 1121);
	rig_expect(&rig, "1120.400 epoch=0x501 standby>claiming:silence\n"
			 "1120.600 serve<1140.000 announce add claiming>active:silence\n");
}

/* A refused standby claims nothing: the holder that lives would be fenced by it. */
static void test_refused_standby_keeps_asking(void **context)
{
	(void)context;
	into_silence();
	rig.witness = RIG_WITNESS_REFUSES;
	rig.witness_epoch = 0x302;
	rig_run(&rig, 1900);
	assert_null(strstr(rig.journal, "claiming"));
	assert_int_equal(rig.el.state, HG_EL_STANDBY);
	forget();
	rig.witness = RIG_WITNESS_GRANTS; /* the holder's lease there has ended */
	rig_run(&rig, 1905);
	rig_expect(&rig, "1905.000 ask=0x501/20\n"
			 "1905.000 epoch=0x501 standby>claiming:silence\n"
			 "1905.000 serve<1925.000 announce add claiming>active:silence\n");
}

static void test_refusal_raises_the_next_claim(void **context)
{
	(void)context;
	into_silence();
	rig_run(&rig, 1120);
	rig.witness_epoch = 0x902;
	rig_witness(&rig, false, 0);
	rig_run(&rig, 1125);
	rig_expect(&rig, "1120.000 ask=0x501/20\n1125.000 ask=0xa01/20\n");
}

/* Neither the peer nor the witness: one claim for the peer's FENCED, then silence. */
static void test_nobody_there(void **context)
{
	(void)context;
	into_silence();
	rig_run(&rig, 1139);
	assert_int_equal(rig.el.state, HG_EL_STANDBY);
	rig_run(&rig, 1140);
	assert_non_null(strstr(rig.journal, "1140.000 epoch=0x501 standby>claiming:silence\n"));
	rig_run(&rig, 1230);
	assert_non_null(strstr(rig.journal, "1230.000 release claiming>listen:unanswered"));
	for (double ms = 1300; ms < 9000; ms += 100) {
		forget();
		rig_run(&rig, ms);
		assert_null(strstr(rig.journal, "claiming"));
		assert_int_equal(rig.el.state, HG_EL_LISTEN);
	}
}

static void test_fenced_needs_no_witness(void **context)
{
	(void)context;
	into_silence();
	rig_run(&rig, 1140);
	forget();
	rig_sleep(&rig, 0.1);
	rig_fenced(&rig);
	rig_expect(&rig, "1140.100 serve<1160.100 announce add claiming>active:silence\n");
}

static void test_hung_agent_needs_no_witness(void **context)
{
	(void)context;
	rig_into(&rig, HG_EL_STANDBY);
	rig.obs.agent_age = HG_MS(2001);
	rig_event(&rig, HG_EV_TICK);
	rig_fenced(&rig);
	assert_non_null(strstr(rig.journal, "standby>claiming:hung-agent"));
	assert_non_null(strstr(rig.journal, "claiming>active:hung-agent"));
}

static void test_grant_that_ended_does_not_serve(void **context)
{
	(void)context;
	into_silence();
	rig_run(&rig, 1120.4);
	rig_witness(&rig, true, 0.4);
	rig_sleep(&rig, 20); /* this node is held up */
	forget();
	rig_event(&rig, HG_EV_TICK);
	assert_int_equal(rig.el.state, HG_EL_CLAIMING);
	assert_null(strstr(rig.journal, "serve"));
	rig_witness(&rig, true, 0);
	rig_run(&rig, 1160);
	assert_int_equal(rig.el.state, HG_EL_ACTIVE);
}

static void test_planned_takeover_does_not_ask(void **context)
{
	(void)context;
	rig_into(&rig, HG_EL_STANDBY);
	rig.peer.is_consent = true;
	rig_hello(&rig, HG_ROLE_ACTIVE);
	rig.is_holder_heard = false;
	rig_run(&rig, 1020);
	assert_non_null(strstr(rig.journal, "standby>claiming:consent"));
	assert_null(strstr(rig.journal, "ask"));
}

/* --- start ------------------------------------------------------------------------- */

static void test_alone_from_the_start(void **context)
{
	(void)context;
	rig_start(&rig);
	rig.witness = RIG_WITNESS_MUTE;
	rig_run(&rig, 1299);
	rig_expect(&rig, "1000.000 remove off>listen:started\n");
	rig_run(&rig, 1500);
	assert_int_equal(rig.el.state, HG_EL_LISTEN);
	forget();
	rig.witness = RIG_WITNESS_GRANTS;
	rig_run(&rig, 1505);
	rig_expect(&rig, "1505.000 ask=0x501/20\n"
			 "1505.000 epoch=0x501 listen>claiming:alone\n"
			 "1505.000 serve<1525.000 announce add claiming>active:alone\n");
}

/* A cluster of one node has nobody to be divided from. */
static void test_one_node_needs_no_witness(void **context)
{
	(void)context;
	rig.config.has_peer = false;
	rig_start(&rig);
	rig_run(&rig, 1400);
	assert_int_equal(rig.el.state, HG_EL_ACTIVE);
	assert_null(strstr(rig.journal, "ask"));
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_holder_with_grants_asks_nobody),
		TEST(test_holder_asks_from_half_its_lease),
		TEST(test_holder_without_answer_stops),
		TEST(test_refused_holder_stops),
		TEST(test_grant_counts_from_the_question),
		TEST(test_grant_of_another_epoch_is_nothing),
		TEST(test_lone_holder_asks_for_more),
		TEST(test_isolation_does_not_count),
		TEST(test_promise_outlives_reload),
		TEST(test_takeover_with_its_grant),
		TEST(test_refused_standby_keeps_asking),
		TEST(test_refusal_raises_the_next_claim),
		TEST(test_nobody_there),
		TEST(test_fenced_needs_no_witness),
		TEST(test_hung_agent_needs_no_witness),
		TEST(test_grant_that_ended_does_not_serve),
		TEST(test_planned_takeover_does_not_ask),
		TEST(test_alone_from_the_start),
		TEST(test_one_node_needs_no_witness),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
