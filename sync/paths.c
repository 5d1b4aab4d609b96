// SPDX-License-Identifier: GPL-2.0-or-later
/* Directories, without ever following a symbolic link. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sync/paths.h"

#define REMOVE_DEPTH_MAX (HG_FILE_DEPTH_MAX + 8)

int hg_path_open_parent(const char *path, const char **ret_name)
{
	struct open_how how = {
		.flags = O_DIRECTORY | O_RDONLY | O_CLOEXEC,
		.resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};
	const char *slash = strrchr(path, '/');
	char dir[HG_FILE_PATH_MAX + 1];
	size_t length;
	int fd;

	if (!slash || !slash[1] || path[0] != '/')
		return -EINVAL;
	length = slash == path ? 1 : (size_t)(slash - path);
	if (length >= sizeof(dir))
		return -ENAMETOOLONG;
	memcpy(dir, path, length);
	dir[length] = '\0';
	fd = (int)syscall(SYS_openat2, AT_FDCWD, dir, &how, sizeof(how));
	if (fd < 0)
		return -errno;
	*ret_name = slash + 1;
	return fd;
}

static int remove_tree(int dir, const char *name, unsigned int depth);

static int remove_children(int dir, unsigned int depth)
{
	struct dirent *child;
	DIR *stream;
	int r = 0;

	stream = fdopendir(dir);
	if (!stream) {
		r = -errno;
		close(dir);
		return r;
	}
	for (;;) {
		errno = 0;
		child = readdir(stream);
		if (!child) {
			r = -errno;
			break;
		}
		if (!strcmp(child->d_name, ".") || !strcmp(child->d_name, ".."))
			continue;
		r = remove_tree(dirfd(stream), child->d_name, depth + 1);
		if (r)
			break;
	}
	closedir(stream);
	return r;
}

static int remove_tree(int dir, const char *name, unsigned int depth)
{
	int fd, r;

	if (depth > REMOVE_DEPTH_MAX)
		return -ELOOP;
	if (!unlinkat(dir, name, 0) || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return -errno;
	fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = remove_children(fd, depth);
	if (r)
		return r;
	return unlinkat(dir, name, AT_REMOVEDIR) && errno != ENOENT ? -errno : 0;
}

int hg_path_remove(int dir, const char *name)
{
	return remove_tree(dir, name, 0);
}

int hg_path_sync(int dir)
{
	return fsync(dir) ? -errno : 0;
}

int hg_path_write(int fd, const void *data, size_t length)
{
	const char *p = data;
	ssize_t n;

	while (length) {
		n = write(fd, p, length);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!n)
			return -EIO;
		p += n;
		length -= (size_t)n;
	}
	return 0;
}
