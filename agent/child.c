// SPDX-License-Identifier: GPL-2.0-or-later
/* From a copy of hagated to a child: what it must not inherit is undone. */
#include "agent/child.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define FDS_MAX 4096 /* far more than hagated has open */

/* The parent may keep its capabilities permitted but not effective. */
static void raise_capabilities(void)
{
	cap_t caps = cap_get_proc();

	if (!caps)
		return;
	for (cap_value_t cap = 0; cap <= CAP_LAST_CAP; cap++) {
		cap_flag_value_t is_permitted = CAP_CLEAR;

		if (!cap_get_flag(caps, cap, CAP_PERMITTED, &is_permitted) &&
		    is_permitted == CAP_SET)
			cap_set_flag(caps, CAP_EFFECTIVE, 1, &cap, CAP_SET);
	}
	cap_set_proc(caps);
	cap_free(caps);
}

/* Ctrl-C and a service manager signal the whole group; the worker has to be there for
 * the parent's last jobs, and every child ends with the parent. */
static void settle_signals(void)
{
	static const int ignored[] = { SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGUSR1, SIGUSR2 };
	sigset_t none;

	for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		signal(ignored[i], SIG_IGN);
	signal(SIGCHLD, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Sockets of the parent (its end of this very pair among them, so that EOF works; ports
 * that a restarted agent wants to bind). What the loader needs are no sockets. */
static void close_sockets(int keep)
{
	long max = sysconf(_SC_OPEN_MAX);
	struct stat st;

	for (int fd = 3; fd < max && fd < FDS_MAX; fd++) {
		if (fd != keep && !fstat(fd, &st) && S_ISSOCK(st.st_mode))
			close(fd);
	}
}

static void enter(pid_t parent, const char *name, int keep)
{
	struct sched_param param = { 0 };

	/* Before PDEATHSIG: a change of credentials may clear that. */
	raise_capabilities();
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_DUMPABLE, 0); /* the cluster key is in memory */
	if (getppid() != parent) /* it died before the line above */
		_exit(1);
	prctl(PR_SET_NAME, name);
	sched_setscheduler(0, SCHED_OTHER, &param);
	setpriority(PRIO_PROCESS, 0, 0);
	settle_signals();
	close_sockets(keep);
}

pid_t hg_child_fork(const char *name, int keep)
{
	pid_t parent = getpid();
	pid_t pid = fork();

	if (pid < 0)
		return -errno;
	if (!pid)
		enter(parent, name, keep);
	return pid;
}
