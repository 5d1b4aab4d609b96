// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Talks to hagated over RUN/hagate.sock: one request, one line or many.
 */
#include "client.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "remains.h"
#include "text.h"

#define ANSWER_MAX (32 * 1024 * 1024) /* ten thousand rules, as many addresses */

static const char *socket_of(const struct hg_tool *tool)
{
	return tool->socket ? tool->socket : HG_CTL_SOCKET;
}

static const char *server_of(const struct hg_tool *tool)
{
	return tool->socket ? "hagate-sync" : "hagated";
}

/* What the group may not do either. */
static bool needs_root(const char *command)
{
	static const char *const open_to_group[] = { "config-status", "config-log" };
	static const char *const closed[] = { "handover", "maintenance",  "reload",
					      "mac-test", "filter-block", "filter-unblock",
					      "config-" };

	for (size_t i = 0; i < sizeof(open_to_group) / sizeof(open_to_group[0]); i++)
		if (!strcmp(command, open_to_group[i]))
			return false;
	for (size_t i = 0; i < sizeof(closed) / sizeof(closed[0]); i++)
		if (!strncmp(command, closed[i], strlen(closed[i])))
			return true;
	return false;
}

static void tell_forbidden(bool is_for_root)
{
	fputs(is_for_root ? "  This needs root: use sudo.\n"
			  : "  You may not open its socket: use sudo, or have yourself added to "
			    "the group\n"
			    "  hagate (usermod -aG hagate USER, then log in again).\n",
	      stderr);
}

static int tell_no_sync(const struct hg_tool *tool, int err, bool is_for_root)
{
	fprintf(stderr, "hagate: hagate-sync is not reachable at %s/%s: %s\n", tool->run,
		tool->socket, strerror(err));
	if (err == EACCES || err == EPERM) {
		tell_forbidden(is_for_root);
		return HG_EXIT_UNREACHABLE;
	}
	fputs("  Is it running?                  systemctl status hagate-sync\n"
	      "  Was the cluster ever made?      hagate init, on one node\n"
	      "  Does this node still join?      hagate status\n",
	      stderr);
	return HG_EXIT_UNREACHABLE;
}

static int tell_unreachable(const struct hg_tool *tool, int err, bool is_for_root)
{
	if (tool->socket)
		return tell_no_sync(tool, err, is_for_root);
	fprintf(stderr, "hagate: hagated is not reachable at %s/" HG_CTL_SOCKET ": %s\n", tool->run,
		strerror(err));
	switch (err) {
	case EACCES:
	case EPERM:
		tell_forbidden(is_for_root);
		break;
	case ENOENT:
	case ENOTDIR:
		fputs("  Is hagated running?             systemctl status hagated\n"
		      "  Is this its run directory?      paths.run in node.yaml; hagate --run DIR\n"
		      "  To start it:                    systemctl restart hagated\n",
		      stderr);
		hg_remains_tell();
		break;
	case ECONNREFUSED:
		fputs("  Its socket is there but nobody listens: hagated has died.\n"
		      "  Why it died:                    journalctl -u hagated -n 50\n"
		      "  To start it:                    systemctl restart hagated\n",
		      stderr);
		hg_remains_tell();
		break;
	default:
		break;
	}
	return HG_EXIT_UNREACHABLE;
}

static int tell_silent(const struct hg_tool *tool, int timeout_ms)
{
	fprintf(stderr,
		"hagate: %s did not answer within %d s at %s/%s\n"
		"  It may be stopped or stuck: systemctl status %s, journalctl -u %s -n 50\n"
		"  To start it afresh:         systemctl restart %s\n",
		server_of(tool), timeout_ms / 1000, tool->run, socket_of(tool), server_of(tool),
		server_of(tool), server_of(tool));
	return HG_EXIT_UNREACHABLE;
}

/* 0 or -errno. A full backlog (a stuck agent) ends as -ETIMEDOUT. */
static int connect_to(const struct hg_tool *tool, int *ret_fd)
{
	struct timeval timeout = { .tv_sec = HG_CLIENT_TIMEOUT_MS / 1000 };
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int err, fd;

	if (snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s", tool->run,
		     socket_of(tool)) >= (int)sizeof(address.sun_path))
		return -ENAMETOOLONG;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout)) == 0 &&
	    connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0) {
		*ret_fd = fd;
		return 0;
	}
	err = errno == EAGAIN ? -ETIMEDOUT : -errno;
	close(fd);
	return err;
}

int hg_client_open(const struct hg_tool *tool, json_t *request, struct hg_client *ret)
{
	struct hg_client client = { .tool = tool, .fd = -1 };
	char *text = json_dumps(request, JSON_COMPACT);
	bool is_for_root = needs_root(hg_text_string(request, "command", ""));
	int err = connect_to(tool, &client.fd);

	json_decref(request);
	if (!err && !text)
		err = -ENOMEM;
	/* A short write or EPIPE shows as a missing answer, with a better message. */
	if (!err &&
	    (send(client.fd, text, strlen(text), MSG_NOSIGNAL | MSG_MORE) < 0 ||
	     send(client.fd, "\n", 1, MSG_NOSIGNAL) < 0) &&
	    errno != EPIPE)
		err = -errno;
	free(text);
	if (!err) {
		*ret = client;
		return HG_EXIT_OK;
	}
	if (client.fd >= 0)
		close(client.fd);
	return err == -ETIMEDOUT ? tell_silent(tool, HG_CLIENT_TIMEOUT_MS)
				 : tell_unreachable(tool, -err, is_for_root);
}

void hg_client_close(struct hg_client *client)
{
	close(client->fd);
	free(client->data);
}

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Waits and reads once. 0: the end; > 0: octets; -ETIMEDOUT; -errno. */
static ssize_t receive(struct hg_client *client, int wait_ms)
{
	struct pollfd fd = { .fd = client->fd, .events = POLLIN };
	int ready = poll(&fd, 1, wait_ms);
	ssize_t n;

	if (ready == 0)
		return -ETIMEDOUT;
	if (ready < 0)
		return -errno;
	if (client->length == client->size) {
		size_t size = client->size ? client->size * 2 : 4096;
		char *data = size > ANSWER_MAX ? NULL : realloc(client->data, size);

		if (!data)
			return -EMSGSIZE;
		client->data = data;
		client->size = size;
	}
	n = recv(client->fd, client->data + client->length, client->size - client->length, 0);
	if (n < 0)
		return errno == ECONNRESET ? 0 : -errno;
	client->length += (size_t)n;
	return n;
}

int hg_client_line(struct hg_client *client, int timeout_ms, const char **ret_line)
{
	int64_t until = now_ms() + timeout_ms;
	int64_t left = timeout_ms;
	char *end = NULL;
	ssize_t n = 1;

	client->length -= client->line;
	if (client->length)
		memmove(client->data, client->data + client->line, client->length);
	client->line = 0;
	for (;;) {
		if (client->length)
			end = memchr(client->data, '\n', client->length);
		if (end || n == 0)
			break;
		n = receive(client, timeout_ms < 0 ? -1 : (int)left);
		if (n < 0 && n != -EINTR)
			return n == -ETIMEDOUT ? tell_silent(client->tool, timeout_ms)
					       : tell_unreachable(client->tool, (int)-n, false);
		left = until > now_ms() ? until - now_ms() : 0;
	}
	if (end) {
		*end = '\0';
		client->line = (size_t)(end - client->data) + 1;
	}
	*ret_line = end ? client->data : NULL;
	return HG_EXIT_OK;
}

/* A wrong file is explained as by a compiler: text, or a list of texts. */
void hg_client_tell_diagnostics(const json_t *answer)
{
	const json_t *diagnostics = json_object_get(answer, "diagnostics");
	const char *text = json_string_value(diagnostics);

	if (text)
		hg_text_print_lines(stderr, text);
	for (size_t i = 0; i < json_array_size(diagnostics); i++) {
		text = json_string_value(json_array_get(diagnostics, i));
		if (text)
			hg_text_print_lines(stderr, text);
	}
}

bool hg_client_is_refusal(const json_t *answer)
{
	const json_t *is_ok = json_object_get(answer, "ok");

	if (!json_is_false(is_ok))
		return false;
	hg_client_tell_diagnostics(answer);
	fputs("hagate: ", stderr);
	hg_text_print_lines(stderr, hg_text_string(answer, "error", "no reason was given"));
	return true;
}

int hg_client_answer(struct hg_client *client, int timeout_ms, json_t **ret_answer)
{
	json_t *answer = NULL;
	const char *line;
	int status = hg_client_line(client, timeout_ms, &line);

	if (!status && !line) {
		fputs("hagate: hagated closed the connection without an answer; did it stop just "
		      "now?\n",
		      stderr);
		status = HG_EXIT_UNREACHABLE;
	} else if (!status) {
		answer = json_loads(line, 0, NULL);
		if (!json_is_boolean(json_object_get(answer, "ok"))) {
			fputs("hagate: the answer is not one that this version understands\n",
			      stderr);
			status = HG_EXIT_UNREACHABLE;
		} else if (hg_client_is_refusal(answer)) {
			status = HG_EXIT_FAILED;
		}
	}
	hg_client_close(client);
	if (status)
		json_decref(answer);
	else
		*ret_answer = answer;
	return status;
}

int hg_client_ask(const struct hg_tool *tool, json_t *request, int timeout_ms, json_t **ret_answer)
{
	struct hg_client client;
	int status = hg_client_open(tool, request, &client);

	return status ? status : hg_client_answer(&client, timeout_ms, ret_answer);
}
