// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Fuzzer of the request parser. Besides what the sanitizers see it asserts what the
 * server relies on: a command of the table and an object, or an error that can be
 * sent back as JSON; nothing written on failure but the error.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "agent/control.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(condition)                \
	do {                              \
		if (!(condition))         \
			__builtin_trap(); \
	} while (0)

static void ignore(void *context, struct hg_control_request *req, json_t *arguments)
{
	(void)context;
	(void)req;
	(void)arguments;
}

static const struct hg_control_command commands[] = {
	{ "status", false, ignore },	 { "events", false, ignore }, { "handover", true, ignore },
	{ "maintenance", true, ignore }, { NULL, false, NULL },
};

static void check_accepted(const struct hg_control_command *command, json_t *arguments)
{
	const char *name = json_string_value(json_object_get(arguments, "command"));
	char *text = json_dumps(arguments, JSON_COMPACT);

	REQUIRE(command >= commands && command < commands + 4);
	REQUIRE(name && strcmp(name, command->name) == 0);
	REQUIRE(text && !strchr(text, '\n'));
	free(text);
	json_decref(arguments);
}

static void check_refused(const struct hg_error *error)
{
	json_t *text = json_string(error->text); /* NULL when it is not UTF-8 */

	REQUIRE(memchr(error->text, '\0', sizeof(error->text)));
	REQUIRE(error->text[0] && text);
	json_decref(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct hg_control_command *command = NULL;
	struct hg_error error = { "" };
	json_t *arguments = NULL;
	int err;

	if (size > HG_CTL_REQUEST_MAX)
		return 0;
	err = hg_control_parse((const char *)data, size, commands, &command, &arguments, &error);
	if (err) {
		REQUIRE(err == -EINVAL && !command && !arguments);
		check_refused(&error);
	} else {
		check_accepted(command, arguments);
	}
	return 0;
}
