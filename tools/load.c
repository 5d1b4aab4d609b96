// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The load of both nodes as a table of fixed width: a heading and two lines. Packets and
 * bits are sums over all ports; each port's are in --json.
 */
#include "load.h"

#include <stdio.h>
#include <string.h>

#include "text.h"

/* 1234 -> "1234", 1234567 -> "1.23M": at most six characters. */
static void short_number(char *to, size_t size, double value)
{
	static const char units[] = { 0, 'k', 'M', 'G', 'T' };
	unsigned int unit = 0;

	while (value >= (unit ? 999.5 : 9999.5) && unit + 1 < sizeof(units)) {
		value /= 1000;
		unit++;
	}
	if (!unit)
		snprintf(to, size, "%.0f", value);
	else
		snprintf(to, size, "%.*f%c",
			 value < 9.995	 ? 2
			 : value < 99.95 ? 1
					 : 0,
			 value, units[unit]);
}

static double sum(const json_t *load, const char *key)
{
	const json_t *ports = json_object_get(load, "ports");
	double all = 0;

	for (size_t i = 0; i < json_array_size(ports); i++)
		all += hg_text_number(json_array_get(ports, i), key, 0);
	return all;
}

static void print_node(const char *name, const json_t *load)
{
	char node[17], rx[24], tx[24], rx_bits[24], tx_bits[24], connections[24];

	hg_text_copy(node, sizeof(node), name);
	if (!json_is_object(load)) {
		printf("  %-16s not known: its agent is away or older\n", node);
		return;
	}
	short_number(rx, sizeof(rx), sum(load, "rx_pps"));
	short_number(tx, sizeof(tx), sum(load, "tx_pps"));
	short_number(rx_bits, sizeof(rx_bits), sum(load, "rx_kbps") * 1000);
	short_number(tx_bits, sizeof(tx_bits), sum(load, "tx_kbps") * 1000);
	short_number(connections, sizeof(connections), hg_text_number(load, "connections", 0));
	printf("  %-16s %5.1f%% %5.1f%% %7s  %7s %7s  %7s %7s\n", node,
	       hg_text_number(load, "cpu_percent", 0), hg_text_number(load, "memory_percent", 0),
	       connections, rx, rx_bits, tx, tx_bits);
}

bool hg_load_is_known(const json_t *status)
{
	return json_is_object(json_object_get(status, "load")) ||
	       json_is_object(json_object_get(json_object_get(status, "peer"), "load"));
}

int hg_load_print(const json_t *status)
{
	const json_t *peer = json_object_get(status, "peer");
	const json_t *own = json_object_get(status, "load"), *its = json_object_get(peer, "load");

	printf("%-18s %6s %6s %7s  %7s %7s  %7s %7s\n", "LOAD", "CPU", "MEM", "CONNS", "IN/s",
	       "bit/s", "OUT/s", "bit/s");
	print_node(hg_text_string(status, "node", "this node"), own);
	if (!json_is_object(peer))
		return 2;
	print_node(hg_text_string(peer, "node", "the peer"), its);
	return 3;
}
