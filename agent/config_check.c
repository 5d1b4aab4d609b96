// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * cluster.yaml as a whole: what connects one value with another, and with this
 * machine's node.yaml. Values that were reported already take no part, so that one
 * mistake gives one error.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "agent/config_file.h"
#include "agent/config_value.h"

/* A VIP and its index, to be sorted. */
struct vip_ref {
	const struct hg_ip *ip;
	unsigned int index;
};

/* The value of root.section.name, NULL when not given or wrong. */
static const struct hg_yaml_node *find_good(const struct hg_diag *diag,
					    const struct hg_yaml_node *root, const char *section,
					    const char *name)
{
	const struct hg_yaml_node *key = hg_yaml_find(root, section);

	if (key)
		key = hg_yaml_find(key->next, name);
	if (!key || hg_diag_has_within(diag, key->next->at, key->next->end))
		return NULL;
	return key->next;
}

static bool is_wrong(const struct hg_diag *diag, const struct hg_yaml_node *root, const char *name)
{
	const struct hg_yaml_node *timers = hg_yaml_find(root, "timers");
	const struct hg_yaml_node *key = timers ? hg_yaml_find(timers->next, name) : NULL;

	return key && hg_diag_has_within(diag, key->next->at, key->next->end);
}

static void check_timers(struct hg_diag *diag, const struct hg_cluster_build *build)
{
	const struct hg_cluster_config *c = &build->config;
	const struct hg_yaml_node *interval = find_good(diag, build->root, "timers", "interval");
	const struct hg_yaml_node *lease = find_good(diag, build->root, "timers", "lease");
	const struct hg_yaml_node *grace = find_good(diag, build->root, "timers", "agent_grace");
	char a[HG_SPAN_TEXT], b[HG_SPAN_TEXT];

	if (is_wrong(diag, build->root, "interval"))
		return;
	if (!is_wrong(diag, build->root, "lease") && c->interval.ns * 3 > c->lease.ns &&
	    (interval || lease)) {
		hg_diag_error(diag, interval ? interval->at : lease->at,
			      "the interval (%s) is above a third of the lease (%s)",
			      hg_span_text(c->interval, a), hg_span_text(c->lease, b));
		hg_diag_hint(diag,
			     "interval at most %" PRIu64 "ms, or lease at least %s: two lost "
			     "frames in a row must not end a lease",
			     c->lease.ns / 3000000,
			     hg_span_text((struct hg_span){ c->interval.ns * 3 }, b));
	}
	if (grace && c->agent_grace.ns < c->interval.ns * 2) {
		hg_diag_error(diag, grace->at, "agent_grace (%s) is below two intervals (%s each)",
			      hg_span_text(c->agent_grace, a), hg_span_text(c->interval, b));
		hg_diag_hint(diag, "an agent shows life once an interval");
	}
}

static void check_ports(struct hg_diag *diag, const struct hg_cluster_build *build)
{
	const struct hg_cluster_config *c = &build->config;
	const struct hg_yaml_node *mac = hg_yaml_find(build->root, "mac"), *vrid;
	bool is_mac_good = !mac || !hg_diag_has_within(diag, mac->next->at, mac->next->end);
	unsigned int i, k;

	for (i = 0; i < c->port_count; i++) {
		for (k = 0; k < i && c->port[i].name[0]; k++) {
			if (hg_port_id(c->port[i].name) != hg_port_id(c->port[k].name))
				continue;
			hg_diag_error(diag, build->port_at[i]->at,
				      "the names '%s' and '%s' have the same id in frames",
				      c->port[i].name, c->port[k].name);
			hg_diag_hint(diag, "change one of the two names");
		}
		vrid = hg_yaml_find(build->port_at[i]->next, "vrid");
		if (vrid && c->port[i].vrid && is_mac_good && c->mac == HG_MAC_REAL) {
			hg_diag_error(diag, vrid->at, "'vrid' has no effect with mac: real");
			hg_diag_hint(diag, "remove it, or set mac: virtual");
		}
	}
}

static void check_heartbeats(struct hg_diag *diag, const struct hg_cluster_build *build)
{
	const struct hg_cluster_config *c = &build->config;
	const struct hg_yaml_node *ports = hg_yaml_find(build->root, "ports");
	const struct hg_yaml_node *addresses;
	unsigned int i, k, beats = 0;

	for (i = 0; i < c->port_count; i++) {
		if (!c->port[i].is_heartbeat)
			continue;
		beats++;
		for (k = 0; k < c->node_count; k++) {
			addresses = hg_yaml_find(build->node_at[k]->next, "addresses");
			if (build->address_at[k][i] || !c->port[i].name[0] ||
			    build->node_at[k]->next->type != HG_YAML_MAP)
				continue;
			hg_diag_error(diag, (addresses ? addresses : build->node_at[k])->at,
				      "node '%s' has no address on heartbeat port '%s'",
				      c->node[k].name, c->port[i].name);
			hg_diag_hint(diag, "add it to 'addresses' of the node");
		}
	}
	/* a port that is wrong may be the one */
	if (ports && c->node_count > 1 && !beats && c->port_count &&
	    !hg_diag_has_within(diag, ports->at, ports->next->end)) {
		hg_diag_error(diag, ports->at, "no port has 'heartbeat: true'");
		hg_diag_hint(diag, "without one the nodes cannot hear each other");
	}
}

/* One address against all that stand before it. */
static void check_address(struct hg_diag *diag, const struct hg_cluster_build *build,
			  unsigned int node, unsigned int port)
{
	const struct hg_cluster_config *c = &build->config;
	const struct hg_ip *ip = &c->node[node].address[port], *other;
	const struct hg_yaml_node *at = build->address_at[node][port];
	char text[HG_IP_TEXT];
	unsigned int k, i;

	for (k = 0; k <= node; k++) {
		for (i = 0; i < c->port_count && (k < node || i < port); i++) {
			other = &c->node[k].address[i];
			if (!other->family || hg_ip_compare(ip, other))
				continue;
			hg_diag_error(diag, at->at,
				      "%s is already the address of node '%s' on port '%s'",
				      hg_ip_text(ip, text), c->node[k].name, c->port[i].name);
			return;
		}
	}
	other = &c->node[0].address[port];
	if (node && c->port[port].is_heartbeat && other->family && other->family != ip->family) {
		hg_diag_error(diag, at->at, "%s cannot speak to %s: IPv4 and IPv6 on one port",
			      c->node[node].name, c->node[0].name);
		hg_diag_hint(diag, "heartbeat addresses of a port are of one family");
	}
}

static void check_nodes(struct hg_diag *diag, const struct hg_cluster_build *build)
{
	const struct hg_cluster_config *c = &build->config;
	const struct hg_yaml_node *id;
	unsigned int k, i;

	for (k = 0; k < c->node_count; k++) {
		id = hg_yaml_find(build->node_at[k]->next, "id");
		for (i = 0; i < k && id && c->node[k].id; i++)
			if (c->node[i].id == c->node[k].id)
				hg_diag_error(diag, id->next->at,
					      "id %u is already that of node '%s'", c->node[k].id,
					      c->node[i].name);
		for (i = 0; i < c->port_count; i++)
			if (c->node[k].address[i].family)
				check_address(diag, build, k, i);
	}
}

static int compare_vips(const void *a, const void *b)
{
	const struct vip_ref *x = a, *y = b;
	int order = hg_ip_compare(x->ip, y->ip);

	if (order)
		return order;
	return x->index < y->index ? -1 : x->index > y->index;
}

static const char *port_of_vip(const struct hg_cluster_config *c, unsigned int vip)
{
	unsigned int i;

	for (i = 0; i + 1 < c->port_count; i++)
		if (vip < c->port[i].vip_first + c->port[i].vip_count)
			break;
	return c->port[i].name;
}

static void check_vip_address(struct hg_diag *diag, const struct hg_cluster_build *build,
			      const struct vip_ref *refs, unsigned int node, unsigned int port)
{
	const struct hg_cluster_config *c = &build->config;
	const struct hg_ip *ip = &c->node[node].address[port];
	unsigned int low = 0, high = c->vip_count, middle;
	char text[HG_IP_TEXT];

	while (low < high) {
		middle = (low + high) / 2;
		if (hg_ip_compare(refs[middle].ip, ip) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == c->vip_count || hg_ip_compare(refs[low].ip, ip))
		return;
	hg_diag_error(diag, build->vip_at[refs[low].index]->at,
		      "%s is the own address of node '%s' on port '%s' (line %zu)",
		      hg_ip_text(ip, text), c->node[node].name, c->port[port].name,
		      hg_diag_line(diag, build->address_at[node][port]->at));
	hg_diag_hint(diag, "a VIP is an address that no node has");
}

static void check_vips(struct hg_diag *diag, const struct hg_cluster_build *build)
{
	const struct hg_cluster_config *c = &build->config;
	struct vip_ref *refs = calloc(c->vip_count + 1, sizeof(*refs));
	unsigned int i, k, first = 0;
	char text[HG_IP_TEXT];

	if (!refs) {
		hg_diag_error(diag, 0, "out of memory");
		return;
	}
	for (i = 0; i < c->vip_count; i++)
		refs[i] = (struct vip_ref){ &c->vip[i], i };
	qsort(refs, c->vip_count, sizeof(*refs), compare_vips);
	for (i = 1; i < c->vip_count; i++) {
		if (hg_ip_compare(refs[first].ip, refs[i].ip)) {
			first = i;
			continue;
		}
		hg_diag_error(diag, build->vip_at[refs[i].index]->at,
			      "%s is already a VIP of port '%s' (line %zu)",
			      hg_ip_text(refs[i].ip, text), port_of_vip(c, refs[first].index),
			      hg_diag_line(diag, build->vip_at[refs[first].index]->at));
	}
	for (k = 0; k < c->node_count; k++)
		for (i = 0; i < c->port_count; i++)
			if (c->node[k].address[i].family)
				check_vip_address(diag, build, refs, k, i);
	free(refs);
}

/* Does this file fit to the machine it is on? */
static void check_pair(struct hg_diag *diag, const struct hg_cluster_build *build,
		       const struct hg_node_config *node)
{
	const struct hg_cluster_config *c = &build->config;
	const struct hg_yaml_node *nodes = hg_yaml_find(build->root, "nodes");
	const struct hg_yaml_node *ports = hg_yaml_find(build->root, "ports");
	unsigned int i, k;

	if (nodes && nodes->next->type == HG_YAML_MAP && !hg_yaml_find(nodes->next, node->node)) {
		hg_diag_error(diag, nodes->at, "this machine is '%s', which is not among the nodes",
			      node->node);
		hg_diag_hint(diag, "correct 'node' in node.yaml, or add the node here");
	}
	if (!ports || ports->next->type != HG_YAML_MAP)
		return;
	for (i = 0; i < node->port_count; i++) {
		if (hg_yaml_find(ports->next, node->port[i].name))
			continue;
		hg_diag_error(diag, ports->at, "this machine's port '%s' is not among the ports",
			      node->port[i].name);
		hg_diag_hint(diag, "node.yaml and cluster.yaml must name the same ports");
	}
	for (i = 0; i < c->port_count; i++) {
		for (k = 0; k < node->port_count; k++)
			if (!strcmp(c->port[i].name, node->port[k].name))
				break;
		if (k < node->port_count || !c->port[i].name[0])
			continue;
		hg_diag_error(diag, build->port_at[i]->at,
			      "port '%s' is bound to no NIC on this machine", c->port[i].name);
		hg_diag_hint(diag, "add it to 'ports' in node.yaml, or remove it here");
	}
}

static void check_empty(struct hg_diag *diag, const struct hg_yaml_node *root, const char *name)
{
	const struct hg_yaml_node *key = hg_yaml_find(root, name);

	if (key && key->next->type == HG_YAML_MAP && !key->next->count)
		hg_diag_error(diag, key->next->at, "'%s' is empty", name);
}

void hg_config_check_cluster(struct hg_diag *diag, const struct hg_cluster_build *build,
			     const struct hg_node_config *node)
{
	check_empty(diag, build->root, "ports");
	check_empty(diag, build->root, "nodes");
	check_timers(diag, build);
	check_ports(diag, build);
	check_nodes(diag, build);
	check_vips(diag, build);
	hg_config_check_witness(diag, build);
	check_heartbeats(diag, build);
	hg_config_check_replicate(diag, build, node);
	if (node)
		check_pair(diag, build, node);
}
