/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See timing.h. */
#include <string.h>

#include "timing.h"

#define SECOND_NS UINT64_C(1000000000)

static uint64_t seconds_of(const struct hg_timing *timing)
{
	return hg_time_since(timing->second, timing->began).ns / SECOND_NS - 1;
}

static unsigned int minute_of(const struct hg_timing *timing)
{
	return seconds_of(timing) / 60 % HG_TIMING_MINUTES;
}

static unsigned int hour_of(const struct hg_timing *timing)
{
	return seconds_of(timing) / 3600 % HG_TIMING_HOURS;
}

void hg_timing_reset(struct hg_timing *timing, struct hg_time now)
{
	memset(timing, 0, sizeof(*timing));
	timing->began = now;
	timing->second.ns = now.ns + SECOND_NS;
}

static void add_many(struct hg_timing *timing, enum hg_timing_kind kind, uint32_t bucket,
		     uint64_t count)
{
	struct hg_timing_hist *hour = &timing->hour[hour_of(timing)][kind];

	timing->total[kind].samples += count;
	timing->total[kind].count[bucket] += count;
	hour->samples += count;
	hour->count[bucket] += count;
	timing->is_seen[kind] = true;
}

static void raise(uint64_t *value, uint64_t other)
{
	if (*value < other)
		*value = other;
}

static void note_longest(struct hg_timing *timing, enum hg_timing_kind kind, uint64_t ns)
{
	raise(&timing->total[kind].longest, ns);
	raise(&timing->hour[hour_of(timing)][kind].longest, ns);
	raise(&timing->minute[minute_of(timing)][kind], ns);
}

void hg_timing_add(struct hg_timing *timing, enum hg_timing_kind kind, uint64_t ns)
{
	add_many(timing, kind, hg_gap_bucket(ns), 1);
	note_longest(timing, kind, ns);
}

static void look_at(struct hg_timing *timing, enum hg_timing_kind kind, volatile struct hg_gap *gap,
		    enum hg_gap_kind of, uint64_t cut)
{
	uint64_t *seen = timing->seen[of];
	uint64_t longest = __atomic_exchange_n(&gap->longest[of], 0, __ATOMIC_RELAXED);
	uint64_t below = 0; /* the longest but interruptions, as its bucket tells */

	for (uint32_t i = 0; i < HG_GAP_BUCKETS; i++) {
		uint64_t count = gap->count[of][i];

		if (timing->has_seen && count > seen[i]) {
			add_many(timing, kind, i, count - seen[i]);
			if (hg_gap_floor(i + 1) <= cut)
				below = hg_gap_floor(i + 1);
		}
		seen[i] = count;
	}
	if (longest >= cut)
		longest = below;
	if (timing->has_seen && longest)
		note_longest(timing, kind, longest);
}

void hg_timing_look(struct hg_timing *timing, volatile struct hg_gap *gap, struct hg_span lease)
{
	uint64_t cut = lease.ns > HG_TIMING_CUT_NS ? lease.ns : HG_TIMING_CUT_NS;

	look_at(timing, HG_TIMING_GRANT, gap, HG_GAP_GRANT, cut);
	look_at(timing, HG_TIMING_REQUEST, gap, HG_GAP_REQUEST, cut);
	timing->has_seen = true;
}

static void end_second(struct hg_timing *timing)
{
	unsigned int hour = hour_of(timing), minute = minute_of(timing);

	for (unsigned int kind = 0; kind < HG_TIMINGS; kind++) {
		timing->total[kind].seconds += timing->is_seen[kind];
		timing->hour[hour][kind].seconds += timing->is_seen[kind];
		timing->is_seen[kind] = false;
	}
	timing->second.ns += SECOND_NS;
	if (hour_of(timing) != hour)
		memset(timing->hour[hour_of(timing)], 0, sizeof(timing->hour[0]));
	if (minute_of(timing) != minute)
		memset(timing->minute[minute_of(timing)], 0, sizeof(timing->minute[0]));
}

/* Hours that nobody was awake in: the rings are empty after a day, and no need to walk
 * through each second of it. */
static void skip(struct hg_timing *timing, struct hg_time now)
{
	uint64_t seconds = hg_time_since(now, timing->second).ns / SECOND_NS;

	if (seconds < (uint64_t)HG_TIMING_HOURS * 3600)
		return;
	memset(timing->hour, 0, sizeof(timing->hour));
	memset(timing->minute, 0, sizeof(timing->minute));
	timing->second.ns += seconds * SECOND_NS;
}

void hg_timing_turn(struct hg_timing *timing, struct hg_time now)
{
	skip(timing, now);
	while (!hg_time_before(now, timing->second))
		end_second(timing);
}

uint64_t hg_timing_longest(const struct hg_timing *timing, enum hg_timing_kind kind)
{
	uint64_t longest = 0;

	for (unsigned int i = 0; i < HG_TIMING_MINUTES; i++)
		raise(&longest, timing->minute[i][kind]);
	return longest;
}

void hg_timing_day(const struct hg_timing *timing, enum hg_timing_kind kind,
		   struct hg_timing_hist *ret)
{
	memset(ret, 0, sizeof(*ret));
	for (unsigned int i = 0; i < HG_TIMING_HOURS; i++) {
		const struct hg_timing_hist *hour = &timing->hour[i][kind];

		ret->samples += hour->samples;
		ret->seconds += hour->seconds;
		raise(&ret->longest, hour->longest);
		for (unsigned int b = 0; b < HG_GAP_BUCKETS; b++)
			ret->count[b] += hour->count[b];
	}
}

uint64_t hg_timing_quantile(const struct hg_timing_hist *hist, double share)
{
	double rank = share * hist->samples, below = 0;

	for (uint32_t i = 0; hist->samples && i < HG_GAP_BUCKETS; i++) {
		below += hist->count[i];
		if (below >= rank && hist->count[i]) {
			uint64_t end = hg_gap_floor(i + 1);

			return i + 1 == HG_GAP_BUCKETS || end > hist->longest ? hist->longest : end;
		}
	}
	return 0;
}
