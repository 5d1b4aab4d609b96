/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the other hagate-sync says: any octets as a sequence of messages. What is taken prints
 * back to the same octets, but for text made harmless and numbers cut.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "sync/discover.h"
#include "sync/message.h"

static void check_again(const struct hg_message *message)
{
	static uint8_t buffer[HG_MESSAGE_PRINT_MAX];
	static struct hg_message again;
	size_t length;

	if (message->type == HG_MESSAGE_PACK)
		return;
	length = hg_message_print(message, buffer);
	if (length > sizeof(buffer) || hg_message_parse_head(buffer, &again) ||
	    again.length + HG_MESSAGE_HEAD != length ||
	    hg_message_parse_body(buffer + HG_MESSAGE_HEAD, &again) || again.type != message->type)
		abort();
	if (message->type == HG_MESSAGE_HELLO &&
	    (strcmp(again.hello.node, message->hello.node) ||
	     memcmp(&again.hello.head.oid, &message->hello.head.oid, sizeof(struct hg_oid))))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t key[HG_KEYFILE_LEN];
	static struct hg_message message;
	struct hg_discovered found;

	hg_discover_read(data, size, key, &found);
	while (size >= HG_MESSAGE_HEAD && !hg_message_parse_head(data, &message)) {
		data += HG_MESSAGE_HEAD;
		size -= HG_MESSAGE_HEAD;
		if (message.length > size)
			break;
		if (!hg_message_parse_body(data, &message))
			check_again(&message);
		data += message.length;
		size -= message.length;
	}
	return 0;
}
