/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See learn.h. */
#include "sync/learn.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "sync/ask.h"
#include "sync/fetch.h"

#define LOCK_MS 5000

__attribute__((format(printf, 3, 4))) static void say(struct hg_learn_result *ret,
						      const char *state, const char *format, ...)
{
	va_list args;

	snprintf(ret->state, sizeof(ret->state), "%s", state);
	va_start(args, format);
	vsnprintf(ret->text, sizeof(ret->text), format, args);
	va_end(args);
}

/* --- a member -------------------------------------------------------------------------- */

static int put_in_place(const struct hg_sync_node *node, struct hg_history *history,
			const struct hg_head *head, struct hg_sync_error *error)
{
	struct hg_apply *apply;
	struct hg_apply_report report;
	int err = hg_fetch_open_apply(node, true, history, &apply, error);

	if (err)
		return err;
	err = hg_apply_stage(apply, &head->oid, 0, &report, error);
	if (!err)
		err = hg_apply_switch(apply, 0, &report, error);
	hg_apply_free(apply);
	return err == -EALREADY ? 0 : err;
}

static void tell_divergence(struct hg_history *history, const struct hg_message_hello *other,
			    struct hg_learn_result *ret)
{
	char advice[960] = "";

	hg_history_advice(history, other->node, advice, sizeof(advice));
	say(ret, "diverged", "%s", advice);
}

static void tell_failure(int err, const struct hg_sync_error *error, struct hg_learn_result *ret)
{
	const char *state = "unreachable";

	if (err == -EUCLEAN)
		state = "edited";
	else if (err == -EINVAL || err == -ETIME || err == -EIO || err == -ENOENT)
		state = "refused";
	else if (err == -EXDEV)
		state = "foreign";
	else if (err == -EACCES)
		state = "wrong-key";
	say(ret, state, "%.1000s", error->text);
}

static int take(const struct hg_sync_node *node, struct hg_talk *talk, struct hg_history *history,
		const struct hg_message_hello *other, struct hg_learn_result *ret,
		struct hg_sync_error *error)
{
	enum hg_relation relation;
	struct hg_head head;
	int err = hg_fetch_get(talk, history, other, other->head.cluster, &head, &relation, error);

	if (err)
		return err;
	if (relation == HG_RELATION_DIVERGED) {
		tell_divergence(history, other, ret);
		return 0;
	}
	if (relation != HG_RELATION_BEHIND)
		return 0;
	err = put_in_place(node, history, &head, error);
	if (!err)
		say(ret, "in-sync", "learnt generation %" PRIu64 " from %s", head.number,
		    other->node);
	return err;
}

static int compare(const struct hg_sync_node *node, struct hg_talk *talk,
		   struct hg_history *history, const struct hg_message_hello *other,
		   struct hg_learn_result *ret, struct hg_sync_error *error)
{
	enum hg_relation relation;
	int err = hg_history_relate(history, &other->head, &relation);

	if (err)
		return hg_sync_fail(error, err, "history: %s", strerror(-err));
	switch (relation) {
	case HG_RELATION_EQUAL:
		say(ret, "in-sync", "%s", "");
		return 0;
	case HG_RELATION_AHEAD:
		say(ret, "ahead", "%s has generation %" PRIu64 " and learns from here", other->node,
		    other->head.number);
		return 0;
	case HG_RELATION_DIVERGED:
	case HG_RELATION_BEHIND:
	case HG_RELATION_UNKNOWN:
		return take(node, talk, history, other, ret, error);
	case HG_RELATION_FOREIGN:
		say(ret, "foreign", "%s belongs to another cluster", other->node);
		return 0;
	}
	return -EINVAL;
}

void hg_learn_member(const struct hg_sync_node *node, struct hg_learn_result *ret)
{
	struct hg_sync_error error = { "" };
	struct hg_message_hello other;
	struct hg_history *history;
	struct hg_talk *talk = NULL;
	int err = hg_fetch_open_history(node, LOCK_MS, &history, &error);

	if (err) {
		say(ret, "unreachable", "%.1000s", error.text);
		return;
	}
	err = hg_fetch_hello(node, HG_PURPOSE_LEARN, history, &talk, &other, &error);
	if (!err) {
		err = compare(node, talk, history, &other, ret, &error);
		hg_talk_free(talk);
	}
	if (err)
		tell_failure(err, &error, ret);
	hg_history_free(history);
}

int hg_learn_tick(const struct hg_sync_node *node, struct hg_sync_error *error)
{
	struct hg_apply_report report;
	struct hg_history *history;
	struct hg_apply *apply;
	int err = hg_fetch_open_history(node, LOCK_MS, &history, error);

	if (err)
		return err;
	err = hg_fetch_open_apply(node, true, history, &apply, error);
	if (!err) {
		err = hg_apply_tick(apply, &report, error);
		hg_apply_free(apply);
	}
	hg_history_free(history);
	return err;
}

/* --- a blank node ------------------------------------------------------------------------ */

static int become_member(const struct hg_sync_node *node, struct hg_history *history,
			 struct hg_sync_error *error)
{
	struct hg_generation generation;
	struct hg_identity identity;
	int err = hg_history_head(history, &generation);

	if (err)
		return hg_sync_fail(error, err, "history: %s", strerror(-err));
	hg_node_identity_of(&generation, &identity);
	err = hg_identity_write(node->config.state, &identity);
	return err ? hg_sync_fail(error, err, "%s: %s", node->config.state, strerror(-err)) : 0;
}

/* Files of this node that stand where learnt ones belong are kept, not lost. hagated hears of
 * them when this node is a member, so no apply command for cluster.yaml. */
static int put_first(const struct hg_sync_node *node, struct hg_history *history,
		     const struct hg_head *head, struct hg_sync_error *error)
{
	struct hg_apply_report report;
	struct hg_apply *apply;
	int err = hg_fetch_open_apply(node, false, history, &apply, error);

	if (err)
		return err;
	err = hg_apply_stage(apply, &head->oid, HG_STAGE_KEEP_EDITS, &report, error);
	if (!err)
		err = hg_apply_switch(apply, 0, &report, error);
	hg_apply_free(apply);
	return err == -EALREADY ? 0 : err;
}

/* What was under way with the old history ends first: afterwards nobody could take it back. */
static int end_change(const struct hg_sync_node *node, struct hg_history *history,
		      struct hg_sync_error *error)
{
	struct hg_apply_report report;
	struct hg_apply_status status;
	struct hg_apply *apply;
	int err = hg_fetch_open_apply(node, false, history, &apply, error);

	if (err)
		return err;
	err = hg_apply_status(apply, &status);
	if (!err && status.phase != HG_APPLY_IDLE)
		err = hg_apply_abort(apply, &report, error);
	hg_apply_free(apply);
	return err;
}

/* `hagate init` by mistake, or a machine from elsewhere: that cluster's history stays on the
 * disk under another name, and a new one begins. */
static int set_aside(const struct hg_sync_node *node, struct hg_history **history,
		     const struct hg_message_hello *other, const struct hg_learn_events *events,
		     struct hg_sync_error *error)
{
	char name[HG_UUID_TEXT + 32], text[PATH_MAX + 256];
	int err = end_change(node, *history, error);

	if (!err)
		err = hg_history_set_aside(*history, node->config.state, name, sizeof(name), error);
	if (err)
		return err;
	hg_history_free(*history);
	*history = NULL;
	snprintf(text, sizeof(text),
		 "the history that was here is of another cluster than %s's: kept as %s/%s",
		 other->node, node->config.state, name);
	events->on_aside(text);
	return hg_fetch_open_history(node, LOCK_MS, history, error);
}

static int fetch_all(const struct hg_sync_node *node, struct hg_talk *talk,
		     struct hg_history **history, const struct hg_message_hello *other,
		     const struct hg_learn_events *events, struct hg_head *ret_head,
		     struct hg_sync_error *error)
{
	enum hg_relation relation;
	int err = 0;

	*ret_head = other->head;
	if (!*other->head.cluster)
		return hg_sync_fail(error, -ENODATA, "%s knows nothing either", other->node);
	err = hg_history_relate(*history, &other->head, &relation);
	if (err)
		return hg_sync_fail(error, err, "history: %s", strerror(-err));
	if (relation == HG_RELATION_FOREIGN)
		err = set_aside(node, history, other, events, error);
	/* Learnt before, and interrupted before it was a member: nothing is missing then. */
	if (!err && relation != HG_RELATION_EQUAL)
		err = hg_fetch_get(talk, *history, other, other->head.cluster, ret_head, &relation,
				   error);
	if (!err && relation != HG_RELATION_BEHIND && relation != HG_RELATION_EQUAL)
		err = hg_sync_fail(error, -ESTALE,
				   "this blank node has generations in %s/history.git that %s does "
				   "not have: to join without them, rename history.git",
				   node->config.state, other->node);
	return err;
}

static int learn_all(const struct hg_sync_node *node, int fd, struct hg_history **history,
		     const struct hg_learn_events *events, struct hg_sync_error *error)
{
	struct hg_message_hello other;
	struct hg_talk *talk;
	struct hg_head head;
	int err = hg_fetch_greet(node, fd, HG_PURPOSE_LEARN, *history, &talk, &other, error);

	if (err)
		return err;
	events->on_contact();
	err = fetch_all(node, talk, history, &other, events, &head, error);
	hg_talk_free(talk);
	return err ? err : put_first(node, *history, &head, error);
}

int hg_learn_blank(const struct hg_sync_node *node, const struct hg_ip *address,
		   const struct hg_learn_events *events, struct hg_sync_error *error)
{
	struct hg_history *history;
	int fd, err = hg_fetch_open_history(node, LOCK_MS, &history, error);

	if (err)
		return err;
	fd = hg_fetch_connect(NULL, address, error);
	err = fd < 0 ? fd : learn_all(node, fd, &history, events, error);
	if (!err)
		err = become_member(node, history, error);
	hg_history_free(history);
	return err;
}
