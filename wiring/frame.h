/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Making and checking the frames of hagate/wiring.h. Pure. */
#ifndef HG_WIRING_FRAME_H
#define HG_WIRING_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hagate/wiring.h"

struct hg_wiring_key {
	uint64_t word[2]; /* SipHash, little-endian words */
};

/* Fills magic, version and length, and the tag; `key` NULL: a tag of zeroes. */
void hg_wiring_sign(struct hg_wiring_frame *frame, const struct hg_wiring_key *key);

/* `size` octets behind an Ethernet header: a frame of this version, with its names ended.
 * Says nothing about the tag. The copy goes to `ret`. */
bool hg_wiring_check(const void *data, size_t size, struct hg_wiring_frame *ret);
/* Of a frame as it was received, before its names were ended. */
bool hg_wiring_is_authentic(const void *data, const struct hg_wiring_key *key);

/* "reflected", ...; "unknown" for what this version does not know */
const char *hg_wiring_fault_name(unsigned int fault);

#endif
