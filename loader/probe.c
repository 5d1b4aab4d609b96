// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Asks the kernel what a NIC supports: the generic netlink family "netdev" (6.3)
 * lists XDP features; ethtool gives driver and queues. Older kernels only answer
 * by trying.
 */
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <libmnl/libmnl.h>
#include <linux/ethtool.h>
#include <linux/genetlink.h>
#include <linux/if_link.h>
#include <linux/sockios.h>

#include "internal.h"
#include "probe.h"

/* From the kernel's netdev family; Debian 12's headers are older than it. */
#define NETDEV_FAMILY "netdev"
#define NETDEV_DEV_GET 1
#define NETDEV_A_IFINDEX 1
#define NETDEV_A_XDP_FEATURES 3
#define NETDEV_XDP_BASIC 0x1

static const struct {
	const char *driver;
	const char *hint;
} hints[] = {
	{ "virtio_net", "give the VM twice as many queues as CPUs; XDP switches off guest "
			"offloads (LRO)" },
	{ "vmxnet3", "native XDP from kernel 6.6; the first attach resets the device" },
	{ "hv_netvsc", "native XDP limits the MTU to about 3500 octets" },
	{ "ena", "native XDP needs half of the queues free and limits the MTU to about 3500" },
	{ "veth",
	  "answers made by XDP get lost unless the other end of the pair has an XDP program "
	  "too (any that passes all), or xdp: generic here" },
	{ "802.1Q VLAN Support", "attach to the parent NIC and switch rxvlan off there" },
};

struct reply {
	unsigned int type;
	void *value;
	size_t len;
	bool is_found;
};

static int on_reply(const struct nlmsghdr *message, void *context)
{
	struct reply *reply = context;
	const struct nlattr *attr;
	size_t len;

	mnl_attr_for_each(attr, message, sizeof(struct genlmsghdr))
	{
		if (mnl_attr_get_type(attr) != reply->type)
			continue;
		len = mnl_attr_get_payload_len(attr);
		memcpy(reply->value, mnl_attr_get_payload(attr),
		       len < reply->len ? len : reply->len);
		reply->is_found = true;
	}
	return MNL_CB_OK;
}

static int ask(struct mnl_socket *socket, struct nlmsghdr *message, struct reply *reply)
{
	char buffer[MNL_SOCKET_BUFFER_SIZE];
	ssize_t len;

	message->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	message->nlmsg_seq = time(NULL);
	if (mnl_socket_sendto(socket, message, message->nlmsg_len) < 0)
		return -errno;
	for (;;) {
		len = mnl_socket_recvfrom(socket, buffer, sizeof(buffer));
		if (len < 0)
			return -errno;
		len = mnl_cb_run(buffer, len, message->nlmsg_seq, 0, on_reply, reply);
		if (len <= 0)
			return len < 0 ? -errno : reply->is_found ? 0 : -ENODATA;
	}
}

static struct nlmsghdr *begin(char *buffer, unsigned int type, unsigned int command)
{
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	struct genlmsghdr *genl;

	message->nlmsg_type = type;
	genl = mnl_nlmsg_put_extra_header(message, sizeof(*genl));
	genl->cmd = command;
	genl->version = 1;
	return message;
}

static enum hg_probe_native ask_native(struct mnl_socket *socket, int ifindex)
{
	__u64 features = 0;
	__u16 family = 0;
	struct reply reply = { CTRL_ATTR_FAMILY_ID, &family, sizeof(family), false };
	char buffer[256];
	struct nlmsghdr *message;

	message = begin(buffer, GENL_ID_CTRL, CTRL_CMD_GETFAMILY);
	mnl_attr_put_strz(message, CTRL_ATTR_FAMILY_NAME, NETDEV_FAMILY);
	if (ask(socket, message, &reply))
		return HG_PROBE_UNKNOWN;
	reply = (struct reply){ NETDEV_A_XDP_FEATURES, &features, sizeof(features), false };
	message = begin(buffer, family, NETDEV_DEV_GET);
	mnl_attr_put_u32(message, NETDEV_A_IFINDEX, ifindex);
	if (ask(socket, message, &reply))
		return HG_PROBE_UNKNOWN;
	return features & NETDEV_XDP_BASIC ? HG_PROBE_YES : HG_PROBE_NO;
}

static void ask_channels(const char *ifname, struct hg_probe *ret)
{
	struct ethtool_channels channels = { .cmd = ETHTOOL_GCHANNELS };
	struct ifreq request = { .ifr_data = (char *)&channels };
	int fd;

	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", ifname);
	if (!ioctl(fd, SIOCETHTOOL, &request)) {
		ret->channels = channels.combined_count ? channels.combined_count
							: channels.rx_count;
		ret->channels_max = channels.max_combined ? channels.max_combined : channels.max_rx;
	}
	close(fd);
}

void hg_probe_nic(int ifindex, const char *ifname, struct hg_probe *ret)
{
	struct mnl_socket *socket;
	size_t i;

	*ret = (struct hg_probe){ .native = HG_PROBE_UNKNOWN };
	hg_nic_driver(ifname, ret->driver);
	ask_channels(ifname, ret);
	for (i = 0; i < sizeof(hints) / sizeof(hints[0]); i++)
		if (!strcmp(hints[i].driver, ret->driver))
			ret->hint = hints[i].hint;
	socket = mnl_socket_open2(NETLINK_GENERIC, SOCK_CLOEXEC);
	if (!socket)
		return;
	if (mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) == 0)
		ret->native = ask_native(socket, ifindex);
	mnl_socket_close(socket);
}

int hg_probe_try(int ifindex)
{
	const struct bpf_insn pass[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .imm = XDP_PASS },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	LIBBPF_OPTS(bpf_prog_load_opts, load, .prog_flags = BPF_F_XDP_HAS_FRAGS);
	LIBBPF_OPTS(bpf_link_create_opts, link, .flags = XDP_FLAGS_DRV_MODE);
	int prog, fd;

	prog = bpf_prog_load(BPF_PROG_TYPE_XDP, "hg_probe", "GPL", pass, 2, &load);
	if (prog < 0)
		return prog;
	fd = bpf_link_create(prog, ifindex, BPF_XDP, &link);
	close(prog);
	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}
