/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See witness.h. */
#include "hagate/wire.h"
#include "witness.h"

struct hg_span hg_witness_longest(const struct hg_witness_rules *rules, struct hg_span lease)
{
	uint64_t drift = lease.ns / 1000000 * 2 * rules->drift_ppm;

	return (struct hg_span){ lease.ns + drift + rules->margin.ns };
}

static enum hg_witness_verdict judge(const struct hg_witness *witness,
				     const struct hg_witness_rules *rules, struct hg_time now,
				     const struct hg_witness_request *request)
{
	if (!request->epoch || hg_epoch_node(request->epoch) != request->node || !request->lease.ns)
		return HG_WITNESS_FOREIGN;
	if (request->epoch < witness->epoch)
		return HG_WITNESS_LOWER;
	if (hg_time_before(now, rules->silent_until))
		return HG_WITNESS_SILENT;
	if (request->epoch > witness->epoch && hg_time_before(now, witness->until))
		return HG_WITNESS_HELD;
	return HG_WITNESS_GRANTED;
}

static void grant(struct hg_witness *witness, const struct hg_witness_rules *rules,
		  struct hg_time now, const struct hg_witness_request *request,
		  struct hg_witness_answer *ret)
{
	struct hg_time until;

	ret->lease = request->lease;
	if (ret->lease.ns > rules->lease_max.ns)
		ret->lease = rules->lease_max;
	until = hg_time_add(now, hg_witness_longest(rules, ret->lease));
	ret->is_new = request->epoch > witness->epoch;
	witness->epoch = request->epoch;
	/* A longer lease of the same epoch may still be in use. */
	if (hg_time_before(witness->until, until))
		witness->until = until;
}

void hg_witness_judge(struct hg_witness *witness, const struct hg_witness_rules *rules,
		      struct hg_time now, const struct hg_witness_request *request,
		      struct hg_witness_answer *ret)
{
	*ret = (struct hg_witness_answer){ .verdict = judge(witness, rules, now, request) };
	switch (ret->verdict) {
	case HG_WITNESS_GRANTED:
		grant(witness, rules, now, request, ret);
		break;
	case HG_WITNESS_SILENT:
		ret->left = hg_time_since(rules->silent_until, now);
		break;
	case HG_WITNESS_HELD:
		ret->left = hg_time_since(witness->until, now);
		break;
	case HG_WITNESS_LOWER:
	case HG_WITNESS_FOREIGN:
	case HG_WITNESS_VERDICTS:
		break;
	}
	ret->epoch = witness->epoch;
}

const char *hg_witness_name(enum hg_witness_verdict verdict)
{
	switch (verdict) {
	case HG_WITNESS_GRANTED:
		return "granted";
	case HG_WITNESS_SILENT:
		return "silent";
	case HG_WITNESS_LOWER:
		return "lower";
	case HG_WITNESS_HELD:
		return "held";
	case HG_WITNESS_FOREIGN:
		return "foreign";
	case HG_WITNESS_VERDICTS:
		break;
	}
	return "unknown";
}
