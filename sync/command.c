// SPDX-License-Identifier: GPL-2.0-or-later
/* One child, a pipe for what it says, a pipe for why it could not start, a pidfd. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "sync/command.h"
#include "sync/files.h"

#define FD_MAX 1024

struct child {
	pid_t pid;
	int pidfd, said, fault;
	char *output;
	size_t size, length;
};

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* {staged} as one word for the shell. */
static void print_quoted(FILE *out, const char *text)
{
	putc('\'', out);
	for (; *text; text++)
		if (*text == '\'')
			fputs("'\\''", out);
		else
			putc(*text, out);
	putc('\'', out);
}

static char *expand(const struct hg_command *command)
{
	static const char mark[] = "{staged}";
	const char *text = command->text, *next;
	char *line = NULL;
	size_t length;
	FILE *out;

	out = open_memstream(&line, &length);
	if (!out)
		return NULL;
	while ((next = strstr(text, mark))) {
		fwrite(text, 1, (size_t)(next - text), out);
		print_quoted(out, command->staged);
		text = next + sizeof(mark) - 1;
	}
	fputs(text, out);
	if (fclose(out)) {
		free(line);
		return NULL;
	}
	return line;
}

static void set_environment(const struct hg_command *command)
{
	unsetenv("NOTIFY_SOCKET"); /* a service manager hears this program only */
	setenv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", 1);
	setenv("HAGATE_STAGED", command->staged, 1);
	setenv("HAGATE_PATH", command->path, 1);
	setenv("HAGATE_NODE", command->node, 1);
	setenv("HAGATE_GENERATION", command->generation, 1);
}

static int prepare(const struct hg_command *command, int said, int fault)
{
	sigset_t none;
	int null, i;

	if (setsid() < 0)
		return -errno;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	signal(SIGCHLD, SIG_DFL);
	umask(022);
	null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (null < 0 || dup2(null, 0) < 0 || dup2(said, 1) < 0 || dup2(said, 2) < 0)
		return -errno;
	for (i = 3; i < FD_MAX; i++)
		if (i != fault)
			close(i);
	set_environment(command);
	return command->enter ? command->enter(command->arg) : 0;
}

static void __attribute__((noreturn))
run_child(const struct hg_command *command, const char *line, int said, int fault)
{
	int r;

	/* Above what prepare() replaces. */
	said = fcntl(said, F_DUPFD_CLOEXEC, 3);
	fault = fcntl(fault, F_DUPFD_CLOEXEC, 3);
	r = said < 0 || fault < 0 ? -errno : prepare(command, said, fault);
	if (!r) {
		execl("/bin/sh", "sh", "-c", line, (char *)NULL);
		r = -errno;
	}
	if (write(fault, &r, sizeof(r)) != (ssize_t)sizeof(r))
		_exit(125);
	_exit(126);
}

static int start(const struct hg_command *command, struct child *child)
{
	int said[2], fault[2];
	char *line;

	line = expand(command);
	if (!line)
		return -ENOMEM;
	if (pipe2(said, O_CLOEXEC)) {
		free(line);
		return -errno;
	}
	if (pipe2(fault, O_CLOEXEC)) {
		close(said[0]);
		close(said[1]);
		free(line);
		return -EMFILE;
	}
	child->pid = fork();
	if (!child->pid)
		run_child(command, line, said[1], fault[1]);
	free(line);
	close(said[1]);
	close(fault[1]);
	child->said = said[0];
	child->fault = fault[0];
	if (child->pid < 0)
		return -EAGAIN;
	fcntl(child->said, F_SETFL, O_NONBLOCK);
	child->pidfd = (int)syscall(SYS_pidfd_open, child->pid, 0);
	return child->pidfd < 0 ? -errno : 0;
}

/* Takes what is there; what is beyond the room is read and forgotten. False: at its end. */
static bool drain(struct child *child)
{
	char rest[512];
	ssize_t n;

	for (;;) {
		n = read(child->said, rest, sizeof(rest));
		if (n <= 0)
			return n < 0 && (errno == EAGAIN || errno == EINTR);
		if ((size_t)n > child->size - 1 - child->length)
			n = (ssize_t)(child->size - 1 - child->length);
		memcpy(child->output + child->length, rest, (size_t)n);
		child->length += (size_t)n;
	}
}

/* Until the shell itself ends: what it left in the background may keep the pipe. */
static int wait_for(struct child *child, int64_t until)
{
	struct pollfd polled[2] = {
		{ .fd = child->pidfd, .events = POLLIN },
		{ .fd = child->said, .events = POLLIN },
	};
	int64_t left;

	for (;;) {
		left = until - now_ms();
		if (left <= 0)
			return -ETIME;
		if (poll(polled, 2, (int)left) < 0 && errno != EINTR)
			return -errno;
		if (polled[1].revents && !drain(child))
			polled[1].fd = -1;
		if (polled[0].revents)
			return 0;
	}
}

static void clean_output(struct child *child)
{
	size_t i;

	while (child->length && strchr(" \n\t", child->output[child->length - 1]))
		child->length--;
	child->output[child->length] = '\0';
	for (i = 0; i < child->length; i++)
		if ((unsigned char)child->output[i] < ' ' && child->output[i] != '\n' &&
		    child->output[i] != '\t')
			child->output[i] = '?';
}

int hg_command_run(const struct hg_command *command, char *output, size_t size, int *ret_status)
{
	struct child child = {
		.pidfd = -1, .said = -1, .fault = -1, .output = output, .size = size
	};
	int timeout = command->timeout_s ? (int)command->timeout_s : HG_COMMAND_TIMEOUT_S;
	int r, fault = 0, status = 0;

	r = start(command, &child);
	if (!r)
		r = wait_for(&child, now_ms() + (int64_t)timeout * 1000);
	if (child.pid > 0) {
		if (r) {
			/* The group is there once the child called setsid(). */
			kill(-child.pid, SIGKILL);
			kill(child.pid, SIGKILL);
		}
		while (waitpid(child.pid, &status, 0) < 0 && errno == EINTR)
			;
		drain(&child);
	}
	if (!r && read(child.fault, &fault, sizeof(fault)) == (ssize_t)sizeof(fault))
		r = fault;
	clean_output(&child);
	if (child.pidfd >= 0)
		close(child.pidfd);
	if (child.said >= 0)
		close(child.said);
	if (child.fault >= 0)
		close(child.fault);
	if (!r)
		*ret_status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	return r;
}
