// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * `why`: the story of the last change of role, or of the nth last. From memory where the
 * steps round it are still there, else from the files that earlier lives left (dump.h).
 * Runs in a task.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "agent/dump.h"
#include "agent/flight.h"

#define BACK_MAX 1000

struct known {
	uint64_t id;
	unsigned int back; /* in memory; 0: a file only */
	struct hg_episode episode;
};

struct list {
	size_t count;
	struct known one[HG_CHANGES + HG_DUMP_FILES];
};

static void collect(const struct hg_agent *agent, struct list *list)
{
	uint64_t file[HG_DUMP_FILES];
	size_t files = hg_dump_list(agent->setup->node.state, file, HG_DUMP_FILES);
	size_t in_memory;

	list->count = 0;
	while (list->count < HG_CHANGES) {
		struct known *one = &list->one[list->count];

		one->back = list->count + 1;
		if (!hg_changes_episode(&agent->flight->changes, one->back, &one->episode))
			break;
		one->id = hg_episode_id(&agent->flight->changes, &one->episode);
		list->count++;
	}
	in_memory = list->count;
	for (size_t i = 0; i < files; i++) {
		bool is_new = true;

		for (size_t m = 0; m < in_memory; m++)
			is_new &= list->one[m].id != file[i];
		if (is_new)
			list->one[list->count++] = (struct known){ .id = file[i] };
	}
}

/* Memory first, for as long as it has the steps; a file tells what memory has forgotten. */
static json_t *tell(const struct hg_agent *agent, const struct known *one, int *ret_err)
{
	struct hg_story story;
	json_t *json = NULL;

	*ret_err = 0;
	if (one->back) {
		hg_story_find(agent, &one->episode, &story);
		if (story.has_steps)
			return hg_story_tell(agent, &one->episode);
	}
	*ret_err = hg_dump_read(agent->setup->node.state, one->id, &json);
	if (*ret_err && one->back) {
		*ret_err = 0;
		return hg_story_tell(agent, &one->episode);
	}
	return json;
}

static json_t *answer(struct hg_task *task, void *context, json_t *arguments)
{
	const struct hg_agent *agent = context;
	const json_t *asked = json_object_get(arguments, "back");
	json_int_t back = asked ? json_integer_value(asked) : 1;
	struct list list;
	json_t *story;
	int err;

	(void)task;
	if (back < 1 || back > BACK_MAX)
		return hg_task_fail("\"back\" must be a number from 1 (the last) to %d", BACK_MAX);
	collect(agent, &list);
	if (!list.count)
		return hg_task_fail("no change of role is known");
	if ((size_t)back > list.count)
		return hg_task_fail("only %zu change%s of role %s known: those since the agent "
				    "started, and the last %d on disk; the journal goes further "
				    "back: journalctl -u hagated",
				    list.count, list.count == 1 ? "" : "s",
				    list.count == 1 ? "is" : "are", HG_DUMP_FILES);
	story = tell(agent, &list.one[back - 1], &err);
	if (err)
		return hg_task_fail("%s: the record of that change cannot be read (%s)",
				    agent->setup->node.state, strerror(-err));
	return json_pack("{s:b,s:o,s:I}", "ok", 1, "why", story, "known", (json_int_t)list.count);
}

void hg_why_on_ask(void *context, struct hg_control_request *req, json_t *arguments)
{
	struct hg_agent *agent = context;

	hg_task_start(&agent->tasks, req, answer, agent, arguments);
}
