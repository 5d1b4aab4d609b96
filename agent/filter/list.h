/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Named lists of addresses while they are read: one address or prefix a line, or one by
 * one. Entries may come in any order and more than once.
 */
#ifndef HG_FILTER_LIST_H
#define HG_FILTER_LIST_H

#include "agent/diag.h"
#include "agent/filter/rule.h"

#define HG_LIST_FILE_MAX (64u << 20) /* octets: a million IPv6 prefixes with comments */

struct hg_list_build {
	struct hg_list list;
	size_t room;
	size_t left; /* entries that may still be added */
};

/* Reports to `diag` at `at` when the entry cannot be added. */
bool hg_list_add(struct hg_list_build *build, const struct hg_ip *ip, struct hg_diag *diag,
		 size_t at);
/* Adds the lines of the text of `diag`, which has been checked to be visible text. */
void hg_list_read(struct hg_list_build *build, struct hg_diag *diag);
/* Sorts and drops what is double; the list is then complete. */
void hg_list_finish(struct hg_list_build *build);

/* Is the address, or all of the prefix, in an entry of the list? */
bool hg_list_holds(const struct hg_list *list, const struct hg_ip *ip);

#endif
