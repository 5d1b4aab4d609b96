/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Takes the facts of an event into the state, before anything is decided on them.
 */
#ifndef HG_CORE_LEARN_H
#define HG_CORE_LEARN_H

#include "elect.h"

/* Never changes `state`, gives no action. */
void hg_learn_event(struct hg_elect *el, const struct hg_elect_event *ev);

#endif
