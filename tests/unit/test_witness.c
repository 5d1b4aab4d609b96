/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The witness's judgement by examples, and its one promise under requests at random. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "agent/core/witness.h"

static struct hg_witness witness;
static struct hg_witness_rules rules;
static struct hg_witness_answer answer;

static int setup(void **context)
{
	(void)context;
	witness = (struct hg_witness){ 0 };
	rules = (struct hg_witness_rules){ .lease_max = HG_MS(200),
					   .margin = { 200000 },
					   .drift_ppm = 10000 };
	return 0;
}

static enum hg_witness_verdict ask(double ms, uint8_t node, uint64_t epoch, unsigned int lease_ms)
{
	struct hg_witness_request request = { node, epoch, HG_MS(lease_ms) };

	hg_witness_judge(&witness, &rules, (struct hg_time){ (uint64_t)(ms * 1e6) }, &request,
			 &answer);
	return answer.verdict;
}

static void test_first_and_renewal(void **context)
{
	(void)context;
	assert_int_equal(ask(1000, 1, 0x501, 20), HG_WITNESS_GRANTED);
	assert_true(answer.is_new);
	assert_int_equal(answer.epoch, 0x501);
	assert_int_equal(answer.lease.ns, 20000000);
	assert_int_equal(witness.until.ns, 1020600000); /* + 2 % + 0.2 ms */
	assert_int_equal(ask(1010, 1, 0x501, 20), HG_WITNESS_GRANTED);
	assert_false(answer.is_new);
	assert_int_equal(witness.until.ns, 1030600000);
	/* A lease that has ended may be asked for again: nobody else had it. */
	assert_int_equal(ask(5000, 1, 0x501, 20), HG_WITNESS_GRANTED);
}

static void test_other_waits_for_the_end(void **context)
{
	(void)context;
	ask(1000, 1, 0x501, 20);
	assert_int_equal(ask(1020.599, 2, 0x602, 20), HG_WITNESS_HELD);
	assert_int_equal(answer.epoch, 0x501);
	assert_int_equal(answer.left.ns, 1000);
	assert_int_equal(witness.epoch, 0x501);
	assert_int_equal(ask(1020.6, 2, 0x602, 20), HG_WITNESS_GRANTED);
	assert_int_equal(ask(1021, 1, 0x501, 20), HG_WITNESS_LOWER);
	assert_int_equal(answer.epoch, 0x602);
	assert_int_equal(ask(9000, 1, 0x501, 20), HG_WITNESS_LOWER);
	/* The same node with a new claim waits like everybody. */
	assert_int_equal(ask(1022, 2, 0x702, 20), HG_WITNESS_HELD);
}

static void test_longer_lease_is_waited_for(void **context)
{
	(void)context;
	ask(1000, 1, 0x501, 200);
	ask(1010, 1, 0x501, 20);
	assert_int_equal(ask(1204.199, 2, 0x602, 20), HG_WITNESS_HELD);
	assert_int_equal(ask(1204.2, 2, 0x602, 20), HG_WITNESS_GRANTED);
	assert_int_equal(ask(2000, 2, 0x602, 5000), HG_WITNESS_GRANTED);
	assert_int_equal(answer.lease.ns, 200000000); /* no longer than lease_max */
}

static void test_start_is_silent(void **context)
{
	(void)context;
	rules.silent_until.ns = 1000000000;
	witness.epoch = 0x602; /* remembered */
	assert_int_equal(ask(999.999, 2, 0x602, 20), HG_WITNESS_SILENT);
	assert_int_equal(answer.left.ns, 1000);
	assert_int_equal(ask(999.999, 2, 0x702, 20), HG_WITNESS_SILENT);
	assert_int_equal(ask(999.999, 1, 0x501, 20), HG_WITNESS_LOWER);
	assert_int_equal(ask(1000, 1, 0x501, 20), HG_WITNESS_LOWER);
	assert_int_equal(ask(1000, 2, 0x602, 20), HG_WITNESS_GRANTED);
	assert_false(answer.is_new);
}

static void test_senseless_requests(void **context)
{
	(void)context;
	assert_int_equal(ask(1000, 1, 0, 20), HG_WITNESS_FOREIGN);
	assert_int_equal(ask(1000, 1, 0x502, 20), HG_WITNESS_FOREIGN);
	assert_int_equal(ask(1000, 1, 0x501, 0), HG_WITNESS_FOREIGN);
	assert_int_equal(witness.epoch, 0);
	assert_int_equal(ask(1000, 1, UINT64_MAX << 8 | 1, 20), HG_WITNESS_GRANTED);
}

static void test_names(void **context)
{
	(void)context;
	for (int v = 0; v < HG_WITNESS_VERDICTS; v++)
		assert_string_not_equal(hg_witness_name(v), "unknown");
	assert_string_equal(hg_witness_name(HG_WITNESS_VERDICTS), "unknown");
}

/* Any requests, any restarts: on a clock that runs at most 1 % apart from the witness's,
 * no two epochs ever have a running grant at once. */
struct holder {
	uint64_t epoch;
	double until; /* true time */
};

static uint64_t random_state = 88172645463325252u;

static uint64_t draw(uint64_t below)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state % below;
}

static void restart(double clock_ns)
{
	if (draw(2))
		witness = (struct hg_witness){ 0 };
	witness.until.ns = 0;
	rules.silent_until.ns = (uint64_t)clock_ns + hg_witness_longest(&rules, rules.lease_max).ns;
}

static void test_never_two(void **context)
{
	static const double rate = 1.01; /* the witness's clock is the fast one */
	struct holder holder[3] = { 0 };
	double now = 1e9;
	unsigned int grants = 0;
	uint64_t counter = 1;

	(void)context;
	for (unsigned int i = 0; i < 300000; i++) {
		uint8_t node = 1 + draw(2);
		struct hg_witness_request request = { .node = node,
						      .epoch = (counter + draw(3)) << 8 | node,
						      .lease = { draw(30000000) + 1 } };
		double sent = now - draw(3000000), slow = 0.99;

		now += draw(draw(8) ? 6000000 : 60000000);
		if (!draw(200))
			restart(now * rate);
		hg_witness_judge(&witness, &rules, (struct hg_time){ now * rate }, &request,
				 &answer);
		if (answer.verdict != HG_WITNESS_GRANTED)
			continue;
		grants++;
		assert_true(holder[3 - node].until <= now);
		holder[node].epoch = request.epoch;
		if (holder[node].until < sent + answer.lease.ns / slow)
			holder[node].until = sent + answer.lease.ns / slow;
		counter += !draw(20);
	}
	assert_true(grants > 20000);
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_first_and_renewal),
		TEST(test_other_waits_for_the_end),
		TEST(test_longer_lease_is_waited_for),
		TEST(test_start_is_silent),
		TEST(test_senseless_requests),
		TEST(test_names),
		TEST(test_never_two),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
