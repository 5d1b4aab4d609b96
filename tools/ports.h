/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The table of ports, as `hagate ports` and `hagate status` show it.
 */
#ifndef HG_PORTS_H
#define HG_PORTS_H

#include <jansson.h>
#include <stddef.h>

#include "tool.h"

/* Prints at most rows_max ports, those with a fault first when there are more, and a
 * line for the rest. is_full: with MAC and binding. Returns the lines printed. */
int hg_ports_print(const struct hg_tool *tool, const json_t *ports, bool is_full, size_t rows_max);

#endif
