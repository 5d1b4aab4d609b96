/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See history.h. */
#include <stddef.h>

#include "history.h"

const struct hg_history_event *hg_history_add(struct hg_history *history,
					      const struct hg_history_event *event)
{
	struct hg_history_event *slot = &history->ring[history->count % HG_HISTORY_MAX];

	*slot = *event;
	slot->seq = ++history->count;
	clock_gettime(CLOCK_REALTIME, &slot->wall);
	return slot;
}

const struct hg_history_event *hg_history_get(const struct hg_history *history, uint64_t seq)
{
	if (seq < hg_history_oldest(history) || seq > history->count)
		return NULL;
	return &history->ring[(seq - 1) % HG_HISTORY_MAX];
}

uint64_t hg_history_oldest(const struct hg_history *history)
{
	return history->count > HG_HISTORY_MAX ? history->count - HG_HISTORY_MAX + 1 : 1;
}

const char *hg_history_type_name(enum hg_history_type type)
{
	switch (type) {
	case HG_HISTORY_TRANSITION:
		return "transition";
	case HG_HISTORY_FAULT:
		return "fault";
	case HG_HISTORY_PEER:
		return "peer";
	case HG_HISTORY_CONFIG:
		return "config";
	case HG_HISTORY_OPERATOR:
		return "operator";
	}
	return "unknown";
}
