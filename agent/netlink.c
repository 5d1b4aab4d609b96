// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * rtnetlink monitor, dump and message reader. See netlink.h.
 *
 * State: one socket. The reader keeps nothing between messages, so a lost message
 * spoils nothing but the owner's own picture, which on_overrun tells him.
 */
#include "agent/netlink.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_arp.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define GROUPS (RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_NEIGH)
/* 1,000 VIPs coming and going twice, with room for a storm of neighbours. The kernel
 * counts about a kilobyte for each message, whatever its size. */
#define RECEIVE_BUFFER (16 * 1024 * 1024)
#define DATAGRAMS_PER_CALL 64
#define DUMP_TRIES 5

struct hg_netlink {
	struct hg_netlink_handlers handlers;
	void *context;
	struct mnl_socket *socket;
};

static bool read_ip(struct hg_ip *ip, uint8_t family, const struct nlattr *attr)
{
	size_t length = family == AF_INET ? 4 : 16;

	if (!attr || mnl_attr_get_payload_len(attr) != length)
		return false;
	*ip = (struct hg_ip){ .family = family == AF_INET ? 4 : 6,
			      .prefix = family == AF_INET ? 32 : 128 };
	memcpy(ip->addr, mnl_attr_get_payload(attr), length);
	return true;
}

static void read_link(const struct hg_netlink_handlers *handlers, void *context,
		      const struct nlmsghdr *nlh)
{
	const struct ifinfomsg *ifi = mnl_nlmsg_get_payload(nlh);
	struct hg_netlink_link link = { .ifindex = ifi->ifi_index,
					.is_up = ifi->ifi_flags & IFF_UP,
					.has_link = ifi->ifi_flags & IFF_RUNNING };
	const struct nlattr *attr;

	/* AF_BRIDGE: a port joins or leaves a bridge; the NIC itself stays. */
	if (ifi->ifi_family != AF_UNSPEC || !handlers->on_link)
		return;
	mnl_attr_for_each(attr, nlh, sizeof(*ifi))
	{
		uint16_t type = mnl_attr_get_type(attr), length = mnl_attr_get_payload_len(attr);

		if (type == IFLA_IFNAME && length && length <= IF_NAMESIZE)
			memcpy(link.name, mnl_attr_get_payload(attr), length);
		else if (type == IFLA_ADDRESS && length == 6 && ifi->ifi_type == ARPHRD_ETHER)
			memcpy(link.mac, mnl_attr_get_payload(attr), length);
	}
	link.name[IF_NAMESIZE - 1] = '\0';
	handlers->on_link(context, &link, nlh->nlmsg_type == RTM_DELLINK);
}

static void read_address(const struct hg_netlink_handlers *handlers, void *context,
			 const struct nlmsghdr *nlh)
{
	const struct ifaddrmsg *ifa = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *attr, *address = NULL, *local = NULL;
	struct hg_ip ip;

	if ((ifa->ifa_family != AF_INET && ifa->ifa_family != AF_INET6) || !handlers->on_address)
		return;
	mnl_attr_for_each(attr, nlh, sizeof(*ifa))
	{
		if (mnl_attr_get_type(attr) == IFA_ADDRESS)
			address = attr;
		else if (mnl_attr_get_type(attr) == IFA_LOCAL)
			local = attr;
	}
	/* On a point-to-point link IFA_ADDRESS is the other end. */
	if (!read_ip(&ip, ifa->ifa_family, local ? local : address))
		return;
	ip.prefix = ifa->ifa_prefixlen;
	handlers->on_address(context, ifa->ifa_index, &ip, nlh->nlmsg_type == RTM_DELADDR);
}

static void read_neigh(const struct hg_netlink_handlers *handlers, void *context,
		       const struct nlmsghdr *nlh)
{
	const struct ndmsg *ndm = mnl_nlmsg_get_payload(nlh);
	struct hg_netlink_neigh neigh = { .ifindex = ndm->ndm_ifindex, .state = ndm->ndm_state };
	const struct nlattr *attr, *dst = NULL;

	/* AF_BRIDGE is the forwarding table of a bridge. */
	if ((ndm->ndm_family != AF_INET && ndm->ndm_family != AF_INET6) ||
	    ndm->ndm_flags & NTF_PROXY || !handlers->on_neigh)
		return;
	mnl_attr_for_each(attr, nlh, sizeof(*ndm))
	{
		if (mnl_attr_get_type(attr) == NDA_DST)
			dst = attr;
		else if (mnl_attr_get_type(attr) == NDA_LLADDR &&
			 mnl_attr_get_payload_len(attr) == 6)
			memcpy(neigh.mac, mnl_attr_get_payload(attr), 6);
	}
	if (!read_ip(&neigh.ip, ndm->ndm_family, dst))
		return;
	handlers->on_neigh(context, &neigh, nlh->nlmsg_type == RTM_DELNEIGH);
}

static int read_message(const struct hg_netlink_handlers *handlers, void *context,
			const struct nlmsghdr *nlh)
{
	size_t length = mnl_nlmsg_get_payload_len(nlh);

	switch (nlh->nlmsg_type) {
	case RTM_NEWLINK:
	case RTM_DELLINK:
		if (length < sizeof(struct ifinfomsg))
			return -EBADMSG;
		read_link(handlers, context, nlh);
		return 0;
	case RTM_NEWADDR:
	case RTM_DELADDR:
		if (length < sizeof(struct ifaddrmsg))
			return -EBADMSG;
		read_address(handlers, context, nlh);
		return 0;
	case RTM_NEWNEIGH:
	case RTM_DELNEIGH:
		if (length < sizeof(struct ndmsg))
			return -EBADMSG;
		read_neigh(handlers, context, nlh);
		return 0;
	}
	return 0;
}

/* mnl_nlmsg_ok() takes a length above INT_MAX for a negative one. */
static bool is_message(const struct nlmsghdr *nlh, int rest)
{
	return mnl_nlmsg_ok(nlh, rest) && nlh->nlmsg_len <= (unsigned int)rest;
}

int hg_netlink_parse(const struct hg_netlink_handlers *handlers, void *context, const void *data,
		     size_t length)
{
	const struct nlmsghdr *nlh = data;
	int rest = length;

	while (is_message(nlh, rest)) {
		int err = read_message(handlers, context, nlh);

		if (err)
			return err;
		nlh = mnl_nlmsg_next(nlh, &rest);
	}
	return rest > 0 ? -EBADMSG : 0;
}

static int open_socket(unsigned int groups, int flags, struct mnl_socket **ret)
{
	struct mnl_socket *socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | flags);
	int size = RECEIVE_BUFFER;
	int err;

	if (!socket)
		return -errno;
	if (mnl_socket_bind(socket, groups, MNL_SOCKET_AUTOPID) < 0) {
		err = -errno;
		mnl_socket_close(socket);
		return err;
	}
	/* Without CAP_NET_ADMIN the system's limit applies: overruns sooner, nothing worse. */
	if (setsockopt(mnl_socket_get_fd(socket), SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)))
		setsockopt(mnl_socket_get_fd(socket), SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	*ret = socket;
	return 0;
}

int hg_netlink_new(const struct hg_netlink_handlers *handlers, void *context,
		   struct hg_netlink **ret)
{
	struct hg_netlink *nl = calloc(1, sizeof(*nl));
	int err;

	if (!nl)
		return -ENOMEM;
	nl->handlers = *handlers;
	nl->context = context;
	err = open_socket(GROUPS, SOCK_NONBLOCK, &nl->socket);
	if (err) {
		free(nl);
		return err;
	}
	*ret = nl;
	return 0;
}

void hg_netlink_free(struct hg_netlink *nl)
{
	if (!nl)
		return;
	mnl_socket_close(nl->socket);
	free(nl);
}

int hg_netlink_fd(const struct hg_netlink *nl)
{
	return mnl_socket_get_fd(nl->socket);
}

/* One datagram from the kernel. >0: its length; 0: not from the kernel, ignored. */
static ssize_t receive(struct mnl_socket *socket, void *buffer, size_t size)
{
	struct sockaddr_nl from = { 0 };
	struct iovec iov = { .iov_base = buffer, .iov_len = size };
	struct msghdr msg = {
		.msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = &iov, .msg_iovlen = 1
	};
	ssize_t n;

	do {
		n = recvmsg(mnl_socket_get_fd(socket), &msg, 0);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	if (from.nl_pid)
		return 0;
	return msg.msg_flags & MSG_TRUNC ? -ENOBUFS : n;
}

int hg_netlink_consume(struct hg_netlink *nl)
{
	/* Aligned for nlmsghdr; the kernel's own datagrams of this kind stay below 16 kB. */
	_Alignas(struct nlmsghdr) char buffer[32768];
	bool is_overrun = false;
	int err = 0;

	for (int i = 0; i < DATAGRAMS_PER_CALL && !err; i++) {
		ssize_t n = receive(nl->socket, buffer, sizeof(buffer));

		if (n == -EAGAIN)
			break;
		if (n == -ENOBUFS)
			is_overrun = true;
		else if (n < 0)
			err = n;
		else if (n && hg_netlink_parse(&nl->handlers, nl->context, buffer, n))
			is_overrun = true;
	}
	/* After what was still in the buffer: the owner asks for a list once. */
	if (is_overrun && nl->handlers.on_overrun)
		nl->handlers.on_overrun(nl->context);
	return err;
}

/* --- dump ---------------------------------------------------------------------- */
struct dump {
	hg_netlink_raw_fn fn;
	void *context;
	struct mnl_socket *socket;
	unsigned int seq;
	bool is_interrupted;
};

/* 1: the dump goes on; 0: done; -errno. */
static int read_dump(struct dump *dump, const void *buffer, size_t length)
{
	const struct nlmsghdr *nlh = buffer;
	int rest = length, end = 1;

	for (; is_message(nlh, rest); nlh = mnl_nlmsg_next(nlh, &rest)) {
		if (nlh->nlmsg_seq != dump->seq)
			return 1;
		if (nlh->nlmsg_flags & NLM_F_DUMP_INTR)
			dump->is_interrupted = true;
		if (nlh->nlmsg_type == NLMSG_ERROR) {
			const struct nlmsgerr *e = mnl_nlmsg_get_payload(nlh);

			return mnl_nlmsg_get_payload_len(nlh) < sizeof(e->error) ? -EBADMSG
										 : e->error;
		}
		if (nlh->nlmsg_type == NLMSG_DONE)
			end = mnl_nlmsg_get_payload_len(nlh) < sizeof(int)
				      ? 0
				      : *(const int *)mnl_nlmsg_get_payload(nlh);
	}
	return end;
}

static int dump_once(struct dump *dump, uint16_t type)
{
	_Alignas(struct nlmsghdr) char buffer[32768];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buffer);
	int more = 1;

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	nlh->nlmsg_seq = ++dump->seq;
	dump->is_interrupted = false;
	/* All three requests begin with the family; AF_UNSPEC means every one. Their
	 * headers differ in length, the longest serves for all. */
	mnl_nlmsg_put_extra_header(nlh, type == RTM_GETLINK   ? sizeof(struct ifinfomsg)
					: type == RTM_GETADDR ? sizeof(struct ifaddrmsg)
							      : sizeof(struct ndmsg));
	if (mnl_socket_sendto(dump->socket, nlh, nlh->nlmsg_len) < 0)
		return -errno;
	while (more > 0) {
		ssize_t n = receive(dump->socket, buffer, sizeof(buffer));
		int err;

		if (n < 0)
			return n;
		more = n ? read_dump(dump, buffer, n) : 1;
		err = n && more >= 0 ? dump->fn(dump->context, buffer, n) : 0;
		if (err)
			return err;
	}
	return more;
}

int hg_netlink_dump_raw(uint16_t type, hg_netlink_raw_fn fn, void *context)
{
	struct dump dump = { .fn = fn, .context = context, .seq = time(NULL) };
	int err = open_socket(0, 0, &dump.socket);

	if (err)
		return err;
	/* An interrupted dump may have missed something: take it again, records that come
	 * twice do no harm. In the end what was got is used. */
	for (int tries = 0; tries < DUMP_TRIES; tries++) {
		err = dump_once(&dump, type);
		if (err || !dump.is_interrupted)
			break;
	}
	mnl_socket_close(dump.socket);
	return err;
}

struct direct {
	const struct hg_netlink_handlers *handlers;
	void *context;
};

static int parse_direct(void *context, const void *data, size_t length)
{
	const struct direct *direct = context;

	return hg_netlink_parse(direct->handlers, direct->context, data, length);
}

int hg_netlink_dump(const struct hg_netlink_handlers *handlers, void *context)
{
	static const uint16_t types[] = { RTM_GETLINK, RTM_GETADDR, RTM_GETNEIGH };
	struct direct direct = { handlers, context };
	int err = 0;

	if (handlers->on_sync_begin)
		handlers->on_sync_begin(context);
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]) && !err; i++)
		err = hg_netlink_dump_raw(types[i], parse_direct, &direct);
	if (!err && handlers->on_sync_end)
		handlers->on_sync_end(context);
	return err;
}
