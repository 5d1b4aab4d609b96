/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One scalar of a configuration file -> one value. Each function reports what is
 * wrong, with `what` as the name of the value in the text, and returns false; its
 * out-parameter is then untouched. BROKEN nodes fail in silence.
 */
#ifndef HG_CONFIG_VALUE_H
#define HG_CONFIG_VALUE_H

#include "agent/config.h"
#include "agent/config_yaml.h"

/* A scalar that is not empty. */
bool hg_value_text(struct hg_diag *diag, const struct hg_yaml_node *node, const char *what);

bool hg_value_bool(struct hg_diag *diag, const struct hg_yaml_node *node, const char *what,
		   bool *ret);
bool hg_value_uint(struct hg_diag *diag, const struct hg_yaml_node *node, const char *what,
		   uint64_t min, uint64_t max, uint64_t *ret);
/* A number with ms, s, min or h. */
bool hg_value_span(struct hg_diag *diag, const struct hg_yaml_node *node, const char *what,
		   struct hg_span min, struct hg_span max, struct hg_span *ret);
/* One of `words`, which ends with NULL: its index. */
bool hg_value_word(struct hg_diag *diag, const struct hg_yaml_node *node, const char *what,
		   const char *const *words, unsigned int *ret);
/* a-z 0-9 _ -, at most size - 1. */
bool hg_value_name(struct hg_diag *diag, const struct hg_yaml_node *node, const char *what,
		   char *ret, size_t size);
/* An absolute path of at most size - 1 octets. */
bool hg_value_path(struct hg_diag *diag, const struct hg_yaml_node *node, const char *what,
		   char *ret, size_t size);
bool hg_value_mac(struct hg_diag *diag, const struct hg_yaml_node *node, const char *what,
		  unsigned char ret[6]);

/* A unicast address of a host; with its prefix length, or (prefix 0) without. */
enum hg_value_prefix { HG_WITHOUT_PREFIX, HG_WITH_PREFIX };
bool hg_value_ip(struct hg_diag *diag, const struct hg_yaml_node *node, const char *what,
		 enum hg_value_prefix prefix, struct hg_ip *ret);

/* -1, 0, 1 by family and address; the prefix does not count. */
int hg_ip_compare(const struct hg_ip *a, const struct hg_ip *b);
/* Address without prefix; returns `buffer`. */
#define HG_IP_TEXT INET6_ADDRSTRLEN
const char *hg_ip_text(const struct hg_ip *ip, char buffer[HG_IP_TEXT]);

/* "5ms", "30s", "2min", "24h": the largest unit that keeps it whole. */
#define HG_SPAN_TEXT 32
const char *hg_span_text(struct hg_span span, char buffer[HG_SPAN_TEXT]);

/* The one of `count` names that was probably meant, or NULL. */
const char *hg_value_nearest(const char *text, const char *const *names, unsigned int count);

#endif
