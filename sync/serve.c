/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See serve.h. */
#include "sync/serve.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "sync/fetch.h"
#include "sync/teach.h"

#define GREETING_MS 5000 /* handshake and HELLO: all that a stranger gets */
#define GREETING_OCTETS (192u << 20) /* of address space until then; most of it is libraries */
#define STEP_MS 600000 /* validate and apply commands run between two messages */
#define LOCK_MS 5000 /* less than the other waits for the HELLO */
#define CONFIRM_MAX_NS (3600 * UINT64_C(1000000000))

struct conversation {
	const struct hg_sync_node *node;
	struct hg_talk *talk;
	struct hg_history *history;
	struct hg_apply *apply;
	struct hg_message_hello other;
	struct hg_message message;
	struct hg_head prepared;
	bool is_ready; /* staged, nothing in place yet */
};

static void limit_memory(rlim_t octets)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_AS, &limit))
		return;
	limit.rlim_cur = octets < limit.rlim_max ? octets : limit.rlim_max;
	setrlimit(RLIMIT_AS, &limit);
}

/* --- HELLO ----------------------------------------------------------------------------- */

static int check_hello(struct conversation *c, const struct hg_head *own,
		       struct hg_sync_error *error)
{
	const struct hg_message_hello *other = &c->other;
	bool is_blank = !*other->head.cluster;

	if (strcmp(other->node, c->node->peer))
		return hg_sync_fail(error, -EACCES,
				    "cluster.yaml of %s has no other node named '%s': correct "
				    "'node' in its node.yaml, or add it to cluster.yaml",
				    c->node->config.node, other->node);
	if (is_blank && other->purpose != HG_PURPOSE_LEARN)
		return hg_sync_fail(error, -EACCES, "a blank node has nothing to teach");
	if (!is_blank && strcmp(other->head.cluster, own->cluster))
		return hg_sync_fail(error, -EXDEV,
				    "%s belongs to cluster %s, %s to cluster %s: nothing is "
				    "exchanged",
				    other->node, other->head.cluster, c->node->config.node,
				    own->cluster);
	return 0;
}

static int greet(struct conversation *c, struct hg_sync_error *error)
{
	struct hg_message *message = &c->message;
	struct hg_head own;
	int err = hg_talk_expect(c->talk, HG_MESSAGE_HELLO, message, error);

	if (err)
		return err;
	c->other = message->hello;
	limit_memory(RLIM_INFINITY); /* it has the key; imports have limits of their own */
	/* Teaching takes no lock: two nodes that learn from each other at the same time each have
	 * their own. */
	if (c->other.purpose == HG_PURPOSE_LEARN)
		err = hg_history_open(c->node->config.state, false, &c->history, error);
	else
		err = hg_fetch_open_history(c->node, LOCK_MS, &c->history, error);
	if (!err)
		err = hg_history_describe(c->history, &own);
	if (!err)
		err = check_hello(c, &own, error);
	if (err) {
		hg_talk_send_verdict(c->talk, err, error->text);
		return err;
	}
	*message = (struct hg_message){ .type = HG_MESSAGE_HELLO };
	message->hello.purpose = c->other.purpose;
	message->hello.head = own;
	snprintf(message->hello.node, sizeof(message->hello.node), "%s", c->node->config.node);
	return hg_talk_send(c->talk, message, error);
}

/* --- the other learns -------------------------------------------------------------------- */

static int teach(struct conversation *c, struct hg_sync_error *error)
{
	struct hg_head own;
	int err = hg_talk_expect(c->talk, HG_MESSAGE_GET, &c->message, error);

	if (err == -ECONNRESET)
		return 0; /* the HELLO was all it wanted: it lacks nothing */
	if (!err)
		err = hg_history_describe(c->history, &own);
	if (err)
		return err;
	hg_talk_extend(c->talk, HG_FETCH_PACK_MS);
	return hg_teach_send(c->talk, c->history, &c->message, &own, error);
}

/* --- the other publishes ------------------------------------------------------------------ */

static int prepare(struct conversation *c, struct hg_sync_error *error)
{
	struct hg_head announced = c->message.head;
	struct hg_apply_report report;
	enum hg_relation relation;
	int err = hg_fetch_pack(c->talk, c->history, &c->other, c->message.head.cluster,
				&c->prepared, &relation, error);

	if (err)
		return err;
	if (!hg_oid_is_equal(&announced.oid, &c->prepared.oid))
		return hg_sync_fail(error, -EBADMSG, "the pack leads elsewhere than announced");
	if (relation != HG_RELATION_BEHIND)
		return hg_sync_fail(error, -ESTALE, "%s is %s: nothing was changed",
				    c->node->config.node, hg_relation_name(relation));
	err = hg_apply_stage(c->apply, &c->prepared.oid, 0, &report, error);
	c->is_ready = !err;
	return err;
}

static int send_haves(struct conversation *c, struct hg_sync_error *error)
{
	struct hg_message message = { .type = HG_MESSAGE_GET };

	message.get.count = hg_history_haves(c->history, message.get.oid);
	return hg_talk_send(c->talk, &message, error);
}

/* What was staged or put in place by another conversation is meant by its name. */
static int check_trial(struct conversation *c, struct hg_sync_error *error)
{
	struct hg_apply_status status;
	int err = hg_apply_status(c->apply, &status);

	if (err)
		return hg_sync_fail(error, err, "journal: %s", strerror(-err));
	if (status.phase != HG_APPLY_TRIAL || (c->message.type == HG_MESSAGE_CONFIRM &&
					       !hg_oid_is_equal(&status.to, &c->message.head.oid)))
		return hg_sync_fail(error, -ESTALE, "%s has nothing of that on trial",
				    c->node->config.node);
	return 0;
}

static int step(struct conversation *c, struct hg_sync_error *error)
{
	struct hg_apply_report report;
	int err;

	switch (c->message.type) {
	case HG_MESSAGE_PREPARE:
		return prepare(c, error);
	case HG_MESSAGE_APPLY:
		if (!c->is_ready || c->message.confirm_ns > CONFIRM_MAX_NS)
			return hg_sync_fail(error, -EINVAL, "nothing is staged");
		c->is_ready = false;
		return hg_apply_switch(c->apply, c->message.confirm_ns, &report, error);
	case HG_MESSAGE_CONFIRM:
		err = check_trial(c, error);
		return err ? err : hg_apply_confirm(c->apply, &report, error);
	case HG_MESSAGE_ABORT:
		err = c->is_ready ? 0 : check_trial(c, error);
		c->is_ready = false;
		return err ? err : hg_apply_abort(c->apply, &report, error);
	case HG_MESSAGE_HELLO:
	case HG_MESSAGE_GET:
	case HG_MESSAGE_PACK:
	case HG_MESSAGE_END:
	case HG_MESSAGE_NEED:
	case HG_MESSAGE_VERDICT:
	case HG_MESSAGE_TYPES:
		break;
	}
	return hg_sync_fail(error, -EBADMSG, "not due now");
}

static int follow(struct conversation *c, struct hg_sync_error *error)
{
	int err = hg_fetch_open_apply(c->node, true, c->history, &c->apply, error);

	if (err)
		hg_talk_send_verdict(c->talk, err, error->text);
	while (!err) {
		hg_talk_extend(c->talk, STEP_MS);
		err = hg_talk_receive(c->talk, &c->message, error);
		if (err)
			break;
		if (c->message.type == HG_MESSAGE_NEED) {
			err = send_haves(c, error);
			continue;
		}
		err = step(c, error);
		hg_talk_extend(c->talk, GREETING_MS);
		hg_talk_send_verdict(c->talk, err, err ? error->text : "");
	}
	return err;
}

static void end(struct conversation *c)
{
	struct hg_apply_report report;

	if (c->is_ready)
		hg_apply_abort(c->apply, &report, NULL);
	if (c->apply)
		hg_apply_free(c->apply);
	if (c->history)
		hg_history_free(c->history);
	hg_talk_free(c->talk);
}

int hg_serve_connection(const struct hg_sync_node *node, int fd, struct hg_sync_error *error)
{
	struct conversation *c = calloc(1, sizeof(*c));
	int err;

	if (!c)
		return -ENOMEM;
	c->node = node;
	limit_memory(GREETING_OCTETS);
	err = hg_talk_new(fd, true, node->key, GREETING_MS, &c->talk, error);
	if (!err)
		err = greet(c, error);
	if (!err)
		err = c->other.purpose == HG_PURPOSE_LEARN ? teach(c, error) : follow(c, error);
	if (err == -ECONNRESET && c->apply)
		err = 0; /* the other has what it wanted */
	end(c);
	free(c);
	return err;
}
