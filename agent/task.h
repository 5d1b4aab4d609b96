/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Questions that take longer than the loop may wait: a forked child gets the client's
 * connection, works on its copy of the agent, answers and ends. Nothing comes back to
 * the agent; what a task changes lies in maps and files.
 *
 * Bounded: HG_TASKS_MAX at once, some of them for root alone, HG_TASK_SECONDS each; a task
 * ends with the agent. A client whose task dies sees its connection close.
 */
#ifndef HG_TASK_H
#define HG_TASK_H

#include "agent/control.h"

#define HG_TASKS_MAX 6
#define HG_TASKS_FOR_ROOT 3
#define HG_TASK_SECONDS 60

struct hg_task_slot {
	sd_event_source *child; /* NULL: free */
	bool is_background;
};

struct hg_tasks {
	sd_event *event;
	struct hg_task_slot slot[HG_TASKS_MAX];
};

/* In the child: the client's connection, and what came with the request. */
struct hg_task {
	int fd; /* -1: nobody waits for an answer */
	struct hg_control_rest rest;
	size_t rest_read;
	bool has_lines; /* hg_task_line() was called */
};

/* Runs in the child. Its answer, {"ok":...}, a new reference; NULL: out of memory, or
 * everything was said by hg_task_line(). */
typedef json_t *(*hg_task_fn)(struct hg_task *task, void *context, json_t *arguments);

void hg_tasks_init(struct hg_tasks *tasks, sd_event *event);

/* Takes `req` over in any case. */
void hg_task_start(struct hg_tasks *tasks, struct hg_control_request *req, hg_task_fn fn,
		   void *context, json_t *arguments);
/* Without a client, one at a time. -EBUSY, or why there is no child. */
int hg_task_start_background(struct hg_tasks *tasks, hg_task_fn fn, void *context);

/* All for fn only. The next octets that the client sends: their number, 0 at the end,
 * or -errno. */
ssize_t hg_task_read(struct hg_task *task, void *buffer, size_t size);
/* One line of an answer of many, which ends with the connection. Takes the reference; NULL
 * stands for "out of memory". 0, or -errno: the client has left or does not read. */
int hg_task_line(struct hg_task *task, json_t *line);
/* {"ok":false,"error":TEXT} */
json_t *hg_task_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
