/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Real or virtual MAC, port by port. The child tests (mac_test.c), this file says when
 * and draws the conclusion; both nodes get the result of each test and draw the same.
 *
 * mac: auto takes the virtual MAC where both nodes could use a foreign MAC in both
 * directions and the MAC moved between them, since hosts then notice nothing of a
 * takeover; in every other case, also without a result, the real one, which works
 * everywhere. Changing from real to virtual costs nothing: frames for the NIC's own MAC
 * are taken as before. A test runs when both nodes are there: after a new boot of
 * either, when a link came up, and on the operator's word. The standby drives it; the
 * holder only when the standby did not for some seconds.
 */
#include <errno.h>
#include <string.h>

#include "agent.h"
#include "log.h"

#define RETRY_NS (60ull * 1000 * 1000 * 1000) /* the peer did not answer */
#define SETTLE_NS (500ull * 1000 * 1000) /* a session or a link is that old */
#define HOLDER_NS (5ull * 1000 * 1000 * 1000)
#define OPERATOR_NS (20ull * 1000 * 1000 * 1000)

bool hg_mac_is_virtual(const struct hg_agent *agent, unsigned int slot)
{
	switch (agent->setup->cluster.mac) {
	case HG_MAC_REAL:
		return false;
	case HG_MAC_VIRTUAL:
		return true;
	case HG_MAC_AUTO:
		break;
	}
	return agent->port[slot].mac.is_virtual;
}

/* Hosts may have learnt the virtual MAC from an earlier agent, or from earlier files. */
void hg_mac_adopt(struct hg_agent *agent, unsigned int slot)
{
	static const uint8_t none[6];
	struct hg_agent_port *port = &agent->port[slot];
	struct hg_port value;

	if (agent->setup->cluster.mac != HG_MAC_AUTO || port->mac.evidence.at ||
	    hg_maps_get_port(&agent->maps, port->nic.ifindex, &value) ||
	    value.id != hg_port_id(port->name) || !memcmp(value.vmac, none, sizeof(none)))
		return;
	port->mac.is_virtual = port->mac.is_adopted = true;
}

static bool is_tested(const struct hg_agent_port *port)
{
	return port->cluster->vip_count && port->has_nic;
}

/* --- when --------------------------------------------------------------------------- */

static void want(struct hg_agent *agent)
{
	uint64_t now = hg_now().ns;
	bool has_session = agent->session.current != HG_SESSION_NONE;
	bool is_new = has_session && memcmp(agent->mac.peer_nonce, agent->session.peer,
					    sizeof(agent->mac.peer_nonce));

	if (is_new)
		memcpy(agent->mac.peer_nonce, agent->session.peer, sizeof(agent->mac.peer_nonce));
	for (unsigned int slot = 0; slot < agent->port_count; slot++) {
		struct hg_agent_port *port = &agent->port[slot];
		struct hg_mac_port *mac = &port->mac;
		bool has_link = port->has_nic && port->nic.has_link;

		if (is_new || (has_link && !mac->had_link && has_session) ||
		    (mac->retry_at && now >= mac->retry_at)) {
			mac->wanted_at = now;
			mac->retry_at = 0;
		}
		mac->had_link = has_link;
	}
}

static bool may_start(const struct hg_agent *agent)
{
	const struct hg_wiring *wiring = &agent->wiring;

	return wiring->fd >= 0 && wiring->output.order == agent->mac.order &&
	       !wiring->output.is_testing && agent->session.current != HG_SESSION_NONE &&
	       hg_peer_is_heard(agent) && hg_peer_has_agent(agent);
}

static void order(struct hg_agent *agent, uint32_t slots)
{
	agent->mac.order++;
	agent->mac.order_slots = slots;
	for (unsigned int slot = 0; slot < agent->port_count; slot++)
		if (slots & 1u << slot)
			agent->port[slot].mac.wanted_at = 0;
}

static void start_wanted(struct hg_agent *agent)
{
	bool is_standby = agent->elect.state == HG_EL_STANDBY &&
			  agent->elect.peer.role == HG_ROLE_ACTIVE;
	uint64_t now = hg_now().ns, patience = is_standby ? SETTLE_NS : HOLDER_NS;
	uint32_t slots = 0;

	if (agent->setup->cluster.mac == HG_MAC_REAL || !may_start(agent) ||
	    (!is_standby && agent->elect.state != HG_EL_ACTIVE))
		return;
	for (unsigned int slot = 0; slot < agent->port_count; slot++) {
		const struct hg_agent_port *port = &agent->port[slot];

		if (is_tested(port) && port->nic.has_link && port->mac.wanted_at &&
		    now > port->mac.wanted_at + patience)
			slots |= 1u << slot;
	}
	if (slots)
		order(agent, slots);
}

void hg_mac_on_test(void *context, struct hg_control_request *req, json_t *arguments)
{
	struct hg_agent *agent = context;
	uint32_t slots = 0;

	(void)arguments;
	for (unsigned int slot = 0; slot < agent->port_count; slot++)
		slots |= is_tested(&agent->port[slot]) ? 1u << slot : 0;
	if (agent->mac.req || agent->wiring.output.is_testing)
		hg_control_fail(req, "a test of the MACs is under way already");
	else if (!agent->peer || !hg_peer_is_heard(agent) || !hg_peer_has_agent(agent))
		hg_control_fail(req, "the test of the MACs takes two nodes, and %s is not heard",
				agent->peer ? agent->peer->name : "no other");
	else if (!slots)
		hg_control_fail(req, "no port has both a NIC and virtual addresses: nothing to "
				     "test");
	else if (!may_start(agent))
		hg_control_fail(req, "not ready for a test yet; try again in a second");
	else {
		agent->mac.req = req;
		agent->mac.req_until = hg_now().ns + OPERATOR_NS;
		order(agent, slots);
	}
}

static void answer_operator(struct hg_agent *agent)
{
	const struct hg_wiring *wiring = &agent->wiring;
	struct hg_control_request *req = agent->mac.req;
	bool is_done = wiring->output.order == agent->mac.order && !wiring->output.is_testing;

	if (!req || (wiring->fd >= 0 && !is_done && hg_now().ns < agent->mac.req_until))
		return;
	agent->mac.req = NULL;
	if (wiring->fd >= 0 && is_done)
		hg_control_reply(req,
				 json_pack("{s:b,s:o}", "ok", 1, "ports", hg_status_ports(agent)));
	else
		hg_control_fail(req, "the test of the MACs came to no end; try again");
}

/* --- what follows ------------------------------------------------------------------- */

static void choose(struct hg_agent *agent, unsigned int slot, bool is_virtual)
{
	struct hg_agent_port *port = &agent->port[slot];
	struct hg_job job = { .type = HG_JOB_FILTER_REMOVE };

	if (port->mac.is_virtual == is_virtual)
		return;
	if (!is_virtual && hg_vips_vmac(agent, slot, job.filter.mac)) {
		job.filter.ifindex = port->nic.ifindex;
		hg_agent_submit(agent, &job);
	}
	port->mac.is_virtual = is_virtual;
	hg_port_set_map(agent, slot);
	hg_vips_set_port(agent, slot);
	hg_port_forget_filters(agent);
	if (hg_state_serves(agent->maps.state, hg_now().ns))
		hg_vips_announce(agent);
}

static void conclude(struct hg_agent *agent, unsigned int slot)
{
	struct hg_agent_port *port = &agent->port[slot];
	enum hg_mac_verdict verdict = hg_mac_judge(&port->mac.evidence);
	bool is_auto = agent->setup->cluster.mac == HG_MAC_AUTO;
	char text[512];

	if (is_auto && verdict != HG_MAC_NO_ANSWER && port->has_nic) {
		port->mac.is_adopted = false;
		choose(agent, slot, verdict == HG_MAC_POSSIBLE);
	}
	port->mac.retry_at = verdict == HG_MAC_NO_ANSWER ? hg_now().ns + RETRY_NS : 0;
	hg_mac_explain(&port->mac.evidence, agent->self->name,
		       agent->peer ? agent->peer->name : "peer", text, sizeof(text));
	hg_agent_note(agent,
		      agent->setup->cluster.mac == HG_MAC_VIRTUAL && verdict == HG_MAC_IMPOSSIBLE
			      ? HG_HISTORY_FAULT
			      : HG_HISTORY_CONFIG,
		      "port %s, MAC %s: %s", port->name,
		      hg_mac_is_virtual(agent, slot) ? "virtual" : "real", text);
}

void hg_mac_slow_tick(struct hg_agent *agent)
{
	if (!agent->peer)
		return;
	for (unsigned int slot = 0; slot < agent->port_count; slot++) {
		const struct hg_mac_evidence *found = &agent->wiring.output.mac[slot];
		struct hg_mac_port *mac = &agent->port[slot].mac;

		if (!found->at || found->at <= mac->evidence.at ||
		    strcmp(agent->wiring.input.place[slot].name, agent->port[slot].name))
			continue;
		mac->evidence = *found;
		mac->wanted_at = 0;
		conclude(agent, slot);
	}
	want(agent);
	start_wanted(agent);
	answer_operator(agent);
}
