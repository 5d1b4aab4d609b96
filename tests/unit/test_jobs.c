// SPDX-License-Identifier: GPL-2.0-or-later
/* The worker's jobs against a real kernel: addresses, routes, neighbours, the second
 * MAC, the state directory, the list.
 *
 *   namespace A: v0 10.1.0.2/16, fd01::2/64  <- veth ->  namespace B: v1
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "agent/store.h"
#include "agent/worker.h"
#include "netns.h"

struct fixture {
	struct hg_worker *worker;
	struct hg_job_result last;
	unsigned int results;
	int ifindex, a, b;
	unsigned int links, addresses, begins, ends;
	bool has_v0;
};

static struct fixture fix;
static char dir[64];

static void on_result(void *context, const struct hg_job_result *result)
{
	struct fixture *f = context;

	f->last = *result;
	f->results++;
}

static void on_link(void *context, const struct hg_netlink_link *link, bool is_deleted)
{
	struct fixture *f = context;

	f->links += !is_deleted;
	f->has_v0 |= !strcmp(link->name, "v0") && link->is_up;
}

static void on_address(void *context, int ifindex, const struct hg_ip *ip, bool is_deleted)
{
	struct fixture *f = context;

	(void)ip;
	f->addresses += ifindex == f->ifindex && !is_deleted;
}

static void on_begin(void *context)
{
	((struct fixture *)context)->begins++;
}

static void on_end(void *context)
{
	((struct fixture *)context)->ends++;
}

static int set_up(void **state)
{
	struct hg_worker_options options = { .on_result = on_result,
					     .state_dir = dir,
					     .netlink = { .on_link = on_link,
							  .on_address = on_address,
							  .on_sync_begin = on_begin,
							  .on_sync_end = on_end },
					     .context = &fix };

	(void)state;
	memset(&fix, 0, sizeof(fix));
	strcpy(dir, "/tmp/hagate-jobs-XXXXXX");
	assert_non_null(mkdtemp(dir));
	fix.b = netns_new();
	fix.a = netns_new();
	netns_veth("v0", "v1", fix.b);
	run("ip addr add 10.1.0.2/16 dev v0; ip addr add fd01::2/64 dev v0 nodad");
	fix.ifindex = if_nametoindex("v0");
	return hg_worker_new(&options, &fix.worker);
}

static int tear_down(void **state)
{
	pid_t pid = hg_worker_free(fix.worker);

	(void)state;
	if (pid)
		waitpid(pid, NULL, 0);
	close(fix.a);
	close(fix.b);
	run("rm -rf %s", dir);
	return 0;
}

static const struct hg_job_result *submit(struct hg_job job)
{
	uint64_t id;

	assert_int_equal(hg_worker_submit(fix.worker, &job, &id), 0);
	assert_int_equal(hg_worker_wait(fix.worker, 20000), 0);
	assert_int_equal(fix.last.id, id);
	assert_int_equal(fix.last.type, job.type);
	return &fix.last;
}

static struct hg_ip ip(const char *text, uint8_t prefix)
{
	struct hg_ip ret = { .family = strchr(text, ':') ? 6 : 4, .prefix = prefix };

	assert_int_equal(inet_pton(ret.family == 4 ? AF_INET : AF_INET6, text, ret.addr), 1);
	return ret;
}

static const struct hg_job_result *addresses(enum hg_job_type type, const char *text,
					     uint8_t prefix)
{
	struct hg_worker_address one = { fix.ifindex, ip(text, prefix) };

	return submit((struct hg_job){ .type = type, .addresses = { &one, 1 } });
}

/* 10.1.16.0 .. and fd01::1:0 .., `count` of each */
static struct hg_worker_address *many(size_t count)
{
	struct hg_worker_address *list = calloc(2 * count, sizeof(*list));

	for (size_t i = 0; i < count; i++) {
		list[i] = (struct hg_worker_address){ fix.ifindex, ip("10.1.16.0", 16) };
		list[i].ip.addr[2] += i >> 8;
		list[i].ip.addr[3] = i;
		list[count + i] = (struct hg_worker_address){ fix.ifindex, ip("fd01::1:0", 64) };
		list[count + i].ip.addr[14] = i >> 8;
		list[count + i].ip.addr[15] = i;
	}
	return list;
}

static void test_thousands_of_addresses(void **state)
{
	struct hg_worker_address *list = many(1000);
	struct hg_job job = { .type = HG_JOB_ADDRESSES_ADD, .addresses = { list, 2000 } };
	double begin = now_ms();

	(void)state;
	submit(job);
	assert_string_equal(fix.last.text, "");
	assert_int_equal(fix.last.error, 0);
	assert_int_equal(fix.last.done, 2000);
	print_message("1,000 IPv4 and 1,000 IPv6 addresses: added in %.1f ms", now_ms() - begin);
	assert_int_equal(number("ip -4 -o addr show dev v0 scope host | wc -l"), 1000);
	assert_int_equal(number("ip -6 -o addr show dev v0 | grep -c /128"), 1000);
	assert_int_equal(number("ip -6 -o addr show dev v0 tentative | grep -c /128"), 0);
	/* no secondaries, no connected route beside that of the node's own address */
	assert_int_equal(number("ip -4 -o addr show dev v0 secondary | wc -l"), 0);
	assert_int_equal(number("ip -4 route show dev v0 | wc -l"), 1);
	assert_int_equal(number("ip -6 route show dev v0 | grep -c fd01:"), 1);
	/* the node's own address stays the source of its own traffic */
	assert_true(succeeds("ip route get 10.1.200.9 | grep -q 'src 10.1.0.2'"));
	assert_true(succeeds("ip -6 route get fd01::9999 | grep -q 'src fd01::2 '"));

	submit(job); /* once more: all there */
	assert_int_equal(fix.last.error, 0);
	assert_int_equal(fix.last.done, 2000);

	job.type = HG_JOB_ADDRESSES_REMOVE;
	begin = now_ms();
	submit(job);
	assert_string_equal(fix.last.text, "");
	assert_int_equal(fix.last.done, 2000);
	print_message(", removed in %.1f ms\n", now_ms() - begin);
	assert_int_equal(number("ip -4 -o addr show dev v0 | wc -l"), 1);
	assert_int_equal(number("ip -6 -o addr show dev v0 scope global | wc -l"), 1);
	submit(job); /* nothing there: fine */
	assert_int_equal(fix.last.error, 0);
	free(list);
}

static void test_subnet_of_its_own(void **state)
{
	(void)state;
	addresses(HG_JOB_ADDRESSES_ADD, "192.0.2.1", 24);
	assert_int_equal(fix.last.error, 0);
	addresses(HG_JOB_ADDRESSES_ADD, "2001:db8::1", 64);
	assert_int_equal(fix.last.error, 0);
	/* the connected route comes with the VIP, and it is the source there */
	assert_true(succeeds("ip route get 192.0.2.77 | grep -q 'dev v0 src 192.0.2.1'"));
	assert_true(succeeds("ip -6 route get 2001:db8::77 | grep -q 'dev v0.*src 2001:db8::1'"));
	/* the system's own route wins as soon as there is one */
	run("ip addr add 192.0.2.9/24 dev v0");
	assert_true(succeeds("ip route get 192.0.2.77 | grep -q 'src 192.0.2.9'"));
	run("ip addr del 192.0.2.9/24 dev v0");
	assert_true(succeeds("ip -4 addr show dev v0 | grep -q 192.0.2.1/32"));
	addresses(HG_JOB_ADDRESSES_REMOVE, "192.0.2.1", 24);
	assert_int_equal(fix.last.error, 0);
	addresses(HG_JOB_ADDRESSES_REMOVE, "2001:db8::1", 64);
	assert_int_equal(fix.last.error, 0);
	assert_int_equal(number("ip route show | grep -c 192.0.2"), 0);
	assert_int_equal(number("ip -6 route show | grep -c 2001:db8"), 0);
}

static void test_restored_after_link_down(void **state)
{
	(void)state;
	addresses(HG_JOB_ADDRESSES_ADD, "2001:db8::1", 64);
	run("ip link set v0 down; ip link set v0 up");
	assert_int_equal(number("ip -6 addr show dev v0 | grep -c 2001:db8"), 0);
	addresses(HG_JOB_ADDRESSES_ADD, "2001:db8::1", 64);
	assert_int_equal(fix.last.error, 0);
	assert_int_equal(number("ip -6 addr show dev v0 | grep -c 2001:db8"), 1);
	assert_true(succeeds("ip -6 route get 2001:db8::77 | grep -q 'dev v0'"));
}

static void test_foreign_vip(void **state)
{
	(void)state;
	/* The system configured a VIP, and before its own address: that is its secondary. */
	run("ip addr flush dev v0; ip addr add 10.1.0.1/16 dev v0; ip addr add 10.1.0.2/16 dev v0");
	addresses(HG_JOB_ADDRESSES_ADD, "10.1.0.1", 16);
	assert_int_equal(fix.last.error, 0);
	addresses(HG_JOB_ADDRESSES_REMOVE, "10.1.0.1", 16);
	assert_int_equal(fix.last.error, -EADDRINUSE);
	assert_non_null(strstr(fix.last.text, "10.1.0.1/16"));
	assert_true(succeeds("ip addr show dev v0 | grep -q 10.1.0.2/16"));
	assert_false(succeeds("ip addr show dev v0 | grep -q 10.1.0.1/32"));
}

static void test_refused_addresses(void **state)
{
	struct hg_worker_address list[] = { { 9999, ip("10.1.0.1", 16) },
					    { fix.ifindex, ip("10.1.0.1", 16) },
					    { fix.ifindex, ip("ff02::1", 64) } };

	(void)state;
	submit((struct hg_job){ .type = HG_JOB_ADDRESSES_ADD, .addresses = { list, 3 } });
	/* a wrong one does not keep the others from being added */
	assert_int_equal(fix.last.done, 1);
	assert_true(fix.last.failed >= 2);
	assert_true(succeeds("ip addr show dev v0 | grep -q 10.1.0.1/32"));
	assert_true(fix.last.error < 0);
	print_message("refused: %s\n", fix.last.text);
	assert_non_null(strstr(fix.last.text, "adding address"));
	/* the kernel's own words are in it */
	submit((struct hg_job){ .type = HG_JOB_ADDRESSES_ADD, .addresses = { &list[2], 1 } });
	print_message("refused: %s\n", fix.last.text);
	assert_non_null(strstr(fix.last.text, "Cannot assign multicast address"));
	submit((struct hg_job){ .type = HG_JOB_ADDRESSES_REMOVE, .addresses = { list, 1 } });
	assert_int_equal(fix.last.error, 0); /* the NIC is gone, so is the address */
	submit((struct hg_job){ .type = HG_JOB_ADDRESSES_ADD, .addresses = { NULL, 0 } });
	assert_int_equal(fix.last.error, 0);
}

#define NEW "02:00:00:00:00:01"
#define OLD "02:00:00:00:00:99"

static void set_neigh(const char *address)
{
	struct hg_worker_neigh one = { .ifindex = fix.ifindex, .ip = ip(address, 0) };

	memcpy(one.mac, "\x02\0\0\0\0\x01", 6);
	submit((struct hg_job){ .type = HG_JOB_NEIGH_SET, .neighs = { &one, 1 } });
	assert_int_equal(fix.last.error, 0);
	assert_int_equal(fix.last.done, 1);
}

static bool is_neigh(const char *address, const char *mac, const char *state)
{
	return succeeds("ip neigh show %s dev v0 | grep -qi 'lladdr %s.* %s'", address, mac, state);
}

static void test_neighbours(void **state)
{
	(void)state;
	set_neigh("10.1.0.20");
	assert_true(is_neigh("10.1.0.20", NEW, "STALE"));
	set_neigh("fd01::20");
	assert_true(is_neigh("fd01::20", NEW, "STALE"));
	run("ip neigh add 10.1.0.21 dev v0 lladdr " OLD " nud reachable");
	set_neigh("10.1.0.21");
	assert_true(is_neigh("10.1.0.21", OLD, "REACHABLE"));
	run("ip neigh add 10.1.0.22 dev v0 lladdr " OLD " nud permanent");
	set_neigh("10.1.0.22");
	assert_true(is_neigh("10.1.0.22", OLD, "PERMANENT"));
	run("ip neigh add 10.1.0.23 dev v0 lladdr " OLD " nud stale");
	set_neigh("10.1.0.23");
	assert_true(is_neigh("10.1.0.23", NEW, "STALE"));
	run("ip neigh add 10.1.0.24 dev v0 nud failed");
	set_neigh("10.1.0.24");
	assert_true(is_neigh("10.1.0.24", NEW, "STALE"));
	run("ip neigh add 10.1.0.25 dev v0 lladdr " NEW " nud reachable");
	set_neigh("10.1.0.25");
	assert_true(is_neigh("10.1.0.25", NEW, "REACHABLE"));
}

/* "used 3/3/3": used/confirmed/updated, in seconds */
static void test_stale_neighbour_is_touched(void **state)
{
	(void)state;
	run("ip neigh add 10.1.0.20 dev v0 lladdr " NEW " nud stale");
	sleep_ms(1200);
	assert_true(succeeds("ip -s neigh show 10.1.0.20 dev v0 | grep -Eq 'used [0-9]+/[1-9]'"));
	set_neigh("10.1.0.20");
	assert_true(is_neigh("10.1.0.20", NEW, "STALE"));
	assert_true(succeeds("ip -s neigh show 10.1.0.20 dev v0 | grep -Eq 'used [0-9]+/0/'"));
}

static void test_neighbour_refused(void **state)
{
	struct hg_worker_neigh list[2] = { { .ifindex = 9999, .ip = ip("10.1.0.20", 0) },
					   { .ifindex = fix.ifindex, .ip = ip("10.1.0.20", 0) } };

	(void)state;
	memcpy(list[1].mac, "\x02\0\0\0\0\x01", 6);
	submit((struct hg_job){ .type = HG_JOB_NEIGH_SET, .neighs = { list, 2 } });
	assert_int_equal(fix.last.error, -ENODEV);
	assert_int_equal(fix.last.done, 1);
	assert_int_equal(fix.last.failed, 1);
	assert_true(is_neigh("10.1.0.20", NEW, "STALE"));
}

static void test_second_mac(void **state)
{
	struct hg_job job = { .type = HG_JOB_FILTER_ADD,
			      .filter = { fix.ifindex, "\x02\x68\x67\x01\x02" } };

	(void)state;
	for (int i = 0; i < 2; i++) {
		submit(job);
		assert_int_equal(fix.last.error, 0);
		assert_int_equal(fix.last.ifindex, fix.ifindex);
		assert_int_equal(number("bridge fdb show dev v0 | grep -c ^02:68:67:01:02:00"), 1);
	}
	job.type = HG_JOB_FILTER_REMOVE;
	for (int i = 0; i < 2; i++) {
		submit(job);
		assert_int_equal(fix.last.error, 0);
		assert_int_equal(number("bridge fdb show dev v0 | grep -c ^02:68:67:01:02:00"), 0);
	}
	job = (struct hg_job){ .type = HG_JOB_FILTER_ADD, .filter = { 9999, "\x02" } };
	submit(job);
	assert_int_equal(fix.last.error, -ENODEV);
	assert_non_null(strstr(fix.last.text, "9999"));
}

static void test_multicast_filter(void **state)
{
	struct hg_worker_address list[] = { { fix.ifindex, ip("2001:db8::1:2:3", 64) },
					    { fix.ifindex, ip("10.1.0.1", 16) } };
	struct hg_job job = { .type = HG_JOB_MULTICAST_ADD, .addresses = { list, 2 } };

	(void)state;
	for (int i = 0; i < 2; i++) {
		submit(job);
		assert_int_equal(fix.last.error, 0);
		assert_int_equal(number("ip maddr show dev v0 | grep -c 33:33:ff:02:00:03"), 1);
	}
	/* the address comes and goes; the filter stays until it is taken back */
	addresses(HG_JOB_ADDRESSES_ADD, "2001:db8::1:2:3", 64);
	addresses(HG_JOB_ADDRESSES_REMOVE, "2001:db8::1:2:3", 64);
	assert_int_equal(number("ip maddr show dev v0 | grep -c 33:33:ff:02:00:03"), 1);
	job.type = HG_JOB_MULTICAST_REMOVE;
	for (int i = 0; i < 2; i++) {
		submit(job);
		assert_int_equal(fix.last.error, 0);
		assert_int_equal(number("ip maddr show dev v0 | grep -c 33:33:ff:02:00:03"), 0);
	}
	list[0].ifindex = 9999;
	job.type = HG_JOB_MULTICAST_ADD;
	submit(job);
	assert_int_equal(fix.last.error, -ENODEV);
}

static void test_store(void **state)
{
	uint64_t counter;
	bool is_on = false;

	(void)state;
	submit((struct hg_job){ .type = HG_JOB_STORE_EPOCH, .counter = 4096 });
	assert_int_equal(fix.last.error, 0);
	assert_int_equal(fix.last.counter, 4096);
	assert_int_equal(hg_store_read_epoch(dir, &counter), 0);
	assert_int_equal(counter, 4096);
	submit((struct hg_job){ .type = HG_JOB_STORE_FLAG, .is_on = true });
	assert_true(fix.last.is_on);
	assert_int_equal(hg_store_read_maintenance(dir, &is_on), 0);
	assert_true(is_on);
	run("rm -rf %s", dir);
	submit((struct hg_job){ .type = HG_JOB_STORE_EPOCH, .counter = 8192 });
	assert_int_equal(fix.last.error, -ENOENT);
	print_message("refused: %s\n", fix.last.text);
}

static void test_list(void **state)
{
	struct hg_worker_address *list = many(1000);

	(void)state;
	submit((struct hg_job){ .type = HG_JOB_ADDRESSES_ADD, .addresses = { list, 2000 } });
	submit((struct hg_job){ .type = HG_JOB_LIST });
	assert_int_equal(fix.last.error, 0);
	assert_int_equal(fix.begins, 1);
	assert_int_equal(fix.ends, 1);
	assert_true(fix.has_v0);
	/* more when the kernel asked for the dump to be taken again */
	assert_true(fix.links >= number("ip -o link show | wc -l"));
	assert_true(fix.addresses >= number("ip -o addr show dev v0 | wc -l"));
	assert_true(fix.addresses >= 2002);
	free(list);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_thousands_of_addresses),
		TEST(test_subnet_of_its_own),
		TEST(test_restored_after_link_down),
		TEST(test_foreign_vip),
		TEST(test_refused_addresses),
		TEST(test_neighbours),
		TEST(test_stale_neighbour_is_touched),
		TEST(test_neighbour_refused),
		TEST(test_second_mac),
		TEST(test_multicast_filter),
		TEST(test_store),
		TEST(test_list),
	};

	return netns_is_possible() ? cmocka_run_group_tests(tests, NULL, NULL) : 0;
}
