/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See daemon.h. */
#include "sync/daemon.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/log.h"
#include "sync/fetch.h"
#include "sync/journal.h"
#include "sync/look.h"
#include "sync/program.h"
#include "sync/talk.h"

#define TURN_MS 250
#define REPORT_NS UINT64_C(1000000000)
#define LEARN_NS (2 * UINT64_C(1000000000)) /* between comparisons that found something */
#define LEARN_FAILED_NS (5 * UINT64_C(1000000000))
#define LOOK_NS (3 * UINT64_C(1000000000)) /* between looks for edits */
#define LOOK_REST 50 /* and at least so many times as long as one takes */
#define JOB_MS 1800000

/* --- what is on the disk ------------------------------------------------------------------ */

static int64_t mtime_of(const char *path)
{
	struct stat st;

	return stat(path, &st) ? -1 : st.st_mtim.tv_sec * 1000000000ll + st.st_mtim.tv_nsec;
}

/* Files that are wrong change nothing: the last good ones are used on. */
static void reread(struct hg_daemon *daemon)
{
	int64_t node = mtime_of(daemon->node_path);
	int64_t cluster = mtime_of(daemon->node.config.cluster);
	struct hg_sync_node *next;
	struct hg_sync_error error = { "" };
	bool is_moved;

	if (node == daemon->node_mtime_ns && cluster == daemon->cluster_mtime_ns)
		return;
	daemon->node_mtime_ns = node;
	daemon->cluster_mtime_ns = cluster;
	daemon->look_at = 0;
	next = malloc(sizeof(*next));
	if (!next)
		return;
	if (hg_sync_node_load(daemon->node_path, true, next, &error)) {
		hg_warning("goes on with the files as they were:\n%s", error.text);
	} else {
		is_moved = next->path_count != daemon->node.path_count ||
			   memcmp(next->own, daemon->node.own, sizeof(next->own));
		daemon->node = *next;
		if (is_moved)
			hg_listen_open(daemon);
	}
	hg_sync_node_done(next);
	free(next);
}

static void remember(struct hg_daemon *daemon, const struct hg_generation *head)
{
	struct hg_identity identity;
	int err;

	hg_node_identity_of(head, &identity);
	if (!memcmp(&identity, &daemon->identity, sizeof(identity)))
		return;
	err = hg_identity_write(daemon->node.config.state, &identity);
	if (err)
		hg_error("%s/" HG_IDENTITY_FILE ": %s", daemon->node.config.state, strerror(-err));
	daemon->identity = identity;
	daemon->edits[0] = '\0'; /* of the generation before */
	daemon->back[0] = '\0';
	daemon->look_at = 0;
}

/* A change that is under way in a child of ours is the child's business. */
static bool is_busy(const struct hg_daemon *daemon)
{
	for (unsigned int i = 0; i < HG_CHILDREN_MAX; i++)
		if (daemon->child[i].pid && daemon->child[i].kind != HG_CHILD_LOOK)
			return true;
	return false;
}

/* What was on trial is so no more, and the head is another one: said until the next head. */
static void note_back(struct hg_daemon *daemon)
{
	const char *why = hg_talk_now() >= daemon->trial_until ? "was not confirmed in time and "
							       : "";

	snprintf(daemon->back, sizeof(daemon->back),
		 "generation %" PRIu64 " %swent back; to see it: hagate config diff %" PRIu64,
		 daemon->trial, why, daemon->trial);
	hg_notice("%s", daemon->back);
	daemon->look_at = 0;
}

static void look_at_trial(struct hg_daemon *daemon, const struct hg_journal_head *head)
{
	uint64_t now = hg_talk_now();

	daemon->confirm_ms = 0;
	daemon->is_trial = head && head->phase == HG_JOURNAL_TRIAL;
	if (!head && daemon->trial > daemon->identity.generation)
		note_back(daemon);
	if (!head) {
		daemon->trial = 0;
		return;
	}
	/* A generation that is put back, edited files and all, is none that is tried. */
	if (daemon->is_trial && !hg_oid_is_equal(&head->from, &head->to)) {
		daemon->trial = head->to_number;
		daemon->trial_until = head->deadline_ns;
	}
	if (daemon->is_trial && head->deadline_ns > now)
		daemon->confirm_ms = (head->deadline_ns - now) / 1000000 + 1;
	/* The time is over, or what was interrupted has nobody left to finish it. */
	if (head->phase != HG_JOURNAL_NONE && !daemon->confirm_ms && !is_busy(daemon))
		daemon->tick_at = 0;
}

static void look_at_history(struct hg_daemon *daemon)
{
	struct hg_journal journal = { 0 };
	struct hg_generation head;
	struct hg_history *history;
	/* Before the head: of a confirmed generation main moves before the journal goes. */
	bool is_there = !hg_journal_read(daemon->node.config.state, &journal);

	if (!hg_history_open(daemon->node.config.state, false, &history, NULL)) {
		if (!hg_history_head(history, &head))
			remember(daemon, &head);
		hg_history_free(history);
	}
	look_at_trial(daemon, is_there ? &journal.head : NULL);
}

/* --- jobs ---------------------------------------------------------------------------------- */

static void start_learning(struct hg_daemon *daemon)
{
	struct hg_learn_result result = { "", "" };
	int out;

	daemon->learn_at = hg_talk_now() + LEARN_FAILED_NS;
	if (hg_children_count(daemon, HG_CHILD_LEARN) ||
	    hg_children_fork(daemon, HG_CHILD_LEARN, JOB_MS, NULL, &out))
		return;
	hg_learn_member(&daemon->node, &result);
	_exit(write(out, &result, sizeof(result)) == sizeof(result) ? 0 : 1);
}

static void start_look(struct hg_daemon *daemon)
{
	struct hg_learn_result result = { "", "" };
	uint64_t begin = hg_talk_now();
	int out, found;

	daemon->look_at = begin + LOOK_NS;
	if (hg_children_count(daemon, HG_CHILD_LOOK) ||
	    hg_children_fork(daemon, HG_CHILD_LOOK, JOB_MS, NULL, &out))
		return;
	found = hg_look_for_edits(&daemon->node, result.text, sizeof(result.text));
	if (found < 0)
		_exit(1);
	snprintf(result.state, sizeof(result.state), "%s", found ? "edited" : "");
	_exit(write(out, &result, sizeof(result)) == sizeof(result) ? 0 : 1);
}

static void start_tick(struct hg_daemon *daemon)
{
	struct hg_sync_error error = { "" };
	int out, err;

	daemon->tick_at = UINT64_MAX;
	if (hg_children_count(daemon, HG_CHILD_TICK) ||
	    hg_children_fork(daemon, HG_CHILD_TICK, JOB_MS, NULL, &out))
		return;
	err = hg_learn_tick(&daemon->node, &error);
	if (err < 0 && err != -EBUSY)
		hg_error("%s", error.text);
	_exit(err < 0 ? 1 : 0);
}

/* Between two looks the disk rests: a large configuration is looked at less often. */
static void on_look(struct hg_daemon *daemon, const struct hg_learn_result *result)
{
	uint64_t now = hg_talk_now(), rest = LOOK_REST * (now + LOOK_NS - daemon->look_at);

	if (daemon->look_at && daemon->look_at < now + rest)
		daemon->look_at = now + (rest > LOOK_NS ? rest : LOOK_NS);
	if (!result || !strcmp(daemon->edits, result->text))
		return;
	if (*result->text)
		hg_notice("edited: %s", result->text);
	snprintf(daemon->edits, sizeof(daemon->edits), "%s", result->text);
	daemon->is_news = true;
}

static void on_end(struct hg_daemon *daemon, enum hg_child_kind kind,
		   const struct hg_learn_result *result)
{
	if (kind == HG_CHILD_LOOK) {
		on_look(daemon, result);
		return;
	}
	if (kind == HG_CHILD_LEARN && result) {
		if (strcmp(daemon->result.state, result->state) ||
		    strcmp(daemon->result.text, result->text))
			hg_notice("%s%s%s", result->state, *result->text ? ": " : "", result->text);
		daemon->result = *result;
		daemon->learn_at = hg_talk_now() +
				   (!strcmp(result->state, "in-sync") ? LEARN_NS : LEARN_FAILED_NS);
	}
	look_at_history(daemon);
}

/* --- how things stand ------------------------------------------------------------------------ */

static bool is_same_head(const struct hg_daemon *daemon)
{
	char head[HG_HEAD_TEXT], uuid[HG_UUID_TEXT];

	hg_identity_head_text(daemon->identity.head, head);
	hg_identity_uuid_text(daemon->identity.cluster, uuid);
	return daemon->agent.peer_generation == daemon->identity.generation &&
	       !strncmp(head, daemon->agent.peer_head, 32) &&
	       !strcmp(uuid, daemon->agent.peer_cluster);
}

__attribute__((format(printf, 3, 4))) static void
set_state(struct hg_daemon *daemon, const char *state, const char *format, ...)
{
	va_list args;

	snprintf(daemon->state, sizeof(daemon->state), "%s", state);
	va_start(args, format);
	vsnprintf(daemon->text, sizeof(daemon->text), format, args);
	va_end(args);
}

/* What is the matter on this node alone, where nothing worse is between the two. */
static void add_own_matters(struct hg_daemon *daemon)
{
	static const char *const calm[] = { "in-sync", "alone", "ahead", "comparing",
					    "peer-unknown" };
	char state[sizeof(daemon->state)], text[sizeof(daemon->text)];
	bool is_calm = false;

	for (size_t i = 0; i < sizeof(calm) / sizeof(calm[0]); i++)
		is_calm |= !strcmp(daemon->state, calm[i]);
	if (!is_calm)
		return;
	if (*daemon->edits) {
		set_state(daemon, "edited", "%s", daemon->edits);
	} else if (*daemon->back) {
		snprintf(state, sizeof(state), "%s", daemon->state);
		snprintf(text, sizeof(text), "%.800s", daemon->text);
		set_state(daemon, state, "%s%s%s", text, *text ? "; " : "", daemon->back);
	}
}

/* Compares when HELLOs say that the two differ, or when no hagated tells. */
static void judge(struct hg_daemon *daemon)
{
	const struct hg_ask_answer *agent = &daemon->agent;
	const char *peer = daemon->node.peer;
	bool is_told = agent->is_there && agent->is_peer_heard;

	if (daemon->is_trial) {
		set_state(daemon, "trial",
			  "generation %" PRIu64
			  " waits for its confirmation: hagate config confirm, or hagate config "
			  "abort",
			  daemon->trial);
	} else if (daemon->trial) {
		set_state(daemon, "trial", "generation %" PRIu64 " is being settled",
			  daemon->trial);
	} else if (!*peer) {
		set_state(daemon, "alone", "there is no other node");
	} else if (agent->is_there && !agent->is_peer_heard) {
		set_state(daemon, "peer-unknown", "%s is not heard", peer);
	} else if (is_told && !agent->has_peer_head) {
		set_state(daemon, "peer-off", "%s keeps no history: set 'mode: join' there", peer);
	} else if (is_told && is_same_head(daemon)) {
		set_state(daemon, "in-sync", "%s", "");
		daemon->result.state[0] = '\0'; /* what was the matter is over */
	} else if (*daemon->result.state && strcmp(daemon->result.state, "in-sync")) {
		set_state(daemon, daemon->result.state, "%s", daemon->result.text);
	} else {
		set_state(daemon, "comparing", "with %s", peer);
	}
	add_own_matters(daemon);
	if (!*peer || daemon->trial || (is_told && is_same_head(daemon)))
		return;
	if (hg_talk_now() >= daemon->learn_at)
		start_learning(daemon);
}

static void report(struct hg_daemon *daemon)
{
	struct hg_ask_report words = { .state = daemon->state,
				       .text = daemon->text,
				       .identity = &daemon->identity,
				       .confirm_ms = daemon->confirm_ms };

	hg_ask_report(daemon->node.config.run, &words, &daemon->agent);
}

/* --- loop ------------------------------------------------------------------------------------- */

static int open_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* true: to stop. */
static bool take_signals(struct hg_daemon *daemon)
{
	struct signalfd_siginfo info;

	while (read(daemon->signals, &info, sizeof(info)) == sizeof(info))
		if (info.ssi_signo != SIGCHLD)
			return true;
	hg_children_reap(daemon, on_end);
	return false;
}

/* true: to stop. */
static bool turn(struct hg_daemon *daemon)
{
	struct pollfd pfd[HG_SLOTS_MAX + 2];
	unsigned int count = 0;

	pfd[count++] = (struct pollfd){ .fd = daemon->signals, .events = POLLIN };
	pfd[count++] = (struct pollfd){ .fd = daemon->control, .events = POLLIN };
	for (unsigned int i = 0; i < daemon->listener_count; i++)
		pfd[count++] = (struct pollfd){ .fd = daemon->listener[i], .events = POLLIN };
	if (poll(pfd, count, TURN_MS) <= 0)
		return false;
	if (pfd[0].revents && take_signals(daemon))
		return true;
	if (pfd[1].revents)
		hg_requests_accept(daemon);
	for (unsigned int i = 0; i < daemon->listener_count; i++)
		if (pfd[2 + i].revents)
			hg_listen_accept(daemon, i);
	return false;
}

static void loop(struct hg_daemon *daemon)
{
	uint64_t report_at = 0, now;
	char last[24] = "";
	struct hg_identity told = { .generation = 0 };

	while (!turn(daemon)) {
		now = hg_talk_now();
		hg_children_reap(daemon, on_end);
		if (now >= daemon->tick_at)
			start_tick(daemon);
		if (now < report_at && !daemon->is_news && !strcmp(last, daemon->state) &&
		    !memcmp(&told, &daemon->identity, sizeof(told)))
			continue;
		report_at = now + REPORT_NS;
		daemon->is_news = false;
		reread(daemon);
		look_at_history(daemon);
		if (now >= daemon->look_at)
			start_look(daemon);
		judge(daemon);
		snprintf(last, sizeof(last), "%s", daemon->state);
		told = daemon->identity;
		report(daemon);
	}
}

int hg_daemon_run(const char *node_path)
{
	struct hg_daemon *daemon = calloc(1, sizeof(*daemon));
	struct hg_sync_error error = { "" };
	int err = -ENOMEM;

	if (daemon) {
		daemon->node_path = node_path;
		err = hg_sync_node_load(node_path, true, &daemon->node, &error);
	}
	if (!err) {
		daemon->identity = daemon->node.identity;
		daemon->learn_at = hg_talk_now() + LEARN_NS; /* hagated speaks first */
		daemon->node_mtime_ns = mtime_of(node_path);
		daemon->cluster_mtime_ns = mtime_of(daemon->node.config.cluster);
		daemon->signals = open_signals();
		err = hg_requests_open(daemon, &error);
	}
	if (!err) {
		hg_listen_open(daemon);
		set_state(daemon, "starting", "%s", "");
		hg_program_ready();
		loop(daemon);
	} else {
		hg_error("%s", error.text);
	}
	if (daemon) {
		hg_listen_close(daemon);
		hg_sync_node_done(&daemon->node);
	}
	free(daemon);
	return err;
}
