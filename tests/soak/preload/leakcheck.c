// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Lets LeakSanitizer look at hagated when it ends (LD_PRELOAD): it stops the process by
 * ptrace, which hagated has forbidden itself and others by then (agent/privilege.c). For
 * soaks of sanitized builds only.
 */
#include <stdlib.h>
#include <sys/prctl.h>

int seccomp_load(void *filter);

int seccomp_load(void *filter)
{
	(void)filter;
	return 0;
}

static void allow_look(void)
{
	prctl(PR_SET_DUMPABLE, 1);
}

/* Registered after the sanitizer's own handler, and so run before it. */
__attribute__((constructor)) static void at_end(void)
{
	atexit(allow_look);
}
