/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Stories in a state directory, read without an agent. */
#ifndef HG_TOOLS_WHY_FILES_H
#define HG_TOOLS_WHY_FILES_H

#include <jansson.h>

/* The newest (back 1), or an earlier one: a new reference. -ENOENT: there is none that old;
 * -EBADMSG: the file is damaged; -EACCES and the like. */
int hg_why_read(const char *dir, long back, json_t **ret_story);

#endif
