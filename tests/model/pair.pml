/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two nodes, one owner: lease, grants, claims, isolation and witness, against time.
 *
 * What the code does: bpf/lease.h (obey: yield, on_request, on_claim, on_grant,
 * on_fenced; serve), agent/core (claim, serve, renew, promise, standing, adoption,
 * listening), witness (ask, answer). Node A is 0, node B is 1, the witness clock 2.
 *
 * Time is discrete. A word that holds a point in time in the code is a distance here,
 * counted on the clock of its owner and saturating where it means nothing more: lease
 * counts down, the ages of grants and frames count up. With DRIFT each clock may lose
 * or double one tick in any LEASE + 1 ticks, against a waiting time of LEASE + 2.
 *
 * Who does something when is left open: an agent steps or does not, between a decision
 * and the store that carries it out anything may happen, a frame arrives at once, later,
 * again and again, out of order, or never. So late agents, stalls, pauses of a machine
 * whose clock runs on, loss, duplication, reordering and cuts either way need no action
 * of their own. Silence, consent, hung agent and failback are all "claims when it
 * likes". That is more than the code can do: what holds here holds there.
 *
 * Of each kind one frame a direction is on the way. A newer one replaces it: the older
 * could have been delivered just before, with the same effect. Frames and ages that can
 * have no effect any more are cleared, so that states which differ by nothing are one.
 *
 * Modes, one of:   STOP (isolation: stop)  CONT (isolation: continue)  WITNESS
 * Bounds:          LEASE ALONE MAXC (claims: counters up to it)  DRIFT (0, 1)
 * Faults, 0 or 1:  REBOOT (memory lost)  DEATH (agent dies, data path lives on)
 * Property:        STOP, WITNESS: never two serve. CONT: two serve only while the one
 *                  with the lower epoch lives on a lease that it gave itself.
 * START            also: what live.pml begins with covers every state reached
 * M_...            mistakes, each of which has to be found (run.py)
 */
#ifndef LEASE
#define LEASE 2
#endif
#ifndef ALONE
#define ALONE LEASE
#endif
#ifndef MAXC
#define MAXC 2
#endif
#ifndef DRIFT
#define DRIFT 0
#endif
#ifndef REBOOT
#define REBOOT 1
#endif
#ifndef DEATH
#define DEATH 1
#endif

#define WAIT (LEASE + 2 * DRIFT) /* L (1 + 2 drift) + margin */
#if defined(M_NO_DRIFT)
#define SAFE LEASE
#elif defined(M_ONE_DRIFT)
#define SAFE (LEASE + DRIFT)
#else
#define SAFE WAIT
#endif
#ifdef STOP
#define NEVER (WAIT + 1) /* age: no such event in this life of the machine */
#else
#define NEVER WAIT /* makes no difference */
#endif
#ifdef M_NO_LISTEN
#define LISTEN_FOR 0
#else
#define LISTEN_FOR WAIT
#endif
#ifdef M_WITNESS_NO_DRIFT
#define WITNESS_FOR LEASE
#else
#define WITNESS_FOR WAIT
#endif

#define DEAD 0 /* states of an agent */
#define LISTEN 1
#define STANDBY 2
#define CLAIMING 3
#define ACTIVE 4

#define NODE_NAME(n) ('A' + n)
#define COUNTER(e) ((e) / 2)
#ifdef M_NO_NODE_ID
#define EPOCH(c, n) (2 * (c))
#else
#define EPOCH(c, n) (2 * (c) + n)
#endif

/* data path: hg_state */
byte epoch[2], fence[2], lease[2];
#ifdef STOP
byte served[2]; /* last own epoch served */
#endif
byte granted[2] = NEVER; /* age of last_grant */
/* agent: struct hg_elect */
byte state[2] = LISTEN;
byte listened[2];
byte counter[2] = 1; /* next to be used; on disk */
bool heard[2]; /* a REQUEST since it listens */
bool is_planned[2]; /* CLAIMING because of consent or failback: the holder lives */
byte pending[2]; /* SERVE decided, not yet stored: what is left of its lease */
#if defined(M_READ_FIRST) || defined(M_NO_WITHDRAW)
#define HAS_COPY
byte copied[2] = NEVER; /* last_grant as read before the withdrawal */
bool is_copied[2];
#endif
#ifdef STOP
bool is_bound[2], is_alone[2];
byte renewed[2]; /* what is left of the last SERVE or RENEW */
byte standing[2], stood[2]; /* epoch, age */
byte hello[2]; /* HELLO with the promise BOUND on its way: for which epoch */
#endif
#ifdef CONT
bool is_own[2]; /* the lease is one that the node gave itself (property only) */
#endif

/* frames on the way, by the node whose clock they carry: epoch (0: none), age */
byte request_e[2], request_a[2];
byte grant_e[2], grant_a[2];
byte claim_e[2], claim_a[2];
byte fenced_e[2], fenced_a[2];

#ifdef WITNESS
byte ask_e[2], ask_a[2], answer_e[2], answer_a[2];
byte witness_e, witness_left, witness_waits;
#endif
#if DRIFT
byte steady[3] = WAIT; /* ticks since the clock last lost or doubled one */
#endif

#ifdef M_NO_WITHDRAW
byte wanted[2]; /* claimed on the wire only, stored when it serves */
#define claimed(n) wanted[n]
#else
#define claimed(n) epoch[n]
#endif

#define serves(n) (epoch[n] > fence[n] && lease[n] > 0)

#ifdef CONT
#define check() assert(!(serves(0) && serves(1)) || \
		       (epoch[0] < epoch[1] && is_own[0]) || (epoch[1] < epoch[0] && is_own[1]))
#define own(n, value) is_own[n] = value
#else
#define check() assert(!(serves(0) && serves(1)))
#define own(n, value)
#endif

/* --- data path --------------------------------------------------------------------- */

/* An epoch that is over: its answers are refused from now on, and so it makes no
 * difference how old the frames are that it sent. */
inline forget_answers(n)
{
	if
	:: request_e[n] -> request_a[n] = LEASE
	:: else
	fi;
	if
	:: claim_e[n] -> claim_a[n] = LEASE
	:: else
	fi;
#if !defined(M_STALE_GRANT)
	grant_e[n] = 0; grant_a[n] = 0;
	fenced_e[n] = 0; fenced_a[n] = 0;
#endif
#ifdef WITNESS
	answer_e[n] = 0; answer_a[n] = 0;
#endif
	skip
}

/* An answer that nobody waits for is not sent. */
#ifdef M_STALE_GRANT
#define is_wanted_grant(n, e) true
#else
#define is_wanted_grant(n, e) (e == epoch[n])
#endif

#ifdef M_GRANT_BELOW_OWN
#define may_yield(m, e) (e >= fence[m])
#else
#define may_yield(m, e) (e > epoch[m] && e >= fence[m])
#endif

inline drop_refused(e, a, m)
{
	if
	:: e < fence[m] -> e = 0; a = 0
	:: else
	fi
}

inline yield(n, m, e)
{
#ifdef M_CLAIM_DOES_NOT_FENCE
	if
	:: !serves(m) -> fence[m] = e
	:: else
	fi;
#elif defined(M_FENCE_FORGOTTEN)
	lease[m] = 0; /* silent for now, but nothing stays */
#else
	fence[m] = e;
#endif
	granted[m] = 0
}

#ifndef M_FENCE_FORGOTTEN
#define clear_refused(n, m) drop_refused(request_e[n], request_a[n], m); \
			    drop_refused(claim_e[n], claim_a[n], m)
#else
#define clear_refused(n, m) skip
#endif


inline on_request(n, m)
{
	d_step { request_e[n] && may_yield(m, request_e[n]) ->
		yield(n, m, request_e[n]);
		heard[m] = (state[m] == LISTEN);
		if
		:: is_wanted_grant(n, request_e[n]) && request_a[n] < LEASE ->
			grant_e[n] = request_e[n]; grant_a[n] = request_a[n]
		:: else
		fi;
		clear_refused(n, m);
		printf("%c grants %d of age %d\n", NODE_NAME(m), request_e[n], request_a[n])
	}
}

inline on_claim(n, m)
{
	d_step { claim_e[n] && may_yield(m, claim_e[n]) ->
		yield(n, m, claim_e[n]);
		if
		:: claim_e[n] == claimed(n) && state[n] == CLAIMING && claim_a[n] < LEASE ->
			fenced_e[n] = claim_e[n]; fenced_a[n] = claim_a[n]
		:: else
		fi;
		clear_refused(n, m);
		printf("%c is fenced by claim %d of age %d\n", NODE_NAME(m), claim_e[n], claim_a[n])
	}
}

#ifdef M_FROM_RECEIPT
#define granted_for(age) LEASE
#else
#define granted_for(age) (LEASE - age)
#endif
#ifdef M_STALE_GRANT
#define is_own_grant(n, e) (e != 0)
#else
#define is_own_grant(n, e) (e != 0 && e == epoch[n])
#endif
#if defined(M_RENEW_ENDED) || defined(M_STALE_GRANT)
#define may_extend(n) true
#else
#define may_extend(n) (lease[n] > 0)
#endif

/* Continuity: a lease that has ended is never renewed. */
inline extend(n, left)
{
#ifndef M_STALE_GRANT
	assert(lease[n] > 0);
#endif
	if
	:: left > lease[n] -> lease[n] = left; own(n, false)
	:: else
	fi;
	check()
}

inline on_grant(n)
{
	d_step { is_own_grant(n, grant_e[n]) && grant_a[n] < LEASE && epoch[n] > fence[n] &&
		 may_extend(n) && lease[n] < granted_for(grant_a[n]) ->
		printf("%c: lease %d of epoch %d\n", NODE_NAME(n), granted_for(grant_a[n]), epoch[n]);
		extend(n, granted_for(grant_a[n]))
	}
}

/* Between a decision and its store: an agent does one thing after the other. */
#ifdef STOP
#define is_busy(n) (state[n] == ACTIVE && served[n] != epoch[n])
#else
#define is_busy(n) (pending[n] != 0)
#endif
#define is_overruled(n) (state[n] >= CLAIMING && fence[n] > claimed(n))

/* --- agent ------------------------------------------------------------------------- */

inline release(n)
{
	epoch[n] = 0; lease[n] = 0; pending[n] = 0;
	is_planned[n] = false;
	own(n, false);
#ifdef STOP
	is_bound[n] = false; is_alone[n] = false; renewed[n] = 0;
#endif
	forget_answers(n)
}

inline into_listen(n)
{
	state[n] = LISTEN; listened[n] = 0; heard[n] = false
}

inline into_standby(n)
{
	state[n] = STANDBY; listened[n] = 0; heard[n] = false
}

inline send_request(n)
{
	d_step { (serves(n) || (state[n] == ACTIVE && epoch[n] > fence[n])) &&
		 !(request_e[n] == epoch[n] && request_a[n] == 0) ->
		request_e[n] = epoch[n]; request_a[n] = 0
	}
}

inline send_claim(n)
{
	d_step { state[n] == CLAIMING && !(claim_e[n] == claimed(n) && claim_a[n] == 0) ->
		claim_e[n] = claimed(n); claim_a[n] = 0
	}
}

#define next_counter(n) (COUNTER(fence[n]) + 1 > counter[n] -> COUNTER(fence[n]) + 1 : counter[n])
#define may_claim(n) ((state[n] == STANDBY || (state[n] == LISTEN && listened[n] >= LISTEN_FOR)) && \
		      next_counter(n) <= MAXC)

#ifdef HAS_COPY
inline copy(n)
{
	d_step { may_claim(n) && !is_copied[n] -> copied[n] = granted[n]; is_copied[n] = true }
}
#define is_ready(n) is_copied[n]
#else
#define is_ready(n) true
#endif

inline claim(n, why)
{
	d_step { may_claim(n) && is_ready(n) ->
#ifdef HAS_COPY
		is_copied[n] = false;
#endif
		lease[n] = 0; pending[n] = 0;
		counter[n] = next_counter(n) + 1;
#ifdef M_NO_WITHDRAW
		wanted[n] = EPOCH(counter[n] - 1, n);
#else
		epoch[n] = EPOCH(counter[n] - 1, n);
#endif
		own(n, false);
		forget_answers(n);
		printf("%c claims %d\n", NODE_NAME(n), claimed(n));
		state[n] = CLAIMING; is_planned[n] = why;
		listened[n] = 0; heard[n] = false
	}
}

#ifdef STOP
#define has_standing(n) (standing[n] && standing[n] == fence[n])
#ifdef M_NO_STANDING
#define may_serve_alone(n) (!is_planned[n])
#else
#define may_serve_alone(n) (!is_planned[n] && has_standing(n))
#endif
#if defined(M_STANDING_NOT_WAITED) || defined(M_NO_STANDING)
#define is_stood_out(n) true
#else
#define is_stood_out(n) (stood[n] >= SAFE)
#endif
#endif
#ifdef CONT
#define may_serve_alone(n) (!is_planned[n])
#define is_stood_out(n) true
#endif
#ifdef WITNESS
#ifdef M_CLAIM_WITHOUT_WITNESS
#define may_serve_alone(n) true
#else
#define may_serve_alone(n) (answer_e[n] && answer_e[n] == epoch[n] && answer_a[n] < LEASE)
#endif
#define is_stood_out(n) true
#ifdef M_WITNESS_FROM_RECEIPT
#define answered_for(age) LEASE
#else
#define answered_for(age) (LEASE - age)
#endif
#endif
#ifdef HAS_COPY
#define waited(n) copied[n]
#else
#define waited(n) granted[n]
#endif
#ifdef M_NO_WAIT
#define is_waited_out(n) is_stood_out(n)
#else
#define is_waited_out(n) (waited(n) >= SAFE && is_stood_out(n))
#endif

inline serve_fenced(n)
{
	d_step { state[n] == CLAIMING && fenced_e[n] && fenced_e[n] == claimed(n) &&
		 fenced_a[n] < LEASE && fence[n] < claimed(n) ->
		state[n] = ACTIVE;
		pending[n] = LEASE - fenced_a[n];
		own(n, false);
#ifdef M_NO_WITHDRAW
		epoch[n] = wanted[n];
#endif
#ifdef STOP
		renewed[n] = pending[n];
		is_bound[n] = true; is_alone[n] = false;
		standing[n] = 0; stood[n] = 0;
#endif
		is_planned[n] = false;
		fenced_e[n] = 0; fenced_a[n] = 0;
		printf("%c may serve %d: fenced\n", NODE_NAME(n), epoch[n])
	}
}

inline serve_waited(n)
{
	d_step { state[n] == CLAIMING && may_serve_alone(n) && is_waited_out(n) &&
		 fence[n] < claimed(n) ->
		state[n] = ACTIVE;
#if defined(WITNESS) && !defined(M_CLAIM_WITHOUT_WITNESS)
		pending[n] = answered_for(answer_a[n]);
#else
		pending[n] = LEASE;
#endif
		own(n, true);
#ifdef M_NO_WITHDRAW
		epoch[n] = wanted[n];
#endif
#ifdef STOP
		renewed[n] = pending[n];
		is_alone[n] = true;
#endif
		is_planned[n] = false;
		fenced_e[n] = 0; fenced_a[n] = 0;
		printf("%c may serve %d: waited\n", NODE_NAME(n), epoch[n])
	}
}

inline act_serve(n)
{
	d_step { is_busy(n) ->
#ifdef STOP
		served[n] = epoch[n];
#endif
		lease[n] = pending[n];
		pending[n] = 0;
		printf("%c stores its lease of %d\n", NODE_NAME(n), lease[n]);
		check()
	}
}

/* The step of an agent begins with learning: a lease beyond its own was granted. */
#ifdef STOP
#define is_granted(n) (lease[n] > renewed[n] && fence[n] <= epoch[n] && !pending[n])

inline promise(n)
{
	d_step { state[n] == ACTIVE && !is_bound[n] && is_granted(n) ->
		is_bound[n] = true; standing[n] = 0; stood[n] = 0;
		printf("%c is bound in %d\n", NODE_NAME(n), epoch[n])
	}
}

/* It may be heard at any time later, by another agent of the other node too. */
inline say_bound(n)
{
	d_step { state[n] == ACTIVE && is_bound[n] && !is_busy(n) && hello[n] != epoch[n] ->
		hello[n] = epoch[n]
	}
}

/* Each step reviews what the data path holds: an agent that is fenced and learns of it
 * together with a HELLO lets its epoch go (notice) before it sends anything. */
inline on_hello(n, m)
{
	d_step { state[m] != DEAD && hello[n] && hello[n] == fence[m] && granted[m] != NEVER &&
		 hello[n] > served[m] && hello[n] != standing[m] && !is_busy(m) && !is_overruled(m) ->
		standing[m] = hello[n];
		stood[m] = 0;
		printf("%c has standing after %d\n", NODE_NAME(m), hello[n])
	}
}

#ifdef M_RENEW_BOUND
#define may_renew(n) true
#else
#define may_renew(n) (is_alone[n] && !is_bound[n] && !is_granted(n))
#endif
#endif
#ifdef CONT
#define may_renew(n) true
#endif
#ifdef WITNESS
#ifdef M_RENEW_ALONE
#define may_renew(n) true
#else
#define may_renew(n) false
#endif
#endif
#ifdef M_RENEW_ENDED
#define is_renewable(n) (!pending[n] && lease[n] < ALONE)
#else
#define is_renewable(n) (lease[n] > 0 && lease[n] < ALONE)
#endif

inline renew(n)
{
	if
	:: d_step { state[n] == ACTIVE && epoch[n] > fence[n] && is_renewable(n) && may_renew(n) ->
		assert(lease[n] > 0);
		lease[n] = ALONE;
		own(n, true);
#ifdef STOP
		renewed[n] = ALONE;
#endif
		printf("%c renews its lease of %d itself\n", NODE_NAME(n), epoch[n]);
		check()
	   }
	:: d_step { state[n] == ACTIVE && epoch[n] > fence[n] && is_renewable(n) && may_renew(n) &&
		    lease[n] < LEASE ->
		lease[n] = LEASE;
		own(n, true);
#ifdef STOP
		renewed[n] = LEASE;
#endif
		printf("%c renews its lease of %d itself\n", NODE_NAME(n), epoch[n]);
		check()
	   }
	fi
}

/* The agent sees what happened to its claim or its lease. */
inline notice(n)
{
	if
	:: d_step { is_overruled(n) && !is_busy(n) ->
		printf("%c is overruled\n", NODE_NAME(n));
		release(n);
		into_standby(n)
	   }
#ifndef M_RENEW_ENDED
	:: d_step { state[n] == ACTIVE && !is_busy(n) && !lease[n] ->
		printf("%c: lease ended\n", NODE_NAME(n));
		release(n);
		into_listen(n)
	   }
#endif
	:: d_step { state[n] == CLAIMING -> release(n); into_listen(n) }
	:: d_step { state[n] == CLAIMING && is_planned[n] -> release(n); into_standby(n) }
	:: d_step { state[n] == LISTEN && heard[n] -> into_standby(n) }
	fi
}

/* --- witness ------------------------------------------------------------------------ */

#ifdef WITNESS
inline ask(n)
{
	d_step { state[n] >= CLAIMING && epoch[n] > fence[n] &&
		 !(ask_e[n] == epoch[n] && ask_a[n] == 0) ->
		ask_e[n] = epoch[n]; ask_a[n] = 0
	}
}

#ifdef M_WITNESS_GRANTS_TWO
#define may_succeed(e) (e > witness_e)
#else
#define may_succeed(e) (e > witness_e && witness_left == 0)
#endif

inline on_ask(n)
{
	d_step { ask_e[n] && !witness_waits && (ask_e[n] == witness_e || may_succeed(ask_e[n])) ->
		witness_e = ask_e[n];
		witness_left = WITNESS_FOR;
		if
		:: ask_e[n] == epoch[n] && ask_a[n] < LEASE ->
			answer_e[n] = ask_e[n]; answer_a[n] = ask_a[n]
		:: else
		fi;
		printf("witness grants %d of age %d\n", ask_e[n], ask_a[n])
	}
}

inline on_answer(n)
{
	d_step { state[n] == ACTIVE && answer_e[n] && answer_e[n] == epoch[n] &&
		 answer_a[n] < LEASE && epoch[n] > fence[n] && lease[n] > 0 &&
		 lease[n] < answered_for(answer_a[n]) ->
		extend(n, answered_for(answer_a[n]))
	}
}

/* With its file, or without: then it has forgotten the epoch too. */
inline witness_restarts(is_file_kept)
{
	d_step {
		printf("witness restarts\n");
		witness_left = 0;
#ifndef M_WITNESS_FORGETS
		witness_waits = WITNESS_FOR;
#endif
		witness_e = (is_file_kept -> witness_e : 0)
	}
}
#endif

/* --- faults ------------------------------------------------------------------------- */

inline forget_agent(n)
{
	listened[n] = 0; heard[n] = false; is_planned[n] = false; pending[n] = 0;
#ifdef STOP
	is_bound[n] = false; is_alone[n] = false; renewed[n] = 0;
	standing[n] = 0; stood[n] = 0;
#ifdef M_SERVED_FORGOTTEN
	served[n] = 0;
#endif
#endif
	skip
}

inline agent_dies(n)
{
	d_step { state[n] != DEAD ->
		printf("%c: agent dies\n", NODE_NAME(n));
		state[n] = DEAD;
		forget_agent(n)
	}
}

/* What an agent left that had to serve alone may be longer than anything granted. */
#ifdef M_ADOPT_PROMISE
#define is_promise_kept(n) true
#else
#define is_promise_kept(n) (lease[n] <= LEASE)
#endif

inline agent_starts(n, m)
{
	d_step { state[n] == DEAD ->
		if
#ifdef M_NO_NODE_ID
		:: serves(n) ->
#else
		:: serves(n) && epoch[n] % 2 == n ->
#endif
			printf("%c: agent starts, adopts %d\n", NODE_NAME(n), epoch[n]);
			state[n] = ACTIVE;
#ifdef STOP
			renewed[n] = lease[n]; served[n] = epoch[n];
			is_bound[n] = is_promise_kept(n)
#endif
		:: else ->
			printf("%c: agent starts\n", NODE_NAME(n));
			release(n);
			into_listen(n)
		fi
	}
}

/* Everything but the disk is new, the keys of the session too: frames to its former
 * life are refused, those from it are still on the way. */
inline machine_boots(n, m)
{
	d_step {
		printf("%c: machine boots\n", NODE_NAME(n));
		release(n);
		forget_agent(n);
		into_listen(n);
		fence[n] = 0; granted[n] = NEVER;
		grant_e[n] = 0; grant_a[n] = 0; fenced_e[n] = 0; fenced_a[n] = 0;
		request_e[m] = 0; request_a[m] = 0; claim_e[m] = 0; claim_a[m] = 0;
#ifdef STOP
		/* To it: the nonce is another now. From it: could have come before the boot. */
		hello[0] = 0; hello[1] = 0;
		served[n] = 0;
#endif
#ifdef WITNESS
		ask_e[n] = 0; ask_a[n] = 0;
#endif
	}
}

/* What live.pml takes for granted of the state that faults leave behind (live_start.pml). */
#ifdef START
inline check_start(n, m)
{
	assert(state[n] == DEAD || state[n] >= CLAIMING || (!epoch[n] && !lease[n]));
	assert(state[n] < CLAIMING || epoch[n] == EPOCH(counter[n] - 1, n));
	assert(state[n] != CLAIMING || !lease[n]);
	assert(!fence[m] || (fence[m] % 2 == n && COUNTER(fence[m]) < counter[n]))
}
#else
#define check_start(n, m) skip
#endif

/* --- time --------------------------------------------------------------------------- */

#define up(age, end) age = (age < end -> age + 1 : end)
#define down(left) left = (left -> left - 1 : 0)

/* A frame too old to be worth a lease is worth the same however old it is. */
inline grow_old(e, a)
{
	if
	:: e -> up(a, LEASE)
	:: else
	fi
}

inline drop_old(e, a)
{
	if
	:: e && a >= LEASE -> e = 0; a = 0
	:: else
	fi
}

inline advance(n)
{
	down(lease[n]);
	down(pending[n]);
	if
	:: granted[n] < WAIT -> granted[n]++
	:: else
	fi;
#ifdef HAS_COPY
	if
	:: copied[n] < WAIT -> copied[n]++
	:: else
	fi;
#endif
	if
	:: state[n] == LISTEN -> up(listened[n], WAIT)
	:: else
	fi;
	if
	:: !lease[n] && !pending[n] -> own(n, false); skip
	:: else
	fi;
#ifdef STOP
	down(renewed[n]);
	if
	:: standing[n] -> up(stood[n], WAIT)
	:: else
	fi;
#endif
	grow_old(request_e[n], request_a[n]);
	grow_old(claim_e[n], claim_a[n]);
	grow_old(grant_e[n], grant_a[n]); drop_old(grant_e[n], grant_a[n]);
	grow_old(fenced_e[n], fenced_a[n]); drop_old(fenced_e[n], fenced_a[n]);
#ifdef WITNESS
	grow_old(ask_e[n], ask_a[n]);
	grow_old(answer_e[n], answer_a[n]); drop_old(answer_e[n], answer_a[n]);
#endif
	skip
}

#ifdef WITNESS
inline advance_witness()
{
	down(witness_left);
	down(witness_waits)
}
#endif

inline tick()
{
	d_step {
		printf("--- tick\n");
		check_start(0, 1);
		check_start(1, 0);
		advance(0);
		advance(1);
#ifdef WITNESS
		advance_witness();
#endif
#if DRIFT
		up(steady[0], WAIT - 1); up(steady[1], WAIT - 1);
#ifdef WITNESS
		up(steady[2], WAIT - 1);
#endif
#endif
	}
}

#if DRIFT
/* The clock of one is slow or fast: the others advance, it does not, or it alone does. */
#define is_steady(n) (steady[n] >= LEASE + 1)

inline lose(n, m)
{
	d_step { is_steady(n) ->
		printf("--- tick, lost by %c\n", NODE_NAME(n));
		advance(m);
#ifdef WITNESS
		advance_witness();
		up(steady[2], WAIT - 1);
#endif
		up(steady[m], WAIT - 1);
		steady[n] = 0
	}
}

inline gain(n)
{
	d_step { is_steady(n) ->
		printf("--- tick of %c alone\n", NODE_NAME(n));
		advance(n);
		steady[n] = 0
	}
}

#ifdef WITNESS
inline witness_gains()
{
	d_step { is_steady(2) ->
		printf("--- tick of the witness alone\n");
		advance_witness();
		steady[2] = 0
	}
}
#endif
#endif

inline node(n, m)
{
	if
	:: send_request(n)
	:: send_claim(n)
	:: on_request(n, m)
	:: on_claim(n, m)
	:: on_grant(n)
#ifdef HAS_COPY
	:: copy(n)
#endif
	:: claim(n, false)
#ifndef WITNESS
	:: claim(n, true)
#endif
	:: serve_fenced(n)
	:: serve_waited(n)
	:: act_serve(n)
	:: renew(n)
	:: notice(n)
#ifdef STOP
	:: promise(n)
	:: say_bound(n)
	:: on_hello(n, m)
#endif
#ifdef WITNESS
	:: ask(n)
	:: on_ask(n)
	:: on_answer(n)
#endif
#if DEATH
	:: agent_dies(n)
	:: agent_starts(n, m)
#endif
#if REBOOT
	:: machine_boots(n, m)
#endif
#if DRIFT
	:: lose(n, m)
	:: gain(n)
#endif
	fi
}

init {
	do
	:: atomic { node(0, 1) }
	:: atomic { node(1, 0) }
	:: tick()
#ifdef WITNESS
	:: witness_restarts(true)
	:: witness_restarts(false)
#if DRIFT
	:: witness_gains()
#endif
#endif
	od
}
