/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See node.h. */
#include "sync/node.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

_Static_assert(HG_ENTRIES_MAX >= HG_REPLICATE_MAX && HG_FILE_PATH_MAX >= HG_REPLICATE_PATH &&
		       HG_COMMAND_MAX >= HG_REPLICATE_COMMAND &&
		       HG_FILE_OWNER_MAX >= HG_REPLICATE_NAME,
	       "an entry of cluster.yaml fits into one of the history");

void hg_sync_node_program(const char *name, char ret[PATH_MAX])
{
	static const char *const places[] = { "", "/../sbin", "/../bin" };
	char here[PATH_MAX - 64];
	ssize_t length = readlink("/proc/self/exe", here, sizeof(here) - 1);
	char *slash;

	here[length > 0 ? length : 0] = '\0';
	slash = strrchr(here, '/');
	if (slash)
		*slash = '\0';
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		snprintf(ret, PATH_MAX, "%s%s/%s", here, places[i], name);
		if (!access(ret, X_OK))
			return;
	}
	snprintf(ret, PATH_MAX, "%s", name);
}

int hg_sync_node_read(const char *node_path, struct hg_sync_node *ret, FILE *out)
{
	struct hg_error error = { "" };
	int err;

	memset(ret, 0, sizeof(*ret));
	snprintf(ret->node_path, sizeof(ret->node_path), "%s", node_path);
	err = hg_config_read_node(node_path, &ret->config, out);
	if (err)
		return err;
	err = ret->config.mode == HG_MODE_JOIN
		      ? hg_keyfile_read_copy(ret->config.key, ret->key, &error)
		      : hg_keyfile_read(ret->config.key, ret->key, &error);
	if (err) {
		fprintf(out, "%s\n", error.text);
		return -EINVAL;
	}
	err = hg_identity_read(ret->config.state, &ret->identity);
	ret->is_member = !err;
	if (err && err != -ENOENT)
		fprintf(out, "%s/" HG_IDENTITY_FILE ": %s\n", ret->config.state,
			err == -EBADMSG ? "damaged" : strerror(-err));
	return 0;
}

void hg_node_identity_of(const struct hg_generation *generation, struct hg_identity *ret)
{
	memset(ret, 0, sizeof(*ret));
	hg_identity_uuid_parse(generation->cluster, ret->cluster);
	ret->generation = generation->number;
	memcpy(ret->head, generation->oid.id, sizeof(ret->head));
}

/* Quoted for the shell; empty when it is too long. */
static void quote(const char *text, char *ret, size_t size)
{
	size_t at = 0;

	if (size < 3 || strlen(text) * 4 + 3 > size) {
		*ret = '\0';
		return;
	}
	ret[at++] = '\'';
	for (; *text; text++) {
		if (*text == '\'') {
			memcpy(ret + at, "'\\''", 4);
			at += 4;
		} else {
			ret[at++] = *text;
		}
	}
	ret[at++] = '\'';
	ret[at] = '\0';
}

static void set_commands(struct hg_sync_node *node)
{
	char program[PATH_MAX], path[PATH_MAX], quoted[PATH_MAX];

	hg_sync_node_program("hagated", program);
	quote(node->node_path, quoted, sizeof(quoted));
	quote(program, path, sizeof(path));
	snprintf(node->validate, sizeof(node->validate), "%s --node %s --check --cluster {staged}",
		 path, quoted);
	hg_sync_node_program("hagate", program);
	quote(node->config.run, quoted, sizeof(quoted));
	quote(program, path, sizeof(path));
	snprintf(node->apply, sizeof(node->apply), "%s --run %s reload", path, quoted);
}

static void take_entry(const struct hg_replicate *from, struct hg_entry *to)
{
	*to = (struct hg_entry){ .mode = from->mode };
	snprintf(to->path, sizeof(to->path), "%s", from->path);
	snprintf(to->owner, sizeof(to->owner), "%s", from->owner);
	snprintf(to->group, sizeof(to->group), "%s", from->group);
	snprintf(to->validate, sizeof(to->validate), "%s", from->validate);
	snprintf(to->apply, sizeof(to->apply), "%s", from->apply);
}

static void take_paths(struct hg_sync_node *node, const struct hg_cluster_config *cluster)
{
	int self = hg_cluster_find_node(cluster, node->config.node);
	const struct hg_cluster_node *peer;

	node->path_count = 0;
	node->peer[0] = '\0';
	if (self < 0 || cluster->node_count < 2)
		return;
	peer = &cluster->node[!self];
	snprintf(node->peer, sizeof(node->peer), "%s", peer->name);
	for (unsigned int i = 0; i < cluster->port_count; i++) {
		if (!cluster->port[i].is_heartbeat || !peer->address[i].family)
			continue;
		node->own[node->path_count] = cluster->node[self].address[i];
		node->other[node->path_count++] = peer->address[i];
	}
}

int hg_sync_node_read_cluster(struct hg_sync_node *node, FILE *out)
{
	struct hg_cluster_config cluster;
	int err = hg_config_read_cluster(node->config.cluster, &node->config, &cluster, out);

	if (err)
		return err;
	take_paths(node, &cluster);
	node->entry_count = cluster.replicate_count;
	for (unsigned int i = 0; i < cluster.replicate_count; i++)
		take_entry(&cluster.replicate[i], &node->entry[i]);
	node->has_cluster = true;
	hg_config_done(&cluster);
	set_commands(node);
	return 0;
}

int hg_sync_node_load(const char *node_path, bool has_cluster, struct hg_sync_node *ret,
		      struct hg_sync_error *error)
{
	FILE *out = fmemopen(error->text, sizeof(error->text), "w");
	int err;

	if (!out)
		return hg_sync_fail(error, -errno, "out of memory");
	err = hg_sync_node_read(node_path, ret, out);
	if (!err && has_cluster)
		err = hg_sync_node_read_cluster(ret, out);
	set_commands(ret);
	fclose(out);
	return err;
}

void hg_sync_node_done(struct hg_sync_node *node)
{
	sodium_memzero(node->key, sizeof(node->key));
}
