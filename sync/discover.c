/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See discover.h. */
#include "sync/discover.h"

#include <endian.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/keys.h"
#include "bpf/siphash.h"
#include "sync/talk.h"

static int open_one(int family, uint16_t port)
{
	struct sockaddr_in in4 = { .sin_family = AF_INET, .sin_port = htobe16(port) };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htobe16(port) };
	const void *address = family == AF_INET ? (void *)&in4 : (void *)&in6;
	socklen_t length = family == AF_INET ? sizeof(in4) : sizeof(in6);
	int fd = socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1, err;

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
	if (!bind(fd, address, length))
		return fd;
	err = -errno;
	close(fd);
	return err;
}

int hg_discover_open(struct hg_discover *discover, uint16_t port, struct hg_sync_error *error)
{
	*discover = (struct hg_discover){ .fd = { open_one(AF_INET, port),
						  open_one(AF_INET6, port) } };
	if (discover->fd[0] >= 0 || discover->fd[1] >= 0)
		return 0;
	return hg_sync_fail(error, discover->fd[0], "UDP port %u: %s", port,
			    strerror(-discover->fd[0]));
}

void hg_discover_close(struct hg_discover *discover)
{
	for (int i = 0; i < 2; i++)
		if (discover->fd[i] >= 0)
			close(discover->fd[i]);
	discover->fd[0] = discover->fd[1] = -1;
}

/* Keys are made for a pair of ids; those in the frame say which, the tag says whether. */
static bool is_signed(const struct hg_wire_long *frame, const uint8_t key[HG_KEYFILE_LEN])
{
	struct hg_key_parties parties = { .self = frame->head.receiver,
					  .peer = frame->head.sender };
	struct hg_key derived;
	__u64 tag[2];

	hg_keys_cluster(key, &parties, &derived);
	if (be32toh(frame->head.key_id) != derived.id)
		return false;
	hg_siphash(frame, (HG_WIRE_LONG - HG_WIRE_TAG_LEN) / 8, derived.rx, tag);
	return !memcmp(tag, frame->tag, sizeof(tag));
}

int hg_discover_read(const void *data, size_t length, const uint8_t key[HG_KEYFILE_LEN],
		     struct hg_discovered *ret)
{
	struct hg_wire_long frame;
	const struct hg_wire_hello *hello = &frame.hello;

	if (length != sizeof(frame))
		return -EBADMSG;
	memcpy(&frame, data, sizeof(frame));
	if (be16toh(frame.head.magic) != HG_WIRE_MAGIC || frame.head.version != HG_WIRE_VERSION ||
	    frame.head.type != HG_WIRE_HELLO || be16toh(frame.head.length) != HG_WIRE_LONG ||
	    !frame.head.sender || frame.head.sender == frame.head.receiver)
		return -EBADMSG;
	if (!is_signed(&frame, key))
		return -EACCES;
	memset(ret, 0, sizeof(*ret));
	memcpy(ret->node, hello->node_name, sizeof(ret->node) - 1);
	memcpy(ret->port, hello->port_name, sizeof(ret->port) - 1);
	ret->is_member = hello->flags & HG_HELLO_F_UUID;
	ret->generation = be64toh(hello->generation);
	return 0;
}

static void take_address(const struct sockaddr_storage *from, struct hg_ip *ret)
{
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)from;
	const struct sockaddr_in *in4 = (const struct sockaddr_in *)from;

	memset(ret, 0, sizeof(*ret));
	ret->family = from->ss_family == AF_INET ? 4 : 6;
	if (ret->family == 4)
		memcpy(ret->addr, &in4->sin_addr, 4);
	else
		memcpy(ret->addr, &in6->sin6_addr, 16);
}

static int take_frame(struct hg_discover *discover, int fd, const uint8_t *key,
		      struct hg_discovered *ret)
{
	uint8_t data[HG_WIRE_LONG + 1];
	struct sockaddr_storage from;
	socklen_t size = sizeof(from);
	ssize_t n = recvfrom(fd, data, sizeof(data), MSG_DONTWAIT, (struct sockaddr *)&from, &size);
	int err;

	if (n < 0)
		return -EAGAIN;
	err = hg_discover_read(data, n, key, ret);
	discover->foreign += err == -EACCES;
	discover->silent += !err && !ret->is_member;
	if (err || !ret->is_member)
		return -EAGAIN;
	take_address(&from, &ret->address);
	return 0;
}

int hg_discover_wait(struct hg_discover *discover, const uint8_t key[HG_KEYFILE_LEN],
		     unsigned int timeout_ms, struct hg_discovered *ret)
{
	uint64_t deadline = hg_talk_now() + timeout_ms * UINT64_C(1000000), now;
	struct pollfd pfd[2] = { { .fd = discover->fd[0], .events = POLLIN },
				 { .fd = discover->fd[1], .events = POLLIN } };

	for (now = hg_talk_now(); now < deadline; now = hg_talk_now()) {
		if (poll(pfd, 2, (deadline - now) / 1000000 + 1) <= 0)
			continue;
		for (int i = 0; i < 2; i++)
			if (pfd[i].revents && !take_frame(discover, pfd[i].fd, key, ret))
				return 0;
	}
	return -ETIMEDOUT;
}
