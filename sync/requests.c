/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * RUN/sync.sock: what the operator asks (hagate/control.h, `config-...`). Each request is
 * answered by a child. Changes are root's; so is what shows contents of files.
 */
#include <errno.h>
#include <grp.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "agent/log.h"
#include "hagate/control.h"
#include "sync/daemon.h"
#include "sync/diff.h"
#include "sync/discard.h"
#include "sync/fetch.h"
#include "sync/publish.h"

#define READ_S 2
#define LIMIT_MS 1800000
#define LOG_MAX 1000
#define CONFIRM_MAX_S 3600

int hg_requests_open(struct hg_daemon *daemon, struct hg_sync_error *error)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const char *run = daemon->node.config.run;
	struct group *group = getgrnam("hagate");
	int err;

	mkdir(run, 0755);
	if (snprintf(address.sun_path, sizeof(address.sun_path), "%s/" HG_CTL_SYNC_SOCKET, run) >=
	    (int)sizeof(address.sun_path))
		return hg_sync_fail(error, -ENAMETOOLONG, "%s: too long", run);
	daemon->control = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (daemon->control >= 0 &&
	    !connect(daemon->control, (struct sockaddr *)&address, sizeof(address)))
		return hg_sync_fail(error, -EADDRINUSE, "another hagate-sync runs with %s", run);
	unlink(address.sun_path);
	if (daemon->control >= 0)
		close(daemon->control);
	daemon->control = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (daemon->control < 0 ||
	    bind(daemon->control, (struct sockaddr *)&address, sizeof(address)) ||
	    chmod(address.sun_path, 0660) || listen(daemon->control, HG_REQUESTS_MAX)) {
		err = -errno;
		return hg_sync_fail(error, err, "%s: %s", address.sun_path, strerror(-err));
	}
	if (group && chown(address.sun_path, -1, group->gr_gid))
		hg_warning("%s: group hagate: %s", address.sun_path, strerror(errno));
	return 0;
}

/* --- answers -------------------------------------------------------------------------- */

static json_t *failure(int err, const struct hg_sync_error *error)
{
	return json_pack("{s:b,s:s}", "ok", 0, "error",
			 *error->text ? error->text : strerror(-err));
}

static json_t *done(const struct hg_sync_error *text)
{
	return json_pack("{s:b,s:s}", "ok", 1, "text", text->text);
}

static json_t *json_generation(const struct hg_generation *generation)
{
	char oid[HG_OID_HEX];

	hg_oid_print(&generation->oid, oid);
	return json_pack("{s:I,s:s,s:s,s:I,s:s,s:s}", "generation", (json_int_t)generation->number,
			 "commit", oid, "node", generation->node, "time_s",
			 (json_int_t)generation->time_s, "reason", generation->reason, "subject",
			 generation->subject);
}

static int add_generation(const struct hg_generation *generation, void *arg)
{
	json_t *list = arg;

	json_array_append_new(list, json_generation(generation));
	return json_array_size(list) >= LOG_MAX;
}

static int open_reader(const struct hg_daemon *daemon, struct hg_history **ret,
		       struct hg_sync_error *error)
{
	return hg_history_open(daemon->node.config.state, false, ret, error);
}

static json_t *on_log(struct hg_daemon *daemon, const json_t *request)
{
	struct hg_sync_error error = { "" };
	struct hg_history *history;
	json_t *list = json_array();
	int err = open_reader(daemon, &history, &error);

	(void)request;
	if (err) {
		json_decref(list);
		return failure(err, &error);
	}
	hg_history_walk(history, add_generation, list);
	hg_history_free(history);
	return json_pack("{s:b,s:o}", "ok", 1, "log", list);
}

static int add_ref(const char *name, const struct hg_oid *oid, void *arg)
{
	char text[HG_OID_HEX];

	hg_oid_print(oid, text);
	json_object_set_new(arg, name, json_string(text));
	return 0;
}

static json_t *on_status(struct hg_daemon *daemon, const json_t *request)
{
	char uuid[HG_UUID_TEXT], head[HG_HEAD_TEXT];
	const struct hg_identity *identity = &daemon->identity;
	struct hg_history *history;
	json_t *refs = json_object();

	(void)request;
	if (!open_reader(daemon, &history, NULL)) {
		hg_history_refs(history, add_ref, refs);
		hg_history_free(history);
	}
	return json_pack(
		"{s:b,s:{s:s,s:s,s:s,s:s,s:s,s:I,s:s,s:o,s:o,s:o}}", "ok", 1, "sync", "state",
		daemon->state, "text", daemon->text, "node", daemon->node.config.node, "peer",
		daemon->node.peer, "cluster", hg_identity_uuid_text(identity->cluster, uuid),
		"generation", (json_int_t)identity->generation, "head",
		hg_identity_head_text(identity->head, head), "peer_generation",
		daemon->agent.has_peer_head ? json_integer(daemon->agent.peer_generation)
					    : json_null(),
		"confirm_ms", daemon->confirm_ms ? json_integer(daemon->confirm_ms) : json_null(),
		"refs", refs);
}

static json_t *on_diff(struct hg_daemon *daemon, const json_t *request)
{
	struct hg_sync_error error = { "" };
	struct hg_history *history;
	json_int_t number = json_integer_value(json_object_get(request, "generation"));
	json_t *answer = NULL;
	char *text = NULL;
	int err = open_reader(daemon, &history, &error);

	if (err)
		return failure(err, &error);
	err = hg_diff_run(&daemon->node, history, number > 0 ? number : 0, &text, &error);
	hg_history_free(history);
	answer = err ? failure(err, &error)
		     : json_pack("{s:b,s:s}", "ok", 1, "diff", text ? text : "");
	free(text);
	return answer;
}

static json_t *publish(struct hg_daemon *daemon, const json_t *request, struct hg_publish *what)
{
	struct hg_sync_error error = { "" }, text = { "" };
	json_int_t confirm_s = json_integer_value(json_object_get(request, "confirm_s"));
	const char *message = json_string_value(json_object_get(request, "message"));
	int err;

	if (confirm_s < 0 || confirm_s > CONFIRM_MAX_S) {
		hg_sync_fail(&error, 0, "the time to confirm is 1 second to 1 hour");
		return failure(-EINVAL, &error);
	}
	what->confirm_ns = confirm_s * UINT64_C(1000000000);
	what->message = message ? message : "";
	/* The files as they are at this moment: the loop may not have seen the last edit. */
	err = hg_sync_node_load(daemon->node_path, true, &daemon->node, &error);
	if (err) {
		size_t length = strlen(error.text);

		snprintf(error.text + length, sizeof(error.text) - length, "nothing was changed");
	} else
		err = hg_publish_run(&daemon->node, what, &text, &error);
	return err ? failure(err, &error) : done(&text);
}

static json_t *on_commit(struct hg_daemon *daemon, const json_t *request)
{
	struct hg_publish what = { .kind = HG_PUBLISH_COMMIT };

	return publish(daemon, request, &what);
}

static json_t *on_rollback(struct hg_daemon *daemon, const json_t *request)
{
	struct hg_publish what = { .kind = HG_PUBLISH_ROLLBACK };
	json_int_t number = json_integer_value(json_object_get(request, "generation"));
	struct hg_sync_error error = { "" };

	what.number = number > 0 ? number : 0;
	if (number > 0)
		return publish(daemon, request, &what);
	hg_sync_fail(&error, 0, "which generation? see 'hagate config log'");
	return failure(-EINVAL, &error);
}

static json_t *on_adopt(struct hg_daemon *daemon, const json_t *request)
{
	struct hg_publish what = { .kind = HG_PUBLISH_ADOPT };
	const char *node = json_string_value(json_object_get(request, "node"));
	struct hg_sync_error error;

	if (!node || !strcmp(node, daemon->node.peer))
		return publish(daemon, request, &what);
	hg_sync_fail(&error, 0, "the other node is '%s', not '%.60s'", daemon->node.peer, node);
	return failure(-EINVAL, &error);
}

static json_t *decide(struct hg_daemon *daemon, bool is_good)
{
	struct hg_sync_error error = { "" }, text = { "" };
	int err = hg_publish_decide(&daemon->node, is_good, &text, &error);

	return err ? failure(err, &error) : done(&text);
}

static json_t *on_confirm(struct hg_daemon *daemon, const json_t *request)
{
	(void)request;
	return decide(daemon, true);
}

static json_t *on_abort(struct hg_daemon *daemon, const json_t *request)
{
	(void)request;
	return decide(daemon, false);
}

/* With the last good cluster.yaml: the one on the disk may be the mistake. */
static json_t *on_discard(struct hg_daemon *daemon, const json_t *request)
{
	struct hg_sync_error error = { "" }, text = { "" };
	int err = hg_discard_run(&daemon->node, &text, &error);

	(void)request;
	return err ? failure(err, &error) : done(&text);
}

/* --- requests --------------------------------------------------------------------------- */

static const struct {
	const char *name;
	bool is_root;
	json_t *(*fn)(struct hg_daemon *daemon, const json_t *request);
} commands[] = {
	{ "config-status", false, on_status },	  { "config-log", false, on_log },
	{ "config-diff", true, on_diff },	  { "config-commit", true, on_commit },
	{ "config-rollback", true, on_rollback }, { "config-confirm", true, on_confirm },
	{ "config-abort", true, on_abort },	  { "config-adopt", true, on_adopt },
	{ "config-discard", true, on_discard },
};

static json_t *dispatch(struct hg_daemon *daemon, int fd, const json_t *request)
{
	const char *name = json_string_value(json_object_get(request, "command"));
	struct hg_sync_error error = { "unknown command" };
	struct ucred who = { .uid = -1 };
	socklen_t size = sizeof(who);

	getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size);
	for (size_t i = 0; name && i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strcmp(name, commands[i].name))
			continue;
		if (!commands[i].is_root || !who.uid || who.uid == geteuid())
			return commands[i].fn(daemon, request);
		hg_sync_fail(&error, 0, "%s is for root only", name);
		break;
	}
	return failure(-EPERM, &error);
}

static json_t *read_request(int fd)
{
	char line[HG_CTL_REQUEST_MAX + 1];
	struct timeval limit = { .tv_sec = READ_S };
	size_t length = 0;
	ssize_t n;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	alarm(READ_S);
	while (length < sizeof(line)) {
		n = recv(fd, line + length, sizeof(line) - length, 0);
		if (n <= 0)
			return NULL;
		length += n;
		if (line[length - 1] == '\n')
			break;
	}
	alarm(0);
	return json_loadb(line, length, JSON_REJECT_DUPLICATES, NULL);
}

static void answer(struct hg_daemon *daemon, int fd)
{
	json_t *request = read_request(fd);
	json_t *reply = request ? dispatch(daemon, fd, request)
				: json_pack("{s:b,s:s}", "ok", 0, "error", "not a request");
	char *text = reply ? json_dumps(reply, JSON_COMPACT) : NULL;
	size_t length = text ? strlen(text) : 0, at = 0;
	struct timeval limit = { .tv_sec = READ_S };
	ssize_t n = 1;

	if (!text)
		return;
	text[length++] = '\n'; /* instead of the NUL */
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	for (; at < length && n > 0; at += n > 0 ? n : 0)
		n = send(fd, text + at, length - at, MSG_NOSIGNAL);
}

void hg_requests_accept(struct hg_daemon *daemon)
{
	int fd = accept4(daemon->control, NULL, NULL, SOCK_CLOEXEC), out;

	if (fd < 0)
		return;
	if (hg_children_count(daemon, HG_CHILD_REQUEST) < HG_REQUESTS_MAX &&
	    !hg_children_fork(daemon, HG_CHILD_REQUEST, LIMIT_MS, NULL, &out)) {
		answer(daemon, fd);
		_exit(0);
	}
	close(fd);
}
