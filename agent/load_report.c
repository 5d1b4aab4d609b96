/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The load of both nodes: measured here once a second, said in HELLO, shown in the
 * status. A peer whose software is older says nothing (all zero) and is shown as unknown.
 */
#include <endian.h>
#include <string.h>

#include "agent.h"

#define MEASURE_NS (1000ull * 1000 * 1000)

void hg_load_slow_tick(struct hg_agent *agent)
{
	struct hg_load_counts counts[HG_SLOTS_MAX];
	const struct hg_load_counts *known[HG_SLOTS_MAX] = { NULL };
	uint64_t now = hg_now().ns;

	if (agent->load.at && now < agent->load.at + MEASURE_NS)
		return;
	for (unsigned int slot = 0; slot < agent->port_count; slot++) {
		struct hg_stat stats[HG_R_COUNT];

		if (hg_maps_get_stats(&agent->maps, slot, stats))
			continue;
		hg_load_count(stats, &counts[slot]);
		known[slot] = &counts[slot];
	}
	hg_load_measure(&agent->load, now, known);
}

void hg_load_fill_hello(const struct hg_agent *agent, unsigned int slot,
			struct hg_wire_hello *hello)
{
	const struct hg_load *load = &agent->load.load;

	hello->cpu_permille = htobe16(load->cpu_permille);
	hello->mem_permille = htobe16(load->mem_permille);
	hello->connections = htobe32(load->connections);
	hello->rx_pps = htobe32(load->port[slot].rx_pps);
	hello->tx_pps = htobe32(load->port[slot].tx_pps);
	hello->rx_kbps = htobe32(load->port[slot].rx_kbps);
	hello->tx_kbps = htobe32(load->port[slot].tx_kbps);
}

static json_t *json_rates(const char *name, const struct hg_load_port *port)
{
	return json_pack("{s:s,s:I,s:I,s:I,s:I}", "name", name, "rx_pps", (json_int_t)port->rx_pps,
			 "tx_pps", (json_int_t)port->tx_pps, "rx_kbps", (json_int_t)port->rx_kbps,
			 "tx_kbps", (json_int_t)port->tx_kbps);
}

static json_t *json_load(uint16_t cpu, uint16_t memory, uint32_t connections, json_t *ports)
{
	return json_pack("{s:f,s:f,s:I,s:o}", "cpu_percent", cpu / 10.0, "memory_percent",
			 memory / 10.0, "connections", (json_int_t)connections, "ports", ports);
}

json_t *hg_load_json(const struct hg_agent *agent)
{
	const struct hg_load *load = &agent->load.load;
	json_t *ports;

	if (!load->mem_permille)
		return json_null();
	ports = json_array();
	for (unsigned int slot = 0; slot < agent->port_count; slot++)
		json_array_append_new(ports, json_rates(agent->port[slot].name, &load->port[slot]));
	return json_load(load->cpu_permille, load->mem_permille, load->connections, ports);
}

/* As its last HELLOs say; a port on which none comes is left out. */
json_t *hg_load_peer_json(const struct hg_agent *agent)
{
	const struct hg_wire_hello *newest = NULL;
	uint64_t newest_at = 0;
	json_t *ports;

	if (!hg_peer_is_heard(agent) || !hg_peer_has_agent(agent))
		return json_null();
	ports = json_array();
	for (unsigned int slot = 0; slot < agent->port_count; slot++) {
		const struct hg_agent_port *port = &agent->port[slot];
		const struct hg_wire_hello *hello = &port->hello;
		struct hg_load_port rates = {
			.rx_pps = be32toh(hello->rx_pps),
			.tx_pps = be32toh(hello->tx_pps),
			.rx_kbps = be32toh(hello->rx_kbps),
			.tx_kbps = be32toh(hello->tx_kbps),
		};

		if (!port->hello_at || !hg_port_is_peer_heard(agent, slot))
			continue;
		json_array_append_new(ports, json_rates(port->name, &rates));
		if (port->hello_at > newest_at) {
			newest_at = port->hello_at;
			newest = hello;
		}
	}
	if (!newest || !newest->mem_permille) {
		json_decref(ports);
		return json_null();
	}
	return json_load(be16toh(newest->cpu_permille), be16toh(newest->mem_permille),
			 be32toh(newest->connections), ports);
}
