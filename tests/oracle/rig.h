/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * classify.bpf.o on pinned maps of its own, for tests of the loader's filter half and of
 * the classifier in the kernel. Failures end the program with their reason.
 */
#ifndef TEST_ORACLE_RIG_H
#define TEST_ORACLE_RIG_H

#include "generate.h"
#include "tests/oracle/classify.h"

struct rig {
	char pin[64];
	struct bpf_object *object;
	int all_fd, first_fd, none_fd, answer_fd, flows_fd;
};

/* The object lies beside the program; pins below /sys/fs/bpf, removed by rig_done(). */
struct rig *rig_new(const char *program);
void rig_done(struct rig *rig);
/* Loads the programs anew, on the maps that are pinned, as an agent's restart does. */
void rig_reload(struct rig *rig);

struct hg_compiled *rig_compile(struct generated *g);
void rig_apply(struct rig *rig, const struct hg_compiled *set, struct hg_filter_result *ret);
/* All rules that match, as the kernel finds them. */
void rig_classify(struct rig *rig, const struct packet *packet, struct classify_answer *ret);
/* Mean ns per run of one of the programs over the flows; count runs. */
double rig_time(int prog_fd, unsigned int count);

#endif
