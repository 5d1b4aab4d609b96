// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * RTM_GETLINK and RTM_GETADDR dumps. The PCI path comes from the name of the
 * parent device (kernel 5.14): /sys/bus is the same in every network namespace.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <libmnl/libmnl.h>
#include <net/if_arp.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>

#include "link.h"

struct list {
	char *items;
	size_t size, count, room;
};

static void *list_add(struct list *list)
{
	size_t room = list->room ? list->room * 2 : 16;
	char *items;

	if (list->count == list->room) {
		items = realloc(list->items, room * list->size);
		if (!items)
			return NULL;
		list->items = items;
		list->room = room;
	}
	items = list->items + list->count++ * list->size;
	memset(items, 0, list->size);
	return items;
}

/* Makes a link count as standing on others; veth and tun do not. */
static bool is_stacked_kind(const char *kind)
{
	static const char *const kinds[] = { "bridge",	"bond",	  "team",   "vlan",   "macvlan",
					     "macvtap", "ipvlan", "ipvtap", "vxlan",  "macsec",
					     "hsr",	"dummy",  "geneve", "gretap", "vrf" };
	size_t i;

	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (!strcmp(kind, kinds[i]))
			return true;
	return false;
}

/* The nearest PCI function above the device: virtio and others sit one level up. */
static void find_path(const char *bus, const char *device, char *ret, size_t len)
{
	unsigned int domain, number, slot, function;
	char link[PATH_MAX], real[PATH_MAX], *part, *state = NULL;
	int used;

	snprintf(ret, len, "%s-%s", bus, device);
	if (!strcmp(bus, "pci"))
		return;
	if (snprintf(link, sizeof(link), "/sys/bus/%s/devices/%s", bus, device) >= PATH_MAX ||
	    !realpath(link, real))
		return;
	for (part = strtok_r(real, "/", &state); part; part = strtok_r(NULL, "/", &state))
		if (sscanf(part, "%x:%x:%x.%x%n", &domain, &number, &slot, &function, &used) == 4 &&
		    !part[used])
			snprintf(ret, len, "pci-%s", part);
}

static void copy_text(const struct nlattr *attr, char *ret, size_t len)
{
	if (!mnl_attr_validate(attr, MNL_TYPE_NUL_STRING))
		snprintf(ret, len, "%s", mnl_attr_get_str(attr));
}

static void read_nested(const struct nlattr *nest, unsigned int type, char *ret, size_t len)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested(attr, nest) if (mnl_attr_get_type(attr) == type && !ret[0])
		copy_text(attr, ret, len);
}

static void read_attr(const struct nlattr *attr, struct hg_link *link, char *bus, char *device)
{
	switch (mnl_attr_get_type(attr)) {
	case IFLA_IFNAME:
		copy_text(attr, link->ifname, sizeof(link->ifname));
		break;
	case IFLA_MTU:
		link->mtu = mnl_attr_get_u32(attr);
		break;
	case IFLA_MASTER:
		link->master = mnl_attr_get_u32(attr);
		break;
	case IFLA_ADDRESS:
		if (mnl_attr_get_payload_len(attr) == 6)
			memcpy(link->mac, mnl_attr_get_payload(attr), 6);
		break;
	case IFLA_PERM_ADDRESS:
		if (mnl_attr_get_payload_len(attr) == 6) {
			memcpy(link->permanent, mnl_attr_get_payload(attr), 6);
			link->has_permanent = true;
		}
		break;
	case IFLA_LINKINFO:
		read_nested(attr, IFLA_INFO_KIND, link->kind, sizeof(link->kind));
		break;
	case IFLA_PROP_LIST:
		read_nested(attr, IFLA_ALT_IFNAME, link->altname, sizeof(link->altname));
		break;
	case IFLA_PARENT_DEV_NAME:
		copy_text(attr, device, 64);
		break;
	case IFLA_PARENT_DEV_BUS_NAME:
		copy_text(attr, bus, 32);
		break;
	}
}

static int on_link(const struct nlmsghdr *message, void *context)
{
	const struct ifinfomsg *info = mnl_nlmsg_get_payload(message);
	char bus[32] = "", device[64] = "";
	const struct nlattr *attr;
	struct hg_link *link;

	if (message->nlmsg_type != RTM_NEWLINK || info->ifi_type != ARPHRD_ETHER)
		return MNL_CB_OK;
	link = list_add(context);
	if (!link)
		return MNL_CB_ERROR;
	link->ifindex = info->ifi_index;
	link->flags = info->ifi_flags;
	mnl_attr_for_each(attr, message, sizeof(*info)) read_attr(attr, link, bus, device);
	link->is_stacked = is_stacked_kind(link->kind);
	if (bus[0] && device[0])
		find_path(bus, device, link->path, sizeof(link->path));
	return MNL_CB_OK;
}

static int on_addr(const struct nlmsghdr *message, void *context)
{
	const struct ifaddrmsg *info = mnl_nlmsg_get_payload(message);
	const struct nlattr *attr, *local = NULL, *address = NULL;
	struct hg_link_addr *addr;
	size_t len = info->ifa_family == AF_INET ? 4 : 16;

	if (message->nlmsg_type != RTM_NEWADDR ||
	    (info->ifa_family != AF_INET && info->ifa_family != AF_INET6))
		return MNL_CB_OK;
	mnl_attr_for_each(attr, message, sizeof(*info))
	{
		if (mnl_attr_get_type(attr) == IFA_LOCAL)
			local = attr;
		else if (mnl_attr_get_type(attr) == IFA_ADDRESS)
			address = attr;
	}
	attr = local ? local : address;
	if (!attr || mnl_attr_get_payload_len(attr) != len)
		return MNL_CB_OK;
	addr = list_add(context);
	if (!addr)
		return MNL_CB_ERROR;
	addr->family = len == 4 ? 4 : 6;
	addr->prefix = info->ifa_prefixlen;
	addr->ifindex = info->ifa_index;
	memcpy(addr->addr, mnl_attr_get_payload(attr), len);
	return MNL_CB_OK;
}

static int dump_once(struct mnl_socket *socket, int type, mnl_cb_t fn, struct list *list)
{
	char *buffer = malloc(32768);
	struct nlmsghdr *message;
	struct ifinfomsg *info;
	unsigned int seq = time(NULL);
	ssize_t len;
	int left = 1, err = 0;

	if (!buffer)
		return -ENOMEM;
	message = mnl_nlmsg_put_header(buffer);
	message->nlmsg_type = type;
	message->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	message->nlmsg_seq = seq;
	info = mnl_nlmsg_put_extra_header(message, sizeof(*info)); /* also fits ifaddrmsg */
	info->ifi_family = AF_UNSPEC;
	if (mnl_socket_sendto(socket, message, message->nlmsg_len) < 0)
		err = -errno;
	while (!err && left > 0) {
		len = mnl_socket_recvfrom(socket, buffer, 32768);
		left = len < 0 ? -1 : mnl_cb_run(buffer, len, seq, 0, fn, list);
		if (left < 0)
			err = errno ? -errno : -EIO;
	}
	free(buffer);
	return err;
}

/* A dump that a change ran through says EINTR: asked again. */
static int dump(int type, mnl_cb_t fn, struct list *list)
{
	struct mnl_socket *socket;
	int err = -EINTR, tries;

	for (tries = 0; tries < 10 && err == -EINTR; tries++) {
		socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
		if (!socket)
			return -errno;
		list->count = 0;
		err = mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0 ? -errno : 0;
		if (!err)
			err = dump_once(socket, type, fn, list);
		mnl_socket_close(socket);
	}
	if (err) {
		free(list->items);
		list->items = NULL;
	}
	return err;
}

int hg_link_list(struct hg_link **ret, size_t *ret_count)
{
	struct list list = { .size = sizeof(struct hg_link) };
	int err = dump(RTM_GETLINK, on_link, &list);

	if (err)
		return err;
	*ret = (struct hg_link *)list.items;
	*ret_count = list.count;
	return 0;
}

int hg_link_addrs(struct hg_link_addr **ret, size_t *ret_count)
{
	struct list list = { .size = sizeof(struct hg_link_addr) };
	int err = dump(RTM_GETADDR, on_addr, &list);

	if (err)
		return err;
	*ret = (struct hg_link_addr *)list.items;
	*ret_count = list.count;
	return 0;
}
