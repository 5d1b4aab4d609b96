// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Sentences for struct hg_error, and libbpf's messages as part of them: libbpf
 * would print to stderr, a library must not. The text collected is per thread.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "internal.h"

static __thread char warning[256];

int hg_loader_fail(struct hg_error *error, int err, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(error->text, sizeof(error->text), format, args);
	va_end(args);
	return err;
}

/* Keeps the beginning: the first message names the cause, later ones its effects. */
static int collect(enum libbpf_print_level level, const char *format, va_list args)
{
	size_t used = strlen(warning);
	char *end;

	if (level != LIBBPF_WARN || used + 1 >= sizeof(warning))
		return 0;
	vsnprintf(warning + used, sizeof(warning) - used, format, args);
	for (end = warning + used; *end; end++)
		if (*end == '\n')
			*end = end[1] ? ' ' : '\0';
	return 0;
}

void hg_loader_quiet(void)
{
	warning[0] = '\0';
	libbpf_set_print(collect);
}

const char *hg_loader_warning(void)
{
	return warning;
}
