// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Reading the cluster key (keyfile.h). The mode is checked on the open file, so that
 * nobody can exchange it in between.
 */
#include "agent/keyfile.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DIGITS (2 * HG_KEYFILE_LEN)
#define TEXT_MAX (DIGITS + 2) /* with a line end, which may be CR LF */

__attribute__((format(printf, 3, 4))) static int fail(struct hg_error *error, int code,
						      const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(error->text, sizeof(error->text), format, args);
	va_end(args);
	return code;
}

/* A credential of systemd (LoadCredential=) on a file system with ACLs is root's, and the user
 * of the service reads it by an ACL, which the mode shows as readable by the group. */
static bool is_credential(const char *path, const struct stat *st)
{
	const char *dir = getenv("CREDENTIALS_DIRECTORY");
	size_t length = dir ? strlen(dir) : 0;

	return length && !strncmp(path, dir, length) && path[length] == '/' &&
	       !strchr(path + length + 1, '/') && !st->st_uid && !st->st_gid &&
	       !(st->st_mode & 037);
}

static int check_file(const char *path, int fd, struct hg_error *error)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return fail(error, -errno, "key file %s: %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return fail(error, -EINVAL, "key file %s is not a regular file", path);
	if (st.st_mode & 077 && !is_credential(path, &st))
		return fail(error, -EPERM,
			    "key file %s is open to others than its owner (mode %04o): chmod 600 "
			    "it, and make a new key if somebody may have read it",
			    path, st.st_mode & 07777);
	if (st.st_uid && st.st_uid != geteuid())
		return fail(error, -EPERM, "key file %s belongs to user %u: chown root it", path,
			    st.st_uid);
	return 0;
}

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* 64 digits and at most one line end. Digits first, so that a wrong one is found
 * before `ret` is written to. */
static bool decode(const char *text, size_t length, unsigned char *ret)
{
	unsigned int i;

	if (length == DIGITS + 2 && !memcmp(text + DIGITS, "\r\n", 2))
		length = DIGITS;
	if (length == DIGITS + 1 && text[DIGITS] == '\n')
		length = DIGITS;
	if (length != DIGITS)
		return false;
	for (i = 0; i < DIGITS; i++)
		if (digit(text[i]) < 0)
			return false;
	for (i = 0; i < HG_KEYFILE_LEN; i++)
		ret[i] = digit(text[2 * i]) << 4 | digit(text[2 * i + 1]);
	return true;
}

/* One octet more than a key has shows that the file holds more than a key. */
static int read_text(int fd, char text[TEXT_MAX + 1], size_t *ret_length)
{
	size_t length = 0;
	ssize_t n;

	while (length <= TEXT_MAX) {
		n = read(fd, text + length, TEXT_MAX + 1 - length);
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

static int fail_missing(const char *path, bool is_copy, struct hg_error *error)
{
	if (is_copy)
		return fail(error, -ENOENT,
			    "key file %s does not exist: copy it from the member, there: "
			    "scp -p FILE root@THIS-MACHINE:%s, FILE being its cluster.key",
			    path, path);
	return fail(error, -ENOENT,
		    "key file %s does not exist: copy it from the peer, or make one with "
		    "`hagate keygen %s`",
		    path, path);
}

static int read_key(const char *path, bool is_copy, unsigned char ret[HG_KEYFILE_LEN],
		    struct hg_error *error)
{
	char text[TEXT_MAX + 1];
	size_t length = 0;
	int result;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	if (fd < 0 && errno == ENOENT)
		return fail_missing(path, is_copy, error);
	if (fd < 0)
		return fail(error, -errno, "key file %s: %s", path, strerror(errno));
	result = check_file(path, fd, error);
	if (!result) {
		result = read_text(fd, text, &length);
		if (result)
			fail(error, result, "key file %s: %s", path, strerror(-result));
	}
	if (!result && !decode(text, length, ret))
		result = fail(error, -EINVAL,
			      "key file %s does not hold %d hex digits and nothing else: %s", path,
			      DIGITS,
			      is_copy ? "copy it from the member again"
				      : "make one with `hagate keygen`");
	sodium_memzero(text, sizeof(text));
	close(fd);
	return result;
}

int hg_keyfile_read(const char *path, unsigned char ret[HG_KEYFILE_LEN], struct hg_error *error)
{
	return read_key(path, false, ret, error);
}

int hg_keyfile_read_copy(const char *path, unsigned char ret[HG_KEYFILE_LEN],
			 struct hg_error *error)
{
	return read_key(path, true, ret, error);
}

void hg_keyfile_wipe(unsigned char key[HG_KEYFILE_LEN])
{
	sodium_memzero(key, HG_KEYFILE_LEN);
}
