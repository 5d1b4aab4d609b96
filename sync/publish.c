/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See publish.h. */
#include "sync/publish.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "sync/ask.h"
#include "sync/fetch.h"
#include "sync/store.h"
#include "sync/teach.h"

#define LOCK_MS 15000
#define STEP_MS 600000
#define AUTO_NS (30 * UINT64_C(1000000000)) /* of trial, when no operator is asked */
#define WELL_NS (5 * UINT64_C(1000000000)) /* until both must be well */

struct transaction {
	const struct hg_sync_node *node;
	const struct hg_publish *publish;
	struct hg_history *history;
	struct hg_apply *apply;
	struct hg_talk *talk; /* NULL: the other node cannot be reached */
	struct hg_message_hello other;
	struct hg_sync_error why_alone;
	struct hg_generation made;
	uint64_t trial_ns;
	bool was_heard; /* the other node's agent, before */
	bool is_switched; /* it was put in place here, or that was tried */
};

static int open_parts(struct transaction *t, struct hg_sync_error *error)
{
	int err = hg_fetch_open_history(t->node, LOCK_MS, &t->history, error);

	return err ? err : hg_fetch_open_apply(t->node, true, t->history, &t->apply, error);
}

static void close_parts(struct transaction *t)
{
	hg_talk_free(t->talk);
	if (t->apply)
		hg_apply_free(t->apply);
	if (t->history)
		hg_history_free(t->history);
}

/* --- hagated ----------------------------------------------------------------------------- */

/* Does it serve, and does it hear the other? false: hagated does not answer. */
static bool look(const struct hg_sync_node *node, bool *ret_serves, bool *ret_hears)
{
	json_t *answer = hg_ask(node->config.run, json_pack("{s:s}", "command", "status"), 2000);
	json_t *status = json_object_get(answer, "status");
	bool is_there = json_is_object(status);

	*ret_serves = json_is_true(json_object_get(status, "serving"));
	*ret_hears = json_is_true(json_object_get(json_object_get(status, "peer"), "reachable"));
	json_decref(answer);
	return is_there;
}

/* Both agents took the new files and hear each other, if they did before. */
static bool is_well(const struct transaction *t)
{
	uint64_t deadline = hg_talk_now() + WELL_NS;
	struct timespec pause = { .tv_nsec = 100000000 };
	bool serves, hears;

	do {
		if (look(t->node, &serves, &hears) && (hears || !t->was_heard))
			return true;
		nanosleep(&pause, NULL);
	} while (hg_talk_now() < deadline);
	return !t->was_heard; /* no hagated runs here at all */
}

/* --- steps ------------------------------------------------------------------------------- */

static int check_idle(struct transaction *t, struct hg_sync_error *error)
{
	struct hg_apply_status status;
	int err = hg_apply_status(t->apply, &status);

	if (err)
		return hg_sync_fail(error, err, "journal: %s", strerror(-err));
	if (status.phase == HG_APPLY_IDLE)
		return 0;
	return hg_sync_fail(error, -EBUSY,
			    "generation %" PRIu64 " waits for its confirmation: 'hagate config "
			    "confirm', or 'hagate config abort', or wait until it goes back",
			    status.to_number);
}

static int check_relation(struct transaction *t, struct hg_sync_error *error)
{
	char advice[2048] = "";
	enum hg_relation relation;
	int err = hg_history_relate(t->history, &t->other.head, &relation);

	if (err)
		return hg_sync_fail(error, err, "history: %s", strerror(-err));
	switch (relation) {
	case HG_RELATION_EQUAL:
	case HG_RELATION_AHEAD:
		return 0;
	case HG_RELATION_BEHIND:
	case HG_RELATION_UNKNOWN:
		return hg_sync_fail(error, -ESTALE,
				    "%s has generation %" PRIu64 ", which this node has not learnt "
				    "yet: see 'hagate config status', then try again",
				    t->other.node, t->other.head.number);
	case HG_RELATION_DIVERGED:
		if (t->publish->kind == HG_PUBLISH_ADOPT)
			return 0;
		hg_history_advice(t->history, t->other.node, advice, sizeof(advice));
		return hg_sync_fail(error, -ESTALE, "%s and %s went different ways\n%s",
				    t->node->config.node, t->other.node, advice);
	case HG_RELATION_FOREIGN:
		break;
	}
	return hg_sync_fail(error, -EXDEV, "%s belongs to another cluster", t->other.node);
}

/* Not reachable is no error: the other learns when it is back. Refused is one, and so is a node
 * that is busy: it may be publishing something itself. */
static int reach(struct transaction *t, struct hg_sync_error *error)
{
	int err;

	if (!*t->node->peer) {
		hg_sync_fail(&t->why_alone, 0, "there is no other node");
		return 0;
	}
	err = hg_fetch_hello(t->node, HG_PURPOSE_PUBLISH, t->history, &t->talk, &t->other,
			     &t->why_alone);
	if (!err)
		return check_relation(t, error);
	t->talk = NULL;
	if (err == -EHOSTUNREACH)
		return 0;
	return hg_sync_fail(error, err, "%s refuses: %s", t->node->peer, t->why_alone.text);
}

static int make(struct transaction *t, struct hg_sync_error *error)
{
	const struct hg_publish *publish = t->publish;

	switch (publish->kind) {
	case HG_PUBLISH_COMMIT:
		return hg_apply_commit(t->apply, t->node->entry, t->node->entry_count, NULL,
				       publish->message, &t->made, error);
	case HG_PUBLISH_ROLLBACK:
		return hg_apply_rollback(t->apply, publish->number, publish->message, &t->made,
					 error);
	case HG_PUBLISH_ADOPT:
		return hg_apply_adopt(t->apply, t->node->peer, &t->made, error);
	}
	return -EINVAL;
}

static struct hg_head head_of(const struct hg_generation *generation)
{
	struct hg_head head = { .number = generation->number, .oid = generation->oid };

	snprintf(head.cluster, sizeof(head.cluster), "%s", generation->cluster);
	return head;
}

static int expect_verdict(struct transaction *t, const char *what, struct hg_sync_error *error)
{
	struct hg_message message;
	struct hg_sync_error reason = { "" };
	int err;

	hg_talk_extend(t->talk, STEP_MS);
	err = hg_talk_expect(t->talk, HG_MESSAGE_VERDICT, &message, &reason);
	return err ? hg_sync_fail(error, err, "%s %s: %s", t->other.node, what, reason.text) : 0;
}

static int prepare_there(struct transaction *t, struct hg_sync_error *error)
{
	struct hg_message get, prepare = { .type = HG_MESSAGE_PREPARE, .head = head_of(&t->made) };
	int err = hg_talk_send_type(t->talk, HG_MESSAGE_NEED, error);

	hg_talk_extend(t->talk, STEP_MS);
	if (!err)
		err = hg_talk_expect(t->talk, HG_MESSAGE_GET, &get, error);
	if (!err)
		err = hg_talk_send(t->talk, &prepare, error);
	if (!err)
		err = hg_teach_send(t->talk, t->history, &get, &prepare.head, error);
	return err ? err : expect_verdict(t, "refuses", error);
}

static int switch_there(struct transaction *t, struct hg_sync_error *error)
{
	struct hg_message apply = { .type = HG_MESSAGE_APPLY, .confirm_ns = t->trial_ns };
	int err = hg_talk_send(t->talk, &apply, error);

	return err ? err : expect_verdict(t, "could not put it in place", error);
}

static int decide_there(struct transaction *t, enum hg_message_type type,
			struct hg_sync_error *error)
{
	struct hg_message message = { .type = type, .head = head_of(&t->made) };
	int err = hg_talk_send(t->talk, &message, error);

	return err ? err
		   : expect_verdict(
			     t, type == HG_MESSAGE_CONFIRM ? "does not confirm" : "cannot go back",
			     error);
}

/* The one that serves comes last: what breaks on the other has cost nothing then. */
static int switch_both(struct transaction *t, struct hg_sync_error *error)
{
	struct hg_apply_report report;
	bool serves, hears;
	int err = 0;

	look(t->node, &serves, &hears);
	t->was_heard = hears;
	if (t->talk && serves)
		err = switch_there(t, error);
	if (!err) {
		t->is_switched = true;
		err = hg_apply_switch(t->apply, t->talk ? t->trial_ns : t->publish->confirm_ns,
				      &report, error);
	}
	if (!err && t->talk && !serves)
		err = switch_there(t, error);
	return err;
}

/* After an edit went back its author's file is the old one again: where is the new one? */
static void tell_kept(const struct transaction *t, struct hg_sync_error *error)
{
	const struct hg_generation *made = &t->made;
	size_t length = strlen(error->text);
	char ref[96];

	while (length && error->text[length - 1] == '\n')
		length--;
	hg_ref_name("unconfirmed", made->number, &made->oid, ref, sizeof(ref));
	snprintf(error->text + length, sizeof(error->text) - length,
		 "\nThe files of %s are again what they were. Generation %" PRIu64
		 " is kept as %s in %s/history.git\n"
		 "To see it: hagate config diff %" PRIu64 "\n"
		 "To have a file of it again: git --git-dir=%s/history.git show %s:cluster.yaml "
		 "(others: %s:files/PATH)",
		 t->node->config.node, made->number, ref, t->node->config.state, made->number,
		 t->node->config.state, ref, ref);
}

static void go_back(struct transaction *t)
{
	struct hg_apply_report report;
	struct hg_apply_status status;

	if (t->talk)
		decide_there(t, HG_MESSAGE_ABORT, NULL);
	if (!hg_apply_status(t->apply, &status) && status.phase != HG_APPLY_IDLE)
		hg_apply_abort(t->apply, &report, NULL);
}

static int confirm_both(struct transaction *t, struct hg_sync_error *error)
{
	struct hg_apply_report report;
	int err = 0;

	if (t->talk && !is_well(t))
		return hg_sync_fail(error, -EIO,
				    "the nodes did not hear each other any more with generation "
				    "%" PRIu64,
				    t->made.number);
	if (t->talk)
		err = decide_there(t, HG_MESSAGE_CONFIRM, error);
	return err ? err : hg_apply_confirm(t->apply, &report, error);
}

/* --- together ------------------------------------------------------------------------------ */

static unsigned int stage_flags(const struct transaction *t)
{
	return t->publish->kind == HG_PUBLISH_ADOPT ? HG_STAGE_ADOPT : 0;
}

static bool is_back(const struct transaction *t)
{
	struct hg_apply_status status;
	struct hg_head head;

	return !hg_apply_status(t->apply, &status) && status.phase == HG_APPLY_IDLE &&
	       !hg_history_describe(t->history, &head) && !hg_oid_is_equal(&head.oid, &t->made.oid);
}

static int carry_out(struct transaction *t, struct hg_sync_error *error)
{
	struct hg_apply_report report;
	bool needs_operator = t->publish->confirm_ns != 0;
	int err = hg_apply_stage(t->apply, &t->made.oid, stage_flags(t), &report, error);

	if (!err && t->talk)
		err = prepare_there(t, error);
	if (!err)
		err = switch_both(t, error);
	if (!err && !needs_operator && t->talk)
		err = confirm_both(t, error);
	if (err)
		go_back(t);
	if (err && t->is_switched && is_back(t))
		tell_kept(t, error);
	return err;
}

static void tell(const struct transaction *t, struct hg_sync_error *ret)
{
	const char *here = t->node->config.node;
	int n = snprintf(ret->text, sizeof(ret->text), "generation %" PRIu64 " is in force on %s",
			 t->made.number, here);

	if (t->talk)
		n += snprintf(ret->text + n, sizeof(ret->text) - n, " and %s", t->other.node);
	else
		n += snprintf(ret->text + n, sizeof(ret->text) - n, " alone (%.512s)%s",
			      t->why_alone.text,
			      *t->node->peer ? "; the other node learns it when it is back" : "");
	if (t->publish->confirm_ns)
		snprintf(ret->text + n, sizeof(ret->text) - n,
			 "\nIt goes back in %" PRIu64 " s unless you type: hagate config confirm",
			 t->publish->confirm_ns / 1000000000);
}

int hg_publish_run(const struct hg_sync_node *node, const struct hg_publish *publish,
		   struct hg_sync_error *ret, struct hg_sync_error *error)
{
	struct transaction t = {
		.node = node,
		.publish = publish,
		.trial_ns = publish->confirm_ns ? publish->confirm_ns : AUTO_NS,
	};
	int err = open_parts(&t, error);

	if (!err)
		err = check_idle(&t, error);
	if (!err)
		err = reach(&t, error);
	if (!err)
		err = make(&t, error);
	if (!err)
		err = carry_out(&t, error);
	if (!err)
		tell(&t, ret);
	close_parts(&t);
	return err;
}

/* --- the operator's word -------------------------------------------------------------------- */

static int decide_here(struct transaction *t, bool is_good, struct hg_sync_error *error)
{
	struct hg_apply_report report;

	return is_good ? hg_apply_confirm(t->apply, &report, error)
		       : hg_apply_abort(t->apply, &report, error);
}

static int find_trial(struct transaction *t, struct hg_sync_error *error)
{
	struct hg_apply_status status;
	int err = hg_apply_status(t->apply, &status);

	if (!err && status.phase != HG_APPLY_TRIAL)
		return hg_sync_fail(error, -ENOENT, "nothing waits for a confirmation");
	if (!err)
		err = hg_history_get(t->history, &status.to, &t->made);
	return err ? hg_sync_fail(error, err, "journal: %s", strerror(-err)) : 0;
}

int hg_publish_decide(const struct hg_sync_node *node, bool is_good, struct hg_sync_error *ret,
		      struct hg_sync_error *error)
{
	struct transaction t = { .node = node };
	const char *there = "";
	int err = open_parts(&t, error);

	if (!err)
		err = find_trial(&t, error);
	if (!err && *node->peer &&
	    !hg_fetch_hello(node, HG_PURPOSE_CONFIRM, t.history, &t.talk, &t.other, &t.why_alone)) {
		if (!decide_there(&t, is_good ? HG_MESSAGE_CONFIRM : HG_MESSAGE_ABORT,
				  &t.why_alone))
			there = t.other.node;
	} else {
		t.talk = NULL;
	}
	if (!err)
		err = decide_here(&t, is_good, error);
	if (!err)
		hg_sync_fail(ret, 0, "generation %" PRIu64 " %s on %s%s%s%s%s", t.made.number,
			     is_good ? "is confirmed" : "was taken back", node->config.node,
			     *there ? " and " : "", there, *there ? "" : "\n",
			     *there ? "" : t.why_alone.text);
	if (!err && !is_good)
		tell_kept(&t, ret);
	close_parts(&t);
	return err;
}

/* --- init ------------------------------------------------------------------------------------ */

static int make_first(struct transaction *t, struct hg_sync_error *error)
{
	uint8_t uuid[HG_UUID_LEN];
	char text[HG_UUID_TEXT];
	struct hg_apply_report report;
	int err = hg_history_head(t->history, &t->made);

	if (err != -ENOENT)
		return err ? hg_sync_fail(error, err, "history: %s", strerror(-err)) : 0;
	hg_identity_make_uuid(uuid);
	err = hg_apply_commit(t->apply, t->node->entry, t->node->entry_count,
			      hg_identity_uuid_text(uuid, text), "first generation", &t->made,
			      error);
	if (!err)
		err = hg_apply_stage(t->apply, &t->made.oid, 0, &report, error);
	return err ? err : hg_apply_switch(t->apply, 0, &report, error);
}

int hg_publish_init(const struct hg_sync_node *node, struct hg_sync_error *ret,
		    struct hg_sync_error *error)
{
	struct transaction t = { .node = node };
	struct hg_identity identity;
	int err;

	if (node->is_member)
		return hg_sync_fail(error, -EEXIST, "this node is a member already");
	if (node->config.mode != HG_MODE_MEMBER)
		return hg_sync_fail(error, -EINVAL,
				    "mode in %s is not member: only a member makes a cluster",
				    node->node_path);
	err = hg_fetch_open_history(node, LOCK_MS, &t.history, error);
	if (!err)
		err = hg_fetch_open_apply(node, false, t.history, &t.apply, error);
	if (!err)
		err = make_first(&t, error);
	if (!err) {
		hg_node_identity_of(&t.made, &identity);
		err = hg_identity_write(node->config.state, &identity);
		if (err)
			hg_sync_fail(error, err, "%s: %s", node->config.state, strerror(-err));
	}
	if (!err)
		hg_sync_fail(ret, 0, "cluster %s, generation %" PRIu64, t.made.cluster,
			     t.made.number);
	close_parts(&t);
	return err;
}
