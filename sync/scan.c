// SPDX-License-Identifier: GPL-2.0-or-later
/* Reads what is on this node's disk, without following links or crossing into mounts. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sync/paths.h"

#define READ_TRIES 5

struct scan {
	struct hg_file_set *set;
	struct hg_sync_error *error;
	hg_files_put_fn *put;
	void *arg;
	uint32_t entry;
	dev_t device;
	uint64_t octets; /* of this entry */
	size_t room;
	char path[HG_FILE_PATH_MAX]; /* as recorded */
	/* The last names asked for: NSS is slow, neighbours mostly have the same owner. */
	uid_t uid;
	gid_t gid;
	bool has_names;
	char owner[HG_FILE_OWNER_MAX], group[HG_FILE_OWNER_MAX];
};

static int refuse(struct scan *scan, const char *why)
{
	return hg_sync_fail(scan->error, -EINVAL, "%s %s", scan->path, why);
}

static int fail(struct scan *scan, int r)
{
	return hg_sync_fail(scan->error, r, "%s: %s", scan->path, strerror(-r));
}

static void name_owner(struct scan *scan, const struct stat *st)
{
	const struct passwd *user;
	const struct group *group;

	if (scan->has_names && scan->uid == st->st_uid && scan->gid == st->st_gid)
		return;
	user = getpwuid(st->st_uid);
	if (user && hg_owner_is_clean(user->pw_name))
		snprintf(scan->owner, sizeof(scan->owner), "%s", user->pw_name);
	else
		snprintf(scan->owner, sizeof(scan->owner), "#%u", st->st_uid);
	group = getgrgid(st->st_gid);
	if (group && hg_owner_is_clean(group->gr_name))
		snprintf(scan->group, sizeof(scan->group), "%s", group->gr_name);
	else
		snprintf(scan->group, sizeof(scan->group), "#%u", st->st_gid);
	scan->uid = st->st_uid;
	scan->gid = st->st_gid;
	scan->has_names = true;
}

static int add(struct scan *scan, enum hg_file_kind kind, const struct stat *st,
	       const struct hg_oid *oid)
{
	struct hg_file_set *set = scan->set;
	struct hg_file *file;

	if (set->file_count >= HG_FILES_MAX)
		return hg_sync_fail(scan->error, -EFBIG, "more than %d files are replicated",
				    HG_FILES_MAX);
	/* Room is doubled at powers of two, whatever scan of the set it is. */
	if (!(set->file_count & (set->file_count - 1))) {
		file = realloc(set->file,
			       (set->file_count ? 2 * set->file_count : 1) * sizeof(*set->file));
		if (!file)
			return -ENOMEM;
		set->file = file;
	}
	name_owner(scan, st);
	file = &set->file[set->file_count];
	memset(file, 0, sizeof(*file));
	file->entry = scan->entry;
	file->kind = kind;
	file->mode = kind == HG_FILE_LINK ? 0777 : (uint16_t)(st->st_mode & 07777);
	memcpy(file->owner, scan->owner, sizeof(file->owner));
	memcpy(file->group, scan->group, sizeof(file->group));
	if (oid)
		file->oid = *oid;
	file->size = kind == HG_FILE_DIRECTORY ? 0 : (uint64_t)st->st_size;
	file->path = strdup(scan->path);
	if (!file->path)
		return -ENOMEM;
	set->file_count++;
	return 0;
}

static bool is_same(const struct stat *a, const struct stat *b)
{
	return a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	       a->st_mtim.tv_nsec == b->st_mtim.tv_nsec && a->st_ctim.tv_sec == b->st_ctim.tv_sec &&
	       a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

/* -EAGAIN: it changed meanwhile. */
static int read_content(int fd, const struct stat *st, char *buffer)
{
	size_t size = (size_t)st->st_size, done = 0;
	struct stat after;
	ssize_t n;

	while (done < size) {
		n = pread(fd, buffer + done, size - done, (off_t)done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!n)
			return -EAGAIN;
		done += (size_t)n;
	}
	if (fstat(fd, &after))
		return -errno;
	return is_same(st, &after) ? 0 : -EAGAIN;
}

static int check_regular(struct scan *scan, const struct stat *st)
{
	if (!S_ISREG(st->st_mode))
		return refuse(scan, "was replaced while it was read");
	if (st->st_mode & 06000)
		return refuse(scan, "has a set-id bit, which is not replicated: take it away "
				    "(chmod ug-s), or list less");
	if (st->st_size > (off_t)HG_FILE_MAX)
		return refuse(scan, "is larger than 16 MiB: it is no configuration");
	scan->octets += (uint64_t)st->st_size;
	if (scan->octets > HG_FILES_OCTETS_MAX)
		return refuse(scan, "takes its entry above 128 MiB");
	return 0;
}

static int read_regular(struct scan *scan, int fd)
{
	struct hg_oid oid;
	struct stat st;
	unsigned int tries;
	char *buffer;
	int r = -EAGAIN;

	for (tries = 0; tries < READ_TRIES && r == -EAGAIN; tries++) {
		if (fstat(fd, &st))
			return fail(scan, -errno);
		r = check_regular(scan, &st);
		if (r)
			return r;
		buffer = malloc((size_t)st.st_size + 1);
		if (!buffer)
			return -ENOMEM;
		r = read_content(fd, &st, buffer);
		if (!r)
			r = scan->put(scan->arg, buffer, (size_t)st.st_size, &oid);
		free(buffer);
	}
	if (r == -EAGAIN)
		return hg_sync_fail(scan->error, -ETXTBSY,
				    "%s went on changing while it was read: try again", scan->path);
	return r ? fail(scan, r) : add(scan, HG_FILE_REGULAR, &st, &oid);
}

static int scan_regular(struct scan *scan, int dir, const char *name)
{
	int fd, r;

	fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return fail(scan, -errno);
	r = read_regular(scan, fd);
	close(fd);
	return r;
}

static int scan_link(struct scan *scan, int dir, const char *name, const struct stat *st)
{
	char text[HG_FILE_PATH_MAX];
	struct hg_oid oid;
	ssize_t n;
	int r;

	n = readlinkat(dir, name, text, sizeof(text));
	if (n < 0)
		return fail(scan, -errno);
	if (n == sizeof(text))
		return refuse(scan, "is a link with too long a text");
	r = scan->put(scan->arg, text, (size_t)n, &oid);
	return r ? fail(scan, r) : add(scan, HG_FILE_LINK, st, &oid);
}

static int scan_one(struct scan *scan, int dir, const char *name, unsigned int depth);

static int scan_child(struct scan *scan, int dir, const char *name, unsigned int depth)
{
	size_t length = strlen(scan->path);
	int r;

	if (length + 1 + strlen(name) >= sizeof(scan->path))
		return refuse(scan, "holds a path that is too long");
	scan->path[length] = '/';
	strcpy(scan->path + length + 1, name);
	r = hg_path_name_is_clean(name, strlen(name))
		    ? scan_one(scan, dir, name, depth + 1)
		    : refuse(scan, "cannot be carried in a git history: keep it elsewhere, or list "
				   "the files one by one");
	scan->path[length] = '\0';
	return r;
}

static int scan_children(struct scan *scan, DIR *stream, unsigned int depth)
{
	struct dirent *child;
	int r;

	for (;;) {
		errno = 0;
		child = readdir(stream);
		if (!child)
			return errno ? fail(scan, -errno) : 0;
		if (!strcmp(child->d_name, ".") || !strcmp(child->d_name, ".."))
			continue;
		r = scan_child(scan, dirfd(stream), child->d_name, depth);
		if (r)
			return r;
	}
}

static int scan_directory(struct scan *scan, int dir, const char *name, unsigned int depth)
{
	struct stat st;
	DIR *stream;
	int fd, r;

	if (depth > HG_FILE_DEPTH_MAX)
		return refuse(scan, "is too deep");
	fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	stream = fd < 0 ? NULL : fdopendir(fd);
	if (!stream || fstat(fd, &st)) {
		r = fail(scan, -errno);
	} else if (st.st_dev != scan->device) {
		r = refuse(scan, "is a mount of its own: list what is below it as an entry");
	} else if (st.st_mode & 04000) {
		r = refuse(scan, "has a set-user-id bit, which is not replicated");
	} else {
		r = add(scan, HG_FILE_DIRECTORY, &st, NULL);
		if (!r)
			r = scan_children(scan, stream, depth);
	}
	if (stream)
		closedir(stream);
	else if (fd >= 0)
		close(fd);
	return r;
}

static int scan_one(struct scan *scan, int dir, const char *name, unsigned int depth)
{
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW))
		/* Gone since readdir(): an edit in progress. */
		return errno == ENOENT && depth ? 0 : fail(scan, -errno);
	if (!depth)
		scan->device = st.st_dev;
	switch (st.st_mode & S_IFMT) {
	case S_IFREG:
		return scan_regular(scan, dir, name);
	case S_IFDIR:
		return scan_directory(scan, dir, name, depth);
	case S_IFLNK:
		if (!depth)
			return refuse(scan, "is a symbolic link: list what it points to");
		return scan_link(scan, dir, name, &st);
	}
	return refuse(scan, "is a device, FIFO or socket, which is not replicated");
}

int hg_scan_at(const char *at, const char *path, uint32_t entry, hg_files_put_fn *put, void *arg,
	       struct hg_file_set *set, struct hg_sync_error *error)
{
	struct scan scan = { .set = set, .put = put, .arg = arg, .entry = entry, .error = error };
	const char *name;
	struct stat st;
	int dir, r = 0;

	snprintf(scan.path, sizeof(scan.path), "%s", path);
	dir = hg_path_open_parent(at, &name);
	if (dir == -ENOENT)
		return 0;
	if (dir == -ELOOP)
		return refuse(&scan, "lies behind a symbolic link: list its real path");
	if (dir < 0)
		return fail(&scan, dir);
	if (!fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW))
		r = scan_one(&scan, dir, name, 0);
	else if (errno != ENOENT)
		r = fail(&scan, -errno);
	close(dir);
	return r;
}

static int scan_cluster(const char *cluster_path, bool is_lenient, hg_files_put_fn *put, void *arg,
			struct hg_file_set *set, struct hg_sync_error *error)
{
	int r;

	r = hg_scan_at(cluster_path, HG_CLUSTER_PATH, HG_ENTRIES_MAX, put, arg, set, error);
	if (!r && set->file_count && set->file[0].kind != HG_FILE_REGULAR)
		r = hg_sync_fail(error, -EINVAL, "%s is no regular file", cluster_path);
	if (!r && !set->file_count && !is_lenient)
		r = hg_sync_fail(error, -ENOENT, "%s does not exist", cluster_path);
	return r;
}

int hg_files_scan(const struct hg_entry *entry, unsigned int count, const char *cluster_path,
		  bool is_lenient, hg_files_put_fn *put, void *arg, struct hg_file_set *ret,
		  struct hg_sync_error *error)
{
	struct hg_file_set set = { 0 };
	unsigned int i;
	size_t before;
	int r;

	r = hg_entries_check(entry, count, NULL, error);
	if (r)
		return r;
	set.entry = calloc(HG_ENTRIES_MAX, sizeof(*set.entry));
	if (!set.entry)
		return -ENOMEM;
	for (i = 0; i < count; i++)
		set.entry[i] = entry[i];
	set.entry_count = count;
	r = scan_cluster(cluster_path, is_lenient, put, arg, &set, error);
	for (i = 0; i < count && !r; i++) {
		before = set.file_count;
		r = hg_scan_at(entry[i].path, entry[i].path, i, put, arg, &set, error);
		if (!r && set.file_count == before && !is_lenient)
			r = hg_sync_fail(error, -ENOENT,
					 "%s is listed in replicate, but does not exist: make it, "
					 "or take it from the list",
					 entry[i].path);
	}
	if (r) {
		hg_file_set_done(&set);
		return r;
	}
	hg_files_sort(&set);
	*ret = set;
	return 0;
}
