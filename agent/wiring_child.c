/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The child that holds the raw sockets: sends a beacon on each port once a second,
 * listens, and keeps what follows from what it hears (agent/wiring.h).
 *
 * A finding is a time, never a state: whoever reads it decides how long it counts.
 * Frames without the cluster's key mean nothing here. A flood of frames costs this
 * process its share of a processor and nobody else anything.
 */
#include <endian.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "agent/wiring_child.h"

#define BEACON_NS (1000ull * 1000 * 1000)
#define RETRY_NS (1000ull * 1000 * 1000) /* a socket that could not be opened */
#define OWN_NS (3000ull * 1000 * 1000) /* own frames older than this are recordings */
#define FRAMES_MAX 64 /* of one port in a row */

static const uint8_t group[6] = HG_WIRING_GROUP;

uint64_t hg_wiring_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return now.tv_sec * UINT64_C(1000000000) + now.tv_nsec;
}

/* --- out -------------------------------------------------------------------------- */

void hg_wiring_child_fill(const struct hg_wiring_child *child, unsigned int slot,
			  enum hg_wiring_type type, struct hg_wiring_frame *ret)
{
	const struct hg_wiring_place *place = &child->in.place[slot];

	memset(ret, 0, sizeof(*ret));
	ret->type = type;
	ret->sender = child->in.self;
	ret->receiver = child->in.peer;
	ret->port = htobe32(hg_port_id(place->name));
	ret->seq = htobe64(hg_wiring_now());
	memcpy(ret->nonce, child->in.nonce, sizeof(ret->nonce));
	memcpy(ret->cluster, child->in.cluster, sizeof(ret->cluster));
	memcpy(ret->port_name, place->name, sizeof(ret->port_name));
	memcpy(ret->node_name, child->in.node, sizeof(ret->node_name));
	memcpy(ret->ifname, place->ifname, sizeof(ret->ifname));
	memcpy(ret->mac, place->mac, sizeof(ret->mac));
}

static bool is_fresh(uint64_t at)
{
	return at && hg_wiring_now() < at + HG_WIRING_FRESH_NS;
}

/* What this node says of its own port. */
static void fill_fault(const struct hg_wiring_child *child, unsigned int slot,
		       struct hg_wiring_frame *frame)
{
	const struct hg_wiring_port *port = &child->out.port[slot];
	const char *other = "";

	if (is_fresh(port->shared_at)) {
		frame->fault = HG_WIRING_SHARED;
		other = child->in.place[port->shared_slot].name;
	} else if (is_fresh(port->cloned_at)) {
		frame->fault = HG_WIRING_CLONED;
	} else if (is_fresh(port->crossed_at)) {
		frame->fault = HG_WIRING_CROSSED;
		other = port->crossed_name;
	} else if (is_fresh(port->reflected_at)) {
		frame->fault = HG_WIRING_REFLECTED;
	} else if (is_fresh(port->same_mac_at)) {
		frame->fault = HG_WIRING_SAME_MAC;
	}
	frame->fault_port = htobe32(*other ? hg_port_id(other) : 0);
}

static void send_beacons(struct hg_wiring_child *child)
{
	for (unsigned int slot = 0; slot < HG_SLOTS_MAX; slot++) {
		const struct hg_wiring_place *place = &child->in.place[slot];
		struct hg_wiring_frame frame;

		if (child->port_fd[slot] < 0)
			continue;
		hg_wiring_child_fill(child, slot, HG_WIRING_BEACON, &frame);
		frame.receiver = 0;
		fill_fault(child, slot, &frame);
		hg_wiring_send(child->port_fd[slot], place->ifindex, group, place->mac, &frame,
			       &child->in.key);
	}
}

/* --- in --------------------------------------------------------------------------- */

static void note(struct hg_wiring_child *child, uint64_t *at)
{
	uint64_t now = hg_wiring_now();

	child->is_changed |= !*at || now > *at + HG_WIRING_FRESH_NS;
	*at = now;
}

static void on_own(struct hg_wiring_child *child, unsigned int slot,
		   const struct hg_wiring_frame *frame)
{
	struct hg_wiring_port *port = &child->out.port[slot];
	uint64_t now = hg_wiring_now(), sent = be64toh(frame->seq);

	if (sent > now || now > sent + OWN_NS)
		return;
	for (unsigned int i = 0; i < HG_SLOTS_MAX; i++) {
		if (!child->in.place[i].name[0] ||
		    hg_port_id(child->in.place[i].name) != be32toh(frame->port))
			continue;
		if (i == slot) {
			note(child, &port->reflected_at);
			return;
		}
		if (!is_fresh(port->shared_at) || port->shared_slot != i)
			port->shared_since = now;
		port->shared_slot = i;
		note(child, &port->shared_at);
		return;
	}
}

/* An earlier boot of this very agent stops talking when it ends; a clone goes on. */
static void on_clone(struct hg_wiring_child *child, unsigned int slot,
		     const struct hg_wiring_frame *frame)
{
	uint64_t now = hg_wiring_now();

	if (memcmp(child->clone_nonce, frame->nonce, sizeof(child->clone_nonce))) {
		memcpy(child->clone_nonce, frame->nonce, sizeof(child->clone_nonce));
		child->clone_at = now;
	} else if (now > child->clone_at + BEACON_NS / 2) {
		struct hg_wiring_port *port = &child->out.port[slot];

		memcpy(port->clone_mac, frame->mac, sizeof(port->clone_mac));
		memcpy(port->clone_node, frame->node_name, sizeof(port->clone_node));
		memcpy(port->clone_cluster, frame->cluster, sizeof(port->clone_cluster));
		note(child, &port->cloned_at);
	}
}

static bool is_peer_session(const struct hg_wiring_child *child,
			    const struct hg_wiring_frame *frame)
{
	return child->in.has_session &&
	       !memcmp(frame->nonce, child->in.peer_nonce, sizeof(frame->nonce));
}

static void on_peer(struct hg_wiring_child *child, unsigned int slot,
		    const struct hg_wiring_frame *frame)
{
	const struct hg_wiring_place *place = &child->in.place[slot];
	struct hg_wiring_port *port = &child->out.port[slot];
	bool is_session = is_peer_session(child, frame);
	uint64_t seq = be64toh(frame->seq);

	if (is_session && seq <= child->peer_seq[slot])
		return;
	if (is_session)
		child->peer_seq[slot] = seq;
	if (be32toh(frame->port) != hg_port_id(place->name)) {
		memcpy(port->crossed_name, frame->port_name, sizeof(port->crossed_name));
		note(child, is_session ? &port->crossed_at : &port->crossed_loose_at);
		return;
	}
	if (!is_session)
		return;
	note(child, &port->heard_at);
	if (!memcmp(frame->mac, place->mac, sizeof(place->mac)))
		note(child, &port->same_mac_at);
	child->is_changed |= port->peer_fault != frame->fault;
	port->peer_fault = frame->fault;
	port->peer_fault_port = be32toh(frame->fault_port);
	port->peer_fault_at = hg_wiring_now();
}

static void on_frame(struct hg_wiring_child *child, unsigned int slot,
		     const struct hg_wiring_received *received)
{
	const struct hg_wiring_frame *frame = &received->frame;
	bool is_own = !memcmp(frame->nonce, child->in.nonce, sizeof(frame->nonce));

	if (!received->is_authentic)
		return;
	switch ((enum hg_wiring_type)frame->type) {
	case HG_WIRING_BEACON:
		if (is_own)
			on_own(child, slot, frame);
		else if (frame->sender == child->in.self)
			on_clone(child, slot, frame);
		else if (frame->sender == child->in.peer)
			on_peer(child, slot, frame);
		break;
	case HG_WIRING_CUE:
	case HG_WIRING_SEEN:
	case HG_WIRING_FROM_T:
	case HG_WIRING_TO_T:
	case HG_WIRING_RESULT:
	case HG_WIRING_DONE:
		if (!is_own && frame->sender == child->in.peer &&
		    frame->receiver == child->in.self && is_peer_session(child, frame))
			hg_mac_test_receive(child, slot, received);
		break;
	case HG_WIRING_PROBE: /* for `hagate discover` */
	case HG_WIRING_TYPES:
		break;
	}
}

/* --- sockets ------------------------------------------------------------------------ */

static void close_port(struct hg_wiring_child *child, unsigned int slot)
{
	hg_mac_test_forget(child, slot);
	if (child->port_fd[slot] >= 0)
		close(child->port_fd[slot]);
	child->port_fd[slot] = -1;
	child->retry_at[slot] = 0;
}

static void open_ports(struct hg_wiring_child *child, uint64_t now)
{
	for (unsigned int slot = 0; slot < HG_SLOTS_MAX; slot++) {
		int ifindex = child->in.place[slot].ifindex, fd;

		if (child->port_fd[slot] >= 0 || ifindex <= 0 || now < child->retry_at[slot])
			continue;
		child->retry_at[slot] = now + RETRY_NS;
		fd = hg_wiring_open(ifindex);
		child->out.port[slot].error = fd < 0 ? fd : 0;
		child->port_fd[slot] = fd < 0 ? -1 : fd;
	}
}

static void read_port(struct hg_wiring_child *child, unsigned int slot)
{
	struct hg_wiring_received received;

	for (int i = 0; i < FRAMES_MAX; i++) {
		int got = hg_wiring_receive(child->port_fd[slot], &child->in.key, &received);

		if (got < 0 && got != -ENETDOWN) /* it went down; comes up again */
			close_port(child, slot);
		if (got <= 0)
			return;
		on_frame(child, slot, &received);
	}
}

/* --- the parent ----------------------------------------------------------------------- */

static void take_input(struct hg_wiring_child *child, const struct hg_wiring_input *in)
{
	bool is_new_peer = memcmp(child->in.peer_nonce, in->peer_nonce, sizeof(in->peer_nonce));
	bool is_order = in->order != child->in.order;

	for (unsigned int slot = 0; slot < HG_SLOTS_MAX; slot++) {
		const struct hg_wiring_place *was = &child->in.place[slot], *is = &in->place[slot];

		if (was->ifindex != is->ifindex || memcmp(was->mac, is->mac, sizeof(is->mac)))
			close_port(child, slot);
		if (strcmp(was->name, is->name)) {
			memset(&child->out.port[slot], 0, sizeof(child->out.port[slot]));
			memset(&child->out.mac[slot], 0, sizeof(child->out.mac[slot]));
		}
		if (is_new_peer)
			child->peer_seq[slot] = 0;
	}
	child->in = *in;
	if (is_order)
		hg_mac_test_order(child);
}

/* False: the parent is gone. */
static bool read_parent(struct hg_wiring_child *child)
{
	struct hg_wiring_input in;
	ssize_t size;

	while ((size = recv(child->fd, &in, sizeof(in), MSG_DONTWAIT)) == sizeof(in))
		take_input(child, &in);
	return size < 0 && (errno == EAGAIN || errno == EINTR);
}

static void tell_parent(struct hg_wiring_child *child, uint64_t now)
{
	child->out.order = child->in.order;
	child->out.is_testing = child->asker.slot >= 0 || child->asker.slots_left;
	/* A full socket: the next one says the same and more. */
	if (send(child->fd, &child->out, sizeof(child->out), MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
		child->is_changed = false;
	child->tell_at = now + BEACON_NS;
}

static uint64_t do_due(struct hg_wiring_child *child)
{
	uint64_t now = hg_wiring_now(), next;

	open_ports(child, now);
	if (now >= child->beacon_at) {
		send_beacons(child);
		child->beacon_at = now + BEACON_NS;
	}
	next = hg_mac_test_run(child, now);
	if (child->is_changed || now >= child->tell_at)
		tell_parent(child, now);
	next = next < child->beacon_at ? next : child->beacon_at;
	return next < child->tell_at ? next : child->tell_at;
}

int hg_wiring_child_run(int fd)
{
	static struct hg_wiring_child child; /* large */
	struct pollfd list[HG_SLOTS_MAX + 1];
	uint64_t next, now;

	child.fd = fd;
	for (unsigned int slot = 0; slot < HG_SLOTS_MAX; slot++)
		child.port_fd[slot] = -1;
	hg_mac_test_init(&child);
	for (;;) {
		next = do_due(&child);
		now = hg_wiring_now();
		list[HG_SLOTS_MAX] = (struct pollfd){ .fd = fd, .events = POLLIN };
		for (unsigned int slot = 0; slot < HG_SLOTS_MAX; slot++)
			list[slot] = (struct pollfd){ .fd = child.port_fd[slot], .events = POLLIN };
		if (poll(list, HG_SLOTS_MAX + 1,
			 next > now ? (int)((next - now + 999999) / 1000000) : 0) < 0 &&
		    errno != EINTR)
			return -errno;
		if (list[HG_SLOTS_MAX].revents && !read_parent(&child))
			return 0;
		for (unsigned int slot = 0; slot < HG_SLOTS_MAX; slot++)
			if (list[slot].revents && child.port_fd[slot] == list[slot].fd &&
			    list[slot].fd >= 0)
				read_port(&child, slot);
	}
}
