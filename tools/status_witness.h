/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The witness in `hagate status`. */
#ifndef HG_STATUS_WITNESS_H
#define HG_STATUS_WITNESS_H

#include <jansson.h>
#include <stdbool.h>

/* Adds to `line` how it stands; false: not well. */
bool hg_status_add_witness(const json_t *witness, char *line, size_t size);

#endif
