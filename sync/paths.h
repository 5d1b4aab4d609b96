/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Inside sync/: what a path may look like, sets of files while they are made, and the few
 * operations on directories that the parts share. No operation here follows a symbolic link.
 */
#ifndef HG_SYNC_PATHS_H
#define HG_SYNC_PATHS_H

#include "sync/files.h"

/* One name of a path: not empty, not too long, not ".", "..", ".git" in any case. */
bool hg_path_name_is_clean(const char *name, size_t length);
/* Absolute, each name clean, no slash at the end, below HG_FILE_PATH_MAX. */
bool hg_path_is_clean(const char *path, unsigned int *ret_components);
/* `path` is `root`, or below it. */
bool hg_path_is_within(const char *path, const char *root);
/* A user's or group's name, or "#" and a number. */
bool hg_owner_is_clean(const char *name);

/* What the entries say about owner and mode, put in place of what was found. */
void hg_files_override(struct hg_file_set *set);
void hg_files_sort(struct hg_file_set *set);
const struct hg_file *hg_files_find(const struct hg_file_set *set, const char *path);

/* hg_files_scan() of one entry that lies at `at` (no symbolic link on the way), recorded under
 * `path`. A missing one adds nothing. Unsorted. */
int hg_scan_at(const char *at, const char *path, uint32_t entry, hg_files_put_fn *put, void *arg,
	       struct hg_file_set *set, struct hg_sync_error *error);

/* The directory that `path` lies in, without symbolic links on the way; *ret_name points
 * into `path`. The descriptor or -errno. */
int hg_path_open_parent(const char *path, const char **ret_name);
/* Removes a file or a tree; a missing one is fine. */
int hg_path_remove(int dir, const char *name);
/* Durable rename of what lies in a directory. */
int hg_path_sync(int dir);
/* Writes all; 0 or -errno. */
int hg_path_write(int fd, const void *data, size_t length);

#endif
