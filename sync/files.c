// SPDX-License-Identifier: GPL-2.0-or-later
/* The list of what is replicated, and what differs between two sets of files. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "sync/files.h"
#include "sync/paths.h"

bool hg_path_name_is_clean(const char *name, size_t length)
{
	if (!length || length > 255)
		return false;
	if (name[0] == '.' && (length == 1 || (length == 2 && name[1] == '.')))
		return false;
	return !(length == 4 && !strncasecmp(name, ".git", 4));
}

bool hg_path_is_clean(const char *path, unsigned int *ret_components)
{
	const char *name = path, *end;
	unsigned int components = 0;

	if (strnlen(path, HG_FILE_PATH_MAX) >= HG_FILE_PATH_MAX)
		return false;
	do {
		if (*name++ != '/')
			return false;
		end = strchrnul(name, '/');
		if (!hg_path_name_is_clean(name, (size_t)(end - name)))
			return false;
		components++;
		name = end;
	} while (*name);
	*ret_components = components;
	return true;
}

bool hg_path_is_within(const char *path, const char *root)
{
	size_t length = strlen(root);

	return !strncmp(path, root, length) && (!path[length] || path[length] == '/');
}

bool hg_owner_is_clean(const char *name)
{
	size_t length = strnlen(name, HG_FILE_OWNER_MAX), i;

	if (!length || length >= HG_FILE_OWNER_MAX)
		return false;
	if (name[0] == '#')
		return length <= 11 && name[1] && !name[1 + strspn(name + 1, "0123456789")];
	for (i = 0; i < length; i++)
		if (name[i] <= ' ' || name[i] >= 0x7f || strchr(":/#\\", name[i]))
			return false;
	return true;
}

static int check_forbidden(const struct hg_entry *entry, const char *const *forbidden,
			   struct hg_sync_error *error)
{
	for (; forbidden && *forbidden; forbidden++)
		if (hg_path_is_within(*forbidden, entry->path) ||
		    hg_path_is_within(entry->path, *forbidden))
			return hg_sync_fail(error, -EINVAL,
					    "replicate: %s: %s belongs to this node alone and "
					    "cannot be replicated",
					    entry->path, *forbidden);
	return 0;
}

static int check_entry(const struct hg_entry *entry, struct hg_sync_error *error)
{
	unsigned int components;

	if (!hg_path_is_clean(entry->path, &components))
		return hg_sync_fail(error, -EINVAL,
				    "replicate: '%.*s' is not an absolute path without '.', "
				    "'..', '.git', '//' and a slash at the end",
				    HG_FILE_PATH_MAX, entry->path);
	if (components < 2)
		return hg_sync_fail(
			error, -EINVAL,
			"replicate: %s is too much: name files and directories below it",
			entry->path);
	if ((entry->owner[0] && !hg_owner_is_clean(entry->owner)) ||
	    (entry->group[0] && !hg_owner_is_clean(entry->group)))
		return hg_sync_fail(error, -EINVAL, "replicate: %s: not a name of a user or group",
				    entry->path);
	if (entry->mode < -1 || entry->mode > 0777)
		return hg_sync_fail(error, -EINVAL, "replicate: %s: mode must be 0000 to 0777",
				    entry->path);
	if (entry->timeout_s > HG_COMMAND_TIMEOUT_MAX_S)
		return hg_sync_fail(error, -EINVAL, "replicate: %s: timeout is above %d s",
				    entry->path, HG_COMMAND_TIMEOUT_MAX_S);
	if (strnlen(entry->validate, HG_COMMAND_MAX) >= HG_COMMAND_MAX ||
	    strnlen(entry->apply, HG_COMMAND_MAX) >= HG_COMMAND_MAX)
		return hg_sync_fail(error, -EINVAL, "replicate: %s: a command is too long",
				    entry->path);
	return 0;
}

int hg_entries_check(const struct hg_entry *entry, unsigned int count, const char *const *forbidden,
		     struct hg_sync_error *error)
{
	unsigned int i, j;
	int r;

	if (count > HG_ENTRIES_MAX)
		return hg_sync_fail(error, -EINVAL, "replicate: more than %d entries",
				    HG_ENTRIES_MAX);
	for (i = 0; i < count; i++) {
		r = check_entry(&entry[i], error);
		if (!r)
			r = check_forbidden(&entry[i], forbidden, error);
		if (r)
			return r;
		for (j = 0; j < count; j++)
			if (j != i && hg_path_is_within(entry[i].path, entry[j].path))
				return hg_sync_fail(error, -EINVAL,
						    "replicate: %s is within %s: name one of them",
						    entry[i].path, entry[j].path);
	}
	return 0;
}

static bool entry_is_equal(const struct hg_entry *a, const struct hg_entry *b)
{
	return !strcmp(a->path, b->path) && !strcmp(a->owner, b->owner) &&
	       !strcmp(a->group, b->group) && a->mode == b->mode && a->timeout_s == b->timeout_s &&
	       !strcmp(a->validate, b->validate) && !strcmp(a->apply, b->apply);
}

bool hg_entries_equal(const struct hg_entry *a, unsigned int a_count, const struct hg_entry *b,
		      unsigned int b_count)
{
	unsigned int i;

	for (i = 0; a_count == b_count && i < a_count; i++)
		if (!entry_is_equal(&a[i], &b[i]))
			return false;
	return a_count == b_count;
}

void hg_file_set_done(struct hg_file_set *set)
{
	size_t i;

	for (i = 0; i < set->file_count; i++)
		free(set->file[i].path);
	free(set->file);
	free(set->entry);
	memset(set, 0, sizeof(*set));
}

void hg_files_override(struct hg_file_set *set)
{
	const struct hg_entry *entry;
	struct hg_file *file;
	size_t i;

	for (i = 0; i < set->file_count; i++) {
		file = &set->file[i];
		if (file->entry >= set->entry_count)
			continue;
		entry = &set->entry[file->entry];
		if (entry->owner[0])
			memcpy(file->owner, entry->owner, sizeof(file->owner));
		if (entry->group[0])
			memcpy(file->group, entry->group, sizeof(file->group));
		if (entry->mode >= 0 && file->kind == HG_FILE_REGULAR)
			file->mode = (uint16_t)entry->mode;
	}
}

static int compare_path(const void *a, const void *b)
{
	return strcmp(((const struct hg_file *)a)->path, ((const struct hg_file *)b)->path);
}

void hg_files_sort(struct hg_file_set *set)
{
	if (set->file_count)
		qsort(set->file, set->file_count, sizeof(*set->file), compare_path);
}

/* -1: the same. */
static int change_of(const struct hg_file *a, const struct hg_file *b)
{
	if (a->kind != b->kind || !hg_oid_is_equal(&a->oid, &b->oid))
		return HG_CHANGE_CONTENT;
	if (strcmp(a->owner, b->owner) || strcmp(a->group, b->group) || a->mode != b->mode)
		return HG_CHANGE_MODE;
	return -1;
}

static size_t skip_others(const struct hg_file_set *set, size_t i, const char *root)
{
	while (root && i < set->file_count && !hg_path_is_within(set->file[i].path, root))
		i++;
	return i;
}

/* Files below `root` alone, all of them when it is NULL. */
static int compare(const struct hg_file_set *a, const struct hg_file_set *b, const char *root,
		   hg_change_fn *each, void *arg)
{
	size_t i = skip_others(a, 0, root), j = skip_others(b, 0, root);
	const struct hg_file *file;
	int order, change, r;

	while (i < a->file_count || j < b->file_count) {
		order = i == a->file_count   ? 1
			: j == b->file_count ? -1
					     : strcmp(a->file[i].path, b->file[j].path);
		file = order < 0 ? &a->file[i] : &b->file[j];
		change = order < 0   ? HG_CHANGE_REMOVED
			 : order > 0 ? HG_CHANGE_ADDED
				     : change_of(&a->file[i], &b->file[j]);
		if (order <= 0)
			i = skip_others(a, i + 1, root);
		if (order >= 0)
			j = skip_others(b, j + 1, root);
		if (change < 0)
			continue;
		r = each ? each((enum hg_change)change, file, arg) : 1;
		if (r)
			return r;
	}
	return 0;
}

int hg_files_compare(const struct hg_file_set *a, const struct hg_file_set *b, hg_change_fn *each,
		     void *arg)
{
	return compare(a, b, NULL, each, arg);
}

int hg_files_compare_entry(const struct hg_file_set *a, const struct hg_file_set *b,
			   const char *path, hg_change_fn *each, void *arg)
{
	return compare(a, b, path, each, arg);
}

const struct hg_file *hg_files_find(const struct hg_file_set *set, const char *path)
{
	struct hg_file key = { .path = (char *)path };

	return set->file_count
		       ? bsearch(&key, set->file, set->file_count, sizeof(*set->file), compare_path)
		       : NULL;
}
