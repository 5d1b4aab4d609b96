// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Stops a process at the system calls that change something (a seccomp filter, so that all
 * others cost nothing); kills it there, or makes one fail. Its children are let through.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/sync/trace.h"

struct call {
	unsigned int number;
	const char *name;
	int flags; /* argument that must have O_CREAT; -1: none */
};

/* What changes a disk, or says that it is durable. */
static const struct call calls[] = {
	{ SYS_openat, "openat", 2 },	    { SYS_open, "open", 1 },
	{ SYS_write, "write", -1 },	    { SYS_pwrite64, "pwrite", -1 },
	{ SYS_ftruncate, "ftruncate", -1 }, { SYS_rename, "rename", -1 },
	{ SYS_renameat, "renameat", -1 },   { SYS_renameat2, "renameat2", -1 },
	{ SYS_unlink, "unlink", -1 },	    { SYS_unlinkat, "unlinkat", -1 },
	{ SYS_rmdir, "rmdir", -1 },	    { SYS_mkdir, "mkdir", -1 },
	{ SYS_mkdirat, "mkdirat", -1 },	    { SYS_symlinkat, "symlinkat", -1 },
	{ SYS_link, "link", -1 },	    { SYS_linkat, "linkat", -1 },
	{ SYS_fchmod, "fchmod", -1 },	    { SYS_fchown, "fchown", -1 },
	{ SYS_fchownat, "fchownat", -1 },   { SYS_chmod, "chmod", -1 },
	{ SYS_fsync, "fsync", -1 },	    { SYS_fdatasync, "fdatasync", -1 },
	{ SYS_syncfs, "syncfs", -1 },	    { SYS_utimensat, "utimensat", -1 },
};
#define CALLS (sizeof(calls) / sizeof(calls[0]))

void trace_me(void)
{
	struct sock_filter filter[1 + 4 * CALLS + 1];
	struct sock_fprog program = { .filter = filter };
	unsigned short n = 0;
	size_t i;
	unsigned int argument;

	for (i = 0; i < CALLS; i++) {
		filter[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
							   offsetof(struct seccomp_data, nr));
		if (calls[i].flags < 0) {
			filter[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
								   calls[i].number, 0, 1);
		} else {
			argument = (unsigned int)(offsetof(struct seccomp_data, args) +
						  8 * (unsigned int)calls[i].flags);
			filter[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
								   calls[i].number, 0, 3);
			filter[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
								   argument);
			filter[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K,
								   O_CREAT, 0, 1);
		}
		filter[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE);
	}
	filter[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	program.len = n;
	if (ptrace(PTRACE_TRACEME, 0, 0, 0) || raise(SIGSTOP) ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
		abort();
}

static const char *name_of(const struct user_regs_struct *regs)
{
	size_t i;

	for (i = 0; i < CALLS; i++)
		if (calls[i].number == regs->orig_rax)
			return calls[i].name;
	return "?";
}

static void inject(pid_t pid, struct user_regs_struct *regs, int error)
{
	regs->orig_rax = (unsigned long long)-1;
	regs->rax = (unsigned long long)-error;
	if (ptrace(PTRACE_SETREGS, pid, 0, regs))
		abort();
}

/* All that is left of it and its children. */
static void reap(pid_t pid, int *ret_status)
{
	int status;
	pid_t one;

	while ((one = waitpid(-1, &status, __WALL)) > 0) {
		if (WIFSTOPPED(status))
			kill(one, SIGKILL);
		else if (one == pid)
			*ret_status = status;
	}
}

/* At one of the calls. True: it is to be killed. */
static bool on_call(pid_t pid, struct rig_fault *fault)
{
	struct user_regs_struct regs;

	if (fault->seen++ != fault->at || fault->kind == RIG_COUNT)
		return false;
	if (ptrace(PTRACE_GETREGS, pid, 0, &regs))
		abort();
	fault->is_hit = true;
	snprintf(fault->call, sizeof(fault->call), "%s", name_of(&regs));
	if (fault->kind == RIG_KILL)
		return true;
	inject(pid, &regs, fault->error);
	return false;
}

int trace_run(pid_t pid, struct rig_fault *fault)
{
	int status, signal, result = 0;
	pid_t one;

	fault->seen = 0;
	fault->is_hit = false;
	if (waitpid(pid, &status, 0) < 0 ||
	    ptrace(PTRACE_SETOPTIONS, pid, 0,
		   PTRACE_O_TRACESECCOMP | PTRACE_O_EXITKILL | PTRACE_O_TRACEFORK |
			   PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE) ||
	    ptrace(PTRACE_CONT, pid, 0, 0))
		abort();
	for (;;) {
		one = waitpid(-1, &status, __WALL);
		if (one < 0)
			abort();
		if (!WIFSTOPPED(status)) {
			if (one != pid)
				continue;
			result = status;
			break;
		}
		signal = status >> 16 || WSTOPSIG(status) == SIGSTOP ? 0 : WSTOPSIG(status);
		if (one == pid && status >> 8 == (SIGTRAP | PTRACE_EVENT_SECCOMP << 8) &&
		    on_call(pid, fault)) {
			kill(pid, SIGKILL);
			break;
		}
		ptrace(PTRACE_CONT, one, 0, signal);
	}
	reap(pid, &result);
	return result;
}
