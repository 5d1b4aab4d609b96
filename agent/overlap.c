// SPDX-License-Identifier: GPL-2.0-or-later
#include <inttypes.h>

#include "agent.h"
#include "agent/core/view.h"
#include "log.h"

static bool may_overlap(const struct hg_elect *el)
{
	return el->config.isolation == HG_ISOLATION_CONTINUE && !el->config.has_witness &&
	       el->config.has_peer;
}

void hg_overlap_before_step(struct hg_agent *agent)
{
	const struct hg_elect *el = &agent->elect;

	if (may_overlap(el) && hg_view_holds(el->state) && el->alone_since.ns)
		agent->overlap = (struct hg_overlap){
			.since = agent->overlap.epoch ? agent->overlap.since : el->alone_since,
			.epoch = el->epoch,
			.last_ns = agent->overlap.last_ns,
		};
}

static bool is_above(const struct hg_elect *el, uint64_t epoch, uint64_t than)
{
	return epoch > than && hg_epoch_node(epoch) != el->config.node;
}

static bool has_lost(const struct hg_agent *agent, uint64_t epoch)
{
	const struct hg_elect *el = &agent->elect;

	return is_above(el, agent->obs.fence_epoch, epoch) ||
	       (el->has_hello &&
		(is_above(el, el->peer.epoch, epoch) || is_above(el, el->peer.epoch_seen, epoch)));
}

static bool goes_on(const struct hg_elect *el, uint64_t epoch)
{
	return hg_view_holds(el->state) && el->epoch == epoch && el->alone_since.ns;
}

void hg_overlap_after_step(struct hg_agent *agent, struct hg_time now)
{
	const struct hg_elect *el = &agent->elect;
	struct hg_overlap *overlap = &agent->overlap;

	if (!overlap->epoch || goes_on(el, overlap->epoch))
		return;
	if (!overlap->until.ns)
		overlap->until = now;
	if (has_lost(agent, overlap->epoch)) {
		overlap->last_ns = hg_time_since(overlap->until, overlap->since).ns;
		hg_warning("both nodes may have served for up to %" PRIu64 " ms",
			   overlap->last_ns / 1000000);
		overlap->epoch = 0;
	} else if (hg_time_before(overlap->until, el->hello_at)) {
		overlap->epoch = 0; /* the other node's word since then knows of no higher one */
	}
}
