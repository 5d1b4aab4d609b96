/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What vary.bpf.c and its user share. */
#ifndef BENCH_VARY_H
#define BENCH_VARY_H

#include <linux/types.h>

#define VARY_FRAMES 65536 /* a power of two */
#define VARY_LEN 64

struct vary_frame {
	__u64 word[VARY_LEN / 8];
};

#endif
