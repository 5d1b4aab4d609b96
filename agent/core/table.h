/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What each state does with each event, as one table: no pair is left to chance.
 */
#ifndef HG_CORE_TABLE_H
#define HG_CORE_TABLE_H

#include "elect.h"

enum hg_duty {
	HG_DUTY_UNDEFINED, /* in no cell; a test sees to it */
	HG_DUTY_IGNORE, /* nothing changes, no action */
	HG_DUTY_NOTE, /* remembered for a later state; no transition */
	HG_DUTY_START, /* take the mode, adopt or listen */
	HG_DUTY_CONFIG, /* take the configuration; a changed mode changes the state */
	HG_DUTY_REVIEW, /* look at the observation, the peer and the clock */
	HG_DUTY_RELEASE, /* HANDOVER at a holder: ask the peer to claim */
	HG_DUTY_REFUSE, /* HANDOVER where there is nothing to hand over */
	HG_DUTY_WAIT, /* HANDOVER while one is under way: answered with it */
	HG_DUTY_RETIRE, /* MAINTENANCE_ON: into maintenance, at once or by a handover */
	HG_DUTY_RETURN, /* MAINTENANCE_OFF: back into the election */
	HG_DUTY_LEARN, /* LEARN: between BLANK and LEARNER */
	HG_DUTY_FAREWELL, /* STOP: an operator still waiting is answered, nothing else */
};

/* HG_DUTY_UNDEFINED for values outside of the enums. */
enum hg_duty hg_table_duty(enum hg_elect_state state, enum hg_elect_event_type event);

#endif
