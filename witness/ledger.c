/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See ledger.h. The file is locked, so that two witnesses never share one. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ledger.h"

#define LINE 128
#define LINES_MAX (1 + HG_SERVE_CLUSTERS_MAX * HG_SERVE_GROUPS)
#define ID_TEXT (2 * HG_SERVE_ID_LEN + 1)

struct entry {
	uint8_t id[HG_SERVE_ID_LEN];
	unsigned int group;
	uint64_t epoch;
};

struct hg_ledger {
	char dir[4096];
	int fd; /* -1: no file */
	int open_err; /* why there is none */
	int event;
	uint64_t lease_ms;
	unsigned int count, damaged;
	struct entry entry[LINES_MAX - 1]; /* line = 1 + index */
	bool is_running;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool is_dirty, is_stopping; /* under lock */
	int write_err, sync_err; /* under lock */
	int opened; /* under lock: the thread opened the file meanwhile; -1 */
};

/* --- lines ------------------------------------------------------------------------- */

static uint64_t fnv1a(const char *text, size_t length)
{
	uint64_t hash = UINT64_C(14695981039346656037);

	for (size_t i = 0; i < length; i++)
		hash = (hash ^ (uint8_t)text[i]) * UINT64_C(1099511628211);
	return hash;
}

static void id_text(const uint8_t id[HG_SERVE_ID_LEN], char ret[ID_TEXT])
{
	for (unsigned int i = 0; i < HG_SERVE_ID_LEN; i++)
		snprintf(ret + 2 * i, 3, "%02x", id[i]);
}

/* Body, checksum, blanks up to the length. */
static void close_line(char line[LINE + 1], int length)
{
	length += snprintf(line + length, LINE + 1 - length, "%016" PRIx64, fnv1a(line, length));
	memset(line + length, ' ', LINE - 1 - length);
	line[LINE - 1] = '\n';
}

static void lease_line(char line[LINE + 1], uint64_t lease_ms)
{
	close_line(line,
		   snprintf(line, LINE + 1, "hagate-witness 1 lease %020" PRIu64 " ", lease_ms));
}

static void entry_line(char line[LINE + 1], const struct entry *entry)
{
	char id[ID_TEXT];

	id_text(entry->id, id);
	close_line(line, snprintf(line, LINE + 1, "hagate-witness 1 epoch %s %03u %016" PRIx64 " ",
				  id, entry->group, entry->epoch));
}

/* Only what the writer would write of it is taken. */
static bool read_lease(const char *line, struct hg_ledger *ledger)
{
	char again[LINE + 1];
	uint64_t lease_ms;

	if (sscanf(line, "hagate-witness 1 lease %" SCNu64, &lease_ms) != 1)
		return false;
	lease_line(again, lease_ms);
	if (memcmp(again, line, LINE))
		return false;
	ledger->lease_ms = lease_ms;
	return true;
}

static bool read_id(const char *text, uint8_t ret[HG_SERVE_ID_LEN])
{
	for (unsigned int i = 0; i < HG_SERVE_ID_LEN; i++) {
		unsigned int octet;

		if (sscanf(text + 2 * i, "%2x", &octet) != 1)
			return false;
		ret[i] = octet;
	}
	return true;
}

static bool read_entry(const char *line, struct hg_ledger *ledger)
{
	struct entry entry = { .group = 0 };
	char again[LINE + 1], id[ID_TEXT];

	if (sscanf(line, "hagate-witness 1 epoch %32[0-9a-f] %3u %" SCNx64, id, &entry.group,
		   &entry.epoch) != 3 ||
	    strlen(id) != ID_TEXT - 1 || !read_id(id, entry.id) || entry.group >= HG_SERVE_GROUPS)
		return false;
	entry_line(again, &entry);
	if (memcmp(again, line, LINE) || ledger->count == LINES_MAX - 1)
		return false;
	ledger->entry[ledger->count++] = entry;
	return true;
}

static struct entry *find(const struct hg_ledger *ledger, const uint8_t *id, unsigned int group)
{
	for (unsigned int i = 0; i < ledger->count; i++)
		if (ledger->entry[i].group == group &&
		    !memcmp(ledger->entry[i].id, id, HG_SERVE_ID_LEN))
			return (struct entry *)&ledger->entry[i];
	return NULL;
}

/* --- the file ---------------------------------------------------------------------- */

static int write_line(const struct hg_ledger *ledger, unsigned int number, const char *line)
{
	ssize_t n = pwrite(ledger->fd, line, LINE, (off_t)number * LINE);

	if (n < 0)
		return -errno;
	return n == LINE ? 0 : -ENOSPC;
}

static int write_all(const struct hg_ledger *ledger)
{
	char line[LINE + 1];
	int err;

	lease_line(line, ledger->lease_ms);
	err = write_line(ledger, 0, line);
	for (unsigned int i = 0; !err && i < ledger->count; i++) {
		entry_line(line, &ledger->entry[i]);
		err = write_line(ledger, 1 + i, line);
	}
	return err;
}

/* Lines that cannot be read are left out, and overwritten later. */
static int read_file(struct hg_ledger *ledger)
{
	char line[LINE + 1] = "";
	unsigned int number;
	ssize_t n;

	for (number = 0; number < LINES_MAX; number++) {
		n = pread(ledger->fd, line, LINE, (off_t)number * LINE);
		if (n < 0)
			return -errno;
		if (!n)
			break;
		line[LINE] = '\0';
		if (n != LINE || !(number ? read_entry(line, ledger) : read_lease(line, ledger)))
			ledger->damaged++;
	}
	if (!number)
		return -ENOENT;
	return ledger->damaged ? -EBADMSG : 0;
}

static int open_locked(const char *dir, bool is_check, int *ret_fd)
{
	int flags = is_check ? O_RDONLY : O_RDWR | O_CREAT, err = 0, fd;
	struct stat st;
	char path[4096];

	if (snprintf(path, sizeof(path), "%s/state", dir) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	fd = open(path, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st))
		err = -errno;
	else if (!S_ISREG(st.st_mode))
		err = -EINVAL;
	else if (!is_check && flock(fd, LOCK_EX | LOCK_NB))
		err = -errno;
	if (err)
		close(fd);
	else
		*ret_fd = fd;
	return err;
}

/* For a check, which makes no file: could one be made? */
static int check_dir(const char *dir)
{
	struct stat st;

	if (stat(dir, &st))
		return -errno;
	if (!S_ISDIR(st.st_mode))
		return -ENOTDIR;
	return access(dir, W_OK | X_OK) ? -errno : 0;
}

static int open_file(struct hg_ledger *ledger, bool is_check)
{
	int err = is_check ? check_dir(ledger->dir) : 0;

	if (!err)
		err = open_locked(ledger->dir, is_check, &ledger->fd);
	ledger->open_err = err;
	if (is_check && err == -ENOENT && !check_dir(ledger->dir)) {
		ledger->open_err = 0; /* none yet: it will be made */
		return err;
	}
	return err ? err : read_file(ledger);
}

int hg_ledger_open(const char *dir, bool is_check, struct hg_ledger **ret, int *ret_err)
{
	struct hg_ledger *ledger = calloc(1, sizeof(*ledger));
	int err;

	if (!ledger)
		return -ENOMEM;
	ledger->fd = -1;
	ledger->event = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (ledger->event < 0) {
		free(ledger);
		return -ENOMEM;
	}
	pthread_mutex_init(&ledger->lock, NULL);
	pthread_cond_init(&ledger->wake, NULL);
	ledger->opened = -1;
	if (snprintf(ledger->dir, sizeof(ledger->dir), "%s", dir) >= (int)sizeof(ledger->dir))
		ledger->open_err = err = -ENAMETOOLONG;
	else
		err = open_file(ledger, is_check);
	if (err && err != -ENOENT && err != -EBADMSG && ledger->fd >= 0) {
		close(ledger->fd);
		ledger->fd = -1;
		ledger->open_err = err;
	}
	*ret_err = err;
	*ret = ledger;
	return 0;
}

int hg_ledger_open_error(const struct hg_ledger *ledger)
{
	return ledger->open_err;
}

uint64_t hg_ledger_lease_ms(const struct hg_ledger *ledger)
{
	return ledger->lease_ms;
}

uint64_t hg_ledger_epoch(const struct hg_ledger *ledger, const uint8_t id[HG_SERVE_ID_LEN],
			 unsigned int group)
{
	const struct entry *entry = find(ledger, id, group);

	return entry ? entry->epoch : 0;
}

unsigned int hg_ledger_damaged(const struct hg_ledger *ledger)
{
	return ledger->damaged;
}

int hg_ledger_add(struct hg_ledger *ledger, const uint8_t id[HG_SERVE_ID_LEN], unsigned int group)
{
	struct entry *entry = &ledger->entry[ledger->count];

	if (find(ledger, id, group))
		return 0;
	if (ledger->count == LINES_MAX - 1)
		return -ENOSPC;
	*entry = (struct entry){ .group = group };
	memcpy(entry->id, id, HG_SERVE_ID_LEN);
	ledger->count++;
	return 0;
}

int hg_ledger_write(struct hg_ledger *ledger, uint64_t lease_ms)
{
	uint64_t old = ledger->lease_ms;
	int err;

	if (ledger->fd < 0)
		return ledger->open_err;
	ledger->lease_ms = lease_ms;
	err = write_all(ledger);
	if (!err && ftruncate(ledger->fd, (off_t)(1 + ledger->count) * LINE))
		err = -errno;
	if (!err && fsync(ledger->fd))
		err = -errno;
	if (err)
		ledger->lease_ms = old;
	return err;
}

/* --- the thread -------------------------------------------------------------------- */

static void tell_outcome(const struct hg_ledger *ledger)
{
	uint64_t one = 1;

	if (write(ledger->event, &one, sizeof(one)) < 0)
		return; /* full: it is readable already */
}

/* The directory may have come meanwhile. What an old file said is not read any more: the
 * silence after the start stood for it, as for a file that is lost. */
static int open_again(const struct hg_ledger *ledger, int *ret_fd)
{
	int err = open_locked(ledger->dir, false, ret_fd);

	if (!err && ftruncate(*ret_fd, 0)) {
		err = -errno;
		close(*ret_fd);
		*ret_fd = -1;
	}
	return err;
}

static void *sync_file(void *argument)
{
	struct hg_ledger *ledger = argument;
	int err, fd, opened = -1;

	pthread_mutex_lock(&ledger->lock);
	while (!ledger->is_stopping) {
		if (!ledger->is_dirty) {
			pthread_cond_wait(&ledger->wake, &ledger->lock);
			continue;
		}
		ledger->is_dirty = false;
		fd = ledger->fd;
		pthread_mutex_unlock(&ledger->lock);
		if (fd < 0)
			err = open_again(ledger, &opened);
		else
			err = fdatasync(fd) ? -errno : 0;
		pthread_mutex_lock(&ledger->lock);
		if (fd < 0 && !err) {
			ledger->opened = opened;
			err = ledger->open_err; /* until it is written */
		}
		ledger->sync_err = err;
		tell_outcome(ledger);
	}
	pthread_mutex_unlock(&ledger->lock);
	return NULL;
}

int hg_ledger_run(struct hg_ledger *ledger)
{
	int err = pthread_create(&ledger->thread, NULL, sync_file, ledger);

	ledger->is_running = !err;
	return -err;
}

static void hand_over(struct hg_ledger *ledger, int write_err)
{
	pthread_mutex_lock(&ledger->lock);
	ledger->write_err = write_err;
	ledger->is_dirty = true;
	pthread_cond_signal(&ledger->wake);
	pthread_mutex_unlock(&ledger->lock);
}

void hg_ledger_put(struct hg_ledger *ledger, const uint8_t id[HG_SERVE_ID_LEN], unsigned int group,
		   uint64_t epoch)
{
	struct entry *entry = find(ledger, id, group);
	char line[LINE + 1];

	if (!entry)
		return;
	entry->epoch = epoch;
	if (!ledger->is_running || ledger->fd < 0)
		return;
	entry_line(line, entry);
	hand_over(ledger, write_line(ledger, 1 + (entry - ledger->entry), line));
}

void hg_ledger_set_lease(struct hg_ledger *ledger, uint64_t lease_ms)
{
	char line[LINE + 1];

	ledger->lease_ms = lease_ms;
	if (!ledger->is_running || ledger->fd < 0)
		return;
	lease_line(line, lease_ms);
	hand_over(ledger, write_line(ledger, 0, line));
}

int hg_ledger_fd(const struct hg_ledger *ledger)
{
	return ledger->event;
}

int hg_ledger_outcome(struct hg_ledger *ledger)
{
	uint64_t count;
	bool is_opened;
	int err;

	if (read(ledger->event, &count, sizeof(count)) < 0 && errno != EAGAIN)
		return -errno;
	pthread_mutex_lock(&ledger->lock);
	err = ledger->write_err ? ledger->write_err : ledger->sync_err;
	is_opened = ledger->fd < 0 && ledger->opened >= 0;
	if (is_opened)
		ledger->fd = ledger->opened;
	pthread_mutex_unlock(&ledger->lock);
	if (is_opened)
		hand_over(ledger, write_all(ledger));
	return err;
}

void hg_ledger_retry(struct hg_ledger *ledger)
{
	if (ledger->is_running)
		hand_over(ledger, ledger->fd < 0 ? 0 : write_all(ledger));
}

void hg_ledger_free(struct hg_ledger *ledger)
{
	if (!ledger)
		return;
	if (ledger->is_running) {
		pthread_mutex_lock(&ledger->lock);
		ledger->is_stopping = true;
		pthread_cond_signal(&ledger->wake);
		pthread_mutex_unlock(&ledger->lock);
		pthread_join(ledger->thread, NULL);
		if (ledger->fd < 0 && ledger->opened >= 0)
			close(ledger->opened);
		if (ledger->fd >= 0)
			fdatasync(ledger->fd);
	}
	pthread_mutex_destroy(&ledger->lock);
	pthread_cond_destroy(&ledger->wake);
	if (ledger->fd >= 0)
		close(ledger->fd);
	close(ledger->event);
	free(ledger);
}
