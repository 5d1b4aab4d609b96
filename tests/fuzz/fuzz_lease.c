// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Fuzzer of what authenticated frames may do: bytes become frames of the peer, steps of
 * the clock and acts of the agent, fed to the very lines that XDP runs (bpf/lease.h).
 * It also feeds HELLO and NEIGH bodies to their readers in the agent.
 *
 * Asserted after every step: epochs and times that only rise do so; nothing but the
 * agent begins a term of service; a lease ends within L of the last frame's clock; a
 * node is silent from the moment a higher epoch was heard.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "agent/core/session.h"
#include "agent/neigh.h"
#include "bpf/lease.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(condition)                \
	do {                              \
		if (!(condition))         \
			__builtin_trap(); \
	} while (0)

#define LEASE_NS 20000000ull

struct input {
	const uint8_t *data;
	size_t size;
};

struct world {
	struct hg_config config;
	struct hg_state state, before;
	struct hg_peer peer;
	struct hg_path path;
	struct hg_session session;
	__u64 now;
};

static __u64 take(struct input *in, unsigned int octets)
{
	__u64 value = 0;

	for (; octets; octets--) {
		value = value << 8 | (in->size ? *in->data : 0);
		if (in->size) {
			in->data++;
			in->size--;
		}
	}
	return value;
}

static void check(const struct world *w, bool is_agent, const struct hg_lease_result *r)
{
	bool served = hg_state_serves(&w->before, w->now);
	bool serves = hg_state_serves(&w->state, w->now);

	REQUIRE(w->state.fence_epoch >= w->before.fence_epoch);
	REQUIRE(w->state.last_grant >= w->before.last_grant);
	if (is_agent)
		return;
	REQUIRE(w->state.epoch == w->before.epoch);
	REQUIRE(!serves || served); /* no frame begins a term */
	REQUIRE(w->state.lease_until <= w->before.lease_until ||
		w->state.lease_until <= w->now + LEASE_NS);
	REQUIRE(r->reason < HG_R_COUNT);
	if (r->answer == HG_WIRE_GRANT || r->answer == HG_WIRE_FENCED)
		REQUIRE(w->state.last_grant >= w->now && !serves);
	if (r->answer == HG_WIRE_REQUEST)
		REQUIRE(serves && r->epoch == w->state.epoch);
}

static void receive(struct world *w, struct input *in)
{
	struct hg_lease lease = { .config = &w->config,
				  .state = &w->state,
				  .peer = &w->peer,
				  .path = &w->path,
				  .port = 1,
				  .now = w->now };
	struct hg_lease_frame frame = {
		.type = take(in, 1) % (HG_WIRE_TYPES + 1),
		.session = take(in, 1) & 1,
		.flags = take(in, 1),
		.agent_age_ms = take(in, 2),
		.port = take(in, 1) % 8 ? 1 : 2,
		.echo = take(in, 4),
		.seq = take(in, 2),
		.epoch = take(in, 2),
		.stamp = w->now - (take(in, 4) % (4 * LEASE_NS)) + LEASE_NS / 4,
		.nonce = { take(in, 1), 0 },
	};
	struct hg_lease_result result;

	hg_lease_receive(&lease, &frame, &result);
	check(w, false, &result);
}

static void act(struct world *w, struct input *in)
{
	switch (take(in, 1) % 4) {
	case 0: /* claim */
		w->state.lease_until = 0;
		w->state.epoch = w->state.fence_epoch + 1 + take(in, 1) % 4;
		break;
	case 1: /* serve, as on FENCED */
		w->state.lease_until = w->now + LEASE_NS;
		break;
	case 2: /* step down */
		w->state.epoch = 0;
		w->state.lease_until = 0;
		break;
	case 3:
		w->state.agent_seen = w->now;
		break;
	}
	check(w, true, NULL);
}

static void hear_hello(struct world *w, struct input *in)
{
	struct hg_session_hello hello = { .seq = take(in, 2), .stamp = take(in, 2) };
	int before = hg_session_slot(&w->session), after;

	hello.nonce[0] = take(in, 1);
	hello.echo[0] = take(in, 1);
	switch (hg_session_receive(&w->session, (struct hg_time){ w->now }, &hello)) {
	case HG_SESSION_INSTALL:
		after = hg_session_slot(&w->session);
		REQUIRE(after == 0 || after == 1);
		REQUIRE(!memcmp(hello.echo, w->session.own, sizeof(hello.echo)));
		break;
	case HG_SESSION_IGNORE:
	case HG_SESSION_CURRENT:
	case HG_SESSION_REPLY:
		REQUIRE(hg_session_slot(&w->session) == before);
		break;
	}
}

static void hear_neighbours(struct input *in)
{
	static const struct hg_ip subnet = { 4, 24, { 10, 1, 0, 2 } };
	static const uint8_t mac[6] = { 2, 0, 0, 0, 0, 1 };
	struct hg_worker_neigh list[HG_WIRE_NEIGHS];
	struct hg_neigh_filter *filter;
	struct hg_wire_neigh wire = { 0 };
	size_t count;

	for (size_t i = 0; i < sizeof(wire) && in->size; i++)
		((uint8_t *)&wire)[i] = take(in, 1);
	if (hg_neigh_filter_new(&subnet, 1, mac, NULL, &filter))
		return;
	count = hg_neigh_accept(filter, 7, &wire, list);
	REQUIRE(count <= HG_WIRE_NEIGHS);
	for (size_t i = 0; i < count; i++)
		REQUIRE(!(list[i].mac[0] & 1) && list[i].ifindex == 7);
	hg_neigh_filter_free(filter);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t own[HG_WIRE_NONCE_LEN] = { 9 };
	struct input in = { data, size };
	struct world w = { .now = 1ull << 40 };

	w.config = (struct hg_config){ .lease_ns = LEASE_NS,
				       .agent_grace_ns = 100 * LEASE_NS,
				       .drain_ns = 25 * LEASE_NS };
	hg_session_init(&w.session, own, HG_SESSION_NONE);
	while (in.size) {
		uint8_t what = take(&in, 1);

		w.before = w.state;
		w.now += take(&in, 3);
		if (what < 160)
			receive(&w, &in);
		else if (what < 220)
			act(&w, &in);
		else if (what < 250)
			hear_hello(&w, &in);
		else
			hear_neighbours(&in);
	}
	return 0;
}
