// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The hash by which two nodes see whether they run the same cluster.yaml: BLAKE2b
 * over the values in an order of its own. Comments, order of keys and defaults that
 * are written out do not count. The text below is part of the protocol: a change of
 * it makes nodes of two versions report a difference.
 */
#include <inttypes.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "agent/config_file.h"
#include "agent/config_value.h"

#define FAILSAFE_COUNT (sizeof(((struct hg_cluster_config *)0)->failsafe) / sizeof(uint16_t))

__attribute__((format(printf, 2, 3))) static void add(crypto_generichash_state *state,
						      const char *format, ...)
{
	char line[256]; /* names have at most 63 characters, addresses 45 */
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	crypto_generichash_update(state, (const unsigned char *)line, n);
}

static int compare_vips(const void *a, const void *b)
{
	const struct hg_ip *x = *(const struct hg_ip *const *)a;
	const struct hg_ip *y = *(const struct hg_ip *const *)b;

	return hg_ip_compare(x, y);
}

static void add_vips(crypto_generichash_state *state, const struct hg_cluster_config *c,
		     const struct hg_cluster_port *port)
{
	const struct hg_ip **sorted = calloc(port->vip_count + 1, sizeof(struct hg_ip *));
	char text[HG_IP_TEXT];
	unsigned int i;

	/* without memory: in the order of the file, which only shows a false difference */
	for (i = 0; sorted && i < port->vip_count; i++)
		sorted[i] = &c->vip[port->vip_first + i];
	if (sorted)
		qsort(sorted, port->vip_count, sizeof(struct hg_ip *), compare_vips);
	for (i = 0; i < port->vip_count; i++) {
		const struct hg_ip *ip = sorted ? sorted[i] : &c->vip[port->vip_first + i];

		add(state, "vip %s/%u\n", hg_ip_text(ip, text), ip->prefix);
	}
	free(sorted);
}

/* Fills `order` with the indices of the ports by name. */
static void sort_ports(const struct hg_cluster_config *c, unsigned int order[HG_SLOTS_MAX])
{
	unsigned int i, k;

	for (i = 0; i < c->port_count; i++) {
		for (k = i; k && strcmp(c->port[order[k - 1]].name, c->port[i].name) > 0; k--)
			order[k] = order[k - 1];
		order[k] = i;
	}
}

static void add_ports(crypto_generichash_state *state, const struct hg_cluster_config *c,
		      const unsigned int order[HG_SLOTS_MAX])
{
	const struct hg_cluster_port *port;
	unsigned int i;

	for (i = 0; i < c->port_count; i++) {
		port = &c->port[order[i]];
		add(state, "port %s heartbeat %d vrid %u\n", port->name, port->is_heartbeat,
		    port->vrid);
		add_vips(state, c, port);
	}
}

static void add_nodes(crypto_generichash_state *state, const struct hg_cluster_config *c,
		      const unsigned int order[HG_SLOTS_MAX])
{
	const struct hg_cluster_node *node;
	char text[HG_IP_TEXT];
	unsigned int id, k, i;

	/* ids are unique: by rising id */
	for (id = 1; id <= 255; id++) {
		for (k = 0; k < c->node_count; k++) {
			node = &c->node[k];
			if (node->id != id)
				continue;
			add(state, "node %u name %s priority %u\n", id, node->name, node->priority);
			for (i = 0; i < c->port_count; i++)
				if (node->address[order[i]].family)
					add(state, "on %s %s\n", c->port[order[i]].name,
					    hg_ip_text(&node->address[order[i]], text));
		}
	}
}

static void add_failsafe(crypto_generichash_state *state, const struct hg_cluster_config *c)
{
	unsigned int last = 0, next, i, k;

	/* by rising number; the list is short and without repeats */
	for (k = 0; k < FAILSAFE_COUNT; k++) {
		for (next = 0, i = 0; i < FAILSAFE_COUNT; i++)
			if (c->failsafe[i] > last && (!next || c->failsafe[i] < next))
				next = c->failsafe[i];
		if (!next)
			return;
		add(state, "failsafe %u\n", next);
		last = next;
	}
}

/* Lists by name, their entries sorted already; where they were read from does not count. */
static void add_lists(crypto_generichash_state *state, const struct hg_ruleset *ruleset)
{
	const struct hg_list *list, *next, *last = NULL;
	unsigned int i;
	size_t k;

	for (;; last = next) {
		for (next = NULL, i = 0; i < ruleset->list_count; i++) {
			list = &ruleset->list[i];
			if ((!last || strcmp(list->name, last->name) > 0) &&
			    (!next || strcmp(list->name, next->name) < 0))
				next = list;
		}
		if (!next)
			return;
		add(state, "list %s %zu\n", next->name, next->count);
		for (k = 0; k < next->count; k++)
			crypto_generichash_update(state, (const unsigned char *)&next->entry[k],
						  sizeof(next->entry[k]));
	}
}

static void add_replicate(crypto_generichash_state *state, const struct hg_cluster_config *c)
{
	const struct hg_replicate *entry = c->replicate;
	const char *text[] = { NULL, NULL, NULL, NULL, NULL };
	unsigned int i, k;

	for (i = 0; i < c->replicate_count; i++, entry++) {
		text[0] = entry->path;
		text[1] = entry->owner;
		text[2] = entry->group;
		text[3] = entry->validate;
		text[4] = entry->apply;
		add(state, "replicate %d\n", entry->mode);
		for (k = 0; k < sizeof(text) / sizeof(text[0]); k++)
			crypto_generichash_update(state, (const unsigned char *)text[k],
						  strlen(text[k]) + 1);
	}
}

static void add_rules(crypto_generichash_state *state, const struct hg_cluster_config *c,
		      const struct hg_ruleset *ruleset)
{
	const char *port[HG_SLOTS_MAX];
	struct hg_rule_names names = { .port_count = c->port_count, .port = port };
	char text[HG_RULE_TEXT_MAX];
	unsigned int i;

	for (i = 0; i < c->port_count; i++)
		port[i] = c->port[i].name;
	for (i = 0; i < ruleset->rule_count; i++) {
		hg_rule_print(&ruleset->rule[i], &names, text, sizeof(text));
		crypto_generichash_update(state, (const unsigned char *)text, strlen(text) + 1);
	}
}

void hg_config_hash(const struct hg_cluster_config *c, const struct hg_ruleset *ruleset,
		    uint8_t ret[16])
{
	unsigned int order[HG_SLOTS_MAX] = { 0 };
	crypto_generichash_state state;
	char text[HG_IP_TEXT];

	sort_ports(c, order);
	crypto_generichash_init(&state, NULL, 0, 16);
	add(&state, "cluster %s\nmac %d isolation %d\n", c->name, c->mac, c->isolation);
	add(&state, "interval %" PRIu64 " lease %" PRIu64 " drain %" PRIu64 " grace %" PRIu64 "\n",
	    c->interval.ns, c->lease.ns, c->drain.ns, c->agent_grace.ns);
	add(&state, "failback %d %" PRIu64 "\n", c->is_failback, c->failback_delay.ns);
	add(&state, "udp %u routed %d default %d\n", c->heartbeat_port, c->is_routed,
	    c->is_default_accept);
	if (c->witness.family)
		add(&state, "witness %s %u\n", hg_ip_text(&c->witness, text), c->witness_port);
	add_ports(&state, c, order);
	add_nodes(&state, c, order);
	add_failsafe(&state, c);
	add_lists(&state, ruleset);
	add_replicate(&state, c);
	add_rules(&state, c, ruleset);
	crypto_generichash_final(&state, ret, 16);
}
