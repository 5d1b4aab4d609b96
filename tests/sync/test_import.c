// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Packs that lie: cut off, altered, of another cluster, with deltas, with too much in too
 * little, with trees that name each other, with paths that lead elsewhere. Each is refused with
 * nothing of it visible, and with bounded memory: each import is a process whose peak is measured.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <zlib.h>
#include <cmocka.h>

#include "sync/store.h"
#include "tests/sync/rig.h"

#define OTHER_UUID "99999999-2222-4333-8444-555555555555"
#define PEAK_KIB_MAX (80 * 1024)

static struct rig rig;
static struct hg_head head; /* of gw1 */

static int setup(void **state)
{
	struct hg_head first;

	(void)state;
	rig_init(&rig, 64 * 1024);
	rig_now_ns = 0;
	rig_boot_id = rig_validate = rig_apply = NULL;
	rig_must(&rig, 0, rig_op_write_files, "first");
	rig_must(&rig, 0, rig_op_commit_apply, "first");
	first = rig_result->head;
	rig_fetch(&rig, 0, 1);
	rig_must(&rig, 1, rig_op_cycle, &first.oid);
	rig_must(&rig, 0, rig_op_write_files, "second");
	rig_must(&rig, 0, rig_op_commit_apply, "second");
	head = rig_result->head;
	rig_must(&rig, 1, rig_op_haves, NULL);
	rig_must(&rig, 0, rig_op_export, NULL);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	rig_done(&rig);
	return 0;
}

/* Imports; result->number is the peak of memory in KiB. */
static int op_measured(struct rig_node *node, void *arg)
{
	struct rusage usage;
	int r = rig_op_import(node, arg);

	getrusage(RUSAGE_SELF, &usage);
	node->result->number = (uint64_t)usage.ru_maxrss;
	return r;
}

static int count_refs(const char *name, const struct hg_oid *oid, void *arg)
{
	(void)oid;
	*(uint64_t *)arg += !strncmp(name, "refs/incoming/", 14) ||
			    !strncmp(name, "refs/diverged/", 14);
	return 0;
}

static int op_nothing_came(struct rig_node *node, void *arg)
{
	struct hg_generation generation;
	uint64_t refs = 0;

	if (!access("state/history.git/incoming", F_OK))
		return hg_sync_fail(&node->error, -EEXIST, "incoming/ is there");
	if (!hg_history_get(node->history, &((struct hg_head *)arg)->oid, &generation))
		return hg_sync_fail(&node->error, -EEXIST, "the generation is there");
	hg_history_refs(node->history, count_refs, &refs);
	return refs ? hg_sync_fail(&node->error, -EEXIST, "a ref more") : 0;
}

static void expect_refused(struct hg_head *claimed, int error)
{
	assert_int_equal(rig_run(&rig, 1, op_measured, claimed, NULL), error);
	print_message("  refused: %s (peak %" PRIu64 " KiB)\n", rig_result->text,
		      rig_result->number);
	assert_true(rig_result->number < PEAK_KIB_MAX);
	rig_must(&rig, 1, op_nothing_came, claimed);
	assert_int_equal(rig_result->head.number, 1);
}

/* --- the pack as octets -------------------------------------------------------------- */

static unsigned char pack[4 * 1024 * 1024];
static size_t pack_length;

static void pack_path(char *ret, size_t size)
{
	snprintf(ret, size, "%s/wire/pack", rig.base);
}

static void load_pack(void)
{
	char path[128];
	FILE *file;

	pack_path(path, sizeof(path));
	file = fopen(path, "r");
	assert_non_null(file);
	pack_length = fread(pack, 1, sizeof(pack), file);
	fclose(file);
}

static void save_pack(size_t length)
{
	char path[128];
	FILE *file;

	pack_path(path, sizeof(path));
	file = fopen(path, "w");
	assert_non_null(file);
	assert_int_equal(fwrite(pack, 1, length, file), length);
	fclose(file);
}

static void test_cut_off(void **state)
{
	static const size_t keep[] = { 0, 4, 12, 31, 32, 40 };
	size_t i;

	(void)state;
	load_pack();
	for (i = 0; i < 6; i++) {
		save_pack(keep[i]);
		expect_refused(&head, -EBADMSG);
	}
	for (i = 1; i < 8; i++) {
		save_pack(pack_length * i / 8);
		expect_refused(&head, -EBADMSG);
	}
	save_pack(pack_length - 1);
	expect_refused(&head, -EBADMSG);
	save_pack(pack_length);
	rig_must(&rig, 1, op_measured, &head);
}

/* One octet at a time (with SYNC_FULL each of them): no altered pack gets in. */
static void test_altered(void **state)
{
	size_t i;

	(void)state;
	load_pack();
	for (i = 0; i < pack_length; i += getenv("SYNC_FULL") ? 1 : 29) {
		pack[i] ^= 1u << i % 8;
		save_pack(pack_length);
		pack[i] ^= 1u << i % 8;
		if (!rig_run(&rig, 1, op_measured, &head, NULL))
			fail_msg("octet %zu altered and accepted", i);
		if (rig_result->r != -EBADMSG && rig_result->r != -E2BIG)
			fail_msg("octet %zu: %s", i, rig_result->text);
	}
	rig_must(&rig, 1, op_nothing_came, &head);
}

static void test_wrong_head(void **state)
{
	struct hg_head claimed = head;

	(void)state;
	claimed.oid.id[3] ^= 1;
	expect_refused(&claimed, -EBADMSG);
	claimed = head;
	claimed.number++;
	expect_refused(&claimed, -EBADMSG);
	claimed = head;
	strcpy(claimed.cluster, OTHER_UUID);
	expect_refused(&claimed, -EXDEV);
	strcpy(claimed.cluster, "../../etc");
	expect_refused(&claimed, -EBADMSG);
}

/* --- packs made here: octet by octet ------------------------------------------------------ */

static void begin_pack(uint32_t count)
{
	const unsigned char start[12] = {
		'P',
		'A',
		'C',
		'K',
		0,
		0,
		0,
		2,
		(unsigned char)(count >> 24),
		(unsigned char)(count >> 16),
		(unsigned char)(count >> 8),
		(unsigned char)count,
	};

	memcpy(pack, start, sizeof(start));
	pack_length = sizeof(start);
}

static void add_head(unsigned int type, uint64_t size)
{
	unsigned char octet = (unsigned char)(type << 4 | (size & 15));

	for (size >>= 4; size; size >>= 7) {
		pack[pack_length++] = octet | 0x80;
		octet = size & 0x7f;
	}
	pack[pack_length++] = octet;
}

/* `real` zero octets, deflated, announced as `size`. */
static void add_zeros(uint64_t size, uint64_t real)
{
	static unsigned char zeros[65536];
	z_stream zlib = { 0 };
	uint64_t left = real;
	int r;

	add_head(3, size);
	assert_int_equal(deflateInit(&zlib, 9), Z_OK);
	zlib.next_out = pack + pack_length;
	zlib.avail_out = (uInt)(sizeof(pack) - pack_length - 64);
	do {
		if (!zlib.avail_in && left) {
			zlib.next_in = zeros;
			zlib.avail_in = left < sizeof(zeros) ? (uInt)left : sizeof(zeros);
			left -= zlib.avail_in;
		}
		r = deflate(&zlib, left ? Z_NO_FLUSH : Z_FINISH);
	} while (r == Z_OK);
	assert_int_equal(r, Z_STREAM_END);
	pack_length += zlib.total_out;
	deflateEnd(&zlib);
}

/* Its hash is wrong; it must be refused before anybody asks for the hash. */
static void end_pack(void)
{
	memset(pack + pack_length, 0, 20);
	pack_length += 20;
	save_pack(pack_length);
}

static void test_bombs(void **state)
{
	unsigned int i;

	(void)state;
	begin_pack(1); /* 1 GiB in 1 MiB, and it says so */
	add_zeros(UINT64_C(1) << 30, UINT64_C(1) << 30);
	end_pack();
	expect_refused(&head, -E2BIG);
	begin_pack(1); /* it says that it is small */
	add_zeros(100, UINT64_C(1) << 30);
	end_pack();
	expect_refused(&head, -EBADMSG);
	begin_pack(100); /* each within its limit */
	for (i = 0; i < 100; i++)
		add_zeros(15u << 20, 15u << 20);
	end_pack();
	expect_refused(&head, -E2BIG);
	begin_pack(0xffffffff);
	add_zeros(1, 1);
	end_pack();
	expect_refused(&head, -E2BIG);
	begin_pack(1); /* a delta, which names a result of any size */
	add_head(7, 10);
	end_pack();
	expect_refused(&head, -EBADMSG);
	begin_pack(1); /* a size of more than 64 bits */
	memset(pack + pack_length, 0xff, 20);
	pack_length += 20;
	end_pack();
	expect_refused(&head, -EBADMSG);
}

/* --- packs made by a git of somebody's own ---------------------------------------------------- */

static int op_script(struct rig_node *node, void *arg)
{
	char line[8192];

	snprintf(line, sizeof(line),
		 "set -e; cd %s/wire; rm -rf x.git; git init -q --bare x.git; export GIT_DIR=x.git "
		 "GIT_AUTHOR_NAME=gw1 GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=gw1 "
		 "GIT_COMMITTER_EMAIL=a@b; here=%s; git fetch -q $here/state/history.git "
		 "main:main; git config pack.window 0;\n"
		 "commit() { printf 'x\\n\\nHagate-Generation: %%s\\nHagate-Cluster: %%s\\n"
		 "Hagate-Node: gw1\\nHagate-Reason: commit\\n' $2 ${4:-" RIG_UUID
		 "} | git commit-tree $1 ${3:+-p} $3; }\n"
		 "old=$(git rev-parse main^); tree=$(git rev-parse main^{tree})\n%s\n"
		 "echo $new > new; printf '%%s\\n^%%s\\n' $new $old | git pack-objects -q --revs "
		 "--delta-base-offset --depth=0 --stdout > pack",
		 node->rig->base, node->here, (char *)arg);
	return system(line) ? -EIO : 0;
}

/* Runs on gw1, so that its history can be read. */
static struct hg_head make_pack(const char *script, uint64_t number)
{
	struct hg_head made = head;
	char path[128], text[64];
	FILE *file;

	rig_must(&rig, 0, op_script, (void *)script);
	snprintf(path, sizeof(path), "%s/wire/new", rig.base);
	file = fopen(path, "r");
	assert_non_null(file);
	assert_non_null(fgets(text, sizeof(text), file));
	fclose(file);
	text[40] = '\0';
	assert_true(hg_oid_parse(text, &made.oid));
	made.number = number;
	return made;
}

struct forged {
	const char *what, *script;
	uint64_t number;
	int error;
};

/* $m: the manifest of main with a change; mk: a tree of it and the files. */
#define TREE                                                                                      \
	"mk() { { printf '100644 blob %s\\tcluster.yaml\\n' $(git rev-parse main:cluster.yaml); " \
	"printf '100644 blob %s\\tmanifest\\n' $(printf '%s\\n' \"$m\" | git hash-object -w "     \
	"--stdin); "                                                                              \
	"printf '040000 tree %s\\tfiles\\n' ${1:-$(git rev-parse main:files)}; } | git mktree; "  \
	"}\nm=$(git show main:manifest)\n"

static const struct forged forged[] = {
	{ "sound", "new=$(commit $tree 7 $old)", 7, 0 },
	{ "number does not rise", "new=$(commit $tree 1 $old)", 1, -EBADMSG },
	{ "another cluster", "new=$(commit $tree 5 $old " OTHER_UUID ")", 5, -EXDEV },
	{ "no trailers", "new=$(echo x | git commit-tree $tree -p $old)", 5, -EBADMSG },
	{ "two parents",
	  "o=$(commit $tree 3 $old); new=$(printf 'x\\n\\nHagate-Generation: 5\\nHagate-Cluster: "
	  "" RIG_UUID "\\nHagate-Node: gw1\\nHagate-Reason: y\\n' | git commit-tree $tree -p $old "
	  "-p $o)",
	  5, -EBADMSG },
	{ "no manifest",
	  "t=$(git ls-tree main | grep -v manifest | git mktree); new=$(commit $t 5 $old)", 5,
	  -EBADMSG },
	{ "a file more in the tree",
	  "t=$({ git ls-tree main; printf '100644 blob %s\\tx\\n' $(git rev-parse main:manifest); "
	  "} | git mktree); new=$(commit $t 5 $old)",
	  5, -EBADMSG },
	{ "a submodule",
	  "t=$({ git ls-tree main; printf '160000 commit %s\\tx\\n' $old; } | git mktree); "
	  "new=$(commit $t 5 $old)",
	  5, -EBADMSG },
	{ "path with ..",
	  TREE "m=$(echo \"$m\" | sed 's:etc/app/a.conf:etc/app/../a:'); new=$(commit "
	       "$(mk) 5 $old)",
	  5, -EBADMSG },
	{ "path outside its entry",
	  TREE "m=$(echo \"$m\" | sed 's:etc/app/a.conf:etc/shadow:'); new=$(commit $(mk) 5 $old)",
	  5, -EBADMSG },
	{ "entry too high",
	  TREE
	  "m=$(echo \"$m\" | sed 's:^entry.*one.conf:entry\\t/etc:'); new=$(commit $(mk) 5 $old)",
	  5, -EBADMSG },
	{ "owner with a slash",
	  TREE
	  "m=$(echo \"$m\" | sed 's:\\troot\\troot:\\t../x\\troot:'); new=$(commit $(mk) 5 $old)",
	  5, -EBADMSG },
	{ "set-user-id", TREE "m=$(echo \"$m\" | sed 's:0644:4755:'); new=$(commit $(mk) 5 $old)",
	  5, -EBADMSG },
	{ "a line twice",
	  TREE "m=$(echo \"$m\"; echo \"$m\" | tail -1); new=$(commit $(mk) 5 $old)", 5, -EBADMSG },
	{ "not in its one form",
	  TREE "m=$(echo \"$m\" | sed 's:one.conf:one\\\\x2econf:'); new=$(commit $(mk) 5 $old)", 5,
	  -EBADMSG },
	{ "a NUL by escape",
	  TREE "m=$(echo \"$m\" | sed 's:one.conf:one\\\\x00conf:'); new=$(commit $(mk) 5 $old)", 5,
	  -EBADMSG },
	{ "trees that name each other: 8^30 files",
	  TREE "t=$(printf '100644 blob %s\\tx\\n' $(git rev-parse main:manifest) | git mktree); "
	       "for i in $(seq 30); do t=$(for j in 1 2 3 4 5 6 7 8; do printf '040000 tree "
	       "%s\\t%s\\n' $t $j; done | git mktree); done; new=$(commit $(mk $t) 5 $old)",
	  5, -EBADMSG },
};

static void test_forged(void **state)
{
	struct hg_head made;
	size_t i;

	(void)state;
	for (i = sizeof(forged) / sizeof(forged[0]); i-- > 0;) {
		print_message("%s:\n", forged[i].what);
		made = make_pack(forged[i].script, forged[i].number);
		if (forged[i].error) {
			expect_refused(&made, forged[i].error);
			continue;
		}
		rig_must(&rig, 1, op_measured, &made);
		assert_int_equal(rig_result->relation, HG_RELATION_BEHIND);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_cut_off), TEST(test_altered), TEST(test_wrong_head),
		TEST(test_bombs),   TEST(test_forged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
