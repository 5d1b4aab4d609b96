// SPDX-License-Identifier: GPL-2.0-or-later
/* What plan a seed stands for. A change here changes the meaning of every seed. */
#include <string.h>

#include "plan.h"

#define DRIFT_MAX 10000 /* ppm, as far as the leases allow for */

struct source {
	uint64_t seed, count;
};

static uint64_t draw(struct source *source, uint64_t below)
{
	return sim_mix(source->seed, source->count++) % below;
}

static uint64_t draw_length(struct source *source)
{
	static const uint64_t longest[] = { 3, 8, 30, 30, 100, 400 };

	return (1 + draw(source, longest[draw(source, 6)] * 1000)) * SIM_US;
}

/* How often each comes, by the kind of run. */
struct mix {
	uint8_t weight[SIM_FAULT_TYPES];
};

static const struct mix mixes[] = {
	{ { /* everything */
	    [SIM_CUT] = 10,
	    [SIM_LOSS] = 5,
	    [SIM_SLOW] = 5,
	    [SIM_DOUBLE] = 2,
	    [SIM_REPLAY] = 4,
	    [SIM_FORGE] = 2,
	    [SIM_STALL] = 10,
	    [SIM_PAUSE] = 10,
	    [SIM_KILL] = 5,
	    [SIM_STOP] = 2,
	    [SIM_POWER] = 4,
	    [SIM_DRIFT] = 3,
	    [SIM_DISK] = 1,
	    [SIM_LINK] = 4,
	    [SIM_UNFIT] = 2,
	    [SIM_HANDOVER] = 6,
	    [SIM_MAINTENANCE] = 4,
	    [SIM_PRIORITY] = 2,
	    [SIM_ISOLATION] = 0 } },
	{ { /* a good network */
	    [SIM_STALL] = 10,
	    [SIM_PAUSE] = 10,
	    [SIM_KILL] = 6,
	    [SIM_STOP] = 2,
	    [SIM_POWER] = 4,
	    [SIM_DRIFT] = 3,
	    [SIM_DOUBLE] = 2,
	    [SIM_REPLAY] = 4,
	    [SIM_UNFIT] = 2,
	    [SIM_HANDOVER] = 6,
	    [SIM_MAINTENANCE] = 4,
	    [SIM_PRIORITY] = 2 } },
	{ { /* a bad network, good machines */
	    [SIM_CUT] = 10,
	    [SIM_LOSS] = 8,
	    [SIM_SLOW] = 8,
	    [SIM_DOUBLE] = 4,
	    [SIM_REPLAY] = 4,
	    [SIM_DRIFT] = 3,
	    [SIM_HANDOVER] = 4 } },
	{ { /* restarts close together */
	    [SIM_CUT] = 3,
	    [SIM_STALL] = 3,
	    [SIM_PAUSE] = 3,
	    [SIM_KILL] = 20,
	    [SIM_STOP] = 10,
	    [SIM_POWER] = 5,
	    [SIM_DISK] = 3,
	    [SIM_REPLAY] = 10 } },
	{ { /* restarts, and a good network */
	    [SIM_STALL] = 3,
	    [SIM_PAUSE] = 3,
	    [SIM_KILL] = 20,
	    [SIM_STOP] = 10,
	    [SIM_POWER] = 5,
	    [SIM_HANDOVER] = 5,
	    [SIM_REPLAY] = 5 } },
	{ { /* stalls and cuts close together */
	    [SIM_CUT] = 10,
	    [SIM_STALL] = 20,
	    [SIM_PAUSE] = 10,
	    [SIM_HANDOVER] = 5,
	    [SIM_ISOLATION] = 3 } },
};

static enum sim_fault_type draw_type(struct source *source, const struct mix *mix)
{
	unsigned int sum = 0, at;
	unsigned int type = 0;

	for (type = 0; type < SIM_FAULT_TYPES; type++)
		sum += mix->weight[type];
	at = draw(source, sum);
	for (type = 0; at >= mix->weight[type]; type++)
		at -= mix->weight[type];
	return type;
}

static uint32_t draw_value(struct source *source, enum sim_fault_type type)
{
	switch (type) {
	case SIM_LOSS:
		return 50 + draw(source, 900);
	case SIM_SLOW:
		return 1000 + draw(source, 30000);
	case SIM_REPLAY:
	case SIM_FORGE:
		return draw(source, 64);
	case SIM_STALL:
	case SIM_KILL:
		return draw(source, 2) ? draw(source, 24) : 0;
	case SIM_DRIFT:
		return (uint32_t)((int32_t)draw(source, 2 * DRIFT_MAX + 1) - DRIFT_MAX);
	case SIM_MAINTENANCE:
	case SIM_ISOLATION:
	case SIM_WITNESS:
		return draw(source, 2);
	case SIM_PRIORITY:
		return 1 + draw(source, 250);
	case SIM_CUT:
	case SIM_DOUBLE:
	case SIM_PAUSE:
	case SIM_STOP:
	case SIM_POWER:
	case SIM_DISK:
	case SIM_LINK:
	case SIM_UNFIT:
	case SIM_HANDOVER:
	case SIM_FAULT_TYPES:
		break;
	}
	return 0;
}

static void draw_fault(struct source *source, const struct mix *mix, uint64_t window,
		       bool has_witness, struct sim_fault *ret)
{
	enum sim_fault_type type = has_witness && !draw(source, 10) ? SIM_WITNESS
								    : draw_type(source, mix);

	memset(ret, 0, sizeof(*ret));
	ret->type = type;
	ret->at = draw(source, window / SIM_US) * SIM_US;
	ret->value = draw_value(source, type);
	if (type == SIM_CUT || type == SIM_LOSS || type == SIM_SLOW || type == SIM_DOUBLE) {
		ret->links = sim_link_names[draw(source, has_witness ? SIM_LINK_NAMES : 3)].links;
		ret->ports = draw(source, 2) ? 3 : 1 + draw(source, 2);
	} else if (type != SIM_REPLAY && type != SIM_WITNESS) {
		ret->node = draw(source, SIM_NODES);
	}
	if (type == SIM_LINK)
		ret->ports = 1 + draw(source, 3);
	if (type == SIM_HANDOVER || type == SIM_MAINTENANCE || type == SIM_PRIORITY ||
	    type == SIM_ISOLATION || type == SIM_REPLAY || type == SIM_FORGE || type == SIM_DRIFT)
		return;
	ret->length = draw_length(source);
	if (type == SIM_POWER)
		ret->length += 60 * SIM_MS; /* a machine does not boot faster */
}

void sim_plan_generate(struct sim_plan *plan, uint64_t seed)
{
	struct source source = { .seed = sim_mix(seed, 0x73696d) };
	const struct mix *mix = &mixes[draw(&source, sizeof(mixes) / sizeof(*mixes))];
	uint64_t window = (100 + draw(&source, 500)) * SIM_MS;

	sim_plan_init(plan);
	plan->noise = 1 + seed;
	plan->isolation = draw(&source, 2) ? HG_ISOLATION_STOP : HG_ISOLATION_CONTINUE;
	plan->is_failback = draw(&source, 2);
	plan->has_witness = !draw(&source, 3);
	for (unsigned int n = 0; n < SIM_NODES; n++) {
		plan->priority[n] = 100 + 50 * draw(&source, 2);
		plan->boot[n] = draw(&source, 20000) * SIM_US;
		plan->drift[n] = (int32_t)draw(&source, 2 * DRIFT_MAX + 1) - DRIFT_MAX;
	}
	if (!draw(&source, 8))
		plan->boot[draw(&source, SIM_NODES)] += draw(&source, 500) * SIM_MS;
	/* Mostly into a pair that has met. */
	plan->count = 1 + draw(&source, draw(&source, 3) ? 6 : 16);
	for (unsigned int i = 0; i < plan->count; i++) {
		draw_fault(&source, mix, window, plan->has_witness, &plan->fault[i]);
		if (draw(&source, 5) && seed % 4)
			plan->fault[i].at += 60 * SIM_MS;
	}
	sim_plan_finish(plan);
}
