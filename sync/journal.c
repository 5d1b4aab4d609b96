// SPDX-License-Identifier: GPL-2.0-or-later
/* Reading and writing the journal; see journal.h. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "sync/journal.h"
#include "sync/paths.h"

#define NAME "apply.journal"
#define NEW_NAME "apply.journal.new"
#define MAGIC "hagate-apply 1"

static uint64_t sum_of(const void *data, size_t length)
{
	const unsigned char *p = data;
	uint64_t sum = UINT64_C(0xcbf29ce484222325);

	while (length--)
		sum = (sum ^ *p++) * UINT64_C(0x100000001b3);
	return sum;
}

static int open_state(const char *state_dir)
{
	int fd = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static int read_all(int fd, void *data, size_t length)
{
	char *p = data;
	ssize_t n;

	while (length) {
		n = read(fd, p, length);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -EBADMSG;
		p += n;
		length -= (size_t)n;
	}
	return 0;
}

static bool head_is_sound(const struct hg_journal_head *head)
{
	return !memcmp(head->magic, MAGIC, sizeof(MAGIC)) &&
	       head->sum == sum_of(head, offsetof(struct hg_journal_head, sum)) &&
	       head->phase > HG_JOURNAL_NONE && head->phase <= HG_JOURNAL_REVERT &&
	       head->step_count <= HG_STEPS_MAX && !head->boot_id[HG_BOOT_ID - 1] &&
	       !head->generation[sizeof(head->generation) - 1];
}

static int read_journal(int fd, struct hg_journal *ret)
{
	unsigned int i;
	size_t length;
	int r;

	r = read_all(fd, &ret->head, sizeof(ret->head));
	if (r)
		return r;
	if (!head_is_sound(&ret->head))
		return -EBADMSG;
	length = ret->head.step_count * sizeof(ret->step[0]);
	r = read_all(fd, ret->step, length);
	if (r)
		return r;
	if (sum_of(ret->step, length) != ret->head.steps_sum)
		return -EBADMSG;
	for (i = 0; i < ret->head.step_count; i++)
		if (ret->step[i].path[HG_FILE_PATH_MAX - 1] ||
		    ret->step[i].target[HG_FILE_PATH_MAX - 1])
			return -EBADMSG;
	return 0;
}

int hg_journal_read(const char *state_dir, struct hg_journal *ret)
{
	int dir, fd, r;

	dir = open_state(state_dir);
	if (dir < 0)
		return dir;
	fd = openat(dir, NAME, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	r = fd < 0 ? -errno : read_journal(fd, ret);
	if (fd >= 0)
		close(fd);
	close(dir);
	return r;
}

void hg_journal_tidy(const char *state_dir)
{
	int dir = open_state(state_dir);

	if (dir < 0)
		return;
	unlinkat(dir, NEW_NAME, 0);
	close(dir);
}

static void seal(struct hg_journal *journal)
{
	struct hg_journal_head *head = &journal->head;

	memset(head->magic, 0, sizeof(head->magic));
	memcpy(head->magic, MAGIC, sizeof(MAGIC));
	snprintf(head->generation, sizeof(head->generation), "%" PRIu64, head->to_number);
	head->steps_sum = sum_of(journal->step, head->step_count * sizeof(journal->step[0]));
	head->sum = sum_of(head, offsetof(struct hg_journal_head, sum));
}

static int write_new(int dir, const struct hg_journal *journal)
{
	int fd, r;

	fd = openat(dir, NEW_NAME, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	r = hg_path_write(fd, &journal->head, sizeof(journal->head));
	if (!r)
		r = hg_path_write(fd, journal->step,
				  journal->head.step_count * sizeof(journal->step[0]));
	if (!r && fsync(fd))
		r = -errno;
	if (close(fd) && !r)
		r = -errno;
	return r;
}

int hg_journal_write(const char *state_dir, struct hg_journal *journal)
{
	int dir, r;

	seal(journal);
	dir = open_state(state_dir);
	if (dir < 0)
		return dir;
	r = write_new(dir, journal);
	if (!r && renameat(dir, NEW_NAME, dir, NAME))
		r = -errno;
	if (r)
		unlinkat(dir, NEW_NAME, 0);
	else
		r = hg_path_sync(dir);
	close(dir);
	return r;
}

int hg_journal_update(const char *state_dir, struct hg_journal *journal)
{
	int dir, fd, r = 0;
	ssize_t n;

	seal(journal);
	dir = open_state(state_dir);
	if (dir < 0)
		return dir;
	fd = openat(dir, NAME, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0) {
		r = -errno;
	} else {
		n = pwrite(fd, &journal->head, sizeof(journal->head), 0);
		if (n != (ssize_t)sizeof(journal->head))
			r = n < 0 ? -errno : -EIO;
		else if (fdatasync(fd))
			r = -errno;
		close(fd);
	}
	close(dir);
	return r;
}

int hg_journal_remove(const char *state_dir)
{
	int dir, r = 0;

	dir = open_state(state_dir);
	if (dir < 0)
		return dir;
	unlinkat(dir, NEW_NAME, 0);
	if (unlinkat(dir, NAME, 0) && errno != ENOENT)
		r = -errno;
	if (!r)
		r = hg_path_sync(dir);
	close(dir);
	return r;
}

void hg_journal_name(const struct hg_journal *journal, unsigned int step, bool is_gone,
		     char ret[64])
{
	snprintf(ret, 64, ".hagate-%s-%016" PRIx64 "-%u", is_gone ? "gone" : "stage",
		 journal->head.transaction, step);
}
