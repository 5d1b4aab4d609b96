// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Stories that an agent left in its state directory (transition-TIME.jsonl), for when none
 * answers. The name sorts by time; the first line of a file holds the story.
 */
#include "why_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PREFIX "transition-"
#define SUFFIX ".jsonl"
#define DIGITS 13
#define LINE_MAX_LEN 65536

static int is_story(const struct dirent *entry)
{
	const char *name = entry->d_name + strlen(PREFIX);

	return !strncmp(entry->d_name, PREFIX, strlen(PREFIX)) &&
	       strspn(name, "0123456789") == DIGITS && !strcmp(name + DIGITS, SUFFIX);
}

/* The newest first. */
static int compare(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*b)->d_name, (*a)->d_name);
}

static int read_story(const char *path, json_t **ret_story)
{
	char *line = malloc(LINE_MAX_LEN), *end = NULL;
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	int err = fd < 0 ? -errno : -EBADMSG;
	ssize_t n = fd < 0 || !line ? -1 : read(fd, line, LINE_MAX_LEN);
	json_t *head, *story;

	if (n > 0)
		end = memchr(line, '\n', n);
	head = end ? json_loadb(line, end - line, 0, NULL) : NULL;
	story = json_object_get(head, "story");
	if (json_is_object(story)) {
		*ret_story = json_incref(story);
		err = 0;
	}
	json_decref(head);
	free(line);
	if (fd >= 0)
		close(fd);
	return err;
}

int hg_why_read(const char *dir, long back, json_t **ret_story)
{
	struct dirent **list = NULL;
	int count = scandir(dir, &list, is_story, compare);
	int err = count < 0 ? -errno : -ENOENT;
	char path[PATH_MAX];

	if (back <= count) {
		snprintf(path, sizeof(path), "%.4000s/%.64s", dir, list[back - 1]->d_name);
		err = read_story(path, ret_story);
	}
	for (int i = 0; i < count; i++)
		free(list[i]);
	free(list);
	return err;
}
