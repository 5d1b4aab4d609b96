// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A received pack, measured before anything else reads it.
 *
 * Format (gitformat-pack): "PACK", version 2, number of objects; each object a type and the
 * size of its content in a variable-length number, then a zlib stream; SHA-1 of it all at
 * the end. Deltas are refused: they name a size of their own that only shows when they
 * are put together, and we never send any. So what is inflated here, octet by octet into a
 * window of fixed size, is all that the pack can ever become. The hash is left to libgit2.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "sync/store.h"

#define WINDOW (64u * 1024)
#define TRAILER 20

enum pack_type { PACK_COMMIT = 1, PACK_TREE = 2, PACK_BLOB = 3 };

struct reader {
	int fd;
	uint64_t left; /* in the file, not yet in the buffer */
	size_t at, have;
	unsigned char buffer[WINDOW];
	unsigned char window[WINDOW]; /* inflated; never looked at */
};

static int fill(struct reader *reader)
{
	size_t want = reader->left < WINDOW ? (size_t)reader->left : WINDOW;
	ssize_t n;

	do {
		n = read(reader->fd, reader->buffer, want);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	if (!n)
		return -EBADMSG;
	reader->at = 0;
	reader->have = (size_t)n;
	reader->left -= (uint64_t)n;
	return 0;
}

static int next_octet(struct reader *reader)
{
	int r;

	if (reader->at == reader->have) {
		r = fill(reader);
		if (r)
			return r;
	}
	return reader->buffer[reader->at++];
}

static int read_word(struct reader *reader, uint32_t *ret)
{
	uint32_t word = 0;
	unsigned int i;
	int octet;

	for (i = 0; i < 4; i++) {
		octet = next_octet(reader);
		if (octet < 0)
			return octet;
		word = word << 8 | (uint32_t)octet;
	}
	*ret = word;
	return 0;
}

static int read_head(struct reader *reader, unsigned int *ret_type, uint64_t *ret_size)
{
	unsigned int shift = 4;
	uint64_t size;
	int octet;

	octet = next_octet(reader);
	if (octet < 0)
		return octet;
	*ret_type = (unsigned int)octet >> 4 & 7;
	size = (uint64_t)octet & 15;
	while (octet & 0x80) {
		octet = next_octet(reader);
		if (octet < 0)
			return octet;
		if (shift > 50)
			return -EBADMSG;
		size |= (uint64_t)(octet & 0x7f) << shift;
		shift += 7;
	}
	*ret_size = size;
	return 0;
}

/* One zlib stream that inflates to exactly `size`. */
static int skip_content(struct reader *reader, z_stream *zlib, uint64_t size)
{
	uint64_t done = 0;
	int r, z = Z_OK;

	if (inflateReset(zlib) != Z_OK)
		return -EBADMSG;
	while (z != Z_STREAM_END) {
		if (reader->at == reader->have) {
			r = fill(reader);
			if (r)
				return r;
		}
		zlib->next_in = reader->buffer + reader->at;
		zlib->avail_in = (uInt)(reader->have - reader->at);
		zlib->next_out = reader->window;
		zlib->avail_out = WINDOW;
		z = inflate(zlib, Z_NO_FLUSH);
		if (z != Z_OK && z != Z_STREAM_END)
			return -EBADMSG;
		done += WINDOW - zlib->avail_out;
		reader->at = reader->have - zlib->avail_in;
		if (done > size)
			return -EBADMSG;
	}
	return done == size ? 0 : -EBADMSG;
}

static int measure_objects(struct reader *reader, z_stream *zlib, uint32_t count,
			   const struct hg_import_limits *limits)
{
	uint64_t size, total = 0;
	unsigned int type;
	uint32_t i;
	int r;

	for (i = 0; i < count; i++) {
		r = read_head(reader, &type, &size);
		if (r)
			return r;
		if (type != PACK_COMMIT && type != PACK_TREE && type != PACK_BLOB)
			return -EBADMSG;
		total += size;
		if (size > limits->object_octets || total > limits->inflated_octets)
			return -E2BIG;
		r = skip_content(reader, zlib, size);
		if (r)
			return r;
	}
	/* What is left is the hash. */
	return reader->left + (reader->have - reader->at) == 0 ? 0 : -EBADMSG;
}

static int measure(struct reader *reader, z_stream *zlib, const struct hg_import_limits *limits)
{
	uint32_t magic, version, count;
	int r;

	r = read_word(reader, &magic);
	if (!r)
		r = read_word(reader, &version);
	if (!r)
		r = read_word(reader, &count);
	if (r)
		return r;
	if (magic != 0x5041434b || version != 2 || !count)
		return -EBADMSG;
	if (count > limits->objects)
		return -E2BIG;
	return measure_objects(reader, zlib, count, limits);
}

int hg_pack_measure(int fd, const struct hg_import_limits *limits, struct hg_sync_error *error)
{
	struct reader *reader;
	z_stream zlib = { 0 };
	off_t size;
	int r;

	size = lseek(fd, 0, SEEK_END);
	if (size < 0 || lseek(fd, 0, SEEK_SET) < 0)
		return hg_sync_fail(error, -errno, "pack: %s", strerror(errno));
	if (size < 12 + TRAILER)
		return hg_sync_fail(error, -EBADMSG, "the pack is cut off");
	if ((uint64_t)size > limits->pack_octets)
		return hg_sync_fail(error, -E2BIG, "the pack is larger than %llu octets",
				    (unsigned long long)limits->pack_octets);
	reader = malloc(sizeof(*reader));
	if (!reader || inflateInit(&zlib) != Z_OK) {
		free(reader);
		return -ENOMEM;
	}
	reader->fd = fd;
	reader->left = (uint64_t)size - TRAILER;
	reader->at = reader->have = 0;
	r = measure(reader, &zlib, limits);
	inflateEnd(&zlib);
	free(reader);
	if (r == -E2BIG)
		return hg_sync_fail(error, r, "the pack holds more than the limits allow");
	if (r == -EBADMSG)
		return hg_sync_fail(error, r, "the pack is damaged, or has deltas");
	return r ? hg_sync_fail(error, r, "pack: %s", strerror(-r)) : 0;
}
