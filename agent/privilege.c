/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See privilege.h. */
#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <stdbool.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "log.h"
#include "privilege.h"

/* Above ordinary real-time jobs, below the kernel's own threads at 99. */
#define FIFO_PRIORITY 60

void hg_privilege_realtime(void)
{
	const struct rlimit unlimited = { RLIM_INFINITY, RLIM_INFINITY };
	struct sched_param param = { .sched_priority = FIFO_PRIORITY };
	int flags = MCL_CURRENT;

	/* Without CAP_IPC_LOCK, later, memory to come counts against this limit. */
	if (!setrlimit(RLIMIT_MEMLOCK, &unlimited))
		flags |= MCL_FUTURE;
	if (mlockall(flags))
		hg_warning(
			"memory is not locked (%s): under memory pressure the agent may be late; "
			"grant CAP_IPC_LOCK or raise LimitMEMLOCK",
			strerror(errno));
	if (sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &param))
		hg_warning("no real-time priority (%s): under load the agent may be late and the "
			   "peer take over; grant CAP_SYS_NICE or raise LimitRTPRIO",
			   strerror(errno));
}

int hg_privilege_drop(void)
{
	static const cap_value_t kept[] = { CAP_NET_ADMIN, CAP_NET_RAW, CAP_BPF, CAP_PERFMON };
	cap_t caps = cap_init();
	int err = 0;

	if (!caps)
		return -ENOMEM;
	for (int cap = 0; cap <= cap_max_bits(); cap++) {
		bool is_kept = false;

		for (unsigned int i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
			is_kept |= kept[i] == cap;
		if (!is_kept && cap_get_bound(cap) == 1)
			cap_drop_bound(cap);
	}
	if (cap_set_flag(caps, CAP_PERMITTED, sizeof(kept) / sizeof(kept[0]), kept, CAP_SET) ||
	    cap_set_flag(caps, CAP_EFFECTIVE, sizeof(kept) / sizeof(kept[0]), kept, CAP_SET) ||
	    cap_set_proc(caps) || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0))
		err = -errno;
	cap_free(caps);
	return err;
}

int hg_privilege_seccomp(void)
{
	static const int refused[] = {
		SCMP_SYS(execve),
		SCMP_SYS(execveat),
		SCMP_SYS(ptrace),
		SCMP_SYS(mount),
		SCMP_SYS(umount2),
		SCMP_SYS(pivot_root),
		SCMP_SYS(chroot),
		SCMP_SYS(init_module),
		SCMP_SYS(finit_module),
		SCMP_SYS(delete_module),
		SCMP_SYS(kexec_load),
		SCMP_SYS(reboot),
		SCMP_SYS(swapon),
		SCMP_SYS(swapoff),
		SCMP_SYS(setns),
		SCMP_SYS(unshare),
		SCMP_SYS(keyctl),
		SCMP_SYS(add_key),
		SCMP_SYS(request_key),
		SCMP_SYS(userfaultfd),
		SCMP_SYS(process_vm_readv),
		SCMP_SYS(settimeofday),
		SCMP_SYS(process_vm_writev),
		SCMP_SYS(clock_settime),
		SCMP_SYS(adjtimex),
		SCMP_SYS(clock_adjtime),
		SCMP_SYS(open_by_handle_at),
	};
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	int err = 0;

	if (!filter)
		return -ENOMEM;
	for (unsigned int i = 0; !err && i < sizeof(refused) / sizeof(refused[0]); i++)
		err = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), refused[i], 0);
	if (!err)
		err = seccomp_load(filter);
	seccomp_release(filter);
	return err;
}
