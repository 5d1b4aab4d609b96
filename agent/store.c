// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Small state files that survive a crash at any moment. See store.h.
 *
 * Owner of the files: the worker while hagated runs (one writer at a time, so the
 * name of the temporary file can be fixed and a leftover is simply overwritten).
 */
#include "agent/store.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define EPOCH "epoch"
#define MAINTENANCE "maintenance"
#define VALUE_DIGITS 20
#define SUM_DIGITS 16
#define LINE_MAX_LEN 80

static uint64_t fnv1a(const char *text, size_t length)
{
	uint64_t hash = UINT64_C(14695981039346656037);

	for (size_t i = 0; i < length; i++)
		hash = (hash ^ (uint8_t)text[i]) * UINT64_C(1099511628211);
	return hash;
}

/* The line for a value; its length depends on the name alone. */
static size_t format_line(char line[LINE_MAX_LEN], const char *name, uint64_t value)
{
	int length = snprintf(line, LINE_MAX_LEN, "hagate %s 1 %0*" PRIu64 " ", name, VALUE_DIGITS,
			      value);

	length += snprintf(line + length, LINE_MAX_LEN - length, "%0*" PRIx64 "\n", SUM_DIGITS,
			   fnv1a(line, length));
	return length;
}

/* The only line accepted for a value is the one that format_line() makes of it. */
static int parse_line(const char *text, size_t length, const char *name, uint64_t *ret)
{
	char line[LINE_MAX_LEN], digits[VALUE_DIGITS + 1];
	size_t expected = format_line(line, name, 0);
	uint64_t value;

	if (length != expected)
		return -EBADMSG;
	memcpy(digits, text + expected - SUM_DIGITS - VALUE_DIGITS - 2, VALUE_DIGITS);
	digits[VALUE_DIGITS] = '\0';
	errno = 0;
	value = strtoull(digits, NULL, 10);
	if (errno)
		return -EBADMSG;
	format_line(line, name, value);
	if (memcmp(line, text, expected))
		return -EBADMSG;
	*ret = value;
	return 0;
}

static int open_dir(const char *dir)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static int read_full(int fd, char *buffer, size_t size, size_t *ret_length)
{
	size_t length = 0;

	while (length < size) {
		ssize_t n = read(fd, buffer + length, size - length);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!n)
			break;
		length += n;
	}
	*ret_length = length;
	return 0;
}

static int write_full(int fd, const char *buffer, size_t length)
{
	while (length) {
		ssize_t n = write(fd, buffer, length);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		buffer += n;
		length -= n;
	}
	return 0;
}

static int read_value(const char *dir, const char *name, uint64_t *ret)
{
	char text[LINE_MAX_LEN];
	size_t length = 0;
	int dirfd, fd, err;

	dirfd = open_dir(dir);
	if (dirfd < 0)
		return dirfd;
	/* O_NONBLOCK: somebody's FIFO of that name must not hold up the start. */
	fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	err = fd < 0 ? -errno : 0;
	close(dirfd);
	if (err)
		return err;
	err = read_full(fd, text, sizeof(text), &length);
	close(fd);
	return err ? err : parse_line(text, length, name, ret);
}

/* Fills and syncs the temporary file; it must be complete before it gets its name. */
static int write_temporary(int dirfd, const char *name, const char *line, size_t length)
{
	int fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	int err;

	if (fd < 0)
		return -errno;
	err = write_full(fd, line, length);
	if (!err && fsync(fd))
		err = -errno;
	/* close() may report what a network file system could not write */
	if (close(fd) && !err)
		err = -errno;
	return err;
}

static int write_value(const char *dir, const char *name, uint64_t value)
{
	char line[LINE_MAX_LEN], temporary[NAME_MAX];
	size_t length = format_line(line, name, value);
	int dirfd, err;

	snprintf(temporary, sizeof(temporary), ".%s.tmp", name);
	dirfd = open_dir(dir);
	if (dirfd < 0)
		return dirfd;
	err = write_temporary(dirfd, temporary, line, length);
	if (!err && renameat(dirfd, temporary, dirfd, name))
		err = -errno;
	if (err)
		unlinkat(dirfd, temporary, 0);
	else if (fsync(dirfd))
		err = -errno;
	close(dirfd);
	return err;
}

static int sync_dir(const char *dir)
{
	int fd = open_dir(dir);
	int err;

	if (fd < 0)
		return fd;
	err = fsync(fd) ? -errno : 0;
	close(fd);
	return err;
}

int hg_store_prepare(const char *dir)
{
	char path[PATH_MAX];
	size_t length = strlen(dir);
	struct stat st;

	if (!length || length >= sizeof(path))
		return length ? -ENAMETOOLONG : -EINVAL;
	memcpy(path, dir, length + 1);
	for (char *p = path + 1; *p; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		if (mkdir(path, 0755) && errno != EEXIST)
			return -errno;
		*p = '/';
	}
	if (mkdir(path, 0700) && errno != EEXIST)
		return -errno;
	if (stat(path, &st))
		return -errno;
	return S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
}

int hg_store_read_epoch(const char *dir, uint64_t *ret_counter)
{
	uint64_t counter;
	int err = read_value(dir, EPOCH, &counter);

	if (err)
		return err;
	if (counter > HG_STORE_COUNTER_MAX)
		return -EBADMSG;
	*ret_counter = counter;
	return 0;
}

int hg_store_read_maintenance(const char *dir, bool *ret_is_on)
{
	uint64_t value;
	int err = read_value(dir, MAINTENANCE, &value);

	if (err)
		return err;
	if (value > 1)
		return -EBADMSG;
	*ret_is_on = value;
	return 0;
}

int hg_store_write_epoch(const char *dir, uint64_t counter)
{
	uint64_t stored;

	if (counter > HG_STORE_COUNTER_MAX)
		return -EINVAL;
	/* Synced all the same: an earlier write may have failed after its rename. */
	if (!hg_store_read_epoch(dir, &stored) && stored >= counter)
		return sync_dir(dir);
	return write_value(dir, EPOCH, counter);
}

int hg_store_write_maintenance(const char *dir, bool is_on)
{
	return write_value(dir, MAINTENANCE, is_on);
}

uint64_t hg_store_reserve(uint64_t next)
{
	if (next > HG_STORE_COUNTER_MAX - HG_STORE_BLOCK)
		return HG_STORE_COUNTER_MAX;
	return next + HG_STORE_BLOCK;
}

bool hg_store_is_low(uint64_t next, uint64_t reserved)
{
	return reserved < next || reserved - next < HG_STORE_BLOCK / 2;
}
