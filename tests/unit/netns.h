/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Network namespaces for tests that run the real code. All of them vanish with the
 * test process, however it ends: none has a name. */
#ifndef HG_TEST_NETNS_H
#define HG_TEST_NETNS_H

#include <stdbool.h>
#include <stdint.h>

/* False, with the reason on stderr, when namespaces cannot be made (not root). */
bool netns_is_possible(void);
/* Makes a namespace, enters it, brings lo up; returns a descriptor for it. */
int netns_new(void);
void netns_enter(int fd);
/* A veth pair: `a` here, `b` in the other namespace; both up. */
void netns_veth(const char *a, const char *b, int other);

/* Runs a shell command; the test fails when it does. */
void run(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* First number that the command prints. */
long number(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Whether the command succeeds. */
bool succeeds(const char *format, ...) __attribute__((format(printf, 1, 2)));

double now_ms(void);
double cpu_ms(void); /* what this process has used */
void sleep_ms(unsigned int ms);
void get_mac(const char *ifname, uint8_t mac[6]);

#endif
