// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Removing a data path without a loader, whatever version made it.
 *
 * Order: hg_meta first (from here on the set counts as unfinished), then hg_port is
 * emptied: an egress program that cannot be reached from here, because its NIC is
 * in another network namespace, has no port to act for any more. Then filters,
 * links, maps, directory.
 */
#include <errno.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "internal.h"

struct removal {
	const char *pin;
	hg_removed_fn fn;
	void *context;
	__u32 state_id; /* of hg_state: tells our filters from those of other nodes here */
	struct hg_error *error;
};

__attribute__((format(printf, 2, 3))) static void tell(const struct removal *removal,
						       const char *format, ...)
{
	char text[PATH_MAX + 128];
	va_list args;

	if (!removal->fn)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	removal->fn(removal->context, text);
}

static void empty_ports(const char *path)
{
	struct bpf_map_info info = { 0 };
	__u32 len = sizeof(info), ifindex;
	int fd;

	fd = bpf_obj_get(path);
	if (fd < 0)
		return;
	if (!bpf_obj_get_info_by_fd(fd, &info, &len) && info.type == BPF_MAP_TYPE_HASH &&
	    info.key_size == sizeof(ifindex))
		while (!bpf_map_get_next_key(fd, NULL, &ifindex) &&
		       !bpf_map_delete_elem(fd, &ifindex))
			;
	close(fd);
}

static void remove_filters(const struct removal *removal)
{
	struct if_nameindex *list = if_nameindex(), *nic;
	__u32 id;

	if (!list)
		return;
	for (nic = list; removal->state_id && nic->if_index; nic++) {
		id = hg_tc_detach(nic->if_index, removal->state_id);
		if (id)
			tell(removal, "tc egress program %u from %s", id, nic->if_name);
	}
	if_freenameindex(list);
}

static int remove_link(void *context, const char *name)
{
	const struct removal *removal = context;
	const char *port = name + strlen(HG_LINK_PREFIX);
	char path[PATH_MAX], ifname[IF_NAMESIZE] = "?";
	struct hg_link_info link;
	__u32 id;
	int fd;

	if (snprintf(path, sizeof(path), "%s/%s", removal->pin, name) >= PATH_MAX)
		return 0;
	fd = hg_link_open(path, &link);
	if (fd < 0)
		return 0; /* removed with the other files */
	if (!link.ifindex) {
		tell(removal, "link of port %s, whose NIC is gone", port);
	} else if (!hg_link_is_here(&link) || !if_indextoname(link.ifindex, ifname)) {
		tell(removal, "XDP program %u of port %s from a NIC in another network namespace",
		     link.prog_id, port);
	} else {
		id = hg_tc_detach(link.ifindex, 0);
		if (id)
			tell(removal, "tc egress program %u from %s", id, ifname);
		tell(removal, "XDP program %u of port %s from %s", link.prog_id, port, ifname);
	}
	hg_link_drop(path, fd);
	return 0;
}

static int remove_file(void *context, const char *name)
{
	const struct removal *removal = context;
	char path[PATH_MAX];

	if (snprintf(path, sizeof(path), "%s/%s", removal->pin, name) >= PATH_MAX)
		return 0;
	if (unlink(path) && rmdir(path))
		return hg_loader_fail(removal->error, -errno, "cannot remove %s: %s", path,
				      strerror(errno));
	tell(removal, "%s", path);
	return 0;
}

int hg_loader_remove_telling(const char *pin, hg_removed_fn fn, void *context,
			     struct hg_error *error)
{
	struct removal removal = { .pin = pin, .fn = fn, .context = context, .error = error };
	char path[PATH_MAX];
	int err, lock;

	err = hg_bpffs_enter(pin, false, &lock, error);
	if (err)
		return err == -ENOENT ? 0 : err;
	snprintf(path, sizeof(path), "%s/" HG_META_MAP, pin);
	if (unlink(path) == 0)
		tell(&removal, "%s", path);
	snprintf(path, sizeof(path), "%s/hg_port", pin);
	empty_ports(path);
	snprintf(path, sizeof(path), "%s/" HG_STATE_MAP, pin);
	removal.state_id = hg_map_get_id(path);

	remove_filters(&removal);
	hg_bpffs_each(pin, HG_LINK_PREFIX, remove_link, &removal);
	err = hg_bpffs_each(pin, "", remove_file, &removal);
	if (!err && rmdir(pin))
		err = hg_loader_fail(error, -errno, "cannot remove %s: %s", pin, strerror(errno));
	else if (!err)
		tell(&removal, "%s", pin);
	hg_bpffs_leave(lock);
	return err;
}

int hg_loader_remove(const char *pin, struct hg_error *error)
{
	return hg_loader_remove_telling(pin, NULL, NULL, error);
}
