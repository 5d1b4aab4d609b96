/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The table of duties. Rows are states, columns are events in the order of
 * enum hg_elect_event_type; tests/unit/test_elect.c asserts that no cell is empty and
 * that ignored ones change nothing.
 *
 * START belongs to OFF alone: it comes once, before everything else.
 */
#include "table.h"

#define IGN HG_DUTY_IGNORE
#define NOTE HG_DUTY_NOTE
#define CONF HG_DUTY_CONFIG
#define REV HG_DUTY_REVIEW
#define BYE HG_DUTY_FAREWELL
#define LEARN HG_DUTY_LEARN

/* clang-format off */
static const uint8_t table[HG_EL_STATES][HG_EVS] = {
/*                       START          CONFIG TICK  HELLO HEALTH HANDOVER         MAINTENANCE_ON  MAINTENANCE_OFF  STOP  LEARN  WITNESS */
[HG_EL_OFF]         = { HG_DUTY_START, CONF,  IGN,  NOTE, NOTE,  HG_DUTY_REFUSE,  HG_DUTY_RETIRE, NOTE,            IGN,  IGN,   IGN },
[HG_EL_BLANK]       = { IGN,           CONF,  REV,  REV,  NOTE,  HG_DUTY_REFUSE,  HG_DUTY_RETIRE, NOTE,            IGN,  LEARN, NOTE },
[HG_EL_LEARNER]     = { IGN,           CONF,  REV,  REV,  NOTE,  HG_DUTY_REFUSE,  HG_DUTY_RETIRE, NOTE,            IGN,  LEARN, NOTE },
[HG_EL_LISTEN]      = { IGN,           CONF,  REV,  REV,  REV,   HG_DUTY_REFUSE,  HG_DUTY_RETIRE, NOTE,            IGN,  IGN,   REV },
[HG_EL_STANDBY]     = { IGN,           CONF,  REV,  REV,  REV,   HG_DUTY_REFUSE,  HG_DUTY_RETIRE, NOTE,            IGN,  IGN,   REV },
[HG_EL_CLAIMING]    = { IGN,           CONF,  REV,  REV,  REV,   HG_DUTY_REFUSE,  HG_DUTY_RETIRE, NOTE,            IGN,  IGN,   REV },
[HG_EL_ACTIVE]      = { IGN,           CONF,  REV,  REV,  REV,   HG_DUTY_RELEASE, HG_DUTY_RETIRE, HG_DUTY_RETURN,  IGN,  IGN,   REV },
[HG_EL_RELEASING]   = { IGN,           CONF,  REV,  REV,  REV,   HG_DUTY_WAIT,    HG_DUTY_RETIRE, HG_DUTY_RETURN,  BYE,  IGN,   REV },
[HG_EL_DRAINING]    = { IGN,           CONF,  REV,  REV,  REV,   HG_DUTY_REFUSE,  HG_DUTY_RETIRE, NOTE,            IGN,  IGN,   REV },
[HG_EL_MAINTENANCE] = { IGN,           CONF,  REV,  REV,  REV,   HG_DUTY_REFUSE,  HG_DUTY_RETIRE, HG_DUTY_RETURN,  IGN,  IGN,   NOTE },
[HG_EL_FAULT]       = { IGN,           CONF,  REV,  REV,  REV,   HG_DUTY_REFUSE,  HG_DUTY_RETIRE, NOTE,            IGN,  IGN,   NOTE },
};
/* clang-format on */

enum hg_duty hg_table_duty(enum hg_elect_state state, enum hg_elect_event_type event)
{
	if ((unsigned int)state >= HG_EL_STATES || (unsigned int)event >= HG_EVS)
		return HG_DUTY_UNDEFINED;
	return (enum hg_duty)table[state][event];
}
