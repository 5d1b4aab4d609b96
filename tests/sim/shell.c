// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The agent's shell in short: what elector.c, peer.c, port.c and agent.c do with frames,
 * sessions, the disk and health, on the real keys.c, session.c and health.c.
 */
#include <endian.h>
#include <string.h>

#include "agent/core/health.h"
#include "agent/keys.h"
#include "agent/store.h"
#include "bpf/siphash.h"
#include "world.h"

/* As in peer.c, port.c, elector.c. */
#define PEER_HEARD_NS (500 * SIM_MS)
#define HURRY_NS (6 * SIM_MS)
#define HURRY_MAX_NS (200 * SIM_MS)
#define OLD_SESSION_NS (10000 * SIM_MS)
#define WRONG_KEY_NS (3000 * SIM_MS)
#define SLOW_TICK_NS (100 * SIM_MS)

static const uint8_t secret[HG_CLUSTER_KEY_LEN] = "one key for both simulated node";

/* --- start -------------------------------------------------------------------------- */

static void derive(const struct sim_node *node, unsigned int n, const uint8_t *peer_nonce,
		   struct hg_key *ret)
{
	struct hg_key_parties parties = {
		.self = n + 1,
		.peer = !n + 1,
		.self_nonce = node->session.own,
		.peer_nonce = peer_nonce,
	};

	if (peer_nonce)
		hg_keys_session(secret, &parties, ret);
	else
		hg_keys_cluster(secret, &parties, ret);
}

static void read_disk(struct sim_world *world, unsigned int n)
{
	struct sim_node *node = &world->node[n];

	node->epoch_first = node->disk_counter;
	node->epoch_reserved = hg_store_reserve(node->disk_counter);
	if (node->disk_fails_until > world->now)
		node->epoch_reserved = node->epoch_first;
	else
		node->disk_counter = node->epoch_reserved;
}

void sim_shell_start(struct sim_world *world, unsigned int n)
{
	struct sim_node *node = &world->node[n];
	uint64_t nonce[2] = { sim_mix(world->plan->noise + n + 1, node->life),
			      sim_mix(world->plan->noise + n + 77, node->life) };
	int adopted = HG_SESSION_NONE;

	read_disk(world, n);
	for (unsigned int i = 0; i < 2; i++) {
		node->session_key[i] = node->gate.key[HG_KEY_SESSION0 + i];
		if (node->session_key[i].id && (adopted < 0 || node->gate.peer[0].session == i))
			adopted = i;
	}
	hg_session_init(&node->session, (const uint8_t *)nonce, adopted);
	derive(node, n, NULL, &node->cluster_key);
	node->gate.key[HG_KEY_CLUSTER] = node->cluster_key;
	node->hurried_at = 0;
	node->slow_at = sim_clock(world, n) + SLOW_TICK_NS;
}

/* --- out ---------------------------------------------------------------------------- */

/* The long frame that `frame` stands for, without its tag. */
void sim_shell_long(const struct sim_frame *frame, struct hg_wire_long *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->head = frame->head;
	memcpy(ret->hello.nonce, frame->hello.nonce, sizeof(ret->hello.nonce));
	memcpy(ret->hello.echo, frame->hello.echo, sizeof(ret->hello.echo));
	ret->hello.role = frame->hello.role;
	ret->hello.health = frame->hello.health;
	ret->hello.priority = htobe16(frame->hello.priority);
	ret->hello.flags = frame->hello.flags;
	ret->hello.epoch_seen = htobe64(frame->hello.epoch_seen);
}

static void sign(struct sim_frame *frame, const struct hg_key *key)
{
	struct hg_wire_long wire;
	uint64_t tag[2];

	frame->head.key_id = htobe32(key->id);
	if (frame->head.type == HG_WIRE_HELLO) {
		sim_shell_long(frame, &wire);
		hg_siphash(&wire, (HG_WIRE_LONG - HG_WIRE_TAG_LEN) / 8, key->tx, (__u64 *)tag);
	} else {
		hg_siphash(&frame->head, (HG_WIRE_SHORT - HG_WIRE_TAG_LEN) / 8, key->tx,
			   (__u64 *)tag);
	}
	memcpy(frame->tag, tag, sizeof(tag));
}

static void fill(struct sim_world *world, unsigned int n, unsigned int port, struct sim_frame *ret,
		 enum hg_wire_type type, uint64_t epoch)
{
	uint64_t now = sim_clock_read(world, n);

	memset(ret, 0, sizeof(*ret));
	ret->from = n;
	ret->to = !n;
	ret->port = port;
	ret->head = (struct hg_wire_head){
		.magic = htobe16(HG_WIRE_MAGIC),
		.version = HG_WIRE_VERSION,
		.type = type,
		.length = htobe16(type == HG_WIRE_HELLO ? HG_WIRE_LONG : HG_WIRE_SHORT),
		.sender = n + 1,
		.receiver = !n + 1,
		.port = htobe32(sim_port_id(port)),
		.seq = htobe64(now),
		.stamp = htobe64(now),
		.epoch = htobe64(epoch),
	};
}

static void hurry_session(struct sim_world *world, unsigned int n)
{
	struct sim_node *node = &world->node[n];
	uint64_t now = sim_clock(world, n);

	if (node->session.current == HG_SESSION_NONE || now < node->hurried_at + HURRY_NS ||
	    now > node->session.installed_at.ns + HURRY_MAX_NS)
		return;
	node->hurried_at = now;
	sim_shell_greet(world, n);
}

static void send_under(struct sim_world *world, unsigned int n, int session, enum hg_wire_type type,
		       uint64_t epoch)
{
	const struct hg_key *key = &world->node[n].session_key[session == 1];
	struct sim_frame frame;

	if (!key->id)
		return;
	for (unsigned int port = 0; port < SIM_PORTS; port++) {
		fill(world, n, port, &frame, type, epoch);
		sign(&frame, key);
		sim_net_send(world, &frame);
	}
}

void sim_shell_send(struct sim_world *world, unsigned int n, enum hg_wire_type type, uint64_t epoch)
{
	struct sim_node *node = &world->node[n];
	int sending = hg_session_sending(&node->session);
	int newest = hg_session_slot(&node->session);

	if (sending == HG_SESSION_NONE)
		return;
	node->gate.peer[0].session = sending;
	hurry_session(world, n);
	send_under(world, n, sending, type, epoch);
	if (newest != HG_SESSION_NONE && newest != sending)
		send_under(world, n, newest, type, epoch);
}

static void send_hello(struct sim_world *world, unsigned int n, unsigned int port,
		       const struct hg_session_hello *session)
{
	const struct sim_node *node = &world->node[n];
	const struct hg_elect *el = &node->el;
	struct sim_frame frame;

	fill(world, n, port, &frame, HG_WIRE_HELLO, el->epoch);
	frame.head.stamp = htobe64(session->stamp);
	memcpy(frame.hello.nonce, session->nonce, sizeof(frame.hello.nonce));
	memcpy(frame.hello.echo, session->echo, sizeof(frame.hello.echo));
	frame.hello.role = hg_elect_role(el);
	frame.hello.health = el->health;
	frame.hello.priority = node->config.priority;
	frame.hello.epoch_seen = el->epoch_seen;
	frame.hello.flags = (el->is_consenting ? HG_HELLO_F_CONSENT : 0) |
			    (el->is_bound ? HG_HELLO_F_BOUND : 0) |
			    (!el->is_fit || el->is_maintenance ? HG_HELLO_F_UNFIT : 0);
	sign(&frame, &node->cluster_key);
	sim_net_send(world, &frame);
}

void sim_shell_greet(struct sim_world *world, unsigned int n)
{
	struct sim_node *node = &world->node[n];
	struct hg_session_hello session;

	if (!node->is_judged)
		return;
	hg_session_echo(&node->session, &session);
	for (unsigned int port = 0; port < SIM_PORTS; port++)
		send_hello(world, n, port, &session);
}

/* --- in ------------------------------------------------------------------------------ */

static void install_session(struct sim_world *world, unsigned int n, const uint8_t *peer_nonce)
{
	struct sim_node *node = &world->node[n];
	unsigned int slot = hg_session_slot(&node->session);

	derive(node, n, peer_nonce, &node->session_key[slot]);
	for (unsigned int port = 0; port < SIM_PORTS; port++) {
		memset(node->gate.path[port].seq[slot], 0, sizeof(node->gate.path[port].seq[slot]));
		node->gate.path[port].seq[0][HG_WIRE_HELLO] = 0;
	}
	node->gate.key[HG_KEY_SESSION0 + slot] = node->session_key[slot];
	memcpy(node->gate.peer[0].nonce, peer_nonce, HG_WIRE_NONCE_LEN);
	world->found.met_at = world->now;
	sim_say(world, n, "new session");
}

static void to_event(const struct sim_frame *frame, struct hg_elect_event *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->type = HG_EV_HELLO;
	ret->hello.role = frame->hello.role;
	ret->hello.epoch = be64toh(frame->head.epoch);
	ret->hello.epoch_seen = frame->hello.epoch_seen;
	ret->hello.node = frame->head.sender;
	ret->hello.priority = frame->hello.priority;
	ret->hello.health = frame->hello.health;
	ret->hello.is_consent = frame->hello.flags & HG_HELLO_F_CONSENT;
	ret->hello.is_unfit = frame->hello.flags & HG_HELLO_F_UNFIT;
	ret->hello.is_bound = frame->hello.flags & HG_HELLO_F_BOUND;
}

bool sim_shell_hello(struct sim_world *world, unsigned int n, const struct sim_frame *frame,
		     struct hg_elect_event *ret_ev)
{
	struct sim_node *node = &world->node[n];
	struct hg_session_hello session = { .seq = be64toh(frame->head.seq),
					    .stamp = be64toh(frame->head.stamp) };
	struct hg_time now = { sim_clock(world, n) };
	enum hg_session_verdict verdict;
	bool was_confirmed;

	memcpy(session.nonce, frame->hello.nonce, sizeof(session.nonce));
	memcpy(session.echo, frame->hello.echo, sizeof(session.echo));
	was_confirmed = node->session.is_confirmed;
	verdict = hg_session_receive(&node->session, now, &session);
	if (node->session.is_confirmed != was_confirmed)
		world->found.met_at = world->now;
	switch (verdict) {
	case HG_SESSION_IGNORE:
		return false;
	case HG_SESSION_REPLY:
		hg_session_reply(&node->session, &session);
		send_hello(world, n, frame->port, &session);
		return false;
	case HG_SESSION_INSTALL:
		install_session(world, n, frame->hello.nonce);
		sim_shell_greet(world, n);
		break;
	case HG_SESSION_CURRENT:
		break;
	}
	to_event(frame, ret_ev);
	return true;
}

/* --- health, disk -------------------------------------------------------------------- */

bool sim_shell_judge(struct sim_world *world, unsigned int n, struct hg_elect_event *ret_ev)
{
	struct sim_node *node = &world->node[n];
	struct hg_health_port list[SIM_PORTS];
	struct hg_health_facts facts = { .count = SIM_PORTS, .port = list };
	uint64_t clock = sim_clock(world, n);
	struct hg_health health;

	for (unsigned int port = 0; port < SIM_PORTS; port++) {
		uint64_t heard = node->gate.path[port].heard;

		list[port] = (struct hg_health_port){
			.has_vips = true,
			.has_link = node->link_lost_until[port] <= world->now,
			.is_attached = true,
			.is_heartbeat = true,
			.is_peer_heard = heard && clock < heard + PEER_HEARD_NS,
			.is_misbound = !port && node->unfit_until > world->now,
		};
	}
	health = hg_health_judge(&facts);
	node->is_judged = true;
	if (health.score == node->el.health && health.is_fit == node->el.is_fit)
		return false;
	memset(ret_ev, 0, sizeof(*ret_ev));
	ret_ev->type = HG_EV_HEALTH;
	ret_ev->self.health = health.score;
	ret_ev->self.is_fit = health.is_fit;
	return true;
}

void sim_shell_reserve(struct sim_world *world, unsigned int n)
{
	struct sim_node *node = &world->node[n];
	uint64_t next = node->el.epoch_counter;
	uint64_t seen = hg_epoch_counter(node->el.epoch_seen) + 1;

	if (seen > next)
		next = seen;
	if (!hg_store_is_low(next, node->epoch_reserved) || node->disk_fails_until > world->now)
		return;
	node->epoch_reserved = node->disk_counter = hg_store_reserve(next);
}

static void forget_old_session(struct sim_world *world, unsigned int n)
{
	struct sim_node *node = &world->node[n];
	unsigned int old = node->session.current == 0;

	if (node->session.current == HG_SESSION_NONE || !node->session.is_confirmed ||
	    sim_clock(world, n) < node->session.installed_at.ns + OLD_SESSION_NS)
		return;
	memset(&node->session_key[old], 0, sizeof(node->session_key[old]));
	node->gate.key[HG_KEY_SESSION0 + old] = node->session_key[old];
}

void sim_shell_slow_tick(struct sim_world *world, unsigned int n)
{
	struct sim_node *node = &world->node[n];

	forget_old_session(world, n);
	sim_shell_reserve(world, n);
	node->slow_at += SLOW_TICK_NS;
	if (node->slow_at <= sim_clock(world, n))
		node->slow_at = sim_clock(world, n) + SLOW_TICK_NS;
}

void sim_shell_observe(struct sim_world *world, unsigned int n, struct hg_obs *ret)
{
	const struct hg_state *state = &world->node[n].gate.state;
	const struct hg_peer *peer = &world->node[n].gate.peer[0];

	memset(ret, 0, sizeof(*ret));
	ret->lease_until.ns = state->lease_until;
	ret->fence_epoch = state->fence_epoch;
	ret->epoch = state->epoch;
	ret->served_epoch = state->served_epoch;
	ret->drain_until.ns = state->drain_until;
	ret->last_grant.ns = state->last_grant;
	ret->heard.ns = peer->heard;
	ret->request.ns = peer->request;
	ret->request_epoch = peer->request_epoch;
	ret->agent_age.ns = peer->agent_age;
	ret->fenced_epoch = peer->fenced_epoch;
	ret->fenced_stamp.ns = peer->fenced_stamp;
	ret->is_wrong_key = peer->unauthentic &&
			    sim_clock(world, n) < peer->unauthentic + WRONG_KEY_NS;
}
