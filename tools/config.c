// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * `hagate config`: the history of the configuration, out of hagate-sync.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "client.h"
#include "duration.h"
#include "text.h"

#define PUBLISH_MS 1800000 /* validate and apply commands of both nodes */

static int ask(const struct hg_tool *tool, json_t *request, int timeout_ms, json_t **ret)
{
	struct hg_tool sync = *tool;

	sync.socket = HG_CTL_SYNC_SOCKET;
	return hg_client_ask(&sync, request, timeout_ms, ret);
}

static int order(const struct hg_tool *tool, json_t *request)
{
	json_t *answer;
	int status = ask(tool, request, PUBLISH_MS, &answer);

	if (status)
		return status;
	hg_text_print_lines(stdout, hg_text_string(answer, "text", "done"));
	json_decref(answer);
	return HG_EXIT_OK;
}

/* A whole number above 0; 0: it is none, told. */
static json_int_t generation_of(const struct hg_tool *tool)
{
	char *end;
	long long number = strtoll(tool->argument, &end, 10);

	if (*tool->argument && !*end && number > 0)
		return number;
	fprintf(stderr, "hagate config: '%s' is no generation: see hagate config log\n",
		tool->argument);
	return 0;
}

/* -1: not a time, told. */
static int seconds_of(const char *text)
{
	long long number = hg_duration_seconds(text);

	if (number >= 1 && number <= 3600)
		return number;
	fprintf(stderr, "hagate config: '%s' is no time from 1s to 1h (" HG_DURATION_UNITS ")\n",
		text);
	return -1;
}

static int publish(const struct hg_tool *tool, json_t *request)
{
	int seconds = tool->confirm ? seconds_of(tool->confirm) : 0;

	if (seconds < 0) {
		json_decref(request);
		return HG_EXIT_USAGE;
	}
	json_object_set_new(request, "confirm_s", json_integer(seconds));
	json_object_set_new(request, "message", json_string(tool->message ? tool->message : ""));
	return order(tool, request);
}

int hg_config_commit(const struct hg_tool *tool)
{
	return publish(tool, json_pack("{s:s}", "command", "config-commit"));
}

int hg_config_adopt(const struct hg_tool *tool)
{
	json_t *request = json_pack("{s:s}", "command", "config-adopt");

	if (tool->argument)
		json_object_set_new(request, "node", json_string(tool->argument));
	return publish(tool, request);
}

int hg_config_rollback(const struct hg_tool *tool)
{
	json_int_t number = generation_of(tool);

	if (!number)
		return HG_EXIT_USAGE;
	return publish(tool,
		       json_pack("{s:s,s:I}", "command", "config-rollback", "generation", number));
}

int hg_config_discard(const struct hg_tool *tool)
{
	return order(tool, json_pack("{s:s}", "command", "config-discard"));
}

int hg_config_confirm(const struct hg_tool *tool)
{
	return order(tool, json_pack("{s:s}", "command", "config-confirm"));
}

int hg_config_abort(const struct hg_tool *tool)
{
	return order(tool, json_pack("{s:s}", "command", "config-abort"));
}

int hg_config_diff(const struct hg_tool *tool)
{
	json_t *request = json_pack("{s:s}", "command", "config-diff"), *answer;
	json_int_t number = tool->argument ? generation_of(tool) : 0;
	int status;

	if (tool->argument && !number) {
		json_decref(request);
		return HG_EXIT_USAGE;
	}
	json_object_set_new(request, "generation", json_integer(number));
	status = ask(tool, request, HG_CLIENT_LONG_MS, &answer);
	if (status)
		return status;
	hg_text_print_lines(stdout, hg_text_string(answer, "diff", ""));
	json_decref(answer);
	return HG_EXIT_OK;
}

static void print_generation(const json_t *entry)
{
	time_t time_s = hg_text_number(entry, "time_s", 0);
	char when[32] = "?", line[512];
	struct tm tm;

	if (localtime_r(&time_s, &tm))
		strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &tm);
	snprintf(line, sizeof(line), "%6.0f  %s  %-15s  %.8s  %s",
		 hg_text_number(entry, "generation", 0), when, hg_text_string(entry, "node", "?"),
		 hg_text_string(entry, "commit", "?"), hg_text_string(entry, "subject", ""));
	hg_text_print_lines(stdout, line);
}

int hg_config_log(const struct hg_tool *tool)
{
	json_t *answer, *entry;
	const json_t *log;
	size_t i;
	int status = ask(tool, json_pack("{s:s}", "command", "config-log"), HG_CLIENT_LONG_MS,
			 &answer);

	if (status)
		return status;
	log = json_object_get(answer, "log");
	if (tool->is_json) {
		status = hg_text_print_json(tool, log);
	} else {
		json_array_foreach(log, i, entry) print_generation(entry);
	}
	json_decref(answer);
	return status;
}

/* Of what the history keeps beside the generations, what may be wanted. The rest is old, or
 * what the text of the state is about: hagate-sync(8). */
static void print_kept(const char *ref, double head)
{
	static const char unconfirmed[] = "refs/unconfirmed/";
	double number = strtod(ref + strcspn(ref, "0123456789"), NULL);
	char line[256];

	if (!strncmp(ref, unconfirmed, sizeof(unconfirmed) - 1) && number > head)
		snprintf(line, sizeof(line),
			 "generation %.0f is not in force: hagate config diff %.0f (kept as %s)",
			 number, number, ref);
	else if (!strncmp(ref, "refs/local/", 11) && number >= head)
		snprintf(line, sizeof(line),
			 "files of this node that were replaced are kept as %s: see KEPT in "
			 "hagate-sync(8)",
			 ref);
	else
		return;
	hg_text_print_lines(stdout, line);
}

static void print_status(const json_t *sync)
{
	const json_t *refs = json_object_get(sync, "refs"), *value;
	const char *peer = hg_text_string(sync, "peer", ""), *name;
	char line[1280], left[32];

	snprintf(line, sizeof(line), "%s: generation %.0f (%.8s): %s%s%s",
		 hg_text_string(sync, "node", "?"), hg_text_number(sync, "generation", 0),
		 hg_text_string(sync, "head", "?"), hg_text_string(sync, "state", "?"),
		 *hg_text_string(sync, "text", "") ? ": " : "", hg_text_string(sync, "text", ""));
	hg_text_print_lines(stdout, line);
	if (*peer && json_is_integer(json_object_get(sync, "peer_generation"))) {
		snprintf(line, sizeof(line), "%s: generation %.0f", peer,
			 hg_text_number(sync, "peer_generation", 0));
		hg_text_print_lines(stdout, line);
	}
	if (json_is_integer(json_object_get(sync, "confirm_ms"))) {
		hg_text_duration(left, sizeof(left), hg_text_number(sync, "confirm_ms", 0));
		snprintf(line, sizeof(line), "goes back in %s unless: hagate config confirm", left);
		hg_text_print_lines(stdout, line);
	}
	snprintf(line, sizeof(line), "cluster %s", hg_text_string(sync, "cluster", "?"));
	hg_text_print_lines(stdout, line);
	json_object_foreach((json_t *)refs, name, value)
		print_kept(name, hg_text_number(sync, "generation", 0));
}

int hg_config_status(const struct hg_tool *tool)
{
	json_t *answer;
	const json_t *sync;
	int status = ask(tool, json_pack("{s:s}", "command", "config-status"), HG_CLIENT_TIMEOUT_MS,
			 &answer);

	if (status)
		return status;
	sync = json_object_get(answer, "sync");
	if (tool->is_json)
		status = hg_text_print_json(tool, sync);
	else
		print_status(sync);
	json_decref(answer);
	return status;
}
