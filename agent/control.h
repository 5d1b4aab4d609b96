/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Server side of the control socket (include/hagate/control.h is the protocol).
 *
 * Runs on the caller's sd-event loop at idle priority and never blocks: sockets are
 * non-blocking, input and output are bounded, a client that does not send, does not
 * read or asks for too much is dropped. The caller supplies a table of commands.
 *
 * References: every json_t passed *to* this module is taken over (also on error);
 * one passed to a handler is borrowed. NULL stands for "out of memory" and gives an
 * answer that says so, so json_pack() needs no check at the call.
 */
#ifndef HG_CONTROL_H
#define HG_CONTROL_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <systemd/sd-event.h>

#include "hagate/control.h"
#include "loader/loader.h"

struct hg_control;

/* A request that waits for its answer. Valid until answered, also when the client
 * has gone meanwhile, and until hg_control_free(). */
struct hg_control_request;

/*
 * Must lead to exactly one of hg_control_reply(), _done(), _fail(), _lines() or _take()
 * for `req`, at once or later. `arguments`: the request object, "command" included.
 */
typedef void (*hg_control_fn)(void *context, struct hg_control_request *req, json_t *arguments);

struct hg_control_command {
	const char *name; /* NULL ends the table */
	bool is_mutating; /* only for uid 0 and the agent's own uid; refused before the call */
	hg_control_fn fn;
};

struct hg_control_options {
	sd_event *event;
	const char *run; /* directory, made with mode 0755 when missing */
	const char *group; /* owner group of the socket where it exists; NULL: none */
	const struct hg_control_command *commands; /* must outlive the control */
	void *context; /* for the handlers */
};

/* Listens on RUN/hagate.sock. -EADDRINUSE: another agent uses this run directory.
 * A socket that a dead agent left is replaced. */
int hg_control_new(const struct hg_control_options *options, struct hg_control **ret,
		   struct hg_error *error);
/* Drops all clients and waiting requests, removes the socket. NULL is fine. */
void hg_control_free(struct hg_control *control);

/* The answer as it is: {"ok":...}. */
void hg_control_reply(struct hg_control_request *req, json_t *answer);
/* {"ok":true,"text":TEXT} */
void hg_control_done(struct hg_control_request *req, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* {"ok":false,"error":TEXT} */
void hg_control_fail(struct hg_control_request *req, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* A line for each element of the array; then the end, or with is_follow every later
 * hg_control_broadcast() until the client leaves. */
void hg_control_lines(struct hg_control_request *req, json_t *array, bool is_follow);

/* Gives the connection away and forgets the client: the answer is the caller's business.
 * Returns its descriptor, non-blocking; -1: the client has gone. `ret_rest`: what came
 * behind the request and was read with it. */
struct hg_control_rest {
	size_t length;
	char data[HG_CTL_REQUEST_MAX];
};
int hg_control_take(struct hg_control_request *req, struct hg_control_rest *ret_rest);

/* Who asks (SO_PEERCRED at the connection), for the log. */
struct ucred hg_control_asker(const struct hg_control_request *req);

/* A line to every follower. One that does not keep up is dropped. */
void hg_control_broadcast(struct hg_control *control, json_t *event);

/*
 * One request line without its newline -> entry of the table and the request object
 * (a new reference). -EINVAL, with the error in words, for anything else. Separate so
 * that it can be fuzzed.
 */
int hg_control_parse(const char *line, size_t length, const struct hg_control_command *commands,
		     const struct hg_control_command **ret_command, json_t **ret_arguments,
		     struct hg_error *error);

#endif
