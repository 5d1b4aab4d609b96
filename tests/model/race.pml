/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One node's words under two CPUs and the agent: every load and store of bpf/lease.h that
 * matters is a step of its own, and each processor has a store buffer, so that a plain
 * store becomes visible to the others later than the loads that follow it (what x86
 * allows, and the reordering that matters here on others). Atomic operations and the
 * agent's sequentially consistent stores drain the buffer first.
 *
 *   Granter   hg_lease_yield(): a REQUEST of the peer, epoch THEIRS, is granted or not
 *   Agent     claims OURS (withdraw, read last_grant, wait or not, serve), later steps down
 *   Extender  hg_lease_on_grant(): a late GRANT for the former epoch FORMER
 *
 * Time: the former lease ends at 2, the clock runs 1..4. A grant of time t ends at t + 1.
 *
 * Properties:
 *   - when this node serves OURS without having been fenced, no lease that it granted
 *     to THEIRS is running: "either the granter refuses, or the agent sees the grant";
 *   - OURS is served under no other lease than its own: a grant for FORMER moves nothing
 *     once the claim began, however long its CPU was stopped;
 *   - last_grant and fence_epoch never fall.
 *
 * Bounds: one frame of each kind (GRANTERS=2: two REQUESTs at once
 * and no GRANT), one claim. Not modelled: loads that
 * a weaker machine than x86 reorders.
 */
#ifndef GRANTERS
#define GRANTERS 1
#endif
#define FORMER 1
#define THEIRS 2
#define OURS 3

#define AGENT 0
#define GRANTER 1
#define EXTENDER 2

#define EPOCH 0 /* words */
#define LEASE 1
#define GRANTED 2
#define FENCE 3

byte word[4];
byte now = 1;

/* Store buffers: at most two stores wait; they leave in their order. */
byte waiting[3];
byte where0[3], what0[3], where1[3], what1[3];

bool is_granting; /* THEIRS has a lease of ours up to grant_end */
byte grant_end;
bool is_serving; /* the agent stored the lease of OURS */
byte own_end;

inline flush_one(p)
{
	d_step {
		waiting[p] > 0 ->
		word[where0[p]] = what0[p];
		where0[p] = where1[p]; what0[p] = what1[p];
		where1[p] = 0; what1[p] = 0;
		waiting[p]--
	}
}

/* A plain store. */
inline store(p, w, value)
{
	d_step {
		assert(waiting[p] < 2);
		if
		:: waiting[p] == 0 -> where0[p] = w; what0[p] = value
		:: else -> where1[p] = w; what1[p] = value
		fi;
		waiting[p]++
	}
}

/* A load sees the own stores that wait, the youngest first. */
inline load(p, w, ret)
{
	d_step {
		if
		:: waiting[p] == 2 && where1[p] == w -> ret = what1[p]
		:: waiting[p] >= 1 && where0[p] == w && !(waiting[p] == 2 && where1[p] == w) ->
			ret = what0[p]
		:: else -> ret = word[w]
		fi
	}
}

#define drained(p) (waiting[p] == 0)

/* __sync_val_compare_and_swap */
inline swap(p, w, old, value, ret)
{
	d_step { drained(p) ->
		ret = word[w];
		if
		:: ret == old -> word[w] = value
		:: else
		fi
	}
}

/* hg_lease_raise: max, with a barrier. What loses its races grants nothing. */
inline raise(p, w, value)
{
	load(p, w, old);
#ifdef M_NOT_MAX
	next = value;
#else
	next = (old > value -> old : value);
#endif
#ifdef M_NO_BARRIER
	store(p, w, next);
	ok = true;
#else
	swap(p, w, old, next, was);
	ok = (was == old);
#endif
	d_step { was = 0; next = 0 }
}

active proctype clock()
{
end:	do
	:: now < 5 -> now++
	:: else -> break
	od
}

/* Plain stores become visible some time. */
proctype drain(byte p)
{
end:	do
	:: flush_one(p)
	od
}

proctype granter()
{
	byte at, mine, fence, old, next, was;
	bool ok;

	at = now; /* the CPU may be stopped for long after this */
	load(GRANTER, EPOCH, mine);
	load(GRANTER, FENCE, fence);
	if
	:: THEIRS <= mine || THEIRS < fence -> goto out
	:: else
	fi;
	raise(GRANTER, FENCE, THEIRS);
	if
	:: !ok || old > THEIRS -> goto out
	:: else
	fi;
	old = 0;
#ifdef M_DECIDE_BEFORE_STAMP
	load(GRANTER, EPOCH, mine);
	raise(GRANTER, GRANTED, at);
#else
	raise(GRANTER, GRANTED, at);
	if
	:: !ok -> goto out
	:: else
	fi;
	load(GRANTER, EPOCH, mine);
#endif
	if
	:: THEIRS > mine ->
		/* The peer asked before `at`: its lease ends a lease after that at the latest. */
		d_step { is_granting = true; grant_end = at + 1 };
		assert(!(is_serving && now < own_end && now < grant_end && word[FENCE] < OURS))
	:: else
	fi;
out:	skip
}

/* The holder of FORMER claims anew: its lease ended, a GRANT for it is still about. */
proctype agent()
{
	byte seen;

#ifdef M_GRANT_READ_FIRST
	load(AGENT, GRANTED, seen);
#endif
	/* HG_ACT_CLAIM_EPOCH */
#ifdef M_EPOCH_FIRST
	word[EPOCH] = OURS;
	word[LEASE] = 0;
#elif defined(M_PLAIN_CLAIM)
	store(AGENT, LEASE, 0);
	store(AGENT, EPOCH, OURS);
#else
	word[LEASE] = 0; /* sequentially consistent: nothing waits */
	word[EPOCH] = OURS;
#endif
#ifndef M_GRANT_READ_FIRST
	load(AGENT, GRANTED, seen);
#endif
	/* safe: now >= last_grant + L; nothing granted: at once */
	if
	:: seen > 0 -> now >= seen + 1
	:: else
	fi;
	/* HG_ACT_SERVE */
	assert(word[LEASE] == 0 || waiting[AGENT] > 0); /* nobody else moved it */
	d_step { is_serving = true; own_end = now + 2; word[LEASE] = own_end };
	assert(!(is_granting && now < grant_end && now < own_end && word[FENCE] < OURS))
}

/* A GRANT for FORMER, whose lease would end at 4. */
proctype extender()
{
	byte at, old, mine, fence;

	at = now;
#ifdef M_EPOCH_READ_FIRST
	load(EXTENDER, EPOCH, mine);
	load(EXTENDER, FENCE, fence);
	if
	:: FORMER != mine || mine <= fence -> goto out
	:: else
	fi;
	load(EXTENDER, LEASE, old);
#else
	load(EXTENDER, LEASE, old);
	load(EXTENDER, EPOCH, mine);
	load(EXTENDER, FENCE, fence);
	if
	:: FORMER != mine || mine <= fence -> goto out
	:: else
	fi;
#endif
#ifndef M_EXTEND_ENDED
	if
	:: old <= at -> goto out
	:: else
	fi;
#endif
	/* Moved, it must be FORMER's lease still: under OURS it would serve OURS. */
	d_step {
		if
#ifdef M_PLAIN_EXTEND
		:: 1 ->
#else
		:: word[LEASE] == old -> /* compare-and-swap */
#endif
			word[LEASE] = 6;
			assert(word[EPOCH] == FORMER)
#ifndef M_PLAIN_EXTEND
		:: else
#endif
		fi
	};
out:	skip
}

/* What only rises. */
active proctype watch()
{
	byte fence, granted;

end:	do
	:: d_step {
		assert(word[FENCE] >= fence && word[GRANTED] >= granted);
		fence = word[FENCE]; granted = word[GRANTED]
	   }
	od
}

init {
	d_step {
		word[EPOCH] = FORMER; word[LEASE] = 2
	};
	atomic {
#ifdef M_PLAIN_CLAIM
		run drain(AGENT);
#endif
#ifdef M_NO_BARRIER
		run drain(GRANTER);
#endif
		run granter();
#if GRANTERS > 1
		run granter();
#else
		run extender();
#endif
		run agent()
	}
}
