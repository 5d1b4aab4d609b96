/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * TCP connections of the other node. Listens on this node's own addresses of heartbeat ports,
 * and talks to the other's addresses only; everybody else is gone before a word of TLS.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/log.h"
#include "sync/daemon.h"
#include "sync/serve.h"
#include "sync/talk.h"

#define BACKLOG 8
#define LIMIT_MS 1800000 /* validate and apply commands of a large configuration take long */
#define SAY_NS (10 * UINT64_C(1000000000))

static int open_one(const struct hg_ip *ip)
{
	struct sockaddr_in in4 = { .sin_family = AF_INET, .sin_port = htons(HG_SYNC_PORT) };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(HG_SYNC_PORT) };
	bool is_v4 = ip->family == 4;
	int one = 1;
	int fd = socket(is_v4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	memcpy(&in4.sin_addr, ip->addr, sizeof(in4.sin_addr));
	memcpy(&in6.sin6_addr, ip->addr, sizeof(in6.sin6_addr));
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	/* The address may come later than this program. */
	setsockopt(fd, is_v4 ? IPPROTO_IP : IPPROTO_IPV6, is_v4 ? IP_FREEBIND : IPV6_FREEBIND, &one,
		   sizeof(one));
	if (!bind(fd, is_v4 ? (void *)&in4 : (void *)&in6, is_v4 ? sizeof(in4) : sizeof(in6)) &&
	    !listen(fd, BACKLOG))
		return fd;
	close(fd);
	return -1;
}

void hg_listen_close(struct hg_daemon *daemon)
{
	for (unsigned int i = 0; i < daemon->listener_count; i++)
		if (daemon->listener[i] >= 0)
			close(daemon->listener[i]);
	daemon->listener_count = 0;
}

void hg_listen_open(struct hg_daemon *daemon)
{
	hg_listen_close(daemon);
	for (unsigned int i = 0; i < daemon->node.path_count; i++) {
		daemon->listener[i] = open_one(&daemon->node.own[i]);
		if (daemon->listener[i] < 0)
			hg_warning("TCP port %d: %s", HG_SYNC_PORT, strerror(errno));
	}
	daemon->listener_count = daemon->node.path_count;
}

static struct hg_ip to_ip(const struct sockaddr_storage *from)
{
	struct hg_ip ip = { .family = from->ss_family == AF_INET ? 4 : 6 };

	if (ip.family == 4)
		memcpy(ip.addr, &((const struct sockaddr_in *)from)->sin_addr, 4);
	else
		memcpy(ip.addr, &((const struct sockaddr_in6 *)from)->sin6_addr, 16);
	return ip;
}

static bool is_same(const struct hg_ip *a, const struct hg_ip *b)
{
	return a->family == b->family && !memcmp(a->addr, b->addr, sizeof(a->addr));
}

static bool is_welcome(const struct hg_daemon *daemon, const struct hg_ip *from)
{
	unsigned int count = 0;
	bool is_peer = false;

	for (unsigned int i = 0; i < daemon->node.path_count; i++)
		is_peer |= is_same(from, &daemon->node.other[i]);
	for (unsigned int i = 0; i < HG_CHILDREN_MAX; i++)
		count += daemon->child[i].pid && daemon->child[i].kind == HG_CHILD_CONNECTION &&
			 is_same(from, &daemon->child[i].source);
	return is_peer && count < HG_CONNECTIONS_PER_SOURCE &&
	       hg_children_count(daemon, HG_CHILD_CONNECTION) < HG_CONNECTIONS_MAX;
}

static void refuse(struct hg_daemon *daemon, int fd)
{
	struct linger at_once = { .l_onoff = 1 };
	uint64_t now = hg_talk_now();

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	close(fd);
	daemon->refused++;
	if (now < daemon->refused_said_at + SAY_NS)
		return;
	hg_warning("refused %u connections: from strangers, or too many", daemon->refused);
	daemon->refused = 0;
	daemon->refused_said_at = now;
}

static void serve(struct hg_daemon *daemon, int fd, const struct hg_ip *from)
{
	struct hg_sync_error error = { "" };
	int out, err;
	pid_t pid = hg_children_fork(daemon, HG_CHILD_CONNECTION, LIMIT_MS, from, &out);

	if (pid) {
		close(fd);
		return;
	}
	err = hg_serve_connection(&daemon->node, fd, &error);
	if (err)
		hg_warning("connection of the other node: %s",
			   *error.text ? error.text : strerror(-err));
	_exit(err ? 1 : 0);
}

/* A few at a time: there may be thousands, and other things to do. */
void hg_listen_accept(struct hg_daemon *daemon, unsigned int index)
{
	for (int i = 0; i < 16; i++) {
		struct sockaddr_storage from;
		socklen_t size = sizeof(from);
		int fd = accept4(daemon->listener[index], (struct sockaddr *)&from, &size,
				 SOCK_CLOEXEC);
		struct hg_ip ip;

		if (fd < 0)
			return;
		ip = to_ip(&from);
		if (is_welcome(daemon, &ip))
			serve(daemon, fd, &ip);
		else
			refuse(daemon, fd);
	}
}
