// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Plays a recorded log of hagated's election again: `hagate events --steps --json`, a file
 * below the state directory's steps/, or what `sim seed N --record FILE` wrote. Each step
 * goes through the same core; the first that comes to another state or does something
 * else is reported.
 *
 *   replay [FILE]      - or nothing: standard input
 *
 * Exit: 0 all steps are the same, 1 one is not, 2 the file cannot be read or is none.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/recorder_json.h"

struct replay {
	const char *name;
	unsigned long line, steps, snapshots;
	bool has_state;
	struct hg_elect el;
};

static int complain(const struct replay *replay, const char *what)
{
	fprintf(stderr, "%s:%lu: %s\n", replay->name, replay->line, what);
	return 2;
}

static int take_snapshot(struct replay *replay, const json_t *json)
{
	char text[160];

	if (!hg_recorder_snapshot_from_json(json, &replay->el)) {
		replay->has_state = true;
		replay->snapshots++;
		return 0;
	}
	snprintf(text, sizeof(text),
		 "the snapshot is not one of this version (struct hg_elect has %zu octets here, "
		 "%lld there): replay with the version that recorded it",
		 sizeof(replay->el), (long long)json_integer_value(json_object_get(json, "size")));
	return complain(replay, text);
}

static void print_actions(const char *who, enum hg_elect_state state, uint64_t epoch,
			  const uint8_t *types, unsigned int count, uint64_t digest)
{
	printf("  %-9s %s, epoch 0x%" PRIx64 ":", who, hg_elect_state_name(state), epoch);
	for (unsigned int i = 0; i < count; i++)
		printf(" %s", hg_recorder_action_name(types[i]));
	printf(" (digest 0x%016" PRIx64 ")\n", digest);
}

static int differ(const struct replay *replay, const struct hg_record *step,
		  enum hg_elect_state from, const struct hg_actions *actions)
{
	uint8_t types[HG_ACTIONS_MAX];

	for (unsigned int i = 0; i < actions->count; i++)
		types[i] = actions->list[i].type;
	printf("%s:%lu: step %lu, %s at %.6f ms in %s, comes out otherwise\n", replay->name,
	       replay->line, replay->steps, hg_recorder_event_name(step->event.type),
	       step->event.now.ns / 1e6, hg_elect_state_name(from));
	print_actions("recorded", step->state, step->epoch, step->action, step->count,
		      step->digest);
	print_actions("replayed", replay->el.state, replay->el.epoch, types, actions->count,
		      hg_recorder_digest(actions));
	return 1;
}

static bool is_same(const struct replay *replay, const struct hg_record *step,
		    const struct hg_actions *actions)
{
	bool is_equal = replay->el.state == step->state && actions->count == step->count &&
			actions->again == step->again;

	for (unsigned int i = 0; is_equal && i < actions->count; i++)
		is_equal = actions->list[i].type == step->action[i];
	/* Logs without them are compared by names alone. */
	if (is_equal && step->digest)
		is_equal = step->digest == hg_recorder_digest(actions) &&
			   step->epoch == replay->el.epoch;
	return is_equal;
}

static int take_step(struct replay *replay, const json_t *json)
{
	enum hg_elect_state from = replay->el.state;
	struct hg_actions actions;
	struct hg_record step;

	if (hg_recorder_step_from_json(json, &step))
		return complain(replay, "neither a snapshot nor a step");
	if (!replay->has_state)
		return complain(replay, "a step before any snapshot");
	hg_elect_step(&replay->el, &step.event, &actions);
	replay->steps++;
	return is_same(replay, &step, &actions) ? 0 : differ(replay, &step, from, &actions);
}

static int take_line(struct replay *replay, const char *text, size_t length)
{
	json_error_t error;
	json_t *json = json_loadb(text, length, 0, &error);
	int ret;

	if (!json)
		return complain(replay, error.text);
	ret = json_object_get(json, "snapshot") ? take_snapshot(replay, json)
						: take_step(replay, json);
	json_decref(json);
	return ret;
}

static int play(struct replay *replay, FILE *in)
{
	char *line = NULL;
	size_t size = 0;
	ssize_t length;
	int ret = 0;

	while (!ret && (length = getline(&line, &size, in)) >= 0) {
		replay->line++;
		if (length > 1)
			ret = take_line(replay, line, length);
	}
	if (!ret && ferror(in))
		ret = complain(replay, strerror(errno));
	if (!ret && !replay->steps)
		ret = complain(replay, "no steps in it");
	free(line);
	return ret;
}

int main(int argc, char **argv)
{
	struct replay replay = { .name = argc > 1 ? argv[1] : "-" };
	FILE *in = stdin;
	int ret;

	if (argc > 2 || !strcmp(replay.name, "--help")) {
		fprintf(stderr, "usage: replay [FILE]\n");
		return 2;
	}
	if (strcmp(replay.name, "-"))
		in = fopen(replay.name, "r");
	if (!in) {
		perror(replay.name);
		return 2;
	}
	ret = play(&replay, in);
	if (!ret)
		printf("%s: %lu steps from %lu snapshot%s, all the same\n", replay.name,
		       replay.steps, replay.snapshots, replay.snapshots == 1 ? "" : "s");
	fclose(in);
	return ret;
}
