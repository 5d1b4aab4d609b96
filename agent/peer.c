/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is said to the peer and heard from it: frames out, HELLO and NEIGH in, the
 * session that both nonces make. Frames in were verified by XDP and come through
 * the ring buffer.
 */
#include <endian.h>
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "agent.h"
#include "log.h"

#define PEER_HEARD_NS (500ull * 1000 * 1000)
#define HURRY_NS (6ull * 1000 * 1000)
#define HURRY_MAX_NS (200ull * 1000 * 1000)
#define OLD_SESSION_NS (10ull * 1000 * 1000 * 1000)
#define SILENT_AGENT_NS (1000ull * 1000 * 1000)
#define COLD_NS (300ull * 1000 * 1000) /* three HELLOs */
#define PEER_INDEX 0 /* version 1 */

bool hg_peer_is_heard(const struct hg_agent *agent)
{
	uint64_t heard = agent->maps.peer[PEER_INDEX].heard;

	return agent->peer && heard && hg_now().ns < heard + PEER_HEARD_NS;
}

/* Its data path may answer without an agent; HELLO does not come then. */
bool hg_peer_has_agent(const struct hg_agent *agent)
{
	return agent->elect.has_hello && hg_now().ns < agent->elect.hello_at.ns + SILENT_AGENT_NS;
}

/* --- keys ----------------------------------------------------------------------- */

static struct hg_key_parties parties(const struct hg_agent *agent, const uint8_t *peer_nonce)
{
	return (struct hg_key_parties){
		.self = agent->self->id,
		.peer = agent->peer->id,
		.peer_index = PEER_INDEX,
		.self_nonce = agent->session.own,
		.peer_nonce = peer_nonce,
	};
}

/* Cluster key into the data path; a session that an earlier agent left stays in use
 * until a new one is agreed, so that a restart does not interrupt the bounce. */
int hg_peer_init(struct hg_agent *agent)
{
	uint8_t nonce[HG_WIRE_NONCE_LEN];
	int err, adopted = HG_SESSION_NONE;
	struct hg_key_parties both;

	randombytes_buf(nonce, sizeof(nonce));
	if (!agent->peer) {
		hg_session_init(&agent->session, nonce, adopted);
		return 0;
	}
	both = parties(agent, NULL);
	hg_keys_cluster(agent->setup->key, &both, &agent->cluster_key);
	err = hg_maps_set_key(&agent->maps, HG_KEY_CLUSTER, &agent->cluster_key);
	for (unsigned int i = 0; !err && i < 2; i++) {
		err = hg_maps_get_key(&agent->maps, HG_KEY_SESSION0 + i, &agent->session_key[i]);
		if (!err && agent->session_key[i].id &&
		    (adopted < 0 || agent->maps.peer[PEER_INDEX].session == i))
			adopted = i;
	}
	hg_session_init(&agent->session, nonce, adopted);
	return err;
}

static void install_session(struct hg_agent *agent, const uint8_t *peer_nonce)
{
	static const struct hg_key none;
	volatile struct hg_peer *peer = &agent->maps.peer[PEER_INDEX];
	struct hg_key_parties both = parties(agent, peer_nonce);
	unsigned int slot = hg_session_slot(&agent->session);
	int err;

	hg_maps_set_key(&agent->maps, HG_KEY_SESSION0 + slot, &none);
	hg_keys_session(agent->setup->key, &both, &agent->session_key[slot]);
	for (unsigned int port = 0; port < HG_SLOTS_MAX; port++) {
		for (unsigned int type = 0; type < HG_WIRE_TYPES; type++)
			agent->maps.path[port].seq[slot][type] = 0;
		agent->maps.path[port].seq[0][HG_WIRE_HELLO] = 0;
		agent->maps.path[port].seq[0][HG_WIRE_NEIGH] = 0;
	}
	err = hg_maps_set_key(&agent->maps, HG_KEY_SESSION0 + slot, &agent->session_key[slot]);
	for (unsigned int i = 0; i < HG_WIRE_NONCE_LEN; i++)
		peer->nonce[i] = peer_nonce[i];
	if (err)
		hg_error("session key: %s", strerror(-err));
	else
		hg_info("new session with %s", agent->peer->name);
}

/* --- out -------------------------------------------------------------------------- */

static void fill_head(const struct hg_agent *agent, struct hg_wire_head *head,
		      enum hg_wire_type type, uint64_t epoch)
{
	uint64_t now = hg_now().ns;

	head->type = type;
	head->sender = agent->self->id;
	head->receiver = agent->peer->id;
	head->seq = htobe64(now);
	head->stamp = htobe64(now);
	head->epoch = htobe64(epoch);
}

/* A young session: HELLO again, soon, until both know that both hold it. That this side
 * knows is not enough: the peer learns it from a HELLO of ours, and sends under the older
 * session until then, which a restart of this agent would have overwritten. XDP wakes the
 * peer's agent for unconfirmed HELLOs at most once in 5 ms, so the one that follows the
 * first at once is not seen. */
static void hurry_session(struct hg_agent *agent)
{
	uint64_t now = hg_now().ns;

	if (agent->session.current == HG_SESSION_NONE || now < agent->hurried_at + HURRY_NS ||
	    now > agent->session.installed_at.ns + HURRY_MAX_NS)
		return;
	agent->hurried_at = now;
	hg_peer_send_hello(agent);
}

static void send_under(struct hg_agent *agent, int session, enum hg_wire_type type, uint64_t epoch)
{
	const struct hg_key *key = &agent->session_key[session == 1];

	if (!key->id)
		return;
	for (unsigned int slot = 0; slot < agent->port_count; slot++) {
		struct hg_wire_short frame = { 0 };

		fill_head(agent, &frame.head, type, epoch);
		hg_heartbeat_send_short(&agent->port[slot].heartbeat, &frame, key);
	}
}

/* Under both sessions while the peer is not known to hold the newer: a peer that booted has
 * lost the older one, and a claim that it cannot read does not fence it. */
void hg_peer_send_short(struct hg_agent *agent, enum hg_wire_type type, uint64_t epoch)
{
	int sending = hg_session_sending(&agent->session);
	int newest = hg_session_slot(&agent->session);

	if (!agent->peer || sending == HG_SESSION_NONE)
		return;
	agent->maps.peer[PEER_INDEX].session = sending; /* for an agent that adopts */
	hurry_session(agent);
	send_under(agent, sending, type, epoch);
	if (newest != HG_SESSION_NONE && newest != sending)
		send_under(agent, newest, type, epoch);
}

static uint8_t hello_flags(const struct hg_agent *agent, unsigned int slot)
{
	const struct hg_agent_port *port = &agent->port[slot];
	const struct hg_elect *elect = &agent->elect;
	uint8_t flags = 0;

	if (elect->is_consenting)
		flags |= HG_HELLO_F_CONSENT;
	if (elect->is_bound)
		flags |= HG_HELLO_F_BOUND;
	if (!elect->is_fit || elect->is_maintenance)
		flags |= HG_HELLO_F_UNFIT;
	if (agent->health.is_misbound)
		flags |= HG_HELLO_F_MISBOUND;
	if (port->nic.has_link)
		flags |= HG_HELLO_F_LINK;
	if (hg_now().ns < port->wiring_forget_at + COLD_NS)
		flags |= HG_HELLO_F_COLD;
	if (hg_port_is_peer_heard(agent, slot))
		flags |= HG_HELLO_F_PEER_HEARD;
	return flags;
}

static void fill_hello(const struct hg_agent *agent, unsigned int slot, struct hg_wire_hello *hello)
{
	const struct hg_agent_port *port = &agent->port[slot];
	memcpy(hello->port_name, port->name, strnlen(port->name, sizeof(hello->port_name) - 1));
	memcpy(hello->node_name, agent->self->name,
	       strnlen(agent->self->name, sizeof(hello->node_name) - 1));
	memcpy(hello->software, HG_VERSION, sizeof(HG_VERSION));
	memcpy(hello->mac, port->nic.mac, sizeof(hello->mac));
	hello->role = hg_elect_role(&agent->elect);
	hello->health = agent->elect.health;
	hello->priority = htobe16(agent->self->priority);
	hello->flags = hello_flags(agent, slot);
	hello->no_link = htobe16(hg_port_without_link(agent));
	hg_sync_fill_hello(agent, hello);
	hello->epoch_seen = htobe64(agent->elect.epoch_seen);
	memcpy(hello->config, agent->setup->cluster.hash, sizeof(hello->config));
	hello->stray = htobe32(port->stray);
	hg_load_fill_hello(agent, slot, hello);
}

static void send_hello_on(struct hg_agent *agent, unsigned int slot,
			  const struct hg_session_hello *session)
{
	struct hg_wire_long frame = { 0 };

	fill_head(agent, &frame.head, HG_WIRE_HELLO, agent->elect.epoch);
	frame.head.stamp = htobe64(session->stamp);
	memcpy(frame.hello.nonce, session->nonce, sizeof(frame.hello.nonce));
	memcpy(frame.hello.echo, session->echo, sizeof(frame.hello.echo));
	fill_hello(agent, slot, &frame.hello);
	hg_heartbeat_send_long(&agent->port[slot].heartbeat, &frame, &agent->cluster_key);
	if (!hg_port_is_peer_heard(agent, slot))
		hg_heartbeat_broadcast(&agent->port[slot].heartbeat, &frame);
}

void hg_peer_send_hello(struct hg_agent *agent)
{
	struct hg_session_hello session;

	if (!agent->peer || !agent->is_judged)
		return;
	hg_session_echo(&agent->session, &session);
	for (unsigned int slot = 0; slot < agent->port_count; slot++)
		send_hello_on(agent, slot, &session);
}

static void send_neighbours(struct hg_agent *agent)
{
	struct hg_wire_neigh neigh;
	unsigned int slot;

	while (hg_neigh_next(agent->neigh, hg_now(), &slot, &neigh)) {
		struct hg_wire_long frame = { 0 };

		if (slot >= agent->port_count)
			continue;
		fill_head(agent, &frame.head, HG_WIRE_NEIGH, agent->elect.epoch);
		frame.neigh = neigh;
		hg_heartbeat_send_long(&agent->port[slot].heartbeat, &frame, &agent->cluster_key);
	}
}

/* --- in --------------------------------------------------------------------------- */

static void to_elect_hello(const struct hg_wire_long *frame, struct hg_elect_event *ev)
{
	const struct hg_wire_hello *hello = &frame->hello;

	*ev = (struct hg_elect_event){ .type = HG_EV_HELLO };
	ev->hello = (struct hg_elect_hello){
		.role = hello->role < HG_ROLES ? hello->role : HG_ROLE_OFF,
		.epoch = be64toh(frame->head.epoch),
		.epoch_seen = be64toh(hello->epoch_seen),
		.generation = be64toh(hello->generation),
		.node = frame->head.sender,
		.priority = be16toh(hello->priority) > 255 ? 255 : be16toh(hello->priority),
		.health = hello->health > 100 ? 100 : hello->health,
		.is_consent = hello->flags & HG_HELLO_F_CONSENT,
		.is_unfit = hello->flags & HG_HELLO_F_UNFIT,
		.is_bound = hello->flags & HG_HELLO_F_BOUND,
	};
}

/* The peer's NIC into the neighbour table, so that the next frame need not search.
 * The HELLO's tag was right, so the MAC is the peer's, or was at a former boot. */
static void teach_mac(struct hg_agent *agent, unsigned int slot, const uint8_t mac[6])
{
	struct hg_agent_port *port = &agent->port[slot];
	struct hg_worker_neigh neigh = { .ifindex = port->nic.ifindex };
	struct hg_job job = { .type = HG_JOB_NEIGH_SET, .neighs = { .list = &neigh, .count = 1 } };

	if (!port->has_nic || !memcmp(port->taught_mac, mac, sizeof(port->taught_mac)))
		return;
	neigh.ip = agent->peer->address[port->index];
	neigh.ip.prefix = neigh.ip.family == 4 ? 32 : 128;
	memcpy(neigh.mac, mac, sizeof(neigh.mac));
	if (!hg_agent_submit(agent, &job))
		memcpy(port->taught_mac, mac, sizeof(port->taught_mac));
}

/* A link of the peer came up: its kernel forgot the neighbours there, and what it searched
 * for meanwhile it asks for again only a second later. Each port says so for some HELLOs. */
static void warm_peer(struct hg_agent *agent, unsigned int slot, uint8_t flags)
{
	bool is_new = flags & HG_HELLO_F_COLD & ~agent->port[slot].hello.flags;

	if (!is_new || agent->elect.state != HG_EL_ACTIVE)
		return;
	hg_neigh_start(agent->neigh, hg_now());
	send_neighbours(agent);
}

static void on_hello(struct hg_agent *agent, const struct hg_event *event)
{
	struct hg_wire_hello hello = event->frame.hello;
	struct hg_session_hello session = {
		.seq = be64toh(event->frame.head.seq),
		.stamp = be64toh(event->frame.head.stamp),
	};
	struct hg_elect_event ev;

	memcpy(session.nonce, hello.nonce, sizeof(session.nonce));
	memcpy(session.echo, hello.echo, sizeof(session.echo));
	switch (hg_session_receive(&agent->session, hg_now(), &session)) {
	case HG_SESSION_IGNORE:
		return;
	case HG_SESSION_REPLY:
		if (!hg_peer_is_heard(agent))
			teach_mac(agent, event->slot, hello.mac);
		hg_session_reply(&agent->session, &session);
		send_hello_on(agent, event->slot, &session);
		return;
	case HG_SESSION_INSTALL:
		install_session(agent, hello.nonce);
		hg_peer_send_hello(agent);
		break;
	case HG_SESSION_CURRENT:
		break;
	}
	teach_mac(agent, event->slot, hello.mac);
	hello.port_name[sizeof(hello.port_name) - 1] = '\0';
	hello.software[sizeof(hello.software) - 1] = '\0';
	agent->is_config_other = memcmp(hello.config, agent->setup->cluster.hash,
					sizeof(hello.config)) != 0;
	agent->peer_no_link = be16toh(hello.no_link);
	hg_sync_on_hello(agent, &hello);
	warm_peer(agent, event->slot, hello.flags);
	agent->port[event->slot].hello = hello;
	agent->port[event->slot].hello_at = event->at;
	hg_port_judge(agent); /* before the election hears of a consent */
	to_elect_hello(&event->frame, &ev);
	hg_elector_step(agent, &ev);
}

static int make_filter(struct hg_agent *agent, unsigned int slot)
{
	struct hg_agent_port *port = &agent->port[slot];
	const struct hg_cluster_config *cluster = &agent->setup->cluster;
	size_t count = 0;
	struct hg_ip *list = calloc(port->cluster->vip_count + agent->own_count + 1, sizeof(*list));
	uint8_t vmac[6];
	bool has_vmac = hg_vips_vmac(agent, slot, vmac);
	int err;

	if (!list)
		return -ENOMEM;
	for (unsigned int i = 0; i < port->cluster->vip_count; i++)
		list[count++] = cluster->vip[port->cluster->vip_first + i];
	for (size_t i = 0; i < agent->own_count; i++)
		if (agent->own[i].ifindex == port->nic.ifindex)
			list[count++] = agent->own[i].ip;
	err = hg_neigh_filter_new(list, count, port->nic.mac, has_vmac ? vmac : NULL,
				  &port->neigh_filter);
	free(list);
	return err;
}

static void on_neigh(struct hg_agent *agent, const struct hg_event *event)
{
	struct hg_agent_port *port = &agent->port[event->slot];
	struct hg_worker_neigh list[HG_WIRE_NEIGHS];
	struct hg_job job = { .type = HG_JOB_NEIGH_SET };

	if (hg_state_serves(agent->maps.state, hg_now().ns) || !port->has_nic)
		return;
	if (!port->neigh_filter && make_filter(agent, event->slot))
		return;
	job.neighs.count = hg_neigh_accept(port->neigh_filter, port->nic.ifindex,
					   &event->frame.neigh, list);
	job.neighs.list = list;
	if (job.neighs.count)
		hg_agent_submit(agent, &job);
}

static void on_conflict(struct hg_agent *agent, const struct hg_event *event)
{
	const struct hg_agent_port *port = &agent->port[event->slot];
	const uint8_t *mac = event->frame.body;
	bool is_peer = !memcmp(mac, port->hello.mac, sizeof(port->hello.mac));

	hg_agent_note(
		agent, HG_HISTORY_FAULT,
		"port %s: %s (%02x:%02x:%02x:%02x:%02x:%02x) uses a virtual address that this "
		"node serves%s",
		port->name, is_peer ? agent->peer->name : "a stranger", mac[0], mac[1], mac[2],
		mac[3], mac[4], mac[5],
		is_peer ? ": the nodes do not hear each other" : "; find and stop it");
}

void hg_peer_on_event(void *context, const struct hg_event *event)
{
	struct hg_agent *agent = context;

	if (event->slot >= agent->port_count || !agent->peer)
		return;
	switch ((enum hg_event_type)event->type) {
	case HG_EVENT_HELLO:
		on_hello(agent, event);
		break;
	case HG_EVENT_NEIGH:
		on_neigh(agent, event);
		break;
	case HG_EVENT_FENCED:
	case HG_EVENT_OVERRULED:
		hg_elector_event(agent, HG_EV_TICK);
		break;
	case HG_EVENT_CONFLICT:
		on_conflict(agent, event);
		break;
	}
}

/* An older session's key is of no use once the newer one is known to work, and may hang
 * on a cluster key that was changed since. */
static void forget_old_session(struct hg_agent *agent)
{
	static const struct hg_key none;
	const struct hg_session *session = &agent->session;
	unsigned int old = session->current == 0;

	if (session->current == HG_SESSION_NONE || !session->is_confirmed ||
	    !agent->session_key[old].id || hg_now().ns < session->installed_at.ns + OLD_SESSION_NS)
		return;
	if (!hg_maps_set_key(&agent->maps, HG_KEY_SESSION0 + old, &none))
		agent->session_key[old] = none;
}

/* --- slow tick ---------------------------------------------------------------------- */

static void describe_peer(struct hg_agent *agent, char *ret, size_t size)
{
	*ret = '\0';
	if (!agent->peer)
		return;
	if (hg_peer_is_heard(agent)) {
		if (!hg_peer_has_agent(agent))
			snprintf(
				ret, size,
				"%s's data path answers, but its agent is dead or hangs; look there: "
				"systemctl status hagated",
				agent->peer->name);
		return;
	}
	if (agent->obs.is_wrong_key)
		snprintf(ret, size,
			 "wrong key: frames come from %s's address, but not under this cluster's "
			 "key; copy one key file to both nodes and restart hagated",
			 agent->peer->name);
	else
		snprintf(ret, size,
			 "%s is not heard on any port: it is off, its agent never ran, or all "
			 "segments between the nodes are cut",
			 agent->peer->name);
}

void hg_peer_slow_tick(struct hg_agent *agent)
{
	char fault[sizeof(agent->peer_fault)];

	if (agent->elect.state == HG_EL_LISTEN && !hg_peer_is_heard(agent))
		return; /* too early to say */
	describe_peer(agent, fault, sizeof(fault));
	if (strcmp(fault, agent->peer_fault)) {
		memcpy(agent->peer_fault, fault, sizeof(fault));
		hg_agent_note(agent, HG_HISTORY_PEER, "%s%s", *fault ? fault : agent->peer->name,
			      *fault ? "" : " is heard");
	}
	hg_sync_compare_config(agent);
	forget_old_session(agent);
	if (agent->elect.state == HG_EL_ACTIVE && agent->peer)
		send_neighbours(agent);
}
