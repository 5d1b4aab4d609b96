// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Frames from anybody, as `hagate discover` reads them: whatever comes, nothing is read
 * beyond its end, every list stays within its bounds, and every name can be printed.
 */
#include <stdlib.h>

#include "tools/discover_frame.c"

static void require(bool is_true)
{
	if (!is_true)
		abort();
}

static void check_name(const char *name)
{
	size_t length = strnlen(name, HG_WIRE_NAME_LEN);

	require(length < HG_WIRE_NAME_LEN);
	for (size_t i = 0; i < length; i++)
		require(name[i] > ' ' && name[i] < 0x7f);
}

static void check(const struct hg_discover_nic *nic)
{
	require(nic->peer_count <= HG_DISCOVER_PEERS_MAX);
	require(nic->net_count <= HG_DISCOVER_NETS_MAX);
	require(nic->mac_count <= HG_DISCOVER_MACS_MAX);
	for (unsigned int i = 0; i < nic->peer_count; i++) {
		check_name(nic->peer[i].node);
		check_name(nic->peer[i].port);
		check_name(nic->peer[i].cluster);
		check_name(nic->peer[i].ifname);
		require(nic->peer[i].trust != HG_DISCOVER_VERIFIED);
	}
	for (unsigned int i = 0; i < nic->net_count; i++)
		require(nic->net[i].host_count <= HG_DISCOVER_HOSTS_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct hg_discover discover;

	memset(&discover, 0, sizeof(discover));
	discover.has_key = true; /* nobody guesses its tags */
	discover.key.word[0] = 0x0123456789abcdef;
	discover.nics.count = 2;
	for (unsigned int i = 0; i < 2; i++) {
		discover.nics.nic[i].mac[0] = 2;
		discover.nics.nic[i].mac[5] = (uint8_t)i;
		discover.nics.nic[i].is_mac_unique = i;
	}
	/* Frames behind each other: an octet for the NIC, one for half the length. */
	while (size > 2) {
		size_t wanted = 2u * data[1], length = wanted < size - 2 ? wanted : size - 2;
		uint8_t *frame = malloc(length ? length : 1);

		memcpy(frame, data + 2, length); /* its end is the end of the memory */
		hg_discover_frame(&discover, data[0] & 1, frame, length);
		free(frame);
		data += 2 + length;
		size -= 2 + length;
	}
	check(&discover.nic[0]);
	check(&discover.nic[1]);
	return 0;
}
