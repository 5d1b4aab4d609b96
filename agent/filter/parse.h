/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The parser of one rule, as its parts share it. Private to agent/filter/parse*.c.
 *
 * Every function that returns false has written the error. The word that is looked at
 * stands in `token`; what takes it moves on to the next.
 */
#ifndef HG_FILTER_PARSE_H
#define HG_FILTER_PARSE_H

#include "agent/filter/rule.h"
#include "agent/filter/token.h"

enum hg_parse_key {
	HG_KEY_IN,
	HG_KEY_PROTO,
	HG_KEY_FROM,
	HG_KEY_TO,
	HG_KEY_FLAGS,
	HG_KEY_ICMP_TYPE,
	HG_KEY_FRAGMENT,
	HG_KEY_VLAN,
	HG_KEY_RATE,
	HG_KEY_COUNT_ONLY,
	HG_KEY_LABEL,
	HG_KEY_COUNT,
};

struct hg_parser {
	const char *line;
	size_t length, at;
	struct hg_token token;
	unsigned int end; /* column behind the last token taken */
	const struct hg_rule_names *names;
	struct hg_rule rule;
	struct hg_rule_error *error;
	unsigned int key_column[HG_KEY_COUNT]; /* 0: not given */
	unsigned int value_column[HG_KEY_COUNT]; /* of what follows the key */
	unsigned int port_column[2]; /* of the first port behind from, to */
	struct hg_token icmp_type; /* read when proto is known */
	uint8_t source_length; /* 0: none or two; read when the family is known */
	unsigned int source_column;
};

bool hg_parse_fail(struct hg_parser *p, unsigned int column, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* Adds a remedy; false, so that it can end a function. */
bool hg_parse_hint(struct hg_parser *p, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

void hg_parse_advance(struct hg_parser *p);
bool hg_parse_is_word(const struct hg_parser *p, const char *word);
/* Is there a value for `what`? `example` becomes the hint when not. */
bool hg_parse_want(struct hg_parser *p, const char *what, const char *example);
/* A decimal number without leading zeros out of `text`, which stands at `column`. */
bool hg_parse_number(struct hg_parser *p, const char *what, const char *text, size_t length,
		     unsigned int column, uint32_t min, uint32_t max, uint32_t *ret);
/* Says that the word is unknown, with the nearest of `names` as hint when one is near;
 * else `hint`, which may be NULL. */
bool hg_parse_unknown(struct hg_parser *p, const struct hg_token *token, const char *what,
		      const char *const *names, unsigned int count, const char *hint);

/* parse_match.c: the values of what a packet is compared with; the key was taken. */
bool hg_parse_in(struct hg_parser *p);
bool hg_parse_proto(struct hg_parser *p);
bool hg_parse_from(struct hg_parser *p);
bool hg_parse_to(struct hg_parser *p);
bool hg_parse_flags(struct hg_parser *p);

/* What a packet may be ahead of its rate when `burst` is not given. */
uint32_t hg_parse_default_burst(const struct hg_rule_rate *rate);

/* parse_check.c: what is decided by several options together. */
bool hg_parse_finish(struct hg_parser *p);

/* words.c: protocols and ICMP types by name, a frozen set (ids of rules depend on it).
 * Names: NULL when there is none. Numbers: -1 when there is none. */
const char *hg_word_proto(uint8_t proto);
int hg_word_find_proto(const char *name);
const char *hg_word_icmp(uint8_t proto, uint8_t type);
int hg_word_find_icmp(uint8_t proto, const char *name);
bool hg_word_has_ports(uint8_t proto);
/* The names themselves, for hints. Returns their number. */
#define HG_WORDS_MAX 32
unsigned int hg_word_list_protos(const char *ret[HG_WORDS_MAX]);
unsigned int hg_word_list_icmp(uint8_t proto, const char *ret[HG_WORDS_MAX]);
/* What people of other filters write -> how it is said here; NULL: nothing known. */
enum hg_word_place { HG_WORD_ACTION, HG_WORD_OPTION, HG_WORD_ADDRESS, HG_WORD_PORT };
const char *hg_word_foreign(enum hg_word_place place, const char *word);

#endif
