// SPDX-License-Identifier: GPL-2.0-or-later
/* `replicate` of cluster.yaml: what is read of an entry, and what may not be one. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "config_fixture.h"

static void test_replicate(void **state)
{
	static const char head[] = "cluster: c\nnodes: { a: { id: 1 } }\nports: { lan: {} }\n";
	const struct hg_replicate *entry;
	uint8_t hash[16];
	char text[512];

	(void)state;
	config_write_text(head);
	config_expect_ok(config_read_cluster(fixture.path, NULL));
	assert_int_equal(fixture.cluster.replicate_count, 0);
	memcpy(hash, fixture.cluster.hash, sizeof(hash));
	hg_config_done(&fixture.cluster);
	snprintf(text, sizeof(text),
		 "%sreplicate:\n  - /etc/nftables.conf\n  - path: /etc/nginx\n"
		 "    owner: root:adm\n    mode: 0640\n    validate: nginx -t\n"
		 "    apply: systemctl reload nginx\n",
		 head);
	config_write_text(text);
	config_expect_ok(config_read_cluster(fixture.path, NULL));
	assert_int_equal(fixture.cluster.replicate_count, 2);
	entry = fixture.cluster.replicate;
	assert_string_equal(entry->path, "/etc/nftables.conf");
	assert_string_equal(entry->owner, "");
	assert_int_equal(entry->mode, -1);
	entry++;
	assert_string_equal(entry->path, "/etc/nginx");
	assert_string_equal(entry->owner, "root");
	assert_string_equal(entry->group, "adm");
	assert_int_equal(entry->mode, 0640);
	assert_string_equal(entry->validate, "nginx -t");
	assert_string_equal(entry->apply, "systemctl reload nginx");
	assert_memory_not_equal(hash, fixture.cluster.hash, sizeof(hash));
	hg_config_done(&fixture.cluster);
}

/* What makes a machine itself does not leave it. */
static void test_replicate_own(void **state)
{
	static const char *const own[] = { "/var/lib/hagate", "/var/lib/hagate/x", "/etc/hagate",
					   "/etc/hagate/cluster.key", "/run/hagate" };
	char text[512];

	(void)state;
	config_expect_ok(config_read_node(CONFIG_DATA "node.yaml"));
	for (unsigned int i = 0; i < COUNT(own); i++) {
		snprintf(
			text, sizeof(text),
			"cluster: c\nnodes: { gw1: { id: 1 } }\nports: { lan: {}, wan: {}, ha: {} }\n"
			"replicate: [%s]\n",
			own[i]);
		config_write_text(text);
		assert_int_equal(config_read_cluster(fixture.path, &fixture.node), -EINVAL);
		assert_non_null(strstr(fixture.text, "holds "));
		assert_int_equal(config_count_errors(), 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_replicate),
		cmocka_unit_test(test_replicate_own),
	};

	return cmocka_run_group_tests(tests, config_fixture_setup, config_fixture_teardown);
}
