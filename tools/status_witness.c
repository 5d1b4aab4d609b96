// SPDX-License-Identifier: GPL-2.0-or-later
/* See status_witness.h. */
#include "status_witness.h"

#include <string.h>

#include "text.h"

/* The answer, as words; `answer` itself where it needs none. */
static const char *answer_words(const char *answer)
{
	if (strcmp(answer, "silent") == 0)
		return "it grants nothing yet, it had just started";
	if (strcmp(answer, "held") == 0)
		return "held: the other node's lease runs";
	return answer;
}

bool hg_status_add_witness(const json_t *witness, char *line, size_t size)
{
	bool is_reachable = hg_text_is_true(witness, "reachable");
	bool is_settling = hg_text_is_true(witness, "settling");
	const char *answer = hg_text_string(witness, "answer", "");
	double rtt_us = hg_text_number(witness, "rtt_us", 0);
	double age_ms = hg_text_number(witness, "answer_age_ms", -1);
	char age[40];

	hg_text_add(line, size, "witness %s%s", hg_text_string(witness, "address", "?"),
		    is_reachable ? "" : " DOES NOT ANSWER");
	if (rtt_us > 0)
		hg_text_add(line, size, ", RTT %.2f ms", rtt_us / 1000);
	hg_text_duration(age, sizeof(age), age_ms);
	if (*answer && age_ms >= 0)
		hg_text_add(line, size, ", last asked %s ago: %s", age, answer_words(answer));
	else
		hg_text_add(line, size, ", not asked yet");
	if (is_settling)
		hg_text_add(line, size,
			    "; HAS JUST STARTED: grants nothing until its log says so, 10.2 s at "
			    "most; a cut before stops both nodes");
	return is_reachable && !is_settling;
}
