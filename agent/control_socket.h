/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The listening socket in the run directory, and the lock that makes sure that only
 * one agent uses that directory.
 */
#ifndef HG_CONTROL_SOCKET_H
#define HG_CONTROL_SOCKET_H

#include <sys/un.h>

#include "loader/loader.h"

struct hg_control_socket {
	int fd; /* listening, non-blocking */
	int lock_fd; /* RUN/hagate.lock, held until close */
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
};

/* -EADDRINUSE: a living agent listens there. -EEXIST: the path is no socket.
 * `ret` is untouched on failure. */
int hg_control_socket_open(const char *run, const char *group, struct hg_control_socket *ret,
			   struct hg_error *error);
/* Removes the socket, keeps the lock file. */
void hg_control_socket_close(struct hg_control_socket *sock);

#endif
