/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A point in time and a length of time are different types, so that the compiler
 * refuses to add two points. Both count nanoseconds of CLOCK_BOOTTIME.
 */
#ifndef HG_CORE_TIME_H
#define HG_CORE_TIME_H

#include <stdbool.h>
#include <stdint.h>

struct hg_time {
	uint64_t ns;
};

struct hg_span {
	uint64_t ns;
};

#define HG_TIME_NEVER ((struct hg_time){ UINT64_MAX })
#define HG_MS(n) ((struct hg_span){ (uint64_t)(n)*1000000u })

static inline struct hg_time hg_time_add(struct hg_time t, struct hg_span d)
{
	return (struct hg_time){ t.ns > UINT64_MAX - d.ns ? UINT64_MAX : t.ns + d.ns };
}

/* t - earlier, 0 when earlier lies after t */
static inline struct hg_span hg_time_since(struct hg_time t, struct hg_time earlier)
{
	return (struct hg_span){ t.ns > earlier.ns ? t.ns - earlier.ns : 0 };
}

static inline bool hg_time_before(struct hg_time a, struct hg_time b)
{
	return a.ns < b.ns;
}

static inline struct hg_time hg_time_min(struct hg_time a, struct hg_time b)
{
	return a.ns < b.ns ? a : b;
}

#endif
