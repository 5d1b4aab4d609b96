/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What `hagate status`, `ports` and `events` show, as JSON. `serving` and the lease
 * are read from the data path's maps at the moment of the question.
 */
#include <arpa/inet.h>
#include <endian.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "agent.h"
#include "flight.h"

#define HELLO_FRESH_NS (300ull * 1000 * 1000) /* three of them */

static const char *const role_names[HG_ROLES] = {
	[HG_ROLE_OFF] = "off",		 [HG_ROLE_BLANK] = "blank",
	[HG_ROLE_LEARNER] = "learner",	 [HG_ROLE_LISTEN] = "listen",
	[HG_ROLE_STANDBY] = "standby",	 [HG_ROLE_ACTIVE] = "active",
	[HG_ROLE_DRAINING] = "draining", [HG_ROLE_MAINTENANCE] = "maintenance",
	[HG_ROLE_FAULT] = "fault",
};

static const struct {
	const char *name, *text;
} whys[] = {
#define X(id, name, text) [HG_WHY_##id] = { name, text },
	HG_TRANSITION_REASONS(X)
#undef X
};

static const char *const packet_reasons[] = {
#define X(id, name, text) [HG_R_##id] = name,
	HG_PACKET_REASONS(X)
#undef X
};

static const char *role_name(unsigned int role)
{
	return role < HG_ROLES ? role_names[role] : "unknown";
}

json_t *hg_status_time(const struct timespec *wall)
{
	char text[64], zone[8];
	struct tm tm;

	if (!wall->tv_sec)
		return json_null();
	localtime_r(&wall->tv_sec, &tm);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	strftime(zone, sizeof(zone), "%z", &tm);
	snprintf(text + strlen(text), sizeof(text) - strlen(text), ".%03ld%.3s:%s",
		 wall->tv_nsec / 1000000, zone, zone + 3);
	return json_string(text);
}

static json_t *json_epoch(uint64_t epoch)
{
	return json_sprintf("0x%016" PRIx64, epoch);
}

static json_t *json_mac(const uint8_t mac[6])
{
	return json_sprintf("%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4],
			    mac[5]);
}

static json_t *json_ip(const struct hg_ip *ip, bool has_prefix)
{
	char text[INET6_ADDRSTRLEN];

	if (!ip->family)
		return json_null();
	inet_ntop(ip->family == 4 ? AF_INET : AF_INET6, ip->addr, text, sizeof(text));
	return has_prefix ? json_sprintf("%s/%u", text, ip->prefix) : json_string(text);
}

/* Milliseconds with one decimal, as people and the contract read them. */
static json_t *json_ms(double ns)
{
	return json_real((double)(int64_t)(ns / 1e5) / 10);
}

static json_t *json_text(const char *text)
{
	return *text ? json_string(text) : json_null();
}

static json_t *json_counters(struct hg_agent *agent, int only_slot, bool is_dropped)
{
	uint64_t sums[HG_R_COUNT] = { 0 };
	json_t *object = json_object();

	for (unsigned int slot = 0; slot < agent->port_count; slot++) {
		struct hg_stat stats[HG_R_COUNT];

		if (only_slot >= 0 && slot != (unsigned int)only_slot)
			continue;
		if (hg_maps_get_stats(&agent->maps, slot, stats))
			continue;
		for (unsigned int r = 0; r < HG_R_COUNT; r++)
			sums[r] += stats[r].packets;
	}
	for (unsigned int r = 0; r < HG_R_COUNT; r++) {
		bool is_drop = !strncmp(packet_reasons[r], "bad-", 4) ||
			       strstr(packet_reasons[r], "silent") || r >= HG_R_FILTER_BLOCKED ||
			       (r >= HG_R_PEER_LENGTH && r <= HG_R_PEER_LATE);

		if (sums[r] && (!is_dropped || is_drop))
			json_object_set_new(object, packet_reasons[r], json_integer(sums[r]));
	}
	return object;
}

static const char *xdp_name(const struct hg_agent_port *port)
{
	if (!port->is_attached)
		return "none";
	return port->node->xdp == HG_XDP_GENERIC ? "generic" : "native";
}

static const char *bound_by(const struct hg_agent_port *port)
{
	switch (port->node->nic.by) {
	case HG_NIC_BY_MAC:
		return "mac";
	case HG_NIC_BY_PATH:
		return "path";
	case HG_NIC_BY_NAME:
		return "name";
	}
	return "unknown";
}

static json_t *json_port(struct hg_agent *agent, unsigned int slot)
{
	struct hg_agent_port *port = &agent->port[slot];
	const volatile struct hg_path *path = &agent->maps.path[slot];
	bool is_heard = hg_port_is_peer_heard(agent, slot);

	return json_pack(
		"{s:s,s:o,s:o,s:b,s:s,s:b,s:o,s:i,s:o,s:s,s:o,s:o,s:b,s:s,s:o}", "name", port->name,
		"ifname", port->has_nic ? json_string(port->nic.ifname) : json_null(), "mac",
		port->has_nic ? json_mac(port->nic.mac) : json_null(), "link",
		port->has_nic && port->nic.has_link, "xdp", xdp_name(port), "peer_heard", is_heard,
		"fault", json_text(port->fault), "slot", (int)slot, "address",
		json_ip(&agent->self->address[port->index], false), "bound_by", bound_by(port),
		"peer_rtt_us", is_heard && path->rtt ? json_integer(path->rtt / 1000) : json_null(),
		"rx_dropped", json_counters(agent, slot, true), "heartbeat",
		port->cluster->is_heartbeat, "mac_mode",
		hg_mac_is_virtual(agent, slot) ? "virtual" : "real", "mac_test",
		hg_mac_port_json(agent, slot));
}

json_t *hg_status_ports(struct hg_agent *agent)
{
	json_t *array = json_array();

	for (unsigned int slot = 0; slot < agent->port_count; slot++)
		json_array_append_new(array, json_port(agent, slot));
	return array;
}

/* Its data path is seen to serve: REQUESTs come from nobody but a holder, with or without an
 * agent. A holder that is heard and yet not asked by this node says so in HELLOs; one that
 * this node has just relieved may have said so too. */
static bool is_peer_serving(const struct hg_agent *agent, uint64_t now)
{
	const volatile struct hg_state *state = agent->maps.state;
	const volatile struct hg_peer *peer = agent->maps.peer;
	const struct hg_elect *elect = &agent->elect;
	uint64_t lease = agent->setup->cluster.lease.ns;
	uint64_t request = peer->request, epoch = peer->request_epoch;

	if (request && now < request + lease + agent->setup->cluster.interval.ns &&
	    epoch > state->epoch && epoch >= state->fence_epoch)
		return true;
	return elect->has_hello && elect->peer.role == HG_ROLE_ACTIVE &&
	       now < elect->hello_at.ns + HELLO_FRESH_NS &&
	       (elect->peer.epoch > state->epoch || elect->hello_at.ns > state->since + lease);
}

static json_t *json_peer(struct hg_agent *agent)
{
	const volatile struct hg_peer *peer = agent->maps.peer;
	const struct hg_elect_hello *hello = &agent->elect.peer;
	bool is_reachable, has_hello = agent->elect.has_hello;
	uint64_t rtt = 0;
	json_t *software = json_null();

	if (!agent->peer)
		return json_null();
	is_reachable = hg_peer_is_heard(agent);
	for (unsigned int slot = 0; slot < agent->port_count; slot++) {
		const struct hg_agent_port *port = &agent->port[slot];

		if (!rtt && hg_port_is_peer_heard(agent, slot))
			rtt = agent->maps.path[slot].rtt;
		if (port->hello_at && json_is_null(software))
			software = json_sprintf("%.*s", HG_WIRE_NAME_LEN, port->hello.software);
	}
	return json_pack(
		"{s:s,s:s,s:b,s:o,s:b,s:o,s:o,s:o,s:i,s:o,s:o}", "node", agent->peer->name, "role",
		is_reachable && hg_peer_has_agent(agent) ? role_name(hello->role) : "unknown",
		"serving", is_reachable && is_peer_serving(agent, hg_now().ns), "epoch",
		json_epoch(has_hello ? hello->epoch : 0), "reachable", is_reachable, "agent_age_ms",
		is_reachable ? json_integer(peer->agent_age / 1000000) : json_null(), "rtt_us",
		is_reachable && rtt ? json_integer(rtt / 1000) : json_null(), "health",
		has_hello ? json_integer(hello->health) : json_null(), "priority",
		(int)agent->peer->priority, "software", software, "why_unreachable",
		json_text(is_reachable ? "" : agent->peer_fault));
}

static json_t *json_vips(struct hg_agent *agent)
{
	json_t *array = json_array();

	for (unsigned int slot = 0; slot < agent->port_count; slot++) {
		const struct hg_agent_port *port = &agent->port[slot];

		for (unsigned int i = 0; i < port->cluster->vip_count; i++)
			json_array_append_new(
				array,
				json_pack("{s:o,s:s}", "address",
					  json_ip(&agent->setup->cluster
							   .vip[port->cluster->vip_first + i],
						  true),
					  "port", port->name));
	}
	return array;
}

static json_t *json_faults(struct hg_agent *agent)
{
	json_t *array = json_array();
	const char *const general[] = { agent->peer_fault, agent->ask.fault, agent->config_fault,
					agent->store_fault, agent->sync.fault };

	for (unsigned int i = 0; i < sizeof(general) / sizeof(general[0]); i++)
		if (*general[i])
			json_array_append_new(array, json_string(general[i]));
	for (unsigned int slot = 0; slot < agent->port_count; slot++)
		if (*agent->port[slot].fault)
			json_array_append_new(array, json_string(agent->port[slot].fault));
	for (unsigned int slot = 0; slot < agent->port_count; slot++) {
		char text[640];

		hg_mac_describe(agent, slot, text, sizeof(text));
		if (*text)
			json_array_append_new(array, json_string(text));
	}
	return array;
}

static json_t *json_failover(const struct hg_failover *failover)
{
	return json_pack(
		"{s:I,s:o,s:o,s:o}", "count", (json_int_t)failover->count, "last_ms",
		failover->count && failover->last_ms >= 0 ? json_ms(failover->last_ms * 1e6)
							  : json_null(),
		"last_at", hg_status_time(&failover->last_at), "last_reason",
		failover->count ? json_string(whys[failover->last_why].name) : json_null());
}

json_t *hg_status_json(struct hg_agent *agent)
{
	const volatile struct hg_state *state = agent->maps.state;
	const struct hg_elect *elect = &agent->elect;
	uint64_t now = hg_now().ns;
	bool is_serving = hg_state_serves(state, now);
	uint64_t lease = state->lease_until;
	json_t *status;

	status = json_pack("{s:s,s:s,s:s,s:s,s:s,s:I,s:o,s:o,s:b,s:s,s:o,s:i,s:o,s:o,s:o}",
			   "version", HG_VERSION, "cluster", agent->setup->cluster.name, "node",
			   agent->self->name, "role", role_name(hg_elect_role(elect)), "reason",
			   whys[elect->why].name, "since_ms",
			   (json_int_t)((now - state->since) / 1000000), "epoch",
			   json_epoch(is_serving ? state->epoch : state->fence_epoch), "lease_ms",
			   json_ms(is_serving ? lease - now : 0), "serving", is_serving, "mac_mode",
			   hg_mac_mode(agent), "peer", json_peer(agent), "health",
			   (int)elect->health, "ports", hg_status_ports(agent), "vips",
			   json_vips(agent), "failover", json_failover(&agent->failover));
	if (!status)
		return NULL;
	json_object_set_new(status, "load", hg_load_json(agent));
	json_object_set_new(json_object_get(status, "peer"), "load", hg_load_peer_json(agent));
	json_object_set_new(status, "role_since", hg_status_time(&agent->since_wall));
	json_object_set_new(status, "reason_text", json_string(whys[elect->why].text));
	json_object_set_new(status, "isolation",
			    json_string(agent->setup->cluster.isolation == HG_ISOLATION_STOP
						? "stop"
						: "continue"));
	json_object_set_new(status, "witness", hg_ask_status(agent));
	json_object_set_new(status, "alone_ms",
			    elect->is_alone && is_serving
				    ? json_integer((now - elect->alone_since.ns) / 1000000)
				    : json_null());
	json_object_set_new(status, "overlap_ms", json_integer(agent->overlap.last_ns / 1000000));
	json_object_set_new(status, "faults", json_faults(agent));
	json_object_set_new(status, "warnings", hg_filter_warnings(agent));
	json_object_set_new(status, "filter", hg_filter_status(agent));
	json_object_set_new(status, "timers", hg_flight_status(agent));
	json_object_set_new(status, "sync", hg_sync_json(agent));
	json_object_set_new(status, "counters", json_counters(agent, -1, false));
	return status;
}

json_t *hg_status_event(const struct hg_history_event *event)
{
	json_t *object = json_pack("{s:I,s:o,s:s,s:s}", "seq", (json_int_t)event->seq, "time",
				   hg_status_time(&event->wall), "type",
				   hg_history_type_name(event->type), "text", event->text);

	if (!object || event->type != HG_HISTORY_TRANSITION)
		return object;
	json_object_set_new(object, "from", json_string(hg_elect_state_name(event->from)));
	json_object_set_new(object, "to", json_string(hg_elect_state_name(event->to)));
	json_object_set_new(object, "reason", json_string(whys[event->why].name));
	json_object_set_new(object, "epoch", json_epoch(event->epoch));
	return object;
}
