/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The generic cell rate algorithm (ITU-T I.371), as virtual scheduling: one word, the
 * theoretical arrival time (TAT) of the next packet, says all there is to know. The same
 * lines run in the kernel and natively.
 *
 * Processors race for the word with compare-and-swap. A processor whose turn was lost
 * HG_RATE_TRIES times lets its packet pass, as it found the rate kept each time, and
 * charges it by addition, which cannot be lost: so everything that passes is charged,
 * and the rate holds over time; at one moment it may be exceeded by one packet for each
 * processor.
 */
#ifndef HG_RATE_H
#define HG_RATE_H

#include <linux/types.h>

#define HG_RATE_TRIES 4

/* Does a packet that arrives `now` keep the rate? Charges it if so. */
static inline __attribute__((always_inline)) int hg_rate_conforms(__u64 *tat, __u64 now,
								  __u64 increment, __u64 limit)
{
	__u64 old, seen = *(volatile __u64 *)tat;
	int i;

	for (i = 0; i < HG_RATE_TRIES; i++) {
		old = seen;
		if (old > now && old - now > limit)
			return 0;
		seen = __sync_val_compare_and_swap(tat, old, (old > now ? old : now) + increment);
		if (seen == old)
			return 1;
	}
	__sync_fetch_and_add(tat, increment);
	return 1;
}

#endif
