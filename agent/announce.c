// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Announcements. See announce.h.
 *
 * A raw socket for each port, opened once and kept until the end: closing a packet
 * socket waits for an RCU grace period, and one socket for all would let a stuck NIC
 * fill the send buffer of the others. It is not bound to a protocol (it receives
 * nothing) nor to a NIC (each frame names it), so a NIC that comes and goes needs no
 * new socket and no privilege. The qdisc is not bypassed: the egress program of a
 * fenced node refuses the frames, which shows here as ENOBUFS.
 *
 * A port's round is `next` (frames sent so far) and `due`; `step` is its place in the
 * schedule that began at `started`.
 */
#include "agent/announce.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/pkt_sched.h>
#include <netinet/icmp6.h>
#include <netinet/if_ether.h>
#include <netinet/ip6.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BATCH_MAX 64
#define FRAMES_PER_CALL 256
#define SEND_BUFFER (1024 * 1024) /* the kernel doubles it: 2,700 frames */
#define STEPS 5
#define TRIES_MAX 20 /* a millisecond apart, without a single frame leaving */

static const struct hg_span schedule[STEPS] = { HG_MS(0), HG_MS(50), HG_MS(200), HG_MS(1000),
						HG_MS(3000) };

struct frame {
	uint8_t length;
	uint8_t octets[HG_ANNOUNCE_FRAME_MAX];
};

struct port {
	int fd; /* -1: slot not used yet */
	int ifindex; /* 0: no NIC */
	struct frame *frame;
	size_t count;
	size_t next;
	unsigned int step; /* STEPS: the schedule is over */
	unsigned int tries;
	bool is_sending; /* a round is under way */
	bool is_asked; /* hg_announce_again */
	bool has_failed; /* in this round */
	struct hg_time started;
	struct hg_time asked;
	struct hg_time last; /* when the last round began */
	struct hg_time retry; /* the socket was full: not before */
	struct hg_announce_stats stats;
};

struct hg_announce {
	unsigned int first; /* slot to begin with: each gets its turn */
	struct port port[HG_SLOTS_MAX];
};

/* --- frames ------------------------------------------------------------------------ */
/* Packed: the headers are not aligned in a frame. */
struct arp_frame {
	struct ether_header eth;
	struct ether_arp arp;
	uint8_t padding[18]; /* to the shortest Ethernet frame */
} __attribute__((packed));

struct na_frame {
	struct ether_header eth;
	struct ip6_hdr ip6;
	struct nd_neighbor_advert na;
	struct nd_opt_hdr option;
	uint8_t mac[6];
} __attribute__((packed));

_Static_assert(sizeof(struct arp_frame) == 60, "ARP frame");
_Static_assert(sizeof(struct na_frame) == HG_ANNOUNCE_FRAME_MAX, "NA frame");

static size_t make_arp(uint8_t *frame, const uint8_t mac[6], const struct hg_ip *vip)
{
	struct arp_frame f = { .eth.ether_type = htons(ETH_P_ARP) };

	memset(f.eth.ether_dhost, 0xff, 6);
	memcpy(f.eth.ether_shost, mac, 6);
	f.arp.arp_hrd = htons(ARPHRD_ETHER);
	f.arp.arp_pro = htons(ETH_P_IP);
	f.arp.arp_hln = 6;
	f.arp.arp_pln = 4;
	/* Request, not reply: RFC 5227 3. Hosts take the sender's fields of either, some
	 * ignore replies they did not ask for. The target's MAC stays zero. */
	f.arp.arp_op = htons(ARPOP_REQUEST);
	memcpy(f.arp.arp_sha, mac, 6);
	memcpy(f.arp.arp_spa, vip->addr, 4);
	memcpy(f.arp.arp_tpa, vip->addr, 4);
	memcpy(frame, &f, sizeof(f));
	return sizeof(f);
}

/* RFC 8200 8.1. `addresses`: source and destination, 32 octets. `length` is even. */
static uint16_t icmp6_checksum(const uint8_t *addresses, const uint8_t *message, size_t length)
{
	uint32_t sum = length + IPPROTO_ICMPV6;

	for (size_t i = 0; i < 32; i += 2)
		sum += addresses[i] << 8 | addresses[i + 1];
	for (size_t i = 0; i < length; i += 2)
		sum += message[i] << 8 | message[i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons(~sum & 0xffff);
}

static size_t make_na(uint8_t *frame, const uint8_t mac[6], const struct hg_ip *vip)
{
	static const uint8_t all_nodes[16] = { 0xff, 0x02, [15] = 1 };
	static const uint8_t all_nodes_mac[6] = { 0x33, 0x33, 0, 0, 0, 1 };
	const size_t length = sizeof(struct na_frame) - offsetof(struct na_frame, na);
	struct na_frame f = { .eth.ether_type = htons(ETH_P_IPV6) };

	memcpy(f.eth.ether_dhost, all_nodes_mac, 6);
	memcpy(f.eth.ether_shost, mac, 6);
	f.ip6.ip6_flow = htonl(6u << 28);
	f.ip6.ip6_plen = htons(length);
	f.ip6.ip6_nxt = IPPROTO_ICMPV6;
	f.ip6.ip6_hlim = 255;
	memcpy(f.ip6.ip6_src.s6_addr, vip->addr, 16);
	memcpy(f.ip6.ip6_dst.s6_addr, all_nodes, 16);
	f.na.nd_na_type = ND_NEIGHBOR_ADVERT;
	f.na.nd_na_flags_reserved = ND_NA_FLAG_ROUTER | ND_NA_FLAG_OVERRIDE;
	memcpy(f.na.nd_na_target.s6_addr, vip->addr, 16);
	f.option.nd_opt_type = ND_OPT_TARGET_LINKADDR;
	f.option.nd_opt_len = 1;
	memcpy(f.mac, mac, 6);
	f.na.nd_na_cksum = icmp6_checksum(
		f.ip6.ip6_src.s6_addr, (const uint8_t *)&f + offsetof(struct na_frame, na), length);
	memcpy(frame, &f, sizeof(f));
	return sizeof(f);
}

size_t hg_announce_frame(uint8_t frame[HG_ANNOUNCE_FRAME_MAX], const uint8_t mac[6],
			 const struct hg_ip *vip)
{
	if (vip->family == 4)
		return make_arp(frame, mac, vip);
	return vip->family == 6 ? make_na(frame, mac, vip) : 0;
}

/* --- ports -------------------------------------------------------------------------- */
int hg_announce_new(struct hg_announce **ret)
{
	struct hg_announce *an = calloc(1, sizeof(*an));

	if (!an)
		return -ENOMEM;
	for (unsigned int slot = 0; slot < HG_SLOTS_MAX; slot++) {
		an->port[slot].fd = -1;
		an->port[slot].step = STEPS;
	}
	*ret = an;
	return 0;
}

void hg_announce_free(struct hg_announce *an)
{
	if (!an)
		return;
	for (unsigned int slot = 0; slot < HG_SLOTS_MAX; slot++) {
		if (an->port[slot].fd >= 0)
			close(an->port[slot].fd);
		free(an->port[slot].frame);
	}
	free(an);
}

static int open_socket(int *ret)
{
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int size = SEND_BUFFER, priority = TC_PRIO_CONTROL;

	if (fd < 0)
		return -errno;
	/* Both only make it faster. */
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)))
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	setsockopt(fd, SOL_SOCKET, SO_PRIORITY, &priority, sizeof(priority));
	*ret = fd;
	return 0;
}

static struct frame *make_frames(const uint8_t mac[6], const struct hg_ip *vips, size_t *count)
{
	struct frame *frames = calloc(*count + 1, sizeof(*frames));
	size_t made = 0;

	for (size_t i = 0; frames && i < *count; i++) {
		frames[made].length = hg_announce_frame(frames[made].octets, mac, &vips[i]);
		made += frames[made].length > 0;
	}
	*count = made;
	return frames;
}

int hg_announce_set_port(struct hg_announce *an, unsigned int slot, int ifindex,
			 const uint8_t mac[6], const struct hg_ip *vips, size_t count)
{
	struct frame *frames;
	struct port *port;
	int err = 0;

	if (slot >= HG_SLOTS_MAX || ifindex < 0)
		return -EINVAL;
	port = &an->port[slot];
	if (port->fd < 0)
		err = open_socket(&port->fd);
	if (err)
		return err;
	frames = make_frames(mac, vips, &count);
	if (!frames)
		return -ENOMEM;
	free(port->frame);
	port->frame = frames;
	port->count = count;
	port->ifindex = ifindex;
	/* A round under way begins again: its frames are not those of before. */
	port->next = 0;
	return 0;
}

/* --- the schedule -------------------------------------------------------------------- */
static bool is_usable(const struct port *port)
{
	return port->fd >= 0 && port->ifindex && port->count;
}

/* When this port wants to send next. */
static struct hg_time due(const struct port *port)
{
	struct hg_time at = HG_TIME_NEVER;

	if (!is_usable(port))
		return at;
	if (port->is_sending)
		return port->retry;
	if (port->step < STEPS)
		at = hg_time_add(port->started, schedule[port->step]);
	return port->is_asked ? hg_time_min(at, port->asked) : at;
}

void hg_announce_start(struct hg_announce *an, struct hg_time now)
{
	for (unsigned int slot = 0; slot < HG_SLOTS_MAX; slot++) {
		struct port *port = &an->port[slot];

		port->started = now;
		port->step = 0;
		port->is_asked = false;
		port->is_sending = false;
	}
}

void hg_announce_again(struct hg_announce *an, unsigned int slot, struct hg_time now)
{
	struct port *port;
	struct hg_time earliest;

	if (slot >= HG_SLOTS_MAX || an->port[slot].is_asked)
		return;
	port = &an->port[slot];
	earliest = port->last.ns ? hg_time_add(port->last, HG_MS(50)) : now;
	port->asked = hg_time_before(now, earliest) ? earliest : now;
	port->is_asked = true;
}

void hg_announce_stop(struct hg_announce *an)
{
	for (unsigned int slot = 0; slot < HG_SLOTS_MAX; slot++) {
		struct port *port = &an->port[slot];

		port->step = STEPS;
		port->is_asked = false;
		port->is_sending = false;
	}
}

static void begin_round(struct port *port, struct hg_time now)
{
	/* One round serves whatever is due: after a pause the steps do not pile up. */
	while (port->step < STEPS &&
	       !hg_time_before(now, hg_time_add(port->started, schedule[port->step])))
		port->step++;
	if (port->is_asked && !hg_time_before(now, port->asked))
		port->is_asked = false;
	port->is_sending = true;
	port->has_failed = false;
	port->next = 0;
	port->tries = 0;
	port->last = now;
	port->retry = now;
}

static void end_round(struct port *port)
{
	port->is_sending = false;
	port->stats.rounds++;
	if (!port->has_failed)
		port->stats.error = 0;
}

/* Frames sent of at most `max`, or -errno when not even one was. */
static int send_batch(const struct port *port, size_t max)
{
	struct sockaddr_ll to = { .sll_family = AF_PACKET, .sll_ifindex = port->ifindex };
	struct mmsghdr msg[BATCH_MAX];
	struct iovec iov[BATCH_MAX];
	unsigned int count = 0;
	int n;

	memset(msg, 0, sizeof(msg));
	while (count < BATCH_MAX && count < max && port->next + count < port->count) {
		struct frame *frame = &port->frame[port->next + count];

		iov[count] = (struct iovec){ frame->octets, frame->length };
		msg[count].msg_hdr.msg_iov = &iov[count];
		msg[count].msg_hdr.msg_iovlen = 1;
		msg[count].msg_hdr.msg_name = &to;
		msg[count++].msg_hdr.msg_namelen = sizeof(to);
	}
	n = sendmmsg(port->fd, msg, count, MSG_DONTWAIT);
	return n < 0 ? -errno : n;
}

/* No frame left. A full buffer or queue is waited for, a refusal (which looks the same)
 * not for long; anything else ends the round, the next one may find the NIC up again. */
static void on_refused(struct port *port, struct hg_time now, int error)
{
	bool is_full = error == -EAGAIN || error == -EWOULDBLOCK || error == -ENOBUFS ||
		       error == -ENOMEM || error == -EINTR;

	if (is_full && ++port->tries < TRIES_MAX) {
		port->retry = hg_time_add(now, HG_MS(1));
		return;
	}
	port->has_failed = true;
	port->stats.error = error;
	port->stats.failed += port->count - port->next;
	end_round(port);
}

/* Sends up to `budget` frames; returns how many. */
static size_t serve_port(struct port *port, struct hg_time now, size_t budget)
{
	size_t used = 0;

	if (hg_time_before(now, due(port)))
		return 0;
	if (!port->is_sending)
		begin_round(port, now);
	port->retry = now;
	while (used < budget && port->next < port->count) {
		int n = send_batch(port, budget - used);

		if (n < 0) {
			on_refused(port, now, n);
			return used;
		}
		port->tries = 0;
		port->next += n;
		port->stats.sent += n;
		used += n;
	}
	if (port->next >= port->count)
		end_round(port);
	return used;
}

struct hg_time hg_announce_continue(struct hg_announce *an, struct hg_time now)
{
	struct hg_time next = HG_TIME_NEVER;
	size_t budget = FRAMES_PER_CALL;

	for (unsigned int i = 0; i < HG_SLOTS_MAX && budget; i++)
		budget -= serve_port(&an->port[(an->first + i) % HG_SLOTS_MAX], now, budget);
	an->first = (an->first + 1) % HG_SLOTS_MAX;
	for (unsigned int slot = 0; slot < HG_SLOTS_MAX; slot++)
		next = hg_time_min(next, due(&an->port[slot]));
	return next;
}

struct hg_announce_stats hg_announce_stats(const struct hg_announce *an, unsigned int slot)
{
	return slot < HG_SLOTS_MAX ? an->port[slot].stats : (struct hg_announce_stats){ 0 };
}
