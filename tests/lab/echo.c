// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * UDP echo at a steady rate, to see every hole that a failover tears.
 *
 *   echo server ADDRESS PORT
 *   echo client ADDRESS PORT [RATE]     RATE in packets a second, default 4000
 *
 * The client is told what to do on stdin, a word a line, and answers each with a
 * line of JSON: `state` (at once; unanswered: packets since the latest one that was
 * answered), `mark` (forget all so far), `report` (the window since the last mark or
 * report), `back NS` (at once: when the service was back after that time of
 * CLOCK_MONOTONIC), `quit` or end of file. A report looks at packets
 * sent before the word came and waits GRACE for their answers, longer while one is
 * missing that is younger than LOST. A sender that was not let run leaves out what it
 * has not sent: a burst would be lost in queues that no steady traffic fills.
 *
 * The sender owns sent[] and next_seq, the receiver answered[] and doubled[], the main
 * thread the window. A gap is the time between the sending of the last packet answered before
 * a run of unanswered ones and the first answered after it.
 */
#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S 1000000000ull
#define GRACE_NS 250000000ull
#define LOST_NS 1000000000ull
#define LATE_NS 20000000ull
#define SECONDS_MAX 1800u
#define PAYLOAD 64
#define BACK_RUN 8u

struct window {
	uint64_t first, end; /* sequence numbers */
};

struct client {
	int fd;
	unsigned int rate;
	uint64_t capacity;
	uint64_t *sent; /* ns, by sequence number */
	_Atomic uint64_t *answered; /* ns, 0: not yet */
	_Atomic uint64_t *doubled; /* further answers, by sequence number */
	_Atomic uint64_t next_seq;
	_Atomic uint64_t last_answer; /* ns */
	_Atomic uint64_t last_seq; /* the latest one answered, and 1 */
	_Atomic uint64_t send_errors;
};

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

/* Real-time where it is allowed: a late sender looks like a lost packet. */
static void become_prompt(int priority)
{
	struct sched_param param = { .sched_priority = priority };

	if (pthread_setschedparam(pthread_self(), SCHED_FIFO, &param))
		fprintf(stderr, "echo: no SCHED_FIFO; figures may be worse than the network\n");
}

static int open_socket(const char *host, const char *service, int is_server)
{
	struct addrinfo hints = { .ai_socktype = SOCK_DGRAM,
				  .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV };
	struct addrinfo *info;
	int fd, size = 4 << 20;

	if (getaddrinfo(host, service, &hints, &info)) {
		fprintf(stderr, "echo: %s %s is no address and port\n", host, service);
		return -1;
	}
	fd = socket(info->ai_family, SOCK_DGRAM, 0);
	if (fd >= 0) {
		setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
		setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
		if ((is_server ? bind : connect)(fd, info->ai_addr, info->ai_addrlen)) {
			close(fd);
			fd = -1;
		}
	}
	freeaddrinfo(info);
	if (fd < 0)
		fprintf(stderr, "echo: %s %s: %s\n", host, service, strerror(errno));
	return fd;
}

static int run_server(int fd)
{
	struct sockaddr_storage from;
	char data[2048];

	become_prompt(1);
	puts("ready");
	fflush(stdout);
	for (;;) {
		socklen_t len = sizeof(from);
		ssize_t n = recvfrom(fd, data, sizeof(data), 0, (struct sockaddr *)&from, &len);

		if (n >= 0)
			sendto(fd, data, (size_t)n, 0, (struct sockaddr *)&from, len);
		else if (errno == EBADF)
			return 1;
	}
}

static void *run_sender(void *arg)
{
	struct client *c = arg;
	uint64_t step = NS_PER_S / c->rate, due = now_ns(), seq;
	unsigned char data[PAYLOAD] = { 0 };

	become_prompt(2);
	for (seq = 0; seq < c->capacity; seq++) {
		struct timespec ts;

		due += step;
		if (now_ns() > due + LATE_NS)
			due = now_ns();
		ts.tv_sec = (time_t)(due / NS_PER_S);
		ts.tv_nsec = (long)(due % NS_PER_S);
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);
		memcpy(data, &seq, sizeof(seq));
		c->sent[seq] = now_ns();
		atomic_store(&c->next_seq, seq + 1);
		if (send(c->fd, data, sizeof(data), 0) < 0)
			atomic_fetch_add(&c->send_errors, 1);
	}
	return NULL;
}

static void *run_receiver(void *arg)
{
	struct client *c = arg;

	become_prompt(1);
	for (;;) {
		uint64_t seq, now, before = 0;

		if (recv(c->fd, &seq, sizeof(seq), 0) < (ssize_t)sizeof(seq))
			continue; /* ICMP errors: the packet stays unanswered */
		now = now_ns();
		if (seq >= atomic_load(&c->next_seq))
			continue;
		if (!atomic_compare_exchange_strong(&c->answered[seq], &before, now))
			atomic_fetch_add(&c->doubled[seq], 1);
		atomic_store(&c->last_answer, now);
		if (seq >= atomic_load(&c->last_seq))
			atomic_store(&c->last_seq, seq + 1);
	}
	return NULL;
}

static void say_state(struct client *c)
{
	uint64_t last_seq = atomic_load(&c->last_seq), sent = atomic_load(&c->next_seq);
	uint64_t last = atomic_load(&c->last_answer), now = now_ns();

	printf("{\"sent\": %llu, \"answered\": %s, \"last_answer_ms\": %.1f, "
	       "\"unanswered\": %llu}\n",
	       (unsigned long long)sent, last ? "true" : "false",
	       last ? (double)(now - last) / 1e6 : 0.0, (unsigned long long)(sent - last_seq));
}

struct summary {
	uint64_t received, doubled, gap_ns, gap_at, rtt_max, stall_ns;
};

static struct summary summarize(struct client *c, struct window w)
{
	uint64_t seq, edge = w.first; /* last answered packet before the current run */
	struct summary sum = { 0 };

	for (seq = w.first; seq < w.end; seq++) {
		uint64_t answered = atomic_load(&c->answered[seq]);
		int is_last = seq + 1 == w.end;

		sum.doubled += atomic_load(&c->doubled[seq]);
		if (seq > w.first && c->sent[seq] - c->sent[seq - 1] > sum.stall_ns)
			sum.stall_ns = c->sent[seq] - c->sent[seq - 1];
		if (answered) {
			sum.received++;
			if (answered - c->sent[seq] > sum.rtt_max)
				sum.rtt_max = answered - c->sent[seq];
		}
		if ((answered ? seq > edge + 1 : is_last) &&
		    c->sent[seq] - c->sent[edge] > sum.gap_ns) {
			sum.gap_ns = c->sent[seq] - c->sent[edge];
			sum.gap_at = c->sent[edge];
		}
		if (answered)
			edge = seq;
	}
	return sum;
}

/* Whether an answer that is missing may still be on its way. */
static int is_open(const struct client *c, struct window w)
{
	uint64_t now = now_ns();

	for (uint64_t seq = w.end; seq > w.first && c->sent[seq - 1] + LOST_NS > now; seq--)
		if (!atomic_load(&c->answered[seq - 1]))
			return 1;
	return 0;
}

static void say_report(struct client *c, struct window w)
{
	struct timespec grace = { .tv_nsec = GRACE_NS }, pause = { .tv_nsec = 10000000 };
	struct summary sum;
	uint64_t sent = w.end - w.first;

	nanosleep(&grace, NULL);
	while (is_open(c, w))
		nanosleep(&pause, NULL);
	sum = summarize(c, w);
	printf("{\"sent\": %llu, \"received\": %llu, \"lost\": %llu, \"duplicate\": %llu, "
	       "\"gap_ms\": %.3f, \"gap_at_ms\": %.3f, \"rtt_max_ms\": %.3f, "
	       "\"stall_ms\": %.3f, \"send_errors\": %llu}\n",
	       (unsigned long long)sent, (unsigned long long)sum.received,
	       (unsigned long long)(sent - sum.received), (unsigned long long)sum.doubled,
	       (double)sum.gap_ns / 1e6,
	       sum.gap_at ? (double)(sum.gap_at - c->sent[w.first]) / 1e6 : 0.0,
	       (double)sum.rtt_max / 1e6, (double)sum.stall_ns / 1e6,
	       (unsigned long long)atomic_exchange(&c->send_errors, 0));
}

/*
 * The service is back with the first of BACK_RUN packets in a row that were answered.
 * back_ms: when that one was sent, -1 when there is none yet; unanswered: from `since`
 * until then; stall_ms: longest time between two sendings up to now, the machine's doing.
 */
static void say_back(struct client *c, uint64_t since)
{
	uint64_t end = atomic_load(&c->next_seq), first = end, seq, run = 0, stall = 0, lost = 0;

	while (first && c->sent[first - 1] >= since)
		first--;
	for (seq = first ? first : 1; seq < end; seq++)
		if (c->sent[seq] - c->sent[seq - 1] > stall)
			stall = c->sent[seq] - c->sent[seq - 1];
	for (seq = first; seq < end && run < BACK_RUN; seq++) {
		int is_answered = atomic_load(&c->answered[seq]) != 0;

		run = is_answered ? run + 1 : 0;
		lost += !is_answered;
	}
	printf("{\"back_ms\": %.3f, \"unanswered\": %llu, \"stall_ms\": %.3f}\n",
	       run < BACK_RUN	    ? -1.0
	       : seq == first + run ? 0.0
				    : (double)(c->sent[seq - run] - since) / 1e6,
	       (unsigned long long)lost, (double)stall / 1e6);
}

static void obey(struct client *c)
{
	struct window w = { 0 };
	char line[32];

	while (fgets(line, sizeof(line), stdin)) {
		line[strcspn(line, "\n")] = 0;
		w.end = atomic_load(&c->next_seq);
		if (!strcmp(line, "quit"))
			return;
		if (!strcmp(line, "state")) {
			say_state(c);
		} else if (!strcmp(line, "mark")) {
			w.first = w.end;
			puts("{}");
		} else if (!strcmp(line, "report")) {
			say_report(c, w);
			w.first = w.end;
		} else if (!strncmp(line, "back ", 5)) {
			say_back(c, strtoull(line + 5, NULL, 10));
		} else {
			puts("{\"error\": \"state, mark, report, back or quit\"}");
		}
		fflush(stdout);
	}
}

static void *map_array(uint64_t count)
{
	void *p = mmap(NULL, count * sizeof(uint64_t), PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

static int run_client(int fd, unsigned int rate)
{
	struct client *c = calloc(1, sizeof(*c));
	pthread_t sender, receiver;

	if (!c)
		return 1;
	c->fd = fd;
	c->rate = rate;
	c->capacity = (uint64_t)rate * SECONDS_MAX;
	c->sent = map_array(c->capacity);
	c->answered = map_array(c->capacity);
	c->doubled = map_array(c->capacity);
	if (!c->sent || !c->answered || !c->doubled ||
	    pthread_create(&receiver, NULL, run_receiver, c) ||
	    pthread_create(&sender, NULL, run_sender, c)) {
		perror("echo");
		return 1;
	}
	obey(c);
	return 0; /* ends both threads */
}

int main(int argc, char **argv)
{
	int is_server = argc == 4 && !strcmp(argv[1], "server");
	int is_client = (argc == 4 || argc == 5) && !strcmp(argv[1], "client");
	unsigned int rate = argc == 5 ? (unsigned int)atoi(argv[4]) : 4000;
	int fd;

	if ((!is_server && !is_client) || rate < 1 || rate > 100000) {
		fprintf(stderr, "usage: echo server ADDRESS PORT\n"
				"       echo client ADDRESS PORT [RATE]\n");
		return 2;
	}
	fd = open_socket(argv[2], argv[3], is_server);
	if (fd < 0)
		return 1;
	return is_server ? run_server(fd) : run_client(fd, rate);
}
