// SPDX-License-Identifier: GPL-2.0-or-later
/* The maps of a pin directory, for a process that loads no programs itself. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "internal.h"

int hg_pin_open(const char *pin, const char *name, int *ret_fd, struct hg_error *error)
{
	char path[PATH_MAX];
	int err = hg_bpffs_path(pin, "", name, path, error);

	if (err)
		return err;
	*ret_fd = bpf_obj_get(path);
	if (*ret_fd < 0)
		return hg_loader_fail(error, *ret_fd, "cannot open %s: %s", path,
				      strerror(-*ret_fd));
	return 0;
}

static size_t mapped_len(size_t size)
{
	size_t page = sysconf(_SC_PAGESIZE);

	return (size + page - 1) / page * page;
}

int hg_pin_map(const char *pin, const char *name, size_t size, void *ret, struct hg_error *error)
{
	void *memory;
	int fd, err;

	err = hg_pin_open(pin, name, &fd, error);
	if (err)
		return err;
	memory = mmap(NULL, mapped_len(size), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	err = -errno;
	close(fd); /* the mapping holds the map */
	if (memory == MAP_FAILED)
		return hg_loader_fail(error, err, "cannot map %s/%s into memory: %s", pin, name,
				      strerror(-err));
	*(void **)ret = memory;
	return 0;
}

int hg_maps_open(const char *pin, struct hg_maps *ret, struct hg_error *error)
{
	struct hg_maps maps;
	int err;

	hg_maps_init(&maps);
	if ((err = hg_pin_open(pin, "hg_port", &maps.port_fd, error)) ||
	    (err = hg_pin_open(pin, "hg_addr4", &maps.addr4_fd, error)) ||
	    (err = hg_pin_open(pin, "hg_addr6", &maps.addr6_fd, error)) ||
	    (err = hg_pin_open(pin, "hg_key", &maps.key_fd, error)) ||
	    (err = hg_pin_open(pin, "hg_stats", &maps.stats_fd, error)) ||
	    (err = hg_pin_open(pin, "hg_events", &maps.events_fd, error)) ||
	    (err = hg_pin_map(pin, HG_STATE_MAP, HG_GROUPS_MAX * sizeof(*maps.state), &maps.state,
			      error)) ||
	    (err = hg_pin_map(pin, "hg_peer", HG_PEERS_MAX * sizeof(*maps.peer), &maps.peer,
			      error)) ||
	    (err = hg_pin_map(pin, "hg_path", HG_PEERS_MAX * HG_SLOTS_MAX * sizeof(*maps.path),
			      &maps.path, error)) ||
	    (err = hg_pin_map(pin, "hg_gap", HG_PEERS_MAX * sizeof(*maps.gap), &maps.gap, error))) {
		hg_maps_close(&maps);
		return err;
	}
	*ret = maps;
	return 0;
}

static void close_fd(int fd)
{
	if (fd >= 0)
		close(fd);
}

void hg_pin_unmap(volatile void *memory, size_t size)
{
	if (memory)
		munmap((void *)memory, mapped_len(size));
}

void hg_maps_close(struct hg_maps *maps)
{
	close_fd(maps->port_fd);
	close_fd(maps->addr4_fd);
	close_fd(maps->addr6_fd);
	close_fd(maps->key_fd);
	close_fd(maps->stats_fd);
	close_fd(maps->events_fd);
	hg_pin_unmap(maps->state, HG_GROUPS_MAX * sizeof(*maps->state));
	hg_pin_unmap(maps->peer, HG_PEERS_MAX * sizeof(*maps->peer));
	hg_pin_unmap(maps->path, HG_PEERS_MAX * HG_SLOTS_MAX * sizeof(*maps->path));
	hg_pin_unmap(maps->gap, HG_PEERS_MAX * sizeof(*maps->gap));
	hg_maps_init(maps);
}

void hg_maps_init(struct hg_maps *maps)
{
	*maps = (struct hg_maps){ .port_fd = -1,
				  .addr4_fd = -1,
				  .addr6_fd = -1,
				  .key_fd = -1,
				  .stats_fd = -1,
				  .events_fd = -1 };
}
