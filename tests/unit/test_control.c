// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The control socket against clients that are wrong, gone or not allowed, and against
 * a second server. Its limits: test_control_limits.c.
 * The server is the real one in its own process; each test ends with a server that
 * still answers and leaves in good order.
 */
#include <errno.h>
#include <grp.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/control.h"
#include "control_fixture.h"

#define NOBODY 65534
#define STATUS "{\"command\":\"status\"}\n"

static void test_modes(void **state)
{
	struct control_fixture *fixture = *state;
	struct group *group = getgrnam("hagate");
	struct stat st;

	umask(077); /* must not matter */
	control_fixture_start(fixture);
	umask(022);
	assert_int_equal(stat(fixture->run, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0755);
	assert_int_equal(stat(fixture->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0660);
	if (group && geteuid() == 0)
		assert_int_equal(st.st_gid, group->gr_gid);
	control_assert_answers(fixture);
	control_fixture_stop(fixture);
}

static void test_garbage(void **state)
{
	static const char *const garbage[] = {
		"\n",
		"x\n",
		"{\n",
		"[]\n",
		"null\n",
		"\"status\"\n",
		"{}\n",
		"{\"command\":1}\n",
		"{\"command\":null}\n",
		"{\"command\":\"\"}\n",
		"{\"command\":\"Status\"}\n",
		"{\"command\":\"statusx\"}\n",
		"{\"command\":\"status\",\"command\":\"reload\"}\n",
		"{\"command\":\"status\"}{\"command\":\"reload\"}\n",
		"{\"command\":\"sta\\u0000tus\"}\n",
		"{\"command\":\"\\u00e9\\u001b[31m\"}\n",
		"{\"command\":\"\xff\xfe\"}\n",
		"GET / HTTP/1.1\r\n\r\n",
	};
	struct control_fixture *fixture = *state;
	char nested[4001];

	control_fixture_start(fixture);
	for (size_t i = 0; i < sizeof(garbage) / sizeof(garbage[0]); i++)
		control_assert_refused(control_ask(fixture, garbage[i]), "");
	memset(nested, '[', sizeof(nested) - 1);
	nested[sizeof(nested) - 1] = '\n';
	control_assert_refused(control_fixture_ask(fixture, nested, sizeof(nested)), "JSON");
	control_assert_refused(control_fixture_ask(fixture, "\0\0\0\n", 4), "JSON");
	assert_int_equal(control_count_calls(fixture), 0);
	control_assert_slots_free(fixture);
	control_fixture_stop(fixture);
}

static void test_pieces(void **state)
{
	struct control_fixture *fixture = *state;
	const char *request = STATUS;
	char *answer;
	int fd;

	control_fixture_start(fixture);
	fd = control_fixture_connect(fixture);
	for (size_t i = 0; i < strlen(request); i++) {
		assert_int_equal(send(fd, request + i, 1, 0), 1);
		control_pause_ms(1);
	}
	answer = control_fixture_read(fd, 0, 8000, NULL);
	assert_non_null(strstr(answer, "\"ok\":true"));
	free(answer);
	close(fd);

	fd = control_send(fixture, "{\"command\":");
	shutdown(fd, SHUT_WR);
	control_assert_refused(control_fixture_read(fd, 0, 8000, NULL), "newline");
	close(fd);
	control_assert_slots_free(fixture);
	control_fixture_stop(fixture);
}

static void test_length(void **state)
{
	struct control_fixture *fixture = *state;
	static char line[64 * 1024];
	char *answer;

	control_fixture_start(fixture);
	memset(line, ' ', sizeof(line));
	memcpy(line, STATUS, strlen(STATUS) - 1);
	line[HG_CTL_REQUEST_MAX] = '\n';
	answer = control_fixture_ask(fixture, line, HG_CTL_REQUEST_MAX + 1);
	assert_non_null(strstr(answer, "\"ok\":true"));
	free(answer);
	line[HG_CTL_REQUEST_MAX] = ' ';
	line[HG_CTL_REQUEST_MAX + 1] = '\n';
	control_assert_refused(control_fixture_ask(fixture, line, HG_CTL_REQUEST_MAX + 2),
			       "longer than");
	control_assert_refused(control_fixture_ask(fixture, line, HG_CTL_REQUEST_MAX + 1),
			       "longer than");
	control_assert_refused(control_fixture_ask(fixture, line, sizeof(line)), "longer than");
	control_assert_slots_free(fixture);
	control_fixture_stop(fixture);
}

static void test_gone_before_answer(void **state)
{
	struct control_fixture *fixture = *state;
	char *text;
	int fd;

	fixture->handover_ms = 100;
	control_fixture_start(fixture);
	for (int i = 0; i < 40; i++) {
		close(control_send(fixture, "{\"command\":\"handover\"}\n"));
		close(control_send(fixture, STATUS));
	}
	control_pause_ms(400);
	assert_true(control_count_calls(fixture) > 0);
	control_assert_slots_free(fixture);
	/* Half closed is not gone. */
	fd = control_send(fixture, "{\"command\":\"handover\"}\n");
	shutdown(fd, SHUT_WR);
	text = control_fixture_read(fd, 0, 8000, NULL);
	assert_string_equal(text, "{\"ok\":true,\"text\":\"the peer serves\"}\n");
	free(text);
	close(fd);
	control_fixture_stop(fixture);
}

/* The answer to one who left must not reach the one who comes next. */
static void test_late_answer_lost(void **state)
{
	struct control_fixture *fixture = *state;
	char *text;
	int fd;

	fixture->handover_ms = 300;
	control_fixture_start(fixture);
	close(control_send(fixture, "{\"command\":\"handover\"}\n"));
	control_pause_ms(50);
	fd = control_send(fixture, "{\"command\"");
	text = control_fixture_read(fd, 1, 600, NULL);
	assert_string_equal(text, "");
	free(text);
	assert_int_equal(send(fd, ":\"count\"}\n", 10, MSG_NOSIGNAL), 10);
	text = control_fixture_read(fd, 0, 8000, NULL);
	assert_string_equal(text, "{\"ok\":true,\"calls\":1}\n");
	free(text);
	close(fd);
	control_fixture_stop(fixture);
}

/* Requests that nobody ever answers: the end of the server frees them. */
static void test_never_answered(void **state)
{
	struct control_fixture *fixture = *state;
	int fd;

	fixture->handover_ms = -1;
	control_fixture_start(fixture);
	fd = control_send(fixture, "{\"command\":\"handover\"}\n");
	close(control_send(fixture, "{\"command\":\"handover\"}\n"));
	control_assert_answers(fixture);
	control_fixture_stop(fixture);
	close(fd);
}

/* Runs in a child as nobody; exit status 0: the request was refused for want of root,
 * a reading command was not, and the last slots are not for it. */
static int try_as_nobody(const struct control_fixture *fixture)
{
	int fd[HG_CTL_CLIENTS_MAX - 2];
	char *answer;
	bool is_end;

	if (setgroups(0, NULL) || setgid(NOBODY) || setuid(NOBODY))
		return 10;
	for (int i = 0; i < 3; i++) {
		static const char *const requests[] = {
			"{\"command\":\"handover\"}\n",
			"{\"command\":\"maintenance\",\"on\":true}\n",
			"{\"command\":\"reload\"}\n",
		};

		answer = control_ask(fixture, requests[i]);
		if (!strstr(answer, "\"ok\":false") || !strstr(answer, "needs root"))
			return 11;
		free(answer);
	}
	control_assert_answers(fixture);
	for (int i = 0; i < HG_CTL_CLIENTS_MAX - 2; i++) {
		fd[i] = control_send(fixture, " ");
		control_pause_ms(2);
	}
	answer = control_ask(fixture, STATUS);
	if (!strstr(answer, "too many clients"))
		return 12;
	free(answer);
	puts("full"); /* the parent looks whether root still gets in */
	fflush(stdout);
	free(control_fixture_read(fd[0], 0, 20000, &is_end));
	for (int i = 0; i < HG_CTL_CLIENTS_MAX - 2; i++)
		close(fd[i]);
	return 0;
}

static void test_other_user(void **state)
{
	struct control_fixture *fixture = *state;
	char word[8] = "";
	int out[2], status;
	char *answer;
	pid_t pid;

	if (geteuid() != 0) {
		print_message("skipped: needs root to become another user\n");
		skip();
	}
	control_fixture_start(fixture);
	assert_int_equal(chmod(fixture->path, 0666), 0); /* so that only SO_PEERCRED decides */
	assert_int_equal(pipe(out), 0);
	pid = fork();
	if (pid == 0) {
		dup2(out[1], STDOUT_FILENO);
		close(out[0]);
		close(out[1]);
		_exit(try_as_nobody(fixture));
	}
	close(out[1]);
	assert_int_equal(read(out[0], word, 5), 5);
	assert_string_equal(word, "full\n");
	answer = control_ask(fixture, "{\"command\":\"maintenance\",\"on\":true}\n");
	assert_string_equal(answer, "{\"ok\":true,\"text\":\"maintenance by uid 0\"}\n");
	free(answer);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	close(out[0]);
	assert_int_equal(control_count_calls(fixture), 2); /* one status, one maintenance of root */
	control_fixture_stop(fixture);
}

static int try_new(sd_event *event, const char *run, struct hg_error *error)
{
	static const struct hg_control_command none[] = { { NULL, false, NULL } };
	struct hg_control_options options = { .event = event, .run = run, .commands = none };
	struct hg_control *control = NULL;
	int err = hg_control_new(&options, &control, error);

	assert_true(err ? !control : !!control);
	hg_control_free(control);
	return err;
}

static void test_two_servers(void **state)
{
	struct control_fixture *fixture = *state;
	char blocked[256], longer[256];
	struct hg_error error;
	struct stat st;
	sd_event *event;
	int status;

	assert_int_equal(sd_event_new(&event), 0);
	control_fixture_start(fixture);
	assert_int_equal(try_new(event, fixture->run, &error), -EADDRINUSE);
	assert_non_null(strstr(error.text, fixture->run));
	snprintf(longer, sizeof(longer), "(process %d)", (int)fixture->pid);
	assert_non_null(strstr(error.text, longer));
	control_assert_answers(fixture);

	/* Killed: its socket stays behind and is replaced. */
	assert_int_equal(kill(fixture->pid, SIGKILL), 0);
	assert_int_equal(waitpid(fixture->pid, &status, 0), fixture->pid);
	assert_int_equal(stat(fixture->path, &st), 0);
	assert_int_equal(control_fixture_connect(fixture), -1);
	assert_int_equal(errno, ECONNREFUSED);
	assert_int_equal(try_new(event, fixture->run, &error), 0);
	assert_int_equal(stat(fixture->path, &st), -1);

	/* What is no socket is not ours to remove. */
	assert_int_equal(mkdir(fixture->path, 0755), 0);
	assert_int_equal(try_new(event, fixture->run, &error), -EEXIST);
	assert_int_equal(rmdir(fixture->path), 0);
	snprintf(blocked, sizeof(blocked), "%s/hagate.lock/run", fixture->run);
	assert_int_equal(try_new(event, blocked, &error), -ENOTDIR);
	snprintf(longer, sizeof(longer), "%s/%0120d", fixture->run, 1);
	assert_int_equal(try_new(event, longer, &error), -ENAMETOOLONG);
	assert_int_equal(rmdir(longer), 0);
	sd_event_unref(event);
	snprintf(blocked, sizeof(blocked), "rm -r '%s'", fixture->dir);
	assert_int_equal(system(blocked), 0);
}

static void ignore_request(void *context, struct hg_control_request *req, json_t *arguments)
{
	(void)context;
	(void)req;
	(void)arguments;
}

static void test_parse(void **state)
{
	static const struct hg_control_command table[] = {
		{ "status", false, ignore_request },
		{ "reload", true, ignore_request },
		{ NULL, false, NULL },
	};
	const char *line = "{\"on\":true,\"command\":\"reload\"}";
	const struct hg_control_command *command = NULL;
	struct hg_error error;
	json_t *arguments = NULL;

	(void)state;
	assert_int_equal(hg_control_parse(line, strlen(line), table, &command, &arguments, &error),
			 0);
	assert_ptr_equal(command, &table[1]);
	assert_true(json_is_true(json_object_get(arguments, "on")));
	json_decref(arguments);
	arguments = NULL;
	assert_int_equal(
		hg_control_parse(line, strlen(line) - 1, table, &command, &arguments, &error),
		-EINVAL);
	assert_null(arguments);
	line = "{\"command\":\"fr\xc3\xa9\"}";
	assert_int_equal(hg_control_parse(line, strlen(line), table, &command, &arguments, &error),
			 -EINVAL);
	assert_non_null(strstr(error.text, "fr??"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CONTROL_TEST(test_parse),
		CONTROL_TEST(test_modes),
		CONTROL_TEST(test_garbage),
		CONTROL_TEST(test_pieces),
		CONTROL_TEST(test_length),
		CONTROL_TEST(test_gone_before_answer),
		CONTROL_TEST(test_late_answer_lost),
		CONTROL_TEST(test_never_answered),
		CONTROL_TEST(test_other_user),
		CONTROL_TEST(test_two_servers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
