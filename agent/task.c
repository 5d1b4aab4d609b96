// SPDX-License-Identifier: GPL-2.0-or-later
/* See task.h. */
#include "agent/task.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/child.h"

#define PEER_SECONDS 10 /* a client that neither reads nor sends for so long is left */

void hg_tasks_init(struct hg_tasks *tasks, sd_event *event)
{
	*tasks = (struct hg_tasks){ .event = event };
}

/* --- in the child ------------------------------------------------------------------- */

ssize_t hg_task_read(struct hg_task *task, void *buffer, size_t size)
{
	size_t rest = task->rest.length - task->rest_read;
	ssize_t n;

	if (rest) {
		n = rest < size ? rest : size;
		memcpy(buffer, task->rest.data + task->rest_read, n);
		task->rest_read += n;
		return n;
	}
	do
		n = recv(task->fd, buffer, size, 0);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

json_t *hg_task_fail(const char *format, ...)
{
	char text[1024];
	va_list list;

	va_start(list, format);
	vsnprintf(text, sizeof(text), format, list);
	va_end(list);
	return json_pack("{s:b,s:s}", "ok", 0, "error", text);
}

static int send_part(const char *text, size_t length, void *context)
{
	const int *fd = context;

	while (length) {
		ssize_t n = send(*fd, text, length, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		text += n;
		length -= n;
	}
	return 0;
}

static int send_line(int fd, json_t *json)
{
	static const char lost[] = "{\"ok\":false,\"error\":\"out of memory\"}";
	char *text = json ? json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(15)) : NULL;
	const char *line = text ? text : lost;
	int err = send_part(line, strlen(line), &fd);

	if (!err)
		err = send_part("\n", 1, &fd);
	free(text);
	return err;
}

int hg_task_line(struct hg_task *task, json_t *line)
{
	int err = send_line(task->fd, line);

	json_decref(line);
	task->has_lines = true;
	return line ? err : -ENOMEM;
}

/* When memory runs out, a question may go unanswered; the agent must not be chosen. */
static void offer_to_oom_killer(void)
{
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	if (write(fd, "500", 3) < 0)
		errno = 0; /* then as the agent */
	close(fd);
}

static void settle(int fd)
{
	const struct timeval patience = { .tv_sec = PEER_SECONDS };

	alarm(HG_TASK_SECONDS);
	offer_to_oom_killer();
	if (fd < 0)
		return;
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
}

/* --- in the agent ------------------------------------------------------------------- */

static int on_end(sd_event_source *source, const siginfo_t *info, void *context)
{
	struct hg_task_slot *slot = context;

	(void)source;
	(void)info;
	slot->child = sd_event_source_disable_unref(slot->child);
	return 0;
}

/* NULL: none, or only those that are kept for others. */
static struct hg_task_slot *find_slot(struct hg_tasks *tasks, bool is_root)
{
	struct hg_task_slot *found = NULL;
	size_t count = 0;

	for (size_t i = 0; i < HG_TASKS_MAX; i++) {
		if (tasks->slot[i].child)
			continue;
		found = &tasks->slot[i];
		count++;
	}
	return is_root || count > HG_TASKS_FOR_ROOT ? found : NULL;
}

static int start(struct hg_tasks *tasks, struct hg_task_slot *slot, struct hg_task *task,
		 hg_task_fn fn, void *context, json_t *arguments)
{
	pid_t pid = hg_child_fork("hagated-task", task->fd);
	json_t *json;
	int err;

	if (!pid) {
		settle(task->fd);
		json = fn(task, context, arguments);
		if (task->fd >= 0 && (json || !task->has_lines))
			send_line(task->fd, json);
		_exit(0);
	}
	if (pid < 0)
		return pid;
	err = sd_event_add_child(tasks->event, &slot->child, pid, WEXITED, on_end, slot);
	if (err < 0) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		return err;
	}
	sd_event_source_set_priority(slot->child, SD_EVENT_PRIORITY_IDLE);
	return 0;
}

void hg_task_start(struct hg_tasks *tasks, struct hg_control_request *req, hg_task_fn fn,
		   void *context, json_t *arguments)
{
	struct hg_task_slot *slot = find_slot(tasks, hg_control_asker(req).uid == 0);
	struct hg_task task = { 0 };
	int err;

	if (!slot) {
		hg_control_fail(req,
				"too many such questions are being answered already; try again");
		return;
	}
	task.fd = hg_control_take(req, &task.rest);
	if (task.fd < 0)
		return;
	slot->is_background = false;
	err = start(tasks, slot, &task, fn, context, arguments);
	if (err)
		send_line(task.fd, hg_task_fail("cannot start a process for this: %s",
						strerror(-err))); /* non-blocking here */
	close(task.fd);
}

int hg_task_start_background(struct hg_tasks *tasks, hg_task_fn fn, void *context)
{
	struct hg_task_slot *slot = find_slot(tasks, true);
	struct hg_task task = { .fd = -1 };

	if (!slot)
		return -EBUSY;
	for (size_t i = 0; i < HG_TASKS_MAX; i++)
		if (tasks->slot[i].child && tasks->slot[i].is_background)
			return -EBUSY;
	slot->is_background = true;
	return start(tasks, slot, &task, fn, context, NULL);
}
