/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See advice.h. */
#include <math.h>
#include <string.h>

#include "advice.h"

/* Shapes below 0 say that there is an end to what can happen, which no count of what has
 * happened shows; those beyond 1 have no mean. */
#define SHAPE_MIN 0.0
#define SHAPE_MAX 1.0
#define SHAPES 51
#define SCALES 120
#define SCALE_SPAN 12.0 /* from the mean excess divided by it to the mean excess times it */

/* Half of the chi-squared quantile: one parameter, 90 % within, 95 % to one side. */
#define LIKELIHOOD_DROP 1.353

#define BUCKET_CUT (HG_GAP_BUCKETS - 9) /* begins at HG_ADVICE_CUT_NS */

struct tail {
	const uint32_t *count;
	uint32_t first; /* bucket that the threshold begins */
	double threshold;
	double samples;
	double per_second; /* of them */
};

/* Share of the tail that lies more than `excess` above the threshold. */
static double survival(double shape, double scale, double excess)
{
	if (shape < 1e-6)
		return exp(-excess / scale);
	return pow(1 + shape * excess / scale, -1 / shape);
}

/* What is reached `rate` times a second, above the threshold. */
static double level(const struct tail *tail, double shape, double scale, double rate)
{
	double times = tail->per_second / rate;

	if (times <= 1)
		return 0;
	if (shape < 1e-6)
		return scale * log(times);
	return scale / shape * (pow(times, shape) - 1);
}

static double likelihood(const struct tail *tail, double shape, double scale)
{
	double above = 1, sum = 0;

	for (uint32_t i = tail->first; i < BUCKET_CUT && above > 0; i++) {
		double next = survival(shape, scale, hg_gap_floor(i + 1) - tail->threshold);

		if (tail->count[i])
			sum += above - next > 1e-300 ? tail->count[i] * log(above - next)
						     : -INFINITY;
		above = next;
	}
	return sum;
}

static double mean_excess(const struct tail *tail)
{
	double sum = 0;

	for (uint32_t i = tail->first; i < BUCKET_CUT; i++)
		sum += tail->count[i] *
		       ((hg_gap_floor(i) + hg_gap_floor(i + 1)) / 2.0 - tail->threshold);
	return sum / tail->samples;
}

static void find_tail(const struct hg_timing_hist *hist, double seconds, struct tail *ret)
{
	uint32_t first = BUCKET_CUT;
	double samples = 0;

	while (first > 0 && samples < HG_ADVICE_TAIL)
		samples += hist->count[--first];
	*ret = (struct tail){ .count = hist->count,
			      .first = first,
			      .threshold = hg_gap_floor(first),
			      .samples = samples,
			      .per_second = samples / seconds };
}

struct grid {
	double value[SHAPES][SCALES];
	double best;
};

static double shape_at(unsigned int i)
{
	return SHAPE_MIN + (SHAPE_MAX - SHAPE_MIN) * i / (SHAPES - 1);
}

static double scale_at(double mean, unsigned int i)
{
	return mean / SCALE_SPAN * pow(SCALE_SPAN * SCALE_SPAN, (double)i / (SCALES - 1));
}

static double larger(double a, double b)
{
	return a > b ? a : b;
}

static void fit(const struct tail *tail, double rate, double lease, struct hg_advice *ret)
{
	static struct grid grid; /* too large for the stack */
	double mean = mean_excess(tail), excess = larger(lease - tail->threshold, 0);

	grid.best = -INFINITY;
	for (unsigned int x = 0; x < SHAPES; x++) {
		for (unsigned int s = 0; s < SCALES; s++) {
			double value = likelihood(tail, shape_at(x), scale_at(mean, s));

			grid.value[x][s] = value;
			if (value <= grid.best)
				continue;
			grid.best = value;
			ret->shape = shape_at(x);
			ret->scale_ns = scale_at(mean, s);
		}
	}
	ret->gap_ns = tail->threshold + level(tail, ret->shape, ret->scale_ns, rate);
	if (rate * ret->seconds <= 1) /* what was seen once may be seen so often */
		ret->gap_ns = larger(ret->gap_ns, ret->longest_ns);
	ret->gap_cautious_ns = ret->gap_ns;
	ret->per_year = tail->per_second * survival(ret->shape, ret->scale_ns, excess) *
			HG_ADVICE_YEAR_S;
	for (unsigned int x = 0; x < SHAPES; x++) {
		for (unsigned int s = 0; s < SCALES; s++) {
			double shape = shape_at(x), scale = scale_at(mean, s);

			if (grid.value[x][s] < grid.best - LIKELIHOOD_DROP)
				continue;
			ret->gap_cautious_ns = larger(ret->gap_cautious_ns,
						      tail->threshold +
							      level(tail, shape, scale, rate));
			ret->per_year_cautious = larger(ret->per_year_cautious,
							tail->per_second * HG_ADVICE_YEAR_S *
								survival(shape, scale, excess));
		}
	}
}

/* Upper limit for the mean of a Poisson count, 95 %: exact for none (3.0), and by Wilson
 * and Hilferty's approximation above. */
static double poisson_limit(double count)
{
	double n = count + 1;

	return count ? n * pow(1 - 1 / (9 * n) + 1.645 / (3 * sqrt(n)), 3) : 3;
}

static void count_up(const struct hg_timing_hist *hist, struct hg_span lease, struct hg_advice *ret)
{
	ret->seconds = hist->seconds;
	for (uint32_t i = 0; i < HG_GAP_BUCKETS; i++) {
		if (i >= BUCKET_CUT) {
			ret->interruptions += hist->count[i];
			continue;
		}
		ret->samples += hist->count[i];
		if (hg_gap_floor(i + 1) > lease.ns)
			ret->reached += hist->count[i];
		if (hist->count[i])
			ret->longest_ns = hg_gap_floor(i + 1);
	}
	if (!ret->interruptions && hist->longest < ret->longest_ns)
		ret->longest_ns = hist->longest;
}

void hg_advice_make(const struct hg_timing_hist *hist, double per_year, struct hg_span lease,
		    struct hg_advice *ret)
{
	struct tail tail;

	memset(ret, 0, sizeof(*ret));
	count_up(hist, lease, ret);
	if (ret->seconds < HG_ADVICE_SECONDS || ret->samples < HG_ADVICE_SAMPLES)
		return;
	/* The longest may share the bucket of the lease and be below it. */
	if (ret->longest_ns < lease.ns)
		ret->reached = 0;
	ret->basis = HG_ADVICE_BOUND;
	ret->per_year_judged = HG_ADVICE_YEAR_S / (ret->seconds * HG_ADVICE_REACH);
	ret->per_year_bound = poisson_limit(ret->reached) / ret->seconds * HG_ADVICE_YEAR_S;
	if (per_year < ret->per_year_judged)
		return;
	find_tail(hist, ret->seconds, &tail);
	ret->basis = HG_ADVICE_FIT;
	ret->tail = tail.samples;
	ret->threshold_ns = tail.threshold;
	fit(&tail, per_year / HG_ADVICE_YEAR_S, lease.ns, ret);
	/* What was counted stands above what was fitted. */
	if (!ret->reached)
		return;
	ret->per_year = larger(ret->per_year, ret->reached / ret->seconds * HG_ADVICE_YEAR_S);
	ret->per_year_cautious = larger(ret->per_year_cautious, ret->per_year_bound);
}

void hg_advice_timers(double gap_ns, struct hg_span interval, struct hg_span *ret_interval,
		      struct hg_span *ret_lease)
{
	double beyond = larger(gap_ns - interval.ns, 0);
	double lease_ms = ceil(beyond * 4 / 3 / 1e6);
	double interval_ms;

	lease_ms = larger(lease_ms, 4);
	if (lease_ms > 10000)
		lease_ms = 10000;
	interval_ms = larger(floor(lease_ms / 4), 1);
	if (interval_ms > 1000)
		interval_ms = 1000;
	*ret_interval = HG_MS(interval_ms);
	*ret_lease = HG_MS(lease_ms);
}
