// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A pack from the other node: into a file, measured, indexed in quarantine, looked at, and
 * only then let into the repository. Each step has its bound; see hg_import_limits.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sync/paths.h"
#include "sync/store.h"

#define CHUNK (64u * 1024)
#define FILE_NAME "received"

const struct hg_import_limits hg_import_limits_default = {
	.pack_octets = 64u << 20,
	.objects = 200000,
	.object_octets = 16u << 20,
	.inflated_octets = 256u << 20,
	.generations = 100000,
};

struct hg_import {
	struct hg_history *history;
	struct hg_import_limits limits;
	uint64_t octets;
	int fd;
};

int hg_import_new(struct hg_history *history, const struct hg_import_limits *limits,
		  struct hg_import **ret, struct hg_sync_error *error)
{
	struct hg_import *import;
	char path[PATH_MAX + 32];
	int r;

	import = calloc(1, sizeof(*import));
	if (!import)
		return -ENOMEM;
	import->history = history;
	import->limits = limits ? *limits : hg_import_limits_default;
	r = hg_pack_clean(history);
	snprintf(path, sizeof(path), "%s/incoming", history->dir);
	if (!r && mkdir(path, 0700))
		r = -errno;
	snprintf(path, sizeof(path), "%s/incoming/" FILE_NAME, history->dir);
	if (!r) {
		import->fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
		r = import->fd < 0 ? -errno : 0;
	}
	if (r) {
		free(import);
		return hg_sync_fail(error, r, "%s: %s", path, strerror(-r));
	}
	*ret = import;
	return 0;
}

int hg_import_feed(struct hg_import *import, const void *data, size_t length,
		   struct hg_sync_error *error)
{
	int r;

	if (length > import->limits.pack_octets - import->octets)
		return hg_sync_fail(error, -E2BIG, "the pack is larger than %" PRIu64 " octets",
				    import->limits.pack_octets);
	r = hg_path_write(import->fd, data, length);
	if (r)
		return hg_sync_fail(error, r, "%s: %s", import->history->dir, strerror(-r));
	import->octets += length;
	return 0;
}

void hg_import_free(struct hg_import *import)
{
	if (!import)
		return;
	close(import->fd);
	hg_pack_clean(import->history);
	free(import);
}

static int feed_indexer(int fd, git_indexer *indexer, struct hg_sync_error *error)
{
	char *chunk;
	ssize_t n;
	int r = 0;

	if (lseek(fd, 0, SEEK_SET) < 0)
		return -errno;
	chunk = malloc(CHUNK);
	if (!chunk)
		return -ENOMEM;
	while (!r) {
		n = read(fd, chunk, CHUNK);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			r = n ? -errno : 0;
			break;
		}
		r = hg_pack_append(indexer, chunk, (size_t)n, error);
	}
	free(chunk);
	return r;
}

static bool is_of_the_disk(int result)
{
	return result == -ENOSPC || result == -EDQUOT || result == -EROFS || result == -ENOMEM ||
	       result == -EMFILE || result == -EACCES;
}

static int index_pack(struct hg_import *import, char *ret_name, size_t size,
		      struct hg_sync_error *error)
{
	git_indexer *indexer;
	int r;

	r = hg_pack_begin(import->history, &indexer, error);
	if (r)
		return r;
	r = feed_indexer(import->fd, indexer, error);
	if (r)
		git_indexer_free(indexer);
	else
		r = hg_pack_end(import->history, indexer, ret_name, size, error);
	if (!r || is_of_the_disk(r))
		return r;
	return hg_sync_fail(error, -EBADMSG, "the pack is damaged: its hash is wrong");
}

/* --- what is in it ------------------------------------------------------------------------- */

/* `above`: the number of its child, 0: none. */
static int check_rises(uint64_t number, uint64_t above, struct hg_sync_error *error)
{
	return above && number >= above
		       ? hg_sync_fail(error, -EBADMSG, "the numbers of generations do not rise")
		       : 0;
}

static int check_generation(struct hg_history *looked_at, const struct hg_generation *generation,
			    const char *cluster, uint64_t above, struct hg_seen *seen,
			    struct hg_sync_error *error)
{
	int r;

	if (strcmp(generation->cluster, cluster) != 0)
		return hg_sync_fail(error, -EXDEV, "generation %" PRIu64 " is of another cluster",
				    generation->number);
	r = check_rises(generation->number, above, error);
	return r ? r : hg_history_check_tree(looked_at, &generation->oid, seen, error);
}

static int check_line(struct hg_history *looked_at, struct hg_history *history,
		      const struct hg_head *head, const struct hg_import_limits *limits,
		      struct hg_seen *seen, struct hg_sync_error *error)
{
	struct hg_oid next = head->oid;
	struct hg_generation generation;
	uint64_t above = 0, count = 0;
	int r;

	while (!hg_oid_is_none(&next)) {
		r = hg_history_get(looked_at, &next, &generation);
		if (r)
			return hg_sync_fail(error, -EBADMSG,
					    "the pack misses a generation, or one is "
					    "not as hagate writes it");
		if (!above && generation.number != head->number)
			return hg_sync_fail(error, -EBADMSG, "the pack is not what was announced");
		if (hg_history_has(history, generation.number, &generation.oid))
			return check_rises(generation.number, above, error);
		if (count++ == limits->generations)
			return hg_sync_fail(error, -E2BIG, "more than %" PRIu64 " generations",
					    limits->generations);
		r = check_generation(looked_at, &generation, head->cluster, above, seen, error);
		if (r)
			return r;
		above = generation.number;
		next = generation.parent;
	}
	return 0;
}

/* Seen through a handle of its own, which has the pack of the quarantine beside the rest. */
static int look_at(struct hg_import *import, const char *name, const struct hg_head *head,
		   struct hg_sync_error *error)
{
	struct hg_seen seen = { .limit = import->limits.objects };
	struct hg_history looked_at;
	struct hg_file_set set;
	git_odb_backend *pack;
	char path[PATH_MAX + 128];
	int r;

	r = hg_history_reopen(import->history->dir, &looked_at, error);
	if (r)
		return r;
	snprintf(path, sizeof(path), "%s/incoming/%s.idx", import->history->dir, name);
	r = git_odb_backend_one_pack(&pack, path);
	if (!r)
		r = git_odb_add_backend(looked_at.odb, pack, 1);
	if (r)
		r = hg_git_fail(error, r, "pack");
	else
		r = check_line(&looked_at, import->history, head, &import->limits, &seen, error);
	if (!r)
		r = hg_history_load(&looked_at, &head->oid, &set, error);
	if (!r)
		hg_file_set_done(&set);
	hg_seen_done(&seen);
	hg_history_close(&looked_at);
	return r;
}

static int check_head(struct hg_history *history, const char *node, const struct hg_head *head,
		      const char *cluster, struct hg_sync_error *error)
{
	struct hg_head mine;
	int r;

	if (!hg_node_is_valid(node) || !hg_uuid_is_valid(head->cluster) || !head->number ||
	    head->number > HG_GENERATION_MAX)
		return hg_sync_fail(error, -EBADMSG, "the other node's head makes no sense");
	r = hg_history_describe(history, &mine);
	if (r)
		return hg_sync_fail(error, r, "history: main is damaged");
	if (mine.number)
		cluster = mine.cluster;
	if (cluster && strcmp(cluster, head->cluster) != 0)
		return hg_sync_fail(error, -EXDEV,
				    "%s belongs to cluster %s, this node to cluster %s: neither "
				    "takes anything from the other",
				    node, head->cluster, cluster);
	return 0;
}

/* The refs that say what is known of the other node. */
static int note(struct hg_history *history, const char *node, const struct hg_head *head,
		enum hg_relation *ret, struct hg_sync_error *error)
{
	char diverged[64], incoming[64];
	struct hg_head mine;
	int r;

	snprintf(diverged, sizeof(diverged), "refs/diverged/%s", node);
	snprintf(incoming, sizeof(incoming), "refs/incoming/%s", node);
	r = hg_history_describe(history, &mine);
	if (!r && !mine.number)
		*ret = HG_RELATION_BEHIND;
	else if (!r)
		r = hg_history_relate(history, head, ret);
	if (r)
		return hg_sync_fail(error, r, "history: main is damaged");
	if (*ret == HG_RELATION_DIVERGED)
		return hg_history_set_ref(history, diverged, &head->oid, error);
	r = hg_history_settle(history, node, error);
	if (!r && *ret == HG_RELATION_BEHIND)
		r = hg_history_set_ref(history, incoming, &head->oid, error);
	return r;
}

int hg_import_finish(struct hg_import *import, const char *node, const struct hg_head *head,
		     const char *cluster, enum hg_relation *ret, struct hg_sync_error *error)
{
	char name[80];
	int r;

	r = check_head(import->history, node, head, cluster, error);
	if (!r)
		r = hg_pack_measure(import->fd, &import->limits, error);
	if (!r)
		r = index_pack(import, name, sizeof(name), error);
	if (!r)
		r = look_at(import, name, head, error);
	if (!r)
		r = hg_pack_install(import->history, name, error);
	return r ? r : note(import->history, node, head, ret, error);
}
