/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The lease: what an authenticated frame of the peer does to hg_state, hg_peer and
 * hg_path, and what is answered. No map, no helper, no packet: XDP, the simulator
 * and the fuzzer run these very lines.
 *
 * Several CPUs and the agent work on the same words at once. Invariants:
 *   - fence_epoch, last_grant and every seq only rise, however long a virtual CPU
 *     is stopped between its reading of the clock and its writing of a word;
 *   - last_grant is written, with a full barrier, before the own epoch is read for
 *     the decision to grant; the agent writes its epoch before it reads last_grant.
 *     So either this side refuses, or the agent sees the grant and waits it out;
 *   - lease_until moves only while it lies in the future: an ended lease is never
 *     renewed, and a grant counts from the holder's own request time.
 *
 * Loops are bounded; whoever loses a race that often gives up on the side that
 * grants nothing.
 */
#ifndef HG_LEASE_H
#define HG_LEASE_H

#include "hagate/abi.h"
#include "hagate/gap.h"

#ifdef __bpf__
#define HG_LEASE_INLINE static __attribute__((always_inline)) inline
#else
#define HG_LEASE_INLINE static inline
#endif

#define HG_LEASE_TRIES 4 /* of a compare-and-swap */
#define HG_LEASE_RTT_MAX 1000000000u /* ns; a longer round trip is an artefact */
#define HG_LEASE_CANDIDATE_NS 5000000u /* between events for unconfirmed HELLOs of a path */

/* Nonces are octets on the wire and two words here. */
typedef __u64 __attribute__((may_alias)) hg_lease_word;

#define hg_lease_read(word) (*(const volatile __typeof__(word) *)&(word))
#define hg_lease_write(word, value) (*(volatile __typeof__(word) *)&(word) = (value))

/* What one node knows about one peer on one port. */
struct hg_lease {
	const volatile struct hg_config *config;
	struct hg_state *state;
	struct hg_peer *peer;
	struct hg_path *path;
	struct hg_gap *gap; /* NULL: gaps are not counted */
	__u32 port; /* hg_port_id() of the port the frame came in on */
	__u64 now;
};

/* A frame whose ids, key and tag are right; host byte order. */
struct hg_lease_frame {
	__u8 type; /* enum hg_wire_type */
	__u8 flags;
	__u8 session; /* 0 or 1: which of the two keys; HELLO and NEIGH: 0 */
	__u16 agent_age_ms;
	__u32 port;
	__u32 echo;
	__u64 seq;
	__u64 epoch;
	__u64 stamp;
	__u64 nonce[2]; /* HELLO: as its octets lie in memory */
};

struct hg_lease_result {
	__u32 reason; /* enum hg_reason */
	__u8 answer; /* enum hg_wire_type to turn the frame into; 0: drop it */
	__u8 event; /* enum hg_event_type; 0: none */
	__u8 is_drained; /* OVERRULED: it was serving until now */
	__u8 flags; /* of the answer */
	__u16 agent_age_ms; /* of the answer: own agent */
	__u32 echo; /* of the answer */
	__u64 epoch; /* of the answer and the event */
	__u64 stamp; /* of the answer */
};

/*
 * *word = max(*word, value), always with a write and a full barrier.
 * ret_old: what was there. Returns 0 when it lost HG_LEASE_TRIES races.
 */
HG_LEASE_INLINE int hg_lease_raise(__u64 *word, __u64 value, __u64 *ret_old)
{
	__u64 old, was;
	int i;

	for (i = 0; i < HG_LEASE_TRIES; i++) {
		old = hg_lease_read(*word);
		was = __sync_val_compare_and_swap(word, old, old > value ? old : value);
		if (was == old) {
			*ret_old = old;
			return 1;
		}
	}
	return 0;
}

/* Strictly rising, once for each number. */
HG_LEASE_INLINE int hg_lease_is_new(__u64 *seq, __u64 value)
{
	__u64 old;
	int i;

	for (i = 0; i < HG_LEASE_TRIES; i++) {
		old = hg_lease_read(*seq);
		if (value <= old)
			return 0;
		if (__sync_val_compare_and_swap(seq, old, value) == old)
			return 1;
	}
	return 0;
}

/* ns since the own agent last showed life */
HG_LEASE_INLINE __u64 hg_lease_agent_age(const struct hg_lease *l)
{
	__u64 seen = hg_lease_read(l->state->agent_seen);

	return l->now > seen ? l->now - seen : 0;
}

HG_LEASE_INLINE __u16 hg_lease_agent_age_ms(const struct hg_lease *l)
{
	__u64 ms = hg_lease_agent_age(l) / 1000000u;

	return ms > 0xffff ? 0xffff : ms;
}

/* The epoch under which the node serves at this moment, 0 when it does not.
 * Same order of reads as hg_state_serves(). */
HG_LEASE_INLINE __u64 hg_lease_served_epoch(const struct hg_lease *l)
{
	__u64 epoch = hg_lease_read(l->state->epoch);
	__u64 fence = hg_lease_read(l->state->fence_epoch);

	return epoch > fence && l->now < hg_lease_read(l->state->lease_until) ? epoch : 0;
}

/*
 * Another node claims or holds `epoch` (CLAIM, REQUEST). Fences the own claim when
 * that is lower, draining if it served; then says whether the promise "this node
 * keeps silent for a lease" may be given. The drain is set before the fence, so
 * that no CPU sees neither.
 */
HG_LEASE_INLINE int hg_lease_yield(const struct hg_lease *l, __u64 epoch, struct hg_lease_result *r)
{
	struct hg_state *state = l->state;
	__u64 old, served;

	r->reason = HG_R_PEER_STALE;
	if (epoch <= hg_lease_read(state->epoch) || epoch < hg_lease_read(state->fence_epoch))
		return 0;
	served = hg_lease_served_epoch(l);
	if (served) {
		if (!hg_lease_raise(&state->drain_until, l->now + l->config->drain_ns, &old))
			return 0;
		hg_lease_write(state->fenced_at, l->now);
	}
	if (!hg_lease_raise(&state->fence_epoch, epoch, &old) || old > epoch)
		return 0;
	if (old < epoch) {
		r->event = HG_EVENT_OVERRULED;
		r->is_drained = served != 0;
		r->epoch = epoch;
	}
	if (!hg_lease_raise(&state->last_grant, l->now, &old))
		return 0;
	/* Only now: see the head of this file. */
	return epoch > hg_lease_read(state->epoch);
}

HG_LEASE_INLINE void hg_lease_answer(struct hg_lease_result *r, __u8 type, __u64 epoch, __u64 stamp)
{
	r->answer = type;
	r->epoch = epoch;
	r->stamp = stamp;
}

HG_LEASE_INLINE void hg_lease_on_probe(const struct hg_lease *l, const struct hg_lease_frame *f,
				       struct hg_lease_result *r)
{
	__u64 epoch = hg_lease_served_epoch(l);

	/* A hung agent's node must not live on its peer's probes for ever. */
	if (!epoch ||
	    hg_lease_agent_age(l) >= l->config->agent_grace_ns + 2 * l->config->lease_ns) {
		r->reason = HG_R_PEER_PROBE_IDLE;
		return;
	}
	r->reason = HG_R_PEER_PROBE;
	r->flags = HG_WIRE_F_BOUNCED;
	r->echo = (__u32)f->stamp;
	hg_lease_answer(r, HG_WIRE_REQUEST, epoch, l->now);
}

/* For people, not for the lease: whoever loses a race here loses one count. */
HG_LEASE_INLINE void hg_lease_count_gap(struct hg_gap *gap, enum hg_gap_kind kind, __u64 ns)
{
	__u32 bucket = hg_gap_bucket(ns);

	if (bucket >= HG_GAP_BUCKETS) /* never; the verifier wants to see it */
		return;
	__sync_fetch_and_add(&gap->count[kind][bucket], 1);
	if (ns > hg_lease_read(gap->longest[kind]))
		hg_lease_write(gap->longest[kind], ns);
}

/* A GRANT or FENCED for the request or claim sent at `stamp`. The first of a term ends no
 * gap. */
HG_LEASE_INLINE void hg_lease_note_grant(const struct hg_lease *l, __u64 epoch, __u64 stamp)
{
	struct hg_gap *gap = l->gap;
	__u64 last;

	if (!gap)
		return;
	last = hg_lease_read(gap->stamp);
	if (hg_lease_read(gap->epoch) == epoch) {
		if (stamp <= last)
			return;
		hg_lease_count_gap(gap, HG_GAP_GRANT, l->now > last ? l->now - last : 0);
	}
	hg_lease_write(gap->epoch, epoch);
	hg_lease_write(gap->stamp, stamp);
}

HG_LEASE_INLINE void hg_lease_note_request(const struct hg_lease *l, __u64 epoch)
{
	__u64 last = hg_lease_read(l->peer->request);

	if (l->gap && last && hg_lease_read(l->peer->request_epoch) == epoch)
		hg_lease_count_gap(l->gap, HG_GAP_REQUEST, l->now > last ? l->now - last : 0);
}

HG_LEASE_INLINE void hg_lease_on_request(const struct hg_lease *l, const struct hg_lease_frame *f,
					 struct hg_lease_result *r)
{
	__u32 rtt = (__u32)l->now - f->echo;
	int is_granted = hg_lease_yield(l, f->epoch, r);

	if (!is_granted)
		return;
	hg_lease_note_request(l, f->epoch);
	hg_lease_write(l->peer->request_epoch, f->epoch);
	hg_lease_write(l->peer->request, l->now);
	if (f->flags & HG_WIRE_F_BOUNCED && rtt <= HG_LEASE_RTT_MAX)
		hg_lease_write(l->path->rtt, rtt);
	r->reason = HG_R_PEER_REQUEST;
	hg_lease_answer(r, HG_WIRE_GRANT, f->epoch, f->stamp);
}

HG_LEASE_INLINE void hg_lease_on_claim(const struct hg_lease *l, const struct hg_lease_frame *f,
				       struct hg_lease_result *r)
{
	if (!hg_lease_yield(l, f->epoch, r))
		return;
	r->reason = HG_R_PEER_CLAIM;
	hg_lease_answer(r, HG_WIRE_FENCED, f->epoch, f->stamp);
}

HG_LEASE_INLINE void hg_lease_on_grant(const struct hg_lease *l, const struct hg_lease_frame *f,
				       struct hg_lease_result *r)
{
	__u64 until = f->stamp + l->config->lease_ns;
	__u64 *lease = &l->state->lease_until;
	__u64 old, epoch;
	int i;

	r->reason = HG_R_PEER_LATE;
	if (f->stamp > l->now || until <= l->now)
		return;
	for (i = 0; i < HG_LEASE_TRIES; i++) {
		/* In this order: a new claim ends the lease before it sets the epoch. */
		old = hg_lease_read(*lease);
		epoch = hg_lease_read(l->state->epoch);
		if (f->epoch != epoch || epoch <= hg_lease_read(l->state->fence_epoch)) {
			r->reason = HG_R_PEER_STALE;
			return;
		}
		if (old <= l->now)
			return;
		if (until <= old || __sync_val_compare_and_swap(lease, old, until) == old) {
			hg_lease_note_grant(l, epoch, f->stamp);
			hg_lease_write(l->path->rtt, l->now - f->stamp);
			r->reason = HG_R_PEER_GRANT;
			return;
		}
	}
}

HG_LEASE_INLINE void hg_lease_on_fenced(const struct hg_lease *l, const struct hg_lease_frame *f,
					struct hg_lease_result *r)
{
	__u64 epoch = hg_lease_read(l->state->epoch);

	r->reason = HG_R_PEER_STALE;
	if (!epoch || f->epoch != epoch || epoch <= hg_lease_read(l->state->fence_epoch))
		return;
	r->reason = HG_R_PEER_LATE;
	if (f->stamp > l->now || f->stamp + l->config->lease_ns <= l->now)
		return;
	hg_lease_note_grant(l, epoch, f->stamp);
	/* The epoch last: who sees it sees its stamp. */
	hg_lease_write(l->peer->fenced_stamp, f->stamp);
	hg_lease_write(l->peer->fenced_epoch, epoch);
	r->reason = HG_R_PEER_FENCED;
	r->event = HG_EVENT_FENCED;
	r->epoch = epoch;
}

HG_LEASE_INLINE int hg_lease_nonce_equal(const __u8 *stored, const __u64 *nonce)
{
	const hg_lease_word *words = (const hg_lease_word *)
		stored; /* aligned: see hg_peer, hg_path */

	return !((words[0] ^ nonce[0]) | (words[1] ^ nonce[1]));
}

/* A HELLO of a boot that is not (yet) the session's: kept for the agent, which
 * alone can tell a restarted peer from a recording (the echo of its own nonce). */
HG_LEASE_INLINE void hg_lease_on_candidate(const struct hg_lease *l, const struct hg_lease_frame *f,
					   struct hg_lease_result *r)
{
	struct hg_path *path = l->path;
	hg_lease_word *words = (hg_lease_word *)path->candidate;
	__u64 last = hg_lease_read(path->candidate_at);

	r->reason = HG_R_PEER_NONCE;
	if (last && l->now < last + HG_LEASE_CANDIDATE_NS)
		return;
	if (__sync_val_compare_and_swap(&path->candidate_at, last, l->now) != last)
		return;
	words[0] = f->nonce[0];
	words[1] = f->nonce[1];
	r->event = HG_EVENT_HELLO;
}

HG_LEASE_INLINE void hg_lease_dispatch(const struct hg_lease *l, const struct hg_lease_frame *f,
				       struct hg_lease_result *r)
{
	switch ((enum hg_wire_type)f->type) {
	case HG_WIRE_HELLO:
		r->reason = HG_R_PEER_HELLO;
		r->event = HG_EVENT_HELLO;
		break;
	case HG_WIRE_NEIGH:
		r->reason = HG_R_PEER_NEIGH;
		r->event = HG_EVENT_NEIGH;
		break;
	case HG_WIRE_PROBE:
		hg_lease_on_probe(l, f, r);
		break;
	case HG_WIRE_REQUEST:
		hg_lease_on_request(l, f, r);
		break;
	case HG_WIRE_GRANT:
		hg_lease_on_grant(l, f, r);
		break;
	case HG_WIRE_CLAIM:
		hg_lease_on_claim(l, f, r);
		break;
	case HG_WIRE_FENCED:
		hg_lease_on_fenced(l, f, r);
		break;
	case HG_WIRE_TYPES:
		break;
	}
}

/*
 * Takes one authenticated frame. ret is filled completely. The caller answers by
 * turning the frame round (ret->answer) and tells the agent (ret->event).
 */
HG_LEASE_INLINE void hg_lease_receive(const struct hg_lease *l, const struct hg_lease_frame *f,
				      struct hg_lease_result *ret)
{
	*ret = (struct hg_lease_result){ .reason = HG_R_PEER_VERSION };
	if (!f->type || f->type >= HG_WIRE_TYPES)
		return;
	if (f->port != l->port) {
		hg_lease_write(l->path->wiring_port, f->port);
		hg_lease_write(l->path->wiring, l->now);
		ret->reason = HG_R_PEER_WIRING;
		return;
	}
	if (f->type == HG_WIRE_HELLO && !hg_lease_nonce_equal(l->peer->nonce, f->nonce)) {
		hg_lease_on_candidate(l, f, ret);
		return;
	}
	if (!hg_lease_is_new(&l->path->seq[f->session & 1][f->type], f->seq)) {
		ret->reason = HG_R_PEER_REPLAY;
		return;
	}
	hg_lease_write(l->peer->agent_age, (__u64)f->agent_age_ms * 1000000u);
	hg_lease_write(l->path->heard, l->now);
	hg_lease_write(l->peer->heard, l->now);
	ret->agent_age_ms = hg_lease_agent_age_ms(l);
	hg_lease_dispatch(l, f, ret);
}

#endif
