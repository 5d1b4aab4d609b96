/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See sync.h. */
#include <endian.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "agent.h"
#include "log.h"

_Static_assert(sizeof("configuration: : ") + sizeof(((struct hg_sync *)0)->state) +
			       sizeof(((struct hg_sync *)0)->text) <=
		       sizeof(((struct hg_history_event *)0)->text),
	       "no event is cut within a character");

#define SILENT_NS (10ull * 1000 * 1000 * 1000)
#define CONFIG_SETTLE_NS (5ull * 1000 * 1000 * 1000)

void hg_sync_init(struct hg_agent *agent)
{
	const struct hg_setup *setup = agent->setup;
	struct hg_sync *sync = &agent->sync;

	/* A report may be younger than the file that a child has read. */
	if (sync->has_identity && setup->has_identity &&
	    !memcmp(sync->identity.cluster, setup->identity.cluster, HG_UUID_LEN) &&
	    sync->identity.generation >= setup->identity.generation)
		return;
	sync->has_identity = setup->has_identity && !setup->is_blank;
	sync->identity = setup->identity;
}

/* --- the peer ------------------------------------------------------------------------ */

void hg_sync_fill_hello(const struct hg_agent *agent, struct hg_wire_hello *hello)
{
	const struct hg_sync *sync = &agent->sync;
	const char *name = agent->setup->cluster.name;

	if (!sync->has_identity) {
		crypto_generichash(hello->cluster, sizeof(hello->cluster), (const uint8_t *)name,
				   strlen(name), NULL, 0);
		return;
	}
	memcpy(hello->cluster, sync->identity.cluster, sizeof(hello->cluster));
	memcpy(hello->head, sync->identity.head, sizeof(hello->head));
	hello->generation = htobe64(sync->identity.generation);
	hello->flags |= HG_HELLO_F_UUID;
}

void hg_sync_on_hello(struct hg_agent *agent, const struct hg_wire_hello *hello)
{
	struct hg_sync *sync = &agent->sync;

	sync->has_peer = hello->flags & HG_HELLO_F_UUID;
	memcpy(sync->peer_cluster, hello->cluster, sizeof(sync->peer_cluster));
	memcpy(sync->peer_head, hello->head, sizeof(sync->peer_head));
	sync->peer_generation = be64toh(hello->generation);
}

static bool is_comparable(const struct hg_agent *agent)
{
	return agent->peer && agent->sync.has_identity && agent->sync.has_peer;
}

static bool is_foreign(const struct hg_agent *agent)
{
	const struct hg_sync *sync = &agent->sync;

	return is_comparable(agent) &&
	       memcmp(sync->identity.cluster, sync->peer_cluster, HG_UUID_LEN);
}

static bool is_same(const struct hg_sync *sync)
{
	return sync->identity.generation == sync->peer_generation &&
	       !memcmp(sync->identity.head, sync->peer_head, sizeof(sync->peer_head));
}

/* Two clusters under one key: neither takes anything from the other. The one with the
 * longer history goes on serving, so that a fresh node costs no gateway its service; among
 * equals the one that serves, and if neither does, whichever, but only one. */
static bool is_yielding(const struct hg_agent *agent)
{
	const struct hg_sync *sync = &agent->sync;
	bool is_holder = agent->elect.state == HG_EL_ACTIVE ||
			 agent->elect.state == HG_EL_RELEASING;

	if (!is_foreign(agent) || is_holder)
		return false;
	if (sync->identity.generation != sync->peer_generation)
		return sync->identity.generation < sync->peer_generation;
	if (agent->elect.has_hello && agent->elect.peer.role == HG_ROLE_ACTIVE)
		return true;
	return memcmp(sync->identity.cluster, sync->peer_cluster, HG_UUID_LEN) < 0;
}

void hg_sync_judge(struct hg_agent *agent, struct hg_elect_event *ev)
{
	const struct hg_sync *sync = &agent->sync;

	if (is_yielding(agent))
		agent->health.is_fit = false;
	ev->self.generation = sync->has_identity ? sync->identity.generation : 0;
	ev->self.is_unsynced = is_comparable(agent) && (is_foreign(agent) || !is_same(sync));
}

/* --- what people see ------------------------------------------------------------------- */

static bool is_silent(const struct hg_sync *sync)
{
	return !sync->reported_at || hg_now().ns > sync->reported_at + SILENT_NS;
}

/* hagate-sync runs on this node and has another to carry the configuration to. */
static bool is_at_work(const struct hg_agent *agent)
{
	return is_comparable(agent) && !is_foreign(agent) && !is_silent(&agent->sync);
}

/* The remedy is for the node that does not go on serving; its paths are taken for those of
 * this one. */
static void describe_foreign(const struct hg_agent *agent, char *ret, size_t size)
{
	const struct hg_sync *sync = &agent->sync;
	uint64_t own = sync->identity.generation, peer = sync->peer_generation;
	bool is_self = own != peer ? own < peer : is_yielding(agent);
	char own_uuid[HG_UUID_TEXT], peer_uuid[HG_UUID_TEXT];

	snprintf(ret, size,
		 "%s belongs to another cluster (%.8s, this node: %.8s): neither takes anything "
		 "from the other; on the one that is to join (%s%s): systemctl stop hagated "
		 "hagate-sync; rm %.200s/" HG_IDENTITY_FILE
		 "; 'mode: join' in %.120s; systemctl start "
		 "hagated hagate-sync",
		 agent->peer->name, hg_identity_uuid_text(sync->peer_cluster, peer_uuid),
		 hg_identity_uuid_text(sync->identity.cluster, own_uuid),
		 is_self ? agent->setup->node.node : agent->peer->name,
		 own != peer ? " has the shorter history" : "", agent->setup->node.state,
		 agent->node_path);
}

static void describe(const struct hg_agent *agent, char *ret, size_t size)
{
	const struct hg_sync *sync = &agent->sync;

	*ret = '\0';
	if (is_foreign(agent))
		describe_foreign(agent, ret, size);
	else if (!strcmp(sync->state, "diverged") && !is_silent(sync))
		snprintf(ret, size,
			 "the configurations of this node and of %s have diverged; nothing was "
			 "overwritten: `hagate config status` says what to type",
			 agent->peer ? agent->peer->name : "the other");
}

void hg_sync_slow_tick(struct hg_agent *agent)
{
	struct hg_sync *sync = &agent->sync;
	char fault[sizeof(sync->fault)];

	if (agent->elect.state == HG_EL_LEARNER && is_silent(sync)) {
		struct hg_elect_event ev = { .type = HG_EV_LEARN };

		hg_elector_step(agent, &ev);
	}
	describe(agent, fault, sizeof(fault));
	if (!strcmp(fault, sync->fault))
		return;
	memcpy(sync->fault, fault, sizeof(fault));
	if (*fault)
		hg_agent_note(agent, HG_HISTORY_FAULT, "%s", fault);
}

/* hagate-sync asks once a second whether the peer is heard, this agent knows. Until the next
 * report: the right word in place of the one that does not hold, else NULL. */
static const char *newer_word(const struct hg_agent *agent, const char *state)
{
	bool is_heard = agent->peer && hg_peer_has_agent(agent);

	if (is_heard && !strcmp(state, "peer-unknown"))
		return "comparing";
	if (!is_heard && !strcmp(state, "comparing"))
		return "peer-unknown";
	return NULL;
}

static json_t *json_words(const struct hg_agent *agent)
{
	const struct hg_sync *sync = &agent->sync;
	const char *peer = agent->peer ? agent->peer->name : "the other node";

	if (is_silent(sync))
		return json_null();
	if (newer_word(agent, sync->state))
		return hg_peer_has_agent(agent) ? json_sprintf("with %s", peer)
						: json_sprintf("%s is not heard", peer);
	return *sync->text ? json_string(sync->text) : json_null();
}

/* With hagate-sync both get the same files by themselves, one a moment after the other: only
 * what lasts is a fault then, and its remedy is another one. */
void hg_sync_compare_config(struct hg_agent *agent)
{
	bool is_other = agent->peer && agent->is_config_other && hg_peer_has_agent(agent);
	bool is_synced = is_at_work(agent);
	uint64_t now = hg_now().ns;

	if (!is_other)
		agent->config_other_at = 0;
	else if (!agent->config_other_at)
		agent->config_other_at = now;
	if (is_synced && is_other && now < agent->config_other_at + CONFIG_SETTLE_NS)
		is_other = false;
	if (is_other == !!*agent->config_fault)
		return;
	agent->config_fault[0] = '\0';
	if (is_other && is_synced)
		snprintf(agent->config_fault, sizeof(agent->config_fault),
			 "cluster.yaml or a file it names differs from %s's: on the node that was "
			 "edited `hagate config diff` shows it, `hagate config commit` puts it in "
			 "force on both, `hagate config discard` puts it back",
			 agent->peer->name);
	else if (is_other)
		snprintf(
			agent->config_fault, sizeof(agent->config_fault),
			"cluster.yaml or a file it names differs from %s's: make them the same and "
			"run `hagate reload` on both",
			agent->peer->name);
	hg_agent_note(agent, HG_HISTORY_CONFIG, "%s",
		      is_other ? agent->config_fault : "configuration is the same on both nodes");
}

static const char *state_name(const struct hg_agent *agent)
{
	const struct hg_sync *sync = &agent->sync;

	if (is_foreign(agent))
		return "foreign";
	if (!sync->has_identity && !agent->setup->is_blank)
		return "off";
	if (is_silent(sync))
		return "not-running";
	return newer_word(agent, sync->state) ?: sync->state;
}

json_t *hg_sync_json(const struct hg_agent *agent)
{
	const struct hg_sync *sync = &agent->sync;
	char uuid[HG_UUID_TEXT], head[HG_HEAD_TEXT];
	bool has = sync->has_identity;
	uint64_t now = hg_now().ns;

	return json_pack(
		"{s:s,s:o,s:o,s:o,s:o,s:o,s:o,s:o}", "state", state_name(agent), "cluster",
		has ? json_string(hg_identity_uuid_text(sync->identity.cluster, uuid))
		    : json_null(),
		"generation", has ? json_integer(sync->identity.generation) : json_null(), "head",
		has ? json_string(hg_identity_head_text(sync->identity.head, head)) : json_null(),
		"peer_generation",
		is_comparable(agent) ? json_integer(sync->peer_generation) : json_null(), "in_sync",
		is_comparable(agent) ? json_boolean(!is_foreign(agent) && is_same(sync))
				     : json_null(),
		"confirm_ms",
		sync->confirm_by > now ? json_integer((sync->confirm_by - now) / 1000000)
				       : json_null(),
		"text", json_words(agent));
}

/* Is this line a caret alone, below a line of a source? */
static bool is_caret(const char *line, size_t length)
{
	size_t at = strspn(line, " \t");

	return at + 1 == length && line[at] == '^';
}

/* One line out of many, for events and the status; cut at the end of a character. */
static void copy_as_line(char *ret, size_t size, const char *text)
{
	size_t at = 0, length;

	for (; *text; text += length + (text[length] == '\n')) {
		length = strcspn(text, "\n");
		if (!length || is_caret(text, length))
			continue;
		at += snprintf(ret + at, size - at, "%s%.*s", at ? "; " : "", (int)length, text);
		if (at < size)
			continue;
		at = size - 1;
		while (at && ((unsigned char)ret[at - 1] & 0xc0) == 0x80)
			at--;
		at -= at && (unsigned char)ret[at - 1] >= 0xc0;
		break;
	}
	ret[at] = '\0';
}

/* --- reports --------------------------------------------------------------------------- */

/* 0, or the name of the argument that is wrong. */
static const char *read_identity(json_t *arguments, struct hg_identity *identity)
{
	json_t *generation = json_object_get(arguments, "generation");
	const char *head = json_string_value(json_object_get(arguments, "head"));

	if (!generation)
		return NULL;
	if (!json_is_integer(generation) || json_integer_value(generation) < 0)
		return "generation";
	if (!head || !hg_identity_head_parse(head, identity->head))
		return "head";
	identity->generation = json_integer_value(generation);
	return NULL;
}

static json_t *answer(const struct hg_agent *agent)
{
	const struct hg_sync *sync = &agent->sync;
	char uuid[HG_UUID_TEXT], head[HG_HEAD_TEXT];
	uint8_t whole[HG_HEAD_LEN] = { 0 };

	memcpy(whole, sync->peer_head, sizeof(sync->peer_head));
	hg_identity_head_text(whole, head);
	head[2 * sizeof(sync->peer_head)] = '\0';
	return json_pack("{s:b,s:s,s:b,s:o,s:I,s:s}", "ok", 1, "role",
			 hg_elect_state_name(agent->elect.state), "peer_heard",
			 agent->peer && hg_peer_has_agent(agent), "peer_cluster",
			 sync->has_peer
				 ? json_string(hg_identity_uuid_text(sync->peer_cluster, uuid))
				 : json_null(),
			 "peer_generation", (json_int_t)sync->peer_generation, "peer_head", head);
}

void hg_sync_on_report(void *context, struct hg_control_request *req, json_t *arguments)
{
	struct hg_agent *agent = context;
	struct hg_sync *sync = &agent->sync;
	const char *state = json_string_value(json_object_get(arguments, "state"));
	const char *text = json_string_value(json_object_get(arguments, "text"));
	json_int_t confirm_ms = json_integer_value(json_object_get(arguments, "confirm_ms"));
	struct hg_elect_event ev = { .type = HG_EV_LEARN };
	struct hg_identity identity = sync->identity;
	const char *wrong = read_identity(arguments, &identity);
	bool is_changed = memcmp(&identity, &sync->identity, sizeof(identity)) != 0;

	if (!state || strlen(state) >= sizeof(sync->state))
		wrong = "state";
	if (wrong) {
		hg_control_fail(req, "sync: \"%s\" is missing or wrong", wrong);
		return;
	}
	copy_as_line(sync->text, sizeof(sync->text), text ? text : "");
	if (strcmp(state, sync->state) && !newer_word(agent, state))
		hg_agent_note(agent, HG_HISTORY_CONFIG, "configuration: %s%s%s", state,
			      *sync->text ? ": " : "", sync->text);
	snprintf(sync->state, sizeof(sync->state), "%s", state);
	sync->reported_at = hg_now().ns;
	sync->confirm_by = confirm_ms > 0 ? sync->reported_at + confirm_ms * 1000000ull : 0;
	if (sync->has_identity)
		sync->identity = identity;
	ev.is_learning = !strcmp(state, "learning");
	if (agent->setup->is_blank && json_object_get(arguments, "generation"))
		hg_reload_start(agent, NULL); /* the node has joined: its files tell the rest */
	else if (agent->setup->is_blank)
		hg_elector_step(agent, &ev);
	hg_port_judge(agent);
	if (sync->has_identity && is_changed)
		hg_peer_send_hello(agent);
	hg_control_reply(req, answer(agent));
}
