/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The log of a daemon: one line per event to stderr, with syslog priorities when
 * the journal reads it (sd-daemon(3)). Never blocks: a line that stderr cannot
 * take at once is dropped and counted, and the count is logged later.
 */
#ifndef HG_LOG_H
#define HG_LOG_H

#include <stdarg.h>

enum hg_log_level { HG_LOG_ERROR = 3, HG_LOG_WARNING = 4, HG_LOG_NOTICE = 5, HG_LOG_INFO = 6 };

/* Opens standard descriptors that are not open on /dev/null, before anything else is opened:
 * a socket would get their number, and what is logged would be sent over it. */
void hg_log_open_stdio(void);

/* Call once before the first line; reads JOURNAL_STREAM. */
void hg_log_init(void);
void hg_log(enum hg_log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define hg_error(...) hg_log(HG_LOG_ERROR, __VA_ARGS__)
#define hg_warning(...) hg_log(HG_LOG_WARNING, __VA_ARGS__)
#define hg_notice(...) hg_log(HG_LOG_NOTICE, __VA_ARGS__)
#define hg_info(...) hg_log(HG_LOG_INFO, __VA_ARGS__)

#endif
