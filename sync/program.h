/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the two programs share: arguments, a low priority, and becoming the other one.
 */
#ifndef HG_SYNC_PROGRAM_H
#define HG_SYNC_PROGRAM_H

#include <stdbool.h>

struct hg_program {
	const char *node; /* --node FILE */
	bool is_init; /* --init */
};

/* Parses arguments (exits on --help and mistakes), sets up libraries and priority. */
void hg_program_start(int argc, char **argv, const char *name, const char *doc, bool has_init,
		      struct hg_program *ret);
/* Tells systemd, where that started it, that the unit is started. */
void hg_program_ready(void);
/* Replaces this process; returns on failure only, which it has told. */
void hg_program_become(const char *name, const char *node_path);

#endif
