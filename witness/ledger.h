/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the witness remembers over a restart: DIR/state, lines of 128 octets, each closed
 * by a checksum.
 *
 *   lease    the longest lease it may have granted, ms: how long it is silent at a start
 *   epoch    per cluster and group, the highest epoch granted
 *
 * All lines are there, on disk, before the first grant; later ones are overwritten in
 * place, so a full disk takes no memory away. The line of a new epoch is written before
 * its grant is answered (a killed witness has it), and synced right afterwards by a
 * thread: no fsync stands between a failure and the takeover. What a crash of the machine
 * may lose so is some ms of epochs. It costs no safety: see agent/core/witness.h.
 *
 * One thread of its own, which syncs, and opens a file that could not be opened at the start;
 * everything else belongs to the caller's.
 */
#ifndef HG_LEDGER_H
#define HG_LEDGER_H

#include <stdbool.h>
#include <stdint.h>

#include "serve.h"

struct hg_ledger;

/* What DIR/state says. A ledger is made even without a file that can be used: `ret_err` is
 * then why (-ENOENT: none was there yet and one was made; -EBADMSG: damaged lines are
 * replaced; -EWOULDBLOCK: another witness has it; others as the system says).
 * -ENOMEM: none is made. is_check: only reads, beside a witness that runs. */
int hg_ledger_open(const char *dir, bool is_check, struct hg_ledger **ret, int *ret_err);
void hg_ledger_free(struct hg_ledger *ledger);

/* Why there is no file; 0: there is one, or (a check) it can be made. */
int hg_ledger_open_error(const struct hg_ledger *ledger);
/* 0: not known. */
uint64_t hg_ledger_lease_ms(const struct hg_ledger *ledger);
uint64_t hg_ledger_epoch(const struct hg_ledger *ledger, const uint8_t id[HG_SERVE_ID_LEN],
			 unsigned int group);
/* Lines of the file that could not be read. */
unsigned int hg_ledger_damaged(const struct hg_ledger *ledger);

/* A line for the cluster, if there is none. -ENOSPC: too many. */
int hg_ledger_add(struct hg_ledger *ledger, const uint8_t id[HG_SERVE_ID_LEN], unsigned int group);
/* Writes and syncs everything, `lease_ms` included. Blocks: before the first grant. */
int hg_ledger_write(struct hg_ledger *ledger, uint64_t lease_ms);

/* Starts the thread; from now on _put may be called. */
int hg_ledger_run(struct hg_ledger *ledger);
/* The lease from now on: nothing that was granted under a longer one can be running. */
void hg_ledger_set_lease(struct hg_ledger *ledger, uint64_t lease_ms);
/* These do not wait for the disk. */
void hg_ledger_put(struct hg_ledger *ledger, const uint8_t id[HG_SERVE_ID_LEN], unsigned int group,
		   uint64_t epoch);
/* Readable when the outcome of a write or sync is there. */
int hg_ledger_fd(const struct hg_ledger *ledger);
/* 0, or why the last write or sync failed; empties hg_ledger_fd(). */
int hg_ledger_outcome(struct hg_ledger *ledger);
/* Tries again what failed, and to open the file where there was none. */
void hg_ledger_retry(struct hg_ledger *ledger);

#endif
