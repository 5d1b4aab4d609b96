// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Makes the run directory, the lock and the listening socket.
 *
 * The lock decides between two agents. It is a POSIX one: the kernel releases it when
 * its holder dies, and forked children do not keep it. Only its holder may remove a socket file, so two agents that start at the
 * same moment cannot remove each other's. The socket gets its mode before it gets a
 * name: there is no moment in which others could connect.
 */
#include "control_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hagate/control.h"

#define LOCK_FILE "hagate.lock"
#define BACKLOG 32

__attribute__((format(printf, 3, 4))) static int fail(struct hg_error *error, int err,
						      const char *format, ...)
{
	va_list list;

	va_start(list, format);
	vsnprintf(error->text, sizeof(error->text), format, list);
	va_end(list);
	return -err;
}

/* mkdir -p; mode 0755 whatever the umask, for those that are made here. */
static int make_directory(const char *run, struct hg_error *error)
{
	char path[PATH_MAX];
	struct stat st;

	if (snprintf(path, sizeof(path), "%s/", run) >= (int)sizeof(path))
		return fail(error, ENAMETOOLONG, "run directory: the path is too long");
	for (char *c = path + 1; *c; c++) {
		if (*c != '/')
			continue;
		*c = '\0';
		if (mkdir(path, 0755) == 0 ? chmod(path, 0755) < 0 : errno != EEXIST)
			return fail(error, errno, "cannot make run directory %s: %s", path,
				    strerror(errno));
		*c = '/';
	}
	if (stat(run, &st) < 0)
		return fail(error, errno, "run directory %s: %s", run, strerror(errno));
	if (!S_ISDIR(st.st_mode))
		return fail(error, ENOTDIR, "run directory %s is not a directory", run);
	return 0;
}

static int take_lock(const char *run, struct hg_error *error)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	char path[PATH_MAX];
	int fd;

	if (snprintf(path, sizeof(path), "%s/" LOCK_FILE, run) >= (int)sizeof(path))
		return fail(error, ENAMETOOLONG, "run directory: the path is too long");
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return fail(error, errno, "cannot open %s: %s", path, strerror(errno));
	if (fcntl(fd, F_SETLK, &lock) == 0)
		return fd;
	if (fcntl(fd, F_GETLK, &lock) < 0)
		lock.l_pid = 0;
	close(fd);
	return fail(error, EADDRINUSE,
		    "another hagated (process %d) runs with run directory %s; stop it first, or "
		    "set paths.run in node.yaml to a directory of its own",
		    (int)lock.l_pid, run);
}

/* Removes what a dead agent left. */
static int clear_path(const char *path, struct hg_error *error)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : fail(error, errno, "%s: %s", path, strerror(errno));
	if (!S_ISSOCK(st.st_mode))
		return fail(error, EEXIST, "%s is in the way and is no socket; remove it", path);
	if (unlink(path) < 0)
		return fail(error, errno, "cannot remove the stale socket %s: %s", path,
			    strerror(errno));
	return 0;
}

/* Without the right to give it away the socket stays with root: people need sudo
 * then, which is no reason not to run a gateway. */
static int set_owner(const char *path, const char *group, struct hg_error *error)
{
	struct group *entry = group ? getgrnam(group) : NULL;

	if (entry && chown(path, (uid_t)-1, entry->gr_gid) < 0 && errno != EPERM)
		return fail(error, errno, "cannot give %s to group %s: %s", path, group,
			    strerror(errno));
	if (chmod(path, 0660) < 0)
		return fail(error, errno, "cannot set the mode of %s: %s", path, strerror(errno));
	return 0;
}

static int bind_and_listen(int fd, const char *path, const char *group, struct hg_error *error)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int err;

	memcpy(address.sun_path, path, strlen(path) + 1);
	if (fchmod(fd, 0600) < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return fail(error, errno, "cannot make the control socket %s: %s", path,
			    strerror(errno));
	err = set_owner(path, group, error);
	if (!err && listen(fd, BACKLOG) < 0)
		err = fail(error, errno, "cannot listen on %s: %s", path, strerror(errno));
	if (err)
		unlink(path);
	return err;
}

int hg_control_socket_open(const char *run, const char *group, struct hg_control_socket *ret,
			   struct hg_error *error)
{
	struct hg_control_socket sock = { .fd = -1, .lock_fd = -1 };
	int err = make_directory(run, error);

	if (err)
		return err;
	if (snprintf(sock.path, sizeof(sock.path), "%s/" HG_CTL_SOCKET, run) >=
	    (int)sizeof(sock.path))
		return fail(error, ENAMETOOLONG,
			    "the path %s/" HG_CTL_SOCKET " is longer than a socket's may be "
			    "(%zu octets); set paths.run in node.yaml to a shorter one",
			    run, sizeof(sock.path) - 1);
	sock.lock_fd = take_lock(run, error);
	if (sock.lock_fd < 0)
		return sock.lock_fd;
	err = clear_path(sock.path, error);
	if (err)
		goto out;
	sock.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (sock.fd < 0) {
		err = fail(error, errno, "control socket: %s", strerror(errno));
		goto out;
	}
	err = bind_and_listen(sock.fd, sock.path, group, error);
	if (err)
		goto out;
	*ret = sock;
	return 0;
out:
	if (sock.fd >= 0)
		close(sock.fd);
	close(sock.lock_fd);
	return err;
}

void hg_control_socket_close(struct hg_control_socket *sock)
{
	unlink(sock->path);
	close(sock->fd);
	close(sock->lock_fd);
}
