// SPDX-License-Identifier: GPL-2.0-or-later
/* What is carried from node to node, what is refused and with which words, lists that are wrong,
 * and a history of many generations. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "tests/sync/fixture.h"

static int op_shell(struct rig_node *node, void *arg)
{
	(void)node;
	return system(arg) ? -ENOMSG : 0;
}

/* In BASE/here; without the store, so that a look does not recover anything. */
static int shell(int index, const char *script)
{
	int r;

	rig_is_without_store = true;
	r = rig_run(&rig, index, op_shell, (void *)script, NULL);
	rig_is_without_store = false;
	return r;
}

static void expect_carried(const char *make, const char *check)
{
	struct hg_head head;

	assert_int_equal(shell(0, make), 0);
	rig_must(&rig, 0, rig_op_commit_apply, "x");
	head = rig_result->head;
	assert_int_equal(rig_fetch(&rig, 0, 1), HG_RELATION_BEHIND);
	rig_must(&rig, 1, rig_op_cycle, &head.oid);
	assert_int_equal(shell(0, check), 0);
	assert_int_equal(shell(1, check), 0);
	/* What was applied is what would be committed. */
	assert_int_equal(rig_run(&rig, 1, rig_op_commit, "x", NULL), -EALREADY);
}

static void test_carried(void **state)
{
	(void)state;
	expect_carried("mkdir -p etc/app/sub/deep etc/app/empty && echo x > etc/app/sub/deep/f && "
		       "ln -s ../a.conf etc/app/sub/link && ln -s /nonexistent/x etc/app/dangling",
		       "test \"$(cat etc/app/sub/deep/f)\" = x && test -d etc/app/empty && test "
		       "\"$(readlink etc/app/sub/link)\" = ../a.conf && test \"$(readlink "
		       "etc/app/dangling)\" = /nonexistent/x");
	expect_carried(
		"chmod 0640 etc/app/a.conf && chown daemon:adm etc/app/a.conf && chmod 0751 "
		"etc/app/sub && chown -h daemon:adm etc/app/sub/link && chmod 02750 "
		"etc/app/empty && chmod 0755 etc/one.conf",
		"test \"$(stat -c %a:%U:%G etc/app/a.conf)\" = 640:daemon:adm && test "
		"\"$(stat -c %a etc/app/sub)\" = 751 && test \"$(stat -c %U "
		"etc/app/sub/link)\" = daemon && test \"$(stat -c %a etc/app/empty)\" = 2750 "
		"&& test \"$(stat -c %a etc/one.conf)\" = 755");
	/* A directory becomes a file, a file a directory, a link a file; things go away. */
	expect_carried("rm -r etc/app/sub etc/app/dangling && echo f > etc/app/sub && rm "
		       "etc/app/a.conf etc/one.conf && mkdir etc/app/a.conf etc/one.conf && echo y "
		       "> etc/app/a.conf/y && rmdir etc/app/empty && echo d > etc/app/dangling",
		       "test -f etc/app/sub && test \"$(cat etc/app/a.conf/y)\" = y && test ! -e "
		       "etc/app/empty && test -f etc/app/dangling && test -d etc/one.conf");
	expect_carried("touch \"$(printf 'etc/app/a\\nb')\" 'etc/app/back\\slash' \"etc/app/it's\" "
		       "etc/app/.hidden && chown 4711:4712 etc/app/.hidden",
		       "test -e \"$(printf 'etc/app/a\\nb')\" && test -e 'etc/app/back\\slash' && "
		       "test -e \"etc/app/it's\" && test \"$(stat -c %u:%g etc/app/.hidden)\" = "
		       "4711:4712");
}

static void expect_refused(const char *make, const char *words, int error)
{
	assert_int_equal(shell(0, make), 0);
	if (rig_run(&rig, 0, rig_op_commit, "x", NULL) != error || !strstr(rig_result->text, words))
		fail_msg("%s: %s, '%s'", make, strerror(-rig_result->r), rig_result->text);
}

static void test_refused(void **state)
{
	(void)state;
	expect_refused("mkfifo etc/app/fifo", "etc/app/fifo is a device, FIFO or socket", -EINVAL);
	expect_refused("rm etc/app/fifo; mknod etc/app/null c 1 3",
		       "etc/app/null is a device, FIFO or socket", -EINVAL);
	expect_refused("rm etc/app/null; cp /bin/true etc/app/su; chmod 4755 etc/app/su",
		       "etc/app/su has a set-id bit", -EINVAL);
	expect_refused("rm etc/app/su; mkdir etc/app/.git", "etc/app/.git cannot be carried",
		       -EINVAL);
	expect_refused("rmdir etc/app/.git; truncate -s 17M etc/app/big",
		       "etc/app/big is larger than 16 MiB", -EINVAL);
	expect_refused("rm etc/app/big; mkdir -p etc/app/1/$(seq -s/ 2 40)", "is too deep",
		       -EINVAL);
	expect_refused("rm -r etc/app/1; mv etc/one.conf etc/real; ln -s real etc/one.conf",
		       "etc/one.conf is a symbolic link: list what it points to", -EINVAL);
	expect_refused("rm etc/one.conf", "etc/one.conf is listed in replicate, but does not exist",
		       -ENOENT);
	expect_refused("mv etc/real etc/one.conf; mv etc real-etc; ln -s real-etc etc",
		       "lies behind a symbolic link", -EINVAL);
	expect_refused("rm etc; mv real-etc etc; mv cluster.yaml x", "cluster.yaml does not exist",
		       -ENOENT);
	assert_int_equal(shell(0, "mv x cluster.yaml"), 0);
	rig_must(&rig, 0, rig_op_commit, "x");
}

/* The user of a package that is not installed on the other node. */
static void test_missing_here(void **state)
{
	struct hg_head head;

	(void)state;
	rig_must(&rig, 0, rig_op_commit_apply, "x");
	head = rig_result->head;
	rig_fetch(&rig, 0, 1);
	assert_int_equal(shell(1, "rm -r etc"), 0);
	assert_int_equal(rig_run(&rig, 1, rig_op_cycle, &head.oid, NULL), -ENOENT);
	assert_non_null(strstr(rig_result->text, "Is the package that makes it installed here?"));
	assert_int_equal(shell(1, "test ! -e cluster.yaml && test ! -e etc"), 0);
}

static int op_commit_owned(struct rig_node *node, void *arg)
{
	char *const *owner = arg;

	for (unsigned int i = 0; i < node->entry_count; i++) {
		snprintf(node->entry[i].owner, sizeof(node->entry[i].owner), "%s", owner[0]);
		snprintf(node->entry[i].group, sizeof(node->entry[i].group), "%s", owner[1]);
	}
	return rig_op_commit_apply(node, "x");
}

/* Who owns the files is not known: where they were made, or where they are learnt. */
static void test_owner_missing(void **state)
{
	char *user[] = { "hg-nobody", "root" }, *group[] = { "root", "hg-nogroup" };
	struct hg_head head;

	(void)state;
	assert_int_equal(rig_run(&rig, 0, op_commit_owned, user, NULL), -ENOENT);
	assert_non_null(strstr(rig_result->text, "belongs to user 'hg-nobody'"));
	assert_non_null(strstr(rig_result->text, "/etc/app"));
	assert_non_null(strstr(rig_result->text, "install the package"));
	assert_int_equal(rig_run(&rig, 0, op_commit_owned, group, NULL), -ENOENT);
	assert_non_null(strstr(rig_result->text, "belongs to group 'hg-nogroup'"));
	/* In the mount namespace of the first node alone. */
	assert_int_equal(shell(0,
			       "(cat /etc/passwd; echo hg-nobody:x:64999:0::/:/bin/false) > p && "
			       "mount --bind p /etc/passwd"),
			 0);
	rig_must(&rig, 0, op_commit_owned, user);
	head = rig_result->head;
	rig_fetch(&rig, 0, 1);
	assert_int_equal(rig_run(&rig, 1, rig_op_cycle, &head.oid, NULL), -ENOENT);
	assert_non_null(strstr(rig_result->text, "belongs to user 'hg-nobody'"));
	assert_non_null(strstr(rig_result->text, "install the package"));
}

static void test_lists(void **state)
{
	static const char *const bad[] = { "etc/x",	"/etc",	     "/",	  "/etc/",
					   "/etc//x",	"/etc/./x",  "/etc/../x", "/etc/x/",
					   "/etc/.git", "/etc/.GIT", "",	  "/etc/x/.." };
	static const char *const forbidden[] = { "/var/lib/hagate", "/etc/hagate/node.yaml", NULL };
	struct hg_entry entry[2] = { { .mode = -1 }, { .mode = -1 } };
	struct hg_sync_error error;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		strcpy(entry[0].path, bad[i]);
		assert_int_equal(hg_entries_check(entry, 1, NULL, &error), -EINVAL);
	}
	strcpy(entry[0].path, "/etc/nginx");
	strcpy(entry[1].path, "/etc/nginx/conf.d");
	assert_int_equal(hg_entries_check(entry, 2, NULL, &error), -EINVAL);
	strcpy(entry[1].path, "/etc/nginx-extra");
	assert_int_equal(hg_entries_check(entry, 2, forbidden, &error), 0);
	strcpy(entry[1].path, "/etc/hagate");
	assert_int_equal(hg_entries_check(entry, 2, forbidden, &error), -EINVAL);
	assert_non_null(strstr(error.text, "belongs to this node alone"));
	strcpy(entry[1].path, "/var/lib/hagate/x");
	assert_int_equal(hg_entries_check(entry, 2, forbidden, &error), -EINVAL);
	strcpy(entry[1].path, "/etc/x");
	entry[1].mode = 04755;
	assert_int_equal(hg_entries_check(entry, 2, NULL, &error), -EINVAL);
	entry[1].mode = 0640;
	strcpy(entry[1].owner, "a:b");
	assert_int_equal(hg_entries_check(entry, 2, NULL, &error), -EINVAL);
	assert_int_equal(hg_entries_check(entry, HG_ENTRIES_MAX + 1, NULL, &error), -EINVAL);
}

/* Texts near a sound manifest: parsed or refused, never anything else (run under ASan too). */
static void test_manifest_noise(void **state)
{
	static const char sound[] = "hagate-manifest 1\n"
				    "entry\t/etc/app\nowner\troot\nmode\t0640\ntimeout\t10\n"
				    "validate\ttrue \\x5c\n"
				    "directory\t0755\troot\troot\t/etc/app\n"
				    "file\t0640\troot\t#12\t/etc/app/a\\x0ab\n"
				    "link\t0777\troot\troot\t/etc/app/l\n"
				    "file\t0644\troot\troot\tcluster.yaml\n";
	struct hg_file_set set;
	char text[sizeof(sound)];
	unsigned int i, accepted = 0;

	(void)state;
	assert_int_equal(hg_manifest_parse(sound, sizeof(sound) - 1, &set, NULL), 0);
	assert_int_equal(set.file_count, 4);
	assert_string_equal(set.file[1].path, "/etc/app/a\nb");
	assert_string_equal(set.entry[0].validate, "true \\");
	hg_file_set_done(&set);
	srand(1);
	for (i = 0; i < 200000; i++) {
		memcpy(text, sound, sizeof(sound));
		text[(size_t)rand() % (sizeof(sound) - 1)] = (char)rand();
		if (rand() % 2)
			text[(size_t)rand() % (sizeof(sound) - 1)] = "\t\n\\x/.0"[rand() % 7];
		if (hg_manifest_parse(text, sizeof(sound) - 1 - (size_t)rand() % 3, &set, NULL))
			continue;
		accepted++;
		hg_file_set_done(&set);
	}
	print_message("  %u of %u accepted\n", accepted, i);
	assert_true(accepted > 0 && accepted < i / 2);
}

/* --- many generations ---------------------------------------------------------------------- */

static int op_many(struct rig_node *node, void *arg)
{
	struct hg_generation made;
	struct hg_apply_report report;
	char text[32];
	int i, r = 0;

	for (i = 0; i < *(int *)arg && !r; i++) {
		snprintf(text, sizeof(text), "number %d", i);
		rig_op_write_files(node, text);
		r = hg_apply_commit(node->apply, node->entry, node->entry_count, RIG_UUID, text,
				    &made, &node->error);
		if (!r)
			r = hg_apply_stage(node->apply, &made.oid, 0, &report, &node->error);
		if (!r)
			r = hg_apply_switch(node->apply, 0, &report, &node->error);
	}
	return r;
}

static int op_all_there(struct rig_node *node, void *arg)
{
	struct hg_generation generation;
	struct hg_file_set set;
	int i, r = 0;

	for (i = 1; i <= *(int *)arg && !r; i++) {
		r = hg_history_find(node->history, (uint64_t)i, &generation);
		if (!r)
			r = hg_history_load(node->history, &generation.oid, &set, &node->error);
		if (!r)
			hg_file_set_done(&set);
	}
	return r;
}

static void test_many_generations(void **state)
{
	struct hg_head head;
	int many = 150;

	(void)state;
	rig_must(&rig, 0, op_many, &many);
	head = rig_result->head;
	assert_int_equal(head.number, many);
	rig_must(&rig, 0, op_all_there, &many);
	/* The start after that put its packs together. */
	assert_int_equal(shell(0,
			       "test $(ls state/history.git/objects/pack/*.idx | wc -l) -le 2 && "
			       "git --git-dir=state/history.git fsck --strict --full"),
			 0);
	rig_must(&rig, 0, op_all_there, &many);
	assert_int_equal(rig_fetch(&rig, 0, 1), HG_RELATION_BEHIND);
	rig_must(&rig, 1, rig_op_cycle, &head.oid);
	rig_must(&rig, 1, op_all_there, &many);
	/* A learner far behind gets what it lacks and no more. */
	rig_must(&rig, 0, op_many, &many);
	head = rig_result->head;
	assert_int_equal(rig_fetch(&rig, 0, 1), HG_RELATION_BEHIND);
	rig_must(&rig, 1, rig_op_cycle, &head.oid);
	assert_int_equal(rig_result->head.number, 2 * many);
}

/* As plain git shows it; and what its gc leaves, deltas, does not reach the other node. */
static void test_plain_git(void **state)
{
	struct hg_head head;

	(void)state;
	rig_must(&rig, 0, rig_op_commit_apply, "the firewall lets 443 in");
	rig_must(&rig, 0, rig_op_write_files, "second");
	rig_must(&rig, 0, rig_op_commit_apply, "and 80");
	assert_int_equal(
		shell(0, "G='git --git-dir=state/history.git'; $G log --format='%an %s' main | "
			 "head -1 | grep -qx 'gw1 and 80' && $G log -1 --format=%B main | grep -qx "
			 "'Hagate-Generation: 2' && $G diff main~ main -- cluster.yaml | grep -qx "
			 "'+second in cluster.yaml' && $G fsck --strict --full"),
		0);
	assert_int_equal(shell(0, "for i in $(seq 2000); do echo line $i; done > etc/app/long"), 0);
	rig_must(&rig, 0, rig_op_commit_apply, "long");
	assert_int_equal(shell(0, "echo more >> etc/app/long"), 0);
	rig_must(&rig, 0, rig_op_commit_apply, "longer");
	head = rig_result->head;
	assert_int_equal(shell(0,
			       "G='git --git-dir=state/history.git'; $G repack -qad --window=10; "
			       "$G verify-pack -v $(ls state/history.git/objects/pack/*.idx) | "
			       "grep -q 'chain length'"),
			 0);
	assert_int_equal(rig_fetch(&rig, 0, 1), HG_RELATION_BEHIND);
	rig_must(&rig, 1, rig_op_cycle, &head.oid);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup_files, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_carried),	      TEST(test_refused),
		TEST(test_missing_here),      TEST(test_owner_missing),
		cmocka_unit_test(test_lists), cmocka_unit_test(test_manifest_noise),
		TEST(test_many_generations),  TEST(test_plain_git),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
