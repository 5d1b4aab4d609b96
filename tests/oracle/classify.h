/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What classify.bpf.c and its users share. */
#ifndef TEST_CLASSIFY_H
#define TEST_CLASSIFY_H

#include "hagate/filter.h"

/* All rules that match, in order. More room than rules: a power of two needs no check. */
#define CLASSIFY_ROOM 16384
struct classify_answer {
	__u32 count;
	__u32 rule[CLASSIFY_ROOM];
};

#define CLASSIFY_FLOWS 65536

#endif
