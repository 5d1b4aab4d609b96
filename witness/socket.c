/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See socket.h. */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "socket.h"

/* Class selector 6 (RFC 2474), as the nodes' heartbeats. */
#define WITNESS_TOS 0xc0

int hg_socket_parse(const char *text, uint16_t port, struct hg_socket_address *ret)
{
	struct sockaddr_in *in4 = (struct sockaddr_in *)&ret->address;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&ret->address;

	memset(ret, 0, sizeof(*ret));
	if (inet_pton(AF_INET, text, &in4->sin_addr) == 1) {
		in4->sin_family = AF_INET;
		in4->sin_port = htons(port);
		ret->length = sizeof(*in4);
		return 0;
	}
	if (inet_pton(AF_INET6, text, &in6->sin6_addr) != 1)
		return -EINVAL;
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(port);
	ret->length = sizeof(*in6);
	return 0;
}

static int set_options(int fd, int family, int is_v6_only)
{
	int one = 1, tos = WITNESS_TOS;

	if (family == AF_INET)
		return setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &one, sizeof(one)) ||
				       setsockopt(fd, IPPROTO_IP, IP_TOS, &tos, sizeof(tos))
			       ? -errno
			       : 0;
	if (setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &is_v6_only, sizeof(is_v6_only)) ||
	    setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &one, sizeof(one)) ||
	    setsockopt(fd, IPPROTO_IPV6, IPV6_TCLASS, &tos, sizeof(tos)) ||
	    setsockopt(fd, IPPROTO_IP, IP_TOS, &tos, sizeof(tos)))
		return -errno;
	return 0;
}

static int open_one(const struct hg_socket_address *address, int is_v6_only, int *ret_fd)
{
	int family = address->address.ss_family;
	int fd = socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int err;

	if (fd < 0)
		return -errno;
	err = set_options(fd, family, is_v6_only);
	if (!err && bind(fd, (const struct sockaddr *)&address->address, address->length))
		err = -errno;
	if (err)
		close(fd);
	else
		*ret_fd = fd;
	return err;
}

int hg_socket_open(const struct hg_socket_address *address, int *ret_fd)
{
	return open_one(address, 1, ret_fd);
}

int hg_socket_open_all(uint16_t port, int *ret_fd)
{
	struct hg_socket_address any;
	int err;

	hg_socket_parse("::", port, &any);
	err = open_one(&any, 0, ret_fd);
	if (err != -EAFNOSUPPORT && err != -EADDRNOTAVAIL)
		return err;
	hg_socket_parse("0.0.0.0", port, &any);
	return open_one(&any, 1, ret_fd);
}

ssize_t hg_socket_receive(int fd, void *frame, size_t size, struct hg_socket_peer *ret)
{
	struct iovec iov = { frame, size };
	struct msghdr message = {
		.msg_name = &ret->from,
		.msg_namelen = sizeof(ret->from),
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = ret->control,
		.msg_controllen = sizeof(ret->control),
	};
	ssize_t n = recvmsg(fd, &message, MSG_DONTWAIT);

	ret->length = message.msg_namelen;
	ret->control_length = message.msg_controllen;
	if (n >= 0)
		return n;
	return errno == EAGAIN || errno == EINTR ? 0 : -errno;
}

/* The address that was asked is the one that answers; the NIC is the routing table's
 * choice, but for link-local addresses, which mean nothing without theirs. */
static void free_interface(struct cmsghdr *control)
{
	struct in6_pktinfo *info6 = (struct in6_pktinfo *)CMSG_DATA(control);
	struct in_pktinfo *info4 = (struct in_pktinfo *)CMSG_DATA(control);

	if (control->cmsg_level == IPPROTO_IP && control->cmsg_type == IP_PKTINFO) {
		info4->ipi_ifindex = 0;
		info4->ipi_spec_dst = info4->ipi_addr;
	} else if (control->cmsg_level == IPPROTO_IPV6 && control->cmsg_type == IPV6_PKTINFO &&
		   !IN6_IS_ADDR_LINKLOCAL(&info6->ipi6_addr)) {
		info6->ipi6_ifindex = 0;
	}
}

void hg_socket_send(int fd, const void *frame, size_t length, struct hg_socket_peer *to)
{
	struct iovec iov = { (void *)frame, length };
	struct msghdr message = {
		.msg_name = &to->from,
		.msg_namelen = to->length,
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = to->control,
		.msg_controllen = to->control_length,
	};

	if (to->control_length)
		free_interface((struct cmsghdr *)to->control);
	/* What cannot go out is lost, as on a wire: the node asks again. */
	if (sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		return;
}
