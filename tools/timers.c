// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * `hagate timers`: how close leases came to lapse, and what timers would do.
 */
#include <stdlib.h>
#include <string.h>

#include "client.h"
#include "text.h"

#define YEAR_DAYS 365.25

/* "1/year", "2/month", ... as a number a year. */
static bool parse_rate(const char *text, double *ret)
{
	static const struct {
		const char *name;
		double per_year;
	} units[] = {
		{ "year", 1 },
		{ "month", 12 },
		{ "week", YEAR_DAYS / 7 },
		{ "day", YEAR_DAYS },
		{ "hour", YEAR_DAYS * 24 },
	};
	char *end;
	double count = strtod(text, &end);

	if (end == text || *end != '/' || !(count > 0) || count > 1e6)
		return false;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(units[i].name, end + 1) == 0) {
			*ret = count * units[i].per_year;
			return true;
		}
	}
	return false;
}

static void print_observed(const json_t *list)
{
	printf("%-11s %10s %9s %9s %9s %9s %9s\n", "ms", "samples", "median", "99 %", "99.9 %",
	       "hour's", "longest");
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *one = json_array_get(list, i);
		char kind[12];

		hg_text_copy(kind, sizeof(kind), hg_text_string(one, "kind", "?"));
		printf("%-11s %10.0f %9.3f %9.3f %9.3f %9.3f %9.3f\n", kind,
		       hg_text_number(one, "samples", 0), hg_text_number(one, "median_ms", 0),
		       hg_text_number(one, "p99_ms", 0), hg_text_number(one, "p999_ms", 0),
		       hg_text_number(one, "longest_hour_ms", 0),
		       hg_text_number(one, "longest_ms", 0));
	}
}

static void print_text(const struct hg_tool *tool, const json_t *timers)
{
	const json_t *list = json_object_get(timers, "text");

	printf("interval %g ms, lease %g ms\n\n", hg_text_number(timers, "interval_ms", 0),
	       hg_text_number(timers, "lease_ms", 0));
	print_observed(json_object_get(timers, "observed"));
	putchar('\n');
	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *text = json_string_value(json_array_get(list, i));
		bool is_warning = text && strncmp(text, "WARNING", 7) == 0;

		if (text)
			hg_text_wrap(tool, is_warning ? HG_TEXT_RED : HG_TEXT_PLAIN, 2, 8, text);
	}
}

int hg_timers_run(const struct hg_tool *tool)
{
	double per_year = 1;
	const json_t *timers;
	json_t *answer;
	int status;

	if (tool->rate && !parse_rate(tool->rate, &per_year)) {
		fprintf(stderr,
			"hagate timers: say --false-takeovers as 1/year, 2/month, week, day or "
			"hour, not '%s'\n",
			tool->rate);
		return HG_EXIT_USAGE;
	}
	status = hg_client_ask(tool,
			       json_pack("{s:s,s:f}", "command", "timers", "per_year", per_year),
			       HG_CLIENT_TIMEOUT_MS, &answer);
	if (status)
		return status;
	timers = json_object_get(answer, "timers");
	if (!json_is_object(timers)) {
		fputs("hagate: the answer is not one that this version understands\n", stderr);
		status = HG_EXIT_UNREACHABLE;
	} else if (tool->is_json) {
		status = hg_text_print_json(tool, timers);
	} else {
		print_text(tool, timers);
	}
	json_decref(answer);
	return status;
}
