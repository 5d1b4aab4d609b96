/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See teach.h. */
#include "sync/teach.h"

#include <errno.h>

#include "sync/store.h"

struct sending {
	struct hg_talk *talk;
	struct hg_sync_error *error;
};

static int send_piece(void *arg, const void *data, size_t length)
{
	struct sending *sending = arg;
	const uint8_t *at = data;
	uint8_t head[HG_MESSAGE_PRINT_MAX];
	int err = 0;

	while (!err && length) {
		struct hg_message message = { .type = HG_MESSAGE_PACK, .length = length };
		size_t size;

		if (message.length > HG_MESSAGE_BODY_MAX)
			message.length = HG_MESSAGE_BODY_MAX;
		size = hg_message_print(&message, head);
		err = hg_talk_write(sending->talk, head, size, sending->error);
		if (!err)
			err = hg_talk_write(sending->talk, at, message.length, sending->error);
		at += message.length;
		length -= message.length;
	}
	return err;
}

/* The newest generation that the other has and main has too. */
static bool find_common(struct hg_history *history, const struct hg_message *get,
			struct hg_oid *ret)
{
	struct hg_generation generation;

	for (unsigned int i = 0; i < get->get.count; i++) {
		if (hg_history_get(history, &get->get.oid[i], &generation) ||
		    !hg_history_has(history, generation.number, &generation.oid))
			continue;
		*ret = generation.oid;
		return true;
	}
	return false;
}

int hg_teach_send(struct hg_talk *talk, struct hg_history *history, const struct hg_message *get,
		  const struct hg_head *to, struct hg_sync_error *error)
{
	struct sending sending = { talk, error };
	struct hg_message end = { .type = HG_MESSAGE_END, .head = *to };
	struct hg_oid common;
	int err = hg_pack_build(history, &to->oid,
				find_common(history, get, &common) ? &common : NULL, send_piece,
				&sending, error);

	return err ? err : hg_talk_send(talk, &end, error);
}
