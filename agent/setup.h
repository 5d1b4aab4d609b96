/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Everything slow that turns the files into a running data path: read and check the
 * files, read the key, compile the filter, load the programs, put the filter in force,
 * find the NICs, attach.
 *
 * It runs in a child, so that hagated never waits and never grows: at start, when the
 * filter is in force before the first program is on a NIC, and later (reload, a NIC that
 * appeared), when the programs are replaced through the pinned links. The result is left
 * in shared memory. Wrong files change nothing: programs and rules are only touched after
 * all files parsed.
 */
#ifndef HG_SETUP_H
#define HG_SETUP_H

#include <sys/types.h>

#include "agent/config.h"
#include "agent/identity.h"
#include "agent/keys.h"

/* One port on its NIC. */
struct hg_setup_port {
	int err; /* 0: attached; -errno with `text` */
	char text[256];
	struct hg_nic nic; /* valid when err is 0 or the attachment failed */
	bool has_nic;
};

#define HG_SETUP_WARNINGS 2
#define HG_SETUP_WARNING_LEN 256

/* The filter that is in force since. */
struct hg_setup_filter {
	uint32_t generation, kept, rule_count; /* kept: rules whose counters go on */
	bool is_default_drop;
	/* sentences, "": none: whom only the failsafe lets in; rules against heartbeats */
	char warning[HG_SETUP_WARNINGS][HG_SETUP_WARNING_LEN];
};

struct hg_setup {
	int err; /* 0; -EINVAL: diagnostics say what is wrong in the files */
	enum hg_elect_mode mode; /* node.mode, but member once a joining node has joined */
	bool is_blank; /* mode: join and not joined: `node` and `cluster` have no ports */
	bool has_identity;
	struct hg_identity identity;
	bool is_adopted; /* maps of an earlier agent were there */
	struct hg_node_config node;
	struct hg_cluster_config cluster; /* .vip points to `vip` */
	__u8 key[HG_CLUSTER_KEY_LEN];
	struct hg_setup_port port[HG_SLOTS_MAX]; /* by slot */
	struct hg_setup_filter filter;
	char diagnostics[32768]; /* what the operator is shown: errors, or warnings */
	struct hg_ip vip[HG_VIPS_MAX];
};

/* Shared memory for the result; NULL: out of memory. Zeroes the key when freed. */
struct hg_setup *hg_setup_new(void);
void hg_setup_free(struct hg_setup *setup);

/* May refuse what was read, with a sentence, before anything is touched. */
typedef const char *(*hg_setup_veto_fn)(void *context, const struct hg_setup *setup);

/* Reads, checks, loads, attaches. May take seconds. Result in `setup`, also its err.
 * veto may be NULL. */
int hg_setup_run(const char *node_path, struct hg_setup *setup, hg_setup_veto_fn veto,
		 void *context);

/* The same in a child; reap ret_pid, then read `setup`. 0 or -errno. */
int hg_setup_fork(const char *node_path, struct hg_setup *setup, hg_setup_veto_fn veto,
		  void *context, pid_t *ret_pid);

/* .rodata of the programs for this configuration. */
void hg_setup_config(const struct hg_node_config *node, const struct hg_cluster_config *cluster,
		     struct hg_config *ret);

#endif
