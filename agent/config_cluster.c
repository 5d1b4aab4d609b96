// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * cluster.yaml: what the gateway is. The tables below are the whole syntax of the
 * file, config_check.c holds what connects its values.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/config_file.h"
#include "agent/config_value.h"
#include "agent/filter/ruleset.h"
#include "agent/schema.h"

#define MS(n) (UINT64_C(n) * 1000000)
#define FAILSAFE_MAX (sizeof(((struct hg_cluster_config *)0)->failsafe) / sizeof(uint16_t))

static const char *const mac_words[] = { "real", "virtual", "auto", NULL };
_Static_assert(HG_MAC_REAL == 0 && HG_MAC_VIRTUAL == 1 && HG_MAC_AUTO == 2, "mac_words");
static const char *const isolation_words[] = { "continue", "stop", NULL };
_Static_assert(HG_ISOLATION_CONTINUE == 0 && HG_ISOLATION_STOP == 1, "isolation_words");

static void on_port(struct hg_diag *diag, const struct hg_yaml_node *key,
		    const struct hg_yaml_node *value, void *target);
static void on_vip(struct hg_diag *diag, const struct hg_yaml_node *key,
		   const struct hg_yaml_node *value, void *target);
static void on_node(struct hg_diag *diag, const struct hg_yaml_node *key,
		    const struct hg_yaml_node *value, void *target);
static void on_address(struct hg_diag *diag, const struct hg_yaml_node *key,
		       const struct hg_yaml_node *value, void *target);
static void on_failsafe(struct hg_diag *diag, const struct hg_yaml_node *key,
			const struct hg_yaml_node *value, void *target);
static void on_filter(struct hg_diag *diag, const struct hg_yaml_node *key,
		      const struct hg_yaml_node *value, void *target);

/* An entry of `ports` or `nodes` while it is read. */
struct port_entry {
	struct hg_cluster_build *build;
	struct hg_cluster_port port;
};
struct node_entry {
	struct hg_cluster_build *build;
	struct hg_cluster_node node;
	const struct hg_yaml_node *address_at[HG_SLOTS_MAX];
};

#define AT(member) offsetof(struct hg_cluster_build, config.member)
#define PORT(member) offsetof(struct port_entry, port.member)
#define NODE(member) offsetof(struct node_entry, node.member)

static const struct hg_schema_key timer_keys[] = {
	{ "interval", HG_SCHEMA_SPAN, .offset = AT(interval), .min = MS(1), .max = MS(1000) },
	{ "lease", HG_SCHEMA_SPAN, .offset = AT(lease), .min = MS(4), .max = MS(10000) },
	{ "agent_grace", HG_SCHEMA_SPAN, .offset = AT(agent_grace), .min = MS(100),
	  .max = MS(60000) },
	{ "drain", HG_SCHEMA_SPAN, .offset = AT(drain), .min = 0, .max = MS(10000) },
	{ 0 },
};

static const struct hg_schema_key failback_keys[] = {
	{ "enabled", HG_SCHEMA_BOOL, .offset = AT(is_failback) },
	{ "delay", HG_SCHEMA_SPAN, .offset = AT(failback_delay), .min = 0, .max = MS(86400000) },
	{ 0 },
};

/* `ports` before `nodes` and `filter`, which refer to ports. */
static const struct hg_schema_key cluster_keys[] = {
	{ "cluster", HG_SCHEMA_NAME, true, .offset = AT(name),
	  .max = sizeof(((struct hg_cluster_config *)0)->name) },
	{ "ports", HG_SCHEMA_NAMED, true, .each = on_port,
	  .example = "{ lan: { heartbeat: true, vips: [10.1.0.1/24] } }" },
	{ "nodes", HG_SCHEMA_NAMED, true, .each = on_node,
	  .example = "{ gw1: { id: 1, priority: 200, addresses: { lan: 10.1.0.2 } } }" },
	{ "mac", HG_SCHEMA_WORD, .offset = AT(mac), .words = mac_words },
	{ "timers", HG_SCHEMA_MAP, .keys = timer_keys,
	  .example = "{ interval: 5ms, lease: 20ms }" },
	{ "failback", HG_SCHEMA_MAP, .keys = failback_keys,
	  .example = "{ enabled: true, delay: 30s }" },
	{ "isolation", HG_SCHEMA_WORD, .offset = AT(isolation), .words = isolation_words },
	{ "heartbeat_port", HG_SCHEMA_UINT16, .offset = AT(heartbeat_port), .min = 1,
	  .max = 65535 },
	{ "routed_heartbeat", HG_SCHEMA_BOOL, .offset = AT(is_routed) },
	{ "failsafe", HG_SCHEMA_LIST, .each = on_failsafe, .example = "[22]" },
	{ "replicate", HG_SCHEMA_LIST, .each = hg_config_read_replicate,
	  .example = "[/etc/nftables.conf]" },
	{ "witness", HG_SCHEMA_VALUE, .each = hg_config_read_witness },
	{ "filter", HG_SCHEMA_VALUE, .each = on_filter },
	{ 0 },
};

static const struct hg_schema_key port_keys[] = {
	{ "heartbeat", HG_SCHEMA_BOOL, .offset = PORT(is_heartbeat) },
	{ "vips", HG_SCHEMA_LIST, .each = on_vip, .example = "[10.1.0.1/24]" },
	{ "vrid", HG_SCHEMA_UINT8, .offset = PORT(vrid), .min = 1, .max = 255 },
	{ 0 },
};

static const struct hg_schema_key node_keys[] = {
	{ "id", HG_SCHEMA_UINT8, true, .offset = NODE(id), .min = 1, .max = 255 },
	{ "priority", HG_SCHEMA_UINT8, .offset = NODE(priority), .min = 0, .max = 255 },
	{ "addresses", HG_SCHEMA_NAMED, .each = on_address, .example = "{ lan: 10.1.0.2 }" },
	{ 0 },
};

static void on_port(struct hg_diag *diag, const struct hg_yaml_node *key,
		    const struct hg_yaml_node *value, void *target)
{
	struct hg_cluster_build *build = target;
	struct hg_cluster_config *config = &build->config;
	struct port_entry entry = { .build = build, .port.vip_first = config->vip_count };

	if (config->port_count == HG_SLOTS_MAX) {
		hg_diag_error(diag, key->at, "more than %d ports", HG_SLOTS_MAX);
		return;
	}
	if (!hg_value_name(diag, key, "ports", entry.port.name, sizeof(entry.port.name)))
		entry.port.name[0] = '\0';
	hg_schema_walk(diag, port_keys, "a port", value, &entry);
	entry.port.vip_count = config->vip_count - entry.port.vip_first;
	build->port_at[config->port_count] = key;
	config->port[config->port_count++] = entry.port;
}

static bool reserve_vip(struct hg_cluster_build *build)
{
	unsigned int room = build->vip_room ? build->vip_room * 2 : 64;
	const struct hg_yaml_node **at;
	struct hg_ip *vip;

	if (build->config.vip_count < build->vip_room)
		return true;
	vip = reallocarray(build->config.vip, room, sizeof(*vip));
	if (!vip)
		return false;
	build->config.vip = vip;
	at = reallocarray(build->vip_at, room, sizeof(*at));
	if (!at)
		return false;
	build->vip_at = at;
	build->vip_room = room;
	return true;
}

static void on_vip(struct hg_diag *diag, const struct hg_yaml_node *key,
		   const struct hg_yaml_node *value, void *target)
{
	struct hg_cluster_build *build = ((struct port_entry *)target)->build;
	struct hg_cluster_config *config = &build->config;
	struct hg_ip ip;

	(void)key;
	if (!hg_value_ip(diag, value, "vips", HG_WITH_PREFIX, &ip))
		return;
	if (config->vip_count == HG_VIPS_MAX) {
		if (!build->has_too_many_vips)
			hg_diag_error(diag, value->at, "more than %d VIPs", HG_VIPS_MAX);
		build->has_too_many_vips = true;
		return;
	}
	if (!reserve_vip(build)) {
		hg_diag_error(diag, value->at, "out of memory");
		return;
	}
	build->vip_at[config->vip_count] = value;
	config->vip[config->vip_count++] = ip;
}

static void on_node(struct hg_diag *diag, const struct hg_yaml_node *key,
		    const struct hg_yaml_node *value, void *target)
{
	struct hg_cluster_build *build = target;
	struct hg_cluster_config *config = &build->config;
	struct node_entry entry = { .build = build, .node.priority = 100 };

	if (config->node_count == HG_CONFIG_NODES_MAX) {
		hg_diag_error(diag, key->at, "more than %d nodes", HG_CONFIG_NODES_MAX);
		hg_diag_hint(diag, "this version runs a pair: one node, or two");
		return;
	}
	if (!hg_value_name(diag, key, "nodes", entry.node.name, sizeof(entry.node.name)))
		entry.node.name[0] = '\0';
	hg_schema_walk(diag, node_keys, "a node", value, &entry);
	build->node_at[config->node_count] = key;
	memcpy(build->address_at[config->node_count], entry.address_at, sizeof(entry.address_at));
	config->node[config->node_count++] = entry.node;
}

static void report_no_port(struct hg_diag *diag, const struct hg_cluster_build *build,
			   const struct hg_yaml_node *key)
{
	const struct hg_yaml_node *ports = hg_yaml_find(build->root, "ports");
	const char *names[HG_SLOTS_MAX] = { 0 }, *nearest;
	unsigned int i;

	/* a port that is there but wrong was reported there */
	if (!ports || ports->next->type != HG_YAML_MAP || hg_yaml_find(ports->next, key->text))
		return;
	for (i = 0; i < build->config.port_count; i++)
		names[i] = build->config.port[i].name;
	nearest = hg_value_nearest(key->text, names, i);
	hg_diag_error(diag, key->at, "no port is named '%.60s'", key->text);
	if (nearest)
		hg_diag_hint(diag, "did you mean '%s'?", nearest);
	else
		hg_diag_hint(diag, "ports are named under 'ports' (line %zu)",
			     hg_diag_line(diag, ports->at));
}

static void on_address(struct hg_diag *diag, const struct hg_yaml_node *key,
		       const struct hg_yaml_node *value, void *target)
{
	struct node_entry *entry = target;
	int port = hg_cluster_find_port(&entry->build->config, key->text);

	if (port < 0) {
		report_no_port(diag, entry->build, key);
		return;
	}
	/* also of an address that is wrong: it is not missing */
	entry->address_at[port] = value;
	hg_value_ip(diag, value, key->text, HG_WITHOUT_PREFIX, &entry->node.address[port]);
}

static void on_failsafe(struct hg_diag *diag, const struct hg_yaml_node *key,
			const struct hg_yaml_node *value, void *target)
{
	struct hg_cluster_build *build = target;
	uint16_t *list = build->config.failsafe;
	unsigned int i;
	uint64_t port;

	(void)key;
	if (!build->failsafe_count)
		list[0] = 0; /* the default */
	if (!hg_value_uint(diag, value, "failsafe", 1, 65535, &port))
		return;
	for (i = 0; i < build->failsafe_count; i++) {
		if (list[i] == port) {
			hg_diag_error(diag, value->at, "port %u is listed twice", list[i]);
			return;
		}
	}
	if (build->failsafe_count == FAILSAFE_MAX) {
		hg_diag_error(diag, value->at, "more than %zu failsafe ports", FAILSAFE_MAX);
		return;
	}
	list[build->failsafe_count++] = port;
}

static void on_filter(struct hg_diag *diag, const struct hg_yaml_node *key,
		      const struct hg_yaml_node *value, void *target)
{
	struct hg_cluster_build *build = target;
	const struct hg_yaml_node *ports = hg_yaml_find(build->root, "ports");
	const char *names[HG_SLOTS_MAX];
	unsigned int i;

	(void)key;
	for (i = 0; i < build->config.port_count; i++)
		names[i] = build->config.port[i].name;
	/* when ports are wrong, rules that name them are not wrong as well */
	hg_build_set_ports(&build->filter, names, i,
			   !ports || ports->next->type != HG_YAML_MAP ||
				   hg_diag_has_within(diag, ports->at, ports->next->end));
	hg_build_read(&build->filter, diag, value);
}

static void set_defaults(struct hg_cluster_config *config)
{
	config->interval = HG_MS(5);
	config->lease = HG_MS(20);
	config->drain = HG_MS(500);
	config->agent_grace = HG_MS(2000);
	config->failback_delay = HG_MS(30000);
	config->is_failback = true;
	config->heartbeat_port = HG_WIRE_UDP_PORT;
	config->failsafe[0] = 22;
}

static void read_tree(struct hg_diag *diag, struct hg_cluster_build *build,
		      const struct hg_yaml_node *root, const struct hg_node_config *node)
{
	const struct hg_yaml_node *failsafe = hg_yaml_find(root, "failsafe");

	set_defaults(&build->config);
	build->root = root;
	if (!reserve_vip(build)) { /* also for none: config.vip is never NULL */
		hg_diag_error(diag, 0, "out of memory");
		return;
	}
	hg_schema_walk(diag, cluster_keys, "cluster.yaml", root, build);
	if (failsafe && !build->failsafe_count)
		build->config.failsafe[0] = 0;
	build->config.is_default_accept = !build->filter.ruleset->is_default_drop;
	if (root->type == HG_YAML_MAP)
		hg_config_check_cluster(diag, build, node);
}

static void warn_lockout(struct hg_diag *diag, const struct hg_cluster_build *build)
{
	const struct hg_yaml_node *filter = hg_yaml_find(build->root, "filter");
	const struct hg_ruleset *ruleset = build->filter.ruleset;
	char text[256];

	if (!filter || hg_diag_has_errors(diag) || build->filter.has_errors)
		return;
	if (hg_ruleset_lockout(ruleset, &build->config, text, sizeof(text))) {
		hg_diag_warning(diag, filter->at, "%s", text);
		hg_diag_hint(diag,
			     "accept it by a rule, so that this does not depend on 'failsafe'");
	}
	if (hg_ruleset_drops_heartbeats(ruleset, &build->config, text, sizeof(text)))
		hg_diag_warning(diag, filter->at, "%s", text);
}

/* The file that is not there is most often one that a joining node need not have. */
static void hint_missing(struct hg_diag *diag, const char *path, const struct hg_node_config *node)
{
	if (node && node->mode == HG_MODE_MEMBER && access(path, F_OK) && errno == ENOENT)
		hg_diag_hint(diag,
			     "a node that joins a gateway needs `mode: join` in its node.yaml "
			     "and learns this file; on the first node `hagate init` writes it");
}

static int read_file(const char *path, const struct hg_node_config *node,
		     struct hg_cluster_build *build, FILE *out)
{
	struct hg_config_file file;
	int error = hg_config_file_open(&file, path);

	if (error)
		hint_missing(&file.diag, path, node);
	file.diag.is_quiet = build->filter.is_quiet;
	if (!error)
		read_tree(&file.diag, build, file.yaml.root, node);
	if (!error)
		warn_lockout(&file.diag, build);
	return hg_config_file_close(&file, out);
}

static int read_gateway(const char *path, const struct hg_node_config *node,
			struct hg_cluster_config *ret, struct hg_ruleset **ret_ruleset, FILE *out)
{
	struct hg_cluster_build build = { 0 };
	struct hg_ruleset *ruleset = NULL;
	int error = hg_build_begin(&build.filter, path);

	build.filter.is_quiet = !ret_ruleset;
	if (error)
		fprintf(out, "%s:1:1: error: out of memory\n", path);
	else
		error = read_file(path, node, &build, out);
	build.filter.has_errors |= error != 0;
	error = hg_build_end(&build.filter, &ruleset, out);
	free(build.vip_at);
	if (error) {
		free(build.config.replicate);
		free(build.config.vip);
		return error;
	}
	hg_config_hash(&build.config, ruleset, build.config.hash);
	*ret = build.config;
	if (ret_ruleset)
		*ret_ruleset = ruleset;
	else
		hg_ruleset_free(ruleset);
	return 0;
}

int hg_config_read_cluster(const char *path, const struct hg_node_config *node,
			   struct hg_cluster_config *ret, FILE *out)
{
	return read_gateway(path, node, ret, NULL, out);
}

int hg_config_read_gateway(const char *path, const struct hg_node_config *node,
			   struct hg_cluster_config *ret, struct hg_ruleset **ret_ruleset,
			   FILE *out)
{
	return read_gateway(path, node, ret, ret_ruleset, out);
}
