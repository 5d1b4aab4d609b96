// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Links under the names of the ports whose NICs they hold, before anything is attached.
 *
 * A NIC that changes hands among our ports keeps its link: only the pin gets another
 * name, so no packet passes without the gate, and two ports may swap their NICs. The
 * names are exchanged through PIN/moving_PORT; what a killed process left there is
 * settled by the next. A link whose NIC is no port's any more goes, with its tc
 * program and its entry in hg_port.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "internal.h"

#define MOVING_PREFIX "moving_"

struct settling {
	struct hg_loader *loader;
	const struct hg_loader_place *places;
	size_t count;
};

static const struct hg_loader_place *find_by_port(const struct settling *settling, const char *port)
{
	for (size_t i = 0; i < settling->count; i++)
		if (!strcmp(settling->places[i].port, port))
			return &settling->places[i];
	return NULL;
}

static const struct hg_loader_place *find_by_nic(const struct settling *settling,
						 const struct hg_link_info *link)
{
	if (!hg_link_is_here(link))
		return NULL;
	for (size_t i = 0; i < settling->count; i++)
		if (settling->places[i].ifindex == link->ifindex)
			return &settling->places[i];
	return NULL;
}

static bool rename_pin(const struct settling *settling, const char *path, const char *prefix,
		       const char *port)
{
	struct hg_error error;
	char to[PATH_MAX];

	return !hg_bpffs_path(settling->loader->pin, prefix, port, to, &error) && !rename(path, to);
}

static void drop(const struct settling *settling, const char *path, const struct hg_link_info *link,
		 int fd)
{
	if (hg_link_is_here(link)) {
		hg_tc_detach(link->ifindex, 0);
		hg_maps_delete_port(&settling->loader->maps, link->ifindex);
	}
	hg_link_drop(path, fd);
}

/* `named`: the port whose name the pin has, NULL when it is none of the configuration. */
static void settle(const struct settling *settling, const char *name,
		   const struct hg_loader_place *named)
{
	const struct hg_loader_place *right;
	struct hg_link_info link;
	struct hg_error error;
	char path[PATH_MAX];
	int fd;

	if (hg_bpffs_path(settling->loader->pin, "", name, path, &error))
		return;
	fd = hg_link_open(path, &link);
	if (fd < 0)
		return; /* no link of ours: attaching says so */
	right = find_by_nic(settling, &link);
	if (right && (right == named || rename_pin(settling, path, MOVING_PREFIX, right->port)))
		close(fd);
	else if (!right && named && named->ifindex == HG_NIC_UNKNOWN)
		close(fd);
	else
		drop(settling, path, &link, fd);
}

static int settle_link(void *context, const char *name)
{
	settle(context, name, find_by_port(context, name + strlen(HG_LINK_PREFIX)));
	return 0;
}

static int settle_leftover(void *context, const char *name)
{
	settle(context, name, NULL);
	return 0;
}

static int put_in_place(void *context, const char *name)
{
	const struct settling *settling = context;
	struct hg_error error;
	char path[PATH_MAX];

	if (!hg_bpffs_path(settling->loader->pin, "", name, path, &error))
		rename_pin(settling, path, HG_LINK_PREFIX, name + strlen(MOVING_PREFIX));
	return 0;
}

int hg_loader_settle(struct hg_loader *loader, const struct hg_loader_place *places, size_t count,
		     struct hg_error *error)
{
	struct settling settling = { .loader = loader, .places = places, .count = count };
	int err, lock;

	err = hg_bpffs_enter(loader->pin, false, &lock, error);
	if (err)
		return err;
	hg_bpffs_each(loader->pin, MOVING_PREFIX, settle_leftover, &settling);
	hg_bpffs_each(loader->pin, HG_LINK_PREFIX, settle_link, &settling);
	hg_bpffs_each(loader->pin, MOVING_PREFIX, put_in_place, &settling);
	hg_bpffs_leave(lock);
	return 0;
}
