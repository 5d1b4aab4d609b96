/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The teaching half: sends what the other node lacks. Only hagate-sync, which only a member
 * runs, has it.
 */
#ifndef HG_SYNC_TEACH_H
#define HG_SYNC_TEACH_H

#include "sync/history.h"
#include "sync/talk.h"

/* Answers GET with PACK ... END, up to `to`, which may be a generation that is not main yet. */
int hg_teach_send(struct hg_talk *talk, struct hg_history *history, const struct hg_message *get,
		  const struct hg_head *to, struct hg_sync_error *error);

#endif
