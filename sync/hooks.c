// SPDX-License-Identifier: GPL-2.0-or-later
/* The commands of the entries that change: validate before the switch, apply after it. */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "sync/change.h"
#include "sync/command.h"
#include "sync/stage.h"

#define OUTPUT_MAX 2048

void hg_report_warn(struct hg_apply_report *report, const char *format, ...)
{
	size_t length = strlen(report->warnings);
	va_list args;

	if (length && length + 1 < sizeof(report->warnings))
		report->warnings[length++] = '\n';
	va_start(args, format);
	vsnprintf(report->warnings + length, sizeof(report->warnings) - length, format, args);
	va_end(args);
}

struct hook {
	const char *text;
	unsigned int timeout_s;
};

static struct hook hook_of(const struct hg_apply *apply, const struct hg_file_set *set,
			   const struct hg_step *step, bool is_validate)
{
	const struct hg_entry *entry = hg_entry_find(set, step->path);
	struct hook hook = { .text = "" };

	if (!strcmp(step->path, HG_CLUSTER_PATH)) {
		hook.text = is_validate ? apply->cluster_validate : apply->cluster_apply;
	} else if (entry) {
		hook.text = is_validate ? entry->validate : entry->apply;
		hook.timeout_s = entry->timeout_s;
	}
	return hook;
}

/* The line that says what is wrong, mostly: people see the beginning of the text first, and
 * where there is little room nothing else. Warnings may stand before it. */
static const char *find_reason(const char *output)
{
	static const char *const words[] = { "error", "fatal", "emerg", "crit" };
	const char *line = output, *end;

	while (*line) {
		end = strchrnul(line, '\n');
		for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
			const char *found = strcasestr(line, words[i]);

			if (found && found < end)
				return line;
		}
		line = *end ? end + 1 : end;
	}
	return output;
}

/* The staged file is gone when somebody reads this: the name of what it stands for instead. */
static void hide_staged(char *output, const char *staged, const char *target)
{
	size_t from = strlen(staged), to = strlen(target);

	for (char *at = output; from > to && (at = strstr(at, staged)); at += to) {
		memcpy(at, target, to);
		memmove(at + to, at + from, strlen(at + from) + 1);
	}
}

static int fail_hook(const char *path, const struct hook *hook, int r, int status,
		     const char *output, struct hg_sync_error *error)
{
	const char *reason;
	bool is_named;

	if (!r && !status)
		return 0;
	if (r == -ETIME)
		return hg_sync_fail(
			error, r, "%s: `%s` was killed after %u s\n%s", path, hook->text,
			hook->timeout_s ? hook->timeout_s : HG_COMMAND_TIMEOUT_S, output);
	if (r)
		return hg_sync_fail(error, r, "%s: `%s` could not be started: %s", path, hook->text,
				    strerror(-r));
	if (!*output)
		return hg_sync_fail(error, -EINVAL, "%s: `%s` ended with status %d", path,
				    hook->text, status);
	reason = find_reason(output);
	is_named = !strncmp(reason, path, strlen(path));
	return hg_sync_fail(error, -EINVAL, "%s%s%s\n%.*s`%s` ended with status %d",
			    is_named ? "" : path, is_named ? "" : ": ", reason,
			    (int)(reason - output), output, hook->text, status);
}

static int run(struct hg_apply *apply, unsigned int i, const struct hook *hook, bool is_validate,
	       struct hg_sync_error *error)
{
	const struct hg_step *step = &apply->journal.step[i];
	struct hg_stage_view view = { .journal = &apply->journal, .scratch = apply->scratch };
	char output[OUTPUT_MAX] = "", staged[HG_FILE_PATH_MAX + 64];
	struct hg_command command = {
		.text = hook->text,
		.path = step->target,
		.node = apply->node,
		.generation = apply->journal.head.generation,
		.timeout_s = hook->timeout_s,
		.arg = &view,
	};
	int r, status = 0;

	if (!is_validate || step->is_in_place || !step->has_other)
		snprintf(staged, sizeof(staged), "%s", step->target);
	else if (!hg_stage_path(&apply->journal, i, staged, sizeof(staged)))
		return -ENAMETOOLONG;
	command.staged = staged;
	command.enter = is_validate ? hg_stage_enter : NULL;
	r = hg_command_run(&command, output, sizeof(output), &status);
	if (r == -EPERM && is_validate && strstr(hook->text, "{staged}")) {
		/* Not allowed to mount: the command was told where to look. */
		command.enter = NULL;
		r = hg_command_run(&command, output, sizeof(output), &status);
	}
	hide_staged(output, staged, step->target);
	return fail_hook(step->target, hook, r, status, output, error);
}

/* The same command for several entries runs once. */
static bool is_repeated(const struct hg_apply *apply, const struct hg_file_set *set, unsigned int i,
			bool is_validate)
{
	struct hook hook = hook_of(apply, set, &apply->journal.step[i], is_validate), other;
	unsigned int j;

	if (strstr(hook.text, "{staged}") || strchr(hook.text, '$'))
		return false;
	for (j = 0; j < i; j++) {
		other = hook_of(apply, set, &apply->journal.step[j], is_validate);
		if (!strcmp(hook.text, other.text))
			return true;
	}
	return false;
}

int hg_hooks_validate(struct hg_apply *apply, const struct hg_change_sets *sets,
		      struct hg_sync_error *error)
{
	struct hook hook;
	unsigned int i;
	int r = 0;

	for (i = 0; i < apply->journal.head.step_count && !r; i++) {
		hook = hook_of(apply, &sets->to, &apply->journal.step[i], true);
		if (hook.text[0] && !is_repeated(apply, &sets->to, i, true))
			r = run(apply, i, &hook, true, error);
	}
	return r;
}

int hg_hooks_apply(struct hg_apply *apply, const struct hg_change_sets *sets, bool is_back,
		   struct hg_sync_error *error)
{
	const struct hg_file_set *set = is_back ? &sets->from : &sets->to;
	struct hook hook;
	unsigned int i;
	int r = 0, one;

	for (i = 0; i < apply->journal.head.step_count && (!r || is_back); i++) {
		hook = hook_of(apply, set, &apply->journal.step[i], false);
		if (!hook.text[0] || is_repeated(apply, set, i, false))
			continue;
		one = run(apply, i, &hook, false, r ? NULL : error);
		r = r ? r : one;
	}
	return r == -EINVAL ? -EIO : r;
}
