/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See heartbeat.h. */
#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bpf/siphash.h"
#include "heartbeat.h"

/* Class selector 6 (RFC 2474), as routing protocols use: ahead of bulk traffic. */
#define HEARTBEAT_TOS 0xc0

static const struct hg_ip everybody4 = { .family = 4, .addr = { 255, 255, 255, 255 } };
static const struct hg_ip everybody6 = { .family = 6, .addr = { 0xff, 0x02, [15] = 1 } };

void hg_heartbeat_init(struct hg_heartbeat *heartbeat)
{
	memset(heartbeat, 0, sizeof(*heartbeat));
	heartbeat->fd = -1;
}

static int set_options(int fd, const struct hg_heartbeat_options *options)
{
	int ttl = HG_WIRE_TTL, tos = HEARTBEAT_TOS, one = 1, smallest = 1;
	bool is_v6 = options->self->family == 6;
	int level = is_v6 ? IPPROTO_IPV6 : IPPROTO_IP;
	int ttl_name = is_v6 ? IPV6_UNICAST_HOPS : IP_TTL;
	int tos_name = is_v6 ? IPV6_TCLASS : IP_TOS;

	if (setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, options->ifname, strlen(options->ifname)) ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &smallest, sizeof(smallest)) ||
	    setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &one, sizeof(one)) ||
	    (is_v6 && setsockopt(fd, level, IPV6_MULTICAST_HOPS, &ttl, sizeof(ttl))) ||
	    setsockopt(fd, level, ttl_name, &ttl, sizeof(ttl)) ||
	    setsockopt(fd, level, tos_name, &tos, sizeof(tos)))
		return -errno;
	return 0;
}

int hg_heartbeat_open(struct hg_heartbeat *heartbeat, const struct hg_heartbeat_options *options)
{
	int family = options->self->family == 4 ? AF_INET : AF_INET6;
	struct sockaddr_storage address;
	socklen_t length;
	int err, fd;

	fd = socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	err = set_options(fd, options);
	if (err)
		goto out;
	length = hg_ip_sockaddr(options->self, options->udp_port, &address);
	if (bind(fd, (struct sockaddr *)&address, length)) {
		err = -errno;
		goto out;
	}
	length = hg_ip_sockaddr(options->peer, options->udp_port, &address);
	if (connect(fd, (struct sockaddr *)&address, length)) {
		err = -errno;
		goto out;
	}
	hg_heartbeat_close(heartbeat);
	heartbeat->everybody_len = hg_ip_sockaddr(options->self->family == 4 ? &everybody4
									     : &everybody6,
						  options->udp_port, &heartbeat->everybody);
	heartbeat->fd = fd;
	heartbeat->port_id = hg_port_id(options->port);
	return 0;
out:
	close(fd);
	return err;
}

void hg_heartbeat_close(struct hg_heartbeat *heartbeat)
{
	if (heartbeat->fd >= 0)
		close(heartbeat->fd);
	heartbeat->fd = -1;
}

static void fill_head(const struct hg_heartbeat *heartbeat, struct hg_wire_head *head, int length,
		      const struct hg_key *key)
{
	head->magic = htobe16(HG_WIRE_MAGIC);
	head->version = HG_WIRE_VERSION;
	head->length = htobe16(length);
	head->port = htobe32(heartbeat->port_id);
	head->key_id = htobe32(key->id);
}

static void sign(const void *frame, int length, const struct hg_key *key, __u8 *ret_tag)
{
	__u64 tag[2];

	hg_siphash(frame, (length - HG_WIRE_TAG_LEN) / 8, key->tx, tag);
	memcpy(ret_tag, tag, sizeof(tag));
}

static void put_frame(struct hg_heartbeat *heartbeat, const void *frame, int length)
{
	ssize_t sent = send(heartbeat->fd, frame, length, MSG_DONTWAIT);

	/* A connected socket reports an earlier ICMP error once instead of sending. */
	if (sent < 0 && errno == ECONNREFUSED)
		sent = send(heartbeat->fd, frame, length, MSG_DONTWAIT);
	heartbeat->send_errno = sent < 0 ? errno : 0;
}

void hg_heartbeat_send_short(struct hg_heartbeat *heartbeat, struct hg_wire_short *frame,
			     const struct hg_key *key)
{
	if (heartbeat->fd < 0)
		return;
	fill_head(heartbeat, &frame->head, HG_WIRE_SHORT, key);
	sign(frame, HG_WIRE_SHORT, key, frame->tag);
	put_frame(heartbeat, frame, HG_WIRE_SHORT);
}

void hg_heartbeat_send_long(struct hg_heartbeat *heartbeat, struct hg_wire_long *frame,
			    const struct hg_key *key)
{
	if (heartbeat->fd < 0)
		return;
	fill_head(heartbeat, &frame->head, HG_WIRE_LONG, key);
	sign(frame, HG_WIRE_LONG, key, frame->tag);
	put_frame(heartbeat, frame, HG_WIRE_LONG);
}

void hg_heartbeat_broadcast(struct hg_heartbeat *heartbeat, const struct hg_wire_long *frame)
{
	if (heartbeat->fd >= 0)
		sendto(heartbeat->fd, frame, HG_WIRE_LONG, MSG_DONTWAIT,
		       (const struct sockaddr *)&heartbeat->everybody, heartbeat->everybody_len);
}
