/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which of two nodes should hold the role, when neither does.
 *
 * A total order over different nodes, so that both sides of a pair, each with the
 * other's HELLO before it, come to the same answer.
 */
#ifndef HG_CORE_PREFER_H
#define HG_CORE_PREFER_H

#include <stdbool.h>
#include <stdint.h>

struct hg_candidate {
	bool is_fit; /* would claim at all: no fault, no maintenance */
	bool is_member; /* not blank, learner or off */
	uint64_t generation; /* of the configuration */
	uint8_t health; /* 0..100 */
	uint8_t priority;
	uint8_t node; /* id, 1..255 */
};

/* Above 0 when a is preferred, below 0 when b is, 0 only for the same node id and
 * equal values. */
int hg_prefer_compare(const struct hg_candidate *a, const struct hg_candidate *b);

#endif
