/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the tests send in the place of a node's agent. */
#ifndef TEST_PEERS_H
#define TEST_PEERS_H

#include "rig.h"

/* A short frame as `from` sends it to the other node on lan, not yet signed. */
void peers_short(struct rig *from, enum hg_wire_type type, uint64_t epoch, uint64_t stamp,
		 struct hg_wire_short *ret);
void peers_long(struct rig *from, enum hg_wire_type type, struct hg_wire_long *ret);

/* Signs with the sender's key of a slot and puts it into a frame to `to`. */
void peers_send4(struct rig *from, struct rig *to, enum hg_key_slot slot, void *wire, size_t len,
		 struct frame *ret);
void peers_send6(struct rig *from, struct rig *to, enum hg_key_slot slot, void *wire, size_t len,
		 struct frame *ret);

#endif
