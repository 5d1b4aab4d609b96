/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See daemon.h. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sync/daemon.h"
#include "sync/talk.h"

unsigned int hg_children_count(const struct hg_daemon *daemon, enum hg_child_kind kind)
{
	unsigned int count = 0;

	for (unsigned int i = 0; i < HG_CHILDREN_MAX; i++)
		count += daemon->child[i].pid && daemon->child[i].kind == kind;
	return count;
}

static struct hg_child *find_free(struct hg_daemon *daemon)
{
	for (unsigned int i = 0; i < HG_CHILDREN_MAX; i++)
		if (!daemon->child[i].pid)
			return &daemon->child[i];
	return NULL;
}

/* A child in the middle of a switch is not killed with the daemon: the journal brings it to its
 * end in any case, but there is no need. */
static void become_child(struct hg_daemon *daemon)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGTERM, SIG_DFL);
	signal(SIGINT, SIG_DFL);
	hg_listen_close(daemon);
	close(daemon->control);
	close(daemon->signals);
}

pid_t hg_children_fork(struct hg_daemon *daemon, enum hg_child_kind kind, uint64_t limit_ms,
		       const struct hg_ip *source, int *ret_out)
{
	struct hg_child *child = find_free(daemon);
	int ends[2];
	pid_t pid;

	if (!child)
		return -EAGAIN;
	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK))
		return -errno;
	pid = fork();
	if (!pid) {
		close(ends[0]);
		become_child(daemon);
		*ret_out = ends[1];
		return 0;
	}
	close(ends[1]);
	if (pid < 0) {
		close(ends[0]);
		return -errno;
	}
	*child = (struct hg_child){ .pid = pid, .kind = kind, .fd = ends[0] };
	child->until = hg_talk_now() + limit_ms * UINT64_C(1000000);
	if (source)
		child->source = *source;
	return pid;
}

void hg_children_reap(struct hg_daemon *daemon, hg_children_fn *on_end)
{
	struct hg_learn_result result;

	for (unsigned int i = 0; i < HG_CHILDREN_MAX; i++) {
		struct hg_child *child = &daemon->child[i];
		enum hg_child_kind kind = child->kind;
		bool has_result;

		if (!child->pid)
			continue;
		if (waitpid(child->pid, NULL, WNOHANG) != child->pid) {
			if (hg_talk_now() > child->until)
				kill(child->pid, SIGKILL);
			continue;
		}
		has_result = read(child->fd, &result, sizeof(result)) == sizeof(result);
		close(child->fd);
		child->pid = 0;
		result.state[sizeof(result.state) - 1] = '\0';
		result.text[sizeof(result.text) - 1] = '\0';
		on_end(daemon, kind, has_result ? &result : NULL);
	}
}
