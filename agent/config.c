// SPDX-License-Identifier: GPL-2.0-or-later
/* What is done with a configuration that was read (config.h): look-ups, release. */
#include "agent/config.h"

#include <stdlib.h>
#include <string.h>

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
