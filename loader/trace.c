// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * See trace.h. Without the pin directory's lock, which others need more: a program reads
 * the generation once, so the frame meets one ruleset, and counters of rules in force do
 * not change their rules. A change of rules meanwhile is noticed.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <linux/bpf.h>

#include "internal.h"
#include "trace.h"

#include "gate.skel.h"

#define LEASE_NS (10 * 1000000000ull)

/* What the frame is to meet as other packets do; all else is the trace's own. */
static const char *const live[] = {
	"hg_port",    "hg_addr4",  "hg_addr6",	   "hg_filter",	   "hg_f_bits",
	"hg_f_table", "hg_f_trie", "hg_f_rule",	   "hg_rule_tat",  "hg_source_tat",
	"hg_block4",  "hg_block6", "hg_blocklpm4", "hg_blocklpm6",
};

struct run {
	const char *pin;
	struct gate_bpf *gate;
	struct hg_error *error;
	int slot_fd; /* hg_rule_slot */
};

static int reuse(struct run *run, struct bpf_map *map)
{
	int fd, err = hg_pin_open(run->pin, bpf_map__name(map), &fd, run->error);

	if (err)
		return err;
	err = bpf_map__reuse_fd(map, fd);
	close(fd);
	if (err)
		hg_loader_fail(run->error, err, "cannot use %s/%s: %s", run->pin,
			       bpf_map__name(map), strerror(-err));
	return err;
}

static int open_gate(struct run *run, const struct hg_config *config)
{
	struct bpf_map *map;
	size_t i;
	int err = 0;

	run->gate = gate_bpf__open();
	if (!run->gate)
		return hg_loader_fail(run->error, -ENOMEM, "cannot read the built-in BPF object");
	run->gate->rodata->hg_config = *config;
	for (i = 0; i < sizeof(live) / sizeof(live[0]) && !err; i++) {
		map = bpf_object__find_map_by_name(run->gate->obj, live[i]);
		err = map ? reuse(run, map)
			  : hg_loader_fail(run->error, -ENOENT, "there is no map %s", live[i]);
	}
	if (err)
		return err;
	err = gate_bpf__load(run->gate);
	if (err)
		hg_loader_fail(run->error, err, "cannot load the program: %s", hg_loader_warning());
	return err;
}

/* The frame is judged as at this moment, however late the program runs. */
static int copy_state(struct run *run)
{
	volatile struct hg_state *now;
	struct hg_state state;
	struct timespec ts;
	__u32 key = 0;
	int err = hg_pin_map(run->pin, HG_STATE_MAP, sizeof(*now), &now, run->error);

	if (err)
		return err;
	clock_gettime(CLOCK_BOOTTIME, &ts);
	memcpy(&state, (const void *)now, sizeof(state));
	hg_pin_unmap(now, sizeof(*now));
	if (hg_state_serves(&state, ts.tv_sec * 1000000000ull + ts.tv_nsec))
		state.lease_until += LEASE_NS;
	err = bpf_map_update_elem(bpf_map__fd(run->gate->maps.hg_state), &key, &state, BPF_ANY);
	if (err)
		hg_loader_fail(run->error, err, "cannot copy %s: %s", HG_STATE_MAP, strerror(-err));
	return err;
}

static int run_frame(struct run *run, int ifindex, const void *frame, size_t length,
		     struct hg_trace *ret)
{
	struct xdp_md context = { .data_end = length, .ingress_ifindex = ifindex };
	char out[4096];
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = length,
		    .data_out = out, .data_size_out = sizeof(out), .ctx_in = &context,
		    .ctx_size_in = sizeof(context), .repeat = 1);
	int err = bpf_prog_test_run_opts(bpf_program__fd(run->gate->progs.hg_gate), &opts);

	if (err)
		return hg_loader_fail(run->error, err, "the kernel does not run the program: %s",
				      strerror(-err));
	ret->verdict = opts.retval == XDP_PASS ? HG_TRACE_PASS
		       : opts.retval == XDP_TX ? HG_TRACE_ANSWER
					       : HG_TRACE_DROP;
	return 0;
}

static int read_reason(struct run *run, __u32 slot, struct hg_trace *ret)
{
	struct hg_stat stat[HG_R_COUNT];
	struct hg_maps maps;
	int err, reason;

	hg_maps_init(&maps);
	maps.stats_fd = bpf_map__fd(run->gate->maps.hg_stats);
	err = hg_maps_get_stats(&maps, slot, stat);
	if (err)
		return hg_loader_fail(run->error, err, "cannot read the reason: %s",
				      strerror(-err));
	ret->reason = HG_R_NONE;
	for (reason = 0; reason < HG_R_COUNT; reason++)
		if (stat[reason].packets)
			ret->reason = reason;
	return 0;
}

/* Has the rule with this counter met the frame? */
static int check_counter(struct run *run, __u32 counter, __u64 id, struct hg_rule_stat *percpu,
			 int cpus, struct hg_trace *ret)
{
	__u64 packets = 0, exceeded = 0;
	int cpu, err;

	err = bpf_map_lookup_elem(bpf_map__fd(run->gate->maps.hg_rule_stat), &counter, percpu);
	for (cpu = 0; cpu < cpus && !err; cpu++) {
		packets += percpu[cpu].packets;
		exceeded += percpu[cpu].exceeded;
	}
	if (err || !(packets + exceeded) || ret->rule_count == HG_TRACE_RULES_MAX)
		return err;
	ret->rule[ret->rule_count].id = id;
	ret->rule[ret->rule_count++].is_exceeded = exceeded > 0;
	return 0;
}

static int read_rules(struct run *run, struct hg_trace *ret)
{
	int cpus = libbpf_num_possible_cpus(), err;
	struct hg_rule_stat *percpu = calloc(cpus > 0 ? cpus : 1, sizeof(*percpu));
	__u64 id = 0, *before = NULL;
	struct hg_rule_slot slot;

	if (!percpu || cpus <= 0) {
		free(percpu);
		return hg_loader_fail(run->error, -ENOMEM, "no memory");
	}
	while (!(err = bpf_map_get_next_key(run->slot_fd, before, &id))) {
		before = &id;
		err = bpf_map_lookup_elem(run->slot_fd, &id, &slot);
		if (!err)
			err = check_counter(run, slot.counter, id, percpu, cpus, ret);
		if (err)
			break;
	}
	free(percpu);
	if (err && err != -ENOENT)
		return hg_loader_fail(run->error, err, "cannot read the counters: %s",
				      strerror(-err));
	return 0;
}

static int read_generation(struct run *run, __u32 *ret)
{
	struct hg_filter filter;
	__u32 key = 0;
	int err = bpf_map_lookup_elem(bpf_map__fd(run->gate->maps.hg_filter), &key, &filter);

	if (err)
		return hg_loader_fail(run->error, err, "cannot read hg_filter: %s", strerror(-err));
	*ret = filter.generation;
	return 0;
}

int hg_trace_run(const char *pin, const struct hg_config *config, int ifindex, __u32 slot,
		 const void *frame, size_t length, struct hg_trace *ret, struct hg_error *error)
{
	struct run run = { .pin = pin, .error = error, .slot_fd = -1 };
	struct hg_trace trace = { 0 };
	__u32 after = 0;
	int err;

	hg_loader_quiet();
	err = hg_pin_open(pin, "hg_rule_slot", &run.slot_fd, error);
	if (!err)
		err = open_gate(&run, config);
	if (!err)
		err = read_generation(&run, &trace.generation);
	if (!err)
		err = copy_state(&run);
	if (!err)
		err = run_frame(&run, ifindex, frame, length, &trace);
	if (!err)
		err = read_reason(&run, slot, &trace);
	if (!err)
		err = read_rules(&run, &trace);
	if (!err)
		err = read_generation(&run, &after);
	if (!err && after != trace.generation)
		err = hg_loader_fail(error, -EAGAIN, "the rules changed meanwhile: ask again");
	gate_bpf__destroy(run.gate);
	if (run.slot_fd >= 0)
		close(run.slot_fd);
	if (!err)
		*ret = trace;
	return err;
}
