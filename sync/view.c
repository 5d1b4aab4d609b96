// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The mount namespace of a validate command. A staged version is bound over its target. Where
 * there is no target yet, there is nothing to bind it over: then the directory gets an
 * overlay with an empty file or directory of that name first. Mounts end with the process.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sync/paths.h"
#include "sync/stage.h"

#define LAYER_NAME 12

/* What a step adds to the view: nothing when the new version is in place. */
static bool is_seen(const struct hg_step *step)
{
	return step->has_other && !step->is_in_place;
}

static bool is_absent(const struct hg_step *step)
{
	struct stat st;

	return is_seen(step) && lstat(step->target, &st) && errno == ENOENT;
}

static size_t parent_length(const struct hg_step *step)
{
	return (size_t)(strrchr(step->target, '/') - step->target);
}

static bool is_neighbour(const struct hg_step *a, const struct hg_step *b)
{
	size_t length = parent_length(a);

	return length == parent_length(b) && !strncmp(a->target, b->target, length);
}

/* The first absent step of its directory makes the layer for all of them. */
static bool leads(const struct hg_journal *journal, unsigned int step)
{
	unsigned int i;

	if (!is_absent(&journal->step[step]))
		return false;
	for (i = 0; i < step; i++)
		if (is_absent(&journal->step[i]) &&
		    is_neighbour(&journal->step[i], &journal->step[step]))
			return false;
	return true;
}

static int fill_layer(const struct hg_journal *journal, unsigned int step, const char *layer)
{
	char path[LAYER_NAME + 256 + 2], staged[HG_FILE_PATH_MAX + 64];
	struct stat st;
	unsigned int i;
	int fd;

	if (mkdir(layer, 0755))
		return -errno;
	for (i = step; i < journal->head.step_count; i++) {
		if (!is_absent(&journal->step[i]) ||
		    !is_neighbour(&journal->step[i], &journal->step[step]))
			continue;
		if (!hg_stage_path(journal, i, staged, sizeof(staged)) || lstat(staged, &st))
			return -EIO;
		snprintf(path, sizeof(path), "%s%s", layer,
			 journal->step[i].target + parent_length(&journal->step[i]));
		if (S_ISDIR(st.st_mode)) {
			if (mkdir(path, 0755))
				return -errno;
			continue;
		}
		fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
		if (fd < 0)
			return -errno;
		close(fd);
	}
	return 0;
}

static int mount_layer(const struct hg_journal *journal, unsigned int step, const char *layer)
{
	const struct hg_step *first = &journal->step[step];
	char parent[HG_FILE_PATH_MAX], options[HG_FILE_PATH_MAX + 64];

	snprintf(parent, sizeof(parent), "%.*s", (int)parent_length(first), first->target);
	/* Characters that have a meaning in the option. */
	if (!parent[0] || parent[strcspn(parent, ":,\\")])
		return -EINVAL;
	snprintf(options, sizeof(options), "lowerdir=%s:%s", layer, parent);
	return mount("overlay", parent, "overlay", MS_RDONLY, options) ? -errno : 0;
}

/* For each directory with absent targets: `each` makes or mounts its layer. */
static int each_layer(const struct hg_journal *journal, const bool *is_leading,
		      int (*each)(const struct hg_journal *journal, unsigned int step,
				  const char *layer))
{
	char layer[LAYER_NAME];
	unsigned int i;
	int r = 0;

	for (i = 0; i < journal->head.step_count && !r; i++) {
		if (!is_leading[i])
			continue;
		snprintf(layer, sizeof(layer), "%u", i);
		r = each(journal, i, layer);
	}
	return r;
}

static int add_absent(const struct hg_stage_view *view)
{
	bool is_leading[HG_STEPS_MAX], is_any = false;
	unsigned int i;
	int r;

	for (i = 0; i < view->journal->head.step_count; i++) {
		is_leading[i] = leads(view->journal, i);
		is_any = is_any || is_leading[i];
	}
	if (!is_any)
		return 0;
	if (mount("tmpfs", view->scratch, "tmpfs", 0, "size=1m,mode=0755") || chdir(view->scratch))
		return -errno;
	/* First all layers, then all mounts: one of them may hide the scratch directory. */
	r = each_layer(view->journal, is_leading, fill_layer);
	if (!r)
		r = each_layer(view->journal, is_leading, mount_layer);
	return r;
}

int hg_stage_enter(void *arg)
{
	const struct hg_stage_view *view = arg;
	char staged[HG_FILE_PATH_MAX + 64];
	unsigned int i;
	int r;

	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return -errno;
	r = add_absent(view);
	for (i = 0; i < view->journal->head.step_count && !r; i++) {
		if (!is_seen(&view->journal->step[i]))
			continue;
		if (!hg_stage_path(view->journal, i, staged, sizeof(staged)))
			return -ENAMETOOLONG;
		if (mount(staged, view->journal->step[i].target, NULL, MS_BIND | MS_REC, NULL))
			return -errno;
	}
	if (!r && chdir("/"))
		r = -errno;
	return r;
}
