// SPDX-License-Identifier: GPL-2.0-or-later
/* Follows a process from system call to system call; kills it, or makes one fail. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/sync/trace.h"

struct call {
	long number;
	const char *name;
};

/* What changes a disk, or says that it is durable. openat() only if it may make a file. */
static const struct call calls[] = {
	{ SYS_openat, "openat" },	{ SYS_write, "write" },
	{ SYS_pwrite64, "pwrite" },	{ SYS_ftruncate, "ftruncate" },
	{ SYS_rename, "rename" },	{ SYS_renameat, "renameat" },
	{ SYS_renameat2, "renameat2" }, { SYS_unlink, "unlink" },
	{ SYS_unlinkat, "unlinkat" },	{ SYS_rmdir, "rmdir" },
	{ SYS_mkdir, "mkdir" },		{ SYS_mkdirat, "mkdirat" },
	{ SYS_symlinkat, "symlinkat" }, { SYS_link, "link" },
	{ SYS_linkat, "linkat" },	{ SYS_fchmod, "fchmod" },
	{ SYS_fchown, "fchown" },	{ SYS_fchownat, "fchownat" },
	{ SYS_chmod, "chmod" },		{ SYS_fsync, "fsync" },
	{ SYS_fdatasync, "fdatasync" }, { SYS_syncfs, "syncfs" },
	{ SYS_utimensat, "utimensat" }, { SYS_open, "open" },
};

static const char *name_of(const struct user_regs_struct *regs)
{
	unsigned long flags = regs->orig_rax == SYS_open ? regs->rsi : regs->rdx;
	size_t i;

	if ((regs->orig_rax == SYS_openat || regs->orig_rax == SYS_open) && !(flags & O_CREAT))
		return NULL;
	for (i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		if (calls[i].number == (long)regs->orig_rax)
			return calls[i].name;
	return NULL;
}

/* To the next stop; false: it ended, with *ret_status. */
static bool go_on(pid_t pid, int *ret_status)
{
	int signal = 0;

	for (;;) {
		if (ptrace(PTRACE_SYSCALL, pid, 0, signal) || waitpid(pid, ret_status, 0) < 0)
			abort();
		if (WIFEXITED(*ret_status) || WIFSIGNALED(*ret_status))
			return false;
		if (WSTOPSIG(*ret_status) == (SIGTRAP | 0x80))
			return true;
		signal = WSTOPSIG(*ret_status);
	}
}

static void inject(pid_t pid, struct user_regs_struct *regs, int error, int *ret_status)
{
	regs->orig_rax = (unsigned long long)-1;
	if (ptrace(PTRACE_SETREGS, pid, 0, regs) || !go_on(pid, ret_status) ||
	    ptrace(PTRACE_GETREGS, pid, 0, regs))
		abort();
	regs->rax = (unsigned long long)-error;
	if (ptrace(PTRACE_SETREGS, pid, 0, regs))
		abort();
}

int trace_run(pid_t pid, struct rig_fault *fault)
{
	struct user_regs_struct regs;
	bool is_entry = true;
	const char *name;
	int status;

	fault->seen = 0;
	fault->is_hit = false;
	if (waitpid(pid, &status, 0) < 0 ||
	    ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL))
		abort();
	for (; go_on(pid, &status); is_entry = !is_entry) {
		if (!is_entry)
			continue;
		if (ptrace(PTRACE_GETREGS, pid, 0, &regs))
			abort();
		name = name_of(&regs);
		if (!name || fault->seen++ != fault->at || fault->kind == RIG_COUNT)
			continue;
		fault->is_hit = true;
		snprintf(fault->call, sizeof(fault->call), "%s", name);
		if (fault->kind == RIG_KILL) {
			kill(pid, SIGKILL);
			waitpid(pid, &status, 0);
			return status;
		}
		inject(pid, &regs, fault->error, &status);
		is_entry = false;
	}
	return status;
}
