/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The load of both nodes, as `hagate status` shows it. */
#ifndef HG_TOOLS_LOAD_H
#define HG_TOOLS_LOAD_H

#include <jansson.h>
#include <stdbool.h>

#define HG_LOAD_LINES 3

/* Some node tells its load. */
bool hg_load_is_known(const json_t *status);

/* A heading and a line per node, HG_LOAD_LINES at most, when one is known. `status`: the whole object. Returns the lines printed. */
int hg_load_print(const json_t *status);

#endif
