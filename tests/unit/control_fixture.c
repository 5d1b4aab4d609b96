// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The real control server in a process of its own.
 */
#include "control_fixture.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/control.h"

#define STATUS "{\"command\":\"status\"}\n"

/* In the child only. */
struct server {
	const struct control_fixture *fixture;
	struct hg_control *control;
	sd_event *event;
	int calls;
};

static void on_value(struct server *server, struct hg_control_request *req, const char *key,
		     const char *json)
{
	server->calls++;
	hg_control_reply(req, json_pack("{s:b,s:o}", "ok", 1, key,
					json_loads(json ? json : "null", JSON_DECODE_ANY, NULL)));
}

static void on_status(void *context, struct hg_control_request *req, json_t *arguments)
{
	struct server *server = context;

	(void)arguments;
	on_value(server, req, "status", server->fixture->status);
}

static void on_ports(void *context, struct hg_control_request *req, json_t *arguments)
{
	struct server *server = context;

	(void)arguments;
	on_value(server, req, "ports", server->fixture->ports);
}

static void on_version(void *context, struct hg_control_request *req, json_t *arguments)
{
	(void)arguments;
	on_value(context, req, "version", "\"7.7.7\"");
}

static void on_events(void *context, struct hg_control_request *req, json_t *arguments)
{
	struct server *server = context;
	const char *events = server->fixture->events;

	server->calls++;
	hg_control_lines(req, json_loads(events ? events : "[]", 0, NULL),
			 json_is_true(json_object_get(arguments, "follow")));
}

static void on_order(void *context, struct hg_control_request *req, json_t *arguments)
{
	struct server *server = context;
	const struct control_fixture *fixture = server->fixture;

	server->calls++;
	if (fixture->refusal && fixture->diagnostics)
		hg_control_reply(req, json_pack("{s:b,s:s,s:s}", "ok", 0, "error", fixture->refusal,
						"diagnostics", fixture->diagnostics));
	else if (fixture->refusal)
		hg_control_fail(req, "%s", fixture->refusal);
	else
		hg_control_done(req, "%s by uid %u",
				json_string_value(json_object_get(arguments, "command")),
				hg_control_asker(req).uid);
}

static int on_handover_done(sd_event_source *source, uint64_t usec, void *userdata)
{
	(void)usec;
	hg_control_done(userdata, "the peer serves");
	sd_event_source_unref(source);
	return 0;
}

static void on_handover(void *context, struct hg_control_request *req, json_t *arguments)
{
	struct server *server = context;
	sd_event_source *timer;

	if (server->fixture->refusal) {
		on_order(context, req, arguments);
		return;
	}
	server->calls++;
	if (server->fixture->handover_ms >= 0)
		sd_event_add_time_relative(server->event, &timer, CLOCK_MONOTONIC,
					   (uint64_t)server->fixture->handover_ms * 1000, 1,
					   on_handover_done, req);
}

static void on_count(void *context, struct hg_control_request *req, json_t *arguments)
{
	struct server *server = context;

	(void)arguments;
	hg_control_reply(req, json_pack("{s:b,s:i}", "ok", 1, "calls", server->calls));
}

static json_t *filler(json_t *octets)
{
	size_t size = (size_t)json_integer_value(octets);
	char *text = malloc(size + 1);
	json_t *string;

	memset(text, 'x', size);
	text[size] = '\0';
	string = json_string(text);
	free(text);
	return string;
}

static void on_big(void *context, struct hg_control_request *req, json_t *arguments)
{
	(void)context;
	hg_control_reply(req, json_pack("{s:b,s:o}", "ok", 1, "text",
					filler(json_object_get(arguments, "octets"))));
}

static void on_flood(void *context, struct hg_control_request *req, json_t *arguments)
{
	struct server *server = context;
	int count = (int)json_integer_value(json_object_get(arguments, "events"));

	for (int i = 0; i < count; i++)
		hg_control_broadcast(server->control,
				     json_pack("{s:i,s:o}", "seq", i, "text",
					       filler(json_object_get(arguments, "octets"))));
	hg_control_done(req, "%d events", count);
}

static const struct hg_control_command commands[] = {
	{ "status", false, on_status },
	{ "ports", false, on_ports },
	{ "events", false, on_events },
	{ "version", false, on_version },
	{ "handover", true, on_handover },
	{ "maintenance", true, on_order },
	{ "reload", true, on_order },
	{ "count", false, on_count },
	{ "big", false, on_big },
	{ "flood", false, on_flood },
	{ NULL, false, NULL },
};

static int on_end(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata)
{
	(void)info;
	(void)userdata;
	return sd_event_exit(sd_event_source_get_event(source), 0);
}

static int serve(const struct control_fixture *fixture, int ready_fd)
{
	struct server server = { .fixture = fixture };
	struct hg_control_options options = {
		.run = fixture->run,
		.group = "hagate",
		.commands = commands,
		.context = &server,
	};
	struct rlimit limit = { (rlim_t)fixture->descriptors_max,
				(rlim_t)fixture->descriptors_max };
	struct hg_error error;
	sigset_t mask;

	sigemptyset(&mask);
	sigaddset(&mask, SIGTERM);
	sigprocmask(SIG_BLOCK, &mask, NULL);
	if (sd_event_new(&server.event) < 0 ||
	    sd_event_add_signal(server.event, NULL, SIGTERM, on_end, NULL) < 0)
		return 1;
	options.event = server.event;
	if (hg_control_new(&options, &server.control, &error)) {
		fprintf(stderr, "fixture: %s\n", error.text);
		return 1;
	}
	if (fixture->descriptors_max && setrlimit(RLIMIT_NOFILE, &limit) < 0)
		return 1;
	if (write(ready_fd, "1", 1) != 1 || close(ready_fd) < 0 || sd_event_loop(server.event) < 0)
		return 1;
	hg_control_free(server.control);
	sd_event_unref(server.event);
	return 0;
}

void control_fixture_start(struct control_fixture *fixture)
{
	int ready[2];
	char c;

	strcpy(fixture->dir, "/tmp/hgctl.XXXXXX");
	assert_non_null(mkdtemp(fixture->dir));
	assert_int_equal(chmod(fixture->dir, 0755), 0);
	snprintf(fixture->run, sizeof(fixture->run), "%s/run", fixture->dir);
	snprintf(fixture->path, sizeof(fixture->path), "%s/" HG_CTL_SOCKET, fixture->run);
	assert_int_equal(pipe(ready), 0);
	fflush(NULL);
	fixture->pid = fork();
	assert_true(fixture->pid >= 0);
	if (fixture->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL); /* a failed test leaves nothing behind */
		close(ready[0]);
		exit(serve(fixture, ready[1]));
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &c, 1), 1);
	close(ready[0]);
}

void control_fixture_stop(struct control_fixture *fixture)
{
	char lock[128];
	int status;

	assert_int_equal(kill(fixture->pid, SIGTERM), 0);
	assert_int_equal(waitpid(fixture->pid, &status, 0), fixture->pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_int_equal(access(fixture->path, F_OK), -1); /* removed by the server */
	snprintf(lock, sizeof(lock), "%s/hagate.lock", fixture->run);
	assert_int_equal(unlink(lock), 0);
	assert_int_equal(rmdir(fixture->run), 0);
	assert_int_equal(rmdir(fixture->dir), 0);
}

int control_fixture_connect(const struct control_fixture *fixture)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(address.sun_path, fixture->path);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	close(fd);
	return -1;
}

static int count_lines(const char *text, size_t length)
{
	int lines = 0;

	for (size_t i = 0; i < length; i++)
		lines += text[i] == '\n';
	return lines;
}

char *control_fixture_read(int fd, int lines, int timeout_ms, bool *ret_is_end)
{
	size_t size = 8 * 1024 * 1024, length = 0;
	char *text = calloc(1, size);
	bool is_end = false;

	assert_non_null(text);
	while (!is_end && (lines == 0 || count_lines(text, length) < lines)) {
		struct pollfd wait = { .fd = fd, .events = POLLIN };
		ssize_t n;

		if (poll(&wait, 1, timeout_ms) <= 0)
			break;
		n = recv(fd, text + length, size - 1 - length, 0);
		is_end = n <= 0;
		length += n > 0 ? (size_t)n : 0;
	}
	if (ret_is_end)
		*ret_is_end = is_end;
	return text;
}

char *control_fixture_ask(const struct control_fixture *fixture, const char *request, size_t length)
{
	int fd = control_fixture_connect(fixture);
	bool is_end;
	char *answer;

	assert_true(fd >= 0);
	/* The server may have answered and closed before it has read all of a long request. */
	(void)!send(fd, request, length, MSG_NOSIGNAL);
	answer = control_fixture_read(fd, 0, 8000, &is_end);
	assert_true(is_end);
	close(fd);
	return answer;
}

int64_t control_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void control_pause_ms(int ms)
{
	usleep((useconds_t)ms * 1000);
}

char *control_ask(const struct control_fixture *fixture, const char *request)
{
	return control_fixture_ask(fixture, request, strlen(request));
}

void control_assert_answers(const struct control_fixture *fixture)
{
	char *answer = control_ask(fixture, STATUS);

	assert_string_equal(answer,
			    "{\"ok\":true,\"status\":{\"node\":\"gw1\",\"lease_ms\":17.2}}\n");
	free(answer);
}

/* The answer must be one line of JSON, {"ok":false} with these words in its error. */
void control_assert_refused(char *answer, const char *words)
{
	json_t *json = json_loads(answer, 0, NULL);
	const char *error = json_string_value(json_object_get(json, "error"));

	assert_true(json_is_false(json_object_get(json, "ok")));
	assert_non_null(error);
	if (!strstr(error, words))
		fail_msg("'%s' is not in '%s'", words, error);
	assert_int_equal(strchr(answer, '\n') - answer, (long)strlen(answer) - 1);
	json_decref(json);
	free(answer);
}

long control_count_calls(const struct control_fixture *fixture)
{
	char *answer = control_ask(fixture, "{\"command\":\"count\"}\n");
	json_t *json = json_loads(answer, 0, NULL);
	long calls = (long)json_integer_value(json_object_get(json, "calls"));

	json_decref(json);
	free(answer);
	return calls;
}

int control_send(const struct control_fixture *fixture, const char *text)
{
	int fd = control_fixture_connect(fixture);

	assert_true(fd >= 0);
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), (long)strlen(text));
	return fd;
}

/* A slot is free as soon as the server has seen that its client is gone. */
static void wait_for_slot(const struct control_fixture *fixture)
{
	bool is_free = false;

	for (int i = 0; i < 200 && !is_free; i++) {
		char *answer = control_ask(fixture, STATUS);

		is_free = strstr(answer, "\"ok\":true");
		free(answer);
		if (!is_free)
			control_pause_ms(50);
	}
	control_assert_answers(fixture);
}

/* All slots are free: 16 silent clients fit, the 17th is told so. */
void control_assert_slots_free(const struct control_fixture *fixture)
{
	int fd[HG_CTL_CLIENTS_MAX];

	for (int i = 0; i < HG_CTL_CLIENTS_MAX; i++) {
		fd[i] = control_send(fixture, i % 2 ? "{" : " ");
		control_pause_ms(2);
	}
	control_assert_refused(control_ask(fixture, STATUS), "too many clients");
	close(fd[5]);
	wait_for_slot(fixture);
	for (int i = 0; i < HG_CTL_CLIENTS_MAX; i++)
		if (i != 5)
			close(fd[i]);
	wait_for_slot(fixture);
}

int control_fixture_setup(void **state)
{
	struct control_fixture *fixture = calloc(1, sizeof(*fixture));

	fixture->status = CONTROL_STATUS;
	fixture->events = "[{\"seq\":1},{\"seq\":2}]";
	*state = fixture;
	return 0;
}

int control_fixture_teardown(void **state)
{
	free(*state);
	return 0;
}
