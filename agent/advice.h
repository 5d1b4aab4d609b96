/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What lease would be long enough, from the gaps that were observed. Pure arithmetic.
 *
 * A lease is lost when a gap of the bounce reaches its length. How often gaps reach a
 * length that was seldom or never seen is estimated from the longest ones: what lies above
 * a high threshold follows a generalised Pareto distribution (Pickands, Balkema and
 * de Haan: the limit for any ordinary distribution), whose scale and shape are fitted
 * to the counts of the buckets by maximum likelihood; a tail that ends somewhere is not
 * believed in. Beside the best estimate stands a
 * cautious one: the worst of all scales and shapes that the counts do not speak against
 * (likelihood ratio, 95 % to one side).
 *
 * Honest means here: below HG_ADVICE_SECONDS or HG_ADVICE_SAMPLES nothing is said; no
 * rate is judged that lies further than HG_ADVICE_REACH times beyond the time observed;
 * gaps above HG_ADVICE_CUT_NS are interruptions that no lease should ride out, and are
 * left out and counted.
 */
#ifndef HG_ADVICE_H
#define HG_ADVICE_H

#include "agent/timing.h"

#define HG_ADVICE_SECONDS 600
#define HG_ADVICE_SAMPLES 10000
#define HG_ADVICE_REACH 1000
#define HG_ADVICE_TAIL 250 /* samples above the threshold, at least */
#define HG_ADVICE_CUT_NS HG_TIMING_CUT_NS
#define HG_ADVICE_YEAR_S (365.25 * 86400)

enum hg_advice_basis {
	HG_ADVICE_NONE, /* too little was observed for anything */
	HG_ADVICE_BOUND, /* ... for the rate asked for: `per_year_bound` is all there is */
	HG_ADVICE_FIT,
};

struct hg_advice {
	enum hg_advice_basis basis;
	double seconds;
	uint64_t samples, interruptions;
	double longest_ns; /* interruptions left out */
	double per_year_judged; /* the lowest rate that could be judged from so much */
	uint64_t reached; /* gaps at least as long as the lease */
	double per_year_bound; /* such gaps are not more frequent than that (95 %), by count */
	/* FIT */
	uint64_t tail; /* samples above the threshold */
	double threshold_ns, scale_ns, shape;
	double gap_ns, gap_cautious_ns; /* reached as often as asked for */
	double per_year, per_year_cautious; /* gaps that reach the lease */
};

/* `per_year`: how many gaps may reach the lease in a year. */
void hg_advice_make(const struct hg_timing_hist *hist, double per_year, struct hg_span lease,
		    struct hg_advice *ret);

/* Timers for a gap of this length, observed with the present interval: a gap is an
 * interval and what came on top, and the lease is four intervals, as by default. Whole
 * milliseconds, within the limits of cluster.yaml. */
void hg_advice_timers(double gap_ns, struct hg_span interval, struct hg_span *ret_interval,
		      struct hg_span *ret_lease);

#endif
