/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Once faults end, one node serves, soon and from then on for good: liveness.
 *
 * pair.pml shows what can never happen while anything may go wrong, and forces nobody to
 * do anything. Here the faults have just ended. What they left is not computed but
 * chosen: any contents of the words, any state of the agents, any age of their timers
 * (live_start.pml, which names the few rules that remain). So it does not matter which
 * faults there were, nor when the last frame of that time arrived: that was the last fault.
 *
 * From then on the regime is fair: in each tick (an interval) every agent steps, and again
 * when a frame has woken it, and every frame arrives, all in any order. Agents decide as
 * agent/core/decide.c does, with its timers: silence, listening, patience, giving up, what
 * was granted (`owed`), the freshness of HELLOs.
 *
 * Property, of every moment from tick SETTLED on: one node serves, the other does not, but
 * stands by: it was fenced by the holder's epoch and, with isolation stop, has standing.
 * With LTL the same without a bound: <>[] settled. Claims are counted: no more than CLAIMS.
 *
 * Modes, one of:  STOP  CONT  WITNESS                     (as in pair.pml)
 * What heals:     all, or LONE (one machine is gone for good), CUT (the two never hear each
 *                 other, but the witness), MUTE (the witness is gone for good)
 * Bounds:         LEASE LISTENED PATIENCE HELLO ALONE NEXT SETTLED
 * M_...           mistakes, each of which has to be found (run.py)
 */
#ifndef LEASE
#define LEASE 3
#endif
#ifndef LISTENED
#define LISTENED 1 /* intervals listened beyond a lease */
#endif
#ifndef PATIENCE
#define PATIENCE (2 * LEASE + 1)
#endif
#ifndef HELLO
#define HELLO 2 /* ticks from one to the next */
#endif
#ifndef ALONE
#define ALONE LEASE /* lease of a holder whom nobody hears */
#endif
#ifndef NEXT
#define NEXT 2 /* counters of epochs below it may be in use at the start */
#endif
#ifndef FAILBACK
#define FAILBACK 0 /* ticks until a preferred standby takes over; 0: never */
#endif
#ifndef SETTLED
#define SETTLED (FIRST_LISTEN + PATIENCE + LISTEN_FOR + SAFE + FAILBACK)
#endif
#ifndef CLAIMS
#define CLAIMS 4
#endif

#define SAFE (LEASE + 1) /* L (1 + 2 drift) + margin */
#ifdef CONT
#define SAFE_LONG (ALONE + 1) /* of a node that was away */
#else
#define SAFE_LONG SAFE
#endif
#define LISTEN_FOR (LEASE + LISTENED)
#define FRESH (3 * HELLO)
#define FIRST_LISTEN (LISTEN_FOR < FRESH -> FRESH : LISTEN_FOR)
#define OLD (FIRST_LISTEN + PATIENCE) /* ages end here */

#define LISTEN 0
#define STANDBY 1
#define CLAIMING 2
#define ACTIVE 3

#define COUNTER(e) ((e) / 2)
#define EPOCH(c, n) (2 * (c) + n)
#define NODE_NAME(n) ('A' + n)

/* data path */
byte epoch[2], fence[2], lease[2];
byte owed[2]; /* until what it granted has surely ended */
byte fenced[2]; /* FENCED was heard: what is left of the lease it gave */
/* agent */
byte state[2];
byte since[2], silent[2]; /* ages: the state, the last sign of a holder */
bool is_planned[2], heard[2];
byte next[2] = 1, seen[2]; /* next counter, on disk; highest epoch heard of */
bool has_hello[2], is_after[2]; /* the HELLO came after the last REQUEST */
bool peer_active[2]; /* what it says */
byte hello_age[2], hello_due[2];
bool stepped[2], woken[2];
byte better[2]; /* ticks that it has been the better one of the two */
byte preferred; /* priority, or the lower node id */
bool is_gone[2]; /* LONE */
/* frames on the way, by sender, GRANT and FENCED by receiver */
byte request[2], grant[2], claim[2], fencing[2];
bool hello[2], hello_active[2];
byte hello_seen[2];

#ifdef STOP
bool is_bound[2], is_alone[2];
byte renewed[2], served[2], standing[2];
byte hello_bound[2];
#endif
#ifdef WITNESS
byte ask[2], answer[2], refusal[2];
byte witness_e, witness_left, witness_waits;
byte promised[2], promised_e[2]; /* by the witness: for how long, for which epoch */
bool answered[2]; /* since the silence began */
#endif
byte clock;

#define serves(n) (epoch[n] > fence[n] && lease[n] > 0)
#define holds(n, m) (serves(n) && state[n] == ACTIVE && !serves(m))
#if defined(LONE) || defined(CUT)
#define is_ready(n, m) true
#elif defined(STANDING)
#define is_ready(n, m) (state[m] == STANDBY && fence[m] == epoch[n] && standing[m] == epoch[n])
#else
#define is_ready(n, m) (state[m] == STANDBY && fence[m] == epoch[n])
#endif
#if defined(M_NEVER_A)
#define is_settled (holds(1, 0) && is_ready(1, 0))
#elif defined(M_NEVER_B)
#define is_settled (holds(0, 1) && is_ready(0, 1))
#else
#define is_settled ((holds(0, 1) && is_ready(0, 1)) || (holds(1, 0) && is_ready(1, 0)))
#endif

#include "live_start.pml"
#include "live_frames.pml"

/* --- decisions ---------------------------------------------------------------------- */

#define next_counter(n) (COUNTER(seen[n]) + 1 > next[n] -> COUNTER(seen[n]) + 1 : next[n])

#ifdef WITNESS
#define next_epoch(n) (state[n] >= CLAIMING -> epoch[n] : EPOCH(next_counter(n), n))
#define may_serve_alone(n, planned) (!(planned) && promised[n] && promised_e[n] == next_epoch(n))
#elif defined(STOP) || defined(M_WAITS_FOR_PROMISE)
#ifdef STOP
#define may_serve_alone(n, planned) (!(planned) && standing[n] && standing[n] == fence[n])
#else
#define may_serve_alone(n, planned) false
#endif
#else
#define may_serve_alone(n, planned) (!(planned))
#endif

inline enter(n, s)
{
	state[n] = s; since[n] = 0; heard[n] = false; better[n] = 0;
	is_moved = true
}

/* Stands by, or listens, and holds no epoch; silence is counted anew. */
inline leave(n, s)
{
	enter(n, s);
	silent[n] = 0; is_planned[n] = false;
#ifdef WITNESS
	answered[n] = false;
#endif
	epoch[n] = 0; lease[n] = 0; fenced[n] = 0;
#ifdef STOP
	is_bound[n] = false; is_alone[n] = false; renewed[n] = 0;
#endif
	grant[n] = 0; fencing[n] = 0 /* would be refused */
}

/* Where no holder's lease is waited out, another claim gets two intervals to be heard. */
inline start_claim(n, planned)
{
	if
	:: planned || (state[n] == STANDBY && silent[n] == LEASE)
#ifdef WITNESS
	:: may_serve_alone(n, planned)
#endif
	:: else -> owed[n] = max(owed[n], 2)
	fi;
	lease[n] = 0; fenced[n] = 0;
#ifdef M_SAME_EPOCH
	epoch[n] = EPOCH(next[n], n);
#else
	next[n] = next_counter(n) + 1;
	epoch[n] = EPOCH(next[n] - 1, n);
#endif
	assert(next[n] <= NEXT + CLAIMS);
	printf("%c claims %d\n", NODE_NAME(n), epoch[n]);
	enter(n, CLAIMING);
	seen[n] = max(seen[n], epoch[n]);
	silent[n] = 0; is_planned[n] = planned;
#ifdef WITNESS
	answered[n] = false;
#endif
	skip
}

inline start_serving(n, left, waited)
{
	printf("%c serves %d\n", NODE_NAME(n), epoch[n]);
	enter(n, ACTIVE);
	lease[n] = left; is_planned[n] = false; fenced[n] = 0;
#ifdef STOP
	served[n] = epoch[n];
	is_bound[n] = !waited; is_alone[n] = waited;
	renewed[n] = (waited -> lease[n] : 0);
	standing[n] = (waited -> standing[n] : 0);
#endif
	skip
}

#ifdef M_NO_TIE_BREAK
#define goes_first(n, age) (false)
#elif defined(M_WITNESS_AWAITED)
#define goes_first(n, age) (may_serve_alone(n, false))
#else
#define goes_first(n, age) (n == preferred || age >= PATIENCE)
#endif
#define listened(n) (has_hello[n] -> LISTEN_FOR : FIRST_LISTEN)

inline review_listen(n)
{
	if
	:: heard[n] ->
		enter(n, STANDBY);
		owed[n] = max(owed[n], SAFE_LONG)
	:: else ->
		if
		:: since[n] < listened(n)
#ifdef M_LISTENS_ON
		:: since[n] >= listened(n) && is_fresh(n)
#endif
		:: since[n] >= listened(n) && !is_fresh(n) && may_serve_alone(n, false) ->
			start_claim(n, false)
		:: since[n] >= listened(n) && is_fresh(n) && !peer_active[n] &&
		   goes_first(n, since[n] - listened(n)) ->
			start_claim(n, false)
		:: else
		fi
	fi
}

#ifdef WITNESS
#ifdef M_WITNESS_AWAITED
#define is_unwitnessed(n) (false)
#else
#define is_unwitnessed(n) (is_idle(n) || (silent[n] >= 2 * LEASE && !answered[n]))
#endif
#else
#define is_unwitnessed(n) true
#endif

/* Silence long enough. The peer that says it holds nothing may go first; a claim that needs
 * an answer is made only when somebody is there to give it. */
#define may_end_silence(n) \
	((is_idle(n) && goes_first(n, 0)) || \
	 (!(is_idle(n) && !goes_first(n, silent[n] - LEASE)) && \
	  (may_serve_alone(n, false) || (is_fresh(n) && is_unwitnessed(n)))))

inline review_standby(n)
{
	if
	:: silent[n] >= LEASE ->
		if
		:: may_end_silence(n) -> start_claim(n, false)
		:: else
		fi
	:: silent[n] < LEASE && FAILBACK && better[n] >= FAILBACK -> start_claim(n, true)
	:: else
	fi
}

#ifdef M_NEVER_GIVES_UP
#define gives_up(n) (false)
#elif defined(M_PLANNED_NOT_GIVEN_UP)
#define gives_up(n) (!is_planned[n] && since[n] >= PATIENCE)
#else
#define gives_up(n) (since[n] >= (is_planned[n] -> LEASE : PATIENCE))
#endif
#ifdef WITNESS
#define alone_lease(n) promised[n]
#else
#define alone_lease(n) LEASE
#endif

inline review_claiming(n)
{
	if
#ifndef M_OVERRULED_STAYS
	:: fence[n] > epoch[n] -> leave(n, STANDBY)
#endif
	:: fence[n] < epoch[n] && fenced[n] -> start_serving(n, fenced[n], false)
	:: fence[n] < epoch[n] && !fenced[n] && may_serve_alone(n, is_planned[n]) && !owed[n] ->
		start_serving(n, alone_lease(n), true)
	:: fence[n] < epoch[n] && !fenced[n] && !may_serve_alone(n, is_planned[n]) && gives_up(n) ->
		printf("%c gives up\n", NODE_NAME(n));
		if
		:: is_planned[n] -> leave(n, STANDBY)
		:: else -> leave(n, LISTEN)
		fi
	:: else
	fi
}

#if defined(CONT)
#define may_renew(n) true
#elif defined(STOP)
#define may_renew(n) (is_alone[n] && !is_bound[n])
#else
#define may_renew(n) false
#endif

inline review_holder(n)
{
#ifdef STOP
	if
	:: !is_bound[n] && fence[n] < epoch[n] && lease[n] > renewed[n] ->
		is_bound[n] = true; is_alone[n] = false; renewed[n] = 0; standing[n] = 0
	:: else
	fi;
#endif
	if
	:: fence[n] > epoch[n] -> leave(n, STANDBY)
	:: fence[n] < epoch[n] && !lease[n] ->
		printf("%c: lease ended\n", NODE_NAME(n));
		leave(n, LISTEN)
	:: fence[n] < epoch[n] && lease[n] ->
		if
		:: may_renew(n) && lease[n] <= LEASE / 2 ->
			lease[n] = LEASE;
#ifdef STOP
			renewed[n] = LEASE;
#endif
		:: else
		fi;
#ifdef WITNESS
		if
		:: promised_e[n] == epoch[n] && lease[n] < promised[n] -> lease[n] = promised[n]
		:: else
		fi;
#endif
		skip
	fi
}

#include "live_witness.pml"

/* --- the step of an agent ------------------------------------------------------------ */

#define is_better(n) (state[n] == STANDBY && FAILBACK && prefers_itself(n) && is_fresh(n) && \
		      peer_active[n] && silent[n] < LEASE)
#ifdef M_FAILBACK_OF_EQUALS
#define prefers_itself(n) true
#else
#define prefers_itself(n) (n == preferred)
#endif
#ifdef M_REQUEST_ONCE
#define sends_request(n) (state[n] == ACTIVE && is_moved)
#else
#define sends_request(n) (state[n] == ACTIVE)
#endif
#ifdef M_CLAIM_ONCE
#define sends_claim(n) (state[n] == CLAIMING && is_moved)
#else
#define sends_claim(n) (state[n] == CLAIMING)
#endif

inline send_frames(n)
{
#ifndef CUT
	if
	:: sends_request(n) && (is_regular || is_moved) && epoch[n] > fence[n] ->
		request[n] = epoch[n]
	:: sends_claim(n) && (is_regular || is_moved) -> claim[n] = epoch[n]
	:: else
	fi;
#endif
#ifdef WITNESS
	ask_witness(n);
#endif
	if
#ifdef M_HELLO_AT_CHANGE
	:: is_moved -> send_hello(n)
#else
	:: is_moved || (is_regular && !hello_due[n]) -> send_hello(n)
#endif
	:: else
	fi
}

hidden byte is_moved, is_regular; /* in this step: it went to another state, was due */

inline agent(n)
{
	d_step { !is_gone[n] && (!stepped[n] || woken[n]) ->
		is_regular = !stepped[n];
		stepped[n] = true; woken[n] = false; is_moved = false;
		if
		:: state[n] == LISTEN -> review_listen(n)
		:: state[n] == STANDBY -> review_standby(n)
		:: state[n] == CLAIMING -> review_claiming(n)
		:: state[n] == ACTIVE -> review_holder(n)
		fi;
		if
		:: is_better(n)
		:: else -> better[n] = 0
		fi;
		send_frames(n)
	}
}

/* What is checked of each state. The property without a bound needs no clock. */
#ifdef LTL
#define count_tick() skip
#define check() skip
#else
#define count_tick() clock = (clock < SETTLED -> clock + 1 : SETTLED)
#define check() assert(clock < SETTLED || is_settled)
#endif

/* --- time ---------------------------------------------------------------------------- */

#define up(age, end) age = (age < end -> age + 1 : end)
#define down(left) left = (left -> left - 1 : 0)
#define is_quiet(n) (!request[n] && !claim[n] && !grant[n] && !fencing[n] && !hello[n] && \
		     ((stepped[n] && !woken[n]) || is_gone[n]))

inline advance(n)
{
	down(lease[n]); down(owed[n]); down(fenced[n]); down(hello_due[n]);
	up(since[n], OLD); up(silent[n], LEASE + PATIENCE); up(hello_age[n], FRESH + 1);
	if
	:: is_better(n) -> up(better[n], FAILBACK)
	:: else
	fi;
#ifdef STOP
	down(renewed[n]);
#endif
#ifdef WITNESS
	down(promised[n]);
#endif
	stepped[n] = false
}

inline tick()
{
	d_step { is_quiet(0) && is_quiet(1) && is_witness_quiet ->
		printf("--- tick\n");
		advance(0);
		advance(1);
#ifdef WITNESS
		down(witness_left); down(witness_waits);
#endif
		count_tick()
	}
}

inline step()
{
	if
	:: on_request(0, 1) :: on_request(1, 0)
	:: on_claim(0, 1) :: on_claim(1, 0)
	:: on_grant(0) :: on_grant(1)
	:: on_fenced(0) :: on_fenced(1)
	:: on_hello(0, 1) :: on_hello(1, 0)
	:: agent(0) :: agent(1)
#ifdef WITNESS
	:: on_ask(0) :: on_ask(1)
	:: on_answer(0) :: on_answer(1)
#endif
	:: tick()
	fi
}

#ifdef LTL
ltl settles { <>[] is_settled }
#endif

init {
	atomic { choose_start() };
	do
	:: atomic { step(); check() }
	od
}
