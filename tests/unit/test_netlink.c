// SPDX-License-Identifier: GPL-2.0-or-later
/* The monitor and the dump against a real kernel, and the reader against bad input. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "agent/netlink.h"
#include "netns.h"

#define LOG_MAX 256

enum what { LINK, ADDRESS, NEIGH, OVERRUN, SYNC_BEGIN, SYNC_END };
struct record {
	enum what what;
	bool is_deleted;
	int ifindex;
	struct hg_netlink_link link;
	struct hg_netlink_neigh neigh;
	struct hg_ip ip;
};

static struct hg_netlink *nl;
static struct record records[LOG_MAX];
static unsigned int count, addresses;
static int b_ns;

static struct record *add(enum what what, int ifindex, bool is_deleted)
{
	struct record *record = &records[count++ % LOG_MAX];

	memset(record, 0, sizeof(*record));
	record->what = what;
	record->ifindex = ifindex;
	record->is_deleted = is_deleted;
	return record;
}

static void on_link(void *context, const struct hg_netlink_link *link, bool is_deleted)
{
	(void)context;
	add(LINK, link->ifindex, is_deleted)->link = *link;
}

static void on_address(void *context, int ifindex, const struct hg_ip *ip, bool is_deleted)
{
	(void)context;
	addresses++;
	add(ADDRESS, ifindex, is_deleted)->ip = *ip;
}

static void on_neigh(void *context, const struct hg_netlink_neigh *neigh, bool is_deleted)
{
	(void)context;
	/* The kernel has multicast neighbours of its own; they come at any time. */
	if (!(neigh->mac[0] & 1))
		add(NEIGH, neigh->ifindex, is_deleted)->neigh = *neigh;
}

static void on_overrun(void *context)
{
	(void)context;
	add(OVERRUN, 0, false);
}

static void on_begin(void *context)
{
	(void)context;
	add(SYNC_BEGIN, 0, false);
}

static void on_end(void *context)
{
	(void)context;
	add(SYNC_END, 0, false);
}

static const struct hg_netlink_handlers handlers = { on_link,	 on_address, on_neigh,
						     on_overrun, on_begin,   on_end };

static void forget(void)
{
	count = addresses = 0;
}

static int set_up(void **state)
{
	(void)state;
	b_ns = netns_new();
	close(netns_new());
	/* no link-local address that appears in the middle of a test */
	run("sysctl -qw net.ipv6.conf.default.addr_gen_mode=1");
	netns_veth("v0", "v1", b_ns);
	forget();
	return hg_netlink_new(&handlers, NULL, &nl);
}

static int tear_down(void **state)
{
	(void)state;
	hg_netlink_free(nl);
	close(b_ns);
	return 0;
}

/* Everything that the kernel has said by now. */
static void consume(void)
{
	for (int i = 0; i < 20; i++)
		assert_int_equal(hg_netlink_consume(nl), 0);
}

/* The last record of this kind and NIC. */
static const struct record *last(enum what what, int ifindex)
{
	for (unsigned int i = count; i-- > 0 && count - i <= LOG_MAX;) {
		const struct record *record = &records[i % LOG_MAX];

		if (record->what == what && record->ifindex == ifindex)
			return record;
	}
	fail_msg("no record of kind %d for interface %d", what, ifindex);
	return NULL;
}

/* The kernel reports a carrier that comes back up to a second later. */
static void wait_for_link(int ifindex, bool has_link)
{
	double begin = now_ms();

	do {
		sleep_ms(10);
		consume();
		if (last(LINK, ifindex)->link.has_link == has_link)
			return;
	} while (now_ms() - begin < 20000);
	fail_msg("link state did not become %d", has_link);
}

static void test_link(void **state)
{
	int index = if_nametoindex("v0");
	uint8_t mac[6];

	(void)state;
	get_mac("v0", mac);
	run("ip link set v0 down");
	consume();
	assert_false(last(LINK, index)->link.is_up);
	assert_false(last(LINK, index)->link.has_link);
	assert_string_equal(last(LINK, index)->link.name, "v0");
	assert_memory_equal(last(LINK, index)->link.mac, mac, 6);
	run("ip link set v0 up");
	wait_for_link(index, true);
	assert_true(last(LINK, index)->link.is_up);

	/* the cable is pulled at the other end: up, but no link */
	run("nsenter --net=/proc/%d/fd/%d ip link set v1 down", getpid(), b_ns);
	wait_for_link(index, false);
	assert_true(last(LINK, index)->link.is_up);

	run("ip link set v0 down; ip link set v0 name renamed; ip link set renamed address "
	    "02:00:00:00:00:55");
	consume();
	assert_string_equal(last(LINK, index)->link.name, "renamed");
	assert_memory_equal(last(LINK, index)->link.mac, "\x02\0\0\0\0\x55", 6);
	assert_false(last(LINK, index)->is_deleted);
	run("ip link del renamed");
	consume();
	assert_true(last(LINK, index)->is_deleted);
}

/* Leaving a bridge is announced with RTM_DELLINK, too; the NIC is still there. */
static void test_bridge_is_no_deletion(void **state)
{
	int index = if_nametoindex("v0");

	(void)state;
	run("ip link add br0 type bridge; ip link set v0 master br0; ip link set br0 up");
	run("bridge fdb add 02:00:00:00:00:77 dev v0 master");
	run("ip link set v0 nomaster");
	consume();
	assert_false(last(LINK, index)->is_deleted);
	for (unsigned int i = 0; i < count; i++) {
		assert_false(records[i].what == LINK && records[i].is_deleted);
		assert_false(records[i].what == NEIGH && records[i].neigh.ip.family == 0);
	}
}

static void test_address(void **state)
{
	int index = if_nametoindex("v0");

	(void)state;
	run("ip addr add 10.1.0.2/24 dev v0");
	consume();
	assert_int_equal(last(ADDRESS, index)->ip.family, 4);
	assert_int_equal(last(ADDRESS, index)->ip.prefix, 24);
	assert_memory_equal(last(ADDRESS, index)->ip.addr, "\x0a\x01\0\x02\0\0\0\0\0\0\0\0\0\0\0\0",
			    16);
	run("ip addr del 10.1.0.2/24 dev v0");
	consume();
	assert_true(last(ADDRESS, index)->is_deleted);
	run("ip addr add fd01::2/64 dev v0 nodad");
	/* the kernel tells of an IPv6 address from a work queue, after the command's end */
	for (int i = 0; i < 2000 && last(ADDRESS, index)->ip.family != 6; i++) {
		sleep_ms(5);
		consume();
	}
	assert_int_equal(last(ADDRESS, index)->ip.family, 6);
	assert_int_equal(last(ADDRESS, index)->ip.prefix, 64);
	/* point to point: the node's own end counts */
	run("ip addr add 10.5.0.1 peer 10.5.0.9/32 dev v0");
	consume();
	assert_memory_equal(last(ADDRESS, index)->ip.addr, "\x0a\x05\0\x01", 4);
}

static void test_neigh(void **state)
{
	int index = if_nametoindex("v0");

	(void)state;
	run("ip neigh add 10.1.0.9 dev v0 lladdr 02:00:00:00:00:09 nud stale");
	consume();
	assert_int_equal(last(NEIGH, index)->neigh.state, NUD_STALE);
	assert_memory_equal(last(NEIGH, index)->neigh.mac, "\x02\0\0\0\0\x09", 6);
	assert_memory_equal(last(NEIGH, index)->neigh.ip.addr, "\x0a\x01\0\x09", 4);
	assert_int_equal(last(NEIGH, index)->neigh.ip.prefix, 32);
	run("ip neigh add fe80::9 dev v0 lladdr 02:00:00:00:00:09 nud reachable");
	consume();
	assert_int_equal(last(NEIGH, index)->neigh.ip.family, 6);
	run("ip neigh del 10.1.0.9 dev v0");
	consume();
	assert_true(last(NEIGH, index)->is_deleted || last(NEIGH, index)->neigh.state & NUD_FAILED);
}

static void test_overrun(void **state)
{
	int size = 8192;

	(void)state;
	setsockopt(hg_netlink_fd(nl), SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	run("for i in $(seq 1 100); do echo addr add 10.1.0.$i/32 dev v0; done | ip -b -");
	consume();
	assert_true(addresses < 100);
	assert_int_equal(last(OVERRUN, 0)->what, OVERRUN);
	/* the list makes it whole, and the monitor goes on */
	forget();
	assert_int_equal(hg_netlink_dump(&handlers, NULL), 0);
	assert_true(addresses >= 100);
	run("ip addr add 10.1.1.1/32 dev v0");
	consume();
	assert_memory_equal(last(ADDRESS, if_nametoindex("v0"))->ip.addr, "\x0a\x01\x01\x01", 4);
}

static void test_no_overrun_with_thousands(void **state)
{
	(void)state;
	run("for i in $(seq 0 3999); do echo addr add 10.1.$((i / 250)).$((i %% 250))/32 dev v0; "
	    "done | ip -b -");
	for (int i = 0; i < 100; i++)
		consume();
	assert_true(addresses >= 4000);
	for (unsigned int i = 0; i < LOG_MAX; i++)
		assert_true(records[i].what != OVERRUN);
}

static void test_dump(void **state)
{
	(void)state;
	run("ip addr add 10.1.0.2/24 dev v0; ip neigh add 10.1.0.9 dev v0 lladdr 02:00:00:00:00:09 "
	    "nud stale");
	assert_int_equal(hg_netlink_dump(&handlers, NULL), 0);
	assert_int_equal(records[0].what, SYNC_BEGIN);
	assert_int_equal(records[count - 1].what, SYNC_END);
	assert_true(last(LINK, if_nametoindex("v0"))->link.is_up);
	/* more when the kernel asked for the dump to be taken again */
	assert_true(addresses >= number("ip -o addr show | wc -l"));
	assert_memory_equal(last(ADDRESS, if_nametoindex("lo"))->ip.addr + 12, "\0\0\0\x01", 4);
	assert_int_equal(last(NEIGH, if_nametoindex("v0"))->neigh.mac[5], 9);
}

/* Nothing behind the buffer is read, whatever is in it (under ASan). */
static void test_bad_input(void **state)
{
	unsigned int seed = 1;
	struct nlmsghdr *nlh;

	(void)state;
	for (int round = 0; round < 200000; round++) {
		size_t length = rand_r(&seed) % 128;
		uint8_t *data = malloc(length ? length : 1);

		for (size_t i = 0; i < length; i++)
			data[i] = rand_r(&seed) % 4 ? 0 : rand_r(&seed);
		nlh = (void *)data;
		if (length >= sizeof(*nlh)) {
			nlh->nlmsg_len = rand_r(&seed) % 3 ? length : rand_r(&seed) % 160u;
			nlh->nlmsg_type = RTM_NEWLINK + rand_r(&seed) % 16;
		}
		if (length >= sizeof(*nlh) + 4)
			data[sizeof(*nlh)] = (uint8_t[]){ 0, AF_INET, AF_INET6,
							  7 }[rand_r(&seed) % 4];
		hg_netlink_parse(&handlers, NULL, data, length);
		free(data);
	}
	assert_int_equal(hg_netlink_parse(&handlers, NULL, "abc", 3), -EBADMSG);
	assert_int_equal(hg_netlink_parse(&handlers, NULL, "", 0), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest pure[] = { cmocka_unit_test(test_bad_input) };
	const struct CMUnitTest tests[] = {
		TEST(test_link),    TEST(test_bridge_is_no_deletion),
		TEST(test_address), TEST(test_neigh),
		TEST(test_overrun), TEST(test_no_overrun_with_thousands),
		TEST(test_dump),
	};
	int failed = cmocka_run_group_tests(pure, NULL, NULL);

	return netns_is_possible() ? failed + cmocka_run_group_tests(tests, NULL, NULL) : failed;
}
