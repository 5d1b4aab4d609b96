/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * live.pml: the witness, as agent/core/witness.c judges and view.c wants it. It answers
 * within the tick it is asked in, or (MUTE) never. A refusal names the epoch to get above.
 */
#ifdef WITNESS
#define WITNESS_FOR (SAFE)

/* A holder from half its lease on, a claimant that nobody answered, others in silence. */
#define wants_witness(n) \
	((state[n] == ACTIVE && lease[n] <= LEASE / 2) || \
	 (state[n] == CLAIMING && !is_planned[n]) || \
	 (state[n] == LISTEN && since[n] >= listened(n) && !is_fresh(n)) || \
	 (state[n] == STANDBY && silent[n] >= LEASE && !is_idle(n)))

inline ask_witness(n)
{
#ifndef MUTE
	if
	:: (is_regular || is_moved) && wants_witness(n) -> ask[n] = next_epoch(n)
	:: else
	fi
#else
	skip
#endif
}

#ifdef M_WITNESS_HOLDS
#define may_succeed(e) (e > witness_e && !witness_e)
#else
#define may_succeed(e) (e > witness_e && !witness_left)
#endif
#ifdef M_WITNESS_NEVER_RENEWS
#define may_continue(e) false
#else
#define may_continue(e) (e == witness_e)
#endif

inline on_ask(n)
{
	d_step { ask[n] ->
		if
		:: !witness_waits && (may_continue(ask[n]) || may_succeed(ask[n])) ->
			witness_e = ask[n]; witness_left = WITNESS_FOR;
			answer[n] = ask[n]
		:: else ->
			refusal[n] = witness_e + 1 /* 0: none */
		fi;
		ask[n] = 0
	}
}

inline on_answer(n)
{
	d_step { answer[n] || refusal[n] ->
		answered[n] = answered[n] || silent[n] >= LEASE;
		if
		:: answer[n] && answer[n] == next_epoch(n) ->
			promised[n] = LEASE; promised_e[n] = answer[n];
			woken[n] = true
#ifndef M_REFUSAL_IGNORED
		:: refusal[n] -> seen[n] = max(seen[n], refusal[n] - 1); woken[n] = true
#endif
		:: else
		fi;
		answer[n] = 0; refusal[n] = 0
	}
}

/* It is bound, or was restarted, or neither; to an epoch that was used or is to be asked
 * for. Whoever was granted it may know so. Restarted without its file it may have granted
 * any. */
inline choose_witness()
{
	if
	:: witness_e = EPOCH(next[0], 0)
	:: witness_e = EPOCH(next[1], 1)
	:: next[0] > 1 -> witness_e = latest(0)
	:: next[1] > 1 -> witness_e = latest(1)
	:: true
	fi;
	if
	:: witness_e -> witness_left = WITNESS_FOR; choose_promised(witness_e)
	:: witness_e -> witness_waits = WITNESS_FOR; choose_promised(witness_e)
	:: next[0] > 1 && !witness_e -> witness_waits = WITNESS_FOR; choose_promised(latest(0))
	:: next[1] > 1 && !witness_e -> witness_waits = WITNESS_FOR; choose_promised(latest(1))
	:: true
	fi
}

inline choose_promised(e)
{
	if
	:: promised_e[e % 2] = e; choose(promised[e % 2], 1, LEASE)
	:: true
	fi
}

#define is_witness_quiet (!ask[0] && !ask[1] && !answer[0] && !answer[1] && \
			  !refusal[0] && !refusal[1])
#else
#define is_witness_quiet true
#endif
