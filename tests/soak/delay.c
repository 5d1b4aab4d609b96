// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Holds frames for a random while, so that they arrive late and in another order.
 *
 *   delay PORT...
 *
 * For each port of a switch a tap device hold-PORT is made; sink_to (sink.bpf.c)
 * redirects frames on their way to the node there. They are kept in a heap, ordered
 * by the time at which they are due, and leave by the port with MARK_HELD, which lets
 * them pass. Says the taps' ifindexes on stdout as JSON, then reads lines "MIN MAX"
 * (us) from stdin: how long frames that come from now on are held. Needs no netem.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PORTS_MAX 8
#define FRAME_MAX 1600
#define HELD_MAX 8192
#define MARK_HELD 0x68670003
#define NS_PER_S 1000000000ull

struct port {
	int tap;
	unsigned int ifindex, tap_ifindex;
};

struct held {
	uint64_t due;
	unsigned int ifindex;
	size_t len;
	unsigned char data[FRAME_MAX];
};

static struct held *heap[HELD_MAX]; /* [0] is due first */
static size_t held_count;
static uint64_t min_ns, max_ns;

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

static void swap(size_t a, size_t b)
{
	struct held *held = heap[a];

	heap[a] = heap[b];
	heap[b] = held;
}

static void push(struct held *held)
{
	size_t i = held_count++;

	heap[i] = held;
	for (; i && heap[i]->due < heap[(i - 1) / 2]->due; i = (i - 1) / 2)
		swap(i, (i - 1) / 2);
}

static struct held *pop(void)
{
	struct held *first = heap[0];
	size_t i = 0, child;

	heap[0] = heap[--held_count];
	while ((child = 2 * i + 1) < held_count) {
		if (child + 1 < held_count && heap[child + 1]->due < heap[child]->due)
			child++;
		if (heap[i]->due <= heap[child]->due)
			break;
		swap(i, child);
		i = child;
	}
	return first;
}

static int open_tap(const char *port, struct port *ret)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI };
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int err = fd < 0 || sock < 0 ? -errno : 0;

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "hold-%s", port);
	if (!err && ioctl(fd, TUNSETIFF, &ifr))
		err = -errno;
	ifr.ifr_flags = IFF_UP;
	if (!err && ioctl(sock, SIOCSIFFLAGS, &ifr))
		err = -errno;
	if (sock >= 0)
		close(sock);
	ret->tap = fd;
	ret->tap_ifindex = if_nametoindex(ifr.ifr_name);
	ret->ifindex = if_nametoindex(port);
	return err ? err : ret->ifindex ? 0 : -ENODEV;
}

static int open_packet(void)
{
	int mark = MARK_HELD, fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark))) {
		close(fd);
		return -1;
	}
	return fd;
}

static void take(const struct port *port)
{
	uint64_t range = max_ns > min_ns ? max_ns - min_ns : 1;

	while (held_count < HELD_MAX) {
		struct held *held = malloc(sizeof(*held));
		ssize_t n = held ? read(port->tap, held->data, FRAME_MAX) : -1;

		if (n < ETH_HLEN) {
			free(held);
			return;
		}
		held->len = (size_t)n;
		held->ifindex = port->ifindex;
		held->due = now_ns() + min_ns + (uint64_t)random() % range;
		push(held);
	}
}

/* A port that is gone meanwhile has no use for its frames. */
static void release(int fd)
{
	while (held_count && heap[0]->due <= now_ns()) {
		struct held *held = pop();
		struct sockaddr_ll to = { .sll_family = AF_PACKET,
					  .sll_ifindex = (int)held->ifindex };

		if (sendto(fd, held->data, held->len, 0, (struct sockaddr *)&to, sizeof(to)) < 0 &&
		    errno != ENXIO && errno != ENETDOWN && errno != ENODEV && errno != ENOBUFS)
			perror("delay: send");
		free(held);
	}
}

/* False at the end of stdin. */
static int obey(void)
{
	char line[64];
	ssize_t n = read(STDIN_FILENO, line, sizeof(line) - 1);
	unsigned long min, max;

	if (n <= 0)
		return n < 0 && errno == EAGAIN;
	line[n] = '\0';
	if (sscanf(line, "%lu %lu", &min, &max) == 2) {
		min_ns = (uint64_t)min * 1000;
		max_ns = (uint64_t)max * 1000;
	}
	return 1;
}

static void run(struct port *ports, nfds_t count, int fd)
{
	struct pollfd polls[PORTS_MAX + 1] = { { .fd = STDIN_FILENO, .events = POLLIN } };

	for (nfds_t i = 0; i < count; i++)
		polls[i + 1] = (struct pollfd){ .fd = ports[i].tap, .events = POLLIN };
	for (;;) {
		uint64_t now = now_ns(), due = held_count ? heap[0]->due : now + NS_PER_S;
		uint64_t left = due > now ? due - now : 0;
		struct timespec ts = { (time_t)(left / NS_PER_S), (long)(left % NS_PER_S) };

		if (ppoll(polls, count + 1, &ts, NULL) < 0 && errno != EINTR)
			return;
		if (polls[0].revents && !obey())
			return;
		for (nfds_t i = 0; i < count; i++)
			if (polls[i + 1].revents)
				take(&ports[i]);
		release(fd);
	}
}

int main(int argc, char **argv)
{
	struct sched_param param = { .sched_priority = 2 };
	struct port ports[PORTS_MAX];
	int fd = open_packet();

	if (argc < 2 || argc > PORTS_MAX + 1) {
		fprintf(stderr, "usage: delay PORT...\n");
		return 2;
	}
	if (fd < 0) {
		perror("delay");
		return 1;
	}
	for (int i = 0; i < argc - 1; i++) {
		int err = open_tap(argv[i + 1], &ports[i]);

		if (err) {
			fprintf(stderr, "delay: %s: %s\n", argv[i + 1], strerror(-err));
			return 1;
		}
	}
	if (sched_setscheduler(0, SCHED_FIFO, &param))
		fprintf(stderr, "delay: no SCHED_FIFO: frames may be held longer\n");
	printf("[");
	for (int i = 0; i < argc - 1; i++)
		printf("%s%u", i ? ", " : "", ports[i].tap_ifindex);
	printf("]\n");
	fflush(stdout);
	run(ports, (nfds_t)argc - 1, fd);
	return 0;
}
