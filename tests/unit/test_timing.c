// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Histograms of gaps (agent/timing.h, hagate/gap.h), and the advice drawn from them
 * (agent/advice.h) for samples of distributions whose tails are known.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "agent/advice.h"

#define MS 1000000.0
#define SECOND UINT64_C(1000000000)
#define HOURS 10
#define SAMPLES 400000 /* in so many hours: 11 a second */
#define SEEDS 12
#define LEASE HG_MS(20)

static struct hg_timing timing;
static struct hg_timing_hist hist;
static uint64_t random_state;

/* In (0, 1): a Weyl sequence, mixed (splitmix64), so that near seeds have nothing in common. */
static double draw(void)
{
	uint64_t x = random_state += UINT64_C(0x9e3779b97f4a7c15);

	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	x ^= x >> 31;
	return ((x >> 12) + 0.5) / (UINT64_C(1) << 52);
}

static void put(double ns, uint32_t count)
{
	hist.count[hg_gap_bucket(ns)] += count;
	hist.samples += count;
	if (ns > hist.longest)
		hist.longest = ns;
}

/* --- histograms ------------------------------------------------------------------------ */

static void test_buckets(void **state)
{
	uint32_t last = 0;

	(void)state;
	for (uint64_t ns = 0; ns < UINT64_C(1) << 32; ns += 1 + ns / 1000) {
		uint32_t bucket = hg_gap_bucket(ns);

		assert_true(bucket == last || bucket == last + 1);
		assert_true(hg_gap_floor(bucket) <= ns);
		if (bucket < HG_GAP_BUCKETS - 1) {
			uint64_t width = hg_gap_floor(bucket + 1) - hg_gap_floor(bucket);

			assert_true(ns < hg_gap_floor(bucket + 1));
			assert_true(bucket < HG_GAP_OCTAVE || width * 8 <= hg_gap_floor(bucket));
		}
		last = bucket;
	}
	assert_int_equal(last, HG_GAP_BUCKETS - 1);
	assert_int_equal(hg_gap_bucket(UINT64_MAX), HG_GAP_BUCKETS - 1);
}

static struct hg_time at(uint64_t second)
{
	return (struct hg_time){ 5 * SECOND + second * SECOND };
}

static void test_hours_and_minutes(void **state)
{
	(void)state;
	hg_timing_reset(&timing, at(0));
	hg_timing_add(&timing, HG_TIMING_LATE, 9000000);
	hg_timing_turn(&timing, at(1));
	assert_int_equal(hg_timing_longest(&timing, HG_TIMING_LATE), 9000000);
	for (uint64_t second = 1; second < 3000; second++) {
		hg_timing_add(&timing, HG_TIMING_LATE, 1000000);
		hg_timing_turn(&timing, at(second + 1));
	}
	assert_int_equal(hg_timing_longest(&timing, HG_TIMING_LATE), 9000000);
	assert_int_equal(hg_timing_longest(&timing, HG_TIMING_RTT), 0);
	hg_timing_turn(&timing, at(3661)); /* the ninth millisecond is more than an hour ago */
	assert_int_equal(hg_timing_longest(&timing, HG_TIMING_LATE), 1000000);
	hg_timing_day(&timing, HG_TIMING_LATE, &hist);
	assert_int_equal(hist.samples, 3000);
	assert_int_equal(hist.seconds, 3000);
	assert_int_equal(hist.longest, 9000000);
	hg_timing_turn(&timing, at(25 * 3600 + 1));
	hg_timing_day(&timing, HG_TIMING_LATE, &hist);
	assert_int_equal(hist.samples, 0);
	hg_timing_turn(&timing, at(1000 * 3600)); /* asleep for a month: one step */
	hg_timing_add(&timing, HG_TIMING_LATE, 3000000);
	assert_int_equal(hg_timing_longest(&timing, HG_TIMING_LATE), 3000000);
	assert_int_equal(timing.total[HG_TIMING_LATE].samples, 3001);
	assert_int_equal(timing.total[HG_TIMING_LATE].longest, 9000000);
}

static void test_looks_at_what_xdp_counted(void **state)
{
	static struct hg_gap gap;

	(void)state;
	memset(&gap, 0, sizeof(gap));
	hg_timing_reset(&timing, at(0));
	gap.count[HG_GAP_GRANT][40] = 1000; /* of an earlier agent */
	gap.longest[HG_GAP_GRANT] = 77;
	hg_timing_look(&timing, &gap, LEASE);
	assert_int_equal(timing.total[HG_TIMING_GRANT].samples, 0);
	assert_int_equal(gap.longest[HG_GAP_GRANT], 0);
	gap.count[HG_GAP_GRANT][40] += 3;
	gap.count[HG_GAP_REQUEST][136] += 1;
	gap.longest[HG_GAP_GRANT] = 2000000;
	hg_timing_look(&timing, &gap, LEASE);
	hg_timing_turn(&timing, at(1));
	assert_int_equal(timing.total[HG_TIMING_GRANT].samples, 3);
	assert_int_equal(timing.total[HG_TIMING_GRANT].count[40], 3);
	assert_int_equal(timing.total[HG_TIMING_GRANT].longest, 2000000);
	assert_int_equal(timing.total[HG_TIMING_REQUEST].count[136], 1);
	assert_int_equal(timing.total[HG_TIMING_GRANT].seconds, 1);
	hg_timing_look(&timing, &gap, LEASE);
	hg_timing_turn(&timing, at(2));
	assert_int_equal(timing.total[HG_TIMING_GRANT].samples, 3);
	assert_int_equal(timing.total[HG_TIMING_GRANT].seconds, 1);
}

/* The peer was off for 20 s: its first GRANT ends a gap that says nothing of the timers. */
static void test_interruptions_are_no_longest_gap(void **state)
{
	static struct hg_gap gap;

	(void)state;
	memset(&gap, 0, sizeof(gap));
	hg_timing_reset(&timing, at(0));
	hg_timing_look(&timing, &gap, LEASE);
	gap.count[HG_GAP_GRANT][HG_GAP_BUCKETS - 1] = 1;
	gap.longest[HG_GAP_GRANT] = 20 * SECOND;
	hg_timing_look(&timing, &gap, LEASE);
	assert_int_equal(hg_timing_longest(&timing, HG_TIMING_GRANT), 0);
	assert_int_equal(timing.total[HG_TIMING_GRANT].samples, 1); /* told by the advice */
	/* What came before it in the same second is not lost. */
	gap.count[HG_GAP_GRANT][HG_GAP_BUCKETS - 1]++;
	gap.count[HG_GAP_GRANT][hg_gap_bucket(9000000)]++;
	gap.longest[HG_GAP_GRANT] = 20 * SECOND;
	hg_timing_look(&timing, &gap, LEASE);
	assert_in_range(hg_timing_longest(&timing, HG_TIMING_GRANT), 9000000, 9000000 * 9 / 8);
	/* A lease that was longer than the gap came close to its end. */
	gap.longest[HG_GAP_REQUEST] = 20 * SECOND;
	hg_timing_look(&timing, &gap, (struct hg_span){ 30 * SECOND });
	assert_int_equal(hg_timing_longest(&timing, HG_TIMING_REQUEST), 20 * SECOND);
}

static void test_quantiles(void **state)
{
	(void)state;
	memset(&hist, 0, sizeof(hist));
	assert_int_equal(hg_timing_quantile(&hist, 0.5), 0);
	put(1 * MS, 900);
	put(5 * MS, 99);
	put(17 * MS, 1);
	assert_in_range(hg_timing_quantile(&hist, 0.5), 1 * MS, 1.13 * MS);
	assert_in_range(hg_timing_quantile(&hist, 0.99), 5 * MS, 5.7 * MS);
	assert_int_equal(hg_timing_quantile(&hist, 1), 17 * MS);
}

/* --- known tails ------------------------------------------------------------------------- */

/* A gap above its base, by generalised Pareto: exponential, heavy, bounded. */
struct law {
	const char *name;
	double base, scale, shape;
	double near; /* two estimates of three lie within this factor of the truth */
};

static const struct law exponential = { "exponential", 2.5 * MS, 0.3 * MS, 0, 1.5 };
static const struct law heavy = { "heavy", 2.5 * MS, 0.3 * MS, 0.25, 3 };
static const struct law bounded = { "bounded", 2.5 * MS, 1.0 * MS, -0.3, 1.5 };

/* What is exceeded with this probability. */
static double exceeded(const struct law *law, double share)
{
	if (law->shape == 0)
		return law->base - law->scale * log(share);
	return law->base + law->scale / law->shape * (pow(share, -law->shape) - 1);
}

static void sample(const struct law *law, uint64_t seed)
{
	random_state = seed << 32;
	memset(&hist, 0, sizeof(hist));
	hist.seconds = HOURS * 3600;
	for (uint32_t i = 0; i < SAMPLES; i++)
		put(exceeded(law, draw()), 1);
}

static double true_level(const struct law *law, double per_year)
{
	return exceeded(law, per_year / HG_ADVICE_YEAR_S * HOURS * 3600 / SAMPLES);
}

/* Extrapolates about 900 times beyond what was seen: to once a year from ten hours. */
static void judge(const struct law *law)
{
	double truth = true_level(law, 1);
	unsigned int covered = 0, near = 0;
	struct hg_advice advice;

	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		sample(law, seed);
		hg_advice_make(&hist, 1, LEASE, &advice);
		assert_int_equal(advice.basis, HG_ADVICE_FIT);
		assert_true(advice.tail >= HG_ADVICE_TAIL);
		assert_true(advice.gap_cautious_ns >= advice.gap_ns);
		covered += advice.gap_cautious_ns >= truth;
		near += advice.gap_ns > truth / law->near && advice.gap_ns < truth * law->near;
		print_message("%s %2u: true %.1f ms, best %.1f, cautious %.1f, seen %.1f, "
			      "shape %.2f\n",
			      law->name, (unsigned int)seed, truth / MS, advice.gap_ns / MS,
			      advice.gap_cautious_ns / MS, advice.longest_ns / MS, advice.shape);
	}
	assert_true(covered >= SEEDS - 2);
	assert_true(near >= SEEDS * 2 / 3);
}

static void test_exponential_tail(void **state)
{
	(void)state;
	judge(&exponential);
}

static void test_heavy_tail(void **state)
{
	(void)state;
	judge(&heavy);
}

static void test_bounded_tail(void **state)
{
	(void)state;
	judge(&bounded);
}

/* How often the present lease is reached, the other way round. */
static void test_rate_of_a_lease(void **state)
{
	unsigned int covered = 0, near = 0;
	struct hg_advice advice;
	double lease;

	(void)state;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		sample(&exponential, seed);
		lease = true_level(&exponential, 50);
		hg_advice_make(&hist, 1, (struct hg_span){ lease }, &advice);
		covered += advice.per_year_cautious >= 50;
		near += advice.per_year > 50.0 / 20 && advice.per_year < 50.0 * 20;
	}
	assert_true(covered >= SEEDS - 2);
	assert_true(near >= SEEDS * 2 / 3);
}

/* --- what cannot be said -------------------------------------------------------------------- */

static void test_refuses_too_little(void **state)
{
	struct hg_advice advice;

	(void)state;
	memset(&hist, 0, sizeof(hist));
	hg_advice_make(&hist, 1, LEASE, &advice);
	assert_int_equal(advice.basis, HG_ADVICE_NONE);
	put(3 * MS, HG_ADVICE_SAMPLES);
	hist.seconds = HG_ADVICE_SECONDS - 1;
	hg_advice_make(&hist, 1e6, LEASE, &advice);
	assert_int_equal(advice.basis, HG_ADVICE_NONE);
	hist.seconds = HG_ADVICE_SECONDS;
	hist.count[hg_gap_bucket(3 * MS)]--;
	hg_advice_make(&hist, 1e6, LEASE, &advice);
	assert_int_equal(advice.basis, HG_ADVICE_NONE);
}

/* An hour says nothing about once a year, but bounds what may be. */
static void test_bound_only(void **state)
{
	struct hg_advice advice;

	(void)state;
	sample(&exponential, 3);
	hist.seconds = 3600;
	hg_advice_make(&hist, 1, LEASE, &advice);
	assert_int_equal(advice.basis, HG_ADVICE_BOUND);
	assert_true(advice.per_year_judged > 8.7 && advice.per_year_judged < 8.9);
	assert_true(fabs(advice.per_year_bound - 3 * 365.25 * 24) < 1);
	hg_advice_make(&hist, 9, LEASE, &advice);
	assert_int_equal(advice.basis, HG_ADVICE_FIT);
}

/* Gaps that reached the lease are counted, and long interruptions are not. */
static void test_reached_and_interrupted(void **state)
{
	struct hg_advice advice, without;

	(void)state;
	sample(&exponential, 4);
	hg_advice_make(&hist, 1, LEASE, &without);
	put(3000 * MS, 4);
	hg_advice_make(&hist, 1, LEASE, &advice);
	assert_int_equal(advice.interruptions, 4);
	assert_int_equal(advice.reached, 0);
	assert_true(advice.gap_ns == without.gap_ns);
	assert_true(advice.longest_ns < 20 * MS);
	put(30 * MS, 5);
	hg_advice_make(&hist, 1, LEASE, &advice);
	assert_int_equal(advice.reached, 5);
	assert_true(advice.per_year_bound > 5 * 876.6 && advice.per_year_bound < 12 * 876.6);
	assert_true(advice.gap_ns > without.gap_ns);
	assert_true(advice.per_year > 876);
}

/* A second kind of trouble, rare and long, must not hide behind the common kind. */
static void test_two_kinds(void **state)
{
	struct hg_advice advice;

	(void)state;
	sample(&exponential, 5);
	for (unsigned int i = 0; i < 20; i++)
		put((10 + 2 * draw()) * MS, 1);
	hg_advice_make(&hist, 1, LEASE, &advice);
	assert_true(advice.gap_cautious_ns > 15 * MS);
}

static void check_timers(double gap_ms, uint64_t interval_ms, uint64_t lease_ms)
{
	struct hg_span interval, lease;

	hg_advice_timers(gap_ms * MS, HG_MS(5), &interval, &lease);
	assert_int_equal(lease.ns, lease_ms * 1000000);
	assert_int_equal(interval.ns, interval_ms * 1000000);
	assert_true(interval.ns * 3 <= lease.ns);
}

static void test_timers(void **state)
{
	(void)state;
	check_timers(0, 1, 4);
	check_timers(5.1, 1, 4);
	check_timers(20, 5, 20); /* 15 ms on top of an interval: the defaults */
	check_timers(20.1, 5, 21);
	check_timers(200, 65, 260);
	check_timers(1e6, 1000, 10000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_buckets),
		cmocka_unit_test(test_hours_and_minutes),
		cmocka_unit_test(test_looks_at_what_xdp_counted),
		cmocka_unit_test(test_interruptions_are_no_longest_gap),
		cmocka_unit_test(test_quantiles),
		cmocka_unit_test(test_exponential_tail),
		cmocka_unit_test(test_heavy_tail),
		cmocka_unit_test(test_bounded_tail),
		cmocka_unit_test(test_rate_of_a_lease),
		cmocka_unit_test(test_refuses_too_little),
		cmocka_unit_test(test_bound_only),
		cmocka_unit_test(test_reached_and_interrupted),
		cmocka_unit_test(test_two_kinds),
		cmocka_unit_test(test_timers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
