/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The witness's judgement: who may succeed when two nodes do not hear each other.
 *
 * A witness keeps, per cluster and group, the highest epoch it ever granted and until
 * when nobody else gets one. It serves nothing itself. Pure: the daemon (witness/)
 * checks frames, remembers epochs on disk, reads the clock.
 *
 * Why two holders cannot come of it:
 *   - a grant counts for the node from its own request time, for the witness from the
 *     receipt, which is later, and drift and margin are added: the witness's time of it
 *     ends last;
 *   - another epoch is granted only after that time;
 *   - a witness that has just started grants nothing for the longest lease it may have
 *     granted before, so it need not remember whom it granted what.
 * Remembered epochs (disk) keep a late or replaced node from an epoch that is over.
 */
#ifndef HG_CORE_WITNESS_H
#define HG_CORE_WITNESS_H

#include "time.h"

/* One cluster and group. Plain data; zero: nothing ever granted. */
struct hg_witness {
	uint64_t epoch; /* highest granted */
	struct hg_time until; /* no other epoch before */
};

struct hg_witness_rules {
	struct hg_span lease_max; /* no grant is longer */
	struct hg_span margin;
	uint32_t drift_ppm; /* bound of one clock */
	struct hg_time silent_until; /* grants nothing before */
};

struct hg_witness_request {
	uint8_t node; /* the authenticated sender */
	uint64_t epoch;
	struct hg_span lease; /* asked for */
};

/* Goes over the wire (hg_wire_head.flags of REFUSE): appended to, never reordered. */
enum hg_witness_verdict {
	HG_WITNESS_GRANTED,
	HG_WITNESS_SILENT, /* just started */
	HG_WITNESS_LOWER, /* a higher epoch was granted before */
	HG_WITNESS_HELD, /* another epoch's lease has not ended */
	HG_WITNESS_FOREIGN, /* not an epoch of the sender, or no lease at all */
	HG_WITNESS_VERDICTS,
};

struct hg_witness_answer {
	enum hg_witness_verdict verdict;
	bool is_new; /* granted, and higher than any before: to be remembered */
	uint64_t epoch; /* granted now, or the highest granted before */
	struct hg_span lease; /* granted: counts from the request's own time */
	struct hg_span left; /* HELD, SILENT: ask again after it */
};

/* How long a lease may last on any clock: lease (1 + 2 drift) + margin. */
struct hg_span hg_witness_longest(const struct hg_witness_rules *rules, struct hg_span lease);

/* Every request has exactly one answer; only a granted one changes `witness`. */
void hg_witness_judge(struct hg_witness *witness, const struct hg_witness_rules *rules,
		      struct hg_time now, const struct hg_witness_request *request,
		      struct hg_witness_answer *ret);

/* "granted", "silent", ... */
const char *hg_witness_name(enum hg_witness_verdict verdict);

#endif
