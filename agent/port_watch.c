/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is missing on a port, judged only when it was missing for a while: the peer on one
 * segment alone, and answers that XDP makes while frames that the agents send arrive.
 * Looked at by the slow tick; only words follow from it (port_fault.c).
 */
#include "agent.h"

#define SILENT_NS (1000ull * 1000 * 1000)
#define UNANSWERED_NS (3000ull * 1000 * 1000)
#define UNANSWERED_INTERVALS 10
#define HELLO_NS (500ull * 1000 * 1000)
#define PAUSE_NS (500ull * 1000 * 1000) /* of a tick every 100 ms */

static bool is_silent(const struct hg_agent *agent, unsigned int slot)
{
	return agent->port[slot].cluster->is_heartbeat && agent->peer && hg_peer_is_heard(agent) &&
	       !hg_port_is_peer_heard(agent, slot);
}

/* Both agents' frames arrive on this port, both ways, and one of them asks the other's data
 * path: the holder for leases, the standby by probes. */
static bool is_answer_due(const struct hg_agent *agent, unsigned int slot)
{
	const struct hg_agent_port *port = &agent->port[slot];
	const struct hg_elect *elect = &agent->elect;
	bool is_pair = (elect->state == HG_EL_ACTIVE && elect->peer.role == HG_ROLE_STANDBY) ||
		       (elect->state == HG_EL_STANDBY && elect->peer.role == HG_ROLE_ACTIVE);

	return is_pair && agent->peer && port->cluster->is_heartbeat && port->is_attached &&
	       agent->session.is_confirmed && hg_port_is_peer_heard(agent, slot) &&
	       hg_now().ns < port->hello_at + HELLO_NS && port->hello.flags & HG_HELLO_F_PEER_HEARD;
}

/* Differs whenever an answer came, even one that came too late to be of use. */
static uint64_t answer_mark(const volatile struct hg_path *path)
{
	uint64_t mark = path->rtt;

	for (unsigned int session = 0; session < 2; session++)
		mark += 3 * path->seq[session][HG_WIRE_GRANT] +
			5 * path->seq[session][HG_WIRE_FENCED];
	return mark;
}

void hg_port_watch(struct hg_agent *agent, unsigned int slot)
{
	struct hg_agent_port *port = &agent->port[slot];
	uint64_t mark = answer_mark(&agent->maps.path[slot]), now = hg_now().ns;
	bool has_paused = now > port->watched_at + PAUSE_NS; /* this agent: it asked nothing */

	port->watched_at = now;
	if (!is_silent(agent, slot))
		port->silent_since = 0;
	else if (!port->silent_since)
		port->silent_since = now;
	if (!is_answer_due(agent, slot) || mark != port->answer_mark || has_paused)
		port->answered_at = now;
	port->answer_mark = mark;
}

bool hg_port_is_silent(const struct hg_agent *agent, unsigned int slot)
{
	uint64_t since = agent->port[slot].silent_since;

	return since && hg_now().ns > since + SILENT_NS;
}

bool hg_port_is_unanswered(const struct hg_agent *agent, unsigned int slot)
{
	uint64_t at = agent->port[slot].answered_at;
	uint64_t bound = UNANSWERED_NS + UNANSWERED_INTERVALS * agent->setup->cluster.interval.ns;

	return at && hg_now().ns > at + bound;
}

/* Bits as in struct hg_wire_hello: on such a port the peer cannot hear it. */
uint16_t hg_port_without_link(const struct hg_agent *agent)
{
	uint16_t ports = 0;

	for (unsigned int slot = 0; slot < agent->port_count; slot++) {
		const struct hg_agent_port *port = &agent->port[slot];

		if (!port->has_nic || !port->nic.is_up || !port->nic.has_link)
			ports |= 1u << port->index;
	}
	return ports;
}
