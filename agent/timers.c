// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * `timers`: how close leases came to lapse, and what interval and lease would do (advice.h).
 * Runs in a task: the fit takes milliseconds.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "agent/advice.h"
#include "agent/flight.h"

#define PER_YEAR_MAX 1e7

static const struct {
	const char *name, *text;
} kinds[HG_TIMINGS] = {
	[HG_TIMING_GRANT] = { "grants", "as holder: time since the newest granted request" },
	[HG_TIMING_REQUEST] = { "requests", "as standby: time between the holder's REQUESTs" },
	[HG_TIMING_LATE] = { "agent-late", "this agent's timer: due to run" },
	[HG_TIMING_RTT] = { "rtt", "round trip of the bounce" },
	[HG_TIMING_STEAL] = { "steal", "CPU time the hypervisor took, a second and CPU" },
};

/* Those that a lease depends on come first. */
#define JUDGED 2

static const char *const bases[] = {
	[HG_ADVICE_NONE] = "none",
	[HG_ADVICE_BOUND] = "bound",
	[HG_ADVICE_FIT] = "fit",
};

struct answer {
	const struct hg_agent *agent;
	double per_year; /* asked for */
	struct hg_advice advice[JUDGED];
	const struct hg_advice *worst; /* NULL: nothing could be judged */
	bool is_tight; /* the present timers */
	bool is_bound; /* something was observed, but not long enough */
	struct hg_span interval, lease; /* recommended, with `worst` */
	json_t *text;
};

static json_t *json_ms(double ns)
{
	return json_real((double)(int64_t)(ns / 1e3 + 0.5) / 1e3);
}

static json_t *json_observed(const struct hg_timing *timing)
{
	json_t *array = json_array();

	for (unsigned int kind = 0; kind < HG_TIMINGS; kind++) {
		const struct hg_timing_hist *hist = &timing->total[kind];
		struct hg_timing_hist day;

		hg_timing_day(timing, kind, &day);
		json_array_append_new(
			array,
			json_pack("{s:s,s:s,s:I,s:I,s:o,s:o,s:o,s:o,s:o,s:o}", "kind",
				  kinds[kind].name, "text", kinds[kind].text, "seconds",
				  (json_int_t)hist->seconds, "samples", (json_int_t)hist->samples,
				  "median_ms", json_ms(hg_timing_quantile(hist, 0.5)), "p99_ms",
				  json_ms(hg_timing_quantile(hist, 0.99)), "p999_ms",
				  json_ms(hg_timing_quantile(hist, 0.999)), "longest_ms",
				  json_ms(hist->longest), "longest_day_ms", json_ms(day.longest),
				  "longest_hour_ms", json_ms(hg_timing_longest(timing, kind))));
	}
	return array;
}

static json_t *json_advice(enum hg_timing_kind kind, const struct hg_advice *advice)
{
	json_t *json = json_pack(
		"{s:s,s:s,s:f,s:I,s:I,s:I,s:o}", "kind", kinds[kind].name, "basis",
		bases[advice->basis], "seconds", advice->seconds, "samples",
		(json_int_t)advice->samples, "interruptions", (json_int_t)advice->interruptions,
		"reached", (json_int_t)advice->reached, "longest_ms", json_ms(advice->longest_ns));

	if (!json || advice->basis == HG_ADVICE_NONE)
		return json;
	json_object_set_new(json, "per_year_bound", json_real(advice->per_year_bound));
	json_object_set_new(json, "per_year_judged", json_real(advice->per_year_judged));
	if (advice->basis != HG_ADVICE_FIT)
		return json;
	json_object_set_new(json, "per_year", json_real(advice->per_year));
	json_object_set_new(json, "per_year_cautious", json_real(advice->per_year_cautious));
	json_object_set_new(json, "gap_ms", json_ms(advice->gap_ns));
	json_object_set_new(json, "gap_cautious_ms", json_ms(advice->gap_cautious_ns));
	json_object_set_new(json, "tail_samples", json_integer(advice->tail));
	json_object_set_new(json, "threshold_ms", json_ms(advice->threshold_ns));
	json_object_set_new(json, "scale_ms", json_ms(advice->scale_ns));
	json_object_set_new(json, "shape", json_real(advice->shape));
	return json;
}

/* --- judgement ------------------------------------------------------------------------ */

static void judge(struct answer *a)
{
	const struct hg_timing *timing = &a->agent->flight->timing;
	struct hg_span lease = a->agent->setup->cluster.lease;

	for (unsigned int kind = 0; kind < JUDGED; kind++) {
		struct hg_advice *advice = &a->advice[kind];

		hg_advice_make(&timing->total[kind], a->per_year, lease, advice);
		if (advice->basis == HG_ADVICE_NONE)
			continue;
		a->is_bound |= advice->basis == HG_ADVICE_BOUND;
		a->is_tight |= advice->reached / advice->seconds * HG_ADVICE_YEAR_S > a->per_year;
		if (advice->basis != HG_ADVICE_FIT)
			continue;
		a->is_tight |= advice->per_year_cautious > a->per_year;
		if (!a->worst || advice->gap_cautious_ns > a->worst->gap_cautious_ns)
			a->worst = advice;
	}
	if (a->worst)
		hg_advice_timers(a->worst->gap_cautious_ns, a->agent->setup->cluster.interval,
				 &a->interval, &a->lease);
}

static const char *verdict(const struct answer *a)
{
	if (a->is_tight)
		return "too-tight";
	if (!a->worst)
		return "unknown";
	return a->lease.ns * 10 < a->agent->setup->cluster.lease.ns * 6 ? "generous" : "fits";
}

/* --- words ------------------------------------------------------------------------------ */

static void __attribute__((format(printf, 2, 3))) say(struct answer *a, const char *format, ...)
{
	char line[512];
	va_list list;

	va_start(list, format);
	vsnprintf(line, sizeof(line), format, list);
	va_end(list);
	json_array_append_new(a->text, json_string(line));
}

static const char *span_text(double seconds, char ret[32])
{
	if (seconds < 120)
		snprintf(ret, 32, "%.0f s", seconds);
	else if (seconds < 2 * 3600)
		snprintf(ret, 32, "%.0f min", seconds / 60);
	else if (seconds < 2 * 86400)
		snprintf(ret, 32, "%.1f h", seconds / 3600);
	else
		snprintf(ret, 32, "%.1f days", seconds / 86400);
	return ret;
}

/* "1.5 a year", "3 a day" */
static const char *rate_text(double per_year, char ret[32])
{
	double per_day = per_year / 365.25;

	if (per_year < 0.001)
		snprintf(ret, 32, "less than 0.001 a year");
	else if (per_day * 24 >= 1)
		snprintf(ret, 32, "%.3g an hour", per_day / 24);
	else if (per_day >= 1)
		snprintf(ret, 32, "%.3g a day", per_day);
	else
		snprintf(ret, 32, "%.3g a year", per_year);
	return ret;
}

static void say_kind(struct answer *a, enum hg_timing_kind kind)
{
	const struct hg_advice *advice = &a->advice[kind];
	const char *role = kind == HG_TIMING_GRANT ? "holder" : "standby";
	char span[32], rate[32], cautious[32];

	if (!advice->samples)
		return;
	span_text(advice->seconds, span);
	if (advice->basis == HG_ADVICE_NONE)
		say(a,
		    "As %s: too little observed (%s, %" PRIu64
		    " gaps); %d min and %d gaps are the least to say anything.",
		    role, span, advice->samples, HG_ADVICE_SECONDS / 60, HG_ADVICE_SAMPLES);
	else if (advice->basis == HG_ADVICE_BOUND)
		say(a,
		    "As %s: in %s the longest gap was %.1f ms; %" PRIu64
		    " reached the lease, so there are not more than %s (95 %%). That is all so "
		    "short a time can say: now rates from %s can be judged.",
		    role, span, advice->longest_ns / 1e6, advice->reached,
		    rate_text(advice->per_year_bound, rate),
		    rate_text(advice->per_year_judged, cautious));
	else
		say(a,
		    "As %s: in %s the longest gap was %.1f ms, and %" PRIu64
		    " reached the lease. To be expected with the present lease: %s, with caution "
		    "%s.",
		    role, span, advice->longest_ns / 1e6, advice->reached,
		    rate_text(advice->per_year, rate),
		    rate_text(advice->per_year_cautious, cautious));
	if (advice->interruptions)
		say(a,
		    "As %s: %" PRIu64 " interruption%s left out, longer than 1 s: the peer was "
		    "off, or no lease would have ridden that out.",
		    role, advice->interruptions, advice->interruptions == 1 ? " is" : "s are");
}

static void say_verdict(struct answer *a)
{
	const struct hg_cluster_config *cluster = &a->agent->setup->cluster;
	char rate[32];

	rate_text(a->per_year, rate);
	if (a->is_tight)
		say(a,
		    "WARNING: the present timers (interval %" PRIu64 " ms, lease %" PRIu64
		    " ms) are too tight for %s.",
		    cluster->interval.ns / 1000000, cluster->lease.ns / 1000000, rate);
	if (a->worst)
		say(a,
		    "For %s: interval %" PRIu64 " ms, lease %" PRIu64
		    " ms. Gaps of %.1f ms are expected that often, %.1f ms with caution "
		    "(95 %%); the lease is that less the present interval plus its own.",
		    rate, a->interval.ns / 1000000, a->lease.ns / 1000000, a->worst->gap_ns / 1e6,
		    a->worst->gap_cautious_ns / 1e6);
	else if (a->is_bound)
		say(a,
		    "No timers are recommended for %s: observe longer, or ask for a rate that "
		    "can be judged.",
		    rate);
	else
		say(a, "No timers are recommended: too little was observed. The count begins with "
		       "the agent and with each change of the interval.");
}

static void say_assumptions(struct answer *a)
{
	if (!a->worst)
		return;
	say(a,
	    "Assumed: the time to come is like the time observed; both agents run; gaps above "
	    "%.1f ms (the longest %" PRIu64 ") follow a generalised Pareto distribution, scale "
	    "%.2f ms, shape %.2f. A gap that reaches the lease costs a takeover at most.",
	    a->worst->threshold_ns / 1e6, a->worst->tail, a->worst->scale_ns / 1e6,
	    a->worst->shape);
}

static json_t *answer(struct hg_task *task, void *context, json_t *arguments)
{
	const json_t *per_year = json_object_get(arguments, "per_year");
	struct answer a = { .agent = context,
			    .per_year = per_year ? json_number_value(per_year) : 1 };
	const struct hg_cluster_config *cluster = &a.agent->setup->cluster;
	json_t *timers;

	(void)task;
	if (!(a.per_year > 0 && a.per_year <= PER_YEAR_MAX))
		return hg_task_fail("\"per_year\" must be a number above 0 and at most %.0f",
				    PER_YEAR_MAX);
	a.text = json_array();
	judge(&a);
	for (unsigned int kind = 0; kind < JUDGED; kind++)
		say_kind(&a, kind);
	say_verdict(&a);
	say_assumptions(&a);
	timers = json_pack(
		"{s:o,s:o,s:f,s:s,s:o,s:[o,o],s:o}", "interval_ms", json_ms(cluster->interval.ns),
		"lease_ms", json_ms(cluster->lease.ns), "false_takeovers_per_year", a.per_year,
		"verdict", verdict(&a), "observed", json_observed(&a.agent->flight->timing),
		"advice", json_advice(HG_TIMING_GRANT, &a.advice[HG_TIMING_GRANT]),
		json_advice(HG_TIMING_REQUEST, &a.advice[HG_TIMING_REQUEST]), "text", a.text);
	if (timers)
		json_object_set_new(timers, "recommended",
				    a.worst ? json_pack("{s:o,s:o}", "interval_ms",
							json_ms(a.interval.ns), "lease_ms",
							json_ms(a.lease.ns))
					    : json_null());
	return json_pack("{s:b,s:o}", "ok", 1, "timers", timers);
}

void hg_timers_on_ask(void *context, struct hg_control_request *req, json_t *arguments)
{
	struct hg_agent *agent = context;

	hg_task_start(&agent->tasks, req, answer, agent, arguments);
}
