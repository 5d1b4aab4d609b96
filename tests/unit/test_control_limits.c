// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The control socket at its limits: too many clients, too much output, too slow, no
 * descriptors left. None of it may hold the server up or cost it a slot.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "control_fixture.h"
#include "hagate/control.h"

static void test_many_clients(void **state)
{
	struct control_fixture *fixture = *state;

	control_fixture_start(fixture);
	for (int i = 0; i < 3; i++)
		control_assert_slots_free(fixture);
	control_fixture_stop(fixture);
}

/* A follower that reads gets every event in order, one that does not is dropped. */
static void test_followers(void **state)
{
	struct control_fixture *fixture = *state;
	int reader, stuck;
	bool is_end;
	char *text;

	control_fixture_start(fixture);
	reader = control_send(fixture, "{\"command\":\"events\",\"follow\":true}\n");
	text = control_fixture_read(reader, 2, 8000, &is_end);
	assert_string_equal(text, "{\"seq\":1}\n{\"seq\":2}\n");
	assert_false(is_end);
	free(text);
	stuck = control_send(fixture, "{\"command\":\"events\",\"follow\":true}\n");
	for (int round = 0; round < 10; round++) {
		const char *at;
		int64_t start = control_now_ms();

		free(control_ask(fixture,
				 "{\"command\":\"flood\",\"events\":200,\"octets\":1000}\n"));
		text = control_fixture_read(reader, 200, 8000, &is_end);
		assert_false(is_end);
		at = text;
		for (int i = 0; i < 200; i++) {
			char expected[24];

			snprintf(expected, sizeof(expected), "{\"seq\":%d,", i);
			assert_memory_equal(at, expected, strlen(expected));
			at = strchr(at, '\n') + 1;
		}
		assert_int_equal(*at, '\0');
		free(text);
		control_assert_answers(fixture);
		assert_true(control_now_ms() - start < 4500); /* nobody waits for who is stuck */
	}
	text = control_fixture_read(stuck, 0, 8000, &is_end);
	assert_true(is_end);
	assert_true(strlen(text) < 2000000);
	free(text);
	close(stuck);
	close(reader);
	control_fixture_stop(fixture);
}

static void test_follower_limit(void **state)
{
	struct control_fixture *fixture = *state;
	int fd[HG_CTL_CLIENTS_MAX];
	int limit = HG_CTL_CLIENTS_MAX - 4;
	char *text;

	control_fixture_start(fixture);
	for (int i = 0; i < limit; i++) {
		fd[i] = control_send(fixture, "{\"command\":\"events\",\"follow\":true}\n");
		free(control_fixture_read(fd[i], 2, 8000, NULL));
	}
	control_assert_refused(control_ask(fixture, "{\"command\":\"events\",\"follow\":true}\n"),
			       "follow");
	text = control_ask(fixture, "{\"command\":\"events\"}\n");
	assert_string_equal(text, "{\"seq\":1}\n{\"seq\":2}\n");
	free(text);
	control_assert_answers(fixture);
	for (int i = 0; i < limit; i++)
		close(fd[i]);
	control_pause_ms(50);
	control_assert_slots_free(fixture);
	control_fixture_stop(fixture);
}

static void test_long_answers(void **state)
{
	struct control_fixture *fixture = *state;
	char *text;

	control_fixture_start(fixture);
	text = control_ask(fixture, "{\"command\":\"big\",\"octets\":1000000}\n");
	assert_int_equal(strlen(text), 1000000 + strlen("{\"ok\":true,\"text\":\"\"}\n"));
	free(text);
	control_assert_refused(control_ask(fixture, "{\"command\":\"big\",\"octets\":2000000}\n"),
			       "too long");
	control_assert_answers(fixture);
	control_fixture_stop(fixture);
}

static long cpu_ticks(pid_t pid)
{
	char path[64], line[1024];
	long user, kernel;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	file = fopen(path, "re");
	assert_non_null(file);
	assert_non_null(fgets(line, sizeof(line), file));
	fclose(file);
	assert_int_equal(sscanf(strrchr(line, ')') + 2,
				"%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %ld %ld", &user,
				&kernel),
			 2);
	return user + kernel;
}

/* Without descriptors left a waiting connection must not make the server spin. */
static void test_no_descriptors(void **state)
{
	struct control_fixture *fixture = *state;
	int fd[HG_CTL_CLIENTS_MAX];
	long ticks;

	fixture->descriptors_max = 14;
	control_fixture_start(fixture);
	for (int i = 0; i < HG_CTL_CLIENTS_MAX; i++)
		fd[i] = control_send(fixture, " ");
	control_pause_ms(100);
	ticks = cpu_ticks(fixture->pid);
	control_pause_ms(1500);
	assert_true(cpu_ticks(fixture->pid) - ticks < 0.2 * (double)sysconf(_SC_CLK_TCK));
	for (int i = 0; i < HG_CTL_CLIENTS_MAX; i++)
		close(fd[i]);
	control_assert_answers(fixture);
	control_fixture_stop(fixture);
}

/* Whoever sends nothing, half a line, or does not read is gone after five seconds. */
static void test_timeouts(void **state)
{
	struct control_fixture *fixture = *state;
	int64_t start;
	int silent, half, stuck, follower, patient;
	bool is_end;
	char *text;

	fixture->handover_ms = 7000;
	control_fixture_start(fixture);
	start = control_now_ms();
	silent = control_fixture_connect(fixture);
	half = control_send(fixture, "{\"command\"");
	stuck = control_send(fixture, "{\"command\":\"big\",\"octets\":900000}\n");
	follower = control_send(fixture, "{\"command\":\"events\",\"follow\":true}\n");
	patient = control_send(fixture, "{\"command\":\"handover\"}\n");
	control_pause_ms(100);
	/* Less than OUTPUT_MAX, more than the socket takes. */
	free(control_ask(fixture, "{\"command\":\"flood\",\"events\":800,\"octets\":1000}\n"));

	text = control_fixture_read(silent, 0, 8000, &is_end);
	assert_true(is_end);
	assert_in_range(control_now_ms() - start, 4900, 12000);
	assert_string_equal(text, "");
	free(text);
	free(control_fixture_read(half, 0, 8000, &is_end));
	assert_true(is_end);
	control_pause_ms(1500); /* now all three are late; only what the socket held arrives */
	text = control_fixture_read(stuck, 0, 8000, &is_end);
	assert_true(is_end);
	assert_true(strlen(text) < 900000);
	free(text);
	text = control_fixture_read(follower, 0, 8000, &is_end);
	assert_true(is_end);
	assert_true(strlen(text) > 1000 && strlen(text) < 800000);
	free(text);
	/* The one that waits for a late answer is not late itself. */
	text = control_fixture_read(patient, 0, 20000, &is_end);
	assert_true(is_end);
	assert_non_null(strstr(text, "the peer serves"));
	free(text);
	close(silent);
	close(half);
	close(stuck);
	close(follower);
	close(patient);
	control_assert_slots_free(fixture);
	control_fixture_stop(fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CONTROL_TEST(test_many_clients),   CONTROL_TEST(test_followers),
		CONTROL_TEST(test_follower_limit), CONTROL_TEST(test_long_answers),
		CONTROL_TEST(test_no_descriptors), CONTROL_TEST(test_timeouts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
