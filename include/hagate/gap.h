/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * Gaps of the bounce: how long a holder went without a new grant, and a standby without a
 * REQUEST of the holder. Counted in XDP, frame by frame, because an agent that is late
 * itself cannot see what its lateness did not harm.
 *
 * Buckets are logarithmic with eight to an octave: a bucket is at most an eighth as wide
 * as where it begins, from 4 us to 2.1 s. The last one takes all beyond.
 */
#ifndef HAGATE_GAP_H
#define HAGATE_GAP_H

#include <linux/types.h>

#define HG_GAP_SHIFT 12 /* ns to units of 4.096 us */
#define HG_GAP_OCTAVE 8 /* buckets to an octave */
#define HG_GAP_BUCKETS 137

enum hg_gap_kind {
	HG_GAP_GRANT, /* holder: age of the newest granted request when the next GRANT comes */
	HG_GAP_REQUEST, /* standby: between two REQUESTs of one holder's term */
	HG_GAP_KINDS,
};

/* hg_gap: array, key = peer index. Memory-mapped by the agent, which reads the counts
 * and takes `longest` away. */
struct hg_gap {
	__u64 stamp; /* of the newest request that was granted, own clock */
	__u64 epoch; /* it was granted for */
	__u64 longest[HG_GAP_KINDS]; /* ns, since the agent took it; two at once may lose one */
	__u64 count[HG_GAP_KINDS][HG_GAP_BUCKETS];
};

/* The bucket of a length of time. */
static inline __attribute__((always_inline)) __u32 hg_gap_bucket(__u64 ns)
{
	__u64 units = ns >> HG_GAP_SHIFT;
	__u32 octave = 0, value;

	if (units >> 19)
		return HG_GAP_BUCKETS - 1;
	value = (__u32)units;
	/* Down to four bits, the highest of them set. */
	if (value >> 12) {
		value >>= 8;
		octave += 8;
	}
	if (value >> 8) {
		value >>= 4;
		octave += 4;
	}
	if (value >> 6) {
		value >>= 2;
		octave += 2;
	}
	if (value >> 5) {
		value >>= 1;
		octave += 1;
	}
	if (value >> 4) {
		value >>= 1;
		octave += 1;
	}
	return octave * HG_GAP_OCTAVE + value;
}

/* Where a bucket begins, ns. The end of one is the beginning of the next. */
static inline __u64 hg_gap_floor(__u32 bucket)
{
	__u32 octave = bucket / HG_GAP_OCTAVE;

	if (octave < 2)
		return (__u64)bucket << HG_GAP_SHIFT;
	return (__u64)(HG_GAP_OCTAVE + bucket % HG_GAP_OCTAVE) << (octave - 1 + HG_GAP_SHIFT);
}

#endif
