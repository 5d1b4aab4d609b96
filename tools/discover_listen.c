// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Sockets of `hagate discover`: one on each NIC that is up, without promiscuous mode,
 * with a filter in the kernel for the few kinds of frames that tell something. Nothing
 * is sent unless --probe asks for it, and then only beacons to a multicast MAC that
 * nobody listens to but hagate.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "discover.h"
#include "wiring/link.h"

#define PROBE_MS 500
#define FRAMES_MAX 256 /* of one NIC in a row */

/* ARP, frames of hagate, UDP to the heartbeat port, ICMPv6. Jumps count instructions. */
static struct sock_filter filter[] = {
	BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 12),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETH_P_ARP, 16, 0),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, HG_WIRING_ETHERTYPE, 15, 0),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETH_P_IPV6, 8, 0),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETH_P_IP, 0, 12),
	BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 23), /* protocol */
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_UDP, 0, 10),
	BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 20), /* fragment offset */
	BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 0x1fff, 8, 0),
	BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 14), /* length of the IP header */
	BPF_STMT(BPF_LD | BPF_H | BPF_IND, 16), /* destination port */
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, HG_WIRE_UDP_PORT, 6, 5),
	BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 20), /* IPv6: next header */
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_ICMPV6, 4, 0),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_UDP, 0, 2),
	BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 56),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, HG_WIRE_UDP_PORT, 1, 0),
	BPF_STMT(BPF_RET | BPF_K, 0),
	BPF_STMT(BPF_RET | BPF_K, 2048),
};

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int open_capture(int ifindex)
{
	struct sockaddr_ll address = { .sll_family = AF_PACKET,
				       .sll_protocol = htons(ETH_P_ALL),
				       .sll_ifindex = ifindex };
	struct packet_mreq group = { .mr_ifindex = ifindex,
				     .mr_type = PACKET_MR_MULTICAST,
				     .mr_alen = 6,
				     .mr_address = HG_WIRING_GROUP };
	struct sock_fprog program = { sizeof(filter) / sizeof(filter[0]), filter };
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), err;

	if (fd < 0)
		return -errno;
	if (!setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) &&
	    !bind(fd, (struct sockaddr *)&address, sizeof(address)) &&
	    !setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &group, sizeof(group)))
		return fd;
	err = -errno;
	close(fd);
	return err;
}

static void read_flags(struct hg_discover_nic *nic)
{
	struct ifreq request = { 0 };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return;
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", nic->nic->ifname);
	if (!ioctl(fd, SIOCGIFFLAGS, &request)) {
		nic->is_up = request.ifr_flags & IFF_UP;
		nic->has_link = request.ifr_flags & IFF_RUNNING;
	}
	close(fd);
}

static int open_all(struct hg_discover *discover)
{
	for (unsigned int i = 0; i < discover->nics.count; i++) {
		struct hg_discover_nic *nic = &discover->nic[i];

		nic->nic = &discover->nics.nic[i];
		nic->ifindex = (int)if_nametoindex(nic->nic->ifname);
		nic->fd = -1;
		read_flags(nic);
		if (!nic->is_up || !nic->ifindex)
			continue;
		nic->fd = open_capture(nic->ifindex);
		if (nic->fd == -EPERM)
			return -EPERM;
	}
	return 0;
}

static void send_probes(const struct hg_discover *discover)
{
	static const uint8_t group[6] = HG_WIRING_GROUP;

	for (unsigned int i = 0; i < discover->nics.count; i++) {
		const struct hg_discover_nic *nic = &discover->nic[i];
		struct hg_wiring_frame frame = { .type = HG_WIRING_PROBE };
		int fd = nic->fd < 0 ? -1 : hg_wiring_open(nic->ifindex);

		if (fd < 0)
			continue;
		memcpy(frame.nonce, discover->nonce, sizeof(frame.nonce));
		memcpy(frame.mac, nic->nic->mac, sizeof(frame.mac));
		snprintf(frame.ifname, sizeof(frame.ifname), "%s", nic->nic->ifname);
		gethostname(frame.node_name, sizeof(frame.node_name) - 1);
		hg_wiring_send(fd, nic->ifindex, group, nic->nic->mac, &frame,
			       discover->has_key ? &discover->key : NULL);
		close(fd);
	}
}

static void read_nic(struct hg_discover *discover, unsigned int index)
{
	uint8_t data[2048];

	for (int i = 0; i < FRAMES_MAX; i++) {
		struct sockaddr_ll from = { 0 };
		socklen_t length = sizeof(from);
		ssize_t size = recvfrom(discover->nic[index].fd, data, sizeof(data), MSG_DONTWAIT,
					(struct sockaddr *)&from, &length);

		if (size < 0)
			return;
		if (from.sll_pkttype != PACKET_OUTGOING)
			hg_discover_frame(discover, index, data, (size_t)size);
	}
}

int hg_discover_listen(struct hg_discover *discover)
{
	int64_t end, probe = 0, now;
	struct pollfd list[HG_NICS_MAX];
	int err = open_all(discover);

	end = now_ms() + (int64_t)discover->seconds * 1000;
	for (now = now_ms(); !err && now < end; now = now_ms()) {
		if (discover->is_probing && now >= probe) {
			send_probes(discover);
			probe = now + PROBE_MS;
		}
		for (unsigned int i = 0; i < discover->nics.count; i++)
			list[i] = (struct pollfd){ .fd = discover->nic[i].fd, .events = POLLIN };
		if (poll(list, discover->nics.count, end - now < 100 ? (int)(end - now) : 100) < 0)
			err = errno == EINTR ? 0 : -errno;
		for (unsigned int i = 0; !err && i < discover->nics.count; i++)
			if (list[i].revents)
				read_nic(discover, i);
	}
	for (unsigned int i = 0; i < discover->nics.count; i++)
		if (discover->nic[i].fd >= 0)
			close(discover->nic[i].fd);
	return err;
}
