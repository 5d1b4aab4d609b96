// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Clients of the control socket. control_socket.c makes the listening socket,
 * control_message.c reads requests and words answers.
 *
 * A client is a slot of a fixed table and moves one way:
 *
 *   FREE -> READING -> WAITING -> WRITING -> FREE
 *                         \-> FOLLOWING -> FREE
 *
 * WAITING: a handler holds the slot as its request. When the client leaves then, only
 * its descriptor goes (fd -1); the slot stays until the handler answers, so a handle
 * is never stale. Output is only queued here and sent from the loop, so answering and
 * broadcasting never wait for a reader and cannot re-enter the caller.
 *
 * Timers: one per client. It runs from connect to the end of the request line, and
 * whenever output is queued until all of it is sent; both CLIENT_TIMEOUT_US. A client
 * that is late is dropped. A second one, `resume`, opens the door again a while after
 * accept() failed for want of descriptors or memory.
 */
#include "control.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "control_socket.h"

#define CLIENT_TIMEOUT_US (5 * UINT64_C(1000000))
#define TIMER_ACCURACY_US 100000
#define RESUME_US UINT64_C(1000000)
/* A status with HG_VIPS_MAX addresses is about 0.6 MiB. */
#define OUTPUT_MAX (1024 * 1024)
/* So that followers leave room for commands, and other users room for the operator. */
#define FOLLOWERS_MAX (HG_CTL_CLIENTS_MAX - 4)
#define RESERVED_SLOTS 2

enum client_state { CLIENT_FREE, CLIENT_READING, CLIENT_WAITING, CLIENT_WRITING, CLIENT_FOLLOWING };

struct hg_control_request {
	struct hg_control *control;
	enum client_state state;
	int fd; /* -1: gone while WAITING */
	struct ucred asker;
	sd_event_source *io;
	sd_event_source *timer;
	size_t in_length;
	size_t line_length; /* of the request in `in` */
	size_t out_size, out_length, out_sent;
	char *out;
	char in[HG_CTL_REQUEST_MAX + 1];
};

struct hg_control {
	sd_event *event;
	const struct hg_control_command *commands;
	void *context;
	struct hg_control_socket socket;
	sd_event_source *listen;
	sd_event_source *resume;
	struct hg_control_request client[HG_CTL_CLIENTS_MAX];
};

static void forget_output(struct hg_control_request *req)
{
	free(req->out);
	req->out = NULL;
	req->out_size = req->out_length = req->out_sent = 0;
}

static void disconnect(struct hg_control_request *req)
{
	req->io = sd_event_source_disable_unref(req->io);
	req->timer = sd_event_source_disable_unref(req->timer);
	if (req->fd >= 0)
		close(req->fd);
	req->fd = -1;
	forget_output(req);
}

/* The client has left or is thrown out. */
static void drop(struct hg_control_request *req)
{
	disconnect(req);
	if (req->state != CLIENT_WAITING)
		req->state = CLIENT_FREE;
}

static void start_timer(struct hg_control_request *req)
{
	if (sd_event_source_set_time_relative(req->timer, CLIENT_TIMEOUT_US) < 0 ||
	    sd_event_source_set_enabled(req->timer, SD_EVENT_ONESHOT) < 0)
		drop(req); /* a client without a timer could stay for ever */
}

/* Neither input nor output is due: only a hang-up wakes us, and nothing is late. */
static void stop_waiting(struct hg_control_request *req)
{
	sd_event_source_set_enabled(req->timer, SD_EVENT_OFF);
	sd_event_source_set_io_events(req->io, 0);
}

/* Room for `length` more octets behind out_length; false: too much, or no memory. */
static bool make_room(struct hg_control_request *req, size_t length)
{
	size_t pending = req->out_length - req->out_sent;
	size_t size = req->out_size ? req->out_size : 4096;
	char *out;

	if (length > OUTPUT_MAX || pending + length > OUTPUT_MAX)
		return false;
	if (req->out_length + length <= req->out_size)
		return true;
	while (size < pending + length)
		size *= 2;
	out = malloc(size);
	if (!out)
		return false;
	if (pending)
		memcpy(out, req->out + req->out_sent, pending);
	free(req->out);
	req->out = out;
	req->out_size = size;
	req->out_length = pending;
	req->out_sent = 0;
	return true;
}

/* Appends text and asks the loop to send it. Drops the client when it is too much. */
static void queue(struct hg_control_request *req, const char *text, size_t length)
{
	bool is_first = req->out_length == req->out_sent;

	if (req->fd < 0)
		return;
	if (!make_room(req, length)) {
		drop(req);
		return;
	}
	memcpy(req->out + req->out_length, text, length);
	req->out_length += length;
	if (!is_first)
		return;
	if (sd_event_source_set_io_events(req->io, EPOLLOUT) < 0)
		drop(req);
	else
		start_timer(req);
}

/* 15 digits: 17.2 is printed as 17.2. */
static char *line_of(const json_t *json)
{
	char *text = json ? json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(15)) : NULL;
	size_t length = text ? strlen(text) : 0;
	char *line = text ? realloc(text, length + 2) : NULL;

	if (!line) {
		free(text);
		return NULL;
	}
	memcpy(line + length, "\n", 2);
	return line;
}

static void queue_json(struct hg_control_request *req, const json_t *json)
{
	static const char lost[] = "{\"ok\":false,\"error\":\"hagated is out of memory\"}\n";
	static const char huge[] = "{\"ok\":false,\"error\":\"the answer is too long\"}\n";
	char *line = line_of(json);
	const char *text = !line ? lost : strlen(line) > OUTPUT_MAX ? huge : line;

	queue(req, text, strlen(text));
	free(line);
}

static void flush(struct hg_control_request *req)
{
	ssize_t n = send(req->fd, req->out + req->out_sent, req->out_length - req->out_sent,
			 MSG_NOSIGNAL | MSG_DONTWAIT);

	if (n < 0) {
		if (errno != EAGAIN && errno != EINTR)
			drop(req);
		return;
	}
	req->out_sent += (size_t)n;
	if (req->out_sent < req->out_length)
		return;
	if (req->state == CLIENT_WRITING) {
		drop(req);
		return;
	}
	forget_output(req);
	stop_waiting(req);
}

void hg_control_reply(struct hg_control_request *req, json_t *answer)
{
	req->state = CLIENT_WRITING;
	queue_json(req, answer);
	json_decref(answer);
	if (req->fd < 0)
		drop(req);
}

static unsigned int count_state(const struct hg_control *control, enum client_state state)
{
	unsigned int count = 0;

	for (size_t i = 0; i < HG_CTL_CLIENTS_MAX; i++)
		count += control->client[i].state == state;
	return count;
}

void hg_control_lines(struct hg_control_request *req, json_t *array, bool is_follow)
{
	size_t count = json_array_size(array);

	if (!array) {
		hg_control_reply(req, NULL);
		return;
	}
	if (is_follow && count_state(req->control, CLIENT_FOLLOWING) >= FOLLOWERS_MAX) {
		json_decref(array);
		hg_control_fail(req, "%d clients follow the events already; end one of them first",
				FOLLOWERS_MAX);
		return;
	}
	req->state = is_follow ? CLIENT_FOLLOWING : CLIENT_WRITING;
	for (size_t i = 0; i < count && req->fd >= 0; i++)
		queue_json(req, json_array_get(array, i));
	json_decref(array);
	if (req->fd < 0 || (!count && !is_follow))
		drop(req);
}

int hg_control_take(struct hg_control_request *req, struct hg_control_rest *ret_rest)
{
	size_t from = req->line_length + 1;
	int fd = req->fd;

	ret_rest->length = from < req->in_length ? req->in_length - from : 0;
	memcpy(ret_rest->data, req->in + from, ret_rest->length);
	req->fd = -1;
	disconnect(req);
	req->state = CLIENT_FREE;
	return fd;
}

struct ucred hg_control_asker(const struct hg_control_request *req)
{
	return req->asker;
}

void hg_control_broadcast(struct hg_control *control, json_t *event)
{
	char *line = count_state(control, CLIENT_FOLLOWING) ? line_of(event) : NULL;

	json_decref(event);
	for (size_t i = 0; line && i < HG_CTL_CLIENTS_MAX; i++)
		if (control->client[i].state == CLIENT_FOLLOWING)
			queue(&control->client[i], line, strlen(line));
	free(line);
}

static bool is_privileged(const struct ucred *asker)
{
	return asker->uid == 0 || asker->uid == geteuid();
}

static void on_request(struct hg_control_request *req, size_t length)
{
	struct hg_control *control = req->control;
	const struct hg_control_command *command;
	struct hg_error error;
	json_t *arguments;

	if (hg_control_parse(req->in, length, control->commands, &command, &arguments, &error)) {
		hg_control_fail(req, "%s", error.text);
		return;
	}
	if (command->is_mutating && !is_privileged(&req->asker))
		hg_control_fail(req, "'%s' needs root; use sudo", command->name);
	else
		command->fn(control->context, req, arguments);
	json_decref(arguments);
}

static void on_readable(struct hg_control_request *req)
{
	ssize_t n = recv(req->fd, req->in + req->in_length, sizeof(req->in) - req->in_length,
			 MSG_DONTWAIT);
	char *end;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0 || (n == 0 && req->in_length == 0)) {
		drop(req);
		return;
	}
	end = memchr(req->in + req->in_length, '\n', (size_t)n);
	req->in_length += (size_t)n;
	if (!end && n > 0 && req->in_length < sizeof(req->in))
		return;
	stop_waiting(req);
	req->state = CLIENT_WAITING;
	req->line_length = end ? (size_t)(end - req->in) : req->in_length;
	if (end)
		on_request(req, req->line_length);
	else if (n == 0)
		hg_control_fail(req, "the request does not end with a newline");
	else
		hg_control_fail(req, "the request is longer than %d octets", HG_CTL_REQUEST_MAX);
}

static int on_client_io(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct hg_control_request *req = userdata;

	(void)source;
	(void)fd;
	if (req->state == CLIENT_READING)
		on_readable(req);
	else if (revents & (EPOLLHUP | EPOLLERR))
		drop(req);
	else if (revents & EPOLLOUT)
		flush(req);
	return 0;
}

static int on_client_late(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct hg_control_request *req = userdata;

	(void)source;
	(void)usec;
	drop(req);
	return 0;
}

static int add_sources(struct hg_control_request *req)
{
	sd_event *event = req->control->event;
	int err = sd_event_add_io(event, &req->io, req->fd, EPOLLIN, on_client_io, req);

	if (!err)
		err = sd_event_add_time_relative(event, &req->timer, CLOCK_MONOTONIC,
						 CLIENT_TIMEOUT_US, TIMER_ACCURACY_US,
						 on_client_late, req);
	if (err >= 0)
		err = sd_event_source_set_priority(req->io, SD_EVENT_PRIORITY_IDLE);
	if (err >= 0)
		err = sd_event_source_set_priority(req->timer, SD_EVENT_PRIORITY_IDLE);
	return err;
}

static struct hg_control_request *find_slot(struct hg_control *control, const struct ucred *asker)
{
	if (count_state(control, CLIENT_FREE) <= RESERVED_SLOTS && !is_privileged(asker))
		return NULL;
	for (size_t i = 0; i < HG_CTL_CLIENTS_MAX; i++)
		if (control->client[i].state == CLIENT_FREE)
			return &control->client[i];
	return NULL;
}

static void on_connected(struct hg_control *control, int fd)
{
	static const char busy[] =
		"{\"ok\":false,\"error\":\"hagated serves too many clients; try again\"}\n";
	struct hg_control_request *req;
	struct ucred asker;
	socklen_t length = sizeof(asker);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &asker, &length) < 0) {
		close(fd);
		return;
	}
	req = find_slot(control, &asker);
	if (!req) {
		send(fd, busy, sizeof(busy) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
		close(fd);
		return;
	}
	req->state = CLIENT_READING;
	req->fd = fd;
	req->asker = asker;
	req->in_length = 0;
	if (add_sources(req) < 0)
		drop(req);
}

static int on_resume(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct hg_control *control = userdata;

	(void)source;
	(void)usec;
	sd_event_source_set_enabled(control->listen, SD_EVENT_ON);
	return 0;
}

static int on_connection(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct hg_control *control = userdata;
	int client = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	(void)revents;
	if (client >= 0) {
		on_connected(control, client);
		return 0;
	}
	if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED)
		return 0;
	/* Out of descriptors or memory: the connection stays in the backlog and would
	 * wake this real-time process for ever. Look again a little later. */
	sd_event_source_set_enabled(source, SD_EVENT_OFF);
	sd_event_source_set_time_relative(control->resume, RESUME_US);
	sd_event_source_set_enabled(control->resume, SD_EVENT_ONESHOT);
	return 0;
}

static int listen_on(struct hg_control *control)
{
	int err = sd_event_add_io(control->event, &control->listen, control->socket.fd, EPOLLIN,
				  on_connection, control);

	if (err >= 0)
		err = sd_event_add_time_relative(control->event, &control->resume, CLOCK_MONOTONIC,
						 RESUME_US, TIMER_ACCURACY_US, on_resume, control);
	if (err >= 0)
		err = sd_event_source_set_enabled(control->resume, SD_EVENT_OFF);
	if (err >= 0)
		err = sd_event_source_set_priority(control->listen, SD_EVENT_PRIORITY_IDLE);
	return err < 0 ? err : 0;
}

int hg_control_new(const struct hg_control_options *options, struct hg_control **ret,
		   struct hg_error *error)
{
	struct hg_control *control = calloc(1, sizeof(*control));
	int err;

	if (!control) {
		*error = (struct hg_error){ "control socket: out of memory" };
		return -ENOMEM;
	}
	json_object_seed(0); /* opens /dev/urandom: now, not behind the caller's sandbox */
	control->event = sd_event_ref(options->event);
	control->commands = options->commands;
	control->context = options->context;
	for (size_t i = 0; i < HG_CTL_CLIENTS_MAX; i++) {
		control->client[i].control = control;
		control->client[i].fd = -1;
	}
	err = hg_control_socket_open(options->run, options->group, &control->socket, error);
	if (err) {
		sd_event_unref(control->event);
		free(control);
		return err;
	}
	err = listen_on(control);
	if (err) {
		snprintf(error->text, sizeof(error->text), "control socket: %s", strerror(-err));
		hg_control_free(control);
		return err;
	}
	*ret = control;
	return 0;
}

void hg_control_free(struct hg_control *control)
{
	if (!control)
		return;
	for (size_t i = 0; i < HG_CTL_CLIENTS_MAX; i++)
		disconnect(&control->client[i]);
	sd_event_source_disable_unref(control->listen);
	sd_event_source_disable_unref(control->resume);
	hg_control_socket_close(&control->socket);
	sd_event_unref(control->event);
	free(control);
}
