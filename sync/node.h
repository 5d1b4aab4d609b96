/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who this node is and whom it talks to, as node.yaml, the key and (where there is one)
 * cluster.yaml say at this moment.
 */
#ifndef HG_SYNC_NODE_H
#define HG_SYNC_NODE_H

#include "agent/config.h"
#include "agent/identity.h"
#include "agent/keyfile.h"
#include "sync/history.h"

#define HG_SYNC_CLIENT_PORTS (HG_SYNC_PORTS - 1) /* where clients come from (abi.h) */

struct hg_sync_node {
	struct hg_node_config config;
	char node_path[PATH_MAX];
	uint8_t key[HG_KEYFILE_LEN];
	bool is_member; /* an identity is there */
	struct hg_identity identity;
	/* of cluster.yaml; nothing while blank */
	bool has_cluster;
	char peer[HG_WIRE_NAME_LEN]; /* "": none */
	unsigned int path_count; /* heartbeat ports with an address */
	struct hg_ip own[HG_SLOTS_MAX], other[HG_SLOTS_MAX];
	unsigned int entry_count;
	struct hg_entry entry[HG_ENTRIES_MAX];
	char validate[2 * PATH_MAX + 64], apply[2 * PATH_MAX + 64]; /* of cluster.yaml */
};

/* Reads node.yaml, the key and the identity. -EINVAL: told on `out`. */
int hg_sync_node_read(const char *node_path, struct hg_sync_node *ret, FILE *out);
/* Adds what the cluster.yaml in force says; not for a blank node. -EINVAL: told. */
int hg_sync_node_read_cluster(struct hg_sync_node *node, FILE *out);
void hg_sync_node_done(struct hg_sync_node *node); /* wipes the key */

/* The identity that a generation gives. */
void hg_node_identity_of(const struct hg_generation *generation, struct hg_identity *ret);

/* A program that is installed beside this one. */
void hg_sync_node_program(const char *name, char ret[PATH_MAX]);
/* Reports -EINVAL errors in `error` instead of a stream. */
int hg_sync_node_load(const char *node_path, bool has_cluster, struct hg_sync_node *ret,
		      struct hg_sync_error *error);

#endif
