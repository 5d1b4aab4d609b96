/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * live.pml: frames, as the data path (bpf/lease.h) answers them and the agent
 * (agent/core/learn.c) hears of them. Each is delivered once, after the fault's end all are.
 */
/* --- data path --------------------------------------------------------------------- */

#define max(a, b) (a > b -> a : b)

inline yield(m, e)
{
	woken[m] = woken[m] || state[m] >= CLAIMING;
	fence[m] = e;
	owed[m] = max(owed[m], SAFE);
	silent[m] = 0;
#ifdef WITNESS
	answered[m] = false;
#endif
	seen[m] = max(seen[m], e)
}

#ifdef M_FENCE_TOO_HIGH
#define may_yield(m, e) (e > epoch[m] && e > fence[m])
#else
#define may_yield(m, e) (e > epoch[m] && e >= fence[m])
#endif

inline on_request(n, m)
{
	d_step { request[n] ->
		if
		:: may_yield(m, request[n]) && !is_gone[m] ->
			yield(m, request[n]);
			heard[m] = (state[m] == LISTEN);
			is_after[m] = false;
			grant[n] = request[n]
		:: else
		fi;
		request[n] = 0
	}
}

inline on_claim(n, m)
{
	d_step { claim[n] ->
		if
		:: may_yield(m, claim[n]) && !is_gone[m] ->
			printf("%c is fenced by %d\n", NODE_NAME(m), claim[n]);
			yield(m, claim[n]);
			fencing[n] = claim[n]
		:: else
		fi;
		claim[n] = 0
	}
}

inline on_grant(n)
{
	d_step { grant[n] ->
		if
		:: grant[n] == epoch[n] && epoch[n] > fence[n] && lease[n] ->
			lease[n] = max(lease[n], LEASE)
		:: else
		fi;
		grant[n] = 0
	}
}

inline on_fenced(n)
{
	d_step { fencing[n] ->
		if
		:: fencing[n] == epoch[n] && epoch[n] > fence[n] ->
			fenced[n] = LEASE;
			woken[n] = true
		:: else
		fi;
		fencing[n] = 0
	}
}

/* --- what an agent hears ------------------------------------------------------------ */

inline on_hello(n, m)
{
	d_step { hello[n] ->
		if
		:: !is_gone[m] ->
			has_hello[m] = true; hello_age[m] = 0; is_after[m] = true;
			peer_active[m] = hello_active[n];
#ifndef M_SEEN_IGNORED
			seen[m] = max(seen[m], hello_seen[n]);
#endif
#ifdef M_SIGN_IS_HELLO
			silent[m] = 0;
#endif
#ifdef STOP
			if
			:: hello_bound[n] && hello_bound[n] == fence[m] &&
			   hello_bound[n] > served[m] && hello_bound[n] != standing[m] ->
				standing[m] = hello_bound[n];
				owed[m] = max(owed[m], SAFE)
			:: else
			fi;
			hello_bound[n] = 0;
#endif
			woken[m] = true
		:: else
		fi;
		hello[n] = false; hello_active[n] = false; hello_seen[n] = 0
	}
}

#define is_fresh(n) (has_hello[n] && hello_age[n] <= FRESH)
#define is_idle(n) (is_fresh(n) && !peer_active[n] && is_after[n])

inline send_hello(n)
{
#ifndef CUT
	hello[n] = true;
	hello_active[n] = (state[n] == ACTIVE);
	hello_seen[n] = max(seen[n], epoch[n]);
#ifdef STOP
#ifdef M_PROMISE_UNSAID
	hello_bound[n] = 0;
#else
	hello_bound[n] = (state[n] == ACTIVE && is_bound[n] -> epoch[n] : 0);
#endif
#endif
#endif
	hello_due[n] = HELLO
}
