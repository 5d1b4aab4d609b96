// SPDX-License-Identifier: GPL-2.0-or-later
/* The steps of one node, with hagated's own flight recorder and in its format. */
#include "agent/recorder_json.h"
#include "world.h"

static struct hg_recorder recorder;

static bool is_recorded(const struct sim_world *world, unsigned int n)
{
	return world->record && world->recorded == n;
}

static void put(struct sim_world *world, json_t *json)
{
	json_dumpf(json, world->record, JSON_COMPACT);
	fputc('\n', world->record);
	json_decref(json);
}

/* A new life of the agent: a snapshot, then its steps. */
void sim_record_start(struct sim_world *world, unsigned int n)
{
	if (is_recorded(world, n))
		put(world, hg_recorder_snapshot_to_json(&world->node[n].el));
}

void sim_record_begin(struct sim_world *world, unsigned int n)
{
	if (is_recorded(world, n))
		hg_recorder_begin(&recorder, &world->node[n].el);
}

void sim_record_end(struct sim_world *world, unsigned int n)
{
	struct sim_node *node = &world->node[n];

	if (!is_recorded(world, n))
		return;
	hg_recorder_end(&recorder, &node->el, &node->ev, &node->actions, (struct hg_span){ 0 });
	put(world, hg_recorder_step_to_json(hg_recorder_step(&recorder, recorder.count - 1)));
}
