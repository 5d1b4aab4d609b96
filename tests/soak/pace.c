// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Sends raw Ethernet frames at a steady rate until it is killed or stdin ends.
 *
 *   pace INTERFACE RATE FRAME...      frames in hex, sent in turn; RATE a second
 *
 * Above the agents, so that it asks on when they are starved.
 */
#include <errno.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define FRAMES_MAX 64
#define FRAME_MAX 256
#define NS_PER_S 1000000000ul

static unsigned char frames[FRAMES_MAX][FRAME_MAX];
static size_t lengths[FRAMES_MAX];

static int read_frame(const char *hex, int slot)
{
	size_t len = strlen(hex) / 2;
	unsigned int octet;

	if (len > FRAME_MAX)
		return -EINVAL;
	for (size_t i = 0; i < len; i++) {
		if (sscanf(hex + 2 * i, "%2x", &octet) != 1)
			return -EINVAL;
		frames[slot][i] = (unsigned char)octet;
	}
	lengths[slot] = len;
	return 0;
}

static int open_packet(const char *interface)
{
	struct sockaddr_ll to = { .sll_family = AF_PACKET,
				  .sll_ifindex = (int)if_nametoindex(interface) };
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	if (fd < 0 || !to.sll_ifindex || bind(fd, (struct sockaddr *)&to, sizeof(to)))
		return -1;
	return fd;
}

static void send_for_ever(int fd, int count, unsigned long rate)
{
	struct timespec due;

	clock_gettime(CLOCK_MONOTONIC, &due);
	for (int i = 0;; i = (i + 1) % count) {
		due.tv_nsec += (long)(NS_PER_S / rate);
		while (due.tv_nsec >= (long)NS_PER_S) {
			due.tv_nsec -= (long)NS_PER_S;
			due.tv_sec++;
		}
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL);
		if (send(fd, frames[i], lengths[i], 0) < 0 && errno != ENOBUFS && errno != ENETDOWN)
			perror("pace: send");
	}
}

int main(int argc, char **argv)
{
	struct sched_param param = { .sched_priority = 70 };
	int fd;

	if (argc < 4 || argc > FRAMES_MAX + 3) {
		fprintf(stderr, "usage: pace INTERFACE RATE FRAME...\n");
		return 2;
	}
	for (int i = 3; i < argc; i++)
		if (read_frame(argv[i], i - 3)) {
			fprintf(stderr, "pace: %s is no frame in hex\n", argv[i]);
			return 2;
		}
	fd = open_packet(argv[1]);
	if (fd < 0) {
		fprintf(stderr, "pace: %s: %s\n", argv[1], strerror(errno));
		return 1;
	}
	if (sched_setscheduler(0, SCHED_FIFO, &param))
		fprintf(stderr, "pace: no SCHED_FIFO\n");
	send_for_ever(fd, argc - 3, strtoul(argv[2], NULL, 10));
	return 0;
}
