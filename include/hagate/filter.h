/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * The packet filter between user space and BPF: blocklist, rules, rates.
 *
 * Classifier: a two-level bit vector. Each field of a packet is looked up once and
 * gives a class; a class stands for one bit vector over the rules, 1 where that
 * field's value satisfies the rule. The vectors of all fields are ANDed, summaries
 * first, and the lowest bit left is the first rule that matches.
 *
 * A generation is one set of inner maps; hg_filter.generation, read once per packet,
 * selects it (index generation & 1 in each map of maps). A generation's inner maps
 * are never written after it was selected.
 */
#ifndef HAGATE_FILTER_H
#define HAGATE_FILTER_H

#include <linux/types.h>

#define HG_RULES_MAX 10240
#define HG_BIT_WORDS (HG_RULES_MAX / 64) /* 160 */
#define HG_BIT_SUMMARIES ((HG_BIT_WORDS + 63) / 64) /* 3 */
/* Counter slots, see hg_rule_slot: enough for the rules in force and for all others of
 * the next generation, so that no slot changes its rule while packets count there. */
#define HG_RULE_COUNTERS (2 * HG_RULES_MAX)
#define HG_CLASSES_MAX 131072 /* rows of hg_f_bits: 171 MB */

/* hg_filter: array, key 0, memory-mapped. */
struct hg_filter {
	__u32 generation; /* selected; 0: no rules and default accept: everything goes on */
	__u32 last; /* user space: the last generation that was selected, never 0 after it */
	__u32 settled; /* user space: equals generation when no packet uses an older one */
	__u32 block4, block6, block_prefix; /* entries; 0 lets the lookup be skipped */
	__u32 large; /* user space: bit (generation & 1): its maps are worth freeing early */
	__u32 pad;
};

/* A class: row of the inner map hg_f_bits. Row 0: no rule matches. Row 1: every rule does,
 * so that it need not be looked up. */
#define HG_CLASS_NONE 0
#define HG_CLASS_ALL 1
struct hg_bits {
	__u64 summary[HG_BIT_SUMMARIES]; /* bit w: word w is not 0 */
	__u64 word[HG_BIT_WORDS];
};

/*
 * hg_f_table (inner array of hg_table_line): class by small value. One array, parts behind
 * each other. "NONE" parts: the field does not exist in this packet (no ports in a
 * later fragment or in ICMP).
 */
#define HG_TABLE_SPORT 0 /* + source port, host order */
#define HG_TABLE_SPORT_NONE 65536
#define HG_TABLE_DPORT 65537 /* + destination port */
#define HG_TABLE_DPORT_NONE (HG_TABLE_DPORT + 65536)
/* Protocol and detail are one field: only TCP has flags, only ICMP and ICMPv6 types.
 * PROTO: of a packet without such a detail: of another protocol, or a later fragment. */
#define HG_TABLE_PROTO (HG_TABLE_DPORT_NONE + 1) /* + L4 protocol, 256 */
#define HG_TABLE_DETAIL_NONE 0 /* in a flow: look at PROTO */
#define HG_TABLE_DETAIL (HG_TABLE_PROTO + 256) /* + TCP flags octet, 256 */
#define HG_TABLE_ICMP4 (HG_TABLE_DETAIL + 256) /* + type, 256 */
#define HG_TABLE_ICMP6 (HG_TABLE_ICMP4 + 256) /* + type, 256 */
/* Where a packet comes from: + input * HG_TABLE_VLANS + outer VLAN id or HG_VLAN_NONE,
 * where input = slot * 2 + is_fragment */
#define HG_TABLE_ORIGIN (HG_TABLE_ICMP6 + 256)
#define HG_INPUTS 32
#define HG_VLAN_NONE 4096
#define HG_TABLE_VLANS (HG_VLAN_NONE + 1)
/* Roots of the address tries: entry by the first 16 bits of the address */
#define HG_TABLE_ROOT 65536
#define HG_TABLE_SRC4 (HG_TABLE_ORIGIN + HG_INPUTS * HG_TABLE_VLANS)
#define HG_TABLE_DST4 (HG_TABLE_SRC4 + HG_TABLE_ROOT)
#define HG_TABLE_SRC6 (HG_TABLE_DST4 + HG_TABLE_ROOT)
#define HG_TABLE_DST6 (HG_TABLE_SRC6 + HG_TABLE_ROOT)
#define HG_TABLE_ENTRIES (HG_TABLE_DST6 + HG_TABLE_ROOT)
#define HG_TABLE_LINE 16
#define HG_TABLE_LINES ((HG_TABLE_ENTRIES + HG_TABLE_LINE - 1) / HG_TABLE_LINE)
#define HG_TABLE_SIZE (HG_TABLE_LINES * HG_TABLE_LINE)
/* The map's value: an array map pads each to 8 octets, so single entries would waste. */
struct hg_table_line {
	__u32 entry[HG_TABLE_LINE];
};

/*
 * hg_f_trie (inner array): nodes below the roots, for both sides and families. An entry
 * is a class, or HG_TRIE_NODE + index of a node. A node first skips `skip` bits, which
 * must be those of `match` (left aligned; else the class is `miss`), then goes on with
 * the entry of the next four bits. One lookup in an LPM trie of the kernel, which goes bit
 * by bit, took 150 ns with 10,000 random prefixes; both sides here, with all the rest of
 * the classifier, 250 ns on the same machine.
 */
#define HG_TRIE_NODE 0x80000000u
#define HG_TRIE_SKIP_MAX 56
#define HG_TRIE_DEPTH ((128 - 16) / 4) /* nodes on a path */
struct hg_trie_node {
	__u64 match;
	__u32 skip; /* 0..HG_TRIE_SKIP_MAX, a multiple of 4 */
	__u32 miss;
	__u32 entry[16];
};

/* hg_f_rule (inner array): what a rule does. Behind the rules, at HG_RULE_DEFAULT, stands
 * the default: its `action`, and in `counter` the number of rules. So the default changes
 * together with the rules. */
#define HG_RULE_DEFAULT HG_RULES_MAX
enum hg_rule_action { HG_RULE_ACCEPT, HG_RULE_DROP };
#define HG_RULE_F_COUNT_ONLY 0x1
#define HG_RULE_F_RATE 0x2 /* what exceeds the rate is dropped; see below */
#define HG_RULE_F_PER_SOURCE 0x4
struct hg_rule_entry {
	__u32 action; /* enum hg_rule_action */
	__u32 flags;
	__u32 counter; /* slot of hg_rule_stat and hg_rule_tat */
	__u8 source4, source6; /* prefix lengths of the buckets with PER_SOURCE */
	__u16 pad;
	/* GCRA (ITU-T I.371): a packet conforms when tat - now <= limit; then
	 * tat = max(tat, now) + increment. limit = (burst - 1) * increment. */
	__u64 increment_ns; /* 1 s / rate */
	__u64 limit_ns;
};
/* With a rate: above it dropped (FILTER_RATE); within it `accept` accepts and `drop`
 * goes on to the next rule. COUNT_ONLY counts (the rate too) and always goes on. */

/* hg_rule_stat: per-CPU array, key = counter slot */
struct hg_rule_stat {
	__u64 packets;
	__u64 octets;
	__u64 last_ns; /* CLOCK_BOOTTIME of the last hit */
	__u64 exceeded; /* packets above the rate */
};
/* hg_rule_tat: array of __u64, key = counter slot: GCRA state of a rule */
/* hg_source_tat: LRU hash: GCRA state of a rule and source prefix */
struct hg_source_key {
	__u32 counter;
	__u32 family; /* 4, 6 */
	__u8 addr[16]; /* masked */
};
/* hg_rule_slot: hash, key = stable rule id (__u64). User space only: gives a rule its
 * counter again over swaps and restarts. */
struct hg_rule_slot {
	__u32 counter;
	__u32 generation; /* that last had the rule */
};

/* hg_block4, hg_block6: hash by exact address (hg_addr4_key, hg_addr6_key);
 * hg_blocklpm4, hg_blocklpm6: LPM tries (key: prefixlen, addr). */
struct hg_block4_prefix {
	__u32 prefixlen;
	__u8 addr[4];
};
struct hg_block6_prefix {
	__u32 prefixlen;
	__u8 addr[16];
};
enum hg_block_source { HG_BLOCK_OPERATOR = 1, HG_BLOCK_FEED = 2, HG_BLOCK_IDS = 3 };
struct hg_block {
	__u64 expire_ns; /* CLOCK_BOOTTIME; ~0: never */
	__u64 packets; /* dropped; atomically added */
	__u32 source; /* enum hg_block_source */
	__u32 prefixlen; /* in the tries: the key's, to look behind an entry whose time is over */
};
/* The hash of each family takes 16 octets per place from the start, empty or not. */
#define HG_BLOCKS_MAX 1048576
#define HG_BLOCK_PREFIXES_MAX 1048576

_Static_assert(sizeof(struct hg_bits) == 8 * (HG_BIT_WORDS + HG_BIT_SUMMARIES), "filter: hg_bits");
_Static_assert(sizeof(struct hg_trie_node) == 80, "filter: hg_trie_node");
_Static_assert(sizeof(struct hg_rule_entry) == 32, "filter: hg_rule_entry");

#endif
