// SPDX-License-Identifier: GPL-2.0-or-later
/* Namespaces, and the processes that operations run in. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/sync/trace.h"

const char *const rig_names[2] = { "gw1", "gw2" };
struct rig_result *rig_result;
uint64_t rig_now_ns;
const char *rig_boot_id;
const char *rig_validate, *rig_apply;
unsigned int rig_timeout_s;
bool rig_is_without_store;

#define CHECK(x)                                                                   \
	do {                                                                       \
		if (!(x)) {                                                        \
			fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, #x, \
				strerror(errno));                                  \
			abort();                                                   \
		}                                                                  \
	} while (0)

static void mount_here(const struct rig *rig, const char *path, unsigned int kib)
{
	char options[64], disk[96];

	snprintf(options, sizeof(options), "size=%uk,mode=0755", kib);
	if (!getenv("SYNC_ON_DISK")) {
		CHECK(!mount("tmpfs", path, "tmpfs", 0, options));
		return;
	}
	snprintf(disk, sizeof(disk), "%s/disk%d", rig->base, getpid());
	CHECK(!mkdir(disk, 0755) && !mount(disk, path, NULL, MS_BIND, NULL));
}

static int make_namespace(struct rig *rig, unsigned int kib)
{
	char path[128];
	int ready[2], end[2], fd;
	pid_t pid;
	char c;

	CHECK(!pipe(ready) && !pipe(end));
	pid = fork();
	if (!pid) {
		snprintf(path, sizeof(path), "%s/here", rig->base);
		CHECK(!unshare(CLONE_NEWNS));
		CHECK(!mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
		mount_here(rig, path, kib);
		CHECK(!chdir(path));
		CHECK(!mkdir("state", 0700) && !mkdir("etc", 0755) && !mkdir("etc/app", 0755));
		CHECK(write(ready[1], "x", 1) == 1 && read(end[0], &c, 1) == 1);
		_exit(0);
	}
	CHECK(pid > 0 && read(ready[0], &c, 1) == 1);
	snprintf(path, sizeof(path), "/proc/%d/ns/mnt", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	CHECK(fd >= 0 && write(end[1], "x", 1) == 1 && waitpid(pid, NULL, 0) == pid);
	close(ready[0]);
	close(ready[1]);
	close(end[0]);
	close(end[1]);
	return fd;
}

void rig_init(struct rig *rig, unsigned int kib)
{
	struct hg_history *history;
	char path[128];

	/* libgit2 is set up once, not in each of thousands of children. */
	CHECK(hg_history_open("/nonexistent", false, &history, NULL) == -ENOENT);
	if (!rig_result)
		rig_result = mmap(NULL, sizeof(*rig_result), PROT_READ | PROT_WRITE,
				  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(rig_result != MAP_FAILED);
	snprintf(rig->base, sizeof(rig->base), "/tmp/hagate-sync.XXXXXX");
	CHECK(mkdtemp(rig->base));
	snprintf(path, sizeof(path), "%s/here", rig->base);
	CHECK(!mkdir(path, 0755));
	snprintf(path, sizeof(path), "%s/wire", rig->base);
	CHECK(!mkdir(path, 0755));
	rig->ns[0] = make_namespace(rig, kib);
	rig->ns[1] = make_namespace(rig, kib);
}

void rig_done(struct rig *rig)
{
	char command[128];

	close(rig->ns[0]);
	close(rig->ns[1]);
	/* The tmpfs are gone with their namespaces: here/ is empty. */
	snprintf(command, sizeof(command), "rm -rf --one-file-system %s", rig->base);
	CHECK(!system(command));
}

static uint64_t fixed_now(void)
{
	return rig_now_ns;
}

static void add_entry(struct rig_node *node, const char *name)
{
	struct hg_entry *entry = &node->entry[node->entry_count++];

	rig_path(node, name, entry->path, sizeof(entry->path));
	entry->mode = -1;
}

static int open_store(struct rig_node *node)
{
	char state[128], cluster[128];
	struct hg_apply_options options = {
		.state_dir = state,
		.node = rig_names[node->index],
		.cluster_path = cluster,
		.now_ns = rig_now_ns ? fixed_now : NULL,
		.boot_id = rig_boot_id,
	};
	int r;

	rig_path(node, "state", state, sizeof(state));
	rig_path(node, "cluster.yaml", cluster, sizeof(cluster));
	r = hg_history_open(state, true, &node->history, &node->error);
	if (!r)
		r = hg_apply_new(&options, node->history, &node->apply, &node->error);
	if (!r)
		r = hg_apply_recover(node->apply, &node->result->report, &node->error);
	return r;
}

static void run_op(struct rig *rig, int index, rig_op *op, void *arg, bool is_traced)
{
	struct rig_node *node = calloc(1, sizeof(*node));
	int r = 0;

	CHECK(node && !setns(rig->ns[index], CLONE_NEWNS));
	node->rig = rig;
	node->index = index;
	node->result = rig_result;
	snprintf(node->here, sizeof(node->here), "%s/here", rig->base);
	CHECK(!chdir(node->here));
	add_entry(node, "etc/app");
	add_entry(node, "etc/one.conf");
	if (rig_validate)
		snprintf(node->entry[0].validate, sizeof(node->entry[0].validate), "%s",
			 rig_validate);
	node->entry[0].timeout_s = rig_timeout_s;
	if (rig_apply)
		snprintf(node->entry[0].apply, sizeof(node->entry[0].apply), "%s", rig_apply);
	if (is_traced)
		trace_me();
	if (!rig_is_without_store)
		r = open_store(node);
	if (!r)
		r = op(node, arg);
	if (node->history)
		hg_history_describe(node->history, &rig_result->head);
	if (node->apply)
		hg_apply_status(node->apply, &rig_result->status);
	rig_result->r = r;
	memcpy(rig_result->text, node->error.text, sizeof(rig_result->text));
	hg_apply_free(node->apply);
	hg_history_free(node->history);
	free(node);
}

int rig_run(struct rig *rig, int index, rig_op *op, void *arg, struct rig_fault *fault)
{
	int status = 0;
	pid_t pid;

	memset(rig_result, 0, sizeof(*rig_result));
	rig_result->r = -EINTR;
	fflush(NULL);
	pid = fork();
	CHECK(pid >= 0);
	if (!pid) {
		run_op(rig, index, op, arg, fault != NULL);
		_exit(0);
	}
	if (fault)
		status = trace_run(pid, fault);
	else
		CHECK(waitpid(pid, &status, 0) == pid);
	if (WIFSIGNALED(status) && (WTERMSIG(status) != SIGKILL || !fault)) {
		fprintf(stderr, "%s ended by signal %d\n", rig_names[index], WTERMSIG(status));
		abort();
	}
	return rig_result->r;
}

void rig_must(struct rig *rig, int index, rig_op *op, void *arg)
{
	int r = rig_run(rig, index, op, arg, NULL);

	if (!r)
		return;
	fprintf(stderr, "%s: %s: %s\n", rig_names[index], strerror(-r), rig_result->text);
	abort();
}

/* --- files ------------------------------------------------------------------------------ */

void rig_path(struct rig_node *node, const char *name, char *ret, size_t size)
{
	CHECK(snprintf(ret, size, "%s/%s", node->here, name) < (int)size);
}

void rig_write(struct rig_node *node, const char *name, const char *text)
{
	char path[256];
	FILE *file;

	rig_path(node, name, path, sizeof(path));
	file = fopen(path, "w");
	CHECK(file && fputs(text, file) >= 0 && !fclose(file));
}

char *rig_read(struct rig_node *node, const char *name)
{
	static char text[65536];
	char path[256];
	FILE *file;
	size_t n;

	rig_path(node, name, path, sizeof(path));
	file = fopen(path, "r");
	if (!file)
		return NULL;
	n = fread(text, 1, sizeof(text) - 1, file);
	text[n] = '\0';
	fclose(file);
	return text;
}

static bool is_expected(const char *dir, const char *name)
{
	static const char *const state[] = { "history.git", "history.lock", "validate" };
	size_t i;

	if (strcmp(dir, "state") != 0)
		return strncmp(name, ".hagate", 7) != 0;
	for (i = 0; i < 3; i++)
		if (!strcmp(name, state[i]))
			return true;
	return false;
}

int rig_find_leftovers(struct rig_node *node, char *ret, size_t size)
{
	static const char *const dirs[] = { ".", "etc", "state" };
	struct dirent *child;
	char path[256];
	DIR *dir;
	size_t i;
	int count = 0;

	for (i = 0; i < 3; i++) {
		rig_path(node, dirs[i], path, sizeof(path));
		dir = opendir(path);
		CHECK(dir);
		while ((child = readdir(dir))) {
			if (!strcmp(child->d_name, ".") || !strcmp(child->d_name, "..") ||
			    is_expected(dirs[i], child->d_name))
				continue;
			snprintf(ret, size, "%s/%s", dirs[i], child->d_name);
			count++;
		}
		closedir(dir);
	}
	return count;
}
