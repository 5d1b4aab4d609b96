// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * hg_events: records from the data path. The position is kept in the map, so an
 * agent that restarts goes on where the last one stopped.
 */
#include <errno.h>
#include <stdlib.h>

#include "internal.h"

/* Per call, so that a flood of records cannot keep the caller; the fd stays readable
 * while records are left. */
#define RECORDS_MAX 256

struct hg_ring {
	struct ring_buffer *buffer;
	hg_ring_fn fn;
	void *context;
	unsigned int left;
};

static int on_record(void *context, void *data, size_t len)
{
	struct hg_ring *ring = context;

	if (len >= sizeof(struct hg_event))
		ring->fn(ring->context, data);
	return --ring->left ? 0 : -EAGAIN;
}

int hg_ring_new(const struct hg_maps *maps, hg_ring_fn fn, void *context, struct hg_ring **ret)
{
	struct hg_ring *ring;
	int err;

	hg_loader_quiet();
	ring = calloc(1, sizeof(*ring));
	if (!ring)
		return -ENOMEM;
	ring->fn = fn;
	ring->context = context;
	ring->buffer = ring_buffer__new(maps->events_fd, on_record, ring, NULL);
	if (!ring->buffer) {
		err = -errno;
		free(ring);
		return err;
	}
	*ret = ring;
	return 0;
}

int hg_ring_fd(const struct hg_ring *ring)
{
	return ring_buffer__epoll_fd(ring->buffer);
}

int hg_ring_consume(struct hg_ring *ring)
{
	int result;

	ring->left = RECORDS_MAX;
	result = ring_buffer__consume(ring->buffer);
	return result < 0 && result != -EAGAIN ? result : 0;
}

void hg_ring_free(struct hg_ring *ring)
{
	if (!ring)
		return;
	ring_buffer__free(ring->buffer);
	free(ring);
}
