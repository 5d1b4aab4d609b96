// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The egress program: a cls_bpf filter in clsact, at one fixed place. Priority 1,
 * because a filter in front of it could let packets pass unseen. Replaced in
 * place, which the kernel does for each packet at once.
 *
 * A filter at our place that has another name is somebody else's and stays. Names are
 * only told to CAP_SYS_ADMIN, which hagated gives up after its start; from then on
 * what stands at our place is what was put or checked there at the start.
 */
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <libmnl/libmnl.h>
#include <linux/pkt_cls.h>
#include <linux/rtnetlink.h>

#include "internal.h"

#define PLACE_PRIORITY 1
#define PLACE_HANDLE 0x6867 /* "hg" */

#define HOOK(name, index) \
	LIBBPF_OPTS(bpf_tc_hook, name, .ifindex = (index), .attach_point = BPF_TC_EGRESS)
#define PLACE(name) \
	LIBBPF_OPTS(bpf_tc_opts, name, .handle = PLACE_HANDLE, .priority = PLACE_PRIORITY)

static __u32 find_place(int ifindex)
{
	HOOK(hook, ifindex);
	PLACE(place);

	return bpf_tc_query(&hook, &place) ? 0 : place.prog_id;
}

static bool is_ours(__u32 prog_id)
{
	struct hg_prog_name name;

	hg_prog_get_name(prog_id, &name);
	return name.is_hidden || !strcmp(name.name, HG_EGRESS_NAME);
}

__u32 hg_tc_get(int ifindex)
{
	__u32 id = find_place(ifindex);

	return id && is_ours(id) ? id : 0;
}

static int count_filter(const struct nlmsghdr *message, void *context)
{
	unsigned int *count = context;

	*count += message->nlmsg_type == RTM_NEWTFILTER;
	return MNL_CB_OK;
}

/* Filters of one side of clsact. -errno when it cannot be told. */
static int count_filters(struct mnl_socket *socket, int ifindex, __u32 minor)
{
	char buffer[MNL_SOCKET_BUFFER_SIZE];
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	unsigned int count = 0, seq = time(NULL);
	struct tcmsg *tc;
	ssize_t len;
	int left = 1;

	message->nlmsg_type = RTM_GETTFILTER;
	message->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	message->nlmsg_seq = seq;
	tc = mnl_nlmsg_put_extra_header(message, sizeof(*tc));
	tc->tcm_family = AF_UNSPEC;
	tc->tcm_ifindex = ifindex;
	tc->tcm_parent = TC_H_MAKE(TC_H_CLSACT, minor);
	if (mnl_socket_sendto(socket, message, message->nlmsg_len) < 0)
		return -errno;
	while (left > 0) {
		len = mnl_socket_recvfrom(socket, buffer, sizeof(buffer));
		if (len < 0)
			return -errno;
		left = mnl_cb_run(buffer, len, seq, 0, count_filter, &count);
		if (left < 0)
			return -errno;
	}
	return count;
}

/* clsact is shared by all who filter on the NIC: removed only when nobody is left. */
static void drop_empty_clsact(int ifindex)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex,
		    .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);
	struct mnl_socket *socket;

	socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	if (!socket)
		return;
	if (mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) == 0 &&
	    count_filters(socket, ifindex, TC_H_MIN_INGRESS) == 0 &&
	    count_filters(socket, ifindex, TC_H_MIN_EGRESS) == 0)
		bpf_tc_hook_destroy(&hook);
	mnl_socket_close(socket);
}

int hg_tc_attach(int ifindex, int prog_fd, struct hg_error *error)
{
	HOOK(hook, ifindex);
	PLACE(place);
	struct hg_prog_name name;
	char ifname[IF_NAMESIZE] = "?";
	__u32 id;
	int err;

	if_indextoname(ifindex, ifname);
	err = bpf_tc_hook_create(&hook);
	if (err && err != -EEXIST)
		return hg_loader_fail(error, err,
				      "%s: cannot add clsact (tc qdisc add dev %s clsact): %s %s",
				      ifname, ifname, strerror(-err), hg_loader_warning());
	id = find_place(ifindex);
	if (id && !is_ours(id)) {
		hg_prog_get_name(id, &name);
		return hg_loader_fail(error, -EBUSY,
				      "%s: tc egress priority %d handle 0x%x holds another filter: "
				      "program id %u, name %s, tag %s. Move it: tc filter del dev "
				      "%s egress prio %d",
				      ifname, PLACE_PRIORITY, PLACE_HANDLE, id, name.name, name.tag,
				      ifname, PLACE_PRIORITY);
	}
	place.prog_fd = prog_fd;
	place.flags = id ? BPF_TC_F_REPLACE : 0;
	err = bpf_tc_attach(&hook, &place);
	if (err)
		hg_loader_fail(error, err,
			       "%s: cannot attach the egress program at tc priority %d: %s %s",
			       ifname, PLACE_PRIORITY, strerror(-err), hg_loader_warning());
	return err;
}

__u32 hg_tc_detach(int ifindex, __u32 map_id)
{
	HOOK(hook, ifindex);
	PLACE(place);
	__u32 id = hg_tc_get(ifindex);

	if (!id || (map_id && !hg_prog_uses_map(id, map_id)))
		return 0;
	if (bpf_tc_detach(&hook, &place))
		return 0;
	drop_empty_clsact(ifindex);
	return id;
}
