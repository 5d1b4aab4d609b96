/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See link.h. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "wiring/link.h"

#define RECEIVE_BUFFER (64 * 1024)
#define BAD_FRAMES_MAX 64 /* skipped in one call */

static const uint8_t group[6] = HG_WIRING_GROUP;

static int member(int fd, int ifindex, unsigned short type, const uint8_t mac[6], bool is_on)
{
	struct packet_mreq request = { .mr_ifindex = ifindex, .mr_type = type, .mr_alen = 6 };

	memcpy(request.mr_address, mac, 6);
	return setsockopt(fd, SOL_PACKET, is_on ? PACKET_ADD_MEMBERSHIP : PACKET_DROP_MEMBERSHIP,
			  &request, sizeof(request))
		       ? -errno
		       : 0;
}

int hg_wiring_open(int ifindex)
{
	struct sockaddr_ll address = { .sll_family = AF_PACKET,
				       .sll_protocol = htons(HG_WIRING_ETHERTYPE),
				       .sll_ifindex = ifindex };
	int buffer = RECEIVE_BUFFER, one = 1, err;
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof(buffer));
	if (setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof(one)) ||
	    bind(fd, (struct sockaddr *)&address, sizeof(address))) {
		err = -errno;
		close(fd);
		return err;
	}
	err = member(fd, ifindex, PACKET_MR_MULTICAST, group, true);
	if (!err)
		return fd;
	close(fd);
	return err;
}

int hg_wiring_take(int fd, int ifindex, const uint8_t mac[6], bool is_on)
{
	return member(fd, ifindex, PACKET_MR_UNICAST, mac, is_on);
}

int hg_wiring_send(int fd, int ifindex, const uint8_t to[6], const uint8_t from[6],
		   struct hg_wiring_frame *frame, const struct hg_wiring_key *key)
{
	struct sockaddr_ll address = { .sll_family = AF_PACKET,
				       .sll_protocol = htons(HG_WIRING_ETHERTYPE),
				       .sll_ifindex = ifindex,
				       .sll_halen = 6 };
	uint8_t data[ETH_HLEN + sizeof(*frame)];
	const uint16_t type = htons(HG_WIRING_ETHERTYPE);

	hg_wiring_sign(frame, key);
	memcpy(address.sll_addr, to, 6);
	memcpy(data, to, 6);
	memcpy(data + 6, from, 6);
	memcpy(data + 12, &type, sizeof(type));
	memcpy(data + ETH_HLEN, frame, sizeof(*frame));
	return sendto(fd, data, sizeof(data), MSG_DONTWAIT, (struct sockaddr *)&address,
		      sizeof(address)) < 0
		       ? -errno
		       : 0;
}

int hg_wiring_receive(int fd, const struct hg_wiring_key *key, struct hg_wiring_received *ret)
{
	struct hg_wiring_received received = { .is_authentic = false };
	uint8_t data[2048];

	for (int i = 0; i < BAD_FRAMES_MAX; i++) {
		struct sockaddr_ll from = { 0 };
		socklen_t length = sizeof(from);
		ssize_t size = recvfrom(fd, data, sizeof(data), MSG_DONTWAIT,
					(struct sockaddr *)&from, &length);

		if (size < 0)
			return errno == EAGAIN || errno == EINTR ? 0 : -errno;
		if (size < ETH_HLEN || from.sll_pkttype == PACKET_OUTGOING ||
		    !hg_wiring_check(data + ETH_HLEN, size - ETH_HLEN, &received.frame))
			continue;
		memcpy(received.to, data, 6);
		memcpy(received.from, data + 6, 6);
		received.is_authentic = key && hg_wiring_is_authentic(data + ETH_HLEN, key);
		*ret = received;
		return 1;
	}
	return 0;
}
