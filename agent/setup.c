/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See setup.h. */
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "agent/child.h"
#include "agent/filter/build.h"
#include "agent/filter/compile.h"
#include "agent/filter/ruleset.h"
#include "agent/keyfile.h"
#include "setup.h"
#include "setup_filter.h"

#define HG_SETUP_BLANK_ID 255 /* never said to anybody */

struct hg_setup *hg_setup_new(void)
{
	struct hg_setup *setup = mmap(NULL, sizeof(*setup), PROT_READ | PROT_WRITE,
				      MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return setup == MAP_FAILED ? NULL : setup;
}

void hg_setup_free(struct hg_setup *setup)
{
	if (!setup)
		return;
	sodium_memzero(setup->key, sizeof(setup->key));
	munmap(setup, sizeof(*setup));
}

void hg_setup_config(const struct hg_node_config *node, const struct hg_cluster_config *cluster,
		     struct hg_config *ret)
{
	unsigned int peer = 0;

	memset(ret, 0, sizeof(*ret));
	ret->lease_ns = cluster->lease.ns;
	ret->agent_grace_ns = cluster->agent_grace.ns;
	ret->drain_ns = cluster->drain.ns;
	ret->udp_port = cluster->heartbeat_port;
	memcpy(ret->failsafe_ports, cluster->failsafe, sizeof(ret->failsafe_ports));
	ret->min_ttl = cluster->is_routed ? 1 : HG_WIRE_TTL;
	ret->is_virtual = cluster->mac != HG_MAC_REAL /* auto: port by port */;
	memcpy(ret->witness, cluster->witness.addr, sizeof(ret->witness));
	ret->witness_family = cluster->witness.family;
	ret->witness_port = cluster->witness_port;
	ret->sync_port = cluster->node_count > 1 ? HG_SYNC_PORT : 0;
	for (unsigned int i = 0; i < cluster->node_count; i++) {
		if (!strcmp(cluster->node[i].name, node->node))
			ret->node = cluster->node[i].id;
		else if (peer < HG_PEERS_MAX)
			ret->peers[peer++] = cluster->node[i].id;
	}
}

/* A node that knows nothing yet: alone, without ports, so that no program is on a NIC and
 * nothing of an old cluster.yaml is in force. */
static int make_blank(struct hg_setup *setup, struct hg_ruleset **ret_ruleset, FILE *out)
{
	struct hg_ruleset_build build;
	struct hg_cluster_config *cluster = &setup->cluster;
	int err = hg_build_begin(&build, setup->node.cluster);

	build.has_errors |= err != 0;
	err = hg_build_end(&build, ret_ruleset, out);
	if (err)
		return err;
	*cluster = (struct hg_cluster_config){
		.node_count = 1,
		.node = { { .id = HG_SETUP_BLANK_ID } },
		.vip = setup->vip,
		.heartbeat_port = HG_WIRE_UDP_PORT,
		.interval = HG_MS(100),
		.lease = HG_MS(1000),
		.drain = HG_MS(500),
		.agent_grace = HG_MS(2000),
		.failsafe = { 22 },
		.is_default_accept = true,
	};
	snprintf(cluster->node[0].name, sizeof(cluster->node[0].name), "%s", setup->node.node);
	setup->node.port_count = 0;
	return 0;
}

static int read_cluster(struct hg_setup *setup, struct hg_ruleset **ret_ruleset, FILE *out)
{
	struct hg_cluster_config cluster;
	int err = hg_config_read_gateway(setup->node.cluster, &setup->node, &cluster, ret_ruleset,
					 out);

	if (err)
		return err;
	setup->cluster = cluster;
	memcpy(setup->vip, cluster.vip, cluster.vip_count * sizeof(*cluster.vip));
	hg_config_done(&cluster);
	setup->cluster.vip = setup->vip;
	setup->cluster.replicate = NULL; /* hagate-sync's business */
	setup->cluster.replicate_count = 0;
	return 0;
}

/* Whether the node has joined is on its disk, not in a file that people write. */
static void read_identity(struct hg_setup *setup, FILE *out)
{
	int err = hg_identity_read(setup->node.state, &setup->identity);

	setup->has_identity = !err;
	setup->mode = setup->node.mode;
	if (setup->mode == HG_MODE_JOIN && setup->has_identity)
		setup->mode = HG_MODE_MEMBER;
	setup->is_blank = setup->mode == HG_MODE_JOIN;
	if (err && err != -ENOENT)
		fprintf(out, "%s/" HG_IDENTITY_FILE ": warning: %s; this node is taken as %s\n",
			setup->node.state, err == -EBADMSG ? "damaged" : strerror(-err),
			setup->is_blank ? "blank and joins anew" : "never initialised");
}

/* Reads all files and the key; diagnostics say what is wrong. */
static int read_files(const char *node_path, struct hg_setup *setup,
		      struct hg_ruleset **ret_ruleset, FILE *out)
{
	struct hg_error error = { "" };
	int err;

	err = hg_config_read_node(node_path, &setup->node, out);
	if (err)
		return err;
	read_identity(setup, out);
	err = setup->is_blank ? make_blank(setup, ret_ruleset, out)
			      : read_cluster(setup, ret_ruleset, out);
	if (err)
		return err;
	err = setup->node.mode == HG_MODE_JOIN
		      ? hg_keyfile_read_copy(setup->node.key, setup->key, &error)
		      : hg_keyfile_read(setup->node.key, setup->key, &error);
	if (err)
		fprintf(out, "%s\n", error.text);
	return err;
}

/* All NICs first: one that another port had is handed over before it is attached. */
static void find_nics(struct hg_setup *setup, struct hg_loader_place *ret)
{
	for (unsigned int slot = 0; slot < setup->node.port_count; slot++) {
		const struct hg_node_port *port = &setup->node.port[slot];
		struct hg_setup_port *found = &setup->port[slot];
		struct hg_error error = { "" };

		found->err = hg_nic_find(&port->nic, &found->nic, &error);
		for (unsigned int i = 0; !found->err && i < slot; i++)
			if (ret[i].ifindex == found->nic.ifindex) {
				found->err = -EEXIST;
				snprintf(error.text, sizeof(error.text),
					 "%s is the NIC of port %s already", found->nic.ifname,
					 ret[i].port);
			}
		found->has_nic = !found->err;
		snprintf(found->text, sizeof(found->text), "%.255s", error.text);
		ret[slot] = (struct hg_loader_place){ .port = port->name };
		if (found->err)
			ret[slot].ifindex = found->err == -ENODEV ? 0 : HG_NIC_UNKNOWN;
		else
			ret[slot].ifindex = found->nic.ifindex;
	}
}

static void attach_ports(struct hg_loader *loader, struct hg_setup *setup)
{
	struct hg_loader_place places[HG_SLOTS_MAX];
	struct hg_error error = { "" };

	find_nics(setup, places);
	hg_loader_settle(loader, places, setup->node.port_count, &error); /* attaching fails too */
	for (unsigned int slot = 0; slot < setup->node.port_count; slot++) {
		struct hg_setup_port *ret = &setup->port[slot];

		if (!ret->has_nic)
			continue;
		ret->err = hg_loader_attach(loader, places[slot].port, ret->nic.ifindex,
					    setup->node.port[slot].xdp, &error);
		snprintf(ret->text, sizeof(ret->text), "%.255s", ret->err ? error.text : "");
	}
}

static int load(struct hg_setup *setup, const struct hg_ruleset *ruleset,
		const struct hg_compiled *compiled, FILE *out)
{
	struct hg_loader_options options = { .pin = setup->node.pin, .software = HG_VERSION };
	struct hg_error error = { "" };
	struct hg_loader *loader;
	int err;

	hg_setup_config(&setup->node, &setup->cluster, &options.config);
	err = hg_loader_open(&options, &loader, &setup->is_adopted, &error);
	if (err) {
		fprintf(out, "%s\n", error.text);
		return err;
	}
	err = hg_setup_apply(setup, ruleset, compiled, out);
	if (!err)
		attach_ports(loader, setup);
	hg_loader_free(loader);
	return err;
}

int hg_setup_run(const char *node_path, struct hg_setup *setup, hg_setup_veto_fn veto,
		 void *context)
{
	FILE *out = fmemopen(setup->diagnostics, sizeof(setup->diagnostics), "w");
	struct hg_ruleset *ruleset = NULL;
	struct hg_compiled *compiled = NULL;
	const char *refusal;
	int err;

	if (!out)
		return setup->err = -errno;
	err = read_files(node_path, setup, &ruleset, out);
	refusal = err || !veto ? NULL : veto(context, setup);
	if (refusal) {
		fprintf(out, "%s: %s\n", node_path, refusal);
		err = -EPERM;
	}
	if (!err)
		err = hg_setup_compile(setup, ruleset, &compiled, out);
	if (!err)
		err = load(setup, ruleset, compiled, out);
	hg_compile_free(compiled);
	hg_ruleset_free(ruleset);
	if (!ftell(out))
		setup->diagnostics[0] = '\0'; /* nothing to say: fmemopen leaves what was there */
	fclose(out);
	return setup->err = err; /* last: until here a child that dies has failed */
}

int hg_setup_fork(const char *node_path, struct hg_setup *setup, hg_setup_veto_fn veto,
		  void *context, pid_t *ret_pid)
{
	pid_t pid;

	setup->err = -ECANCELED; /* stands when the child dies before it is done */
	snprintf(setup->diagnostics, sizeof(setup->diagnostics),
		 "the child that reads the files and loads the programs died\n");
	pid = hg_child_fork("hagated-setup", -1);
	if (pid < 0)
		return pid;
	if (!pid)
		_exit(hg_setup_run(node_path, setup, veto, context) ? 1 : 0);
	*ret_pid = pid;
	return 0;
}
