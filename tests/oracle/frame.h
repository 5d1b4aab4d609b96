/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A packet of the generator as octets on the wire. */
#ifndef TEST_ORACLE_FRAME_H
#define TEST_ORACLE_FRAME_H

#include "oracle.h"

#define FRAME_ROOM 2048

/* Returns the length. Checksums are left 0: the gate does not look at them. */
size_t frame_build(const struct packet *packet, const uint8_t mac[6], uint8_t ret[FRAME_ROOM]);
/* False: the parser refuses such addresses before any rule is asked, or the owner stage
 * reads on where the generator left nothing to read (neighbour discovery). */
bool frame_is_good(const struct packet *packet);

#endif
