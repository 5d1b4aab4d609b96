/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Recorded steps as text, and back: what `hagate events --steps --json` prints, the files
 * below STATE/steps hold, and a replayer reads.
 *
 * A JSON object a line. The first has the state before the first step:
 *   {"snapshot":HEX of struct hg_elect,"size":octets,"software":version}
 * Then one a step:
 *   {"event":"tick","now_ns":n,"late_ns":n,"obs":{...},"hello"|"config"|"self":{...},
 *    "epoch_counter":n (start),"state":"active","actions":["serve",...],"digest":"0x...",
 *    "again":true,"from":"standby","reason":"silence" (when it made a transition)}
 * Members of obs, hello, config and self have the names of core/elect.h; times and
 * spans count nanoseconds; flags are true or false; enums are numbers; epochs, and
 * numbers beyond 63 bits, are text, "0x" and hexadecimal digits.
 */
#ifndef HG_RECORDER_JSON_H
#define HG_RECORDER_JSON_H

#include <jansson.h>

#include "agent/recorder.h"

/* New references; NULL: out of memory. */
json_t *hg_recorder_snapshot_to_json(const struct hg_elect *elect);
json_t *hg_recorder_step_to_json(const struct hg_record *step);

/* -EINVAL: not of this format, or made by an agent with another struct hg_elect. ret is
 * untouched then. Members that are not there count as 0. */
int hg_recorder_snapshot_from_json(const json_t *json, struct hg_elect *ret);
int hg_recorder_step_from_json(const json_t *json, struct hg_record *ret);

/* "tick", "serve", ... */
const char *hg_recorder_event_name(enum hg_elect_event_type type);
const char *hg_recorder_action_name(enum hg_action_type type);

#endif
