// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * `hagated --check`: both files and the key, on the machine they are for. Of a node that
 * joins, what it can know: its node.yaml, its key, and whether the NICs are there.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/config.h"
#include "agent/filter/ruleset.h"
#include "agent/identity.h"
#include "agent/keyfile.h"

static int check_key(const struct hg_node_config *node, FILE *out)
{
	unsigned char key[HG_KEYFILE_LEN];
	struct hg_error text = { "" };
	int err = node->mode == HG_MODE_JOIN ? hg_keyfile_read_copy(node->key, key, &text)
					     : hg_keyfile_read(node->key, key, &text);

	if (err)
		fprintf(out, "%s\n", text.text);
	else
		hg_keyfile_wipe(key);
	return err ? -EINVAL : 0;
}

static int check_nics(const char *node_path, const struct hg_node_config *node, FILE *out)
{
	struct hg_nic nic[HG_SLOTS_MAX] = { 0 };
	int err = 0;

	for (unsigned int slot = 0; slot < node->port_count; slot++) {
		const struct hg_node_port *port = &node->port[slot];
		struct hg_error text = { "" };

		if (hg_nic_find(&port->nic, &nic[slot], &text)) {
			fprintf(out, "%s: error: port %s: %s\n", node_path, port->name, text.text);
			err = -EINVAL;
			continue;
		}
		for (unsigned int i = 0; i < slot; i++) {
			if (nic[i].ifindex != nic[slot].ifindex)
				continue;
			fprintf(out, "%s: error: port %s: %s is the NIC of port %s already\n",
				node_path, port->name, nic[slot].ifname, node->port[i].name);
			err = -EINVAL;
		}
	}
	return err;
}

/* Before it has joined there is no cluster.yaml to check. */
static int check_joining(const char *node_path, const struct hg_node_config *node, FILE *out)
{
	int err = check_key(node, out);

	if (check_nics(node_path, node, out))
		err = -EINVAL;
	if (!err)
		fprintf(out,
			"%s: right, as far as this node knows: it joins (mode: join), and %s comes "
			"from a member. Next: systemctl enable --now hagated hagate-sync; "
			"hagate status\n",
			node_path, node->cluster);
	return err;
}

/* `hagate init` on a node that was to join makes a cluster of its own, which it then stays in.
 * What is wrong with its cluster.yaml is no matter then, if it was to be another's. */
static void note_member(const char *node_path, const struct hg_node_config *node,
			const struct hg_identity *identity, FILE *out)
{
	char uuid[HG_UUID_TEXT];

	fprintf(out,
		"%s: note: mode: join has no effect: this node is in cluster %s already. If "
		"'hagate init' was run here by mistake, do not mend %s, but join: systemctl stop "
		"hagated hagate-sync; rm %s/" HG_IDENTITY_FILE
		"; systemctl start hagated hagate-sync\n",
		node_path, hg_identity_uuid_text(identity->cluster, uuid), node->cluster,
		node->state);
}

static void note_alone(const char *node_path, const struct hg_node_config *node,
		       const struct hg_identity *identity, FILE *out)
{
	char uuid[HG_UUID_TEXT];

	fprintf(out,
		"%s: warning: mode: join has no effect: this node is the only one of cluster %s "
		"(was 'hagate init' run here?). To join another: systemctl stop hagated "
		"hagate-sync; rm %s/" HG_IDENTITY_FILE "; systemctl start hagated hagate-sync\n",
		node_path, hg_identity_uuid_text(identity->cluster, uuid), node->state);
}

int hg_config_check(const char *node_path, const char *cluster_path, FILE *out)
{
	struct hg_node_config *node = malloc(sizeof(*node));
	struct hg_cluster_config cluster;
	struct hg_identity identity;
	struct hg_ruleset *ruleset;
	int error = -EINVAL, key_error;
	bool has_joined;

	if (!node) {
		fprintf(out, "%s:1:1: error: out of memory\n", node_path);
		return -EINVAL;
	}
	if (hg_config_read_node(node_path, node, out))
		goto out;
	has_joined = node->mode == HG_MODE_JOIN && !hg_identity_read(node->state, &identity);
	if (!cluster_path && node->mode == HG_MODE_JOIN && !has_joined &&
	    access(node->cluster, F_OK) && errno == ENOENT) {
		error = check_joining(node_path, node, out);
		goto out;
	}
	key_error = check_key(node, out);
	error = hg_config_read_gateway(cluster_path ? cluster_path : node->cluster, node, &cluster,
				       &ruleset, out);
	if (!error) {
		if (has_joined && !cluster_path && cluster.node_count == 1)
			note_alone(node_path, node, &identity, out);
		hg_config_done(&cluster);
		hg_ruleset_free(ruleset);
		error = key_error;
		if (!error && !cluster_path)
			fprintf(out, "%s, %s: right\n", node_path, node->cluster);
	} else if (has_joined && !cluster_path) {
		note_member(node_path, node, &identity, out);
	}
out:
	free(node);
	return error;
}
