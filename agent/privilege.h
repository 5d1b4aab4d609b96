/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What hagated asks of the machine at start, and gives up afterwards.
 */
#ifndef HG_PRIVILEGE_H
#define HG_PRIVILEGE_H

/* Locks memory and becomes SCHED_FIFO. What cannot be had is a warning with the
 * remedy, not an error: an agent without it is late sooner, not wrong. */
void hg_privilege_realtime(void);

/* Keeps CAP_NET_ADMIN, CAP_NET_RAW, CAP_BPF, CAP_PERFMON; drops the rest for good,
 * sets no_new_privs, and
 * leaves no core dumps (the cluster key is in memory). 0 or -errno. */
int hg_privilege_drop(void);

/* Refuses the system calls that no part of hagated or its worker needs (exec, ptrace,
 * mounts, modules, ...), with EPERM. 0 or -errno. */
int hg_privilege_seccomp(void);

#endif
