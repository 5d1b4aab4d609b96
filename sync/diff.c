/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See diff.h. */
#include "sync/diff.h"

#include <errno.h>
#include <fcntl.h>
#include <git2.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct writing {
	const struct hg_sync_node *node;
	struct hg_history *history;
	const struct hg_file_set *old; /* sorted */
	bool is_on_disk; /* the new side */
	FILE *out;
};

static const struct hg_file *find(const struct hg_file_set *set, const char *path)
{
	size_t low = 0, high = set->file_count;

	while (low < high) {
		size_t middle = (low + high) / 2;
		int order = strcmp(set->file[middle].path, path);

		if (!order)
			return &set->file[middle];
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

static void *read_disk(const struct writing *w, const struct hg_file *file, size_t *ret_length)
{
	const char *path = strcmp(file->path, HG_CLUSTER_PATH) ? file->path
							       : w->node->config.cluster;
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	FILE *in = fd >= 0 ? fdopen(fd, "r") : NULL;
	char *data = in ? malloc(HG_DIFF_MAX) : NULL;

	if (data)
		*ret_length = fread(data, 1, HG_DIFF_MAX, in);
	if (in)
		fclose(in);
	else if (fd >= 0)
		close(fd);
	return data;
}

static void *read_side(const struct writing *w, const struct hg_file *file, bool is_on_disk,
		       size_t *ret_length)
{
	void *data = NULL;

	*ret_length = 0;
	if (!file || file->kind == HG_FILE_DIRECTORY)
		return NULL;
	if (is_on_disk && file->kind == HG_FILE_REGULAR)
		return read_disk(w, file, ret_length);
	hg_history_read(w->history, &file->oid, &data, ret_length);
	return data;
}

static void write_patch(const struct writing *w, const char *path, const void *a, size_t a_length,
			const void *b, size_t b_length)
{
	git_patch *patch = NULL;
	git_buf text = { 0 };

	if (!git_patch_from_buffers(&patch, a, a_length, path, b, b_length, path, NULL) &&
	    !git_patch_to_buf(&text, patch))
		fwrite(text.ptr, 1, text.size, w->out);
	git_buf_dispose(&text);
	git_patch_free(patch);
}

static int on_change(enum hg_change change, const struct hg_file *file, void *arg)
{
	static const char *const words[] = { [HG_CHANGE_ADDED] = "added",
					     [HG_CHANGE_REMOVED] = "removed",
					     [HG_CHANGE_CONTENT] = "changed",
					     [HG_CHANGE_MODE] = "owner or mode" };
	const struct writing *w = arg;
	const struct hg_file *old = find(w->old, file->path);
	size_t a_length = 0, b_length = 0;
	void *a, *b;

	fprintf(w->out, "%s: %s", words[change], file->path);
	if (change == HG_CHANGE_MODE && old)
		fprintf(w->out, " (%s:%s %04o -> %s:%s %04o)", old->owner, old->group, old->mode,
			file->owner, file->group, file->mode);
	fputc('\n', w->out);
	if (change == HG_CHANGE_MODE || ftell(w->out) > HG_DIFF_MAX)
		return 0;
	a = change == HG_CHANGE_ADDED ? NULL : read_side(w, old, false, &a_length);
	b = change == HG_CHANGE_REMOVED ? NULL : read_side(w, file, w->is_on_disk, &b_length);
	if (a_length + b_length)
		write_patch(w, file->path + (*file->path == '/'), a, a_length, b, b_length);
	free(a);
	free(b);
	return 0;
}

static int hash_only(void *arg, const void *data, size_t length, struct hg_oid *ret)
{
	(void)arg;
	return hg_history_hash(data, length, ret);
}

struct unconfirmed {
	struct hg_history *history;
	uint64_t number;
	struct hg_generation *ret;
};

static int match_unconfirmed(const char *name, const struct hg_oid *oid, void *arg)
{
	const struct unconfirmed *wanted = arg;

	return !strncmp(name, "refs/unconfirmed/", 17) &&
	       !hg_history_get(wanted->history, oid, wanted->ret) &&
	       wanted->ret->number == wanted->number;
}

/* On main, or tried and gone back: no two of these have the same number. */
static int find_generation(struct hg_history *history, uint64_t number, struct hg_generation *ret)
{
	struct unconfirmed wanted = { history, number, ret };
	int err = hg_history_find(history, number, ret);

	if (err != -ENOENT)
		return err;
	err = hg_history_refs(history, match_unconfirmed, &wanted);
	return err > 0 ? 0 : err ? err : -ENOENT;
}

static int load_sides(const struct hg_sync_node *node, struct hg_history *history, uint64_t number,
		      struct hg_file_set *old, struct hg_file_set *new, struct hg_sync_error *error)
{
	struct hg_generation generation;
	int err = number ? find_generation(history, number, &generation)
			 : hg_history_head(history, &generation);

	if (err)
		return hg_sync_fail(error, err, "there is no generation %" PRIu64, number);
	if (!number) {
		err = hg_history_load(history, &generation.oid, old, error);
		if (!err)
			err = hg_files_scan(node->entry, node->entry_count, node->config.cluster,
					    true, hash_only, NULL, new, error);
		return err;
	}
	if (!hg_oid_is_none(&generation.parent))
		err = hg_history_load(history, &generation.parent, old, error);
	return err ? err : hg_history_load(history, &generation.oid, new, error);
}

int hg_diff_run(const struct hg_sync_node *node, struct hg_history *history, uint64_t number,
		char **ret, struct hg_sync_error *error)
{
	struct hg_file_set old = { 0 }, new = { 0 };
	struct writing w = { node, history, &old, !number, NULL };
	size_t size;
	int err = load_sides(node, history, number, &old, &new, error);

	if (!err) {
		w.out = open_memstream(ret, &size);
		err = w.out ? 0 : -ENOMEM;
	}
	if (!err) {
		hg_files_compare(&old, &new, on_change, &w);
		fclose(w.out);
	}
	hg_file_set_done(&old);
	hg_file_set_done(&new);
	return err;
}
