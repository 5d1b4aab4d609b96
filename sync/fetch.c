/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See fetch.h. */
#include "sync/fetch.h"

#include <errno.h>
#include <arpa/inet.h>
#include <poll.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* --- connection ------------------------------------------------------------------------ */

static int connect_within(int fd, const struct sockaddr_storage *address, socklen_t length)
{
	struct pollfd pfd = { .fd = fd, .events = POLLOUT };
	socklen_t size = sizeof(int);
	int err = 0;

	if (!connect(fd, (const struct sockaddr *)address, length))
		return 0;
	if (errno != EINPROGRESS)
		return -errno;
	if (poll(&pfd, 1, HG_FETCH_CONNECT_MS) != 1)
		return -ETIMEDOUT;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &size))
		return -errno;
	return -err;
}

/* The port of an earlier connection to the same place may still be in TIME_WAIT. */
static int try_port(const struct hg_ip *own, unsigned int port, const struct hg_ip *other)
{
	int family = other->family == 4 ? AF_INET : AF_INET6, one = 1, err = 0;
	int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct sockaddr_storage address;
	socklen_t length;

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (own) {
		length = hg_ip_sockaddr(own, HG_SYNC_PORT + port, &address);
		err = bind(fd, (struct sockaddr *)&address, length) ? -errno : 0;
	}
	length = hg_ip_sockaddr(other, HG_SYNC_PORT, &address);
	if (!err)
		err = connect_within(fd, &address, length);
	if (!err)
		return fd;
	close(fd);
	return err;
}

int hg_fetch_connect(const struct hg_ip *own, const struct hg_ip *other,
		     struct hg_sync_error *error)
{
	char text[INET6_ADDRSTRLEN];
	unsigned int first = time(NULL) % HG_SYNC_CLIENT_PORTS;
	int result = -EADDRINUSE;

	for (unsigned int i = 0; i < HG_SYNC_CLIENT_PORTS; i++) {
		result = try_port(own, 1 + (first + i) % HG_SYNC_CLIENT_PORTS, other);
		if (result != -EADDRINUSE && result != -EADDRNOTAVAIL)
			break;
		if (!own)
			break;
	}
	if (result >= 0)
		return result;
	inet_ntop(other->family == 4 ? AF_INET : AF_INET6, other->addr, text, sizeof(text));
	return hg_sync_fail(error, result, "%s port %d: %s", text, HG_SYNC_PORT, strerror(-result));
}

/* --- HELLO ----------------------------------------------------------------------------- */

int hg_fetch_greet(const struct hg_sync_node *node, int fd, enum hg_message_purpose purpose,
		   struct hg_history *history, struct hg_talk **ret,
		   struct hg_message_hello *ret_other, struct hg_sync_error *error)
{
	struct hg_message message = { .type = HG_MESSAGE_HELLO, .hello.purpose = purpose };
	struct hg_talk *talk;
	int err = hg_talk_new(fd, false, node->key, HG_FETCH_HELLO_MS, &talk, error);

	if (err)
		return err;
	snprintf(message.hello.node, sizeof(message.hello.node), "%s", node->config.node);
	/* A blank node may have a history that it never finished to learn. */
	if (node->is_member)
		err = hg_history_describe(history, &message.hello.head);
	if (err)
		hg_sync_fail(error, err, "history: %s", strerror(-err));
	if (!err)
		err = hg_talk_send(talk, &message, error);
	if (!err)
		err = hg_talk_expect(talk, HG_MESSAGE_HELLO, &message, error);
	if (err) {
		hg_talk_free(talk);
		return err;
	}
	*ret_other = message.hello;
	*ret = talk;
	return 0;
}

int hg_fetch_hello(const struct hg_sync_node *node, enum hg_message_purpose purpose,
		   struct hg_history *history, struct hg_talk **ret,
		   struct hg_message_hello *ret_other, struct hg_sync_error *error)
{
	int fd = -EHOSTUNREACH, err;

	hg_sync_fail(error, fd, "cluster.yaml names no other node with a heartbeat address");
	for (unsigned int i = 0; i < node->path_count; i++) {
		fd = hg_fetch_connect(&node->own[i], &node->other[i], error);
		if (fd >= 0)
			break;
	}
	if (fd < 0)
		return -EHOSTUNREACH;
	err = hg_fetch_greet(node, fd, purpose, history, ret, ret_other, error);
	if (!err && strcmp(ret_other->node, node->peer)) {
		hg_talk_free(*ret);
		err = hg_sync_fail(error, -EACCES, "the other node says it is '%s', not '%s'",
				   ret_other->node, node->peer);
	}
	return err;
}

/* --- packs ----------------------------------------------------------------------------- */

static int feed(struct hg_talk *talk, struct hg_import *import, struct hg_head *ret_head,
		struct hg_sync_error *error)
{
	struct hg_message message;
	int err = 0;

	while (!err) {
		err = hg_talk_receive(talk, &message, error);
		if (err)
			break;
		if (message.type == HG_MESSAGE_PACK) {
			err = hg_import_feed(import, message.pack, message.length, error);
			continue;
		}
		if (message.type == HG_MESSAGE_END) {
			*ret_head = message.head;
			return 0;
		}
		if (message.type == HG_MESSAGE_VERDICT && message.verdict.err)
			return hg_sync_fail(error, -message.verdict.err, "%s",
					    message.verdict.text);
		err = hg_sync_fail(error, -EBADMSG, "something else than a pack came");
	}
	return err;
}

int hg_fetch_pack(struct hg_talk *talk, struct hg_history *history,
		  const struct hg_message_hello *other, const char *cluster,
		  struct hg_head *ret_head, enum hg_relation *ret, struct hg_sync_error *error)
{
	struct hg_import *import;
	int err = hg_import_new(history, &hg_import_limits_default, &import, error);

	if (err)
		return err;
	hg_talk_extend(talk, HG_FETCH_PACK_MS);
	err = feed(talk, import, ret_head, error);
	if (!err)
		err = hg_import_finish(import, other->node, ret_head, cluster, ret, error);
	hg_import_free(import);
	return err;
}

int hg_fetch_get(struct hg_talk *talk, struct hg_history *history,
		 const struct hg_message_hello *other, const char *cluster,
		 struct hg_head *ret_head, enum hg_relation *ret, struct hg_sync_error *error)
{
	struct hg_message message = { .type = HG_MESSAGE_GET };
	int err;

	message.get.count = hg_history_haves(history, message.get.oid);
	err = hg_talk_send(talk, &message, error);
	if (err)
		return err;
	return hg_fetch_pack(talk, history, other, cluster, ret_head, ret, error);
}

/* --- the parts of store -------------------------------------------------------------------- */

int hg_fetch_open_history(const struct hg_sync_node *node, unsigned int timeout_ms,
			  struct hg_history **ret, struct hg_sync_error *error)
{
	uint64_t deadline = hg_talk_now() + timeout_ms * UINT64_C(1000000);
	struct timespec pause = { .tv_nsec = 10000000 };
	int err;

	for (;;) {
		err = hg_history_open(node->config.state, true, ret, error);
		if (err != -EBUSY || hg_talk_now() >= deadline)
			return err;
		nanosleep(&pause, NULL);
	}
}

int hg_fetch_open_apply(const struct hg_sync_node *node, bool has_apply, struct hg_history *history,
			struct hg_apply **ret, struct hg_sync_error *error)
{
	const char *forbidden[] = { node->config.key, node->config.state, node->config.run,
				    node->node_path, NULL };
	struct hg_apply_options options = {
		.state_dir = node->config.state,
		.node = node->config.node,
		.cluster_path = node->config.cluster,
		.cluster_validate = node->validate,
		.cluster_apply = has_apply ? node->apply : NULL,
		.forbidden = forbidden,
	};
	struct hg_apply_report report;
	int err = hg_apply_new(&options, history, ret, error);

	if (err)
		return err;
	err = hg_apply_recover(*ret, &report, error);
	if (err)
		hg_apply_free(*ret);
	return err;
}
