/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ports on their NICs: which NIC, whether its link is up, whether the right peer is
 * heard on it, and in plain words what is wrong with it.
 */
#include <errno.h>
#include <string.h>

#include "agent.h"
#include "log.h"

/* A port counts as heard, or as miswired, for so long after the last frame. */
#define HEARD_NS (500ull * 1000 * 1000)
#define RETRY_NS (1000ull * 1000 * 1000) /* between two setups for a missing NIC */

int hg_port_by_ifindex(const struct hg_agent *agent, int ifindex)
{
	for (unsigned int slot = 0; slot < agent->port_count; slot++)
		if (agent->port[slot].has_nic && agent->port[slot].nic.ifindex == ifindex)
			return slot;
	return -1;
}

bool hg_port_is_peer_heard(const struct hg_agent *agent, unsigned int slot)
{
	uint64_t heard = agent->maps.path[slot].heard;

	return heard && hg_now().ns < heard + HEARD_NS;
}

/* What is known of a port stays known when the files are read again. */
static void carry_over(const struct hg_agent_port *was, struct hg_agent_port *port)
{
	port->hello = was->hello;
	port->hello_at = was->hello_at;
	port->stray = was->stray;
	port->stray_peer = was->stray_peer;
	port->mac = was->mac;
	port->silent_since = was->silent_since;
	port->answered_at = was->answered_at;
	port->answer_mark = was->answer_mark;
	port->watched_at = was->watched_at;
	port->wiring_forget_at = hg_now().ns; /* new files, a new look */
	memcpy(port->fault, was->fault, sizeof(port->fault));
}

int hg_port_init(struct hg_agent *agent)
{
	static struct hg_agent_port old[HG_SLOTS_MAX]; /* too large for the stack */
	const struct hg_setup *setup = agent->setup;
	int self = hg_cluster_find_node(&setup->cluster, setup->node.node);

	if (self < 0)
		return -EINVAL;
	agent->self = &setup->cluster.node[self];
	agent->peer = setup->cluster.node_count > 1 ? &setup->cluster.node[!self] : NULL;
	memcpy(old, agent->port, sizeof(old));
	memset(agent->port, 0, sizeof(agent->port));
	agent->port_count = setup->node.port_count;
	for (unsigned int slot = 0; slot < agent->port_count; slot++) {
		struct hg_agent_port *port = &agent->port[slot];
		int index = hg_cluster_find_port(&setup->cluster, setup->node.port[slot].name);

		if (index < 0)
			return -EINVAL;
		port->node = &setup->node.port[slot];
		port->name = port->node->name;
		port->index = index;
		port->cluster = &setup->cluster.port[index];
		hg_heartbeat_init(&port->heartbeat);
		for (unsigned int was = 0; was < HG_SLOTS_MAX; was++)
			if (!strcmp(old[was].own_name, port->name))
				carry_over(&old[was], port);
		snprintf(port->own_name, sizeof(port->own_name), "%s", port->name);
	}
	return 0;
}

void hg_port_done(struct hg_agent *agent)
{
	for (unsigned int slot = 0; slot < agent->port_count; slot++)
		hg_heartbeat_close(&agent->port[slot].heartbeat);
	hg_port_forget_filters(agent);
	for (unsigned int slot = 0; slot < HG_SLOTS_MAX; slot++) {
		static const uint8_t no_mac[6];

		hg_announce_set_port(agent->announce, slot, 0, no_mac, NULL, 0);
	}
}

/* Addresses or NICs changed: what may be learnt is worked out again when needed. */
void hg_port_forget_filters(struct hg_agent *agent)
{
	for (unsigned int slot = 0; slot < agent->port_count; slot++) {
		hg_neigh_filter_free(agent->port[slot].neigh_filter);
		agent->port[slot].neigh_filter = NULL;
	}
}

void hg_port_set_map(struct hg_agent *agent, unsigned int slot)
{
	const struct hg_agent_port *port = &agent->port[slot];
	struct hg_port value = { .slot = slot, .id = hg_port_id(port->name) };
	int err;

	memcpy(value.mac, port->nic.mac, sizeof(value.mac));
	hg_vips_vmac(agent, slot, value.vmac);
	value.flags = port->cluster->is_heartbeat ? HG_PORT_HEARTBEAT : 0;
	snprintf(value.name, sizeof(value.name), "%s", port->name);
	err = hg_maps_set_port(&agent->maps, port->nic.ifindex, &value);
	if (err)
		hg_error("port %s: the data path does not know its NIC: %s", port->name,
			 strerror(-err));
}

static void open_heartbeat(struct hg_agent *agent, unsigned int slot)
{
	struct hg_agent_port *port = &agent->port[slot];
	struct hg_heartbeat_options options = {
		.ifname = port->nic.ifname,
		.port = port->name,
		.self = &agent->self->address[port->index],
		.udp_port = agent->setup->cluster.heartbeat_port,
	};

	if (!port->cluster->is_heartbeat || !agent->peer || !port->has_nic)
		return;
	options.peer = &agent->peer->address[port->index];
	port->heartbeat_err = hg_heartbeat_open(&port->heartbeat, &options);
}

void hg_port_bind(struct hg_agent *agent, unsigned int slot, const struct hg_setup_port *setup)
{
	struct hg_agent_port *port = &agent->port[slot];

	port->has_nic = setup->has_nic;
	port->is_attached = !setup->err;
	port->nic = setup->nic;
	snprintf(port->trouble, sizeof(port->trouble), "%s", setup->text);
	if (!port->has_nic)
		return;
	hg_mac_adopt(agent, slot);
	hg_port_set_map(agent, slot);
	open_heartbeat(agent, slot);
	hg_vips_set_port(agent, slot);
}

/* --- what netlink says ------------------------------------------------------------ */

static void on_nic_gone(struct hg_agent *agent, unsigned int slot, const char *ifname)
{
	struct hg_agent_port *port = &agent->port[slot];

	hg_maps_delete_port(&agent->maps, port->nic.ifindex);
	hg_heartbeat_close(&port->heartbeat);
	hg_neigh_forget(agent->neigh, slot);
	port->has_nic = port->is_attached = port->nic.has_link = false;
	snprintf(port->trouble, sizeof(port->trouble), "NIC %.15s is gone; attach it again",
		 ifname);
	hg_vips_set_port(agent, slot);
	hg_port_judge(agent);
}

static void on_nic_changed(struct hg_agent *agent, unsigned int slot,
			   const struct hg_netlink_link *link)
{
	struct hg_agent_port *port = &agent->port[slot];
	bool is_renamed = strcmp(port->nic.ifname, link->name);
	bool is_new_mac = memcmp(port->nic.mac, link->mac, sizeof(link->mac));
	bool is_link_changed = port->nic.has_link != link->has_link;
	bool was_up = port->nic.is_up;

	port->is_listed = true;
	if (is_renamed)
		hg_notice("port %s: NIC %s is called %s now", port->name, port->nic.ifname,
			  link->name);
	snprintf(port->nic.ifname, sizeof(port->nic.ifname), "%s", link->name);
	memcpy(port->nic.mac, link->mac, sizeof(port->nic.mac));
	port->nic.is_up = link->is_up;
	port->nic.has_link = link->has_link;
	if (is_new_mac) {
		hg_port_set_map(agent, slot);
		hg_vips_set_port(agent, slot);
	}
	/* IPv6 addresses and routes went away with IFF_UP. */
	if (link->is_up && !was_up && hg_state_serves(agent->maps.state, hg_now().ns))
		hg_vips_add(agent);
	if (is_link_changed && link->has_link)
		port->wiring_forget_at = hg_now().ns; /* plugged in anew */
	/* The kernel forgets neighbours with the link: a HELLO would wait in its queue while
	 * it searches, up to seconds. The peer's next one teaches its MAC again. */
	if (is_link_changed) {
		memset(port->taught_mac, 0, sizeof(port->taught_mac));
		hg_port_judge(agent);
		hg_peer_send_hello(agent);
	}
}

static bool may_be_missing(const struct hg_agent_port *port, const struct hg_netlink_link *link)
{
	if (port->has_nic)
		return false;
	switch (port->node->nic.by) {
	case HG_NIC_BY_MAC:
		return !memcmp(port->node->nic.mac, link->mac, sizeof(link->mac));
	case HG_NIC_BY_NAME:
		return !strcmp(port->node->nic.text, link->name);
	case HG_NIC_BY_PATH:
		return true; /* only setup can tell */
	}
	return false;
}

/* Links that come and go must not keep setup running all the time. What appears too
 * soon waits for the slow tick: nothing else would tell of it again. */
static void retry_setup(struct hg_agent *agent)
{
	uint64_t now = hg_now().ns;

	agent->is_nic_waiting = now < agent->retried_at + RETRY_NS;
	if (agent->is_nic_waiting)
		return;
	agent->retried_at = now;
	hg_reload_start(agent, NULL);
}

static void on_nic_appeared(struct hg_agent *agent, const struct hg_netlink_link *link)
{
	for (unsigned int slot = 0; slot < agent->port_count; slot++)
		if (may_be_missing(&agent->port[slot], link)) {
			retry_setup(agent);
			return;
		}
}

void hg_port_on_link(void *context, const struct hg_netlink_link *link, bool is_deleted)
{
	struct hg_agent *agent = context;
	int slot = hg_port_by_ifindex(agent, link->ifindex);

	agent->is_link_changed |= agent->next != NULL;
	if (slot >= 0 && is_deleted)
		on_nic_gone(agent, slot, link->name);
	else if (slot >= 0)
		on_nic_changed(agent, slot, link);
	else if (!is_deleted)
		on_nic_appeared(agent, link);
}

/* A whole list: what it does not name is gone. */
void hg_port_on_sync_begin(void *context)
{
	struct hg_agent *agent = context;

	for (unsigned int slot = 0; slot < agent->port_count; slot++)
		agent->port[slot].is_listed = false;
}

void hg_port_on_sync_end(void *context)
{
	struct hg_agent *agent = context;

	for (unsigned int slot = 0; slot < agent->port_count; slot++)
		if (agent->port[slot].has_nic && !agent->port[slot].is_listed)
			on_nic_gone(agent, slot, agent->port[slot].nic.ifname);
}

/* --- faults ----------------------------------------------------------------------- */

static void find_misbinding(struct hg_agent *agent, struct hg_agent_port *port)
{
	const struct hg_ip *address = &agent->self->address[port->index];
	const struct hg_worker_address *elsewhere = NULL;

	port->is_misbound = false;
	if (!address->family || !port->has_nic)
		return;
	for (size_t i = 0; i < agent->own_count; i++) {
		const struct hg_worker_address *own = &agent->own[i];

		if (own->ip.family != address->family ||
		    memcmp(own->ip.addr, address->addr, address->family == 4 ? 4 : 16))
			continue;
		if (own->ifindex == port->nic.ifindex)
			return;
		elsewhere = own;
	}
	if (!elsewhere)
		return;
	port->is_misbound = true;
	if (!if_indextoname(elsewhere->ifindex, port->misbound_on))
		snprintf(port->misbound_on, sizeof(port->misbound_on), "#%d", elsewhere->ifindex);
}

static void collect_stray(struct hg_agent *agent, unsigned int slot)
{
	struct hg_stat stats[HG_R_COUNT];

	if (hg_maps_get_stats(&agent->maps, slot, stats))
		return;
	agent->port[slot].stray = stats[HG_R_TRANSIT_SILENT].packets +
				  stats[HG_R_VIP_SILENT].packets + stats[HG_R_PASS_DRAIN].packets;
}

void hg_port_slow_tick(struct hg_agent *agent)
{
	if (agent->is_nic_waiting)
		retry_setup(agent);
	for (unsigned int slot = 0; slot < agent->port_count; slot++) {
		struct hg_agent_port *port = &agent->port[slot];
		char fault[sizeof(port->fault)];

		if (port->heartbeat_err)
			open_heartbeat(agent, slot);
		collect_stray(agent, slot);
		hg_port_watch(agent, slot);
		hg_port_describe_fault(agent, slot, fault, sizeof(fault));
		if (strcmp(fault, port->fault)) {
			memcpy(port->fault, fault, sizeof(fault));
			hg_agent_note(agent, HG_HISTORY_FAULT, "%s%s%s", *fault ? fault : "port ",
				      *fault ? "" : port->name, *fault ? "" : ": well again");
		}
	}
}

/* Both nodes hear crossed frames, whoever is crossed. The one that serves, or did so last,
 * served well before, and may go on. */
static bool is_proven(const struct hg_agent *agent)
{
	return agent->elect.state == HG_EL_ACTIVE || agent->elect.state == HG_EL_RELEASING ||
	       hg_epoch_node(agent->elect.epoch_seen) == agent->self->id;
}

void hg_port_judge(struct hg_agent *agent)
{
	struct hg_health_port list[HG_SLOTS_MAX];
	struct hg_health_facts facts = { .count = agent->port_count, .port = list };
	struct hg_elect_event ev = { .type = HG_EV_HEALTH };
	bool is_heard = hg_peer_is_heard(agent);
	bool is_trusted = is_proven(agent);
	bool is_merged = hg_wiring_is_merged(agent);

	for (unsigned int slot = 0; slot < agent->port_count; slot++) {
		struct hg_agent_port *port = &agent->port[slot];

		find_misbinding(agent, port);
		list[slot] = (struct hg_health_port){
			.has_vips = port->cluster->vip_count,
			.has_link = port->nic.is_up && port->nic.has_link,
			.is_attached = port->is_attached,
			.is_heartbeat = port->cluster->is_heartbeat,
			.is_peer_heard = hg_port_is_peer_heard(agent, slot),
			.has_wiring_fault = !is_trusted && !is_merged &&
					    hg_wiring_is_miswired(agent, slot),
			.is_misbound = port->is_misbound || hg_wiring_is_misbound(agent, slot),
		};
		facts.is_peer_misbound |= is_heard && port->hello.flags & HG_HELLO_F_MISBOUND;
	}
	facts.is_peer_misbound |= is_heard && hg_wiring_is_peers(agent);
	agent->health = hg_health_judge(&facts);
	agent->is_judged = true;
	hg_sync_judge(agent, &ev);
	if (agent->health.score == agent->elect.health &&
	    agent->health.is_fit == agent->elect.is_fit &&
	    ev.self.generation == agent->elect.generation &&
	    ev.self.is_unsynced == agent->elect.is_unsynced)
		return;
	ev.self.health = agent->health.score;
	ev.self.is_fit = agent->health.is_fit;
	hg_elector_step(agent, &ev);
}
