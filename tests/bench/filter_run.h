/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Shared by the files of filter_run. */
#ifndef BENCH_FILTER_RUN_H
#define BENCH_FILTER_RUN_H

#include <stdint.h>

#include "filter_sets.h"

struct bpf_object;

/* Both end the process when the name is not there. */
int run_fd(struct bpf_object *object, const char *name);
int run_map(struct bpf_object *object, const char *name);
/* vary.bpf.c, loaded; vary_send sends out of `out`. */
struct bpf_object *run_open_vary(const char *path, uint32_t out, struct vary_frame **ret_frames);
struct vary_frame *run_frames(void);
/* ns per packet of the gate; allowed: bits of XDP verdicts. */
double run_gate_cost(unsigned int allowed);
void run_say(const char *name, unsigned int rules, const char *unit, double value);

void run_blocklist(unsigned int rounds, uint32_t count);
void run_rate(const char *path, unsigned int rounds, double seconds);

#endif
