// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * `hagate status`: one screen for whatever the agent answers, and the words of it that
 * people act upon.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <jansson.h>

#include "hagate/control.h"
#include "tool_fixture.h"

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
		struct tool_result result;

		snprintf(status, sizeof(status), STATUS, cases[i].role, cases[i].is_serving,
			 cases[i].peer_role, cases[i].is_reachable);
		result = tool_status(fixture, status);
		tool_check_screen(result.out);
		assert_non_null(strstr(result.out, "FAULT  lan: pull the plug out\n"));
		assert_non_null(strstr(result.out, "10.1.0.1/24 (lan)"));
		assert_non_null(strstr(result.out, "2026-11-22 15:59:59 took 21.4 ms"));
		tool_check(result, HG_EXIT_OK, cases[i].expected, "");
	}
}

/* The peer's data path goes on without its agent, and the line says so. */
static void test_silent_agent(void **state)
{
	static const char status[] =
		"{\"node\":\"gw2\",\"cluster\":\"home\",\"role\":\"standby\",\"serving\":false,"
		"\"overlap_ms\":966,\"failover\":{\"count\":0},\"peer\":{\"node\":\"gw1\","
		"\"role\":\"%s\",\"serving\":%s,\"reachable\":true,\"agent_age_ms\":%d,"
		"\"health\":100}}";
	static const struct {
		const char *role, *is_serving;
		int age_ms;
		const char *expected, *not_expected;
	} cases[] = {
		{ "unknown", "true", 1000,
		  "gw1 (the peer) SERVES home (its agent is silent for 1 s) - gw2 (this node)",
		  "NOBODY" },
		{ "unknown", "true", 1000, "health 100 when its agent\n       last said so\n",
		  "NOBODY" },
		{ "active", "true", 3, "gw1 (the peer) SERVES home - gw2 (this node)", "silent" },
		{ "active", "true", 3, "health 100\n", "when its agent" },
		/* The data path counts, not the role. */
		{ "active", "false", 3, "NOBODY SERVES home - gw2 (this node)", "the peer" },
		{ "active", "true", 3,
		  "alone  both nodes may have served at once for up to 966 ms, last time\n",
		  "served at once for 9" },
		{ "active", "true", 3, "no takeover by this node since its agent started\n",
		  "yet" },
	};
	char text[sizeof(status) + 64];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct tool_result result;

		snprintf(text, sizeof(text), status, cases[i].role, cases[i].is_serving,
			 cases[i].age_ms);
		result = tool_status(*state, text);
		tool_check_screen(result.out);
		assert_null(strstr(result.out, cases[i].not_expected));
		tool_check(result, HG_EXIT_OK, cases[i].expected, "");
	}
}

static void test_status_json(void **state)
{
	struct control_fixture *fixture = *state;
	struct tool_result result;

	fixture->status =
		"{\"node\":\"gw1\",\"lease_ms\":17.2,\"n\":9007199254740993,\"x\":[null]}";
	control_fixture_start(fixture);
	result = tool_run(fixture->run, "status", "--json", NULL);
	assert_string_equal(
		result.out,
		"{\"node\":\"gw1\",\"lease_ms\":17.2,\"n\":9007199254740993,\"x\":[null]}\n");
	tool_check(result, HG_EXIT_OK, "gw1", "");
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
		struct tool_result result = tool_status(fixture, odd[i]);

		tool_check_screen(result.out);
		tool_check(result, HG_EXIT_OK, "SERVE", "");
	}
	tool_check(tool_status(fixture, "[]"), HG_EXIT_UNREACHABLE, "", "not one that");
}

/* A peer with older software says nothing of its load. */
static void test_load(void **state)
{
	struct tool_result result = tool_status(
		*state,
		"{\"node\":\"gw1\",\"role\":\"active\",\"serving\":true,"
		"\"ports\":[{\"name\":\"lan\"}],\"load\":{\"cpu_percent\":"
		"12.3,\"memory_percent\":100,\"connections\":4294967295,\"ports\":[{\"rx_pps\":9999,"
		"\"tx_pps\":10000,\"rx_kbps\":4294967295,\"tx_kbps\":7},{\"rx_pps\":\"x\"}]},"
		"\"peer\":{\"node\":\"gw2\",\"role\":\"unknown\",\"reachable\":false,\"load\":null,"
		"\"why_unreachable\":\"told\"},\"faults\":[\"told\"]}");

	tool_check_screen(result.out);
	assert_null(strstr(result.out, "\n\n\n"));
	assert_non_null(strstr(result.out, "  gw1               12.3% 100.0%   4.29G     9999   "
					   "4.29T    10.0k    7000\n"));
	tool_check(result, HG_EXIT_OK, "  gw2              not known", "");
}

static void test_witness(void **state)
{
	struct tool_result result = tool_status(
		*state, "{\"node\":\"gw1\",\"cluster\":\"home\",\"role\":\"active\","
			"\"serving\":true,\"isolation\":\"stop\",\"lease_ms\":180,"
			"\"alone_ms\":61000,\"witness\":{\"address\":\"10.9.0.9\","
			"\"reachable\":true,\"rtt_us\":180,\"answer\":\"granted\","
			"\"answer_age_ms\":12}}");

	assert_non_null(strstr(result.out, "this node serves by the witness's grants"));
	assert_null(strstr(result.out, "\n\n\n")); /* nor blank lines before nothing */
	assert_null(strstr(result.out, "isolation")); /* has no effect then */
	assert_null(strstr(result.out, "both serve"));
	tool_check(result, HG_EXIT_OK,
		   "third  witness 10.9.0.9, RTT 0.18 ms, last asked 12 ms ago: granted\n", "");
	result = tool_status(*state, "{\"node\":\"gw1\",\"witness\":{\"address\":\"10.9.0.9\","
				     "\"reachable\":true,\"settling\":true}}");
	tool_check(result, HG_EXIT_OK, "not asked yet; HAS JUST STARTED: grants nothing", "");
	result = tool_status(*state,
			     "{\"node\":\"gw1\",\"witness\":{\"address\":\"10.9.0.9\","
			     "\"reachable\":true,\"answer\":\"held\",\"answer_age_ms\":1}}");
	tool_check(result, HG_EXIT_OK, "held: the other node's lease runs\n", "");
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
	struct tool_result result;
	char status[512];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(status, sizeof(status),
			 "{\"node\":\"gw1\",\"role\":\"standby\",\"serving\":%s,\"sync\":{"
			 "\"state\":\"%s\",\"text\":\"a text\"}}",
			 cases[i].is_serving, cases[i].sync_state);
		result = tool_status(*state, status);
		tool_check_screen(result.out);
		assert_null(strstr(result.out, "...")); /* the steps are whole */
		tool_check(result, HG_EXIT_OK, cases[i].expected, "");
	}
}

/* Wrapped at 80, the sentence comes together again word by word. */
static bool has_words(const char *screen, const char *sentence)
{
	while (*sentence) {
		size_t length = strcspn(sentence, " ");

		screen += strspn(screen, " \n");
		if (strncmp(screen, sentence, length) != 0)
			return false;
		screen += length;
		sentence += length + (sentence[length] == ' ');
	}
	return true;
}

/* A remedy is shown to its end, however many lines it takes and whatever else is shown. */
static void test_fault_is_whole(void **state)
{
	static const char fault[] =
		"gw2 belongs to another cluster (0123abcd, this node: 4567cdef): neither takes "
		"anything from the other; on the one that is to join (gw2 has the shorter "
		"history): systemctl stop hagated hagate-sync; rm /var/lib/hagate/identity; "
		"'mode: join' in /etc/hagate/node.yaml; systemctl start hagated hagate-sync";
	struct tool_result result;
	const char *at;
	char status[2048];

	snprintf(status, sizeof(status),
		 "{\"node\":\"gw1\",\"role\":\"standby\",\"faults\":[\"%s\",\"%s\",\"%s\"],"
		 "\"warnings\":[\"%s\"],\"sync\":{\"state\":\"diverged\",\"text\":\"%s\"}}",
		 fault, fault, fault, fault, fault);
	result = tool_status(*state, status);
	tool_check_screen(result.out);
	at = strstr(result.out, "config diverged: ");
	assert_non_null(at);
	assert_true(has_words(at + 17, fault));
	at = strstr(result.out, "FAULT  ");
	assert_non_null(at);
	assert_true(has_words(at + 7, fault));
	assert_null(strstr(result.out, "..."));
	assert_non_null(strstr(result.out, "FAULT  1 more: hagate status --json\n"));
	tool_check(result, HG_EXIT_OK, "note   1 more: hagate status --json\n", "");
}

/* A node that knows nothing yet has no peer, no cluster and no ports; that is no fault. */
static void test_blank(void **state)
{
	static const char status[] =
		"{\"node\":\"gw2\",\"cluster\":\"\",\"role\":\"%s\",\"serving\":false,"
		"\"peer\":null,\"ports\":[],\"vips\":[],\"sync\":{\"state\":\"blank\",\"text\":"
		"\"no member is heard\"}}";
	char text[sizeof(status) + 16];
	struct tool_result result;

	snprintf(text, sizeof(text), status, "blank");
	result = tool_status(*state, text);
	tool_check_screen(result.out);
	assert_non_null(strstr(result.out, "gw2 (this node) DOES NOT SERVE the gateway - it is "
					   "without configuration yet"));
	assert_non_null(strstr(result.out, "looks for a member to learn"));
	assert_non_null(strstr(result.out, "config blank: no member is heard\n"));
	assert_null(strstr(result.out, "alone in cluster.yaml"));
	assert_null(strstr(result.out, "VIPs"));
	tool_check(result, HG_EXIT_OK, "none in use before", "");
	snprintf(text, sizeof(text), status, "learner");
	tool_check(tool_status(*state, text), HG_EXIT_OK, "this node is learning its configuration",
		   "");
}

/* Sixteen ports, thousands of addresses, more faults than fit: still one screen but for the end
 * of the first fault. */
static void test_crowded_status(void **state)
{
	json_t *status = json_pack(
		"{s:s,s:s,s:s,s:i,s:i,s:s,s:[],s:[],s:[],s:[]}", "node", "fifteen-letters",
		"cluster", "a-cluster-with-a-very-long-name-of-sixty-three-letters-in-all-xx",
		"role", "fault", "alone_ms", 100000, "overlap_ms", 1000, "reason_text",
		"handed over because the peer is healthier", "ports", "vips", "faults", "warnings");
	struct tool_result result;
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
	result = tool_status(*state, json);
	tool_check_lines(result.out, 24 + 3);
	assert_non_null(strstr(result.out, "5678 DOES NOT ANSWER"));
	assert_non_null(strstr(result.out, "8192 in all"));
	assert_non_null(strstr(result.out, "more: hagate ports"));
	assert_non_null(strstr(result.out, "fault 0 "));
	assert_non_null(strstr(result.out, "more: hagate status --json"));
	tool_check(result, HG_EXIT_OK, " FAULT\n", "");
	json_decref(status);
	free(json);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CONTROL_TEST(test_headlines),	   CONTROL_TEST(test_sync),
		CONTROL_TEST(test_blank),	   CONTROL_TEST(test_load),
		CONTROL_TEST(test_status_json),	   CONTROL_TEST(test_odd_status),
		CONTROL_TEST(test_fault_is_whole), CONTROL_TEST(test_witness),
		CONTROL_TEST(test_silent_agent),   CONTROL_TEST(test_crowded_status),
	};

	return cmocka_run_group_tests(tests, tool_find, NULL);
}
