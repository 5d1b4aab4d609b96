/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * UDP sockets of the witness. An answer leaves from the very address the question came
 * to, also on a machine with several, and through whatever the routing table says.
 */
#ifndef HG_SOCKET_H
#define HG_SOCKET_H

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct hg_socket_address {
	struct sockaddr_storage address;
	socklen_t length;
};

/* Where a frame came from and which of our addresses it came to. */
struct hg_socket_peer {
	struct sockaddr_in6 from; /* IPv4 as ::ffff:a.b.c.d on a socket of both */
	socklen_t length;
	char control[CMSG_SPACE(sizeof(struct in6_pktinfo))] __attribute__((aligned(8)));
	size_t control_length;
};

/* "10.0.0.1", "2001:db8::1"; -EINVAL: not an address. */
int hg_socket_parse(const char *text, uint16_t port, struct hg_socket_address *ret);
/* All addresses of both families, or of IPv4 where there is no IPv6. */
int hg_socket_open_all(uint16_t port, int *ret_fd);
int hg_socket_open(const struct hg_socket_address *address, int *ret_fd);

/* Length of a frame, 0: none waits, -errno. A longer one is
 * cut to `size`. */
ssize_t hg_socket_receive(int fd, void *frame, size_t size, struct hg_socket_peer *ret);
void hg_socket_send(int fd, const void *frame, size_t length, struct hg_socket_peer *to);

#endif
