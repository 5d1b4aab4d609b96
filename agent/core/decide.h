/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The decision about one event: the next state, its reason, what to do about the
 * lease. Reads the state, changes nothing; hg_elect_step() commits it.
 */
#ifndef HG_CORE_DECIDE_H
#define HG_CORE_DECIDE_H

#include "elect.h"

struct hg_decision {
	enum hg_elect_state next;
	enum hg_why why; /* NONE: no transition. A noted one may lead to the same state */
	bool has_serve; /* start to serve until `until` */
	bool has_renew; /* extend the own lease to `until` */
	bool is_waited; /* has_serve: without FENCED, the old lease waited out */
	struct hg_time until;
	bool is_waiting; /* the operator is answered when RELEASING ends */
	bool is_handed_over; /* RELEASING ended as it should */
	bool has_answer; /* answer the operator now: */
	bool is_ok;
	enum hg_why answer;
};

/* `el` has learnt the event already (hg_learn_event). */
struct hg_decision hg_decide(const struct hg_elect *el, const struct hg_elect_event *ev);

#endif
