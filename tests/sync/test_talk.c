/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two ends of a conversation in one process tree: keys, deadlines, messages that lie, and packs
 * that end too early.
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "sync/fetch.h"
#include "sync/talk.h"

static uint8_t key[HG_TALK_KEY_LEN] = "a key of the cluster, 32 octets";
static uint8_t other_key[HG_TALK_KEY_LEN] = "another key, also of 32 octets.";

/* A child does `play` as the client; the server's end is returned. */
static int start(void (*play)(int fd), pid_t *ret)
{
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	*ret = fork();
	assert_true(*ret >= 0);
	if (!*ret) {
		close(pair[0]);
		play(pair[1]);
		_exit(0);
	}
	close(pair[1]);
	return pair[0];
}

static struct hg_talk *accept_talk(int fd)
{
	struct hg_sync_error error = { "" };
	struct hg_talk *talk = NULL;

	if (hg_talk_new(fd, true, key, 3000, &talk, &error))
		fail_msg("%s", error.text);
	return talk;
}

static struct hg_talk *connect_talk(int fd)
{
	struct hg_talk *talk = NULL;

	if (hg_talk_new(fd, false, key, 3000, &talk, NULL))
		_exit(1);
	return talk;
}

static void test_key_is_derived(void **state)
{
	uint8_t a[HG_TALK_PSK_LEN], b[HG_TALK_PSK_LEN];

	(void)state;
	hg_talk_derive(key, a);
	hg_talk_derive(key, b);
	assert_memory_equal(a, b, sizeof(a));
	assert_memory_not_equal(a, key, sizeof(a));
	hg_talk_derive(other_key, b);
	assert_memory_not_equal(a, b, sizeof(a));
}

static void play_hello(int fd)
{
	struct hg_message hello = { .type = HG_MESSAGE_HELLO,
				    .hello = { .purpose = HG_PURPOSE_LEARN, .node = "gw2" } };
	struct hg_talk *talk = connect_talk(fd);
	struct hg_message answer;

	if (hg_talk_send(talk, &hello, NULL) ||
	    hg_talk_expect(talk, HG_MESSAGE_HELLO, &answer, NULL) != -EXDEV)
		_exit(1);
	hg_talk_free(talk);
}

static void test_hello_and_refusal(void **state)
{
	struct hg_message message;
	struct hg_talk *talk;
	int status;
	pid_t pid;

	(void)state;
	talk = accept_talk(start(play_hello, &pid));
	assert_int_equal(hg_talk_expect(talk, HG_MESSAGE_HELLO, &message, NULL), 0);
	assert_string_equal(message.hello.node, "gw2");
	assert_string_equal(message.hello.head.cluster, "");
	assert_int_equal(hg_talk_send_verdict(talk, -EXDEV, "another\x1b[31m cluster"), 0);
	hg_talk_free(talk);
	waitpid(pid, &status, 0);
	assert_int_equal(status, 0);
}

static void play_wrong_key(int fd)
{
	struct hg_talk *talk;

	_exit(hg_talk_new(fd, false, other_key, 3000, &talk, NULL) == -EACCES ? 0 : 1);
}

static void test_wrong_key(void **state)
{
	struct hg_sync_error error;
	struct hg_talk *talk;
	int status;
	pid_t pid;
	int fd = start(play_wrong_key, &pid);

	(void)state;
	assert_int_not_equal(hg_talk_new(fd, true, key, 3000, &talk, &error), 0);
	waitpid(pid, &status, 0);
	assert_int_equal(status, 0);
}

/* An octet now and then never ends a handshake, and never prolongs its time. */
static void play_slowly(int fd)
{
	for (int i = 0; i < 100; i++) {
		if (send(fd, "\x16", 1, MSG_NOSIGNAL) != 1)
			_exit(0);
		usleep(50000);
	}
	_exit(1);
}

static void test_slow_loris(void **state)
{
	struct hg_sync_error error;
	struct hg_talk *talk;
	int status;
	pid_t pid;
	int fd = start(play_slowly, &pid);
	uint64_t begin = hg_talk_now();

	(void)state;
	assert_int_not_equal(hg_talk_new(fd, true, key, 500, &talk, &error), 0);
	assert_in_range(hg_talk_now() - begin, 0, UINT64_C(4000000000)); /* it goes on for 5 s */
	waitpid(pid, &status, 0);
	assert_int_equal(status, 0);
}

static void put_octets(int fd, const void *octets, size_t length)
{
	struct hg_talk *talk = connect_talk(fd);

	hg_talk_write(talk, octets, length, NULL);
	hg_talk_free(talk);
}

/* Head: length, type, version. A length beyond what its type may have is refused unread. */
static void play_lies(int fd)
{
	put_octets(fd, "\x7f\xff\xff\xff\x03\x01\x00\x00", 8);
}

static void play_unknown(int fd)
{
	put_octets(fd, "\x00\x00\x00\x01\x63\x01\x00\x00x", 9);
}

static void play_cut(int fd)
{
	put_octets(fd, "\x00\x00\x10\x00\x03\x01\x00\x00only this", 17);
}

static void check_refused(void (*play)(int), int expected)
{
	struct hg_message message;
	struct hg_talk *talk;
	pid_t pid;

	talk = accept_talk(start(play, &pid));
	assert_int_equal(hg_talk_receive(talk, &message, NULL), expected);
	hg_talk_free(talk);
	waitpid(pid, NULL, 0);
}

static void test_lies(void **state)
{
	(void)state;
	check_refused(play_lies, -EBADMSG);
	check_refused(play_unknown, -EBADMSG);
	check_refused(play_cut, -ECONNRESET);
}

/* Nothing but teach.c sends pieces of a pack. */
static void play_pack(int fd)
{
	struct hg_message pack = { .type = HG_MESSAGE_PACK, .length = 1 };
	struct hg_talk *talk = connect_talk(fd);

	_exit(hg_talk_send(talk, &pack, NULL) == -EINVAL ? 0 : 1);
}

static void test_packs_have_their_own_way(void **state)
{
	struct hg_talk *talk;
	int status;
	pid_t pid;

	(void)state;
	talk = accept_talk(start(play_pack, &pid));
	waitpid(pid, &status, 0);
	assert_int_equal(status, 0);
	hg_talk_free(talk);
}

/* --- packs ------------------------------------------------------------------------------ */

static char dir[] = "/tmp/hagate-talk-XXXXXX";

static void send_piece(struct hg_talk *talk, const void *data, size_t length)
{
	struct hg_message pack = { .type = HG_MESSAGE_PACK, .length = length };
	uint8_t head[HG_MESSAGE_PRINT_MAX];

	hg_talk_write(talk, head, hg_message_print(&pack, head), NULL);
	hg_talk_write(talk, data, length, NULL);
}

static void send_end(struct hg_talk *talk)
{
	struct hg_message end = { .type = HG_MESSAGE_END };

	strcpy(end.head.cluster, "0b1c9c6e-2f3a-4a51-9d0e-1c2d3e4f5a6b");
	end.head.number = 1;
	end.head.oid.id[0] = 1;
	hg_talk_send(talk, &end, NULL);
}

static void play_truncated(int fd)
{
	struct hg_talk *talk = connect_talk(fd);

	send_piece(talk, "PACK\0\0\0\2\0\0\0\7 and then nothing", 30);
	hg_talk_free(talk);
}

static void play_garbage(int fd)
{
	struct hg_talk *talk = connect_talk(fd);

	send_piece(talk, "PACK\0\0\0\2\0\0\0\7 and then no more", 30);
	send_end(talk);
	hg_talk_free(talk);
}

/* More than any pack may have, for as long as the other takes it. */
static void play_endless(int fd)
{
	static uint8_t zeros[HG_MESSAGE_BODY_MAX] = "PACK\0\0\0\2\0\0\0\7";
	struct hg_talk *talk = connect_talk(fd);

	hg_talk_extend(talk, 60000);
	for (int i = 0; i < 1100; i++) /* 70 MB; the limit is 64 MiB */
		send_piece(talk, zeros, sizeof(zeros));
	send_end(talk);
	hg_talk_free(talk);
}

static void check_pack(void (*play)(int), int a, int b)
{
	struct hg_message_hello other = { .node = "gw2" };
	struct hg_sync_error error = { "" };
	struct hg_history *history;
	enum hg_relation relation;
	struct hg_generation head;
	struct hg_talk *talk;
	struct hg_head end;
	pid_t pid;
	int err;

	assert_int_equal(hg_history_open(dir, true, &history, NULL), 0);
	talk = accept_talk(start(play, &pid));
	err = hg_fetch_pack(talk, history, &other, NULL, &end, &relation, &error);
	if (err != a && err != b)
		fail_msg("%d: %s", err, error.text);
	hg_talk_free(talk);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	assert_int_equal(hg_history_head(history, &head), -ENOENT);
	hg_history_free(history);
}

static void test_bad_packs(void **state)
{
	struct rusage before, after;

	(void)state;
	check_pack(play_truncated, -ECONNRESET, -ECONNRESET);
	check_pack(play_garbage, -EBADMSG, -EBADMSG);
	getrusage(RUSAGE_SELF, &before);
	check_pack(play_endless, -E2BIG, -EBADMSG);
	getrusage(RUSAGE_SELF, &after);
#ifndef __SANITIZE_ADDRESS__
	assert_in_range(after.ru_maxrss - before.ru_maxrss, 0, 16 * 1024); /* kB */
#endif
}

static int set_up(void **state)
{
	(void)state;
	signal(SIGPIPE, SIG_IGN);
	return mkdtemp(dir) ? 0 : -1;
}

static int tear_down(void **state)
{
	char command[64];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_key_is_derived),
		cmocka_unit_test(test_hello_and_refusal),
		cmocka_unit_test(test_wrong_key),
		cmocka_unit_test(test_slow_loris),
		cmocka_unit_test(test_lies),
		cmocka_unit_test(test_packs_have_their_own_way),
		cmocka_unit_test(test_bad_packs),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
