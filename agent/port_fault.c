/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is wrong with a port, in one sentence with the remedy. Nothing here changes
 * state: it only finds words.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent.h"

struct place {
	const struct hg_agent *agent;
	const struct hg_agent_port *port;
	const struct hg_wiring_port *found;
	const char *name, *ifname, *peer;
	unsigned int slot;
	char *text;
	size_t size;
};

static bool is_fresh(uint64_t at)
{
	return at && hg_now().ns < at + HG_WIRING_FRESH_NS;
}

static const char *port_name(const struct hg_agent *agent, uint32_t id)
{
	for (unsigned int slot = 0; slot < agent->port_count; slot++)
		if (hg_port_id(agent->port[slot].name) == id)
			return agent->port[slot].name;
	return "another port";
}

/* The NIC is not the one it should be. */
static bool tell_binding(const struct place *p)
{
	const struct hg_ip *own = &p->agent->self->address[p->port->index];
	char address[INET6_ADDRSTRLEN] = "";

	if (*p->port->trouble) {
		snprintf(p->text, p->size, "port %s: %.200s", p->name, p->port->trouble);
		return true;
	}
	if (!p->port->is_misbound)
		return false;
	inet_ntop(own->family == 4 ? AF_INET : AF_INET6, own->addr, address, sizeof(address));
	snprintf(p->text, p->size,
		 "port %s is bound to %s, but its address %s is on %s: the NICs are crossed "
		 "in node.yaml; swap them and run `hagate reload`",
		 p->name, p->ifname, address, p->port->misbound_on);
	return true;
}

/* The NIC hangs on the wrong segment, by frames that were heard. */
static bool tell_segment(const struct place *p)
{
	if (is_fresh(p->found->shared_at)) {
		const struct hg_agent_port *other = &p->agent->port[p->found->shared_slot];

		snprintf(p->text, p->size,
			 "ports %s (%s) and %s (%s) of this node hang on one segment%s; connect "
			 "%s to the network it is for",
			 p->name, p->ifname, other->name, other->nic.ifname,
			 hg_wiring_is_merged(p->agent) ? ", as on the peer: the networks are joined"
						       : "",
			 p->ifname);
		return true;
	}
	if (hg_wiring_is_peers(p->agent) && is_fresh(p->found->crossed_at)) {
		snprintf(p->text, p->size,
			 "port %s (%s) hears %s's port %s: two NICs of %s hang on one segment; "
			 "mend it there",
			 p->name, p->ifname, p->peer, p->found->crossed_name, p->peer);
		return true;
	}
	if (!hg_wiring_is_miswired(p->agent, p->slot))
		return false;
	snprintf(p->text, p->size,
		 "port %s (%s) hears frames of %s's port %s: the cables or NICs are crossed on one "
		 "of the nodes; compare `hagate ports` of both%s",
		 p->name, p->ifname, p->peer, hg_wiring_crossed_name(p->agent, p->slot),
		 hg_peer_is_heard(p->agent) ? "" : "; mended with the peer off: `hagate reload`");
	return true;
}

/* Another machine under this node's id: a copy of it, or a node of a cluster that somebody
 * made by mistake. The beacon carries the names of both. */
static bool tell_clone(const struct place *p)
{
	const uint8_t *mac = p->found->clone_mac;
	const struct hg_wiring_input *own = &p->agent->wiring.input;
	bool is_copy = !strcmp(p->found->clone_node, own->node) &&
		       !strcmp(p->found->clone_cluster, own->cluster);

	if (!is_fresh(p->found->cloned_at))
		return false;
	snprintf(
		p->text, p->size, "port %s: %s of cluster %s (%02x:%02x:%02x:%02x:%02x:%02x) %s",
		p->name, p->found->clone_node, p->found->clone_cluster, mac[0], mac[1], mac[2],
		mac[3], mac[4], mac[5],
		is_copy ? "is another machine with this node's name: a copy of this VM? Stop hagated "
			  "on the one that is not to be"
			: "has this node's id: give one of them another, or, if this node is to join "
			  "that cluster: set 'mode: join' here (`hagate init` is for the first "
			  "node alone)");
	return true;
}

static bool tell_same_mac(const struct place *p)
{
	if (!is_fresh(p->found->same_mac_at))
		return false;
	snprintf(p->text, p->size,
		 "port %s: %s and %s's NIC have the same MAC: give one of them another in the "
		 "hypervisor",
		 p->name, p->ifname, p->peer);
	return true;
}

static bool tell_link(const struct place *p)
{
	const struct hg_ip *own = &p->agent->self->address[p->port->index];
	char address[INET6_ADDRSTRLEN] = "";

	if (!p->port->nic.is_up) {
		snprintf(p->text, p->size, "port %s: %s is down; `ip link set %s up`", p->name,
			 p->ifname, p->ifname);
	} else if (!p->port->nic.has_link) {
		snprintf(p->text, p->size,
			 "port %s: %s has no link; check the cable or the vSwitch port", p->name,
			 p->ifname);
	} else if (p->port->heartbeat_err == -EADDRNOTAVAIL) {
		inet_ntop(own->family == 4 ? AF_INET : AF_INET6, own->addr, address,
			  sizeof(address));
		snprintf(p->text, p->size, "port %s: address %s is not configured on %s", p->name,
			 address, p->ifname);
	} else if (p->port->heartbeat_err) {
		snprintf(p->text, p->size, "port %s: heartbeat: %s", p->name,
			 strerror(-p->port->heartbeat_err));
	} else {
		return false;
	}
	return true;
}

static bool tell_reflection(const struct place *p)
{
	if (!is_fresh(p->found->reflected_at))
		return false;
	snprintf(p->text, p->size,
		 "port %s: %s gets its own frames back: a loop in the network, or NIC teaming "
		 "below the vSwitch that reflects them",
		 p->name, p->ifname);
	return true;
}

static bool tell_silence(const struct place *p)
{
	bool has_no_link = p->agent->peer_no_link >> p->port->index & 1 &&
			   !p->agent->is_config_other;

	if (!hg_port_is_silent(p->agent, p->slot))
		return false;
	if (has_no_link)
		snprintf(
			p->text, p->size,
			"port %s: %s says that its NIC has no link there; check its cable or vSwitch "
			"port: `hagate ports` on %s",
			p->name, p->peer, p->peer);
	else
		snprintf(p->text, p->size,
			 "port %s: %s is not heard on this segment, though on others; look at the "
			 "network between %s here and %s's NIC",
			 p->name, p->peer, p->ifname, p->peer);
	return true;
}

/* Agents' frames come through, those that XDP sends do not: no grant, and no answer of a
 * virtual address either. */
static bool tell_unanswered(const struct place *p)
{
	if (!hg_port_is_unanswered(p->agent, p->slot))
		return false;
	snprintf(p->text, p->size,
		 "port %s: %s is heard, but never an answer made by XDP there: its NIC loses what "
		 "XDP sends; on %s: `hagate-load probe` (xdp: generic in node.yaml may help)",
		 p->name, p->peer, p->peer);
	return true;
}

/* What only the peer sees of its own port. */
static bool tell_peers(const struct place *p)
{
	const char *other = port_name(p->agent, p->found->peer_fault_port);

	if (!p->agent->peer || !is_fresh(p->found->peer_fault_at))
		return false;
	switch ((enum hg_wiring_fault)p->found->peer_fault) {
	case HG_WIRING_REFLECTED:
		snprintf(p->text, p->size,
			 "port %s: %s says that it gets its own frames back there: a loop, or NIC "
			 "teaming that reflects them; look there",
			 p->name, p->peer);
		return true;
	case HG_WIRING_SHARED:
		snprintf(p->text, p->size,
			 "port %s: %s says that its ports %s and %s hang on one segment; mend it "
			 "there",
			 p->name, p->peer, p->name, other);
		return true;
	case HG_WIRING_CROSSED:
		snprintf(p->text, p->size,
			 "port %s: %s says that it hears this node's port %s there: cables or NICs "
			 "are crossed; compare `hagate ports` of both",
			 p->name, p->peer, other);
		return true;
	case HG_WIRING_CLONED:
		snprintf(p->text, p->size,
			 "port %s: %s says that another machine has its name and number: a copy of "
			 "that VM runs",
			 p->name, p->peer);
		return true;
	case HG_WIRING_SAME_MAC:
	case HG_WIRING_WELL:
	case HG_WIRING_FAULTS:
		break;
	}
	return false;
}

/* The worst first. */
void hg_port_describe_fault(const struct hg_agent *agent, unsigned int slot, char *ret, size_t size)
{
	static bool (*const tell[])(const struct place *) = {
		tell_binding,	 tell_segment, tell_clone,	tell_same_mac, tell_link,
		tell_reflection, tell_silence, tell_unanswered, tell_peers,
	};
	struct place place = {
		.agent = agent,
		.port = &agent->port[slot],
		.found = &agent->wiring.output.port[slot],
		.name = agent->port[slot].name,
		.ifname = agent->port[slot].nic.ifname,
		.peer = agent->peer ? agent->peer->name : "peer",
		.slot = slot,
		.text = ret,
		.size = size,
	};

	*ret = '\0';
	for (size_t i = 0; i < sizeof(tell) / sizeof(tell[0]); i++)
		if (tell[i](&place))
			return;
}
