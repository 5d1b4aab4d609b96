// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Tasks (agent/task.h): a server with commands that run in children, in a process of its
 * own, and clients that send much, read late, or leave.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/task.h"
#include "control_fixture.h"

#define BIG (3 * 1024 * 1024) /* more than the loop would take from a handler */

static struct hg_tasks tasks;

/* --- the server ----------------------------------------------------------------------- */

static json_t *count_rest(struct hg_task *task, void *context, json_t *arguments)
{
	unsigned char buffer[1000];
	json_int_t octets = 0, sum = 0;
	ssize_t n;

	(void)context;
	(void)arguments;
	while ((n = hg_task_read(task, buffer, sizeof(buffer))) > 0) {
		octets += n;
		for (ssize_t i = 0; i < n; i++)
			sum += buffer[i];
	}
	return n ? hg_task_fail("read: %s", strerror(-n))
		 : json_pack("{s:b,s:I,s:I}", "ok", 1, "octets", octets, "sum", sum);
}

static json_t *say_much(struct hg_task *task, void *context, json_t *arguments)
{
	char *text = malloc(BIG + 1);
	json_t *answer;

	(void)task;
	(void)context;
	(void)arguments;
	memset(text, 'x', BIG);
	text[BIG] = '\0';
	answer = json_pack("{s:b,s:s}", "ok", 1, "text", text);
	free(text);
	return answer;
}

static json_t *hang(struct hg_task *task, void *context, json_t *arguments)
{
	(void)task;
	(void)context;
	(void)arguments;
	while (pause() < 0)
		;
	return NULL;
}

static json_t *die(struct hg_task *task, void *context, json_t *arguments)
{
	(void)task;
	(void)context;
	(void)arguments;
	raise(SIGKILL);
	return NULL;
}

static json_t *count_sockets(struct hg_task *task, void *context, json_t *arguments)
{
	int type, sockets = 0;
	socklen_t length = sizeof(type);

	(void)context;
	(void)arguments;
	for (int fd = 3; fd < 256; fd++)
		sockets += fd != task->fd && !getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length);
	return json_pack("{s:b,s:i}", "ok", 1, "others", sockets);
}

#define COMMAND(name, fn)                                                                       \
	static void on_##name(void *context, struct hg_control_request *req, json_t *arguments) \
	{                                                                                       \
		hg_task_start(&tasks, req, fn, context, arguments);                             \
	}
COMMAND(rest, count_rest)
COMMAND(much, say_much)
COMMAND(hang, hang)
COMMAND(die, die)
COMMAND(sockets, count_sockets)

static void on_quick(void *context, struct hg_control_request *req, json_t *arguments)
{
	(void)context;
	(void)arguments;
	hg_control_done(req, "quick");
}

static const struct hg_control_command commands[] = {
	{ "rest", false, on_rest },	  { "much", false, on_much },
	{ "hang", false, on_hang },	  { "die", false, on_die },
	{ "quick", false, on_quick },	  { "status", false, on_quick },
	{ "sockets", false, on_sockets }, { NULL, false, NULL },
};

static void __attribute__((noreturn)) serve(const char *run, int ready)
{
	struct hg_control_options options = { .run = run, .commands = commands };
	struct hg_control *control;
	struct hg_error error;
	sigset_t child;

	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child, NULL);
	if (sd_event_default(&options.event) < 0 || hg_control_new(&options, &control, &error))
		_exit(1);
	hg_tasks_init(&tasks, options.event);
	if (write(ready, "r", 1) != 1)
		_exit(1);
	sd_event_loop(options.event);
	_exit(0);
}

static int setup(void **state)
{
	struct control_fixture *fixture = calloc(1, sizeof(*fixture));
	char ready[1];
	int ends[2];

	snprintf(fixture->dir, sizeof(fixture->dir), "/tmp/hagate-task-XXXXXX");
	assert_non_null(mkdtemp(fixture->dir));
	snprintf(fixture->run, sizeof(fixture->run), "%s/run", fixture->dir);
	snprintf(fixture->path, sizeof(fixture->path), "%s/" HG_CTL_SOCKET, fixture->run);
	assert_int_equal(pipe(ends), 0);
	fixture->pid = fork();
	if (!fixture->pid)
		serve(fixture->run, ends[1]);
	assert_int_equal(read(ends[0], ready, 1), 1);
	close(ends[0]);
	close(ends[1]);
	*state = fixture;
	return 0;
}

static void end_server(struct control_fixture *fixture)
{
	if (fixture->pid > 0) {
		kill(fixture->pid, SIGKILL);
		waitpid(fixture->pid, NULL, 0);
	}
	fixture->pid = 0;
}

static int teardown(void **state)
{
	struct control_fixture *fixture = *state;
	char lock[128];

	end_server(fixture);
	unlink(fixture->path);
	snprintf(lock, sizeof(lock), "%s/hagate.lock", fixture->run);
	unlink(lock);
	rmdir(fixture->run);
	rmdir(fixture->dir);
	free(fixture);
	return 0;
}

/* --- the clients ---------------------------------------------------------------------- */

static json_t *ask(const struct control_fixture *fixture, const char *request)
{
	char *text = control_ask(fixture, request);
	json_t *answer = json_loads(text, 0, NULL);

	free(text);
	assert_non_null(answer);
	return answer;
}

static void send_all(int fd, const char *data, size_t length)
{
	while (length) {
		ssize_t n = send(fd, data, length, MSG_NOSIGNAL);

		assert_true(n > 0);
		data += n;
		length -= n;
	}
}

static bool is_closed_within(int fd, int timeout_ms)
{
	struct pollfd entry = { .fd = fd, .events = POLLIN };
	char octet;

	return poll(&entry, 1, timeout_ms) == 1 && recv(fd, &octet, 1, 0) <= 0;
}

/* What stands behind the request reaches the task, wherever the pieces are cut. */
static void test_rest(void **state)
{
	static const size_t lengths[] = { 0, 1, 100, 4095, 4096, 5000, 300000 };

	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		static const char request[] = "{\"command\":\"rest\"}\n";
		size_t length = sizeof(request) - 1 + lengths[i];
		char *data = malloc(length), *text;
		json_int_t sum = 0;
		bool is_end;
		json_t *answer;
		int fd = control_fixture_connect(*state);

		memcpy(data, request, sizeof(request) - 1);
		for (size_t k = 0; k < lengths[i]; k++) {
			data[sizeof(request) - 1 + k] = (char)(k % 251);
			sum += k % 251;
		}
		send_all(fd, data, length);
		shutdown(fd, SHUT_WR);
		text = control_fixture_read(fd, 1, 5000, &is_end);
		answer = json_loads(text, 0, NULL);
		assert_int_equal(json_integer_value(json_object_get(answer, "octets")), lengths[i]);
		assert_int_equal(json_integer_value(json_object_get(answer, "sum")), sum);
		json_decref(answer);
		free(text);
		free(data);
		close(fd);
	}
}

static void test_long_answer(void **state)
{
	json_t *answer = ask(*state, "{\"command\":\"much\"}\n");

	assert_int_equal(json_string_length(json_object_get(answer, "text")), BIG);
	json_decref(answer);
}

/* A bounded number at once, fewer for those who are not root; the loop and other clients
 * are not concerned. */
static void test_bound(void **state)
{
	int count = geteuid() ? HG_TASKS_MAX - HG_TASKS_FOR_ROOT : HG_TASKS_MAX;
	int fd[HG_TASKS_MAX];

	for (int i = 0; i < count; i++)
		fd[i] = control_send(*state, "{\"command\":\"hang\"}\n");
	control_pause_ms(100);
	control_assert_refused(control_ask(*state, "{\"command\":\"much\"}\n"), "try again");
	json_decref(ask(*state, "{\"command\":\"quick\"}\n")); /* reads up to the end */
	for (int i = 0; i < count; i++) {
		assert_false(is_closed_within(fd[i], 0));
		close(fd[i]);
	}
}

/* A task that dies closes its client's connection and gives its place back. */
static void test_death(void **state)
{
	for (int i = 0; i < 3 * HG_TASKS_MAX; i++) {
		int fd = control_send(*state, "{\"command\":\"die\"}\n");

		assert_true(is_closed_within(fd, 20000));
		close(fd);
		json_decref(ask(*state, "{\"command\":\"quick\"}\n"));
	}
	test_long_answer(state);
}

/* A client that leaves does not harm. */
static void test_client_leaves(void **state)
{
	for (int i = 0; i < 3; i++)
		close(control_send(*state, "{\"command\":\"much\"}\n"));
	control_pause_ms(200);
	test_long_answer(state);
}

/* Whoever is not root leaves room for root. */
static void test_room_for_root(void **state)
{
	const struct control_fixture *fixture = *state;
	pid_t pid;
	int status;

	if (geteuid())
		skip();
	assert_int_equal(chmod(fixture->dir, 0755), 0);
	assert_int_equal(chmod(fixture->path, 0666), 0);
	pid = fork();
	if (!pid) {
		if (setgid(65534) || setuid(65534))
			_exit(1);
		for (int i = 0; i < HG_TASKS_MAX; i++)
			control_send(fixture, "{\"command\":\"hang\"}\n");
		control_pause_ms(500);
		_exit(0);
	}
	control_pause_ms(250);
	test_long_answer(state);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void test_no_foreign_sockets(void **state)
{
	int fd = control_fixture_connect(*state); /* a client that only waits */
	json_t *answer = ask(*state, "{\"command\":\"sockets\"}\n");

	assert_int_equal(json_integer_value(json_object_get(answer, "others")), 0);
	json_decref(answer);
	close(fd);
}

static void test_ends_with_the_server(void **state)
{
	int fd = control_send(*state, "{\"command\":\"hang\"}\n");

	control_pause_ms(100);
	assert_false(is_closed_within(fd, 0));
	end_server(*state);
	assert_true(is_closed_within(fd, 20000));
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_rest, setup, teardown),
		cmocka_unit_test_setup_teardown(test_long_answer, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bound, setup, teardown),
		cmocka_unit_test_setup_teardown(test_death, setup, teardown),
		cmocka_unit_test_setup_teardown(test_client_leaves, setup, teardown),
		cmocka_unit_test_setup_teardown(test_room_for_root, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_foreign_sockets, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ends_with_the_server, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
