/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The election: who holds the lease. Events in, actions out; no clock, no I/O.
 *
 * The data path (XDP) decides per packet; this core decides when to claim, when
 * to ask, when to let go. It never sees frames of the bounce: each event carries
 * a fresh observation of what the data path recorded (struct hg_obs).
 *
 * How the shell drives it:
 *   1. something happens, or hg_elect_deadline() is reached (HG_EV_TICK);
 *   2. read the observation, call hg_elect_step(), carry out the actions in order;
 *   3. when `again` came out of the step, do it at once with a new observation.
 *      (Withdraw before claiming: HG_ACT_CLAIM_EPOCH stops this node's grants in
 *      the data path; only an observation read after that is a safe last_grant.)
 */
#ifndef HG_CORE_ELECT_H
#define HG_CORE_ELECT_H

#include "hagate/abi.h"
#include "time.h"

enum hg_elect_state {
	HG_EL_OFF, /* mode: off */
	HG_EL_BLANK, /* mode: join, knows nothing: never claims, never sends configuration */
	HG_EL_LEARNER, /* a member is being learnt from; otherwise like BLANK */
	HG_EL_LISTEN, /* claims nothing until it has listened a lease + 3 intervals */
	HG_EL_STANDBY, /* grants to the holder, probes it */
	HG_EL_CLAIMING, /* own epoch set, not yet serving */
	HG_EL_ACTIVE,
	HG_EL_RELEASING, /* still serving; asks the peer to claim */
	HG_EL_DRAINING, /* fenced while serving; forwards transit until drain_until */
	HG_EL_MAINTENANCE,
	HG_EL_FAULT, /* unfit: grants, never claims */
	HG_EL_STATES,
};

enum hg_elect_mode { HG_MODE_OFF, HG_MODE_JOIN, HG_MODE_MEMBER };
enum hg_isolation { HG_ISOLATION_CONTINUE, HG_ISOLATION_STOP };

/* Set by HG_EV_START and HG_EV_CONFIG. */
struct hg_elect_config {
	uint8_t node; /* own id, 1..255 */
	uint8_t priority; /* 0..255, higher preferred */
	enum hg_elect_mode mode;
	enum hg_isolation isolation;
	bool has_peer; /* false: a pair of one, claims after listening */
	bool has_witness; /* decides where the peer is not heard; `isolation` does not count */
	bool is_failback; /* failback.enabled */
	struct hg_span failback_delay;
	struct hg_span interval; /* of PROBE and REQUEST */
	struct hg_span lease; /* L */
	struct hg_span hello; /* between HELLOs, 100 ms */
	struct hg_span agent_grace;
	struct hg_span drain;
	struct hg_span margin; /* added to L(1 + 2 drift) before serving without FENCED */
	uint32_t drift_ppm; /* bound of one clock, 10000 = 1 % */
	struct hg_span handover_timeout; /* RELEASING gives up, 1 s */
};

/* What the data path holds at the moment of the event (abi.h: hg_state, hg_peer). */
struct hg_obs {
	struct hg_time lease_until;
	uint64_t fence_epoch;
	uint64_t epoch; /* hg_state.epoch; matters at HG_EV_START (adoption) */
	uint64_t served_epoch; /* hg_state.served_epoch; matters at HG_EV_START */
	struct hg_time drain_until;
	struct hg_time last_grant;
	struct hg_time heard; /* any authenticated frame of the peer */
	struct hg_time request; /* last REQUEST not stale */
	uint64_t request_epoch;
	struct hg_span agent_age; /* of the peer, at `heard` */
	uint64_t fenced_epoch; /* FENCED last heard */
	struct hg_time fenced_stamp; /* own clock when that CLAIM was sent */
	bool is_wrong_key; /* unauthentic frames keep coming from the peer's address */
};

/* The peer as its last HELLO says. */
struct hg_elect_hello {
	enum hg_role role;
	uint64_t epoch; /* claimed or held, 0 none */
	uint64_t epoch_seen;
	uint64_t generation;
	uint8_t node;
	uint8_t priority;
	uint8_t health; /* 0..100 */
	bool is_consent;
	bool is_unfit;
	bool is_bound; /* HG_HELLO_F_BOUND */
};

/* An answer of the witness to HG_ACT_SEND_WITNESS. */
struct hg_elect_witness {
	bool is_granted;
	uint64_t epoch; /* granted; refused: the highest that the witness knows */
	struct hg_time stamp; /* own clock at the request: the grant counts from it */
	struct hg_span lease; /* granted */
};

enum hg_elect_event_type {
	HG_EV_START, /* config; obs decides on adoption */
	HG_EV_CONFIG, /* config changed (reload) */
	HG_EV_TICK, /* the deadline was reached, or the data path woke us (FENCED, OVERRULED) */
	HG_EV_HELLO, /* confirmed HELLO of the peer */
	HG_EV_HEALTH, /* own health, fitness or generation changed */
	/* Operator. Failback applies afterwards as always: a preferred node that handed
	 * over takes the role back after its delay. Maintenance keeps it away. */
	HG_EV_HANDOVER,
	HG_EV_MAINTENANCE_ON, /* operator; or remembered at start */
	HG_EV_MAINTENANCE_OFF,
	HG_EV_STOP, /* the agent is about to exit; the data path stays as it is */
	HG_EV_LEARN, /* a blank node began or gave up to learn from a member */
	HG_EV_WITNESS, /* the witness answered */
	HG_EVS,
};

struct hg_elect_event {
	enum hg_elect_event_type type;
	struct hg_time now;
	struct hg_obs obs;
	union {
		struct hg_elect_config config; /* START, CONFIG */
		struct hg_elect_hello hello; /* HELLO */
		struct hg_elect_witness witness; /* WITNESS */
		struct { /* HEALTH */
			uint8_t health;
			bool is_fit; /* false: wiring fault, misbound NIC, wrong key */
			uint64_t generation;
			bool is_unsynced; /* the peer's configuration is another */
		} self;
		bool is_learning; /* LEARN */
	};
	uint64_t epoch_counter; /* START: first unused counter of the reserved block */
};

enum hg_action_type {
	HG_ACT_CLAIM_EPOCH, /* epoch: write hg_state: lease_until = 0, then epoch. Stops grants */
	HG_ACT_SEND_CLAIM, /* epoch; on all heartbeat ports */
	/* until: write served_epoch, then lease_until; the data path serves from here */
	HG_ACT_SERVE,
	HG_ACT_ANNOUNCE, /* gratuitous ARP and NA for all VIPs; the shell repeats them */
	HG_ACT_ADDRESSES_ADD, /* VIPs on the NICs, after serving */
	HG_ACT_RENEW, /* until: lease_until = max, only while it has not ended (isolation) */
	HG_ACT_RELEASE_EPOCH, /* step down: epoch = 0, then lease_until = 0 */
	HG_ACT_ADDRESSES_REMOVE,
	HG_ACT_SEND_PROBE,
	HG_ACT_SEND_REQUEST,
	HG_ACT_SEND_HELLO, /* at once, beside the periodic ones; carries state->is_consenting */
	HG_ACT_SEND_WITNESS, /* ask: a grant of `lease` for `epoch`, stamped with the clock */
	HG_ACT_TRANSITION, /* from, to, why: publish the role, log once, remember */
	/* ok, why: answers each HANDOVER and MAINTENANCE_ON, at once or later */
	HG_ACT_HANDOVER_DONE,
	HG_ACTS,
};

struct hg_action {
	enum hg_action_type type;
	union {
		uint64_t epoch;
		struct hg_time until;
		struct {
			uint64_t epoch;
			struct hg_span lease;
		} ask;
		struct {
			enum hg_elect_state from, to;
			enum hg_why why;
		} transition;
		struct {
			bool is_ok;
			enum hg_why why;
		} done;
	};
};

#define HG_ACTIONS_MAX 16

struct hg_actions {
	unsigned int count;
	bool again; /* step again at once with a new observation */
	struct hg_action list[HG_ACTIONS_MAX];
};

/* Plain data: may be copied, hashed, stored, replayed. Written by hg_elect_step only. */
struct hg_elect {
	enum hg_elect_state state;
	enum hg_why why; /* of the last transition */
	struct hg_elect_config config;
	struct hg_elect_hello peer; /* valid while has_hello */
	bool has_hello; /* a confirmed HELLO was heard in this life */
	bool is_fit;
	bool is_maintenance; /* also while still active and handing over because of it */
	bool is_consenting; /* put HG_HELLO_F_CONSENT into HELLO */
	bool is_bound; /* put HG_HELLO_F_BOUND into HELLO; holds until the epoch is released */
	bool has_standing; /* granted to a bound holder, may wait that lease out (isolation: stop) */
	bool is_alone; /* renews its own lease, or the witness does */
	bool is_claim_sent; /* CLAIMING: the first CLAIM followed the withdrawal */
	bool has_addresses; /* ADDRESSES_ADD, or what an earlier agent left */
	bool has_waiter; /* HANDOVER_DONE is owed to an operator */
	bool is_reunited; /* this step: alone until now, and the peer is heard again */
	bool is_late; /* this step came more than an interval after it was due */
	uint8_t health;
	bool is_unsynced; /* own configuration is not the peer's: no failback */
	uint64_t generation;
	uint64_t epoch; /* own claim, 0 none */
	uint64_t epoch_seen; /* highest ever seen, own or foreign */
	uint64_t epoch_counter; /* next counter to claim with, at least */
	uint64_t served_epoch; /* last own epoch that was served, by an earlier agent too */
	uint64_t standing_epoch; /* of the holder that the standing is about */
	enum hg_why release_why; /* RELEASING: what for */
	struct hg_time now; /* of the last step */
	struct hg_time started_at;
	struct hg_time hello_at; /* when `peer` was heard */
	struct hg_time since; /* entered `state` */
	struct hg_time back_at; /* the peer may not have heard this node just before */
	struct hg_time silent_since; /* last REQUEST or CLAIM of the holder */
	struct hg_time request_at; /* last REQUEST */
	struct hg_time standing_at;
	struct hg_time next_send; /* PROBE, REQUEST, CLAIM */
	struct hg_time next_hello;
	struct hg_time next_ask; /* the witness is not asked again before */
	struct hg_time release_until;
	struct hg_time release_after; /* ACTIVE: not releasing by itself before */
	struct hg_time better_since; /* preferred over a healthy holder since (failback) */
	struct hg_time alone_since;
	struct hg_time heard_at; /* last frame of the peer, as of the last step */
	struct hg_time alone_after; /* CLAIMING: no serving without FENCED before */
	struct hg_time renewed_until; /* last SERVE or RENEW; a lease beyond it was granted */
	uint64_t witness_epoch; /* granted by the witness, 0 none */
	struct hg_time witness_until; /* that grant, on the own clock */
	struct hg_time witness_at; /* last answer of the witness, of either kind */
	uint32_t probes_unanswered; /* sent on time since the last REQUEST; a late tick resets it */
};

/* Zeroes the state to HG_EL_OFF. HG_EV_START must be the first event. */
void hg_elect_init(struct hg_elect *el);

/*
 * Takes one event, changes the state, fills `ret_actions` (never more than
 * HG_ACTIONS_MAX). Every state x event pair is defined; ignored ones give no
 * action. Invariants, tested over every trace: CLAIM_EPOCH before SEND_CLAIM before
 * SERVE of the same epoch; ANNOUNCE and ADDRESSES_ADD only after SERVE;
 * RELEASE_EPOCH before ADDRESSES_REMOVE; every claimed epoch higher than any seen.
 */
void hg_elect_step(struct hg_elect *el, const struct hg_elect_event *ev,
		   struct hg_actions *ret_actions);

/* When the next HG_EV_TICK is due, given the last observation stepped with.
 * HG_TIME_NEVER: not before another event. */
struct hg_time hg_elect_deadline(const struct hg_elect *el, const struct hg_obs *obs);

/* Role as others see it (contract: `role`). CLAIMING shows as standby. */
enum hg_role hg_elect_role(const struct hg_elect *el);

/* "listen", "standby", ... */
const char *hg_elect_state_name(enum hg_elect_state state);

#endif
