/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What two nodes remember: who they are, the configuration, the epochs they may use.
 *
 * A (0) is a member with a configuration in service. B (1) begins blank, or as the first
 * member of a cluster of its own (FOREIGN). Either may crash between any two steps and
 * then knows what is on its disk. A configuration is the set of commits in its history,
 * a bit each; what is offered travels as a message that may be delayed, repeated, lost,
 * or damaged. A disk may be set back to an older snapshot once (ROLLBACK).
 *
 * Epochs: counters below `reserved` (on disk) may have been used; a claim takes the next
 * counter above all that was seen, and reserves more first when the block does not cover
 * it (agent/store.h). In the code that write is asked for as soon as the need is seen,
 * long before a claim; this model has it done before the claim.
 *
 * Properties: a node's configuration is replaced by a successor of it only; nothing but a
 * member of the same cluster teaches; nothing but a member with a configuration claims;
 * what was damaged is not taken; no epoch is claimed twice.
 * EPOCHS is a case of its own: both nodes are members, the configuration stays.
 * Bounds: 3 commits, 2 claims a node after which it claims no more, counters up to 7.
 */
#ifndef FOREIGN
#define FOREIGN 0
#endif
#ifndef ROLLBACK
#define ROLLBACK 0
#endif
#define COMMITS 3
#define COUNTERS 8
#define BLOCK 2

#define BLANK 0
#define LEARNER 1
#define MEMBER 2

/* on disk */
byte role[2], history[2], cluster[2];
byte reserved[2] = 1;
/* in memory */
byte staged[2]; /* heard and not yet applied; 0: nothing */
bool is_staged_whole[2];
byte next[2] = 1, seen[2];
/* on the way, by the sender */
byte offer[2], offer_cluster[2];
bool is_whole[2];

byte commits = 1; /* next unused bit of a history */
byte claims[2];
byte used[2]; /* property only: counters claimed */
#if ROLLBACK
bool is_rolled_back;
byte snapshot[2];
#endif

#define is_superset(a, b) (((a) & (b)) == (b))

inline edit(n)
{
	d_step { role[n] == MEMBER && history[n] && commits < COMMITS ->
		history[n] = history[n] | (1 << commits);
		commits++;
		printf("%c: edited\n", 'A' + n)
	}
}

#ifdef M_BLANK_TEACHES
#define may_teach(n) true
#else
#define may_teach(n) (role[n] == MEMBER)
#endif

inline teach(n)
{
	d_step { may_teach(n) && !(offer[n] == history[n] && is_whole[n]) ->
		offer[n] = history[n]; offer_cluster[n] = cluster[n]; is_whole[n] = true;
		assert(role[n] == MEMBER && history[n])
	}
}

inline damage(n)
{
	d_step { offer[n] && is_whole[n] -> is_whole[n] = false }
}

#ifdef M_FOREIGN_TAKEN
#define is_ours(n, m) true
#else
#define is_ours(n, m) (role[m] != MEMBER || cluster[m] == offer_cluster[n])
#endif
#ifdef M_NEWEST_WINS
#define may_take(n, m) (offer[n] > history[m])
#else
#define may_take(n, m) (offer[n] != history[m] && is_superset(offer[n], history[m]))
#endif

inline learn(n, m)
{
	d_step { offer[n] && !staged[m] && is_ours(n, m) && may_take(n, m) ->
		staged[m] = offer[n]; is_staged_whole[m] = is_whole[n];
		if
		:: role[m] == BLANK -> role[m] = LEARNER; cluster[m] = offer_cluster[n]
		:: else
		fi;
		printf("%c: heard a configuration\n", 'A' + m)
	}
}

#ifdef M_NOT_VERIFIED
#define is_verified(m) true
#else
#define is_verified(m) is_staged_whole[m]
#endif

inline apply(m)
{
	if
	:: d_step { staged[m] && !is_verified(m) -> staged[m] = 0; is_staged_whole[m] = false }
	/* an edit of its own may have come in between */
#if defined(M_APPLY_UNCHECKED) || defined(M_NEWEST_WINS)
	:: d_step { staged[m] && is_verified(m) ->
#else
	:: d_step { staged[m] && is_verified(m) && is_superset(staged[m], history[m]) ->
#endif
		assert(is_superset(staged[m], history[m]));
		assert(is_staged_whole[m]);
		history[m] = staged[m]; staged[m] = 0; is_staged_whole[m] = false;
		printf("%c: applied\n", 'A' + m)
	   }
	:: d_step { staged[m] && !is_superset(staged[m], history[m]) ->
		staged[m] = 0; is_staged_whole[m] = false; /* diverged: both are kept */
		printf("%c: diverged, keeps its own\n", 'A' + m)
	   }
	fi
}

#ifdef M_ROLE_FIRST
#define may_promote(m) (role[m] == LEARNER)
#else
#define may_promote(m) (role[m] == LEARNER && history[m])
#endif

inline promote(m)
{
	d_step { may_promote(m) -> role[m] = MEMBER; printf("%c: is a member\n", 'A' + m) }
}

#ifdef M_BLANK_CLAIMS
#define may_claim(n) true
#else
#define may_claim(n) (role[n] == MEMBER)
#endif
#define wanted(n) (seen[n] + 1 > next[n] -> seen[n] + 1 : next[n])

/* Done before a claim that the block does not cover. */
inline reserve(n)
{
	d_step { wanted(n) >= reserved[n] && wanted(n) + BLOCK <= COUNTERS ->
		reserved[n] = wanted(n) + BLOCK
	}
}

#ifdef M_RESERVE_LATE
#define is_reserved(n) true
#else
#define is_reserved(n) (wanted(n) < reserved[n])
#endif

#ifndef EPOCHS
inline claim(n)
{
	d_step { may_claim(n) -> assert(role[n] == MEMBER && history[n]) }
}
#else
inline claim(n)
{
	d_step { may_claim(n) && claims[n] < 2 && wanted(n) < COUNTERS && is_reserved(n) ->
		assert(role[n] == MEMBER && history[n]);
		next[n] = wanted(n);
		printf("%c claims %d\n", 'A' + n, next[n]);
		assert(!(used[n] & (1 << next[n])));
		used[n] = used[n] | (1 << next[n]);
		seen[n] = next[n];
		next[n]++;
		claims[n]++
	}
}
#endif

inline hear(n, m)
{
	d_step { seen[m] < seen[n] -> seen[m] = seen[n] }
}

inline crash(n)
{
	d_step {
		printf("%c crashes\n", 'A' + n);
		staged[n] = 0; is_staged_whole[n] = false; seen[n] = 0;
#ifdef M_EPOCH_REUSE
		next[n] = 1
#else
		next[n] = reserved[n];
#endif
	}
}

#if ROLLBACK
/* An older disk: its configuration is older, its epochs are what the peer corrects. */
inline roll_back(n)
{
	d_step { !is_rolled_back && history[n] != snapshot[n] && snapshot[n] ->
		is_rolled_back = true;
		history[n] = snapshot[n];
		staged[n] = 0; is_staged_whole[n] = false;
		printf("%c: disk set back\n", 'A' + n)
	}
}
#endif

inline node(n, m)
{
	if
	:: claim(n)
#ifdef EPOCHS
	:: reserve(n)
	:: hear(n, m)
#else
	:: edit(n)
	:: teach(n)
	:: damage(n)
	:: learn(n, m)
	:: apply(n)
	:: promote(n)
#endif
	:: crash(n)
#if ROLLBACK
	:: roll_back(n)
#endif
	fi
}

init {
	d_step {
		role[0] = MEMBER; history[0] = 1; cluster[0] = 1;
#ifdef EPOCHS
		role[1] = MEMBER; history[1] = 1; cluster[1] = 1;
#endif
#if FOREIGN
		role[1] = MEMBER; history[1] = 1 << commits; commits++; cluster[1] = 2;
#endif
#if ROLLBACK
		snapshot[0] = history[0];
#endif
		skip
	};
end:	do
	:: atomic { node(0, 1) }
	:: atomic { node(1, 0) }
	od
}
