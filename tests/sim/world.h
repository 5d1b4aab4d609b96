/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two gateways in virtual time. Real: the election, sessions, health and keys of the
 * agent; the peer stage and the lease of the data path. Made here in short: the agent's
 * shell (node.c does what elector.c and peer.c do), the network, the machines.
 *
 *   world.c   the clock, the order of events, the machines
 *   net.c     frames under way
 *   node.c    the agent's small steps: take an event, observe, decide, act
 *   shell.c   what the agent does: frames, sessions, the disk, health
 *   fault.c   what goes wrong
 *   check.c   what must hold at every instant
 *
 * struct sim_world is plain data but for `plan` and `trace`: a copy of it goes on like
 * the original. An agent's step takes no time, but may be interrupted between any two
 * small steps (clock, observation and decision, each action), for as long as a plan says.
 */
#ifndef SIM_WORLD_H
#define SIM_WORLD_H

#include <stdio.h>

#include "agent/core/elect.h"
#include "agent/core/session.h"
#include "agent/core/witness.h"
#include "tests/sim/gate.h"
#include "tests/sim/plan.h"

#define SIM_FRAMES_MAX 512 /* under way; what comes on top is lost */
#define SIM_NIC_MAX 64 /* that a paused machine's NIC keeps */
#define SIM_INBOX_MAX 24
#define SIM_TAPE_MAX 16 /* recorded frames */
#define SIM_NEVER UINT64_MAX
#define SIM_HOSTS (SIM_NODES + 1)
#define SIM_THIRD SIM_NODES /* the witness, as a host */

struct sim_frame {
	struct hg_wire_head head;
	uint8_t tag[HG_WIRE_TAG_LEN];
	struct { /* HELLO: the fields of struct hg_wire_hello that matter here */
		uint8_t nonce[HG_WIRE_NONCE_LEN], echo[HG_WIRE_NONCE_LEN];
		uint8_t role, health, priority, flags;
		uint64_t epoch_seen;
	} hello;
	struct { /* to and from the witness */
		struct hg_elect_witness word; /* of the request: epoch, stamp, lease */
		uint32_t boot, life; /* of the witness, of the agent: the session */
	} third;
	uint8_t from, to, port;
};

struct sim_flight {
	uint64_t at;
	uint32_t order; /* first in, first out within one instant */
	uint16_t frame;
};

struct sim_path { /* one direction of one port */
	uint64_t cut_until, loss_until, slow_until, double_until;
	uint32_t loss_permille, slow_us;
};

enum sim_note_type {
	SIM_NOTE_EVENT, /* for the election */
	SIM_NOTE_HELLO, /* from the ring buffer */
	SIM_NOTE_JUDGE, /* health */
	SIM_NOTE_GREET, /* HELLO to all */
	SIM_NOTE_WITNESS, /* it answered */
};

struct sim_third {
	struct hg_witness state;
	struct hg_witness_rules rules;
	uint64_t off_until, remembered;
	uint32_t boot;
	bool is_forgetful; /* loses its state when it comes back */
};

struct sim_note {
	enum sim_note_type type;
	enum hg_elect_event_type event;
	struct sim_frame frame; /* HELLO */
};

enum sim_phase { SIM_IDLE, SIM_CLOCK, SIM_OBSERVE, SIM_ACT };

/* What the checks know of one agent's life. */
struct sim_order {
	uint64_t claimed, announced, served;
};

struct sim_node {
	struct sim_gate gate;
	/* machine */
	uint64_t clock_base, world_base;
	int64_t ppm;
	uint64_t paused_until, off_until; /* 0: not */
	uint16_t nic[SIM_NIC_MAX];
	unsigned int nic_count;
	uint64_t link_lost_until[SIM_PORTS], unfit_until, judge_at;
	/* disk */
	uint64_t disk_counter, disk_fails_until;
	bool disk_maintenance, had_disk_trouble;
	/* agent */
	bool is_alive, is_judged;
	uint32_t life;
	uint64_t dead_until;
	uint64_t stalled_until;
	bool has_stall, has_death; /* after `countdown` small steps */
	unsigned int countdown;
	uint64_t trouble_ns;
	uint64_t step_at; /* small steps of one instant are counted: */
	unsigned int step_index;
	enum sim_phase phase;
	unsigned int next_action;
	uint64_t wake_at, slow_at; /* slow_at: of the node's clock */
	struct hg_elect el;
	struct hg_elect_config config;
	struct hg_session session;
	struct hg_key cluster_key, session_key[2];
	struct hg_obs obs;
	struct hg_actions actions;
	struct hg_elect_event ev;
	struct hg_elect_event next_ev; /* follows at once */
	bool has_next_ev;
	struct sim_note inbox[SIM_INBOX_MAX];
	unsigned int inbox_count;
	uint64_t epoch_first, epoch_reserved, seen_before;
	uint64_t hurried_at;
	struct sim_order order;
};

enum sim_failure {
	SIM_FINE,
	SIM_TWO_SERVE,
	SIM_UNDUE_OVERLAP,
	SIM_SERVES_FENCED,
	SIM_REVIVED,
	SIM_EPOCH,
	SIM_ORDER,
	SIM_ENDLESS,
	SIM_NOBODY,
	SIM_NO_ANSWER,
	SIM_FAILURES,
};

struct sim_points;

struct sim_findings {
	enum sim_failure failure;
	uint64_t failed_at;
	char text[160];
	unsigned int serving; /* bits by node */
	uint64_t harmed_at; /* a frame between the nodes was lost or late by a fault */
	uint64_t able_at[SIM_NODES]; /* the agent was last kept from running */
	uint64_t claimed_at[SIM_NODES];
	uint64_t last_epoch[SIM_NODES]; /* claimed */
	uint64_t top_served;
	uint64_t met_at; /* a session was installed */
	uint64_t descents; /* terms of an epoch below an earlier one's */
	uint64_t waiting_since[SIM_NODES]; /* an operator; 0: none */
	uint64_t unsettled_at; /* last moment after quiet_at that not exactly one served */
	uint64_t gap_since, longest_gap, overlap_since, overlap_ns;
	uint64_t steps, frames, terms;
};

struct sim_world {
	/* state: hashed by the exhaustive explorer up to `plan` */
	uint64_t now;
	struct sim_node node[SIM_NODES];
	struct sim_third third;
	struct sim_path path[SIM_HOSTS][SIM_HOSTS][SIM_PORTS]; /* from, to */
	unsigned int next_fault;
	/* the rest */
	const struct sim_plan *plan;
	struct sim_points *points; /* NULL, or where the small explorer collects */
	FILE *trace; /* NULL: silent */
	FILE *record; /* steps of `recorded` as JSON lines, or NULL */
	unsigned int recorded;
	bool has_frames; /* traced too */
	bool is_brief; /* stops as soon as the pair has settled */
	uint32_t next_order;
	struct sim_findings found;
	unsigned int tape_count;
	struct sim_frame tape[SIM_TAPE_MAX];
	unsigned int flights, frames_high;
	struct sim_flight flight[SIM_FRAMES_MAX]; /* heap */
	uint16_t unused[SIM_FRAMES_MAX];
	unsigned int unused_count;
	struct sim_frame frame[SIM_FRAMES_MAX];
};

/* world.c */
void sim_world_init(struct sim_world *world, const struct sim_plan *plan);
/* Up to and with `until`, or to the first failure. */
void sim_world_run(struct sim_world *world, uint64_t until);
/* To the end of the plan and of what must follow it. 0, or the failure. */
enum sim_failure sim_world_finish(struct sim_world *world);
enum sim_failure sim_plan_run(const struct sim_plan *plan, struct sim_world *world, FILE *trace,
			      bool has_frames);

uint64_t sim_clock(const struct sim_world *world, unsigned int n);
uint64_t sim_clock_read(struct sim_world *world, unsigned int n); /* never the same twice */
uint64_t sim_clock_when(const struct sim_world *world, unsigned int n, uint64_t clock);
uint64_t sim_noise(const struct sim_world *world, uint64_t salt, uint64_t below);
bool sim_is_running(const struct sim_world *world, unsigned int n);
bool sim_is_serving(const struct sim_world *world, unsigned int n);
void sim_say(const struct sim_world *world, unsigned int n, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void sim_power_off(struct sim_world *world, unsigned int n, uint64_t ns);

/* net.c */
void sim_net_init(struct sim_world *world);
void sim_net_send(struct sim_world *world, const struct sim_frame *frame);
void sim_net_inject(struct sim_world *world, const struct sim_frame *frame);
void sim_net_arrive(struct sim_world *world); /* the first of those under way */
void sim_net_resume(struct sim_world *world, unsigned int n); /* what the NIC kept */
void sim_net_forget(struct sim_world *world, unsigned int n);
const char *sim_frame_name(unsigned int type);

/* node.c */
void sim_agent_start(struct sim_world *world, unsigned int n);
void sim_agent_die(struct sim_world *world, unsigned int n, uint64_t ns);
void sim_agent_run(struct sim_world *world, unsigned int n);
void sim_agent_tell(struct sim_world *world, unsigned int n, const struct sim_note *note);
void sim_agent_event(struct sim_world *world, unsigned int n, enum hg_elect_event_type type);

/* shell.c */
void sim_shell_start(struct sim_world *world, unsigned int n);
void sim_shell_sign(struct sim_world *world, unsigned int n, struct sim_frame *frame);
void sim_shell_long(const struct sim_frame *frame, struct hg_wire_long *ret);
void sim_shell_send(struct sim_world *world, unsigned int n, enum hg_wire_type type,
		    uint64_t epoch);
void sim_shell_greet(struct sim_world *world, unsigned int n);
/* Returns whether ret_ev is to follow. */
bool sim_shell_hello(struct sim_world *world, unsigned int n, const struct sim_frame *frame,
		     struct hg_elect_event *ret_ev);
bool sim_shell_judge(struct sim_world *world, unsigned int n, struct hg_elect_event *ret_ev);
void sim_shell_reserve(struct sim_world *world, unsigned int n);
void sim_shell_slow_tick(struct sim_world *world, unsigned int n);
void sim_shell_observe(struct sim_world *world, unsigned int n, struct hg_obs *ret);

/* third.c: the witness */
void sim_third_start(struct sim_world *world);
void sim_third_stop(struct sim_world *world, uint64_t ns, bool is_forgetful);
void sim_third_ask(struct sim_world *world, unsigned int n, const struct hg_action *act);
void sim_third_receive(struct sim_world *world, const struct sim_frame *frame);
/* Whether ret_ev is to follow. */
bool sim_third_answered(struct sim_world *world, unsigned int n, const struct sim_frame *frame,
			struct hg_elect_event *ret_ev);

/* fault.c */
void sim_fault_apply(struct sim_world *world, const struct sim_fault *fault);

/* check.c */
void sim_check_serving(struct sim_world *world);
void sim_check_heard(struct sim_world *world, unsigned int n, const struct sim_frame *frame,
		     uint32_t reason);
void sim_check_step(struct sim_world *world, unsigned int n);
void sim_check_action(struct sim_world *world, unsigned int n, const struct hg_action *act);
void sim_check_end(struct sim_world *world);
void sim_fail(struct sim_world *world, enum sim_failure failure, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
const char *sim_failure_name(enum sim_failure failure);

/* record.c */
void sim_record_start(struct sim_world *world, unsigned int n);
void sim_record_begin(struct sim_world *world, unsigned int n);
void sim_record_end(struct sim_world *world, unsigned int n);

#endif
