/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Does a segment carry a MAC that is not the NIC's? Tried out with a MAC T that nobody
 * else uses and that is new for each test, never with the virtual MAC itself: a
 * frame from that would move the switches' entry away from the node that serves.
 *
 *   step 0   is the peer there at all, on this segment, with this kind of frame?
 *   step 1   asker sends from T; answerer sends to T: does that reach the asker?
 *   step 2   answerer sends from T: T moves, as in a takeover
 *   step 3   asker sends to T: does that reach the answerer now?
 *
 * Each step is tried several times, so that a few lost frames decide nothing. CUE and
 * SEEN go between the NICs' own MACs; a network that carries not even those gives no
 * result instead of a wrong one. The answerer only does what a CUE asks for, for a MAC
 * of the test's own range, and forgets all of it after three seconds of silence.
 */
#include <endian.h>
#include <string.h>
#include <sys/random.h>

#include "agent/wiring_child.h"

#define TRY_NS (30ull * 1000 * 1000)
#define TRIES 4
#define TRIES_FIRST 8 /* the switch learns, the peer's child may just start */
#define ANSWER_NS (3000ull * 1000 * 1000)

static const uint8_t group[6] = HG_WIRING_GROUP;

/* Locally administered, beside the default virtual MACs (02:68:67:00:..). */
static bool is_test_mac(const uint8_t mac[6])
{
	return mac[0] == 0x02 && mac[1] == 0x68 && mac[2] == 0x67 && mac[3] & 0x80;
}

static void make_test_mac(uint8_t ret[6])
{
	uint8_t random[3] = { 0 };

	if (getrandom(random, sizeof(random), GRND_NONBLOCK) != sizeof(random)) {
		uint64_t now = hg_wiring_now();

		memcpy(random, &now, sizeof(random));
	}
	memcpy(ret, (uint8_t[6]){ 0x02, 0x68, 0x67, random[0] | 0x80, random[1], random[2] }, 6);
}

static void put(struct hg_wiring_child *child, unsigned int slot, const uint8_t to[6],
		const uint8_t from[6], struct hg_wiring_frame *frame)
{
	hg_wiring_send(child->port_fd[slot], child->in.place[slot].ifindex, to, from, frame,
		       &child->in.key);
}

/* --- asker ------------------------------------------------------------------------------ */

void hg_mac_test_init(struct hg_wiring_child *child)
{
	child->asker.slot = -1;
}

void hg_mac_test_order(struct hg_wiring_child *child)
{
	child->asker.slots_left |= child->in.order_slots;
}

static void asker_send(struct hg_wiring_child *child, enum hg_wiring_type type)
{
	struct hg_mac_asker *asker = &child->asker;
	const uint8_t *own = child->in.place[asker->slot].mac;
	const uint8_t *to = asker->has_to ? asker->to : group, *from = own;
	struct hg_wiring_frame frame;

	hg_wiring_child_fill(child, asker->slot, type, &frame);
	frame.test = htobe32(asker->test);
	frame.step = asker->step;
	frame.seen = asker->seen_here;
	frame.seen_peer = asker->seen_there;
	memcpy(frame.test_mac, asker->mac, sizeof(frame.test_mac));
	if (type == HG_WIRING_FROM_T)
		from = asker->mac;
	else if (type == HG_WIRING_TO_T)
		to = asker->mac;
	put(child, asker->slot, to, from, &frame);
}

static void asker_begin(struct hg_wiring_child *child)
{
	struct hg_mac_asker *asker = &child->asker;
	uint32_t left = asker->slots_left;
	unsigned int slot = __builtin_ctz(left);

	*asker = (struct hg_mac_asker){ .slot = -1,
					.slots_left = left & ~(1u << slot),
					.test = asker->test + 1 };
	if (child->port_fd[slot] < 0)
		return;
	/* Different ones in a row also after a restart. */
	asker->test ^= (uint32_t)(hg_wiring_now() >> 10);
	asker->test += !asker->test;
	asker->slot = slot;
	make_test_mac(asker->mac);
	hg_wiring_take(child->port_fd[slot], child->in.place[slot].ifindex, asker->mac, true);
}

static void asker_end(struct hg_wiring_child *child)
{
	struct hg_mac_asker *asker = &child->asker;
	struct hg_mac_evidence *evidence = &child->out.mac[asker->slot];

	*evidence = (struct hg_mac_evidence){
		.at = hg_wiring_now(),
		.test = asker->test,
		.is_asker = true,
		.seen_here = asker->seen_here,
		.seen_there = asker->seen_there,
	};
	hg_wiring_take(child->port_fd[asker->slot], child->in.place[asker->slot].ifindex,
		       asker->mac, false);
	asker->slot = -1;
	child->is_changed = true;
}

static bool is_step_complete(const struct hg_mac_asker *asker)
{
	if (!asker->is_answered)
		return false;
	switch (asker->step) {
	case 1:
		return asker->seen_there & HG_WIRING_SEEN_FROM_T &&
		       asker->seen_here & HG_WIRING_SEEN_TO_T;
	case 2:
		return asker->seen_here & HG_WIRING_SEEN_FROM_T;
	case 3:
		return asker->seen_there & HG_WIRING_SEEN_TO_T;
	default:
		return true;
	}
}

static void asker_try(struct hg_wiring_child *child, uint64_t now)
{
	struct hg_mac_asker *asker = &child->asker;

	if (asker->step == 1)
		asker_send(child, HG_WIRING_FROM_T);
	if (asker->step == 3)
		asker_send(child, HG_WIRING_TO_T);
	asker_send(child, asker->is_closing ? HG_WIRING_RESULT : HG_WIRING_CUE);
	asker->tries++;
	asker->next = now + TRY_NS;
}

/* The step is done or given up. */
static void asker_advance(struct hg_wiring_child *child)
{
	struct hg_mac_asker *asker = &child->asker;

	if (asker->is_closing || (!asker->step && !asker->is_answered)) {
		asker_end(child);
		return;
	}
	asker->step++;
	asker->tries = 0;
	asker->is_answered = false;
	asker->is_closing = asker->step == HG_WIRING_STEPS;
	asker->next = 0;
}

static uint64_t asker_run(struct hg_wiring_child *child, uint64_t now)
{
	struct hg_mac_asker *asker = &child->asker;

	while (asker->slot >= 0 || asker->slots_left) {
		if (asker->slot < 0)
			asker_begin(child);
		if (asker->slot < 0) /* without a socket */
			continue;
		if (asker->tries &&
		    (asker->is_closing ? asker->is_answered : is_step_complete(asker))) {
			asker_advance(child);
			continue;
		}
		if (now < asker->next)
			return asker->next;
		if (asker->tries >= (asker->step ? TRIES : TRIES_FIRST))
			asker_advance(child);
		else
			asker_try(child, now);
	}
	return UINT64_MAX;
}

static uint8_t seen_from(const struct hg_wiring_received *received, const uint8_t mac[6])
{
	return memcmp(received->from, mac, 6) ? HG_WIRING_SEEN_REWRITTEN : HG_WIRING_SEEN_FROM_T;
}

static void asker_receive(struct hg_wiring_child *child, const struct hg_wiring_received *received)
{
	const struct hg_wiring_frame *frame = &received->frame;
	struct hg_mac_asker *asker = &child->asker;

	if (frame->type == HG_WIRING_SEEN) {
		asker->seen_here |= HG_WIRING_SEEN_ANSWER;
		asker->seen_there |= frame->seen;
		asker->is_answered |= frame->step == asker->step;
		memcpy(asker->to, received->from, sizeof(asker->to));
		asker->has_to = true;
	} else if (frame->type == HG_WIRING_FROM_T) {
		asker->seen_here |= seen_from(received, asker->mac);
	} else if (frame->type == HG_WIRING_TO_T) {
		if (!memcmp(received->to, asker->mac, 6))
			asker->seen_here |= HG_WIRING_SEEN_TO_T;
	} else if (frame->type == HG_WIRING_DONE) {
		asker->is_answered |= asker->is_closing;
	}
}

/* --- answerer --------------------------------------------------------------------------- */

static void answerer_stop(struct hg_wiring_child *child, unsigned int slot)
{
	struct hg_mac_answerer *answerer = &child->answerer[slot];

	if (answerer->test && child->port_fd[slot] >= 0)
		hg_wiring_take(child->port_fd[slot], child->in.place[slot].ifindex, answerer->mac,
			       false);
	answerer->test = 0;
}

static void answerer_start(struct hg_wiring_child *child, unsigned int slot,
			   const struct hg_wiring_frame *frame)
{
	struct hg_mac_answerer *answerer = &child->answerer[slot];

	answerer_stop(child, slot);
	answerer->test = be32toh(frame->test);
	answerer->seen = 0;
	memcpy(answerer->mac, frame->test_mac, sizeof(answerer->mac));
	hg_wiring_take(child->port_fd[slot], child->in.place[slot].ifindex, answerer->mac, true);
}

static void answer(struct hg_wiring_child *child, unsigned int slot, enum hg_wiring_type type,
		   const struct hg_wiring_received *received)
{
	struct hg_mac_answerer *answerer = &child->answerer[slot];
	const uint8_t *to = received->from, *from = child->in.place[slot].mac;
	struct hg_wiring_frame frame;

	hg_wiring_child_fill(child, slot, type, &frame);
	frame.test = received->frame.test;
	frame.step = received->frame.step;
	frame.seen = answerer->seen;
	memcpy(frame.test_mac, answerer->mac, sizeof(frame.test_mac));
	if (type == HG_WIRING_TO_T)
		to = answerer->mac;
	if (type == HG_WIRING_FROM_T)
		from = answerer->mac;
	put(child, slot, to, from, &frame);
}

static void answerer_on_cue(struct hg_wiring_child *child, unsigned int slot,
			    const struct hg_wiring_received *received)
{
	const struct hg_wiring_frame *frame = &received->frame;
	struct hg_mac_answerer *answerer = &child->answerer[slot];

	if (!is_test_mac(frame->test_mac) || !frame->test || be64toh(frame->seq) <= answerer->seq)
		return;
	answerer->seq = be64toh(frame->seq);
	if (answerer->test != be32toh(frame->test))
		answerer_start(child, slot, frame);
	answerer->until = hg_wiring_now() + ANSWER_NS;
	if (frame->step == 1)
		answer(child, slot, HG_WIRING_TO_T, received);
	if (frame->step == 2)
		answer(child, slot, HG_WIRING_FROM_T, received);
	answer(child, slot, HG_WIRING_SEEN, received);
}

static void answerer_on_result(struct hg_wiring_child *child, unsigned int slot,
			       const struct hg_wiring_received *received)
{
	const struct hg_wiring_frame *frame = &received->frame;
	struct hg_mac_evidence *evidence = &child->out.mac[slot];

	answer(child, slot, HG_WIRING_DONE, received);
	if (evidence->test == be32toh(frame->test))
		return;
	*evidence = (struct hg_mac_evidence){
		.at = hg_wiring_now(),
		.test = be32toh(frame->test),
		.seen_here = frame->seen_peer,
		.seen_there = frame->seen,
	};
	child->is_changed = true;
}

static void answerer_receive(struct hg_wiring_child *child, unsigned int slot,
			     const struct hg_wiring_received *received)
{
	struct hg_mac_answerer *answerer = &child->answerer[slot];

	if (received->frame.type == HG_WIRING_CUE) {
		answerer_on_cue(child, slot, received);
		return;
	}
	if (!answerer->test || answerer->test != be32toh(received->frame.test))
		return;
	if (received->frame.type == HG_WIRING_FROM_T)
		answerer->seen |= seen_from(received, answerer->mac);
	else if (received->frame.type == HG_WIRING_TO_T && !memcmp(received->to, answerer->mac, 6))
		answerer->seen |= HG_WIRING_SEEN_TO_T;
	else if (received->frame.type == HG_WIRING_RESULT)
		answerer_on_result(child, slot, received);
}

/* --- both ------------------------------------------------------------------------------- */

void hg_mac_test_receive(struct hg_wiring_child *child, unsigned int slot,
			 const struct hg_wiring_received *received)
{
	struct hg_mac_asker *asker = &child->asker;

	if (be32toh(received->frame.port) != hg_port_id(child->in.place[slot].name))
		return;
	if (asker->slot == (int)slot && asker->test == be32toh(received->frame.test))
		asker_receive(child, received);
	else
		answerer_receive(child, slot, received);
}

void hg_mac_test_forget(struct hg_wiring_child *child, unsigned int slot)
{
	answerer_stop(child, slot);
	child->asker.slots_left &= ~(1u << slot);
	if (child->asker.slot == (int)slot)
		child->asker.slot = -1;
}

uint64_t hg_mac_test_run(struct hg_wiring_child *child, uint64_t now)
{
	uint64_t next = asker_run(child, now);

	for (unsigned int slot = 0; slot < HG_SLOTS_MAX; slot++) {
		if (!child->answerer[slot].test)
			continue;
		if (now >= child->answerer[slot].until)
			answerer_stop(child, slot);
		else if (child->answerer[slot].until < next)
			next = child->answerer[slot].until;
	}
	return next;
}
