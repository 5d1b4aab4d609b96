// SPDX-License-Identifier: GPL-2.0-or-later
/* Announcements: their octets, their schedule, and what real hosts make of them.
 *
 *   namespace A: v0 (the gateway's NIC)  <- veth ->  namespace B: v1, a Linux host
 *
 * Frames are captured in B by a raw socket and read by code of this file's own.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "agent/announce.h"
#include "netns.h"

static struct hg_announce *an;
static int a_ns, b_ns, capture;
static int v0;

static struct hg_time now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return (struct hg_time){ ts.tv_sec * 1000000000ull + ts.tv_nsec };
}

static struct hg_ip ip(const char *text)
{
	struct hg_ip ret = { .family = strchr(text, ':') ? 6 : 4 };

	ret.prefix = ret.family == 4 ? 24 : 64;
	assert_int_equal(inet_pton(ret.family == 4 ? AF_INET : AF_INET6, text, ret.addr), 1);
	return ret;
}

static const uint8_t mac[6] = { 2, 1, 2, 3, 4, 5 };

/* --- octets ------------------------------------------------------------------------- */
static void test_arp_frame(void **state)
{
	static const uint8_t expected[60] = {
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2,	1, 2, 3, 4, 5, 0x08, 0x06, /* to all */
		0,    1,    8,	  0,	6,    4,    0,	1, /* Ethernet, IPv4, request */
		2,    1,    2,	  3,	4,    5,    10, 1, 0, 1, /* sender */
		0,    0,    0,	  0,	0,    0,    10, 1, 0, 1, /* target */
	};
	uint8_t frame[HG_ANNOUNCE_FRAME_MAX];
	struct hg_ip vip = ip("10.1.0.1");

	(void)state;
	assert_int_equal(hg_announce_frame(frame, mac, &vip), 60);
	assert_memory_equal(frame, expected, 60);
	vip.family = 0;
	assert_int_equal(hg_announce_frame(frame, mac, &vip), 0);
}

static uint32_t sum16(const uint8_t *octets, size_t length)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < length; i++)
		sum += i % 2 ? octets[i] : octets[i] << 8;
	return sum;
}

static void test_na_frame(void **state)
{
	static const uint8_t head[] = {
		0x33, 0x33, 0, 0, 0, 1,	 2,  1,	  2, 3, 4, 5, 0x86, 0xdd, /* to all nodes */
		0x60, 0,    0, 0, 0, 32, 58, 255, /* ICMPv6, hop limit 255 */
		0xfd, 1,    0, 0, 0, 0,	 0,  0,	  0, 0, 0, 0, 0,    0,	  0, 1, /* from the VIP */
		0xff, 2,    0, 0, 0, 0,	 0,  0,	  0, 0, 0, 0, 0,    0,	  0, 1, /* to ff02::1 */
		136,  0, /* neighbour advertisement */
	};
	static const uint8_t tail[] = {
		0xa0, 0, 0, 0, /* router, not solicited, override */
		0xfd, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, /* target */
		2,    1, 2, 1, 2, 3, 4, 5, /* target's link-layer address */
	};
	uint8_t frame[HG_ANNOUNCE_FRAME_MAX];
	struct hg_ip vip = ip("fd01::1");
	uint32_t sum;

	(void)state;
	assert_int_equal(hg_announce_frame(frame, mac, &vip), 86);
	assert_memory_equal(frame, head, sizeof(head));
	assert_memory_equal(frame + 58, tail, sizeof(tail));
	sum = sum16(frame + 22, 32) + 32 + 58 + sum16(frame + 54, 32);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	assert_int_equal(sum, 0xffff);
}

/* --- namespaces ---------------------------------------------------------------------- */
static int set_up(void **state)
{
	struct sockaddr_ll here = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL) };
	int size = 64 * 1024 * 1024;

	(void)state;
	b_ns = netns_new();
	a_ns = netns_new();
	netns_veth("v0", "v1", b_ns);
	v0 = if_nametoindex("v0");
	netns_enter(b_ns);
	run("sysctl -qw net.ipv6.conf.v1.accept_dad=0; ip addr add 10.1.0.50/16 dev v1; "
	    "ip addr add fd01::50/64 dev v1 nodad");
	capture = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	setsockopt(capture, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	here.sll_ifindex = if_nametoindex("v1");
	assert_int_equal(bind(capture, (void *)&here, sizeof(here)), 0);
	netns_enter(a_ns);
	return hg_announce_new(&an);
}

static int tear_down(void **state)
{
	(void)state;
	hg_announce_free(an);
	close(capture);
	close(a_ns);
	close(b_ns);
	return 0;
}

/* 10.1.32.0 .. or fd01::1:0 .., n-th */
static struct hg_ip nth(unsigned int family, unsigned int n)
{
	struct hg_ip ret = ip(family == 4 ? "10.1.32.0" : "fd01::1:0");

	ret.addr[family == 4 ? 2 : 14] += n >> 8;
	ret.addr[family == 4 ? 3 : 15] = n;
	return ret;
}

static struct hg_ip *many(unsigned int count4, unsigned int count6)
{
	struct hg_ip *list = calloc(count4 + count6, sizeof(*list));

	for (unsigned int i = 0; i < count4 + count6; i++)
		list[i] = i < count4 ? nth(4, i) : nth(6, i - count4);
	return list;
}

/* Reads what came; counts announcements, each VIP by itself. */
static unsigned int captured(unsigned int seen4[], unsigned int seen6[], unsigned int max)
{
	uint8_t frame[256];
	unsigned int count = 0;
	ssize_t n;

	while ((n = recv(capture, frame, sizeof(frame), 0)) > 0) {
		bool is_arp = n == 60 && frame[12] == 8 && frame[13] == 6;
		unsigned int at;

		if (memcmp(frame + 6, mac, 6) || (!is_arp && n != 86))
			continue;
		at = is_arp ? (frame[40] - 32) << 8 | frame[41] : frame[76] << 8 | frame[77];
		assert_in_range(at, 0, max - 1);
		is_arp ? seen4[at]++ : seen6[at]++;
		count++;
	}
	return count;
}

/* Drives it like the loop does: asleep until it wants to be called. */
static unsigned int drive(unsigned int ms)
{
	double end = now_ms() + ms;
	unsigned int calls = 0;

	for (;;) {
		struct hg_time next = hg_announce_continue(an, now());
		double wait = next.ns == UINT64_MAX ? ms : ((double)next.ns - now().ns) / 1e6;

		calls++;
		if (now_ms() + wait > end)
			return calls;
		if (wait > 0)
			usleep(wait * 1000);
	}
}

static void test_thousand_vips(void **state)
{
	static unsigned int seen4[2048], seen6[2048];
	struct hg_ip *list = many(1000, 1000);
	double begin, cpu, worst = 0;
	struct hg_time next;

	(void)state;
	assert_int_equal(hg_announce_set_port(an, 3, v0, mac, list, 2000), 0);
	captured(seen4, seen6, 2048);
	hg_announce_start(an, now());
	begin = now_ms();
	cpu = cpu_ms();
	do {
		double call = now_ms();

		next = hg_announce_continue(an, now());
		if (now_ms() - call > worst)
			worst = now_ms() - call;
	} while (next.ns <= now().ns);
	print_message("1,000 VIPs of each family: %.2f ms, longest call %.2f ms\n",
		      now_ms() - begin, worst);
	assert_true(cpu_ms() - cpu < 200); /* sanitized; typical is 5 ms */
	assert_int_equal(captured(seen4, seen6, 2048), 2000);
	for (unsigned int i = 0; i < 1000; i++) {
		assert_int_equal(seen4[i], 1);
		assert_int_equal(seen6[i], 1);
	}
	assert_int_equal(hg_announce_stats(an, 3).sent, 2000);
	assert_int_equal(hg_announce_stats(an, 3).rounds, 1);
	assert_int_equal(hg_announce_stats(an, 3).failed, 0);
	free(list);
}

/* The schedule needs no clock but the caller's. */
static void test_schedule(void **state)
{
	static const unsigned int due_ms[] = { 0, 50, 200, 1000, 3000 };
	unsigned int seen[4] = { 0 };
	struct hg_ip vip = nth(4, 0);
	struct hg_time start = now();

	(void)state;
	assert_int_equal(hg_announce_set_port(an, 0, v0, mac, &vip, 1), 0);
	assert_int_equal(hg_announce_continue(an, start).ns, UINT64_MAX);
	hg_announce_start(an, start);
	for (int i = 0; i < 5; i++) {
		struct hg_time t = hg_time_add(start, HG_MS(due_ms[i]));
		uint64_t next = i < 4 ? start.ns + due_ms[i + 1] * 1000000ull : UINT64_MAX;

		if (i) { /* not a nanosecond before */
			assert_int_equal(hg_announce_continue(an, (struct hg_time){ t.ns - 1 }).ns,
					 t.ns);
			assert_int_equal(captured(seen, seen, 4), 0);
		}
		assert_int_equal(hg_announce_continue(an, t).ns, next);
		assert_int_equal(captured(seen, seen, 4), 1);
	}
	assert_int_equal(hg_announce_stats(an, 0).rounds, 5);
	/* a new takeover begins from the front */
	hg_announce_start(an, start);
	assert_int_equal(hg_announce_continue(an, start).ns, start.ns + 50000000);
}

static void test_schedule_after_a_pause(void **state)
{
	struct hg_time t = now();
	struct hg_ip vip = nth(4, 0);

	(void)state;
	assert_int_equal(hg_announce_set_port(an, 0, v0, mac, &vip, 1), 0);
	hg_announce_start(an, t);
	assert_int_equal(hg_announce_continue(an, t).ns, t.ns + 50000000);
	/* late: one round for all that was missed */
	t = hg_time_add(t, HG_MS(1500));
	assert_int_equal(hg_announce_continue(an, t).ns, t.ns + 1500000000);
	assert_int_equal(hg_announce_stats(an, 0).rounds, 2);
	/* on demand: at once, but not more than each 50 ms */
	hg_announce_again(an, 0, hg_time_add(t, HG_MS(10)));
	assert_int_equal(hg_announce_continue(an, hg_time_add(t, HG_MS(10))).ns, t.ns + 50000000);
	hg_announce_again(an, 0, hg_time_add(t, HG_MS(20)));
	t = hg_time_add(t, HG_MS(50));
	assert_int_equal(hg_announce_continue(an, t).ns, t.ns + 1450000000);
	assert_int_equal(hg_announce_stats(an, 0).rounds, 3);
	hg_announce_again(an, 0, hg_time_add(t, HG_MS(100)));
	hg_announce_stop(an);
	assert_int_equal(hg_announce_continue(an, hg_time_add(t, HG_MS(9000))).ns, UINT64_MAX);
	assert_int_equal(hg_announce_stats(an, 0).rounds, 3);
	hg_announce_again(an, HG_SLOTS_MAX, t);
	assert_int_equal(hg_announce_set_port(an, HG_SLOTS_MAX, v0, mac, &vip, 1), -EINVAL);
}

#define STALE_MAC "02:00:00:00:00:99"

static bool host_has(const char *vip)
{
	bool has;

	netns_enter(b_ns);
	has = succeeds("ip neigh show %s dev v1 | grep -q 'lladdr 02:01:02:03:04:05'", vip);
	netns_enter(a_ns);
	return has;
}

/* A Linux host that talked to the other node a moment ago changes its entry at once,
 * also within the second in which it takes no other news (locktime). */
static void test_linux_host_believes(void **state)
{
	struct hg_ip list[] = { ip("10.1.0.1"), ip("fd01::1") };

	(void)state;
	assert_int_equal(hg_announce_set_port(an, 0, v0, mac, list, 2), 0);
	netns_enter(b_ns);
	run("ip neigh replace 10.1.0.1 dev v1 lladdr " STALE_MAC " nud reachable;"
	    "ip neigh replace fd01::1 dev v1 lladdr " STALE_MAC " nud reachable router");
	netns_enter(a_ns);
	hg_announce_start(an, now());
	hg_announce_continue(an, now()); /* once: what is not believed then never will be */
	for (int i = 0; i < 500 && !(host_has("10.1.0.1") && host_has("fd01::1")); i++)
		sleep_ms(10);
	assert_true(host_has("10.1.0.1"));
	assert_true(host_has("fd01::1"));
	netns_enter(b_ns);
	assert_true(succeeds("ip -6 neigh show fd01::1 dev v1 | grep -q router"));
	netns_enter(a_ns);
}

/* A slow line: frames that do not fit into the socket's buffer follow later. */
static void test_full_buffer(void **state)
{
	static unsigned int seen4[8192], seen6[8192];
	struct hg_ip *list = many(8000, 0);
	double begin = now_ms(), longest = 0;
	unsigned int total = 0;
	bool has_waited = false;

	(void)state;
	run("tc qdisc add dev v0 root tbf rate 5mbit burst 5k limit 100m");
	assert_int_equal(hg_announce_set_port(an, 0, v0, mac, list, 8000), 0);
	hg_announce_start(an, now());
	while (hg_announce_stats(an, 0).rounds < 1 && now_ms() - begin < 30000) {
		double call = now_ms();
		struct hg_time next = hg_announce_continue(an, now());

		if (now_ms() - call > longest)
			longest = now_ms() - call;
		has_waited |= !hg_announce_stats(an, 0).rounds && next.ns > now().ns;
		usleep(200);
	}
	assert_int_equal(hg_announce_stats(an, 0).failed, 0);
	assert_int_equal(hg_announce_stats(an, 0).sent, 8000);
	assert_true(has_waited);
	while (total < 8000 && now_ms() - begin < 60000) {
		total += captured(seen4, seen6, 8192);
		sleep_ms(10);
	}
	assert_int_equal(total, 8000);
	for (unsigned int i = 0; i < 8000; i++)
		assert_int_equal(seen4[i], 1);
	print_message("8,000 over a slow line: %.0f ms, longest call %.2f ms\n", now_ms() - begin,
		      longest);
	free(list);
}

/* A node that was fenced: its egress program drops the frames, and they are not pressed on. */
static void test_refused_by_egress(void **state)
{
	unsigned int seen[1024] = { 0 };
	struct hg_ip *list = many(100, 0);
	double begin = now_ms();

	(void)state;
	run("tc qdisc add dev v0 clsact; tc filter add dev v0 egress bpf da bytecode '1,6 0 0 2'");
	assert_int_equal(hg_announce_set_port(an, 0, v0, mac, list, 100), 0);
	hg_announce_start(an, now());
	while (hg_announce_stats(an, 0).rounds < 1 && now_ms() - begin < 2000)
		drive(1);
	assert_int_equal(hg_announce_stats(an, 0).rounds, 1);
	assert_int_equal(hg_announce_stats(an, 0).sent, 0);
	assert_int_equal(hg_announce_stats(an, 0).failed, 100);
	assert_int_equal(hg_announce_stats(an, 0).error, -ENOBUFS);
	assert_int_equal(captured(seen, seen, 1024), 0);
	/* serving again: the next round gets through and clears the error */
	run("tc filter del dev v0 egress");
	hg_announce_again(an, 0, now());
	drive(300);
	assert_true(captured(seen, seen, 1024) >= 100);
	assert_int_equal(hg_announce_stats(an, 0).error, 0);
	free(list);
}

/* One dead port does not keep the others waiting. */
static void test_port_down_or_gone(void **state)
{
	unsigned int seen[64] = { 0 };
	struct hg_ip *list = many(50, 0);

	(void)state;
	run("ip link add w0 type veth peer name w1; ip link set w1 up"); /* w0 stays down */
	assert_int_equal(hg_announce_set_port(an, 0, if_nametoindex("w0"), mac, list, 50), 0);
	assert_int_equal(hg_announce_set_port(an, 1, 9999, mac, list, 50), 0);
	assert_int_equal(hg_announce_set_port(an, 2, 0, mac, list, 50), 0);
	assert_int_equal(hg_announce_set_port(an, 3, v0, mac, list, 50), 0);
	hg_announce_start(an, now());
	assert_true(hg_announce_continue(an, now()).ns > now().ns);
	assert_int_equal(captured(seen, seen, 64), 50);
	assert_int_equal(hg_announce_stats(an, 0).error, -ENETDOWN);
	assert_int_equal(hg_announce_stats(an, 1).error, -ENXIO);
	assert_int_equal(hg_announce_stats(an, 2).rounds, 0);
	/* the NIC appears */
	run("ip link set w0 up");
	assert_int_equal(hg_announce_set_port(an, 1, if_nametoindex("w0"), mac, list, 50), 0);
	hg_announce_again(an, 1, now());
	drive(100);
	assert_int_equal(hg_announce_stats(an, 1).error, 0);
	assert_true(hg_announce_stats(an, 1).sent >= 50);
	free(list);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest pure[] = { cmocka_unit_test(test_arp_frame),
					   cmocka_unit_test(test_na_frame) };
	const struct CMUnitTest tests[] = {
		TEST(test_thousand_vips),
		TEST(test_schedule),
		TEST(test_schedule_after_a_pause),
		TEST(test_linux_host_believes),
		TEST(test_full_buffer),
		TEST(test_refused_by_egress),
		TEST(test_port_down_or_gone),
	};
	int failed = cmocka_run_group_tests(pure, NULL, NULL);

	return netns_is_possible() ? failed + cmocka_run_group_tests(tests, NULL, NULL) : failed;
}
