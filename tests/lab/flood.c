// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Sends raw Ethernet frames as fast as it can.
 *
 *   flood INTERFACE COUNT[/SECONDS] [VARY_AT VARY_LEN] < frames
 *
 * stdin holds frames in hex, one a line; they are sent in turn, COUNT in all, or as many
 * as SECONDS are enough for. With VARY_AT and VARY_LEN those octets of each frame are
 * random, a new value each time. Answers with a line of JSON.
 */
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BATCH 64u
#define FRAMES_MAX 1024u
#define FRAME_MAX 1600u

struct frame {
	size_t len;
	unsigned char data[FRAME_MAX];
};

struct vary {
	size_t at, len;
	uint64_t state;
};

static double now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static int read_frame(const char *line, struct frame *ret)
{
	unsigned int octet;

	for (ret->len = 0; ret->len < FRAME_MAX; ret->len++, line += 2) {
		if (sscanf(line, "%2x", &octet) != 1 || !line[1])
			break;
		ret->data[ret->len] = (unsigned char)octet;
	}
	return ret->len >= ETH_HLEN ? 0 : -EINVAL;
}

static size_t read_frames(struct frame *frames)
{
	char line[2 * FRAME_MAX + 2];
	size_t count = 0;

	while (count < FRAMES_MAX && fgets(line, sizeof(line), stdin))
		if (!read_frame(line, &frames[count]))
			count++;
	return count;
}

static int open_packet(const char *interface)
{
	struct sockaddr_ll to = { .sll_family = AF_PACKET,
				  .sll_ifindex = (int)if_nametoindex(interface) };
	int one = 1, fd = socket(AF_PACKET, SOCK_RAW, 0);

	if (fd < 0 || !to.sll_ifindex || bind(fd, (struct sockaddr *)&to, sizeof(to)))
		return -1;
	setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof(one));
	return fd;
}

/* xorshift64: the octets must differ, they need not be secret */
static void make_random(struct vary *vary, struct frame *frame)
{
	size_t i;

	for (i = 0; i < vary->len && vary->at + i < frame->len; i++) {
		vary->state ^= vary->state << 13;
		vary->state ^= vary->state >> 7;
		vary->state ^= vary->state << 17;
		frame->data[vary->at + i] = (unsigned char)vary->state;
	}
}

static unsigned long send_all(int fd, const struct frame *frames, size_t frame_count,
			      unsigned long count, double end, struct vary *vary)
{
	static struct frame copies[BATCH];
	struct mmsghdr messages[BATCH];
	struct iovec iov[BATCH];
	unsigned long sent = 0;

	while (sent < count && (!end || now_s() < end)) {
		unsigned int i, n = count - sent < BATCH ? (unsigned int)(count - sent) : BATCH;
		int done;

		memset(messages, 0, sizeof(messages));
		for (i = 0; i < n; i++) {
			const struct frame *frame = &frames[(sent + i) % frame_count];

			copies[i].len = frame->len;
			memcpy(copies[i].data, frame->data, frame->len);
			make_random(vary, &copies[i]);
			iov[i] = (struct iovec){ copies[i].data, copies[i].len };
			messages[i].msg_hdr.msg_iov = &iov[i];
			messages[i].msg_hdr.msg_iovlen = 1;
		}
		done = sendmmsg(fd, messages, n, 0);
		if (done < 0 && errno != ENOBUFS && errno != EAGAIN) {
			perror("flood: send");
			break;
		}
		sent += done > 0 ? (unsigned long)done : 0;
	}
	return sent;
}

int main(int argc, char **argv)
{
	static struct frame frames[FRAMES_MAX];
	struct vary vary = { .state = 0x9e3779b97f4a7c15ull };
	unsigned long count, sent;
	double start, seconds;
	size_t frame_count;
	char *rest;
	int fd;

	if (argc != 3 && argc != 5) {
		fprintf(stderr, "usage: flood INTERFACE COUNT[/SECONDS] [VARY_AT VARY_LEN] "
				"< frames\n");
		return 2;
	}
	count = strtoul(argv[2], &rest, 10);
	seconds = *rest == '/' ? strtod(rest + 1, NULL) : 0;
	if (argc == 5) {
		vary.at = strtoul(argv[3], NULL, 10);
		vary.len = strtoul(argv[4], NULL, 10);
	}
	frame_count = read_frames(frames);
	fd = open_packet(argv[1]);
	if (!frame_count || fd < 0) {
		fprintf(stderr, "flood: %s\n", frame_count ? strerror(errno) : "no frame");
		return 1;
	}
	start = now_s();
	sent = send_all(fd, frames, frame_count, count, seconds > 0 ? start + seconds : 0, &vary);
	printf("{\"sent\": %lu, \"seconds\": %.3f}\n", sent, now_s() - start);
	return sent == count || (seconds > 0 && now_s() >= start + seconds) ? 0 : 1;
}
