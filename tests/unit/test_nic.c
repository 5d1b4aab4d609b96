// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Binding ports to NICs, on real links: first those of this machine, then ones made
 * in a network namespace of this process (a user namespace makes that possible
 * without root; where the system forbids it, those tests are skipped and say so).
 */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "loader/link.h"
#include "loader/nic.h"

static bool has_namespace;

static const struct hg_nic_id by_veth_mac = {
	.by = HG_NIC_BY_MAC,
	.mac = { 2, 0, 0, 0, 0, 1 },
};

static int find(const struct hg_nic_id *id, struct hg_nic *ret, struct hg_error *error)
{
	error->text[0] = '\0';
	return hg_nic_find(id, ret, error);
}

static struct hg_nic_id by_name(const char *name)
{
	struct hg_nic_id id = { .by = HG_NIC_BY_NAME };

	snprintf(id.text, sizeof(id.text), "%s", name);
	return id;
}

/* Each PCI NIC here: its path is a part of where sysfs has the device. */
static void test_paths_of_this_machine(void **unused)
{
	char file[64], real[PATH_MAX];
	struct hg_link *list;
	size_t count, i, seen = 0;

	(void)unused;
	assert_int_equal(hg_link_list(&list, &count), 0);
	for (i = 0; i < count; i++) {
		if (strncmp(list[i].path, "pci-", 4))
			continue;
		snprintf(file, sizeof(file), "/sys/class/net/%s/device", list[i].ifname);
		assert_non_null(realpath(file, real));
		assert_non_null(strstr(real, list[i].path + 4));
		seen++;
	}
	free(list);
	print_message("  %zu PCI NICs\n", seen);
}

static void test_path_finds_its_nic(void **unused)
{
	struct hg_nic_id id = { .by = HG_NIC_BY_PATH };
	struct hg_error error;
	struct hg_link *list;
	struct hg_nic nic;
	size_t count, i;

	(void)unused;
	assert_int_equal(hg_link_list(&list, &count), 0);
	for (i = 0; i < count; i++) {
		if (!list[i].path[0])
			continue;
		snprintf(id.text, sizeof(id.text), "%s", list[i].path);
		if (find(&id, &nic, &error) == 0)
			assert_int_equal(nic.ifindex, list[i].ifindex);
		else
			assert_non_null(strstr(error.text, list[i].ifname));
	}
	free(list);
	snprintf(id.text, sizeof(id.text), "pci-ffff:ff:1f.7");
	assert_int_equal(find(&id, &nic, &error), -ENODEV);
	assert_non_null(strstr(error.text, "no NIC has path pci-ffff:ff:1f.7"));
}

static void ip(const char *command)
{
	char line[256];

	snprintf(line, sizeof(line), "ip %s", command);
	if (system(line))
		fail_msg("%s", line);
}

static void write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	if (!file || fputs(text, file) < 0 || fclose(file))
		fail_msg("%s: %s", path, strerror(errno));
}

/* Without root: root of a user namespace, which `ip` then inherits. */
static int leave_network(void)
{
	char map[32];
	int uid = geteuid();

	if (!uid)
		return unshare(CLONE_NEWNET);
	if (unshare(CLONE_NEWUSER | CLONE_NEWNET))
		return -1;
	snprintf(map, sizeof(map), "0 %d 1", uid);
	write_file("/proc/self/uid_map", map);
	return 0;
}

/* Everything below happens in a namespace that dies with this process. */
static int enter(void **unused)
{
	(void)unused;
	has_namespace = leave_network() == 0;
	if (!has_namespace) {
		print_message("  no network namespace for us here: %s\n", strerror(errno));
		return 0;
	}
	ip("link add e0 address 02:00:00:00:00:01 type veth peer name e1 address 02:00:00:00:00:02");
	ip("link add br0 address 02:00:00:00:00:01 type bridge");
	ip("link add mv0 link e0 address 02:00:00:00:00:01 type macvlan");
	return 0;
}

static void need_namespace(void)
{
	if (!has_namespace)
		skip();
}

/* The kernel tells the carrier's change to IFF_RUNNING from a work queue. */
static void expect_link(bool has_link)
{
	struct hg_error error;
	struct hg_nic nic;

	for (int tries = 0; tries < 2000; tries++) {
		assert_int_equal(find(&by_veth_mac, &nic, &error), 0);
		if (nic.has_link == has_link)
			break;
		usleep(10000);
	}
	assert_int_equal(nic.has_link, has_link);
	assert_true(nic.is_up);
}

static void test_stacked_devices_do_not_count(void **unused)
{
	struct hg_error error;
	struct hg_nic nic;

	(void)unused;
	need_namespace();
	assert_int_equal(find(&by_veth_mac, &nic, &error), 0);
	assert_string_equal(nic.ifname, "e0");
	assert_memory_equal(nic.mac, by_veth_mac.mac, 6);
	assert_false(nic.is_up);
	assert_false(nic.has_link);
	ip("link set e0 up");
	ip("link set e1 up");
	expect_link(true);
	ip("link set e1 down");
	expect_link(false);
}

static void test_stacked_device_counts_when_alone(void **unused)
{
	struct hg_nic_id id = { .by = HG_NIC_BY_MAC, .mac = { 2, 0, 0, 0, 0, 3 } };
	struct hg_error error;
	struct hg_nic nic;

	(void)unused;
	need_namespace();
	assert_int_equal(find(&id, &nic, &error), -ENODEV);
	ip("link add br3 address 02:00:00:00:00:03 type bridge");
	assert_int_equal(find(&id, &nic, &error), 0);
	assert_string_equal(nic.ifname, "br3");
}

static void test_two_of_a_kind_are_refused_by_name(void **unused)
{
	struct hg_error error;
	struct hg_nic nic = { .ifindex = -7 };

	(void)unused;
	need_namespace();
	ip("link set e1 address 02:00:00:00:00:01");
	assert_int_equal(find(&by_veth_mac, &nic, &error), -EEXIST);
	assert_int_equal(nic.ifindex, -7);
	assert_non_null(strstr(error.text, "several NICs have MAC 02:00:00:00:00:01"));
	assert_non_null(strstr(error.text, "e0 (02:00:00:00:00:01)"));
	assert_non_null(strstr(error.text, "e1 (02:00:00:00:00:01)"));
	assert_null(strstr(error.text, "br0"));
	ip("link set e1 address 02:00:00:00:00:02");
}

static void test_bridge_port_keeps_its_mac(void **unused)
{
	struct hg_error error;
	struct hg_nic nic;

	(void)unused;
	need_namespace();
	ip("link del mv0");
	ip("link set e0 master br0");
	assert_int_equal(find(&by_veth_mac, &nic, &error), 0);
	assert_string_equal(nic.ifname, "e0");
	ip("link set e0 nomaster");
}

static void test_names(void **unused)
{
	struct hg_nic_id id = by_name("e1");
	struct hg_error error;
	struct hg_nic nic;

	(void)unused;
	need_namespace();
	assert_int_equal(find(&id, &nic, &error), 0);
	assert_int_equal(nic.mac[5], 2);
	id = by_name("some-long-alternative-name");
	assert_int_equal(find(&id, &nic, &error), -ENODEV);
	ip("link property add dev e1 altname some-long-alternative-name");
	assert_int_equal(find(&id, &nic, &error), 0);
	assert_string_equal(nic.ifname, "e1");
	id = by_name("lo"); /* no Ethernet */
	assert_int_equal(find(&id, &nic, &error), -ENODEV);
	assert_non_null(strstr(error.text, "no NIC has name lo"));
	assert_non_null(strstr(error.text, "e0 (02:00:00:00:00:01)"));
}

static void test_list_longer_than_the_sentence(void **unused)
{
	struct hg_nic_id id = by_name("nope");
	char command[64];
	struct hg_error error;
	struct hg_nic nic;
	int i;

	(void)unused;
	need_namespace();
	for (i = 0; i < 30; i++) {
		snprintf(command, sizeof(command), "link add long-name-%d type bridge", i);
		ip(command);
	}
	assert_int_equal(find(&id, &nic, &error), -ENODEV);
	assert_in_range(strlen(error.text), 400, sizeof(error.text) - 1);
}

int main(void)
{
	const struct CMUnitTest here[] = {
		cmocka_unit_test(test_paths_of_this_machine),
		cmocka_unit_test(test_path_finds_its_nic),
	};
	const struct CMUnitTest namespace[] = {
		cmocka_unit_test(test_stacked_devices_do_not_count),
		cmocka_unit_test(test_stacked_device_counts_when_alone),
		cmocka_unit_test(test_two_of_a_kind_are_refused_by_name),
		cmocka_unit_test(test_bridge_port_keeps_its_mac),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_list_longer_than_the_sentence),
	};
	int failed = cmocka_run_group_tests_name("nic, this machine", here, NULL, NULL);

	return failed + cmocka_run_group_tests_name("nic, namespace", namespace, enter, NULL);
}
