/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The frame common to both files: load, parse, report. Private to config_*.c.
 */
#ifndef HG_CONFIG_FILE_H
#define HG_CONFIG_FILE_H

#include "agent/config.h"
#include "agent/config_yaml.h"
#include "agent/filter/build.h"

struct hg_config_file {
	struct hg_diag diag;
	struct hg_yaml yaml;
	char *text;
};

/* Loads a file of any kind of text, at most `max` octets. 0, or -EINVAL, reported; the
 * text is diag.text. hg_config_file_close() is due in both cases. */
int hg_config_file_load(struct hg_config_file *file, const char *path, size_t max);
/* The same with a YAML file. 0: there is a tree to walk (errors may have been reported all the same). -EINVAL:
 * none. hg_config_file_close() is due in both cases. */
int hg_config_file_open(struct hg_config_file *file, const char *path);
/* Prints what was reported and frees all. 0, or -EINVAL when there was an error. */
int hg_config_file_close(struct hg_config_file *file, FILE *out);

/* A cluster configuration in the making, with the nodes its parts were read from. */
struct hg_cluster_build {
	struct hg_cluster_config config;
	struct hg_ruleset_build filter;
	unsigned int vip_room; /* of config.vip and vip_at */
	bool has_too_many_vips; /* reported, once */
	unsigned int failsafe_count;
	const struct hg_yaml_node *root;
	const struct hg_yaml_node *replicate_at[HG_REPLICATE_MAX]; /* item */
	const struct hg_yaml_node **vip_at;
	const struct hg_yaml_node *port_at[HG_SLOTS_MAX]; /* key */
	const struct hg_yaml_node *node_at[HG_CONFIG_NODES_MAX]; /* key */
	const struct hg_yaml_node *address_at[HG_CONFIG_NODES_MAX][HG_SLOTS_MAX]; /* value */
};

/* An item of `replicate`; the target is the build. */
void hg_config_read_replicate(struct hg_diag *diag, const struct hg_yaml_node *key,
			      const struct hg_yaml_node *value, void *target);
/* The list as a whole, against what must never leave this machine. */
void hg_config_check_replicate(struct hg_diag *diag, const struct hg_cluster_build *build,
			       const struct hg_node_config *node);

/* The value of `witness`; the target is the build. */
void hg_config_read_witness(struct hg_diag *diag, const struct hg_yaml_node *key,
			    const struct hg_yaml_node *value, void *target);
void hg_config_check_witness(struct hg_diag *diag, const struct hg_cluster_build *build);

/* What cannot be seen by looking at one value. `node` may be NULL. */
void hg_config_check_cluster(struct hg_diag *diag, const struct hg_cluster_build *build,
			     const struct hg_node_config *node);
/* `ruleset` with the ports of `cluster` as names. */
void hg_config_hash(const struct hg_cluster_config *cluster, const struct hg_ruleset *ruleset,
		    uint8_t ret[16]);

#endif
