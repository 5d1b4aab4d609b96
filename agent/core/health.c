/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The score. Each port with VIPs has an equal share of the whole; a lost link takes its
 * share, a missing gate three quarters of it (the kernel still forwards, but nothing
 * keeps the node silent there when it should be). A port without VIPs is reported, but
 * moves no role: no host gains by it.
 *
 * A segment on which the peer is not heard, while it is heard on others, takes nothing:
 * what is cut is between the two, it weighs the same on both sides, and whoever notices
 * it first must not hand the role to a node that is no better. It is reported.
 */
#include "health.h"

#define QUARTERS 4
#define UNGATED_QUARTERS 3

/* Quarters of a port's share that are lost. */
static unsigned int weigh(const struct hg_health_port *port)
{
	if (!port->has_link)
		return QUARTERS;
	return port->is_attached ? 0 : UNGATED_QUARTERS;
}

static enum hg_health_why judge_port(const struct hg_health_facts *facts,
				     const struct hg_health_port *port, bool is_heard_somewhere)
{
	if (port->is_misbound)
		return HG_HEALTH_MISBOUND;
	if (port->has_wiring_fault && !facts->is_peer_misbound)
		return HG_HEALTH_WIRING;
	if (!port->has_link)
		return HG_HEALTH_LINK_LOST;
	if (!port->is_attached)
		return HG_HEALTH_UNGATED;
	if (port->is_heartbeat && !port->is_peer_heard && is_heard_somewhere)
		return HG_HEALTH_SEGMENT_CUT;
	return HG_HEALTH_GOOD;
}

struct hg_health hg_health_judge(const struct hg_health_facts *facts)
{
	struct hg_health h = { .why = HG_HEALTH_GOOD, .port = facts->count };
	unsigned int lost = 0, gates = 0, shares = 0;
	bool is_heard_somewhere = false;

	for (unsigned int i = 0; i < facts->count; i++)
		is_heard_somewhere |= facts->port[i].is_heartbeat && facts->port[i].is_peer_heard;
	for (unsigned int i = 0; i < facts->count; i++) {
		const struct hg_health_port *port = &facts->port[i];
		enum hg_health_why why = judge_port(facts, port, is_heard_somewhere);

		lost += port->has_vips ? weigh(port) : 0;
		shares += port->has_vips;
		gates += port->is_attached;
		h.is_misbound |= port->is_misbound;
		if (why > h.why) {
			h.why = why;
			h.port = i;
		}
	}
	if (!gates) {
		h.why = HG_HEALTH_NO_GATE;
		h.port = facts->count;
	}
	if (shares)
		h.score = HG_HEALTH_FULL - HG_HEALTH_FULL * lost / (QUARTERS * shares);
	else
		h.score = facts->count ? HG_HEALTH_FULL : 0;
	h.is_fit = h.why < HG_HEALTH_WIRING;
	return h;
}

const char *hg_health_name(enum hg_health_why why)
{
	switch (why) {
	case HG_HEALTH_GOOD:
		return "good";
	case HG_HEALTH_SEGMENT_CUT:
		return "segment-cut";
	case HG_HEALTH_UNGATED:
		return "ungated";
	case HG_HEALTH_LINK_LOST:
		return "link-lost";
	case HG_HEALTH_WIRING:
		return "wiring";
	case HG_HEALTH_MISBOUND:
		return "misbound";
	case HG_HEALTH_NO_GATE:
		return "no-gate";
	case HG_HEALTH_WHYS:
		break;
	}
	return "unknown";
}
