/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The real control server in a process of its own, with the answers that a test wants
 * to see: for tests of the server and of the tools.
 */
#ifndef HG_CONTROL_FIXTURE_H
#define HG_CONTROL_FIXTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Set before the start; NULL or 0 gives an answer of its own. */
struct control_fixture {
	const char *status; /* value of "status", JSON */
	const char *ports; /* value of "ports", JSON */
	const char *events; /* array of events, JSON */
	const char *refusal; /* maintenance, reload and handover are refused with it */
	const char *diagnostics; /* of a refused reload */
	int handover_ms; /* the answer comes that late; < 0: never */
	int descriptors_max; /* > 0: RLIMIT_NOFILE of the server */
	/* filled in */
	char dir[64]; /* temporary directory */
	char run[80]; /* DIR/run */
	char path[96]; /* of the socket */
	pid_t pid;
};

/*
 * Commands of the server beside those of the contract:
 *   count      {"ok":true,"calls":n} how often a handler ran
 *   big        "octets":n   {"ok":true,"text":"xxx..."}
 *   flood      "events":n,"octets":m   broadcasts n events, then answers
 */
void control_fixture_start(struct control_fixture *fixture);
/* Ends the server, which must end by itself with status 0, and removes the directory. */
void control_fixture_stop(struct control_fixture *fixture);

/* Connects; -1 and errno. */
int control_fixture_connect(const struct control_fixture *fixture);
/* Reads until the end of the stream, or `lines` lines, at most timeout_ms. Returns a
 * string to free(); *ret_is_end: the server closed. */
char *control_fixture_read(int fd, int lines, int timeout_ms, bool *ret_is_end);
/* Sends `length` octets and reads the whole answer. */
char *control_fixture_ask(const struct control_fixture *fixture, const char *request,
			  size_t length);

int64_t control_now_ms(void);
void control_pause_ms(int ms);
/* Connects and sends; returns the descriptor. */
int control_send(const struct control_fixture *fixture, const char *text);
char *control_ask(const struct control_fixture *fixture, const char *request);
/* `status` gives CONTROL_STATUS. */
void control_assert_answers(const struct control_fixture *fixture);
/* The answer (freed here) is one line, {"ok":false} with these words in its error. */
void control_assert_refused(char *answer, const char *words);
/* How many requests reached a handler. */
long control_count_calls(const struct control_fixture *fixture);
/* All slots are free: 16 silent clients fit, the 17th is told so. Needs uid 0 or the
 * uid of the server. */
void control_assert_slots_free(const struct control_fixture *fixture);

/* cmocka setup and teardown: *state is a fixture with CONTROL_STATUS and two events. */
int control_fixture_setup(void **state);
int control_fixture_teardown(void **state);
#define CONTROL_TEST(name) \
	cmocka_unit_test_setup_teardown(name, control_fixture_setup, control_fixture_teardown)
#define CONTROL_STATUS "{\"node\":\"gw1\",\"lease_ms\":17.2}"

#endif
