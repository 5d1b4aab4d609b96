// SPDX-License-Identifier: GPL-2.0-or-later
/* The repository: opening it, what a crash left in it, its refs. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sync/paths.h"
#include "sync/store.h"

#define DIR_NAME "history.git"
#define NEW_NAME "history.git.new"
#define LOCK_NAME "history.lock"
#define ASIDE_MAX 1000 /* histories of one cluster that were set aside */

void hg_oid_to_git(const struct hg_oid *oid, git_oid *ret)
{
	memcpy(ret->id, oid->id, sizeof(oid->id));
}

void hg_oid_from_git(const git_oid *git, struct hg_oid *ret)
{
	memcpy(ret->id, git->id, sizeof(ret->id));
}

int hg_git_fail(struct hg_sync_error *error, int git_result, const char *what)
{
	int saved = errno, result = -EIO;
	const git_error *last = git_error_last();

	if (git_result == GIT_ENOTFOUND)
		result = -ENOENT;
	else if (git_result == GIT_ELOCKED)
		result = -EBUSY;
	else if (last && last->klass == GIT_ERROR_NOMEMORY)
		result = -ENOMEM;
	else if (last && last->klass == GIT_ERROR_OS && saved > 0)
		result = -saved;
	return hg_sync_fail(error, result, "history: %s: %s", what,
			    last && last->message ? last->message : "failed");
}

/* Once in a process. No configuration from outside the repository has a say. */
static void init_library(void)
{
	static bool is_done;

	if (is_done)
		return;
	git_libgit2_init();
	git_libgit2_opts(GIT_OPT_SET_SEARCH_PATH, GIT_CONFIG_LEVEL_SYSTEM, "");
	git_libgit2_opts(GIT_OPT_SET_SEARCH_PATH, GIT_CONFIG_LEVEL_GLOBAL, "");
	git_libgit2_opts(GIT_OPT_SET_SEARCH_PATH, GIT_CONFIG_LEVEL_XDG, "");
	git_libgit2_opts(GIT_OPT_SET_SEARCH_PATH, GIT_CONFIG_LEVEL_PROGRAMDATA, "");
	git_libgit2_opts(GIT_OPT_SET_OWNER_VALIDATION, 0);
	git_libgit2_opts(GIT_OPT_ENABLE_FSYNC_GITDIR, 1);
	git_libgit2_opts(GIT_OPT_ENABLE_STRICT_HASH_VERIFICATION, 1);
	git_libgit2_opts(GIT_OPT_SET_CACHE_MAX_SIZE, (ssize_t)(4 * 1024 * 1024));
	git_libgit2_opts(GIT_OPT_SET_MWINDOW_MAPPED_LIMIT, (size_t)(64 * 1024 * 1024));
	git_libgit2_opts(GIT_OPT_SET_MWINDOW_FILE_LIMIT, (size_t)128);
	is_done = true;
}

int hg_history_reopen(const char *dir, struct hg_history *ret, struct hg_sync_error *error)
{
	struct hg_history opened = { .lock = -1 };
	int r;

	init_library();
	/* `dir` may lie in *ret. */
	snprintf(opened.dir, sizeof(opened.dir), "%s", dir);
	*ret = opened;
	r = git_repository_open_bare(&ret->repo, opened.dir);
	if (!r)
		r = git_repository_odb(&ret->odb, ret->repo);
	if (!r)
		return 0;
	r = hg_git_fail(error, r, "cannot be opened");
	hg_history_close(ret);
	return r;
}

void hg_history_close(struct hg_history *history)
{
	/* The mempack belongs to the object database. */
	git_odb_free(history->odb);
	git_repository_free(history->repo);
	free(history->line);
	if (history->lock >= 0)
		close(history->lock);
	memset(history, 0, sizeof(*history));
	history->lock = -1;
}

void hg_history_free(struct hg_history *history)
{
	if (!history)
		return;
	hg_history_close(history);
	free(history);
}

static int set_config(git_repository *repo)
{
	git_config *config;
	int r;

	r = git_repository_config(&config, repo);
	if (r)
		return r;
	/* No deltas are ever made, so that a received pack needs none: see measure.c. From here
	 * libgit2 1.5 takes the size above which it makes none; not from core.bigFileThreshold,
	 * with which plain git would take every file for a binary. */
	r = git_config_set_int64(config, "pack.deltaCacheSize", 1);
	if (!r)
		r = git_config_set_bool(config, "core.protectNTFS", 0);
	if (!r)
		r = git_config_set_bool(config, "core.protectHFS", 0);
	if (!r)
		r = git_config_set_int64(config, "gc.auto", 0);
	git_config_free(config);
	return r;
}

/* Made beside its place and renamed, so that no half of it is ever found there. */
static int create(int state, const char *state_dir, struct hg_sync_error *error)
{
	git_repository_init_options options = { .version = GIT_REPOSITORY_INIT_OPTIONS_VERSION };
	char path[PATH_MAX];
	git_repository *repo;
	int r;

	r = hg_path_remove(state, NEW_NAME);
	if (r)
		return hg_sync_fail(error, r, "%s/" NEW_NAME ": %s", state_dir, strerror(-r));
	if (snprintf(path, sizeof(path), "%s/" NEW_NAME, state_dir) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	options.flags = GIT_REPOSITORY_INIT_BARE | GIT_REPOSITORY_INIT_MKDIR;
	options.mode = 0700;
	options.initial_head = "main";
	options.description = "hagate: the history of the configuration; do not push here\n";
	r = git_repository_init_ext(&repo, path, &options);
	if (r)
		return hg_git_fail(error, r, "cannot be made");
	r = set_config(repo);
	git_repository_free(repo);
	if (r)
		return hg_git_fail(error, r, "cannot be made");
	if (syncfs(state) || renameat(state, NEW_NAME, state, DIR_NAME) || fsync(state))
		return hg_sync_fail(error, -errno, "%s/" DIR_NAME ": %s", state_dir,
				    strerror(errno));
	return 0;
}

/* Lock files of refs: we hold the only lock that counts, so whoever made them is dead. */
static int clear_locks(int dir, unsigned int depth)
{
	struct dirent *child;
	size_t length;
	DIR *stream;
	int fd;

	stream = dir < 0 ? NULL : fdopendir(dir);
	if (!stream) {
		if (dir >= 0)
			close(dir);
		return -EIO;
	}
	while ((child = readdir(stream))) {
		length = strlen(child->d_name);
		if (length > 5 && !strcmp(child->d_name + length - 5, ".lock"))
			unlinkat(dirfd(stream), child->d_name, 0);
		if (child->d_name[0] == '.' || child->d_type != DT_DIR || depth > 8)
			continue;
		fd = openat(dirfd(stream), child->d_name,
			    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		clear_locks(fd, depth + 1);
	}
	closedir(stream);
	return 0;
}

static int open_writer(int state, const char *state_dir, struct hg_history *history,
		       struct hg_sync_error *error)
{
	int lock, r;

	lock = openat(state, LOCK_NAME, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (lock < 0)
		return hg_sync_fail(error, -errno, "%s/" LOCK_NAME ": %s", state_dir,
				    strerror(errno));
	if (flock(lock, LOCK_EX | LOCK_NB)) {
		close(lock);
		return hg_sync_fail(error, -EBUSY, "%s/" DIR_NAME " is in use by another process",
				    state_dir);
	}
	r = faccessat(state, DIR_NAME, F_OK, AT_SYMLINK_NOFOLLOW) ? create(state, state_dir, error)
								  : 0;
	if (!r)
		r = clear_locks(openat(state, DIR_NAME, O_RDONLY | O_DIRECTORY | O_CLOEXEC), 0);
	if (!r)
		r = hg_history_reopen(history->dir, history, error);
	if (r) {
		close(lock);
		return r;
	}
	history->lock = lock;
	r = git_mempack_new(&history->mempack);
	if (!r)
		r = git_odb_add_backend(history->odb, history->mempack, 999);
	if (r)
		return hg_git_fail(error, r, "cannot be opened");
	r = hg_pack_clean(history);
	if (r)
		return hg_sync_fail(error, r, "%s: %s", history->dir, strerror(-r));
	/* Only tidiness: a full disk must not keep anybody from his history. */
	hg_pack_compact(history, NULL);
	return 0;
}

int hg_history_open(const char *state_dir, bool is_writer, struct hg_history **ret,
		    struct hg_sync_error *error)
{
	struct hg_history *history;
	int state, r = 0;

	init_library();
	history = calloc(1, sizeof(*history));
	if (!history)
		return -ENOMEM;
	history->lock = -1;
	state = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (state < 0)
		r = hg_sync_fail(error, -errno, "%s: %s", state_dir, strerror(errno));
	else if (snprintf(history->dir, sizeof(history->dir), "%s/" DIR_NAME, state_dir) >=
		 (int)sizeof(history->dir))
		r = -ENAMETOOLONG;
	else if (is_writer)
		r = open_writer(state, state_dir, history, error);
	else if (faccessat(state, DIR_NAME, F_OK, AT_SYMLINK_NOFOLLOW))
		r = hg_sync_fail(error, -ENOENT, "%s has no history", state_dir);
	else
		r = hg_history_reopen(history->dir, history, error);
	if (state >= 0)
		close(state);
	if (r)
		hg_history_free(history);
	else
		*ret = history;
	return r;
}

/* One rename, while the lock is held: a crash leaves the one name or the other. */
int hg_history_set_aside(struct hg_history *history, const char *state_dir, char *ret_name,
			 size_t size, struct hg_sync_error *error)
{
	struct hg_head head;
	int state, err = hg_history_describe(history, &head);

	if (err)
		return hg_sync_fail(error, err, "history: main is damaged");
	state = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (state < 0)
		return hg_sync_fail(error, -errno, "%s: %s", state_dir, strerror(errno));
	err = -EEXIST;
	for (unsigned int i = 1; err == -EEXIST && i <= ASIDE_MAX; i++) {
		if (i == 1)
			snprintf(ret_name, size, "history-%s.git", head.cluster);
		else
			snprintf(ret_name, size, "history-%s-%u.git", head.cluster, i);
		err = renameat2(state, DIR_NAME, state, ret_name, RENAME_NOREPLACE) ? -errno : 0;
	}
	if (!err && fsync(state))
		err = -errno;
	close(state);
	return err ? hg_sync_fail(error, err, "%s/" DIR_NAME " to %s: %s", state_dir, ret_name,
				  strerror(-err))
		   : 0;
}

/* --- refs ------------------------------------------------------------------------- */

int hg_history_ref(struct hg_history *history, const char *name, struct hg_oid *ret)
{
	git_oid oid;
	int r;

	r = git_reference_name_to_id(&oid, history->repo, name);
	if (r)
		return hg_git_fail(NULL, r, name);
	hg_oid_from_git(&oid, ret);
	return 0;
}

int hg_history_set_ref(struct hg_history *history, const char *name, const struct hg_oid *oid,
		       struct hg_sync_error *error)
{
	git_reference *ref;
	struct hg_oid old;
	git_oid git;
	int r;

	if (!hg_history_ref(history, name, &old) && hg_oid_is_equal(&old, oid))
		return 0;
	hg_oid_to_git(oid, &git);
	r = git_reference_create(&ref, history->repo, name, &git, 1, NULL);
	if (r)
		return hg_git_fail(error, r, name);
	git_reference_free(ref);
	return 0;
}

int hg_history_delete_ref(struct hg_history *history, const char *name)
{
	int r = git_reference_remove(history->repo, name);

	return r && r != GIT_ENOTFOUND ? hg_git_fail(NULL, r, name) : 0;
}

static int compare_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

int hg_history_refs(struct hg_history *history,
		    int (*each)(const char *name, const struct hg_oid *oid, void *arg), void *arg)
{
	git_strarray names;
	struct hg_oid oid;
	size_t i;
	int r;

	r = git_reference_list(&names, history->repo);
	if (r)
		return hg_git_fail(NULL, r, "refs");
	if (names.count)
		qsort(names.strings, names.count, sizeof(*names.strings), compare_name);
	for (i = 0; i < names.count && !r; i++) {
		if (!strcmp(names.strings[i], HG_REF_MAIN))
			continue;
		r = hg_history_ref(history, names.strings[i], &oid);
		if (!r)
			r = each(names.strings[i], &oid, arg);
	}
	git_strarray_dispose(&names);
	return r;
}

bool hg_node_is_valid(const char *node)
{
	size_t length = strnlen(node, HG_NODE_NAME), i;

	if (!length || length >= HG_NODE_NAME || node[0] == '-')
		return false;
	for (i = 0; i < length; i++)
		if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_",
			    node[i]))
			return false;
	return true;
}
