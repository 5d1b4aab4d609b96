/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What would the gate do with this frame? The very program is loaded once more, on the
 * live rules, blocklist, rates, ports and addresses, but with counters, events and peer
 * state of its own, and run on the frame. So the rules that count are those that the
 * frame has met, whatever else passes meanwhile, and no statistics move. What does: a
 * rate it meets is a packet poorer, a block it meets has counted one more.
 */
#ifndef HG_LOADER_TRACE_H
#define HG_LOADER_TRACE_H

#include "hagate/filter.h"
#include "loader.h"

#define HG_TRACE_RULES_MAX 64

struct hg_trace {
	enum hg_trace_verdict { HG_TRACE_PASS, HG_TRACE_DROP, HG_TRACE_ANSWER } verdict;
	enum hg_reason reason;
	__u32 generation;
	size_t rule_count; /* rules that counted; those beyond the maximum are left out */
	struct {
		__u64 id;
		bool is_exceeded; /* its rate */
	} rule[HG_TRACE_RULES_MAX]; /* in no order */
};

/* `config`: that of the programs in force. `slot`: of the port with this ifindex, in the
 * network namespace of the caller. Takes as long as loading a program. -EAGAIN: the rules
 * changed meanwhile. */
int hg_trace_run(const char *pin, const struct hg_config *config, int ifindex, __u32 slot,
		 const void *frame, size_t length, struct hg_trace *ret, struct hg_error *error);

#endif
