/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See ask.h. */
#include "sync/ask.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "hagate/control.h"

#define ANSWER_MAX (4u * 1024 * 1024)
#define REPORT_MS 1000

static int open_socket(const char *run_dir, unsigned int timeout_ms)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct timeval limit = { timeout_ms / 1000, timeout_ms % 1000 * 1000 };
	int fd;

	if (snprintf(address.sun_path, sizeof(address.sun_path), "%s/" HG_CTL_SOCKET, run_dir) >=
	    (int)sizeof(address.sun_path))
		return -1;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	if (!connect(fd, (struct sockaddr *)&address, sizeof(address)))
		return fd;
	close(fd);
	return -1;
}

static json_t *read_answer(int fd)
{
	FILE *in = fdopen(fd, "r");
	char *line = NULL;
	size_t size = 0;
	json_t *answer = NULL;
	ssize_t length;

	if (!in) {
		close(fd);
		return NULL;
	}
	length = getline(&line, &size, in);
	if (length > 0 && (size_t)length < ANSWER_MAX)
		answer = json_loadb(line, length, 0, NULL);
	free(line);
	fclose(in);
	return answer;
}

json_t *hg_ask(const char *run_dir, json_t *request, unsigned int timeout_ms)
{
	char *text = json_dumps(request, JSON_COMPACT);
	int fd = text ? open_socket(run_dir, timeout_ms) : -1;
	size_t length = text ? strlen(text) : 0;
	bool is_sent = false;

	json_decref(request);
	if (fd >= 0) {
		text[length] = '\n'; /* instead of the NUL */
		is_sent = send(fd, text, length + 1, MSG_NOSIGNAL) == (ssize_t)length + 1;
	}
	free(text);
	if (fd >= 0 && !is_sent)
		close(fd);
	return is_sent ? read_answer(fd) : NULL;
}

static void copy(char *ret, size_t size, const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	snprintf(ret, size, "%s", text ? text : "");
}

static void read_report(const json_t *answer, struct hg_ask_answer *ret)
{
	ret->is_there = json_is_true(json_object_get(answer, "ok"));
	copy(ret->peer_cluster, sizeof(ret->peer_cluster), answer, "peer_cluster");
	copy(ret->peer_head, sizeof(ret->peer_head), answer, "peer_head");
	ret->is_peer_heard = json_is_true(json_object_get(answer, "peer_heard"));
	ret->has_peer_head = *ret->peer_cluster;
	ret->peer_generation = json_integer_value(json_object_get(answer, "peer_generation"));
}

void hg_ask_report(const char *run_dir, const struct hg_ask_report *report,
		   struct hg_ask_answer *ret)
{
	json_t *request = json_pack("{s:s,s:s,s:s,s:I}", "command", "sync", "state", report->state,
				    "text", report->text ? report->text : "", "confirm_ms",
				    (json_int_t)report->confirm_ms);
	char head[HG_HEAD_TEXT];
	json_t *answer;

	memset(ret, 0, sizeof(*ret));
	if (report->identity) {
		hg_identity_head_text(report->identity->head, head);
		json_object_set_new(request, "generation",
				    json_integer(report->identity->generation));
		json_object_set_new(request, "head", json_string(head));
	}
	answer = hg_ask(run_dir, request, REPORT_MS);
	if (answer)
		read_report(answer, ret);
	json_decref(answer);
}
