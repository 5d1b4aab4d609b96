// SPDX-License-Identifier: GPL-2.0-or-later
/* See duration.h. */
#include "duration.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SECONDS_MAX 1000000000ll

long long hg_duration_seconds(const char *text)
{
	static const struct {
		const char *name;
		long long ms;
	} units[] = {
		{ "", 1000 },	  { "ms", 1 },		{ "s", 1000 },	       { "m", 60000 },
		{ "min", 60000 }, { "h", 3600 * 1000 }, { "d", 86400 * 1000 },
	};
	long long number;
	char *end;

	errno = 0;
	number = strtoll(text, &end, 10);
	if (*text < '0' || *text > '9' || errno || number < 1 || number > SECONDS_MAX)
		return -1;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		long long ms = number * units[i].ms;

		if (strcmp(end, units[i].name) != 0)
			continue;
		return ms % 1000 || ms / 1000 > SECONDS_MAX ? -1 : ms / 1000;
	}
	return -1;
}
