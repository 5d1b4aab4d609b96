// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Programs onto NICs. A pinned XDP link holds the gate on a NIC; an earlier link of
 * ours on the same NIC gets the new program in place, so no packet passes without
 * one. A link is made anew only when it has to be: the NIC vanished, the port moved
 * to another NIC, or the mode changed.
 */
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <linux/if_link.h>

#include "internal.h"

/* What an attachment is about. */
struct place {
	struct hg_loader *loader;
	const char *port;
	int ifindex;
	enum hg_xdp_mode mode;
	char ifname[IF_NAMESIZE];
	char path[PATH_MAX]; /* of the link */
	struct hg_xdp_info xdp; /* on the NIC now */
};

void hg_link_drop(const char *path, int fd)
{
	bpf_link_detach(fd);
	unlink(path);
	close(fd);
}

/* A port that got a new name: the link that holds this NIC moves to the new name. */
static int rename_link(void *context, const char *name)
{
	struct place *place = context;
	struct hg_link_info link;
	struct hg_error error;
	char path[PATH_MAX];
	int fd;

	if (hg_bpffs_path(place->loader->pin, "", name, path, &error) || !strcmp(path, place->path))
		return 0;
	fd = hg_link_open(path, &link);
	if (fd < 0)
		return 0;
	close(fd);
	if (link.ifindex != place->ifindex || link.prog_id != place->xdp.prog_id)
		return 0;
	return rename(path, place->path) == 0;
}

/* Returns the fd of the link under our name if it is on this NIC in this mode;
 * removes it otherwise. -ENOENT: there is none (any more). */
static int find_link(struct place *place, struct hg_error *error)
{
	struct hg_link_info link;
	int fd;

	fd = hg_link_open(place->path, &link);
	if (fd == -ENOENT)
		return fd;
	if (fd < 0)
		return hg_loader_fail(error, fd, "%s: %s: not a link of ours; remove it",
				      place->path, strerror(-fd));
	if (link.ifindex == place->ifindex && link.prog_id == place->xdp.prog_id &&
	    place->mode == place->xdp.mode)
		return fd;
	hg_link_drop(place->path, fd);
	return -ENOENT;
}

static int fail_foreign(const struct place *place, struct hg_error *error)
{
	struct hg_prog_name name;

	hg_prog_get_name(place->xdp.prog_id, &name);
	return hg_loader_fail(error, -EBUSY,
			      "%s (port %s): another XDP program is attached: id %u, name %s, tag "
			      "%s (%s). Remove it (ip link set dev %s xdp%s off, xdp-loader unload "
			      "%s --all, or the program that holds its link) or take another NIC",
			      place->ifname, place->port, place->xdp.prog_id, name.name, name.tag,
			      place->xdp.mode == HG_XDP_GENERIC ? "generic" : "native",
			      place->ifname, place->xdp.mode == HG_XDP_GENERIC ? "generic" : "drv",
			      place->ifname);
}

static int fail_attach(const struct place *place, int err, struct hg_error *error)
{
	char driver[32];

	hg_nic_driver(place->ifname, driver);
	if (err == -EOPNOTSUPP && place->mode == HG_XDP_NATIVE)
		return hg_loader_fail(error, err,
				      "%s (port %s): driver %s has no native XDP. To run slower "
				      "without it, write `xdp: generic` for this port in node.yaml",
				      place->ifname, place->port, driver);
	return hg_loader_fail(error, err,
			      "%s (port %s, driver %s): cannot attach XDP: %s. The kernel log may "
			      "say more; common causes are the MTU, LRO, too few queues, or a NIC "
			      "that is part of a bond (hagate-load probe %s)",
			      place->ifname, place->port, driver, strerror(-err), place->ifname);
}

static int create_link(const struct place *place, struct hg_error *error)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts,
		    .flags = place->mode == HG_XDP_GENERIC ? XDP_FLAGS_SKB_MODE
							   : XDP_FLAGS_DRV_MODE);
	int err, fd;

	fd = bpf_link_create(place->loader->gate_fd, place->ifindex, BPF_XDP, &opts);
	if (fd < 0)
		return fail_attach(place, fd, error);
	err = bpf_obj_pin(fd, place->path);
	close(fd); /* without a pin this detaches again */
	if (err)
		hg_loader_fail(error, err, "cannot pin %s: %s", place->path, strerror(-err));
	return err;
}

static int get_xdp(struct place *place, struct hg_error *error)
{
	int err = hg_xdp_get(place->ifindex, &place->xdp);

	if (err)
		hg_loader_fail(error, err, "%s (port %s): cannot ask for its XDP program: %s",
			       place->ifname, place->port, strerror(-err));
	return err;
}

static int attach_xdp(struct place *place, bool *ret_is_new, struct hg_error *error)
{
	int err, fd;

	err = get_xdp(place, error);
	if (err)
		return err;
	if (place->xdp.prog_id && access(place->path, F_OK))
		hg_bpffs_each(place->loader->pin, HG_LINK_PREFIX, rename_link, place);
	fd = find_link(place, error);
	if (fd >= 0) {
		err = bpf_link_update(fd, place->loader->gate_fd, NULL);
		close(fd);
		*ret_is_new = false;
		return err ? fail_attach(place, err, error) : 0;
	}
	if (fd != -ENOENT)
		return fd;
	err = get_xdp(place, error);
	if (!err && place->xdp.prog_id)
		err = fail_foreign(place, error);
	if (!err)
		err = create_link(place, error);
	*ret_is_new = !err;
	return err;
}

static int detach_port(const char *pin, const char *port, struct hg_error *error)
{
	struct hg_link_info link;
	char path[PATH_MAX];
	int err, fd;

	err = hg_bpffs_path(pin, HG_LINK_PREFIX, port, path, error);
	if (err)
		return err;
	fd = hg_link_open(path, &link);
	if (fd == -ENOENT)
		return 0;
	if (fd < 0)
		return hg_loader_fail(error, fd, "%s: %s", path, strerror(-fd));
	if (hg_link_is_here(&link))
		hg_tc_detach(link.ifindex, 0);
	hg_link_drop(path, fd);
	return 0;
}

/* Somebody may have removed the set since it was opened, and made a new one: a gate
 * on maps that nobody else sees must not go onto a NIC. */
static int check_set(const struct hg_loader *loader, struct hg_error *error)
{
	char path[PATH_MAX];
	int err;

	err = hg_bpffs_path(loader->pin, "", HG_STATE_MAP, path, error);
	if (!err && !hg_prog_fd_uses_map(loader->egress_fd, hg_map_get_id(path)))
		err = hg_loader_fail(error, -ESTALE,
				     "maps in %s were removed or made anew by another process "
				     "meanwhile: start again",
				     loader->pin);
	return err;
}

int hg_loader_attach(struct hg_loader *loader, const char *port, int ifindex, enum hg_xdp_mode mode,
		     struct hg_error *error)
{
	struct place place = {
		.loader = loader,
		.port = port,
		.ifindex = ifindex,
		.mode = mode,
	};
	int err, lock = -1;
	bool is_new = false;

	if (mode == HG_XDP_NONE)
		return hg_loader_fail(error, -EINVAL, "port %s: no XDP mode given", port);
	if (!if_indextoname(ifindex, place.ifname))
		return hg_loader_fail(error, -ENODEV, "port %s: there is no NIC with ifindex %d",
				      port, ifindex);
	err = hg_bpffs_path(loader->pin, HG_LINK_PREFIX, port, place.path, error);
	if (!err)
		err = hg_bpffs_enter(loader->pin, false, &lock, error);
	if (err)
		return err;
	err = check_set(loader, error);
	if (!err)
		err = attach_xdp(&place, &is_new, error);
	if (!err) {
		err = hg_tc_attach(ifindex, loader->egress_fd, error);
		if (err && is_new)
			detach_port(loader->pin, port, &(struct hg_error){ 0 });
	}
	hg_bpffs_leave(lock);
	return err;
}

int hg_loader_detach(struct hg_loader *loader, const char *port, struct hg_error *error)
{
	int err, lock;

	err = hg_bpffs_enter(loader->pin, false, &lock, error);
	if (err)
		return err == -ENOENT ? 0 : err;
	err = detach_port(loader->pin, port, error);
	hg_bpffs_leave(lock);
	return err;
}
