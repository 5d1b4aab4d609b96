/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See identity.h. The only line accepted is the one that would be written. */
#include "agent/identity.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define TEMPORARY ".identity.tmp"
#define TEXT_MAX 192

static uint64_t fnv1a(const char *text, size_t length)
{
	uint64_t hash = UINT64_C(14695981039346656037);

	for (size_t i = 0; i < length; i++)
		hash = (hash ^ (uint8_t)text[i]) * UINT64_C(1099511628211);
	return hash;
}

static void to_hex(const uint8_t *octets, size_t count, char *ret)
{
	for (size_t i = 0; i < count; i++)
		sprintf(ret + 2 * i, "%02x", octets[i]);
}

static bool from_hex(const char *text, size_t count, uint8_t *ret)
{
	static const char digits[] = "0123456789abcdef";
	uint8_t value[32];

	if (count > sizeof(value) || strspn(text, digits) < 2 * count)
		return false;
	for (size_t i = 0; i < count; i++)
		value[i] = (strchr(digits, text[2 * i]) - digits) << 4 |
			   (strchr(digits, text[2 * i + 1]) - digits);
	memcpy(ret, value, count);
	return true;
}

const char *hg_identity_uuid_text(const uint8_t uuid[HG_UUID_LEN], char ret[HG_UUID_TEXT])
{
	char hex[2 * HG_UUID_LEN + 1];

	to_hex(uuid, HG_UUID_LEN, hex);
	snprintf(ret, HG_UUID_TEXT, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16,
		 hex + 20);
	return ret;
}

const char *hg_identity_head_text(const uint8_t head[HG_HEAD_LEN], char ret[HG_HEAD_TEXT])
{
	to_hex(head, HG_HEAD_LEN, ret);
	return ret;
}

bool hg_identity_head_parse(const char *text, uint8_t ret[HG_HEAD_LEN])
{
	return strlen(text) == 2 * HG_HEAD_LEN && from_hex(text, HG_HEAD_LEN, ret);
}

bool hg_identity_uuid_parse(const char *text, uint8_t ret[HG_UUID_LEN])
{
	char hex[2 * HG_UUID_LEN + 1], again[HG_UUID_TEXT];
	uint8_t uuid[HG_UUID_LEN];

	if (strlen(text) != HG_UUID_TEXT - 1)
		return false;
	snprintf(hex, sizeof(hex), "%.8s%.4s%.4s%.4s%.12s", text, text + 9, text + 14, text + 19,
		 text + 24);
	if (!from_hex(hex, HG_UUID_LEN, uuid) || strcmp(hg_identity_uuid_text(uuid, again), text))
		return false;
	memcpy(ret, uuid, sizeof(uuid));
	return true;
}

void hg_identity_make_uuid(uint8_t ret[HG_UUID_LEN])
{
	randombytes_buf(ret, HG_UUID_LEN);
	ret[6] = (ret[6] & 0x0f) | 0x40; /* RFC 9562, version 4 */
	ret[8] = (ret[8] & 0x3f) | 0x80;
}

static size_t format(const struct hg_identity *identity, char ret[TEXT_MAX])
{
	char uuid[HG_UUID_TEXT], head[HG_HEAD_TEXT];
	int length;

	length = snprintf(ret, TEXT_MAX, "hagate identity 1 %s %020" PRIu64 " %s ",
			  hg_identity_uuid_text(identity->cluster, uuid), identity->generation,
			  hg_identity_head_text(identity->head, head));
	return length +
	       snprintf(ret + length, TEXT_MAX - length, "%016" PRIx64 "\n", fnv1a(ret, length));
}

static int parse(const char *text, size_t length, struct hg_identity *ret)
{
	struct hg_identity found = { .generation = 0 };
	char uuid[HG_UUID_TEXT], head[HG_HEAD_TEXT], again[TEXT_MAX];

	if (sscanf(text, "hagate identity 1 %36s %20" SCNu64 " %40s ", uuid, &found.generation,
		   head) != 3 ||
	    !hg_identity_uuid_parse(uuid, found.cluster) ||
	    !hg_identity_head_parse(head, found.head))
		return -EBADMSG;
	if (format(&found, again) != length || memcmp(text, again, length))
		return -EBADMSG;
	*ret = found;
	return 0;
}

int hg_identity_read(const char *state_dir, struct hg_identity *ret)
{
	char path[PATH_MAX], text[TEXT_MAX];
	ssize_t length;
	int fd;

	if (snprintf(path, sizeof(path), "%s/" HG_IDENTITY_FILE, state_dir) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	length = read(fd, text, sizeof(text) - 1);
	if (length < 0)
		length = -errno;
	close(fd);
	if (length < 0)
		return length;
	text[length] = '\0';
	return parse(text, length, ret);
}

static int write_temporary(int dirfd, const char *text, size_t length)
{
	int fd = openat(dirfd, TEMPORARY, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC,
			0600);
	ssize_t written;
	int err = 0;

	if (fd < 0)
		return -errno;
	written = write(fd, text, length);
	if (written != (ssize_t)length)
		err = written < 0 ? -errno : -ENOSPC;
	if (!err && fsync(fd))
		err = -errno;
	if (close(fd) && !err)
		err = -errno;
	return err;
}

int hg_identity_write(const char *state_dir, const struct hg_identity *identity)
{
	char text[TEXT_MAX];
	size_t length = format(identity, text);
	int dirfd = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int err;

	if (dirfd < 0)
		return -errno;
	err = write_temporary(dirfd, text, length);
	if (!err && renameat(dirfd, TEMPORARY, dirfd, HG_IDENTITY_FILE))
		err = -errno;
	if (err)
		unlinkat(dirfd, TEMPORARY, 0);
	else if (fsync(dirfd))
		err = -errno;
	close(dirfd);
	return err;
}
