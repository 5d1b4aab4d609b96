/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * live.pml: what the faults may have left, chosen freely but for these rules, each of
 * which pair.pml checks of every state that the faults can lead to (START):
 *
 *   - an agent that claims or holds has its latest epoch in the data path, others none;
 *     only a holder has a lease;
 *   - a fence is an epoch of the other node, and below the other's next one.
 *
 * Of epochs a node has seen the least it can have: its own, its fence, what it served.
 * Ages that can make no difference have one value. COARSE: of the others only the ends.
 */
byte picked;
#define pick(x, a, b) select(picked : a .. b); x = picked; picked = 0
#ifdef COARSE
#define choose(x, a, b) if :: x = a :: x = b fi
#define choose_fresh(x) skip
#else
#define choose(x, a, b) pick(x, a, b)
#define choose_fresh(x) pick(x, 0, FRESH)
#endif

#define latest(n) EPOCH(next[n] - 1, n)

/* No claim or term below what the other node has served: see docs/model.md. */
#ifdef STANDING
#define is_start (!(epoch[0] && epoch[0] < served[1]) && !(epoch[1] && epoch[1] < served[0]))
#elif defined(STOP) && defined(LONE)
/* Who has no standing waits for the other: that is what isolation stop means. */
#define has_standing(n) (is_gone[n] || (standing[n] && standing[n] == fence[n] && \
			 (state[n] == STANDBY || (state[n] == CLAIMING && !is_planned[n] && \
			  !fenced[n]))))
#define is_start (has_standing(0) && has_standing(1))
#else
#define is_start true
#endif

inline choose_fence(n, m)
{
	if
	:: next[n] > 1 -> pick(fence[m], 1, next[n] - 1); fence[m] = EPOCH(fence[m], n)
	:: fence[m] = 0
	fi
}

/* Of the last HELLO: never one, an old one, one that grows old soon, one just heard. */
inline choose_view(n)
{
	if
	:: skip
	:: has_hello[n] = true;
		if
		:: hello_age[n] = FRESH + 1
		:: choose(hello_age[n], 0, FRESH);
			if
			:: peer_active[n] = true
			:: is_after[n] = true
			:: skip
			fi
		fi
	fi;
	pick(hello_due[n], 0, HELLO - 1)
}

/* What a holder granted is over before it has listened and may claim again. */
#if SAFE_LONG <= LISTEN_FOR
#define choose_holder_owed(n) skip
#else
#define choose_holder_owed(n) choose(owed[n], 0, SAFE_LONG)
#endif

inline choose_agent(n)
{
	if
	:: state[n] = LISTEN;
		if
		:: heard[n] = true
		:: choose(owed[n], 0, SAFE_LONG); choose(since[n], 0, OLD)
		fi
	:: state[n] = STANDBY;
		choose(owed[n], 0, SAFE_LONG);
		choose(silent[n], 0, LEASE + PATIENCE)
	:: next[n] > 1 -> state[n] = CLAIMING; epoch[n] = latest(n);
		choose(owed[n], 0, SAFE_LONG);
		choose(since[n], 0, PATIENCE);
		choose(fenced[n], 0, LEASE);
		pick(is_planned[n], 0, 1)
	:: next[n] > 1 -> state[n] = ACTIVE; epoch[n] = latest(n);
		choose(lease[n], 0, ALONE);
		choose_holder_owed(n)
	fi;
	seen[n] = (fence[n] > epoch[n] -> fence[n] : epoch[n])
}

#ifdef STOP
inline choose_promises(n)
{
	if
	:: state[n] == ACTIVE ->
		if
		:: is_bound[n] = true
		:: pick(is_alone[n], 0, 1); choose(renewed[n], 0, lease[n])
		fi
	:: else
	fi;
	if
	:: fence[n] -> standing[n] = fence[n]
	:: true
	fi;
	/* The last epoch that it served: any, or none. */
	if
	:: next[n] > 1 -> pick(served[n], 1, next[n] - 1); served[n] = EPOCH(served[n], n)
	:: true
	fi;
	skip
}

/* A new agent finds what the node has served in the data path. Each HELLO names it
 * (STANDING; without, it may have been before that). */
inline choose_seen(n, m)
{
#ifndef M_SERVED_UNSEEN
	seen[n] = (served[n] > seen[n] -> served[n] : seen[n]);
#ifdef STANDING
	seen[n] = (has_hello[n] && served[m] > seen[n] -> served[m] : seen[n]);
#endif
#endif
	skip
}
#endif

inline choose_node(n, m)
{
	choose_agent(n);
	choose_view(n);
#ifdef STOP
	choose_promises(n);
#endif
	skip
}

inline choose_start()
{
	pick(next[0], 1, NEXT);
	pick(next[1], 1, NEXT);
	pick(preferred, 0, 1);
	choose_fence(0, 1);
	choose_fence(1, 0);
#ifdef LONE
	if
	:: is_gone[0] = true; choose_node(1, 0)
	:: is_gone[1] = true; choose_node(0, 1)
	fi;
#else
	choose_node(0, 1);
	choose_node(1, 0);
#endif
#ifdef STOP
	choose_seen(0, 1);
	choose_seen(1, 0);
#endif
#ifdef WITNESS
	choose_witness();
#endif
	if
	:: is_start
	:: else -> end_excluded: false
	fi
}
