/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The classifier: which rules match a packet, first to last. The same lines run in the
 * kernel and, against the oracle, in a test: whoever includes this defines before
 *
 *   struct hg_sets                          one generation's tables; a member `trie`
 *   hg_table_at(sets, index) -> __u32       entry of hg_f_table
 *   hg_node_at(trie, index)                 node of hg_f_trie or NULL
 *   hg_bits_at(sets, class)                 row of hg_f_bits or NULL
 *
 * hg_walk_start() looks each field up once; each hg_walk_step() then gives one more
 * rule, or says that there is none. Only words that are not empty in any field are visited (summaries).
 */
#ifndef HG_CLASSIFY_H
#define HG_CLASSIFY_H

#include "flow.h"

/* Words visited in one step: few, as the verifier goes through each; the caller's loop
 * (bpf_loop in the kernel) makes up for it. */
#define HG_WALK_WORDS 8
#define HG_WALK_STEPS (HG_RULES_MAX + HG_BIT_WORDS / HG_WALK_WORDS + 2)
#define HG_WALK_AGAIN 0xffffffffu
#define HG_WALK_NO_WORD 0xffffffffu

/* Where a walk stands. `word` holds rules of word `index` not yet given. */
struct hg_walk {
	const struct hg_bits *src, *dst, *sport, *dport;
	const struct hg_bits *kind, *origin;
	__u64 live[HG_BIT_SUMMARIES]; /* words not yet visited, from word `base` on */
	__u64 word;
	__u32 base, index;
};

/* The place of the lowest bit of a word that is not 0: counts the zeros below it. BPF has
 * no instruction for it and clang 14 dies of its builtin. */
static __always_inline __u32 hg_lowest_bit(__u64 word)
{
	__u64 below = ~word & (word - 1);

	below -= below >> 1 & 0x5555555555555555ull;
	below = (below & 0x3333333333333333ull) + (below >> 2 & 0x3333333333333333ull);
	below = (below + (below >> 4)) & 0x0f0f0f0f0f0f0f0full;
	return below * 0x0101010101010101ull >> 56 & 63;
}

/* From the entry of a root to the class; `hi`, `lo`: the address behind its first 16
 * bits, left aligned. */
static __always_inline __u32 hg_trie_class(const void *trie, __u32 entry, __u64 hi, __u64 lo)
{
	const struct hg_trie_node *node;
	__u32 skip;
	int i;

	for (i = 0; i < HG_TRIE_DEPTH && (entry & HG_TRIE_NODE); i++) {
		node = hg_node_at(trie, entry & ~HG_TRIE_NODE);
		if (!node)
			return 0;
		skip = node->skip & 63;
		if (((hi ^ node->match) >> (63 - skip)) >> 1)
			return node->miss;
		entry = node->entry[(hi << skip) >> 60];
		skip += 4;
		skip &= 63;
		hi = hi << skip | lo >> (64 - skip);
		lo <<= skip;
	}
	return entry & HG_TRIE_NODE ? 0 : entry;
}

static __always_inline __u32 hg_walk_side(const struct hg_sets *sets, __u32 root, const __u64 *addr)
{
	__u32 entry = hg_table_at(sets, root + (__u32)(addr[0] >> 48));

	if (entry & HG_TRIE_NODE)
		entry = hg_trie_class(sets->trie, entry, addr[0] << 16 | addr[1] >> 48,
				      addr[1] << 16);
	return entry;
}

/* `other` instead of the row of all rules: to AND a row with itself changes nothing. */
static __always_inline const struct hg_bits *hg_walk_row(const struct hg_sets *sets, __u32 class,
							 const struct hg_bits *other)
{
	return class == HG_CLASS_ALL ? other : hg_bits_at(sets, class);
}

/* False: a table lacks an entry, which the compiler never lets happen. */
static __always_inline int hg_walk_start(const struct hg_sets *sets, const struct hg_flow *flow,
					 struct hg_walk *walk)
{
	__u32 kind = flow->detail ? flow->detail : HG_TABLE_PROTO + flow->proto;
	__u32 origin = HG_TABLE_ORIGIN + flow->input * HG_TABLE_VLANS + flow->vlan;
	__u32 src, dst;
	int i;

	src = hg_walk_side(sets, flow->is_ip6 ? HG_TABLE_SRC6 : HG_TABLE_SRC4, flow->src);
	dst = hg_walk_side(sets, flow->is_ip6 ? HG_TABLE_DST6 : HG_TABLE_DST4, flow->dst);
	walk->dst = hg_bits_at(sets, dst);
	walk->src = hg_walk_row(sets, src, walk->dst);
	walk->dport = hg_walk_row(sets, hg_table_at(sets, HG_TABLE_DPORT + flow->dport), walk->dst);
	walk->sport = hg_walk_row(sets, hg_table_at(sets, HG_TABLE_SPORT + flow->sport), walk->dst);
	walk->kind = hg_walk_row(sets, hg_table_at(sets, kind), walk->dst);
	walk->origin = hg_walk_row(sets, hg_table_at(sets, origin), walk->dst);
	if (!walk->src || !walk->dst || !walk->sport || !walk->dport || !walk->kind ||
	    !walk->origin)
		return 0;
	for (i = 0; i < HG_BIT_SUMMARIES; i++)
		walk->live[i] = walk->src->summary[i] & walk->dst->summary[i] &
				walk->sport->summary[i] & walk->dport->summary[i] &
				walk->kind->summary[i] & walk->origin->summary[i];
	walk->word = 0;
	walk->index = 0;
	walk->base = 0;
	return 1;
}

static __always_inline __u64 hg_walk_word(const struct hg_walk *walk, __u32 index)
{
	return walk->src->word[index] & walk->dst->word[index] & walk->dport->word[index] &
	       walk->sport->word[index] & walk->kind->word[index] & walk->origin->word[index];
}

/* Takes the next word that is to be visited out of `live`; HG_BIT_WORDS: none left. */
static __always_inline __u32 hg_walk_take(struct hg_walk *walk)
{
	__u64 live = walk->live[0];

	if (!live) {
		walk->live[0] = walk->live[1];
		walk->live[1] = walk->live[2];
		walk->live[2] = 0;
		walk->base += 64;
		live = walk->live[0];
	}
	if (!live)
		return walk->base < HG_BIT_WORDS ? HG_WALK_NO_WORD : HG_BIT_WORDS;
	walk->live[0] = live & (live - 1);
	return walk->base + hg_lowest_bit(live);
}

/*
 * One step: the next rule that matches, HG_WALK_AGAIN: not known yet, step on, or
 * HG_RULE_DEFAULT: none left. A walk takes HG_WALK_STEPS at most.
 */
static __always_inline __u32 hg_walk_step(struct hg_walk *walk)
{
	__u32 index = walk->index, i;
	__u64 word = walk->word;

	for (i = 0; i < HG_WALK_WORDS && !word; i++) {
		index = hg_walk_take(walk);
		if (index == HG_WALK_NO_WORD)
			continue;
		if (index >= HG_BIT_WORDS)
			return HG_RULE_DEFAULT;
		word = hg_walk_word(walk, index);
	}
	walk->index = index;
	walk->word = word & (word - 1);
	return word ? index * 64 + hg_lowest_bit(word) : HG_WALK_AGAIN;
}

_Static_assert(HG_BIT_SUMMARIES == 3, "classify: hg_walk_take");

#endif
