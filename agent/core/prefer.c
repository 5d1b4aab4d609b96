/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The order of candidates. Who cannot claim comes last whatever else it has: to wait
 * for it would only lengthen an outage. A newer configuration comes before better
 * health, because a node with an old one may not know the virtual addresses it is to
 * serve. The lower node id settles what is equal otherwise.
 */
#include "prefer.h"

static int compare(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

int hg_prefer_compare(const struct hg_candidate *a, const struct hg_candidate *b)
{
	int order = compare(a->is_fit, b->is_fit);

	if (!order)
		order = compare(a->is_member, b->is_member);
	if (!order)
		order = compare(a->generation, b->generation);
	if (!order)
		order = compare(a->health, b->health);
	if (!order)
		order = compare(a->priority, b->priority);
	if (!order)
		order = compare(b->node, a->node);
	return order;
}
