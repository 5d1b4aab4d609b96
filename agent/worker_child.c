// SPDX-License-Identifier: GPL-2.0-or-later
/* See worker_child.h. */
#include "agent/worker_child.h"

#include <unistd.h>

#include "agent/child.h"
#include "agent/job.h"

pid_t hg_worker_child(int fd, const char *state_dir)
{
	pid_t pid = hg_child_fork("hagated-worker", fd);

	if (!pid)
		_exit(hg_job_serve(fd, state_dir) ? 1 : 0);
	return pid;
}
