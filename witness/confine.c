/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See confine.h. A call that is not on the list fails with EPERM. */
#include <errno.h>
#include <seccomp.h>
#include <sys/capability.h>
#include <sys/prctl.h>

#include "confine.h"

static int drop_capabilities(void)
{
	cap_t none = cap_init(); /* all flags clear */
	int err = 0;

	if (!none)
		return -ENOMEM;
	if (cap_set_proc(none) || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0))
		err = -errno;
	cap_free(none);
	return err;
}

static int filter_calls(bool may_open)
{
	static const int opening[] = { SCMP_SYS(openat), SCMP_SYS(flock), SCMP_SYS(ftruncate) };
	static const int allowed[] = {
		SCMP_SYS(recvmsg),
		SCMP_SYS(sendmsg),
		SCMP_SYS(sendto),
		SCMP_SYS(poll),
		SCMP_SYS(ppoll),
		SCMP_SYS(read),
		SCMP_SYS(write),
		SCMP_SYS(writev),
		SCMP_SYS(pwrite64),
		SCMP_SYS(fdatasync),
		SCMP_SYS(clock_gettime),
		SCMP_SYS(futex),
		SCMP_SYS(mmap),
		SCMP_SYS(munmap),
		SCMP_SYS(mprotect),
		SCMP_SYS(madvise),
		SCMP_SYS(brk),
		SCMP_SYS(close),
		SCMP_SYS(rt_sigreturn),
		SCMP_SYS(rt_sigprocmask),
		SCMP_SYS(restart_syscall),
		SCMP_SYS(exit),
		SCMP_SYS(exit_group),
		SCMP_SYS(getpid),
		SCMP_SYS(gettid),
		SCMP_SYS(tgkill),
		SCMP_SYS(rseq),
		SCMP_SYS(set_robust_list),
		SCMP_SYS(sched_yield),
		SCMP_SYS(newfstatat),
		SCMP_SYS(fstat),
	};
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int err;

	if (!filter)
		return -ENOMEM;
	err = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
	for (unsigned int i = 0; !err && i < sizeof(allowed) / sizeof(allowed[0]); i++)
		err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed[i], 0);
	for (unsigned int i = 0; may_open && !err && i < sizeof(opening) / sizeof(opening[0]); i++)
		err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, opening[i], 0);
	if (!err)
		err = seccomp_load(filter);
	seccomp_release(filter);
	return err;
}

int hg_confine(bool may_open)
{
	int err = drop_capabilities();

	return err ? err : filter_calls(may_open);
}
