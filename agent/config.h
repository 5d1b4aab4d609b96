/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * node.yaml and cluster.yaml as plain data. Parsing is strict and reports all
 * errors of a file in one run; a failed parse leaves nothing half filled.
 */
#ifndef HG_CONFIG_H
#define HG_CONFIG_H

#include <limits.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>

#include "agent/core/elect.h"
#include "hagate/abi.h"
#include "loader/nic.h"

#define HG_CONFIG_NODES_MAX 2 /* version 1: a pair, or one alone */
#define HG_CONFIG_FILE_MAX (1024 * 1024)

/* An address of either family. */
struct hg_ip {
	uint8_t family; /* 0: none, 4, 6 */
	uint8_t prefix; /* length, where one belongs to it */
	uint8_t addr[16]; /* network order */
};

struct hg_node_port {
	char name[HG_WIRE_NAME_LEN];
	struct hg_nic_id nic;
	enum hg_xdp_mode xdp; /* `xdp: native|generic`, default native */
};

struct hg_node_config {
	char node[HG_WIRE_NAME_LEN];
	struct hg_ip join; /* member to learn from; family 0: the one that is heard */
	char key[PATH_MAX];
	enum hg_elect_mode mode;
	unsigned int port_count;
	struct hg_node_port port[HG_SLOTS_MAX]; /* index = slot */
	char cluster[PATH_MAX];
	char state[PATH_MAX], run[PATH_MAX], pin[PATH_MAX];
};

struct hg_cluster_port {
	char name[HG_WIRE_NAME_LEN];
	bool is_heartbeat;
	uint8_t vrid; /* 0: the default virtual MAC; else 00:00:5e:00:01:VRID */
	unsigned int vip_first, vip_count; /* into hg_cluster_config.vip */
};

struct hg_cluster_node {
	char name[HG_WIRE_NAME_LEN];
	uint8_t id;
	uint8_t priority;
	struct hg_ip address[HG_SLOTS_MAX]; /* index = that of hg_cluster_config.port */
};

#define HG_REPLICATE_MAX 64
#define HG_REPLICATE_PATH 1024
#define HG_REPLICATE_NAME 33
#define HG_REPLICATE_COMMAND 1024

/* An entry of `replicate`: a file or directory that is the same on both nodes. */
struct hg_replicate {
	char path[HG_REPLICATE_PATH]; /* absolute and clean */
	char owner[HG_REPLICATE_NAME], group[HG_REPLICATE_NAME]; /* "": as found */
	int mode; /* -1: as found */
	char validate[HG_REPLICATE_COMMAND], apply[HG_REPLICATE_COMMAND]; /* "": none */
};

enum hg_mac_mode { HG_MAC_REAL, HG_MAC_VIRTUAL, HG_MAC_AUTO };

struct hg_cluster_config {
	char name[64];
	unsigned int node_count;
	struct hg_cluster_node node[HG_CONFIG_NODES_MAX];
	unsigned int port_count;
	struct hg_cluster_port port[HG_SLOTS_MAX];
	unsigned int vip_count;
	struct hg_ip *vip; /* grouped by port; not NULL */
	enum hg_mac_mode mac;
	uint16_t heartbeat_port;
	bool is_routed; /* `routed_heartbeat: true`: TTL is not checked */
	struct hg_span interval, lease, drain, agent_grace; /* timers: */
	struct hg_span failback_delay;
	bool is_failback;
	enum hg_isolation isolation;
	uint16_t failsafe[6]; /* failsafe: [22]; tcp ports, 0 unused */
	unsigned int replicate_count;
	struct hg_replicate *replicate; /* NULL: none */
	bool is_default_accept; /* filter.default; the rules: struct hg_ruleset */
	struct hg_ip witness; /* family 0: none */
	uint16_t witness_port;
	uint8_t hash[16]; /* of the meaning: equal on nodes with equal files */
};

/* For UDP and TCP; returns the length. */
socklen_t hg_ip_sockaddr(const struct hg_ip *ip, uint16_t port, struct sockaddr_storage *ret);

/* Diagnostics go to `out` as FILE:LINE:COLUMN: error: TEXT, the line, a caret.
 * Returns 0, or -EINVAL when an error was reported (also for unreadable files). */
int hg_config_read_node(const char *path, struct hg_node_config *ret, FILE *out);
/* `node`: also checks that the pair of files fits together (names, ports); may be NULL. */
int hg_config_read_cluster(const char *path, const struct hg_node_config *node,
			   struct hg_cluster_config *ret, FILE *out);
/* The same, and the filter of the same file: one read of all files, so that both and the
 * hash belong together. Warnings may be written to `out` with success. The bits of a
 * rule's in_on are indices of ret->port. hg_ruleset_free() when done. */
struct hg_ruleset;
int hg_config_read_gateway(const char *path, const struct hg_node_config *node,
			   struct hg_cluster_config *ret, struct hg_ruleset **ret_ruleset,
			   FILE *out);
void hg_config_done(struct hg_cluster_config *cluster);
/* Reads node.yaml, the key and the cluster.yaml it names and keeps nothing. `mode: join`
 * may be without a cluster.yaml: then the NICs are looked for instead. `cluster_path`:
 * instead of the one it names; or NULL. 0 or -EINVAL. */
int hg_config_check(const char *node_path, const char *cluster_path, FILE *out);

/* Index of a node or port by name, -1 when there is none. */
int hg_cluster_find_node(const struct hg_cluster_config *cluster, const char *name);
int hg_cluster_find_port(const struct hg_cluster_config *cluster, const char *name);

#endif
