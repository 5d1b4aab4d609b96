// SPDX-License-Identifier: GPL-2.0-or-later
/* See dump.h. */
#include "agent/dump.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/recorder_json.h"

#define NAME_FORMAT "transition-%013" PRIu64 ".jsonl"
#define TEMPORARY_FORMAT ".transition.%d.tmp" /* pid: two children may write at once */
#define LINE_MAX_LEN 65536 /* of the first line */
#define LIST_MAX 512 /* strangers may have put files there */

/* --- files ---------------------------------------------------------------------------- */

static bool parse_name(const char *name, uint64_t *ret_id)
{
	char again[64];
	uint64_t id;

	if (sscanf(name, "transition-%13" SCNu64 ".jsonl", &id) != 1)
		return false;
	snprintf(again, sizeof(again), NAME_FORMAT, id);
	if (strcmp(name, again))
		return false;
	*ret_id = id;
	return true;
}

static int compare_newest(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? 1 : x > y ? -1 : 0;
}

size_t hg_dump_list(const char *dir, uint64_t *ret_ids, size_t size)
{
	struct dirent *entry;
	size_t count = 0;
	DIR *handle = opendir(dir);

	if (!handle)
		return 0;
	while (count < size && (entry = readdir(handle)))
		count += parse_name(entry->d_name, &ret_ids[count]);
	closedir(handle);
	qsort(ret_ids, count, sizeof(*ret_ids), compare_newest);
	return count;
}

/* What a writer left that died before it was done. */
static void remove_leftovers(const char *dir)
{
	struct dirent *entry;
	DIR *handle = opendir(dir);
	char again[64];
	int pid;

	while (handle && (entry = readdir(handle))) {
		if (sscanf(entry->d_name, TEMPORARY_FORMAT, &pid) != 1 || pid <= 0)
			continue;
		snprintf(again, sizeof(again), TEMPORARY_FORMAT, pid);
		if (!strcmp(again, entry->d_name) && kill(pid, 0) && errno == ESRCH)
			unlinkat(dirfd(handle), again, 0);
	}
	if (handle)
		closedir(handle);
}

static void remove_old(const char *dir)
{
	uint64_t id[LIST_MAX];
	size_t count = hg_dump_list(dir, id, LIST_MAX);
	char path[PATH_MAX];

	for (size_t i = HG_DUMP_FILES; i < count; i++) {
		snprintf(path, sizeof(path), "%.4000s/" NAME_FORMAT, dir, id[i]);
		unlink(path);
	}
}

static int put_line(FILE *file, json_t *line)
{
	int err = line ? json_dumpf(line, file, JSON_COMPACT | JSON_REAL_PRECISION(15)) : -1;

	json_decref(line);
	return err || putc('\n', file) == EOF ? -EIO : 0;
}

/* The block that begins a window before the episode, or where the ring begins. */
static uint64_t first_step(const struct hg_recorder *recorder, const struct hg_change *first)
{
	uint64_t oldest = hg_recorder_oldest(recorder), number = first->step;

	if (number < oldest)
		number = oldest;
	while (number > oldest &&
	       hg_time_since(first->at, hg_recorder_step(recorder, number - 1)->event.now).ns <
		       HG_STORY_WINDOW.ns)
		number--;
	if (recorder->count > number + HG_DUMP_STEPS_MAX)
		number = recorder->count - HG_DUMP_STEPS_MAX;
	return hg_recorder_block(number);
}

static int put_steps(FILE *file, const struct hg_agent *agent, const struct hg_episode *episode)
{
	const struct hg_flight *flight = agent->flight;
	const struct hg_recorder *recorder = &flight->recorder;
	uint64_t number = first_step(recorder, hg_changes_get(&flight->changes, episode->first));
	const struct hg_elect *before = hg_recorder_before(recorder, number);
	json_t *head;
	int err;

	if (!before)
		return -ENODATA;
	head = hg_recorder_snapshot_to_json(before);
	json_object_set_new(head, "story", hg_story_tell(agent, episode));
	err = put_line(file, head);
	for (; !err && number < recorder->count; number++)
		err = put_line(file, hg_recorder_step_to_json(hg_recorder_step(recorder, number)));
	return err;
}

static int write_file(const struct hg_agent *agent, const struct hg_episode *episode,
		      const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	FILE *file = fd < 0 ? NULL : fdopen(fd, "w");
	int err;

	if (!file) {
		err = -errno;
		if (fd >= 0)
			close(fd);
		return err;
	}
	err = put_steps(file, agent, episode);
	if (!err && (fflush(file) || fsync(fd)))
		err = -errno;
	if (fclose(file) && !err)
		err = -errno;
	return err;
}

int hg_dump_write(const struct hg_agent *agent, const struct hg_episode *episode)
{
	const char *dir = agent->setup->node.state;
	char temporary[PATH_MAX], path[PATH_MAX];
	int err;

	snprintf(temporary, sizeof(temporary), "%.4000s/" TEMPORARY_FORMAT, dir, (int)getpid());
	snprintf(path, sizeof(path), "%.4000s/" NAME_FORMAT, dir,
		 hg_episode_id(&agent->flight->changes, episode));
	err = write_file(agent, episode, temporary);
	if (!err && rename(temporary, path))
		err = -errno;
	if (err)
		unlink(temporary);
	remove_old(dir);
	remove_leftovers(dir);
	return err;
}

int hg_dump_read(const char *dir, uint64_t id, json_t **ret_story)
{
	char path[PATH_MAX], *line = malloc(LINE_MAX_LEN), *end = NULL;
	json_t *head, *story;
	ssize_t n = -1;
	int fd, err;

	snprintf(path, sizeof(path), "%.4000s/" NAME_FORMAT, dir, id);
	fd = line ? open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC) : -1;
	err = -errno;
	if (fd >= 0) {
		n = read(fd, line, LINE_MAX_LEN);
		close(fd);
		end = n > 0 ? memchr(line, '\n', n) : NULL;
		err = -EBADMSG;
	}
	head = end ? json_loadb(line, end - line, 0, NULL) : NULL;
	story = json_object_get(head, "story");
	if (json_is_object(story)) {
		*ret_story = json_incref(story);
		err = 0;
	}
	json_decref(head);
	free(line);
	return err;
}

/* --- when ------------------------------------------------------------------------------- */

/* In a child. */
static json_t *dump(struct hg_task *task, void *context, json_t *arguments)
{
	struct hg_episode episode;

	(void)task;
	(void)arguments;
	if (hg_changes_episode(&((struct hg_agent *)context)->flight->changes, 1, &episode))
		hg_dump_write(context, &episode);
	return NULL;
}

void hg_dump_slow_tick(struct hg_agent *agent)
{
	struct hg_flight *flight = agent->flight;
	const struct hg_changes *changes = &flight->changes;
	bool is_over;

	if (!changes->count || (flight->is_dump_final && flight->dumped == changes->count))
		return;
	is_over = hg_time_since(hg_now(), hg_changes_get(changes, changes->count - 1)->at).ns >=
		  HG_STORY_QUIET.ns;
	if (!is_over && flight->dumped == changes->count)
		return;
	if (hg_task_start_background(&agent->tasks, dump, agent))
		return; /* again in 100 ms */
	flight->dumped = changes->count;
	flight->is_dump_final = is_over;
}

void hg_dump_finish(struct hg_agent *agent)
{
	struct hg_flight *flight = agent->flight;
	struct hg_episode episode;

	if (!flight || !agent->setup ||
	    (flight->is_dump_final && flight->dumped == flight->changes.count))
		return;
	if (hg_changes_episode(&flight->changes, 1, &episode))
		hg_dump_write(agent, &episode);
}
