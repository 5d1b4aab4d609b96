// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * All of it comes from the history, nothing from what is in place: an edit of a live file
 * cannot leak into what was validated. Until it is whole, a staged directory is closed
 * to all but root.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/openat2.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sync/paths.h"
#include "sync/stage.h"

#define FSYNC_FILES_MAX 32 /* above: syncfs() once instead of fsync() each */

struct stage {
	struct hg_history *history;
	struct hg_sync_error *error;
	const char *path; /* of the entry */
	const char *name; /* what it is called while staged */
	int dir;
	bool is_synced_late;
	uint64_t octets;
	/* The directory written to last: neighbours come one after the other. */
	int parent;
	char parent_path[HG_FILE_PATH_MAX];
	/* The owner looked up last. */
	char owner[HG_FILE_OWNER_MAX], group[HG_FILE_OWNER_MAX];
	uid_t uid;
	gid_t gid;
};

static int find_owner(struct stage *stage, const struct hg_file *file)
{
	const struct passwd *user;
	const struct group *group;

	if (strcmp(stage->owner, file->owner) != 0) {
		user = file->owner[0] == '#' ? NULL : getpwnam(file->owner);
		if (!user && file->owner[0] != '#')
			return hg_sync_fail(stage->error, -ENOENT,
					    "%s belongs to user '%s', who does not exist on this "
					    "node: install the package that makes this user "
					    "first, or correct 'owner' in replicate",
					    file->path, file->owner);
		stage->uid = user ? user->pw_uid : (uid_t)strtoul(file->owner + 1, NULL, 10);
		memcpy(stage->owner, file->owner, sizeof(stage->owner));
	}
	if (strcmp(stage->group, file->group) != 0) {
		group = file->group[0] == '#' ? NULL : getgrnam(file->group);
		if (!group && file->group[0] != '#')
			return hg_sync_fail(stage->error, -ENOENT,
					    "%s belongs to group '%s', which does not exist on "
					    "this node: install the package that makes this group "
					    "first, or correct 'owner' in replicate",
					    file->path, file->group);
		stage->gid = group ? group->gr_gid : (gid_t)strtoul(file->group + 1, NULL, 10);
		memcpy(stage->group, file->group, sizeof(stage->group));
	}
	return 0;
}

static int open_beneath(int dir, const char *path, uint64_t flags)
{
	struct open_how how = {
		.flags = flags | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS,
	};
	int fd = (int)syscall(SYS_openat2, dir, path, &how, sizeof(how));

	return fd < 0 ? -errno : fd;
}

/* Opens the staged directory that `file` goes to; *ret_name points to its name in it. */
static int open_place(struct stage *stage, const struct hg_file *file, const char **ret_name)
{
	const char *rest = file->path + strlen(stage->path), *slash = strrchr(rest, '/');
	char path[HG_FILE_PATH_MAX + 64];

	if (!slash) {
		*ret_name = stage->name;
		return stage->dir;
	}
	*ret_name = slash + 1;
	snprintf(path, sizeof(path), "%s%.*s", stage->name, (int)(slash - rest), rest);
	if (stage->parent >= 0 && !strcmp(path, stage->parent_path))
		return stage->parent;
	if (strlen(path) >= sizeof(stage->parent_path))
		return -ENAMETOOLONG;
	if (stage->parent >= 0)
		close(stage->parent);
	strcpy(stage->parent_path, path);
	stage->parent = open_beneath(stage->dir, path, O_RDONLY | O_DIRECTORY);
	return stage->parent;
}

static int finish(struct stage *stage, const struct hg_file *file, int fd)
{
	int r = find_owner(stage, file);

	if (r)
		return r;
	/* In this order: chown() takes mode bits away. */
	if (fchown(fd, stage->uid, stage->gid) || fchmod(fd, file->mode) ||
	    (!stage->is_synced_late && fsync(fd)))
		return -errno;
	return 0;
}

static int write_regular(struct stage *stage, const struct hg_file *file, int dir, const char *name,
			 const void *content, size_t length)
{
	int fd, r;

	fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	r = hg_path_write(fd, content, length);
	if (!r)
		r = finish(stage, file, fd);
	if (close(fd) && !r)
		r = -errno;
	return r;
}

static int write_link(struct stage *stage, const struct hg_file *file, int dir, const char *name,
		      const char *text, size_t length)
{
	int r;

	if (!length || length >= HG_FILE_PATH_MAX || strlen(text) != length)
		return hg_sync_fail(stage->error, -EBADMSG, "%s is a link to nothing sound",
				    file->path);
	if (symlinkat(text, dir, name))
		return -errno;
	r = find_owner(stage, file);
	if (r)
		return r;
	return fchownat(dir, name, stage->uid, stage->gid, AT_SYMLINK_NOFOLLOW) ? -errno : 0;
}

static int write_content(struct stage *stage, const struct hg_file *file, int dir, const char *name)
{
	size_t length;
	void *content;
	int r;

	r = hg_history_read(stage->history, &file->oid, &content, &length);
	if (r)
		return hg_sync_fail(stage->error, r, "%s cannot be read from the history",
				    file->path);
	stage->octets += length;
	if (length > HG_FILE_MAX || stage->octets > HG_FILES_OCTETS_MAX)
		r = hg_sync_fail(stage->error, -EFBIG, "%s is too large", file->path);
	else if (file->kind == HG_FILE_LINK)
		r = write_link(stage, file, dir, name, content, length);
	else
		r = write_regular(stage, file, dir, name, content, length);
	free(content);
	return r;
}

static int write_one(struct stage *stage, const struct hg_file *file)
{
	const char *name;
	int dir;

	dir = open_place(stage, file, &name);
	if (dir < 0)
		return dir;
	if (file->kind != HG_FILE_DIRECTORY)
		return write_content(stage, file, dir, name);
	return mkdirat(dir, name, 0700) ? -errno : 0;
}

/* Owner and mode of the directories, from the deepest up. */
static int close_directory(struct stage *stage, const struct hg_file *file)
{
	const char *name;
	int dir, fd, r;

	dir = open_place(stage, file, &name);
	if (dir < 0)
		return dir;
	fd = open_beneath(dir, name, O_RDONLY | O_DIRECTORY);
	if (fd < 0)
		return fd;
	r = finish(stage, file, fd);
	close(fd);
	return r;
}

static int sync_all(struct stage *stage)
{
	if (stage->is_synced_late && syncfs(stage->dir))
		return -errno;
	return hg_path_sync(stage->dir);
}

static int write_files(struct stage *stage, const struct hg_file_set *set)
{
	size_t i, count = 0;
	int r = 0;

	for (i = 0; i < set->file_count; i++)
		count += hg_path_is_within(set->file[i].path, stage->path);
	stage->is_synced_late = count > FSYNC_FILES_MAX;
	for (i = 0; i < set->file_count && !r; i++) {
		if (!hg_path_is_within(set->file[i].path, stage->path))
			continue;
		r = write_one(stage, &set->file[i]);
	}
	for (i = set->file_count; i-- > 0 && !r;)
		if (set->file[i].kind == HG_FILE_DIRECTORY &&
		    hg_path_is_within(set->file[i].path, stage->path))
			r = close_directory(stage, &set->file[i]);
	return r ? r : sync_all(stage);
}

int hg_stage_write(struct hg_history *history, const struct hg_file_set *set, const char *path,
		   int dir, const char *name, struct hg_sync_error *error)
{
	struct hg_sync_error own = { .text = "" };
	struct stage stage = {
		.history = history,
		.error = &own,
		.path = path,
		.name = name,
		.dir = dir,
		.parent = -1,
	};
	int r;

	r = write_files(&stage, set);
	if (stage.parent >= 0)
		close(stage.parent);
	if (!r)
		return 0;
	return own.text[0] ? hg_sync_fail(error, r, "%s", own.text)
			   : hg_sync_fail(error, r, "%s cannot be written: %s", path, strerror(-r));
}

bool hg_stage_path(const struct hg_journal *journal, unsigned int step, char *ret, size_t size)
{
	const char *target = journal->step[step].target, *slash = strrchr(target, '/');
	char name[64];
	int n;

	hg_journal_name(journal, step, false, name);
	n = snprintf(ret, size, "%.*s/%s", (int)(slash - target), target, name);
	return n > 0 && (size_t)n < size;
}
