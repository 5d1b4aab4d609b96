/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The groups of test_datapath. Each returns the number of failed tests. */
#ifndef TEST_CASES_H
#define TEST_CASES_H

int cases_parse(void);
int cases_owner(void);
int cases_neighbour(void);
int cases_peer(void);
int cases_bounce(void);
int cases_egress(void);
int cases_filter(void);
int cases_blocklist(void);
int cases_lockout(void);

#endif
