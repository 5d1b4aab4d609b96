// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The hagate command as people and scripts see it: exit status, standard output,
 * standard error. It runs as a program against the real control server with answers
 * made here.
 */
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
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
#include <jansson.h>

#include "control_fixture.h"
#include "hagate/control.h"

#define OUTPUT_MAX (1024 * 1024)

struct result {
	int status;
	char *out, *err;
};

static char program[PATH_MAX];

/* BUILD/tests/unit/test_tools -> BUILD/bin/hagate */
static int find_program(void **state)
{
	char self[PATH_MAX - 32] = "";

	(void)state;
	if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
		return -1;
	snprintf(program, sizeof(program), "%s/../../bin/hagate", dirname(self));
	if (access(program, X_OK) == 0)
		return 0;
	fprintf(stderr, "%s is missing: make builds it\n", program);
	return -1;
}

static char *slurp(FILE *file)
{
	char *text = calloc(1, OUTPUT_MAX);

	assert_non_null(text);
	rewind(file);
	assert_true(fread(text, 1, OUTPUT_MAX - 1, file) < OUTPUT_MAX - 1);
	fclose(file);
	return text;
}

/* Runs `hagate --run RUN ARGUMENTS...`; the list ends with NULL. */
static struct result run(const char *run_dir, ...)
{
	FILE *out = tmpfile(), *err = tmpfile();
	char *argv[16] = { program, (char *)"--run", (char *)run_dir };
	struct result result;
	int argc = 3, status;
	va_list list;
	pid_t pid;

	va_start(list, run_dir);
	do
		argv[argc] = va_arg(list, char *);
	while (argv[argc++]);
	va_end(list);
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		dup2(fileno(out), STDOUT_FILENO);
		dup2(fileno(err), STDERR_FILENO);
		execv(program, argv);
		_exit(99);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	result.status = WEXITSTATUS(status);
	result.out = slurp(out);
	result.err = slurp(err);
	return result;
}

static void check(struct result result, int status, const char *out, const char *err)
{
	if (result.status != status || !strstr(result.out, out) || !strstr(result.err, err) ||
	    (!*out && *result.out) || (!*err && *result.err))
		fail_msg("status %d, stdout '%s', stderr '%s'; expected %d, '%s', '%s'",
			 result.status, result.out, result.err, status, out, err);
	free(result.out);
	free(result.err);
}

static void test_usage(void **state)
{
	(void)state;
	check(run("/nowhere", NULL), HG_EXIT_USAGE, "", "which command");
	check(run("/nowhere", "frobnicate", NULL), HG_EXIT_USAGE, "", "frobnicate");
	check(run("/nowhere", "status", "--colour", NULL), HG_EXIT_USAGE, "", "--colour");
	check(run("/nowhere", "status", "extra", NULL), HG_EXIT_USAGE, "", "extra");
	check(run("/nowhere", "maintenance", NULL), HG_EXIT_USAGE, "", "on|off is missing");
	check(run("/nowhere", "maintenance", "maybe", NULL), HG_EXIT_USAGE, "", "maybe");
	check(run("/nowhere", "keygen", NULL), HG_EXIT_USAGE, "", "FILE");
	check(run("/nowhere", "handover", "--json", NULL), HG_EXIT_USAGE, "", "--json");
	check(run("/nowhere", "--help", NULL), HG_EXIT_OK, "maintenance on|off", "");
	check(run("/nowhere", "events", "--help", NULL), HG_EXIT_OK, "--follow", "");
	check(run("/nowhere", "version", NULL), HG_EXIT_OK, "hagate " HG_VERSION, "");
}

static void test_unreachable(void **state)
{
	static const char *const commands[] = { "status", "ports", "events", "handover", "reload" };
	struct control_fixture *fixture = *state;
	char command[256];
	int status;

	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		check(run("/nowhere", commands[i], NULL), HG_EXIT_UNREACHABLE, "",
		      "systemctl restart hagated");
	check(run("/nowhere", "maintenance", "on", NULL), HG_EXIT_UNREACHABLE, "", "--run DIR");
	/* Died: the socket is there, nobody listens. */
	control_fixture_start(fixture);
	assert_int_equal(kill(fixture->pid, SIGKILL), 0);
	assert_int_equal(waitpid(fixture->pid, &status, 0), fixture->pid);
	check(run(fixture->run, "status", NULL), HG_EXIT_UNREACHABLE, "", "has died");
	check(run(fixture->run, "version", NULL), HG_EXIT_OK, "hagate " HG_VERSION, "has died");
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
	check(run(fixture->run, "status", NULL), HG_EXIT_UNREACHABLE, "", "within 5 s");
	assert_in_range(control_now_ms() - start, 4900, 7000);
	assert_int_equal(kill(fixture->pid, SIGCONT), 0);
	control_fixture_stop(fixture);
}

static void test_orders(void **state)
{
	struct control_fixture *fixture = *state;

	fixture->handover_ms = 6000; /* longer than other commands may take */
	control_fixture_start(fixture);
	check(run(fixture->run, "maintenance", "on", NULL), HG_EXIT_OK, "maintenance by uid", "");
	check(run(fixture->run, "reload", NULL), HG_EXIT_OK, "reload by uid", "");
	check(run(fixture->run, "version", NULL), HG_EXIT_OK, "hagated 7.7.7", "");
	check(run(fixture->run, "handover", NULL), HG_EXIT_OK, "the peer serves", "");
	control_fixture_stop(fixture);
}

static void test_refusals(void **state)
{
	struct control_fixture *fixture = *state;

	fixture->refusal = "nothing changed: the running configuration stays";
	fixture->diagnostics = "node.yaml:3:1: error: unknown key 'prots'\n prots:\n ^";
	control_fixture_start(fixture);
	check(run(fixture->run, "reload", NULL), HG_EXIT_FAILED, "",
	      "node.yaml:3:1: error: unknown key 'prots'\n prots:\n ^\nhagate: nothing changed");
	check(run(fixture->run, "handover", NULL), HG_EXIT_FAILED, "", "nothing changed");
	check(run(fixture->run, "maintenance", "off", NULL), HG_EXIT_FAILED, "", "nothing");
	control_fixture_stop(fixture);
}

#define PEER                                                                     \
	"{\"node\":\"gw2\",\"role\":\"%s\",\"reachable\":%s,\"agent_age_ms\":3," \
	"\"rtt_us\":180,\"health\":100,\"why_unreachable\":\"the cable is cut\"}"
#define STATUS                                                                                      \
	"{\"version\":\"0.1.0\",\"cluster\":\"home\",\"node\":\"gw1\",\"role\":\"%s\","             \
	"\"reason\":\"silence\",\"reason_text\":\"the holder fell silent\",\"since_ms\":11520000,"  \
	"\"epoch\":\"0x0000000000000501\",\"lease_ms\":17.2,\"serving\":%s,\"peer\":" PEER ","      \
	"\"ports\":[{\"name\":\"lan\",\"ifname\":\"eth0\",\"link\":true,\"peer_heard\":true,"       \
	"\"xdp\":\"native\",\"fault\":null}],"                                                      \
	"\"vips\":[{\"address\":\"10.1.0.1/24\",\"port\":\"lan\"}],"                                \
	"\"failover\":{\"count\":1,\"last_ms\":21.4,\"last_at\":\"2026-11-22T15:59:59.123+01:00\"," \
	"\"last_reason\":\"silence\"},\"faults\":[\"lan: pull the plug out\"]}"

/* Lines of at most 80 columns, at most 24 of them, no control characters. */
static void check_screen(const char *text)
{
	int lines = 0;

	for (const char *line = text; *line; lines++) {
		size_t length = strcspn(line, "\n");

		assert_true(length <= 80);
		for (size_t i = 0; i < length; i++)
			assert_true((unsigned char)line[i] >= ' ' && line[i] != 0x7f);
		line += length + (line[length] == '\n');
	}
	assert_true(lines <= 24);
}

/* `hagate status` of this answer. */
static struct result status_of(struct control_fixture *fixture, const char *status)
{
	struct result result;

	fixture->status = status;
	control_fixture_start(fixture);
	result = run(fixture->run, "status", NULL);
	control_fixture_stop(fixture);
	return result;
}

static void test_headlines(void **state)
{
	static const struct {
		const char *role, *is_serving, *peer_role, *is_reachable, *expected;
	} cases[] = {
		{ "active", "true", "standby", "true",
		  "gw1 (this node) SERVES home - since 3 h 12 min: the holder fell silent\n" },
		{ "active", "true", "unknown", "false", "gw2 NOT REACHABLE: the cable is cut\n" },
		/* The data path counts, not the role. */
		{ "active", "false", "standby", "true", "NOBODY SERVES home - gw1 (this node)" },
		{ "standby", "true", "standby", "true", "gw1 (this node) SERVES home - role" },
		{ "standby", "false", "active", "true", "gw2 (the peer) SERVES home - gw1" },
		{ "standby", "false", "active", "false", "gw1 (this node) DOES NOT SERVE home" },
		{ "active", "true", "active", "true", "gw1 (this node) AND gw2 BOTH SERVE home" },
		{ "fault", "false", "standby", "true", "is unfit to serve since" },
	};
	struct control_fixture *fixture = *state;
	char status[2048];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct result result;

		snprintf(status, sizeof(status), STATUS, cases[i].role, cases[i].is_serving,
			 cases[i].peer_role, cases[i].is_reachable);
		result = status_of(fixture, status);
		check_screen(result.out);
		assert_non_null(strstr(result.out, "FAULT  lan: pull the plug out\n"));
		assert_non_null(strstr(result.out, "10.1.0.1/24 (lan)"));
		assert_non_null(strstr(result.out, "2026-11-22 15:59:59 took 21.4 ms"));
		check(result, HG_EXIT_OK, cases[i].expected, "");
	}
}

static void test_status_json(void **state)
{
	struct control_fixture *fixture = *state;
	struct result result;

	fixture->status =
		"{\"node\":\"gw1\",\"lease_ms\":17.2,\"n\":9007199254740993,\"x\":[null]}";
	control_fixture_start(fixture);
	result = run(fixture->run, "status", "--json", NULL);
	assert_string_equal(
		result.out,
		"{\"node\":\"gw1\",\"lease_ms\":17.2,\"n\":9007199254740993,\"x\":[null]}\n");
	check(result, HG_EXIT_OK, "gw1", "");
	control_fixture_stop(fixture);
}

/* Whatever the agent says, the tool prints a screen and does not fall over. */
static void test_odd_status(void **state)
{
	static const char *const odd[] = {
		"{}",
		"{\"peer\":null,\"ports\":null,\"vips\":null,\"failover\":null,\"faults\":null}",
		"{\"peer\":[],\"ports\":{},\"vips\":7,\"failover\":\"x\",\"faults\":[1,null,{}]}",
		"{\"peer\":{},\"ports\":[1,null,{},[]],\"vips\":[1,{}],\"failover\":{},\"node\":3}",
		"{\"since_ms\":-5,\"lease_ms\":1e300,\"epoch\":\"0xzz\",\"node\":\"\\u001b[2J\"}",
		"{\"since_ms\":1e300,\"failover\":{\"count\":1e300,\"last_at\":\"x\"}}",
		"{\"faults\":[\"\\u001b]0;title\\u0007 and a new\\nline\"],\"role\":\"\\u007f\"}",
	};
	struct control_fixture *fixture = *state;

	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		struct result result = status_of(fixture, odd[i]);

		check_screen(result.out);
		check(result, HG_EXIT_OK, "SERVE", "");
	}
	check(status_of(fixture, "[]"), HG_EXIT_UNREACHABLE, "", "not one that");
}

/* A peer with older software says nothing of its load. */
static void test_load(void **state)
{
	struct result result = status_of(
		*state,
		"{\"node\":\"gw1\",\"role\":\"active\",\"serving\":true,\"load\":{\"cpu_percent\":"
		"12.3,\"memory_percent\":100,\"connections\":4294967295,\"ports\":[{\"rx_pps\":9999,"
		"\"tx_pps\":10000,\"rx_kbps\":4294967295,\"tx_kbps\":7},{\"rx_pps\":\"x\"}]},"
		"\"peer\":{\"node\":\"gw2\",\"role\":\"standby\",\"reachable\":true,\"load\":null}}");

	check_screen(result.out);
	assert_non_null(strstr(result.out, "  gw1               12.3% 100.0%   4.29G     9999   "
					   "4.29T    10.0k    7000\n"));
	check(result, HG_EXIT_OK, "  gw2              not known", "");
}

static void test_witness(void **state)
{
	struct result result = status_of(
		*state, "{\"node\":\"gw1\",\"cluster\":\"home\",\"role\":\"active\","
			"\"serving\":true,\"isolation\":\"stop\",\"lease_ms\":180,"
			"\"alone_ms\":61000,\"witness\":{\"address\":\"10.9.0.9\","
			"\"reachable\":true,\"rtt_us\":180,\"answer\":\"granted\","
			"\"answer_age_ms\":12}}");

	assert_non_null(strstr(result.out, "this node serves by the witness's grants"));
	assert_null(strstr(result.out, "isolation")); /* has no effect then */
	assert_null(strstr(result.out, "both serve"));
	check(result, HG_EXIT_OK,
	      "third  witness 10.9.0.9, RTT 0.18 ms, last asked 12 ms ago: granted\n", "");
}

/* Where configuration is not carried over, the screen says what to type. */
static void test_sync(void **state)
{
	static const struct {
		const char *is_serving, *sync_state, *expected;
	} cases[] = {
		{ "false", "off",
		  "config off: this node keeps no history. To take part set mode: join" },
		{ "true", "off",
		  "config off: this node keeps no history. Where the peer keeps none" },
		{ "true", "not-running", "not-running: systemctl enable --now hagate-sync\n" },
		{ "true", "in-sync", "config in-sync: a text\n" },
	};
	struct result result;
	char status[512];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(status, sizeof(status),
			 "{\"node\":\"gw1\",\"role\":\"standby\",\"serving\":%s,\"sync\":{"
			 "\"state\":\"%s\",\"text\":\"a text\"}}",
			 cases[i].is_serving, cases[i].sync_state);
		result = status_of(*state, status);
		check_screen(result.out);
		assert_null(strstr(result.out, "...")); /* the steps are whole */
		check(result, HG_EXIT_OK, cases[i].expected, "");
	}
}

/* A node that knows nothing yet has no peer, no cluster and no ports; that is no fault. */
static void test_blank(void **state)
{
	static const char status[] =
		"{\"node\":\"gw2\",\"cluster\":\"\",\"role\":\"%s\",\"serving\":false,"
		"\"peer\":null,\"ports\":[],\"vips\":[],\"sync\":{\"state\":\"blank\",\"text\":"
		"\"no member is heard\"}}";
	char text[sizeof(status) + 16];
	struct result result;

	snprintf(text, sizeof(text), status, "blank");
	result = status_of(*state, text);
	check_screen(result.out);
	assert_non_null(strstr(result.out, "gw2 (this node) DOES NOT SERVE the gateway - it is "
					   "without configuration yet"));
	assert_non_null(strstr(result.out, "looks for a member to learn"));
	assert_non_null(strstr(result.out, "config blank: no member is heard\n"));
	assert_null(strstr(result.out, "alone in cluster.yaml"));
	assert_null(strstr(result.out, "VIPs"));
	check(result, HG_EXIT_OK, "none in use before", "");
	snprintf(text, sizeof(text), status, "learner");
	check(status_of(*state, text), HG_EXIT_OK, "this node is learning its configuration", "");
}

/* Sixteen ports, thousands of addresses, more faults than fit: still one screen. */
static void test_crowded_status(void **state)
{
	json_t *status = json_pack(
		"{s:s,s:s,s:s,s:i,s:i,s:s,s:[],s:[],s:[],s:[]}", "node", "fifteen-letters",
		"cluster", "a-cluster-with-a-very-long-name-of-sixty-three-letters-in-all-xx",
		"role", "fault", "alone_ms", 100000, "overlap_ms", 1000, "reason_text",
		"handed over because the peer is healthier", "ports", "vips", "faults", "warnings");
	struct result result;
	char text[256], *json;

	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = i % 7 ? 'w' : ' ';
	text[sizeof(text) - 1] = '\0';
	for (int i = 0; i < 16; i++) {
		json_array_append_new(json_object_get(status, "ports"),
				      json_pack("{s:s,s:s,s:s,s:s,s:b,s:o}", "name",
						"port-of-15-octs", "ifname", "interface-of-15",
						"address", "2001:db8:1234:5678:9abc:def0:1234:5678",
						"xdp", "generic", "link", i % 2, "fault",
						i < 12 ? json_null() : json_string("a fault")));
		json_array_append_new(json_object_get(status, "faults"),
				      json_sprintf("fault %d%s", i, text));
		json_array_append_new(json_object_get(status, "warnings"), json_string(text));
	}
	for (int i = 0; i < 8192; i++)
		json_array_append_new(json_object_get(status, "vips"),
				      json_pack("{s:o,s:s}", "address",
						json_sprintf("10.%d.%d.1/24", i / 256, i % 256),
						"port", "port-of-15-octs"));
	json_object_set_new(status, "sync", json_pack("{s:s}", "state", "off"));
	json_object_set_new(status, "witness",
			    json_pack("{s:s,s:b}", "address",
				      "2001:db8:1234:5678:9abc:def0:1234:5678", "reachable", 0));
	json = json_dumps(status, 0);
	result = status_of(*state, json);
	check_screen(result.out);
	assert_non_null(strstr(result.out, "5678 DOES NOT ANSWER"));
	assert_non_null(strstr(result.out, "8192 in all"));
	assert_non_null(strstr(result.out, "more: hagate ports"));
	assert_non_null(strstr(result.out, "fault 0 "));
	assert_non_null(strstr(result.out, "more: hagate status --json"));
	check(result, HG_EXIT_OK, " FAULT\n", "");
	json_decref(status);
	free(json);
}

static void test_ports(void **state)
{
	struct control_fixture *fixture = *state;
	struct result result;

	fixture->ports =
		"[{\"name\":\"lan\",\"ifname\":\"eth0\",\"mac\":\"00:50:56:a7:01:01\",\"bound_by\":"
		"\"mac\",\"link\":true,\"xdp\":\"native\",\"peer_heard\":true,\"fault\":null,"
		"\"peer_rtt_us\":180,\"rx_dropped\":{\"bad-ip\":3,\"arp-silent\":12}},"
		"{\"name\":\"wan\",\"ifname\":null,\"link\":false,\"xdp\":\"none\",\"peer_heard\":"
		"false,\"fault\":\"the frames of lan arrive here: swap the cables\"}]";
	control_fixture_start(fixture);
	result = run(fixture->run, "ports", NULL);
	check_screen(result.out);
	assert_non_null(strstr(result.out, "00:50:56:a7:01:01"));
	assert_non_null(strstr(result.out, "0.18 ms"));
	assert_non_null(strstr(result.out, "wan: the frames of lan arrive here: swap the cables"));
	check(result, HG_EXIT_OK, "lan dropped: 12 arp-silent, 3 bad-ip\n", "");
	result = run(fixture->run, "ports", "--json", NULL);
	assert_memory_equal(result.out, "[{\"name\":\"lan\",", 15);
	check(result, HG_EXIT_OK, "\"ifname\":null", "");
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
	check(run(fixture->run, "events", NULL), HG_EXIT_OK,
	      "2026-11-22 15:45:40.123  transition  listen -> active: the holder fell silent "
	      "(epoch 0x501)\n?                        fault       a ?[31m fault\n",
	      "");
	check(run(fixture->run, "events", "--json", NULL), HG_EXIT_OK, "\"seq\":1", "");
	control_fixture_stop(fixture);
	fixture->events = NULL;
	control_fixture_start(fixture);
	check(run(fixture->run, "events", NULL), HG_EXIT_OK, "", "");
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
		execl(program, program, "--run", fixture->run, "events", "--follow", "--json",
		      NULL);
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
	check(run("/nowhere", "keygen", path, NULL), HG_EXIT_OK, path, "");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(st.st_size, 65);
	file = fopen(path, "re");
	assert_non_null(fgets(key, sizeof(key), file));
	fclose(file);
	assert_int_equal(strspn(key, "0123456789abcdef"), 64);
	check(run("/nowhere", "keygen", path, NULL), HG_EXIT_FAILED, "", "left alone");
	file = fopen(path, "re");
	assert_non_null(fgets(again, sizeof(again), file));
	fclose(file);
	assert_string_equal(key, again);
	check(run("/nowhere", "keygen", "/nowhere/key", NULL), HG_EXIT_FAILED, "", "No such file");
	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink("/nowhere/else", path), 0);
	check(run("/nowhere", "keygen", path, NULL), HG_EXIT_FAILED, "", "left alone");
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(dir), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_usage),	   CONTROL_TEST(test_unreachable),
		CONTROL_TEST(test_stuck),	   CONTROL_TEST(test_orders),
		CONTROL_TEST(test_refusals),	   CONTROL_TEST(test_headlines),
		CONTROL_TEST(test_sync),	   CONTROL_TEST(test_blank),
		CONTROL_TEST(test_load),	   CONTROL_TEST(test_status_json),
		CONTROL_TEST(test_odd_status),	   CONTROL_TEST(test_witness),
		CONTROL_TEST(test_crowded_status), CONTROL_TEST(test_ports),
		CONTROL_TEST(test_events),	   CONTROL_TEST(test_follow),
		cmocka_unit_test(test_keygen),
	};

	return cmocka_run_group_tests(tests, find_program, NULL);
}
