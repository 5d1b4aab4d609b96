/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The rule language as data. Pure: no I/O, no globals; the parser, the printer, the
 * compiler, the oracle and the commands share these types.
 *
 *   ACTION [in on PORT[,PORT]] [proto P[,P]] [from ADDR|@LIST|any [port N|N-M[,..]]]
 *          [to ADDR|@LIST|vip|any [port ..]] [flags S/SA] [icmp-type T] [fragment] [vlan N]
 *          [rate N/s|N/m [burst N] [per source[/LEN]]] [count-only] [label "text"]
 */
#ifndef HG_FILTER_RULE_H
#define HG_FILTER_RULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/config.h"
#include "hagate/filter.h"

#define HG_RULE_TEXT_MAX 512 /* a rule's line, octets */
#define HG_RULE_PROTOS_MAX 8
#define HG_RULE_RANGES_MAX 16
#define HG_RULE_LABEL_MAX 48
#define HG_LIST_NAME_MAX 32
#define HG_LISTS_MAX 256
#define HG_LIST_ENTRIES_MAX 1000000 /* of all lists together */

struct hg_port_range {
	uint16_t first, last; /* inclusive */
};

enum hg_side_kind { HG_SIDE_ANY, HG_SIDE_ADDR, HG_SIDE_LIST, HG_SIDE_VIP };

struct hg_rule_side {
	enum hg_side_kind kind; /* VIP only in `to` */
	struct hg_ip addr; /* ADDR, with prefix; host bits are an error */
	char list[HG_LIST_NAME_MAX]; /* LIST, without @ */
	uint8_t range_count; /* 0: any port; else the packet must have ports */
	struct hg_port_range range[HG_RULE_RANGES_MAX]; /* sorted, disjoint */
};

struct hg_rule_rate {
	uint32_t count; /* packets per period, 0: no rate */
	uint32_t period_s; /* 1 or 60 */
	uint32_t
		burst; /* packets at once, at least 1; default: a tenth of a second's worth, >= 1 */
	bool is_per_source;
	uint8_t len4, len6; /* default 32 and 64; 0 when not per source */
};

struct hg_rule {
	enum hg_rule_action action;
	bool is_count_only;
	bool is_fragment; /* only fragments (first or later) */
	bool has_flags, has_vlan, has_icmp_type;
	uint8_t flags_set, flags_mask; /* TCP header octet 13 */
	uint8_t icmp_type; /* of the family that proto names: icmp or icmp6 */
	uint16_t vlan; /* 0..4094, outer tag */
	uint32_t in_on; /* bit: index in the names given to the parser; 0: any port */
	uint8_t proto_count; /* 0: any */
	uint8_t proto[HG_RULE_PROTOS_MAX]; /* sorted, unique */
	struct hg_rule_side from, to;
	struct hg_rule_rate rate;
	char label[HG_RULE_LABEL_MAX]; /* "" none; unique in a ruleset */
	uint64_t id; /* stable, unique in a ruleset; see hg_rule_id() */
	uint32_t line; /* where it stands in its file, from 1 */
	uint16_t file; /* index of the file in its ruleset */
};

/* A named list of addresses and prefixes of either family. */
struct hg_list {
	char name[HG_LIST_NAME_MAX];
	struct hg_ip *entry; /* with prefix; sorted by family, address, prefix; unique */
	size_t count;
};

/* Names that rules may use: ports by index (bits of in_on), at most 32, and lists. */
struct hg_rule_names {
	unsigned int port_count;
	const char *const *port;
	unsigned int list_count;
	const struct hg_list *list; /* NULL: names of lists are not checked */
};

struct hg_rule_error {
	unsigned int column; /* from 1, in octets */
	bool is_unknown_port; /* the mistake is a port that `names` has not */
	char text[160]; /* what is wrong */
	char hint[120]; /* the remedy, or "" */
};

/* One line without its newline; a `#` between words begins a comment. 0, or -EINVAL with
 * the first mistake in `ret_error`. `ret` is untouched on error; line and file are left 0. */
int hg_rule_parse(const char *text, size_t length, const struct hg_rule_names *names,
		  struct hg_rule *ret, struct hg_rule_error *ret_error);

/* Canonical text, less than HG_RULE_TEXT_MAX octets for every rule that was parsed; the
 * order of `names` does not matter to it. parse(print(r)) equals r. Returns its length
 * (without NUL), as snprintf() does also when `size` was too small. */
size_t hg_rule_print(const struct hg_rule *rule, const struct hg_rule_names *names, char *ret,
		     size_t size);

/* The stable id of a rule: hash of its label, else of its canonical text; never 0. */
uint64_t hg_rule_id(const struct hg_rule *rule, const struct hg_rule_names *names);

/* An address or prefix as rules and lists have it: without host bits; without a length
 * it is that of one address. On false only `ret_error` is written. */
bool hg_rule_ip_parse(const char *text, size_t length, struct hg_ip *ret,
		      struct hg_rule_error *ret_error);
#define HG_RULE_IP_TEXT 50
const char *hg_rule_ip_text(const struct hg_ip *ip, char buffer[HG_RULE_IP_TEXT]);

/* Rules, lists and the default together: what is compiled and applied as one. */
struct hg_ruleset {
	bool is_default_drop;
	unsigned int file_count;
	char **file; /* names of the files, [hg_rule.file] */
	unsigned int rule_count;
	struct hg_rule *rule; /* [rule_count], first match wins */
	unsigned int list_count;
	struct hg_list *list;
};

#endif
