// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * `hagate keygen FILE`: the cluster key, 64 hex digits of the kernel's random numbers.
 * A key that is there is never touched: with a new one the nodes would not know each
 * other.
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tool.h"

#define KEY_LEN 32

/* 64 digits and a newline. */
static int make_key(char text[2 * KEY_LEN + 2])
{
	unsigned char key[KEY_LEN];

	if (getrandom(key, sizeof(key), 0) != (ssize_t)sizeof(key))
		return -errno;
	for (size_t i = 0; i < KEY_LEN; i++)
		snprintf(text + 2 * i, 3, "%02x", key[i]);
	memcpy(text + 2 * KEY_LEN, "\n", 2);
	explicit_bzero(key, sizeof(key));
	return 0;
}

/* So that the name survives a power failure as well as the content. */
static int sync_directory(const char *path)
{
	char copy[PATH_MAX];
	int err = 0, fd;

	if (snprintf(copy, sizeof(copy), "%s", path) >= (int)sizeof(copy))
		return -ENAMETOOLONG;
	fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fsync(fd) < 0)
		err = -errno;
	close(fd);
	return err;
}

int hg_keygen_write(const char *path)
{
	char text[2 * KEY_LEN + 2];
	int err = make_key(text);
	int fd;

	if (err)
		return err;
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0) {
		err = -errno;
		explicit_bzero(text, sizeof(text));
		return err;
	}
	if (fchmod(fd, 0600) < 0)
		err = -errno;
	else if (write(fd, text, sizeof(text) - 1) != (ssize_t)(sizeof(text) - 1))
		err = errno ? -errno : -EIO;
	else if (fsync(fd) < 0)
		err = -errno;
	explicit_bzero(text, sizeof(text));
	if (close(fd) < 0 && !err)
		err = -errno;
	if (!err)
		err = sync_directory(path);
	if (err)
		unlink(path);
	return err;
}

int hg_keygen_run(const struct hg_tool *tool)
{
	int err = hg_keygen_write(tool->argument);

	if (!err) {
		printf("New cluster key in %s. Copy it to the other node over a safe way (scp -p);\n"
		       "whoever has it can take over the gateway.\n",
		       tool->argument);
		return HG_EXIT_OK;
	}
	if (err == -EEXIST)
		fprintf(stderr,
			"hagate: %s is there already and is left alone; to replace the key, move the "
			"old one away first\n",
			tool->argument);
	else
		fprintf(stderr, "hagate: cannot make %s: %s\n", tool->argument, strerror(-err));
	return HG_EXIT_FAILED;
}
