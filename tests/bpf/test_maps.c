// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The loader's typed map access on the real maps, in a pin directory of this
 * process. Root. The figures it prints are for reading; what is asserted does not
 * depend on the speed of the machine.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "loader/loader.h"

static char pin[64];
static struct hg_loader *loader;
static const struct hg_maps *maps;

static bool open_loader(void)
{
	const struct hg_loader_options options = { .pin = pin, .software = "test" };
	struct hg_error error = { 0 };
	bool is_adopted = false;

	if (hg_loader_open(&options, &loader, &is_adopted, &error))
		fail_msg("%s", error.text);
	maps = hg_loader_maps(loader);
	return is_adopted;
}

static int setup(void **unused)
{
	(void)unused;
	snprintf(pin, sizeof(pin), HG_PIN_DIR "-test-%d", getpid());
	return open_loader() ? -1 : 0;
}

static int teardown(void **unused)
{
	struct hg_error error = { 0 };

	(void)unused;
	hg_loader_free(loader);
	return hg_loader_remove(pin, &error);
}

static double now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1e3 + now.tv_nsec / 1e6;
}

/* `count` addresses of each family from `first` on, all VIPs on `slot`. */
static struct hg_addr_entry *make_addrs(__u32 first, __u32 count, __u32 slot)
{
	struct hg_addr_entry *entries = calloc(count * 2 + 1, sizeof(*entries));
	__u32 i, number;

	assert_non_null(entries);
	for (i = 0; i < count * 2; i++) {
		number = htobe32(0x0a000000 + first + i / 2);
		entries[i].family = i % 2 ? 6 : 4;
		memcpy(entries[i].addr + (i % 2 ? 12 : 0), &number, 4);
		entries[i].value = (struct hg_addr){ .kind = HG_ADDR_VIP, .slot = slot };
	}
	return entries;
}

static __u32 count_keys(int fd, size_t key_len)
{
	__u8 key[16];
	__u32 count = 0;
	bool is_first = true;

	assert_true(key_len <= sizeof(key));
	for (; !bpf_map_get_next_key(fd, is_first ? NULL : key, key); count++)
		is_first = false;
	return count;
}

static void assert_holds(const struct hg_addr_entry *entries, size_t count)
{
	struct hg_addr value;
	size_t i, v4 = 0;

	for (i = 0; i < count; i++) {
		v4 += entries[i].family == 4;
		assert_int_equal(bpf_map_lookup_elem(entries[i].family == 4 ? maps->addr4_fd
									    : maps->addr6_fd,
						     entries[i].addr, &value),
				 0);
		assert_memory_equal(&value, &entries[i].value, sizeof(value));
	}
	assert_int_equal(count_keys(maps->addr4_fd, 4), v4);
	assert_int_equal(count_keys(maps->addr6_fd, 16), count - v4);
}

static void sync_and_check(__u32 first, __u32 count, __u32 slot, const char *what)
{
	struct hg_addr_entry *entries = make_addrs(first, count, slot);
	double start = now_ms();

	assert_int_equal(hg_maps_sync_addrs(maps, entries, count * 2), 0);
	printf("  %s (2 x %u addresses): %.1f ms\n", what, count, now_ms() - start);
	assert_holds(entries, count * 2);
	free(entries);
}

static void test_sync_holds_exactly_the_given(void **unused)
{
	(void)unused;
	sync_and_check(0, HG_VIPS_MAX, 0, "first sync");
	sync_and_check(0, HG_VIPS_MAX, 0, "nothing changed");
	sync_and_check(0, HG_VIPS_MAX, 1, "all changed");
	sync_and_check(HG_VIPS_MAX / 2, HG_VIPS_MAX, 1, "half replaced");
	sync_and_check(1 << 20, HG_ADDRS_MAX, 2, "full map");
	sync_and_check(1 << 21, HG_ADDRS_MAX, 2, "full map, all others");
	sync_and_check(7, 1, 0, "one left");
	sync_and_check(0, 0, 0, "none");
}

static void test_sync_refuses_what_does_not_fit(void **unused)
{
	struct hg_addr_entry *entries = make_addrs(0, HG_ADDRS_MAX + 1, 0);

	(void)unused;
	sync_and_check(5, 3, 0, "a few");
	assert_int_equal(hg_maps_sync_addrs(maps, entries, (HG_ADDRS_MAX + 1) * 2), -E2BIG);
	entries[0].family = 5;
	assert_int_equal(hg_maps_sync_addrs(maps, entries, 1), -EINVAL);
	free(entries);
	entries = make_addrs(5, 3, 0);
	assert_holds(entries, 6);
	free(entries);
}

static void test_sync_virtual_wins_over_own(void **unused)
{
	struct hg_addr_entry twice[3] = {
		{ 4, { 10, 0, 0, 1 }, { HG_ADDR_OWN, HG_SLOTS_MAX } },
		{ 4, { 10, 0, 0, 1 }, { HG_ADDR_VIP, 3 } },
		{ 4, { 10, 0, 0, 1 }, { HG_ADDR_OWN, 2 } },
	};

	(void)unused;
	assert_int_equal(hg_maps_sync_addrs(maps, twice, 3), 0);
	assert_holds(&twice[1], 1);
}

static atomic_bool is_over;
static atomic_ulong looks;

/* Looks for the addresses that are in every list. */
static void *watch(void *context)
{
	const struct hg_addr_entry *entries = context;
	struct hg_addr value;
	uintptr_t missing = 0;
	int i;

	while (!atomic_load(&is_over)) {
		for (i = 0; i < 64; i++)
			missing += bpf_map_lookup_elem(entries[i].family == 4 ? maps->addr4_fd
									      : maps->addr6_fd,
						       entries[i].addr, &value) != 0;
		atomic_fetch_add(&looks, 64);
	}
	return (void *)missing;
}

static void test_sync_never_misses_what_stays(void **unused)
{
	struct hg_addr_entry *list[2] = { make_addrs(0, 2048, 0), make_addrs(0, 4096, 1) };
	pthread_t thread;
	void *missing;
	int i;

	(void)unused;
	atomic_store(&is_over, false);
	assert_int_equal(hg_maps_sync_addrs(maps, list[0], 2048 * 2), 0);
	assert_int_equal(pthread_create(&thread, NULL, watch, list[0]), 0);
	for (i = 0; i < 100; i++)
		assert_int_equal(hg_maps_sync_addrs(maps, list[i % 2], i % 2 ? 8192 : 4096), 0);
	atomic_store(&is_over, true);
	pthread_join(thread, &missing);
	free(list[0]);
	free(list[1]);
	assert_true(atomic_load(&looks) > 1000);
	assert_int_equal((uintptr_t)missing, 0);
}

static void test_stats_sum_all_cpus(void **unused)
{
	static const __u32 slots[] = { 0, 1, HG_SLOTS_MAX - 1 };
	int cpus = libbpf_num_possible_cpus(), cpu;
	struct hg_stat values[cpus], sum[HG_R_COUNT];
	__u32 key, reason, expected;
	size_t i;

	(void)unused;
	for (i = 0; i < 3; i++) {
		for (reason = 0; reason < HG_R_COUNT; reason++) {
			key = slots[i] * HG_R_COUNT + reason;
			for (cpu = 0; cpu < cpus; cpu++)
				values[cpu] = (struct hg_stat){ key, key * 10ull + cpu };
			assert_int_equal(bpf_map_update_elem(maps->stats_fd, &key, values, 0), 0);
		}
	}
	for (i = 0; i < 3; i++) {
		assert_int_equal(hg_maps_get_stats(maps, slots[i], sum), 0);
		for (reason = 0; reason < HG_R_COUNT; reason++) {
			expected = slots[i] * HG_R_COUNT + reason;
			assert_int_equal(sum[reason].packets, (__u64)expected * cpus);
			assert_int_equal(sum[reason].octets,
					 expected * 10ull * cpus + cpus * (cpus - 1) / 2);
		}
	}
	assert_int_equal(hg_maps_get_stats(maps, HG_SLOTS_MAX, sum), -EINVAL);
}

static void test_keys_and_ports(void **unused)
{
	const struct hg_key key = { .id = 7, .peer = 1, .rx = { 1, 2 }, .tx = { 3, 4 } };
	const struct hg_port port = { .slot = 3, .id = 9, .name = "lan" };
	struct hg_port found;
	struct hg_key back;
	__u32 ifindex = 77;

	(void)unused;
	assert_int_equal(hg_maps_set_key(maps, HG_KEY_SESSION1, &key), 0);
	assert_int_equal(hg_maps_get_key(maps, HG_KEY_SESSION1, &back), 0);
	assert_memory_equal(&key, &back, sizeof(key));
	assert_int_equal(hg_maps_set_port(maps, ifindex, &port), 0);
	assert_int_equal(bpf_map_lookup_elem(maps->port_fd, &ifindex, &found), 0);
	assert_memory_equal(&port, &found, sizeof(port));
	assert_int_equal(hg_maps_delete_port(maps, ifindex), 0);
	assert_int_equal(hg_maps_delete_port(maps, ifindex), -ENOENT);
}

/* Puts `count` records into the ring the way the data path does; each carries the
 * type CONFLICT. A program of its own, since no packet makes so many. */
static void emit(__u32 count)
{
	const struct bpf_insn insns[] = {
		{ BPF_LD | BPF_DW | BPF_IMM, 1, BPF_PSEUDO_MAP_FD, 0, maps->events_fd },
		{ 0, 0, 0, 0, 0 },
		{ BPF_ALU64 | BPF_MOV | BPF_K, 2, 0, 0, sizeof(struct hg_event) },
		{ BPF_ALU64 | BPF_MOV | BPF_K, 3, 0, 0, 0 },
		{ BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_ringbuf_reserve },
		{ BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 4, 0 },
		{ BPF_ST | BPF_MEM | BPF_W, 0, 0, 0, HG_EVENT_CONFLICT },
		{ BPF_ALU64 | BPF_MOV | BPF_X, 1, 0, 0, 0 },
		{ BPF_ALU64 | BPF_MOV | BPF_K, 2, 0, 0, 0 },
		{ BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_ringbuf_submit },
		{ BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 0 },
		{ BPF_JMP | BPF_EXIT, 0, 0, 0, 0 },
	};
	char frame[64] = { 0 };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = sizeof(frame),
		    .repeat = count);
	int fd = bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "emit", "GPL", insns,
			       sizeof(insns) / sizeof(insns[0]), NULL);

	assert_true(fd >= 0);
	assert_int_equal(bpf_prog_test_run_opts(fd, &opts), 0);
	close(fd);
}

static void on_event(void *context, const struct hg_event *event)
{
	assert_int_equal(event->type, HG_EVENT_CONFLICT);
	++*(unsigned int *)context;
}

static bool is_readable(const struct hg_ring *ring)
{
	struct pollfd poll_fd = { .fd = hg_ring_fd(ring), .events = POLLIN };

	return poll(&poll_fd, 1, 0) == 1;
}

static void test_ring_is_bounded_per_call_and_goes_on_after_restart(void **unused)
{
	struct hg_ring *ring;
	unsigned int count = 0, before;

	(void)unused;
	assert_int_equal(hg_ring_new(maps, on_event, &count, &ring), 0);
	assert_false(is_readable(ring));
	emit(600);
	assert_true(is_readable(ring));
	assert_int_equal(hg_ring_consume(ring), 0);
	assert_in_range(count, 1, 599);
	assert_true(is_readable(ring));
	before = count;
	hg_ring_free(ring);
	hg_loader_free(loader);

	assert_true(open_loader());
	assert_int_equal(hg_ring_new(maps, on_event, &count, &ring), 0);
	while (is_readable(ring)) {
		assert_int_equal(hg_ring_consume(ring), 0);
		assert_true(count > before);
		before = count;
	}
	assert_int_equal(count, 600);
	assert_int_equal(hg_ring_consume(ring), 0);
	assert_int_equal(count, 600);
	hg_ring_free(ring);
}

static void test_adoption_keeps_state(void **unused)
{
	(void)unused;
	maps->state->epoch = 0x501;
	maps->peer[HG_PEERS_MAX - 1].heard = 42;
	maps->path[HG_PEERS_MAX * HG_SLOTS_MAX - 1].rtt = 43;
	hg_loader_free(loader);
	assert_true(open_loader());
	assert_int_equal(maps->state->epoch, 0x501);
	assert_int_equal(maps->peer[HG_PEERS_MAX - 1].heard, 42);
	assert_int_equal(maps->path[HG_PEERS_MAX * HG_SLOTS_MAX - 1].rtt, 43);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sync_holds_exactly_the_given),
		cmocka_unit_test(test_sync_refuses_what_does_not_fit),
		cmocka_unit_test(test_sync_virtual_wins_over_own),
		cmocka_unit_test(test_sync_never_misses_what_stays),
		cmocka_unit_test(test_stats_sum_all_cpus),
		cmocka_unit_test(test_keys_and_ports),
		cmocka_unit_test(test_ring_is_bounded_per_call_and_goes_on_after_restart),
		cmocka_unit_test(test_adoption_keeps_state),
	};

	return cmocka_run_group_tests_name("maps", tests, setup, teardown);
}
