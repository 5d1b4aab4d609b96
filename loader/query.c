// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the kernel says about links, programs and NICs. Changes nothing.
 */
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/ethtool.h>
#include <linux/if_link.h>
#include <linux/sockios.h>

#include "internal.h"

int hg_link_open(const char *path, struct hg_link_info *ret)
{
	struct bpf_link_info info = { 0 };
	__u32 len = sizeof(info);
	int err, fd;

	fd = bpf_obj_get(path);
	if (fd < 0)
		return fd;
	err = bpf_obj_get_info_by_fd(fd, &info, &len);
	if (!err && info.type != BPF_LINK_TYPE_XDP)
		err = -EINVAL;
	if (err) {
		close(fd);
		return err;
	}
	ret->prog_id = info.prog_id;
	ret->ifindex = info.xdp.ifindex;
	return fd;
}

int hg_xdp_get(int ifindex, struct hg_xdp_info *ret)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, opts);
	int err = bpf_xdp_query(ifindex, 0, &opts);

	if (err)
		return err;
	*ret = (struct hg_xdp_info){ .mode = HG_XDP_NONE };
	if (opts.skb_prog_id && opts.attach_mode == XDP_ATTACHED_SKB) {
		ret->mode = HG_XDP_GENERIC;
		ret->prog_id = opts.skb_prog_id;
	} else if (opts.drv_prog_id || opts.hw_prog_id || opts.prog_id) {
		ret->mode = HG_XDP_NATIVE;
		ret->prog_id = opts.drv_prog_id	 ? opts.drv_prog_id
			       : opts.hw_prog_id ? opts.hw_prog_id
						 : opts.prog_id;
	}
	return 0;
}

bool hg_link_is_here(const struct hg_link_info *link)
{
	struct hg_xdp_info xdp;

	return link->ifindex && !hg_xdp_get(link->ifindex, &xdp) && xdp.prog_id == link->prog_id;
}

void hg_prog_get_name(__u32 prog_id, struct hg_prog_name *ret)
{
	struct bpf_prog_info info = { 0 };
	__u32 len = sizeof(info);
	int fd, i;

	*ret = (struct hg_prog_name){ .name = "?" };
	fd = bpf_prog_get_fd_by_id(prog_id);
	ret->is_hidden = fd == -EPERM;
	if (fd < 0)
		return;
	if (!bpf_obj_get_info_by_fd(fd, &info, &len)) {
		snprintf(ret->name, sizeof(ret->name), "%s", info.name[0] ? info.name : "?");
		for (i = 0; i < BPF_TAG_SIZE; i++)
			snprintf(ret->tag + 2 * i, 3, "%02x", info.tag[i]);
	}
	close(fd);
}

bool hg_prog_fd_uses_map(int fd, __u32 map_id)
{
	__u32 ids[HG_MAPS_PER_SET * 2], len, i;
	struct bpf_prog_info info = { 0 };
	bool is_found = false;

	len = sizeof(info);
	info.nr_map_ids = HG_MAPS_PER_SET * 2;
	info.map_ids = (unsigned long)ids;
	if (!bpf_obj_get_info_by_fd(fd, &info, &len))
		for (i = 0; i < info.nr_map_ids && i < HG_MAPS_PER_SET * 2; i++)
			is_found |= ids[i] == map_id;
	return is_found;
}

/* By id it takes CAP_SYS_ADMIN. */
bool hg_prog_uses_map(__u32 prog_id, __u32 map_id)
{
	int fd = bpf_prog_get_fd_by_id(prog_id);
	bool is_found;

	if (fd < 0)
		return false;
	is_found = hg_prog_fd_uses_map(fd, map_id);
	close(fd);
	return is_found;
}

__u32 hg_map_get_id(const char *path)
{
	struct bpf_map_info info = { 0 };
	__u32 len = sizeof(info);
	int fd;

	fd = bpf_obj_get(path);
	if (fd < 0)
		return 0;
	if (bpf_obj_get_info_by_fd(fd, &info, &len))
		info.id = 0;
	close(fd);
	return info.id;
}

void hg_nic_driver(const char *ifname, char ret[32])
{
	struct ethtool_drvinfo info = { .cmd = ETHTOOL_GDRVINFO };
	struct ifreq request = { .ifr_data = (char *)&info };
	int fd;

	snprintf(ret, 32, "?");
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", ifname);
	if (!ioctl(fd, SIOCETHTOOL, &request) && info.driver[0])
		snprintf(ret, 32, "%s", info.driver);
	close(fd);
}

/* Is the program on this NIC held by a link below the pin directory? */
struct search {
	const char *pin;
	int ifindex;
	__u32 prog_id;
};

static int match_link(void *context, const char *name)
{
	const struct search *search = context;
	struct hg_link_info link;
	struct hg_error error;
	char path[PATH_MAX];
	int fd;

	if (hg_bpffs_path(search->pin, "", name, path, &error))
		return 0;
	fd = hg_link_open(path, &link);
	if (fd < 0)
		return 0;
	close(fd);
	return link.ifindex == search->ifindex && link.prog_id == search->prog_id;
}

int hg_loader_query(const char *pin, int ifindex, struct hg_attachment *ret)
{
	struct search search = { .pin = pin, .ifindex = ifindex };
	struct hg_prog_name name;
	struct hg_xdp_info xdp;
	int err;

	hg_loader_quiet();
	err = hg_xdp_get(ifindex, &xdp);
	if (err)
		return err;
	*ret = (struct hg_attachment){ .mode = xdp.mode, .xdp_id = xdp.prog_id };
	ret->tc_id = hg_tc_get(ifindex);
	if (!xdp.prog_id)
		return 0;
	hg_prog_get_name(xdp.prog_id, &name);
	memcpy(ret->name, name.name, sizeof(ret->name));
	search.prog_id = xdp.prog_id;
	ret->is_ours = hg_bpffs_each(pin, HG_LINK_PREFIX, match_link, &search) > 0;
	return 0;
}
