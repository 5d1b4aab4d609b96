/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Stories that outlive the agent: STATE/transition-ID.jsonl, one for each of the last
 * HG_DUMP_FILES episodes (story.h). The first line is that of recorder_json.h with the
 * story as a further member, then the steps round it: what `hagate events --steps --json`
 * would have printed then.
 *
 * Written by a forked child soon after a transition, and again when the episode is over;
 * to a temporary file, synced and renamed, so that a name stands for a whole file.
 */
#ifndef HG_DUMP_H
#define HG_DUMP_H

#include <jansson.h>

#include "agent/flight.h"

#define HG_DUMP_FILES 16
#define HG_DUMP_STEPS_MAX 1024 /* in one file: below 1 MB */

/* From the loop: starts a child when there is something to write. */
void hg_dump_slow_tick(struct hg_agent *agent);

/* Blocks: at the end of the agent, what was not written yet. */
void hg_dump_finish(struct hg_agent *agent);

/* 0 or -errno. Blocks. */
int hg_dump_write(const struct hg_agent *agent, const struct hg_episode *episode);

/* Names in `dir`, the newest first; returns their number. Blocks. */
size_t hg_dump_list(const char *dir, uint64_t *ret_ids, size_t size);

/* The story in one of them, a new reference. -ENOENT; -EBADMSG: damaged. Blocks. */
int hg_dump_read(const char *dir, uint64_t id, json_t **ret_story);

#endif
