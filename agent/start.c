// SPDX-License-Identifier: GPL-2.0-or-later
/* The start of hagated up to a data path that is ready: the run directory's lock, setup. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent.h"
#include "log.h"

/* One agent per run directory. The lock dies with the process and is not passed on to
 * its children, which may outlive it for a moment. */
static int lock_run(const char *run)
{
	struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	char path[PATH_MAX + 16];
	int err, fd;

	mkdir(run, 0755);
	snprintf(path, sizeof(path), "%s/hagated.lock", run);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd >= 0 && !fcntl(fd, F_SETLK, &whole))
		return 0; /* the descriptor stays open */
	err = -errno;
	if (fd < 0)
		hg_error("%s: %s", path, strerror(-err));
	else
		hg_error("another hagated runs with %s: stop it, or set `paths.run`", run);
	if (fd >= 0)
		close(fd);
	return err;
}

/* 0 also when the file is wrong: setup says how. */
static int lock_by_file(const char *node_path)
{
	struct hg_node_config *node = malloc(sizeof(*node));
	FILE *nowhere = fopen("/dev/null", "w");
	int err = 0;

	if (!node || !nowhere)
		err = -ENOMEM;
	else if (!hg_config_read_node(node_path, node, nowhere))
		err = lock_run(node->run);
	if (nowhere)
		fclose(nowhere);
	free(node);
	return err;
}

/* In a child too, though nobody is served yet: what a large ruleset needs of memory
 * would stay with this process, which locks all it has. */
int hg_start_setup(struct hg_agent *agent)
{
	pid_t pid;
	int err = lock_by_file(agent->node_path);

	agent->setup = hg_setup_new();
	if (!err && !agent->setup)
		err = -ENOMEM;
	if (!err)
		err = hg_setup_fork(agent->node_path, agent->setup, NULL, NULL, &pid);
	if (err)
		return err;
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	fputs(agent->setup->diagnostics, stderr); /* warnings too */
	return agent->setup->err;
}
