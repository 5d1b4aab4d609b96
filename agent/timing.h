/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How well time is kept: histograms of constant size, for the last hours and since the
 * timers are what they are. Plain data; a forked child reads its copy.
 *
 * Buckets are those of hagate/gap.h. `seconds` counts the seconds in which there was
 * something to see, so that a rate can be told: grants come to a holder only, REQUESTs to a
 * standby.
 */
#ifndef HG_TIMING_H
#define HG_TIMING_H

#include "agent/core/time.h"
#include "hagate/gap.h"

#define HG_TIMING_HOURS 25 /* the present one and 24 before it */
#define HG_TIMING_MINUTES 61

/* Longer gaps of the bounce, beyond the lease, are interruptions: the peer was off, and no
 * lease is to ride that out. They are in the counts, and no `longest`. */
#define HG_TIMING_CUT_NS (UINT64_C(1) << 30)

enum hg_timing_kind {
	HG_TIMING_GRANT, /* HG_GAP_GRANT, counted in XDP */
	HG_TIMING_REQUEST, /* HG_GAP_REQUEST, counted in XDP */
	HG_TIMING_LATE, /* of the election's timer: due to run */
	HG_TIMING_RTT, /* of the bounce, one sample a second and port */
	HG_TIMING_STEAL, /* CPU time that the hypervisor gave to others, in a second, per CPU */
	HG_TIMINGS,
};

struct hg_timing_hist {
	uint64_t samples;
	uint64_t longest; /* ns; interruptions left out */
	uint32_t seconds; /* with samples in them */
	uint32_t count[HG_GAP_BUCKETS];
};

struct hg_timing {
	struct hg_time began; /* last reset */
	struct hg_time second; /* next end of a second */
	uint64_t seen[HG_GAP_KINDS][HG_GAP_BUCKETS]; /* counts of XDP at the last look */
	bool has_seen;
	struct hg_timing_hist total[HG_TIMINGS];
	struct hg_timing_hist hour[HG_TIMING_HOURS][HG_TIMINGS]; /* ring */
	uint64_t minute[HG_TIMING_MINUTES][HG_TIMINGS]; /* ring: the longest, ns */
	bool is_seen[HG_TIMINGS]; /* in the present second */
};

/* Starts afresh: the first time, and when the interval of the heartbeats changes. */
void hg_timing_reset(struct hg_timing *timing, struct hg_time now);

void hg_timing_add(struct hg_timing *timing, enum hg_timing_kind kind, uint64_t ns);

/* What XDP counted since the last look; takes its longest gaps away. What was counted
 * before the first look is not ours. */
void hg_timing_look(struct hg_timing *timing, volatile struct hg_gap *gap, struct hg_span lease);

/* Ends seconds, minutes and hours that are over; after the last sample of a second. */
void hg_timing_turn(struct hg_timing *timing, struct hg_time now);

/* The longest of the last hour, 0 when there was none. */
uint64_t hg_timing_longest(const struct hg_timing *timing, enum hg_timing_kind kind);

/* Sum of the last 24 hours and the present one. */
void hg_timing_day(const struct hg_timing *timing, enum hg_timing_kind kind,
		   struct hg_timing_hist *ret);

/* Upper end of the bucket that holds the sample with this rank (0 < share <= 1), at most
 * the longest; 0 without samples. */
uint64_t hg_timing_quantile(const struct hg_timing_hist *hist, double share);

#endif
