// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What is done with a configuration that was read (config.h): look-ups, the check
 * of both files, release.
 */
#include "agent/config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/filter/ruleset.h"
#include "agent/keyfile.h"

void hg_config_done(struct hg_cluster_config *cluster)
{
	free(cluster->vip);
	cluster->vip = NULL;
	cluster->vip_count = 0;
	free(cluster->replicate);
	cluster->replicate = NULL;
	cluster->replicate_count = 0;
}

int hg_cluster_find_node(const struct hg_cluster_config *cluster, const char *name)
{
	unsigned int i;

	for (i = 0; i < cluster->node_count; i++)
		if (!strcmp(cluster->node[i].name, name))
			return i;
	return -1;
}

int hg_cluster_find_port(const struct hg_cluster_config *cluster, const char *name)
{
	unsigned int i;

	for (i = 0; i < cluster->port_count; i++)
		if (!strcmp(cluster->port[i].name, name))
			return i;
	return -1;
}

int hg_config_check(const char *node_path, const char *cluster_path, FILE *out)
{
	struct hg_node_config *node = malloc(sizeof(*node));
	struct hg_cluster_config cluster;
	struct hg_ruleset *ruleset;
	unsigned char key[HG_KEYFILE_LEN];
	struct hg_error text = { "" };
	int error = -EINVAL, key_error;

	if (!node) {
		fprintf(out, "%s:1:1: error: out of memory\n", node_path);
		return -EINVAL;
	}
	if (hg_config_read_node(node_path, node, out))
		goto out;
	/* a node that joins gets its cluster.yaml from the peer */
	if (!cluster_path && node->mode == HG_MODE_JOIN && access(node->cluster, F_OK) &&
	    errno == ENOENT) {
		error = 0;
		goto out;
	}
	key_error = hg_keyfile_read(node->key, key, &text);
	if (key_error)
		fprintf(out, "%s\n", text.text);
	else
		hg_keyfile_wipe(key);
	error = hg_config_read_gateway(cluster_path ? cluster_path : node->cluster, node, &cluster,
				       &ruleset, out);
	if (!error) {
		hg_config_done(&cluster);
		hg_ruleset_free(ruleset);
		error = key_error ? -EINVAL : 0;
	}
out:
	free(node);
	return error;
}
