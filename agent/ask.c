/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See ask.h. HELLO ten times a second, both ways, keeps the session and shows that the
 * witness is there; a REQUEST goes out only when the election wants one.
 */
#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/config_value.h"
#include "agent/keys.h"
#include "agent.h"
#include "bpf/siphash.h"
#include "log.h"

#define HEARD_NS (1000ull * 1000 * 1000)
#define BATCH 16
#define ASK_TOS 0xc0 /* as the heartbeats */

/* --- frames out --------------------------------------------------------------------- */

static void put_frame(struct hg_agent *agent, struct hg_wire_head *head, size_t length,
		      const struct hg_key *key)
{
	struct hg_ask *ask = &agent->ask;
	uint64_t now = hg_now().ns;
	uint8_t *octets = (uint8_t *)head;
	__u64 tag[2];

	if (!ask->io)
		return;
	ask->seq = ask->seq < now ? now : ask->seq + 1;
	head->magic = htobe16(HG_WIRE_MAGIC);
	head->version = HG_WIRE_VERSION;
	head->length = htobe16(length);
	head->sender = agent->self->id;
	head->receiver = HG_WIRE_WITNESS;
	head->key_id = htobe32(key->id);
	head->seq = htobe64(ask->seq);
	hg_siphash(octets, (length - HG_WIRE_TAG_LEN) / 8, key->tx, tag);
	memcpy(octets + length - HG_WIRE_TAG_LEN, tag, sizeof(tag));
	/* A connected socket reports an earlier ICMP error once instead of sending. */
	if (send(ask->fd, octets, length, MSG_DONTWAIT) >= 0)
		return;
	ask->err = -errno;
	if (errno == ECONNREFUSED && send(ask->fd, octets, length, MSG_DONTWAIT) < 0)
		ask->err = -errno;
}

static void send_hello(struct hg_agent *agent)
{
	struct hg_ask *ask = &agent->ask;
	struct hg_wire_long frame = { 0 };
	struct hg_session_hello session;

	hg_session_echo(&ask->session, &session);
	frame.head.type = HG_WIRE_HELLO;
	frame.head.stamp = htobe64(session.stamp);
	memcpy(frame.hello.nonce, session.nonce, sizeof(frame.hello.nonce));
	memcpy(frame.hello.echo, session.echo, sizeof(frame.hello.echo));
	memcpy(frame.hello.node_name, agent->self->name,
	       strnlen(agent->self->name, sizeof(frame.hello.node_name) - 1));
	memcpy(frame.hello.software, HG_VERSION, sizeof(HG_VERSION));
	frame.hello.role = hg_elect_role(&agent->elect);
	put_frame(agent, &frame.head, HG_WIRE_LONG, &ask->cluster_key);
}

void hg_ask_send(struct hg_agent *agent, uint64_t epoch, struct hg_span lease)
{
	struct hg_ask *ask = &agent->ask;
	int sending = hg_session_sending(&ask->session);
	struct hg_wire_short frame = { 0 };

	ask->asked_at = hg_now().ns;
	if (sending == HG_SESSION_NONE)
		return;
	frame.head.type = HG_WIRE_REQUEST;
	frame.head.epoch = htobe64(epoch);
	frame.head.stamp = htobe64(ask->asked_at);
	frame.head.echo = htobe32(lease.ns / 1000);
	put_frame(agent, &frame.head, HG_WIRE_SHORT, &ask->session_key[sending]);
}

/* --- frames in ---------------------------------------------------------------------- */

static bool has_tag(const void *frame, size_t length, const struct hg_key *key)
{
	__u64 tag[2];

	hg_siphash(frame, (length - HG_WIRE_TAG_LEN) / 8, key->rx, tag);
	return !sodium_memcmp((const uint8_t *)frame + length - HG_WIRE_TAG_LEN, tag, sizeof(tag));
}

static void install_session(struct hg_agent *agent, const uint8_t *nonce)
{
	struct hg_ask *ask = &agent->ask;
	unsigned int slot = hg_session_slot(&ask->session);
	struct hg_key_parties both = {
		.self = agent->self->id,
		.peer = HG_WIRE_WITNESS,
		.self_nonce = ask->session.own,
		.peer_nonce = nonce,
	};

	hg_keys_session(agent->setup->key, &both, &ask->session_key[slot]);
	ask->seen[slot] = 0;
	hg_info("new session with the witness");
}

static void note_heard(struct hg_agent *agent, uint64_t stamp)
{
	struct hg_ask *ask = &agent->ask;
	uint64_t now = hg_now().ns;

	ask->heard = now;
	ask->err = 0;
	if (stamp && stamp <= now)
		ask->rtt = now - stamp;
	if (ask->rtt <= agent->setup->cluster.lease.ns / 2)
		ask->quick_at = now;
}

static void on_hello(struct hg_agent *agent, const struct hg_wire_long *frame)
{
	struct hg_ask *ask = &agent->ask;
	struct hg_session_hello session = { .seq = be64toh(frame->head.seq),
					    .stamp = be64toh(frame->head.stamp) };
	bool is_echo = !memcmp(frame->hello.echo, ask->session.own, sizeof(ask->session.own));

	if (!has_tag(frame, HG_WIRE_LONG, &ask->cluster_key))
		return;
	memcpy(session.nonce, frame->hello.nonce, sizeof(session.nonce));
	memcpy(session.echo, frame->hello.echo, sizeof(session.echo));
	switch (hg_session_receive(&ask->session, hg_now(), &session)) {
	case HG_SESSION_IGNORE:
	case HG_SESSION_REPLY: /* the next regular HELLO says the same */
		return;
	case HG_SESSION_INSTALL:
		install_session(agent, frame->hello.nonce);
		send_hello(agent);
		break;
	case HG_SESSION_CURRENT:
		break;
	}
	note_heard(agent, is_echo ? session.stamp : 0);
	ask->is_forgetful = frame->head.flags & HG_WIRE_F_FORGETFUL;
	ask->is_settling = frame->head.flags & HG_WIRE_F_SETTLING;
	memcpy(ask->software, frame->hello.software, sizeof(ask->software) - 1);
}

static int find_slot(const struct hg_ask *ask, const struct hg_wire_short *frame)
{
	for (unsigned int slot = 0; slot < 2; slot++) {
		const struct hg_key *key = &ask->session_key[slot];

		if (key->id && key->id == be32toh(frame->head.key_id) &&
		    has_tag(frame, HG_WIRE_SHORT, key))
			return slot;
	}
	return -1;
}

static void on_answer(struct hg_agent *agent, const struct hg_wire_short *frame)
{
	struct hg_ask *ask = &agent->ask;
	struct hg_elect_event ev = { .type = HG_EV_WITNESS };
	bool is_granted = frame->head.type == HG_WIRE_GRANT;
	int slot = find_slot(ask, frame);

	if (slot < 0 || be64toh(frame->head.seq) <= ask->seen[slot])
		return;
	ask->seen[slot] = be64toh(frame->head.seq);
	note_heard(agent, be64toh(frame->head.stamp));
	ask->answered_at = ask->heard;
	ask->epoch = be64toh(frame->head.epoch);
	ask->verdict = HG_WITNESS_GRANTED;
	if (!is_granted)
		ask->verdict = frame->head.flags < HG_WITNESS_VERDICTS ? frame->head.flags
								       : HG_WITNESS_FOREIGN;
	ask->granted += is_granted;
	ask->refused += !is_granted;
	ev.witness = (struct hg_elect_witness){
		.is_granted = is_granted,
		.epoch = ask->epoch,
		.stamp = { be64toh(frame->head.stamp) },
		.lease = { is_granted ? be32toh(frame->head.echo) * UINT64_C(1000) : 0 },
	};
	hg_elector_step(agent, &ev);
}

static bool is_frame(const struct hg_agent *agent, const struct hg_wire_head *head, size_t length)
{
	return head->magic == htobe16(HG_WIRE_MAGIC) && head->version == HG_WIRE_VERSION &&
	       be16toh(head->length) == length && head->group == 0 &&
	       head->sender == HG_WIRE_WITNESS && head->receiver == agent->self->id;
}

void hg_ask_receive(struct hg_agent *agent, const void *octets, size_t length)
{
	struct hg_wire_long frame;

	if (length != (size_t)HG_WIRE_SHORT && length != (size_t)HG_WIRE_LONG)
		return;
	memcpy(&frame, octets, length);
	if (!is_frame(agent, &frame.head, length))
		return;
	if (length == (size_t)HG_WIRE_LONG && frame.head.type == HG_WIRE_HELLO &&
	    be32toh(frame.head.key_id) == agent->ask.cluster_key.id)
		on_hello(agent, &frame);
	else if (length == (size_t)HG_WIRE_SHORT &&
		 (frame.head.type == HG_WIRE_GRANT || frame.head.type == HG_WIRE_REFUSE))
		on_answer(agent, (const struct hg_wire_short *)&frame);
}

static int on_readable(sd_event_source *source, int fd, uint32_t revents, void *context)
{
	uint8_t octets[HG_WIRE_LONG + 1];

	(void)source;
	(void)revents;
	for (unsigned int i = 0; i < BATCH; i++) {
		ssize_t n = recv(fd, octets, sizeof(octets), MSG_DONTWAIT);

		if (n < 0 && errno == ECONNREFUSED)
			continue; /* reported once for each answer of ICMP */
		if (n < 0)
			break;
		hg_ask_receive(context, octets, n);
	}
	return 0;
}

/* --- the socket --------------------------------------------------------------------- */

static void close_socket(struct hg_ask *ask)
{
	if (!ask->io)
		return;
	ask->io = sd_event_source_disable_unref(ask->io);
	close(ask->fd);
}

/* Connected, so that the kernel lets answers of the witness alone in. A route that comes
 * or changes later is taken by opening anew. */
static void open_socket(struct hg_agent *agent)
{
	struct hg_ask *ask = &agent->ask;
	bool is_v4 = ask->address.family == 4;
	struct sockaddr_storage address;
	socklen_t length = hg_ip_sockaddr(&ask->address, ask->port, &address);
	int fd = socket(address.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int tos = ASK_TOS, err;

	close_socket(ask);
	ask->opened_at = hg_now().ns;
	if (fd < 0) {
		ask->err = -errno;
		return;
	}
	setsockopt(fd, is_v4 ? IPPROTO_IP : IPPROTO_IPV6, is_v4 ? IP_TOS : IPV6_TCLASS, &tos,
		   sizeof(tos));
	err = connect(fd, (struct sockaddr *)&address, length) ? -errno : 0;
	if (!err)
		err = sd_event_add_io(agent->event, &ask->io, fd, EPOLLIN, on_readable, agent);
	if (err < 0) {
		ask->err = err;
		ask->io = NULL;
		close(fd);
		return;
	}
	ask->fd = fd;
	sd_event_source_set_priority(ask->io, SD_EVENT_PRIORITY_IMPORTANT);
}

void hg_ask_init(struct hg_agent *agent)
{
	const struct hg_cluster_config *cluster = &agent->setup->cluster;
	struct hg_key_parties both = { .self = agent->self->id, .peer = HG_WIRE_WITNESS };
	struct hg_ask *ask = &agent->ask;
	uint8_t nonce[HG_WIRE_NONCE_LEN];

	if (ask->address.family && !hg_ip_compare(&ask->address, &cluster->witness) &&
	    ask->port == cluster->witness_port)
		return;
	close_socket(ask);
	memset(ask, 0, sizeof(*ask));
	ask->verdict = HG_WITNESS_VERDICTS;
	if (!cluster->witness.family || !agent->peer)
		return;
	ask->address = cluster->witness;
	ask->port = cluster->witness_port;
	randombytes_buf(nonce, sizeof(nonce));
	hg_session_init(&ask->session, nonce, HG_SESSION_NONE);
	hg_keys_cluster(agent->setup->key, &both, &ask->cluster_key);
	open_socket(agent);
	send_hello(agent);
}

/* --- what people see ---------------------------------------------------------------- */

bool hg_ask_is_heard(const struct hg_agent *agent)
{
	return agent->ask.heard && hg_now().ns < agent->ask.heard + HEARD_NS;
}

static void describe(const struct hg_agent *agent, char *ret, size_t size)
{
	const struct hg_ask *ask = &agent->ask;
	char text[HG_IP_TEXT];

	*ret = '\0';
	if (!hg_ask_is_heard(agent))
		snprintf(ret, size,
			 "the witness %s does not answer%s%s: start hagate-witness there with this "
			 "cluster's key, and let udp/%u through",
			 hg_ip_text(&ask->address, text), ask->err ? ", " : "",
			 ask->err ? strerror(-ask->err) : "", ask->port);
	else if (hg_now().ns > ask->quick_at + HEARD_NS)
		snprintf(ret, size,
			 "the witness %s answers after more than half a lease: its grants come too "
			 "late; use a nearer one, or raise timers.lease",
			 hg_ip_text(&ask->address, text));
	else if (ask->is_forgetful)
		snprintf(
			ret, size,
			"the witness %s cannot write its state: see its log; until then it grants, "
			"but may forget over a restart",
			hg_ip_text(&ask->address, text));
}

void hg_ask_slow_tick(struct hg_agent *agent)
{
	struct hg_ask *ask = &agent->ask;
	char fault[sizeof(ask->fault)];
	uint64_t now = hg_now().ns;
	bool is_heard;

	if (!ask->address.family)
		return;
	is_heard = hg_ask_is_heard(agent);
	if (!is_heard && now > ask->opened_at + HEARD_NS)
		open_socket(agent);
	send_hello(agent);
	if (!is_heard && !ask->heard && agent->elect.state == HG_EL_LISTEN)
		return; /* too early to say */
	describe(agent, fault, sizeof(fault));
	if (!strcmp(fault, ask->fault))
		return;
	memcpy(ask->fault, fault, sizeof(fault));
	hg_agent_note(agent, *fault ? HG_HISTORY_FAULT : HG_HISTORY_PEER, "%s",
		      *fault ? fault : "the witness answers");
}

json_t *hg_ask_status(const struct hg_agent *agent)
{
	const struct hg_ask *ask = &agent->ask;
	bool is_heard = hg_ask_is_heard(agent), has_answer = ask->verdict < HG_WITNESS_VERDICTS;
	uint64_t now = hg_now().ns;
	char text[HG_IP_TEXT];

	if (!ask->address.family)
		return json_null();
	return json_pack(
		"{s:s,s:i,s:b,s:b,s:o,s:o,s:o,s:o,s:I,s:I,s:o,s:o}", "address",
		hg_ip_text(&ask->address, text), "port", (int)ask->port, "reachable", is_heard,
		"settling", is_heard && ask->is_settling, "rtt_us",
		is_heard && ask->rtt ? json_integer(ask->rtt / 1000) : json_null(), "answer",
		has_answer ? json_string(hg_witness_name(ask->verdict)) : json_null(),
		"answer_age_ms",
		has_answer ? json_integer((now - ask->answered_at) / 1000000) : json_null(),
		"epoch", has_answer ? json_sprintf("0x%016" PRIx64, ask->epoch) : json_null(),
		"granted", (json_int_t)ask->granted, "refused", (json_int_t)ask->refused,
		"software", *ask->software ? json_string(ask->software) : json_null(), "fault",
		*ask->fault ? json_string(ask->fault) : json_null());
}
