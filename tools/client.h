/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Client side of the control socket. Every wait ends; problems are told on stderr
 * with what to check.
 */
#ifndef HG_CLIENT_H
#define HG_CLIENT_H

#include <jansson.h>

#include "tool.h"

#define HG_CLIENT_TIMEOUT_MS 5000
#define HG_CLIENT_HANDOVER_MS 15000
#define HG_CLIENT_LONG_MS 60000 /* what reads files or lists, or loads programs */
#define HG_CLIENT_NO_TIMEOUT (-1)

struct hg_client {
	const struct hg_tool *tool;
	int fd;
	char *data;
	size_t length, size;
	size_t line; /* octets of the line handed out last, removed at the next read */
};

/* Connects and sends the request (takes the reference). */
int hg_client_open(const struct hg_tool *tool, json_t *request, struct hg_client *ret);
/* The next line without its newline, valid until the next call. *ret_line NULL: the
 * end. HG_EXIT_UNREACHABLE when none comes in time. */
int hg_client_line(struct hg_client *client, int timeout_ms, const char **ret_line);
void hg_client_close(struct hg_client *client);

/* The one answer to a request that was sent: as hg_client_ask(). Closes. */
int hg_client_answer(struct hg_client *client, int timeout_ms, json_t **ret_answer);
/* One request, one answer. HG_EXIT_FAILED when it is {"ok":false}; *ret_answer is set
 * for HG_EXIT_OK only. */
int hg_client_ask(const struct hg_tool *tool, json_t *request, int timeout_ms, json_t **ret_answer);
/* Tells what the files are warned of, if anything, on stderr. */
void hg_client_tell_diagnostics(const json_t *answer);
/* Tells the error of an {"ok":false} answer. Returns whether it was one. */
bool hg_client_is_refusal(const json_t *answer);

#endif
