/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the tests of the MACs mean, in words and in JSON. */
#include <stdio.h>
#include <string.h>

#include "agent.h"

/* What one node can do: the other saw it, or it saw it itself. */
struct ability {
	const char *node;
	bool can_send; /* from a MAC that is not its NIC's */
	bool is_rewritten; /* such frames arrive with another source */
	bool can_receive; /* frames for such a MAC */
};

static struct ability ability_of(const char *node, uint8_t seen_by_it, uint8_t seen_by_other)
{
	return (struct ability){
		.node = node,
		.can_send = seen_by_other & HG_WIRING_SEEN_FROM_T,
		.is_rewritten = seen_by_other & HG_WIRING_SEEN_REWRITTEN,
		.can_receive = seen_by_it & HG_WIRING_SEEN_TO_T,
	};
}

enum hg_mac_verdict hg_mac_judge(const struct hg_mac_evidence *evidence)
{
	const uint8_t needed = HG_WIRING_SEEN_FROM_T | HG_WIRING_SEEN_TO_T;

	if (!evidence->at)
		return HG_MAC_UNTESTED;
	if (evidence->is_asker && !(evidence->seen_here & HG_WIRING_SEEN_ANSWER))
		return HG_MAC_NO_ANSWER;
	return (evidence->seen_here & needed) == needed && (evidence->seen_there & needed) == needed
		       ? HG_MAC_POSSIBLE
		       : HG_MAC_IMPOSSIBLE;
}

const char *hg_mac_verdict_name(enum hg_mac_verdict verdict)
{
	switch (verdict) {
	case HG_MAC_UNTESTED:
		return "untested";
	case HG_MAC_NO_ANSWER:
		return "no-answer";
	case HG_MAC_POSSIBLE:
		return "virtual-possible";
	case HG_MAC_IMPOSSIBLE:
		return "virtual-impossible";
	}
	return "unknown";
}

static void add(char *text, size_t size, const char *format, const char *node)
{
	size_t length = strlen(text);

	if (length && length + 1 < size)
		length += snprintf(text + length, size - length, "; ");
	if (length < size)
		snprintf(text + length, size - length, format, node);
}

static void add_send(const struct ability *able, char *text, size_t size)
{
	if (able->can_send)
		return;
	if (able->is_rewritten)
		add(text, size,
		    "frames of %s from a MAC that is not its NIC's arrive with another source "
		    "(MAC translation)",
		    able->node);
	else
		add(text, size,
		    "frames of %s from a MAC that is not its NIC's do not arrive (its vSwitch "
		    "refuses forged transmits)",
		    able->node);
}

static void add_receive(const struct ability *able, char *text, size_t size)
{
	if (!able->can_receive)
		add(text, size,
		    "%s gets no frames for a MAC that is not its NIC's (its vSwitch holds MACs "
		    "statically and refuses promiscuous mode)",
		    able->node);
}

void hg_mac_explain(const struct hg_mac_evidence *evidence, const char *self, const char *peer,
		    char *ret, size_t size)
{
	struct ability own = ability_of(self, evidence->seen_here, evidence->seen_there);
	struct ability its = ability_of(peer, evidence->seen_there, evidence->seen_here);

	*ret = '\0';
	switch (hg_mac_judge(evidence)) {
	case HG_MAC_UNTESTED:
		snprintf(ret, size, "not tested yet, which takes both nodes");
		break;
	case HG_MAC_NO_ANSWER:
		snprintf(ret, size,
			 "not known: %s does not answer the test on this segment (it carries "
			 "nothing but IP, or the software there is older)",
			 peer);
		break;
	case HG_MAC_POSSIBLE:
		snprintf(ret, size,
			 "a MAC that is no NIC's passes both ways between %s and %s and moves "
			 "from one to the other",
			 self, peer);
		break;
	case HG_MAC_IMPOSSIBLE:
		add_receive(&own, ret, size);
		add_receive(&its, ret, size);
		add_send(&own, ret, size);
		add_send(&its, ret, size);
		break;
	}
}

/* --- of a port ---------------------------------------------------------------------- */

void hg_mac_describe(const struct hg_agent *agent, unsigned int slot, char *ret, size_t size)
{
	const struct hg_agent_port *port = &agent->port[slot];

	*ret = '\0';
	if (agent->setup->cluster.mac != HG_MAC_VIRTUAL ||
	    hg_mac_judge(&port->mac.evidence) != HG_MAC_IMPOSSIBLE)
		return;
	snprintf(ret, size, "mac: virtual does not work on port %s, hosts will lose the gateway: ",
		 port->name);
	hg_mac_explain(&port->mac.evidence, agent->self->name,
		       agent->peer ? agent->peer->name : "peer", ret + strlen(ret),
		       size - strlen(ret));
	snprintf(ret + strlen(ret), size - strlen(ret),
		 "; set `mac: auto` or `mac: real`, or allow it there");
}

const char *hg_mac_mode(const struct hg_agent *agent)
{
	unsigned int count = 0, virtuals = 0;

	if (agent->setup->cluster.mac != HG_MAC_AUTO)
		return agent->setup->cluster.mac == HG_MAC_VIRTUAL ? "virtual" : "real";
	for (unsigned int slot = 0; slot < agent->port_count; slot++) {
		if (!agent->port[slot].cluster->vip_count)
			continue;
		count++;
		virtuals += hg_mac_is_virtual(agent, slot);
	}
	if (!virtuals)
		return "real";
	return virtuals == count ? "virtual" : "mixed";
}

static json_t *json_ability(const struct ability *able)
{
	return json_pack("{s:b,s:b,s:b}", "sends_foreign_mac", able->can_send,
			 "source_is_rewritten", able->is_rewritten, "receives_foreign_mac",
			 able->can_receive);
}

/* `mac_test` of a port; null before the first. */
json_t *hg_mac_port_json(const struct hg_agent *agent, unsigned int slot)
{
	const struct hg_mac_port *mac = &agent->port[slot].mac;
	const struct hg_mac_evidence *evidence = &mac->evidence;
	const char *peer = agent->peer ? agent->peer->name : "peer";
	enum hg_mac_verdict verdict = hg_mac_judge(evidence);
	struct ability own, its;
	char text[512];

	if (verdict == HG_MAC_UNTESTED && agent->setup->cluster.mac != HG_MAC_AUTO)
		return json_null();
	own = ability_of(agent->self->name, evidence->seen_here, evidence->seen_there);
	its = ability_of(peer, evidence->seen_there, evidence->seen_here);
	hg_mac_explain(evidence, own.node, peer, text, sizeof(text));
	return json_pack("{s:s,s:s,s:o,s:b,s:b,s:o,s:o}", "result", hg_mac_verdict_name(verdict),
			 "text", text, "age_ms",
			 evidence->at ? json_integer((hg_now().ns - evidence->at) / 1000000)
				      : json_null(),
			 "driven_here", evidence->is_asker, "adopted", mac->is_adopted, "self",
			 json_ability(&own), "peer", json_ability(&its));
}
