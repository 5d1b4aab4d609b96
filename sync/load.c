// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The files of a generation, out of its tree. Trees may come from another node: depth, count
 * and kinds are checked, and the manifest and the tree must name the very same files.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sync/paths.h"
#include "sync/store.h"

#define TREE_DEPTH_MAX (HG_FILE_PATH_MAX / 2)

/* --- every object there -------------------------------------------------------------- */

static struct hg_oid *slot_of(struct hg_oid *slot, size_t size, const struct hg_oid *oid)
{
	size_t i;

	memcpy(&i, oid->id, sizeof(i));
	for (i &= size - 1; !hg_oid_is_none(&slot[i]); i = (i + 1) & (size - 1))
		if (hg_oid_is_equal(&slot[i], oid))
			break;
	return &slot[i];
}

/* 1: it was there already, 0: it is now. */
static int see(struct hg_seen *seen, const struct hg_oid *oid)
{
	size_t size = seen->size ? 2 * seen->size : 1024, i;
	struct hg_oid *grown, *slot;

	if (2 * (seen->used + 1) > seen->size) {
		grown = calloc(size, sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		for (i = 0; i < seen->size; i++)
			if (!hg_oid_is_none(&seen->slot[i]))
				*slot_of(grown, size, &seen->slot[i]) = seen->slot[i];
		free(seen->slot);
		seen->slot = grown;
		seen->size = size;
	}
	slot = slot_of(seen->slot, seen->size, oid);
	if (!hg_oid_is_none(slot))
		return 1;
	if (seen->used == seen->limit)
		return -E2BIG;
	*slot = *oid;
	seen->used++;
	return 0;
}

void hg_seen_done(struct hg_seen *seen)
{
	free(seen->slot);
	memset(seen, 0, sizeof(*seen));
}

static bool blob_is_there(struct hg_history *history, const git_oid *oid)
{
	git_object_t type;
	size_t size;

	return !git_odb_read_header(&size, &type, history->odb, oid) && type == GIT_OBJECT_BLOB;
}

static bool is_blob_mode(git_filemode_t mode)
{
	return mode == GIT_FILEMODE_BLOB || mode == GIT_FILEMODE_BLOB_EXECUTABLE ||
	       mode == GIT_FILEMODE_LINK;
}

static int check_tree(struct hg_history *history, const git_oid *git, struct hg_seen *seen,
		      unsigned int depth)
{
	const git_tree_entry *entry;
	struct hg_oid oid;
	git_tree *tree;
	size_t i;
	int r;

	hg_oid_from_git(git, &oid);
	r = see(seen, &oid);
	if (r)
		return r > 0 ? 0 : r;
	if (depth > TREE_DEPTH_MAX || git_tree_lookup(&tree, history->repo, git))
		return -EBADMSG;
	for (i = 0; i < git_tree_entrycount(tree) && !r; i++) {
		entry = git_tree_entry_byindex(tree, i);
		if (git_tree_entry_filemode_raw(entry) == GIT_FILEMODE_TREE)
			r = check_tree(history, git_tree_entry_id(entry), seen, depth + 1);
		else if (!is_blob_mode(git_tree_entry_filemode_raw(entry)) ||
			 !blob_is_there(history, git_tree_entry_id(entry)))
			r = -EBADMSG;
	}
	git_tree_free(tree);
	return r;
}

static int lookup_tree(struct hg_history *history, const struct hg_oid *oid, git_tree **ret)
{
	git_commit *commit;
	git_oid git;
	int r;

	hg_oid_to_git(oid, &git);
	if (git_commit_lookup(&commit, history->repo, &git))
		return -ENOENT;
	r = git_commit_tree(ret, commit) ? -EBADMSG : 0;
	git_commit_free(commit);
	return r;
}

int hg_history_check_tree(struct hg_history *history, const struct hg_oid *oid,
			  struct hg_seen *seen, struct hg_sync_error *error)
{
	git_tree *tree;
	int r;

	r = lookup_tree(history, oid, &tree);
	if (!r) {
		r = check_tree(history, git_tree_id(tree), seen, 0);
		git_tree_free(tree);
	}
	if (r == -E2BIG)
		return hg_sync_fail(error, r, "history: too many objects");
	return r ? hg_sync_fail(error, -EBADMSG, "history: a generation is not whole") : 0;
}

/* --- the files of one ------------------------------------------------------------------- */

int hg_history_read(struct hg_history *history, const struct hg_oid *oid, void **ret,
		    size_t *ret_length)
{
	git_odb_object *object;
	git_object_t type;
	git_oid git;
	size_t size;
	char *copy;
	int r;

	hg_oid_to_git(oid, &git);
	r = git_odb_read_header(&size, &type, history->odb, &git);
	if (r)
		return r == GIT_ENOTFOUND ? -ENOENT : -EBADMSG;
	if (type != GIT_OBJECT_BLOB)
		return -EBADMSG;
	if (size > HG_MANIFEST_MAX)
		return -EFBIG;
	r = git_odb_read(&object, history->odb, &git);
	if (r)
		return -EBADMSG;
	size = git_odb_object_size(object);
	copy = malloc(size + 1);
	if (copy) {
		memcpy(copy, git_odb_object_data(object), size);
		copy[size] = '\0';
		*ret = copy;
		*ret_length = size;
	}
	git_odb_object_free(object);
	return copy ? 0 : -ENOMEM;
}

/* Files of the tree, matched with those of the manifest one by one. */
struct match {
	struct hg_history *history;
	struct hg_file_set *set;
	size_t matched;
	char path[HG_FILE_PATH_MAX]; /* of the tree that is walked */
};

static int match_file(struct match *match, const char *path, const git_tree_entry *entry)
{
	bool is_link = git_tree_entry_filemode_raw(entry) == GIT_FILEMODE_LINK;
	struct hg_file *file;

	file = (struct hg_file *)hg_files_find(match->set, path);
	if (!file || file->kind == HG_FILE_DIRECTORY || (file->kind == HG_FILE_LINK) != is_link ||
	    !hg_oid_is_none(&file->oid) || !is_blob_mode(git_tree_entry_filemode_raw(entry)))
		return -EBADMSG;
	hg_oid_from_git(git_tree_entry_id(entry), &file->oid);
	match->matched++;
	return 0;
}

/* A directory of the set, or one on the way to an entry: what bounds the walk, for a small pack
 * can hold trees that name each other a million times. */
static bool tree_is_expected(const struct hg_file_set *set, const char *path)
{
	const struct hg_file *file = hg_files_find(set, path);
	unsigned int i;

	if (file)
		return file->kind == HG_FILE_DIRECTORY;
	for (i = 0; i < set->entry_count; i++)
		if (hg_path_is_within(set->entry[i].path, path))
			return true;
	return false;
}

static int match_tree(struct match *match, const git_oid *oid, unsigned int depth)
{
	size_t length = strlen(match->path), i;
	const git_tree_entry *entry;
	git_tree *tree;
	int n, r = 0;

	if (depth > TREE_DEPTH_MAX || git_tree_lookup(&tree, match->history->repo, oid))
		return -EBADMSG;
	for (i = 0; i < git_tree_entrycount(tree) && !r; i++) {
		entry = git_tree_entry_byindex(tree, i);
		n = snprintf(match->path + length, sizeof(match->path) - length, "/%s",
			     git_tree_entry_name(entry));
		if (n < 0 || (size_t)n >= sizeof(match->path) - length)
			r = -EBADMSG;
		else if (git_tree_entry_filemode_raw(entry) != GIT_FILEMODE_TREE)
			r = match_file(match, match->path, entry);
		else if (tree_is_expected(match->set, match->path))
			r = match_tree(match, git_tree_entry_id(entry), depth + 1);
		else
			r = -EBADMSG;
		match->path[length] = '\0';
	}
	git_tree_free(tree);
	return r;
}

static int match_root(struct match *match, const git_tree *root)
{
	const git_tree_entry *entry;
	size_t i, expected = 0;
	const char *name;
	int r = 0;

	for (i = 0; i < git_tree_entrycount(root) && !r; i++) {
		entry = git_tree_entry_byindex(root, i);
		name = git_tree_entry_name(entry);
		if (!strcmp(name, HG_TREE_FILES) &&
		    git_tree_entry_filemode_raw(entry) == GIT_FILEMODE_TREE)
			r = match_tree(match, git_tree_entry_id(entry), 0);
		else if (!strcmp(name, HG_CLUSTER_PATH))
			r = match_file(match, HG_CLUSTER_PATH, entry);
		else if (strcmp(name, HG_TREE_MANIFEST) != 0)
			r = -EBADMSG;
	}
	for (i = 0; i < match->set->file_count; i++)
		expected += match->set->file[i].kind != HG_FILE_DIRECTORY;
	return r ? r : match->matched == expected ? 0 : -EBADMSG;
}

static int load_manifest(struct hg_history *history, const git_tree *root, struct hg_file_set *ret,
			 struct hg_sync_error *error)
{
	const git_tree_entry *entry = git_tree_entry_byname(root, HG_TREE_MANIFEST);
	struct hg_oid oid;
	size_t length;
	void *text;
	int r;

	if (!entry || git_tree_entry_filemode_raw(entry) != GIT_FILEMODE_BLOB)
		return hg_sync_fail(error, -EBADMSG, "history: a generation has no manifest");
	hg_oid_from_git(git_tree_entry_id(entry), &oid);
	r = hg_history_read(history, &oid, &text, &length);
	if (r)
		return hg_sync_fail(error, r, "history: a manifest cannot be read");
	r = hg_manifest_parse(text, length, ret, error);
	free(text);
	return r;
}

int hg_history_load_any(struct hg_history *history, const struct hg_oid *oid,
			struct hg_file_set *ret, struct hg_sync_error *error)
{
	struct hg_file_set set = { 0 };
	struct match match = { .history = history, .set = &set };
	git_tree *root;
	int r;

	r = lookup_tree(history, oid, &root);
	if (r)
		return hg_sync_fail(error, r, "history: the generation is not here");
	r = load_manifest(history, root, &set, error);
	if (!r && match_root(&match, root))
		r = hg_sync_fail(error, -EBADMSG,
				 "history: manifest and files of a generation do not agree");
	git_tree_free(root);
	if (r)
		hg_file_set_done(&set);
	else
		*ret = set;
	return r;
}

int hg_history_load(struct hg_history *history, const struct hg_oid *oid, struct hg_file_set *ret,
		    struct hg_sync_error *error)
{
	struct hg_file_set set;
	int r;

	r = hg_history_load_any(history, oid, &set, error);
	if (r)
		return r;
	if (!hg_files_find(&set, HG_CLUSTER_PATH)) {
		hg_file_set_done(&set);
		return hg_sync_fail(error, -EBADMSG, "history: a generation without cluster.yaml");
	}
	*ret = set;
	return 0;
}
