/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Durations on the command line, in the units of cluster.yaml and a few shorter ones. */
#ifndef HG_DURATION_H
#define HG_DURATION_H

#define HG_DURATION_UNITS "ms, s, m or min, h, d; without a unit seconds"

/* Seconds, 1 to 1000000000; -1: no such duration, or no whole seconds. */
long long hg_duration_seconds(const char *text);

#endif
