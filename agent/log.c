/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See log.h. A pipe or socket that polls writable takes a line below PIPE_BUF whole. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "log.h"

static bool is_journal;
static unsigned int dropped;

void hg_log_open_stdio(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

void hg_log_init(void)
{
	is_journal = getenv("JOURNAL_STREAM") != NULL;
}

static bool put_line(const char *line, size_t length)
{
	struct pollfd fd = { .fd = STDERR_FILENO, .events = POLLOUT };

	if (poll(&fd, 1, 0) != 1 || !(fd.revents & POLLOUT))
		return false;
	return write(STDERR_FILENO, line, length) == (ssize_t)length;
}

static int put_head(char *line, size_t size, enum hg_log_level level)
{
	static const char *const words[] = {
		[HG_LOG_ERROR] = "error: ",
		[HG_LOG_WARNING] = "warning: ",
		[HG_LOG_NOTICE] = "",
		[HG_LOG_INFO] = "",
	};
	struct timespec now;
	struct tm tm;

	if (is_journal)
		return snprintf(line, size, "<%d>%s", level, words[level]);
	clock_gettime(CLOCK_REALTIME, &now);
	localtime_r(&now.tv_sec, &tm);
	return snprintf(line, size, "%02d:%02d:%02d.%06ld %s: %s", tm.tm_hour, tm.tm_min, tm.tm_sec,
			now.tv_nsec / 1000, program_invocation_short_name, words[level]);
}

void hg_log(enum hg_log_level level, const char *format, ...)
{
	char line[PIPE_BUF];
	va_list arguments;
	size_t length;

	if (dropped) {
		length = put_head(line, sizeof(line), HG_LOG_WARNING);
		length += snprintf(line + length, sizeof(line) - length,
				   "%u log lines lost: stderr was not read\n", dropped);
		if (put_line(line, length))
			dropped = 0;
	}
	length = put_head(line, sizeof(line), level);
	va_start(arguments, format);
	length += vsnprintf(line + length, sizeof(line) - length - 1, format, arguments);
	va_end(arguments);
	if (length > sizeof(line) - 2)
		length = sizeof(line) - 2;
	line[length++] = '\n';
	if (!put_line(line, length))
		dropped++;
}
