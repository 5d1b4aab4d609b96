// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * node.yaml: who this machine is. The tables below are the whole syntax of the file;
 * what a table cannot say follows them.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/config_file.h"
#include "agent/config_value.h"
#include "agent/schema.h"
#include "hagate/control.h"

#define STATE_DIR "/var/lib/hagate"

struct node_build {
	struct hg_node_config config;
	const struct hg_yaml_node *port_at[HG_SLOTS_MAX]; /* key */
};

/* One entry of `ports`, as written. */
struct port_entry {
	bool has_mac, has_name, has_path;
	struct hg_node_port port;
};

static const char *const mode_words[] = { "off", "join", "member", NULL };
_Static_assert(HG_MODE_OFF == 0 && HG_MODE_JOIN == 1 && HG_MODE_MEMBER == 2, "mode_words");
static const char *const xdp_words[] = { "native", "generic", NULL };

static void on_port(struct hg_diag *diag, const struct hg_yaml_node *key,
		    const struct hg_yaml_node *value, void *target);
static void on_join(struct hg_diag *diag, const struct hg_yaml_node *key,
		    const struct hg_yaml_node *value, void *target);
static void on_mac(struct hg_diag *diag, const struct hg_yaml_node *key,
		   const struct hg_yaml_node *value, void *target);
static void on_name(struct hg_diag *diag, const struct hg_yaml_node *key,
		    const struct hg_yaml_node *value, void *target);
static void on_path(struct hg_diag *diag, const struct hg_yaml_node *key,
		    const struct hg_yaml_node *value, void *target);
static void on_xdp(struct hg_diag *diag, const struct hg_yaml_node *key,
		   const struct hg_yaml_node *value, void *target);

#define AT(member) offsetof(struct hg_node_config, member)
#define SIZE(member) sizeof(((struct hg_node_config *)0)->member)

static const struct hg_schema_key path_keys[] = {
	{ "state", HG_SCHEMA_PATH, .offset = AT(state), .max = SIZE(state) },
	/* the control socket's path must fit into struct sockaddr_un */
	{ "run", HG_SCHEMA_PATH, .offset = AT(run), .max = 108 - sizeof("/" HG_CTL_SOCKET) + 1 },
	{ "pin", HG_SCHEMA_PATH, .offset = AT(pin), .max = SIZE(pin) },
	{ 0 },
};

static const struct hg_schema_key node_keys[] = {
	{ "node", HG_SCHEMA_NAME, true, .offset = AT(node), .max = SIZE(node) },
	{ "key", HG_SCHEMA_PATH, true, .offset = AT(key), .max = SIZE(key) },
	{ "mode", HG_SCHEMA_WORD, .offset = AT(mode), .words = mode_words },
	{ "join", HG_SCHEMA_VALUE, .each = on_join },
	{ "ports", HG_SCHEMA_NAMED, true, .each = on_port, .example = "{ lan: { name: eth0 } }" },
	{ "cluster", HG_SCHEMA_PATH, .offset = AT(cluster), .max = SIZE(cluster) },
	{ "paths", HG_SCHEMA_MAP, .keys = path_keys, .example = "{ state: " STATE_DIR " }" },
	{ 0 },
};

static const struct hg_schema_key port_keys[] = {
	{ "mac", HG_SCHEMA_VALUE, .each = on_mac },
	{ "name", HG_SCHEMA_VALUE, .each = on_name },
	{ "path", HG_SCHEMA_VALUE, .each = on_path },
	{ "xdp", HG_SCHEMA_VALUE, .each = on_xdp },
	{ 0 },
};

static void on_join(struct hg_diag *diag, const struct hg_yaml_node *key,
		    const struct hg_yaml_node *value, void *target)
{
	struct node_build *build = target;

	hg_value_ip(diag, value, key->text, HG_WITHOUT_PREFIX, &build->config.join);
}

static void on_mac(struct hg_diag *diag, const struct hg_yaml_node *key,
		   const struct hg_yaml_node *value, void *target)
{
	struct port_entry *entry = target;

	entry->has_mac = true;
	entry->port.nic.by = HG_NIC_BY_MAC;
	hg_value_mac(diag, value, key->text, entry->port.nic.mac);
}

static void on_name(struct hg_diag *diag, const struct hg_yaml_node *key,
		    const struct hg_yaml_node *value, void *target)
{
	struct port_entry *entry = target;
	size_t length;

	entry->has_name = true;
	entry->port.nic.by = HG_NIC_BY_NAME;
	if (!hg_value_text(diag, value, key->text))
		return;
	length = strlen(value->text);
	/* what the kernel takes as a name of a device (dev_valid_name) */
	if (length >= IF_NAMESIZE || strpbrk(value->text, "/: \t") || !strcmp(value->text, ".") ||
	    !strcmp(value->text, "..")) {
		hg_diag_error(diag, value->at, "'%.60s' cannot be the name of an interface",
			      value->text);
		hg_diag_hint(diag, "such as eth0 or ens192, up to %d characters", IF_NAMESIZE - 1);
		return;
	}
	memcpy(entry->port.nic.text, value->text, length + 1);
}

static void on_path(struct hg_diag *diag, const struct hg_yaml_node *key,
		    const struct hg_yaml_node *value, void *target)
{
	struct port_entry *entry = target;
	size_t length;

	entry->has_path = true;
	entry->port.nic.by = HG_NIC_BY_PATH;
	if (!hg_value_text(diag, value, key->text))
		return;
	length = strlen(value->text);
	if (length >= sizeof(entry->port.nic.text) || strpbrk(value->text, "/ \t")) {
		hg_diag_error(diag, value->at, "'%.60s' cannot be the path of a NIC", value->text);
		hg_diag_hint(diag, "as udev's ID_PATH says it, such as pci-0000:0b:00.0");
		return;
	}
	memcpy(entry->port.nic.text, value->text, length + 1);
}

static void on_xdp(struct hg_diag *diag, const struct hg_yaml_node *key,
		   const struct hg_yaml_node *value, void *target)
{
	struct port_entry *entry = target;
	unsigned int word;

	if (hg_value_word(diag, value, key->text, xdp_words, &word))
		entry->port.xdp = word ? HG_XDP_GENERIC : HG_XDP_NATIVE;
}

static bool is_same_nic(const struct hg_nic_id *a, const struct hg_nic_id *b)
{
	if (a->by != b->by)
		return false;
	if (a->by == HG_NIC_BY_MAC)
		return !memcmp(a->mac, b->mac, sizeof(a->mac));
	return !strcmp(a->text, b->text);
}

/* A port against those before it. */
static void check_port(struct hg_diag *diag, const struct node_build *build,
		       const struct hg_node_port *port, const struct hg_yaml_node *key)
{
	const struct hg_node_port *other = build->config.port;
	unsigned int i;

	for (i = 0; i < build->config.port_count; i++, other++) {
		if (hg_port_id(other->name) == hg_port_id(port->name)) {
			hg_diag_error(diag, key->at,
				      "the names '%s' and '%s' have the same id in frames",
				      port->name, other->name);
			hg_diag_hint(diag, "change one of the two names");
		}
		if (is_same_nic(&other->nic, &port->nic))
			hg_diag_error(diag, key->next->at, "the same NIC as port '%s' (line %zu)",
				      other->name, hg_diag_line(diag, build->port_at[i]->at));
	}
}

static void on_port(struct hg_diag *diag, const struct hg_yaml_node *key,
		    const struct hg_yaml_node *value, void *target)
{
	struct node_build *build = target;
	struct port_entry entry = { .port.xdp = HG_XDP_NATIVE };
	unsigned int ways;

	if (build->config.port_count == HG_SLOTS_MAX) {
		hg_diag_error(diag, key->at, "more than %d ports", HG_SLOTS_MAX);
		return;
	}
	hg_value_name(diag, key, "ports", entry.port.name, sizeof(entry.port.name));
	hg_schema_walk(diag, port_keys, "a port", value, &entry);
	ways = entry.has_mac + entry.has_name + entry.has_path;
	if (value->type == HG_YAML_MAP && ways != 1) {
		hg_diag_error(diag, value->at,
			      ways ? "port '%.60s' is bound in more than one way"
				   : "port '%.60s' is bound to no NIC",
			      key->text);
		hg_diag_hint(diag, "exactly one of mac, name and path");
	}
	if (hg_diag_has_within(diag, key->at, value->end))
		return;
	check_port(diag, build, &entry.port, key);
	build->port_at[build->config.port_count] = key;
	build->config.port[build->config.port_count++] = entry.port;
}

static void check_ports(struct hg_diag *diag, const struct hg_yaml_node *root)
{
	const struct hg_yaml_node *key = hg_yaml_find(root, "ports");

	if (key && key->next->type == HG_YAML_MAP && !key->next->count)
		hg_diag_error(diag, key->next->at, "'ports' names no port");
}

static void set_defaults(struct hg_node_config *config)
{
	config->mode = HG_MODE_MEMBER;
	strcpy(config->state, STATE_DIR);
	strcpy(config->run, HG_RUN_DIR);
	strcpy(config->pin, HG_PIN_DIR);
}

/* The copy in state, unless the file says where. */
static void set_cluster(struct hg_diag *diag, const struct hg_yaml_node *root,
			struct hg_node_config *config)
{
	const struct hg_yaml_node *paths = hg_yaml_find(root, "paths");
	int n;

	if (hg_yaml_find(root, "cluster"))
		return;
	n = snprintf(config->cluster, sizeof(config->cluster), "%s/cluster.yaml", config->state);
	if (n >= (int)sizeof(config->cluster) && paths)
		hg_diag_error(diag, paths->at, "the path of 'state' is too long");
}

int hg_config_read_node(const char *path, struct hg_node_config *ret, FILE *out)
{
	struct node_build *build = calloc(1, sizeof(*build));
	struct hg_config_file file;
	int error;

	if (!build) {
		fprintf(out, "%s:1:1: error: out of memory\n", path);
		return -EINVAL;
	}
	error = hg_config_file_open(&file, path);
	if (!error) {
		set_defaults(&build->config);
		hg_schema_walk(&file.diag, node_keys, "node.yaml", file.yaml.root, build);
		check_ports(&file.diag, file.yaml.root);
		set_cluster(&file.diag, file.yaml.root, &build->config);
	}
	error = hg_config_file_close(&file, out);
	if (!error)
		*ret = build->config;
	free(build);
	return error;
}
