// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Packs: how objects get into the repository, all of a generation at once.
 *
 * A pack is indexed in history.git/incoming (libgit2 checks each hash and syncs both files),
 * then renamed to objects/pack, the index last: without its index a pack does not exist.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sync/paths.h"
#include "sync/store.h"

#define INCOMING "incoming"
#define PACKS "objects/pack"
#define BLOCK_MIN 512 /* of any filesystem */

static int open_below(const struct hg_history *history, const char *name)
{
	char path[PATH_MAX + 32];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", history->dir, name);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	return fd < 0 ? -errno : fd;
}

/* --- building --------------------------------------------------------------------------- */

struct build {
	hg_pack_sink *sink;
	void *arg;
	int result;
};

static int on_data(void *data, size_t size, void *payload)
{
	struct build *build = payload;

	build->result = build->sink(build->arg, data, size);
	return build->result ? GIT_EUSER : 0;
}

static int insert(struct hg_history *history, git_packbuilder *builder, const struct hg_oid *want,
		  const struct hg_oid *hide)
{
	git_revwalk *walk;
	git_oid git;
	int r;

	r = git_revwalk_new(&walk, history->repo);
	if (r)
		return r;
	hg_oid_to_git(want, &git);
	r = git_revwalk_push(walk, &git);
	if (!r && hide && !hg_oid_is_none(hide)) {
		hg_oid_to_git(hide, &git);
		r = git_revwalk_hide(walk, &git);
	}
	if (!r)
		r = git_packbuilder_insert_walk(builder, walk);
	git_revwalk_free(walk);
	return r;
}

int hg_pack_build(struct hg_history *history, const struct hg_oid *want, const struct hg_oid *hide,
		  hg_pack_sink *sink, void *arg, struct hg_sync_error *error)
{
	struct build build = { .sink = sink, .arg = arg };
	git_packbuilder *builder;
	int r;

	errno = 0;
	r = git_packbuilder_new(&builder, history->repo);
	if (r)
		return hg_git_fail(error, r, "pack");
	git_packbuilder_set_threads(builder, 1);
	r = insert(history, builder, want, hide);
	if (!r)
		r = git_packbuilder_foreach(builder, on_data, &build);
	if (build.result)
		r = hg_sync_fail(error, build.result, "pack: %s", strerror(-build.result));
	else if (r)
		r = hg_git_fail(error, r, "pack");
	git_packbuilder_free(builder);
	return r;
}

/* --- indexing ----------------------------------------------------------------------------- */

int hg_pack_begin(struct hg_history *history, git_indexer **ret, struct hg_sync_error *error)
{
	char path[PATH_MAX + 32];
	int r;

	snprintf(path, sizeof(path), "%s/" INCOMING, history->dir);
	if (mkdir(path, 0700) && errno != EEXIST)
		return hg_sync_fail(error, -errno, "%s: %s", path, strerror(errno));
	errno = 0;
	r = git_indexer_new(ret, path, 0600, NULL, NULL);
	return r ? hg_git_fail(error, r, "pack") : 0;
}

/* libgit2 makes the file longer by writing its new last octet and copies the rest through a
 * mapping: on a full disk that is a SIGBUS instead of an error. In pieces no larger than the
 * smallest block, the block of each octet is there before it is touched. */
int hg_pack_append(git_indexer *indexer, const void *data, size_t length,
		   struct hg_sync_error *error)
{
	git_indexer_progress progress = { 0 };
	const char *p = data;
	size_t n;
	int r = 0;

	errno = 0;
	while (length && !r) {
		n = length < BLOCK_MIN ? length : BLOCK_MIN;
		r = git_indexer_append(indexer, p, n, &progress);
		p += n;
		length -= n;
	}
	return r ? hg_git_fail(error, r, "pack") : 0;
}

int hg_pack_end(struct hg_history *history, git_indexer *indexer, char *ret, size_t size,
		struct hg_sync_error *error)
{
	git_indexer_progress progress = { 0 };
	int r;

	(void)history;
	errno = 0;
	r = git_indexer_commit(indexer, &progress);
	if (r)
		r = hg_git_fail(error, r, "pack");
	else if (snprintf(ret, size, "pack-%s", git_indexer_name(indexer)) >= (int)size)
		r = -ENAMETOOLONG;
	git_indexer_free(indexer);
	return r;
}

static int move(int from, int to, const char *name, const char *suffix)
{
	char file[96];

	snprintf(file, sizeof(file), "%s.%s", name, suffix);
	return renameat(from, file, to, file) ? -errno : 0;
}

int hg_pack_install(struct hg_history *history, const char *name, struct hg_sync_error *error)
{
	int from, to, r;

	from = open_below(history, INCOMING);
	to = open_below(history, PACKS);
	r = from < 0 ? from : to < 0 ? to : 0;
	if (!r)
		r = move(from, to, name, "pack");
	if (!r)
		r = move(from, to, name, "idx");
	if (!r)
		r = hg_path_sync(to);
	if (from >= 0)
		close(from);
	if (to >= 0)
		close(to);
	if (r)
		return hg_sync_fail(error, r, "%s/" PACKS ": %s", history->dir, strerror(-r));
	hg_history_drop(history);
	r = git_odb_refresh(history->odb);
	return r ? hg_git_fail(error, r, "pack") : 0;
}

/* --- tidying up ----------------------------------------------------------------------------- */

/* Calls `each` for the files of objects/pack until it returns nonzero. */
static int walk_packs(struct hg_history *history, int (*each)(int dir, const char *name, void *arg),
		      void *arg)
{
	struct dirent *child;
	DIR *stream;
	int fd, r = 0;

	fd = open_below(history, PACKS);
	if (fd < 0)
		return fd;
	stream = fdopendir(fd);
	if (!stream) {
		close(fd);
		return -ENOMEM;
	}
	while (!r && (child = readdir(stream)))
		if (child->d_name[0] != '.')
			r = each(fd, child->d_name, arg);
	closedir(stream);
	return r;
}

static bool has_suffix(const char *name, const char *suffix)
{
	size_t length = strlen(name), tail = strlen(suffix);

	return length > tail && !strcmp(name + length - tail, suffix);
}

static int remove_half(int dir, const char *name, void *arg)
{
	char index[256];

	(void)arg;
	if (has_suffix(name, ".idx"))
		return 0;
	if (has_suffix(name, ".pack")) {
		snprintf(index, sizeof(index), "%.*s.idx", (int)strlen(name) - 5, name);
		if (!faccessat(dir, index, F_OK, 0))
			return 0;
	} else if (!strncmp(name, "pack-", 5)) {
		return 0; /* .keep, .rev, ...: of plain git */
	}
	return unlinkat(dir, name, 0) && errno != ENOENT ? -errno : 0;
}

static int count_pack(int dir, const char *name, void *arg)
{
	(void)dir;
	*(unsigned int *)arg += has_suffix(name, ".idx");
	return 0;
}

static int remove_others(int dir, const char *name, void *arg)
{
	const char *kept = arg;

	/* The index first: half a pack must not be found. remove_half() does the rest. */
	if (!has_suffix(name, ".idx") || !strncmp(name, kept, strlen(kept)))
		return 0;
	return unlinkat(dir, name, 0) ? -errno : 0;
}

int hg_pack_clean(struct hg_history *history)
{
	int dir, r;

	dir = open(history->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return -errno;
	r = hg_path_remove(dir, INCOMING);
	close(dir);
	return r ? r : walk_packs(history, remove_half, NULL);
}

static int insert_all(struct hg_history *history, git_packbuilder *builder)
{
	git_revwalk *walk;
	int r;

	r = git_revwalk_new(&walk, history->repo);
	if (r)
		return r;
	r = git_revwalk_push_glob(walk, "refs/*");
	if (!r)
		r = git_packbuilder_insert_walk(builder, walk);
	git_revwalk_free(walk);
	return r;
}

static int append_to(void *data, size_t size, void *payload)
{
	return hg_pack_append(payload, data, size, NULL);
}

static int pack_all(struct hg_history *history, char *ret_name, size_t size,
		    struct hg_sync_error *error)
{
	git_packbuilder *builder;
	git_indexer *indexer;
	int r;

	r = hg_pack_begin(history, &indexer, error);
	if (r)
		return r;
	r = git_packbuilder_new(&builder, history->repo);
	if (!r) {
		git_packbuilder_set_threads(builder, 1);
		r = insert_all(history, builder);
		if (!r)
			r = git_packbuilder_foreach(builder, append_to, indexer);
		git_packbuilder_free(builder);
	}
	if (r) {
		git_indexer_free(indexer);
		return hg_git_fail(error, r, "pack");
	}
	r = hg_pack_end(history, indexer, ret_name, size, error);
	return r ? r : hg_pack_install(history, ret_name, error);
}

int hg_pack_compact(struct hg_history *history, struct hg_sync_error *error)
{
	unsigned int count = 0;
	char name[80];
	int r;

	r = walk_packs(history, count_pack, &count);
	if (r || count <= HG_PACKS_MAX)
		return r;
	r = pack_all(history, name, sizeof(name), error);
	if (!r)
		r = walk_packs(history, remove_others, name);
	if (!r)
		r = walk_packs(history, remove_half, NULL);
	if (!r)
		r = git_odb_refresh(history->odb) ? -EIO : 0;
	return r;
}
