// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The pin directory: mounts bpffs where it is missing, makes the directory, locks
 * it, lists it. Owns no state; the lock is an open directory with flock.
 *
 * A directory can be removed between open and flock, so the lock counts only
 * when the path still leads to the directory that was locked.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include <linux/magic.h>

#include "internal.h"

#define BPFFS_ROOT "/sys/fs/bpf"
#define LOCK_TRIES 100 /* of 100 ms */

static bool is_bpffs(const char *path)
{
	struct statfs fs;

	return statfs(path, &fs) == 0 && (unsigned long)fs.f_type == BPF_FS_MAGIC;
}

/* flock with a bound: a stuck holder must not hang an agent for ever. */
static int lock_fd(int fd)
{
	const struct timespec pause = { .tv_nsec = 100 * 1000 * 1000 };
	int i;

	for (i = 0; i < LOCK_TRIES; i++) {
		if (flock(fd, LOCK_EX | LOCK_NB) == 0)
			return 0;
		if (errno != EWOULDBLOCK && errno != EINTR)
			return -errno;
		nanosleep(&pause, NULL);
	}
	return -EBUSY;
}

/* Two processes that find no bpffs must not mount two on top of each other, so the
 * directory below is locked meanwhile and the question asked again. */
static int mount_root(struct hg_error *error)
{
	int err = 0, fd;

	fd = open(BPFFS_ROOT, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return hg_loader_fail(error, -errno, "%s: %s: the kernel needs CONFIG_BPF_SYSCALL",
				      BPFFS_ROOT, strerror(errno));
	err = lock_fd(fd);
	if (!err && !is_bpffs(BPFFS_ROOT) && mount("bpf", BPFFS_ROOT, "bpf", 0, "mode=0700"))
		err = -errno;
	close(fd);
	if (err)
		hg_loader_fail(error, err, "cannot mount bpffs (mount -t bpf bpf %s): %s",
			       BPFFS_ROOT, strerror(-err));
	return err;
}

/* Makes PATH and its parents, but only on a bpffs. `path` is written to meanwhile. */
static int make_path(char *path, struct hg_error *error)
{
	char *slash;
	int err;

	if (access(path, F_OK) == 0)
		return is_bpffs(path)
			       ? 0
			       : hg_loader_fail(error, -EINVAL,
						"%s is not on a bpffs: put `pin` below %s, or run: "
						"mount -t bpf bpf %s",
						path, BPFFS_ROOT, path);
	slash = strrchr(path, '/');
	if (!slash || slash == path)
		return hg_loader_fail(error, -EINVAL, "%s: not a path below a bpffs", path);
	*slash = '\0';
	err = make_path(path, error);
	*slash = '/';
	if (err)
		return err;
	if (mkdir(path, 0700) && errno != EEXIST)
		return hg_loader_fail(error, -errno, "cannot make %s: %s", path, strerror(errno));
	return 0;
}

static int prepare(const char *pin, struct hg_error *error)
{
	size_t root = strlen(BPFFS_ROOT);
	char path[PATH_MAX];
	int err;

	if (!strncmp(pin, BPFFS_ROOT "/", root + 1) && !is_bpffs(BPFFS_ROOT)) {
		err = mount_root(error);
		if (err)
			return err;
	}
	snprintf(path, sizeof(path), "%s", pin);
	return make_path(path, error);
}

static bool is_same(int fd, const char *path)
{
	struct stat a, b;

	return fstat(fd, &a) == 0 && stat(path, &b) == 0 && a.st_ino == b.st_ino &&
	       a.st_dev == b.st_dev;
}

/*
 * is_create: mounts and makes what is missing; else -ENOENT when there is no such
 * directory on a bpffs. -EBUSY: another process keeps the lock.
 */
int hg_bpffs_enter(const char *pin, bool is_create, int *ret_lock, struct hg_error *error)
{
	int err, fd;

	hg_loader_quiet();
	if (geteuid() != 0)
		return hg_loader_fail(error, -EPERM, "loading XDP programs needs root");
	if (pin[0] != '/' || strlen(pin) + HG_WIRE_NAME_LEN + 16 > PATH_MAX)
		return hg_loader_fail(error, -EINVAL, "%s: the pin directory is an absolute path",
				      pin);
	for (;;) {
		err = is_create ? prepare(pin, error) : 0;
		if (err)
			return err;
		if (!is_create && (access(pin, F_OK) || !is_bpffs(pin)))
			return hg_loader_fail(error, -ENOENT, "%s: no such directory on a bpffs",
					      pin);
		fd = open(pin, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0 && errno == ENOENT)
			continue;
		if (fd < 0)
			return hg_loader_fail(error, -errno, "%s: %s", pin, strerror(errno));
		err = lock_fd(fd);
		if (err) {
			close(fd);
			return hg_loader_fail(error, err,
					      "%s is in use by another process (fuser %s): %s", pin,
					      pin, strerror(-err));
		}
		if (is_same(fd, pin))
			break;
		close(fd);
	}
	*ret_lock = fd;
	return 0;
}

void hg_bpffs_leave(int lock)
{
	if (lock >= 0)
		close(lock);
}

int hg_bpffs_path(const char *pin, const char *prefix, const char *name, char ret[PATH_MAX],
		  struct hg_error *error)
{
	int len = snprintf(ret, PATH_MAX, "%s/%s%s", pin, prefix, name);

	if (len >= PATH_MAX || !*name || strchr(name, '/') || strchr(name, '.'))
		return hg_loader_fail(error, -EINVAL, "'%s' does not do as a name in %s", name,
				      pin);
	return 0;
}

static int is_visible(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

int hg_bpffs_each(const char *pin, const char *prefix, hg_bpffs_fn fn, void *context)
{
	struct dirent **list;
	int count, i, result = 0;

	count = scandir(pin, &list, is_visible, alphasort);
	if (count < 0)
		return -errno;
	for (i = 0; i < count; i++) {
		if (!result && !strncmp(list[i]->d_name, prefix, strlen(prefix)))
			result = fn(context, list[i]->d_name);
		free(list[i]);
	}
	free(list);
	return result;
}
