/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the commands of `hagate` share: the parsed command line and their functions.
 * Each returns an exit status (enum hg_exit) and has said why on stderr when it is
 * not HG_EXIT_OK.
 */
#ifndef HG_TOOL_H
#define HG_TOOL_H

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>

#include "hagate/control.h"

#define HG_TOOL_WIDTH 80 /* widest line that is printed for people */
#define HG_TOOL_WIDTH_MIN 40 /* a terminal that is narrower breaks lines by itself */

struct hg_tool {
	const char *run; /* --run DIR */
	const char *socket; /* below it; NULL: that of hagated */
	const char *message, *confirm; /* config commit, config rollback */
	const char *dir; /* init: --dir DIR */
	const char *argument; /* the one argument, NULL when none is given */
	const char *ttl, *source, *file, *limit; /* filter block, filter blocked */
	const char *rate; /* timers */
	const char *state; /* why: a state directory instead of an agent */
	bool is_json;
	bool is_follow, is_steps; /* events */
	bool is_mac_test; /* ports --test-mac */
	bool is_probe; /* discover */
	const char *key, *node, *seconds; /* discover */
	bool has_terminal; /* stdout is one */
	int width; /* of running text: the terminal's, at most HG_TOOL_WIDTH */
	bool has_color;
};

int hg_status_run(const struct hg_tool *tool);
int hg_ports_run(const struct hg_tool *tool);
int hg_events_run(const struct hg_tool *tool);
int hg_operate_handover(const struct hg_tool *tool);
int hg_operate_maintenance(const struct hg_tool *tool);
int hg_operate_reload(const struct hg_tool *tool);
int hg_operate_version(const struct hg_tool *tool);
int hg_why_run(const struct hg_tool *tool);
int hg_timers_run(const struct hg_tool *tool);
int hg_keygen_run(const struct hg_tool *tool);
int hg_init_run(const struct hg_tool *tool);
int hg_discover_run(const struct hg_tool *tool);
int hg_filter_show(const struct hg_tool *tool);
int hg_filter_check(const struct hg_tool *tool);
int hg_filter_block(const struct hg_tool *tool);
int hg_filter_unblock(const struct hg_tool *tool);
int hg_filter_blocked(const struct hg_tool *tool);
int hg_filter_trace(const struct hg_tool *tool);

int hg_config_status(const struct hg_tool *tool);
int hg_config_log(const struct hg_tool *tool);
int hg_config_diff(const struct hg_tool *tool);
int hg_config_commit(const struct hg_tool *tool);
int hg_config_rollback(const struct hg_tool *tool);
int hg_config_discard(const struct hg_tool *tool);
int hg_config_confirm(const struct hg_tool *tool);
int hg_config_abort(const struct hg_tool *tool);
int hg_config_adopt(const struct hg_tool *tool);

/* filter.c: a program beside this one, or where it is installed; else PATH has the last
 * word. */
void hg_find_program(const char *name, char ret[PATH_MAX]);

/* keygen.c, for init too: makes FILE with a new key. -EEXIST: it is there. */
int hg_keygen_write(const char *path);

#endif
