// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The hagate command as people and scripts see it: exit status, standard output,
 * standard error. It runs as a program against the real control server with answers
 * made here.
 */
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "hagate/control.h"
#include "tool_fixture.h"

static void test_usage(void **state)
{
	(void)state;
	tool_check(tool_run("/nowhere", NULL), HG_EXIT_USAGE, "", "which command");
	tool_check(tool_run("/nowhere", "frobnicate", NULL), HG_EXIT_USAGE, "", "frobnicate");
	tool_check(tool_run("/nowhere", "status", "--colour", NULL), HG_EXIT_USAGE, "", "--colour");
	tool_check(tool_run("/nowhere", "status", "extra", NULL), HG_EXIT_USAGE, "", "extra");
	tool_check(tool_run("/nowhere", "maintenance", NULL), HG_EXIT_USAGE, "",
		   "on|off is missing");
	tool_check(tool_run("/nowhere", "maintenance", "maybe", NULL), HG_EXIT_USAGE, "", "maybe");
	tool_check(tool_run("/nowhere", "keygen", NULL), HG_EXIT_USAGE, "", "FILE");
	tool_check(tool_run("/nowhere", "handover", "--json", NULL), HG_EXIT_USAGE, "", "--json");
	tool_check(tool_run("/nowhere", "--help", NULL), HG_EXIT_OK, "maintenance on|off", "");
	tool_check(tool_run("/nowhere", "events", "--help", NULL), HG_EXIT_OK, "--follow", "");
	tool_check(tool_run("/nowhere", "version", NULL), HG_EXIT_OK, "hagate " HG_VERSION, "");
}

/* One notation wherever a time is given; what is right gets as far as the agent. */
static void test_durations(void **state)
{
	static const char *const right[] = { "10", "10s", "5000ms", "10m", "10min", "1h" };
	static const char *const wrong[] = {
		"", "0s", "-1s", "1.5s", "10 s", "500ms", "10mins", "s"
	};

	(void)state;
	for (size_t i = 0; i < sizeof(right) / sizeof(right[0]); i++) {
		tool_check(tool_run("/nowhere", "filter", "block", "192.0.2.1", "--ttl", right[i],
				    NULL),
			   HG_EXIT_UNREACHABLE, "", "not reachable");
		tool_check(tool_run("/nowhere", "config", "commit", "--confirm", right[i], NULL),
			   HG_EXIT_UNREACHABLE, "", "not reachable");
	}
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		tool_check(tool_run("/nowhere", "filter", "block", "192.0.2.1", "--ttl", wrong[i],
				    NULL),
			   HG_EXIT_USAGE, "", "without a unit seconds");
		tool_check(tool_run("/nowhere", "config", "commit", "--confirm", wrong[i], NULL),
			   HG_EXIT_USAGE, "", "without a unit seconds");
	}
	tool_check(tool_run("/nowhere", "config", "commit", "--confirm", "1d", NULL), HG_EXIT_USAGE,
		   "", "1s to 1h");
}

static void test_unreachable(void **state)
{
	static const char *const commands[] = { "status", "ports", "events", "handover", "reload" };
	struct control_fixture *fixture = *state;
	char command[256];
	int status;

	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		tool_check(tool_run("/nowhere", commands[i], NULL), HG_EXIT_UNREACHABLE, "",
			   "systemctl restart hagated");
	tool_check(tool_run("/nowhere", "maintenance", "on", NULL), HG_EXIT_UNREACHABLE, "",
		   "--run DIR");
	/* Died: the socket is there, nobody listens. */
	control_fixture_start(fixture);
	assert_int_equal(kill(fixture->pid, SIGKILL), 0);
	assert_int_equal(waitpid(fixture->pid, &status, 0), fixture->pid);
	tool_check(tool_run(fixture->run, "status", NULL), HG_EXIT_UNREACHABLE, "", "has died");
	tool_check(tool_run(fixture->run, "version", NULL), HG_EXIT_OK, "hagate " HG_VERSION,
		   "has died");
	snprintf(command, sizeof(command), "rm -r '%s'", fixture->dir);
	assert_int_equal(system(command), 0);
}

/* Stopped: the connection is accepted by the kernel, nothing comes back. */
static void test_stuck(void **state)
{
	struct control_fixture *fixture = *state;
	int64_t start;

	control_fixture_start(fixture);
	assert_int_equal(kill(fixture->pid, SIGSTOP), 0);
	start = control_now_ms();
	tool_check(tool_run(fixture->run, "status", NULL), HG_EXIT_UNREACHABLE, "", "within 5 s");
	assert_in_range(control_now_ms() - start, 4900, 12000);
	assert_int_equal(kill(fixture->pid, SIGCONT), 0);
	control_fixture_stop(fixture);
}

static void test_orders(void **state)
{
	struct control_fixture *fixture = *state;

	fixture->handover_ms = 6000; /* longer than other commands may take */
	control_fixture_start(fixture);
	tool_check(tool_run(fixture->run, "maintenance", "on", NULL), HG_EXIT_OK,
		   "maintenance by uid", "");
	tool_check(tool_run(fixture->run, "reload", NULL), HG_EXIT_OK, "reload by uid", "");
	tool_check(tool_run(fixture->run, "version", NULL), HG_EXIT_OK, "hagated 7.7.7", "");
	tool_check(tool_run(fixture->run, "handover", NULL), HG_EXIT_OK, "the peer serves", "");
	control_fixture_stop(fixture);
}

static void test_refusals(void **state)
{
	struct control_fixture *fixture = *state;

	fixture->refusal = "nothing changed: the running configuration stays";
	fixture->diagnostics = "node.yaml:3:1: error: unknown key 'prots'\n prots:\n ^";
	control_fixture_start(fixture);
	tool_check(
		tool_run(fixture->run, "reload", NULL), HG_EXIT_FAILED, "",
		"node.yaml:3:1: error: unknown key 'prots'\n prots:\n ^\nhagate: nothing changed");
	tool_check(tool_run(fixture->run, "handover", NULL), HG_EXIT_FAILED, "", "nothing changed");
	tool_check(tool_run(fixture->run, "maintenance", "off", NULL), HG_EXIT_FAILED, "",
		   "nothing");
	control_fixture_stop(fixture);
}

static void test_ports(void **state)
{
	struct control_fixture *fixture = *state;
	struct tool_result result;

	fixture->ports =
		"[{\"name\":\"lan\",\"ifname\":\"eth0\",\"mac\":\"00:50:56:a7:01:01\",\"bound_by\":"
		"\"mac\",\"link\":true,\"xdp\":\"native\",\"peer_heard\":true,\"fault\":null,"
		"\"peer_rtt_us\":180,\"rx_dropped\":{\"bad-ip\":3,\"arp-silent\":12}},"
		"{\"name\":\"wan\",\"ifname\":null,\"link\":false,\"xdp\":\"none\",\"peer_heard\":"
		"false,\"fault\":\"the frames of lan arrive here: swap the cables\"}]";
	control_fixture_start(fixture);
	result = tool_run(fixture->run, "ports", NULL);
	tool_check_screen(result.out);
	assert_non_null(strstr(result.out, "00:50:56:a7:01:01"));
	assert_non_null(strstr(result.out, "0.18 ms"));
	assert_non_null(strstr(result.out, "wan: the frames of lan arrive here: swap the cables"));
	tool_check(result, HG_EXIT_OK, "lan dropped: 12 arp-silent, 3 bad-ip\n", "");
	result = tool_run(fixture->run, "ports", "--json", NULL);
	assert_memory_equal(result.out, "[{\"name\":\"lan\",", 15);
	tool_check(result, HG_EXIT_OK, "\"ifname\":null", "");
	control_fixture_stop(fixture);
}

static void test_events(void **state)
{
	struct control_fixture *fixture = *state;

	fixture->events =
		"[{\"seq\":1,\"time\":\"2026-11-22T15:45:40.123+01:00\",\"type\":\"transition\","
		"\"from\":\"listen\",\"to\":\"active\",\"reason\":\"silence\",\"text\":"
		"\"listen -> active: the holder fell silent\",\"epoch\":\"0x0000000000000501\"},"
		"{\"seq\":2,\"type\":\"fault\",\"text\":\"a \\u001b[31m fault\"},{},{\"from\":1}]";
	control_fixture_start(fixture);
	tool_check(tool_run(fixture->run, "events", NULL), HG_EXIT_OK,
		   "2026-11-22 15:45:40.123  transition  listen -> active: the holder fell silent "
		   "(epoch 0x501)\n?                        fault       a ?[31m fault\n",
		   "");
	tool_check(tool_run(fixture->run, "events", "--json", NULL), HG_EXIT_OK, "\"seq\":1", "");
	control_fixture_stop(fixture);
	fixture->events = NULL;
	control_fixture_start(fixture);
	tool_check(tool_run(fixture->run, "events", NULL), HG_EXIT_OK, "", "");
	control_fixture_stop(fixture);
}

/* Prints what comes; when the agent goes, says so and ends with 3. */
static void test_follow(void **state)
{
	struct control_fixture *fixture = *state;
	char line[64] = "";
	int out[2], status;
	pid_t pid;

	control_fixture_start(fixture);
	assert_int_equal(pipe(out), 0);
	pid = fork();
	if (pid == 0) {
		dup2(out[1], STDOUT_FILENO);
		close(out[0]);
		close(out[1]);
		execl(tool_program, tool_program, "--run", fixture->run, "events", "--follow",
		      "--json", NULL);
		_exit(99);
	}
	close(out[1]);
	assert_int_equal(read(out[0], line, 10), 10); /* flushed line by line */
	assert_string_equal(line, "{\"seq\":1}\n");
	assert_int_equal(read(out[0], line, 10), 10);
	free(control_ask(fixture, "{\"command\":\"flood\",\"events\":1,\"octets\":3}\n"));
	assert_int_equal(read(out[0], line, 23), 23);
	assert_string_equal(line, "{\"seq\":0,\"text\":\"xxx\"}\n");
	control_fixture_stop(fixture);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status), HG_EXIT_UNREACHABLE);
	close(out[0]);
}

static void test_keygen(void **state)
{
	char dir[] = "/tmp/hgkey.XXXXXX", path[64], key[80] = "", again[80] = "";
	struct stat st;
	FILE *file;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/cluster.key", dir);
	tool_check(tool_run("/nowhere", "keygen", path, NULL), HG_EXIT_OK, path, "");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(st.st_size, 65);
	file = fopen(path, "re");
	assert_non_null(fgets(key, sizeof(key), file));
	fclose(file);
	assert_int_equal(strspn(key, "0123456789abcdef"), 64);
	tool_check(tool_run("/nowhere", "keygen", path, NULL), HG_EXIT_FAILED, "", "left alone");
	file = fopen(path, "re");
	assert_non_null(fgets(again, sizeof(again), file));
	fclose(file);
	assert_string_equal(key, again);
	tool_check(tool_run("/nowhere", "keygen", "/nowhere/key", NULL), HG_EXIT_FAILED, "",
		   "No such file");
	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink("/nowhere/else", path), 0);
	tool_check(tool_run("/nowhere", "keygen", path, NULL), HG_EXIT_FAILED, "", "left alone");
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(dir), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_usage),	cmocka_unit_test(test_durations),
		CONTROL_TEST(test_unreachable), CONTROL_TEST(test_stuck),
		CONTROL_TEST(test_orders),	CONTROL_TEST(test_refusals),
		CONTROL_TEST(test_ports),	CONTROL_TEST(test_events),
		CONTROL_TEST(test_follow),	cmocka_unit_test(test_keygen),
	};

	return cmocka_run_group_tests(tests, tool_find, NULL);
}
