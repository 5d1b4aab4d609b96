// SPDX-License-Identifier: GPL-2.0-or-later
/* Which port each NIC is, from what was heard on all of them. */
#include <string.h>

#include "discover_show.h"

/* The one port that nodes of at least this trust name on the NIC. False: several. */
static bool one_port(const struct hg_discover_nic *nic, enum hg_discover_trust trust, char *ret)
{
	ret[0] = '\0';
	for (unsigned int i = 0; i < nic->peer_count; i++) {
		const struct hg_discover_peer *peer = &nic->peer[i];

		if (peer->is_probe || !*peer->port || peer->trust != trust)
			continue;
		if (*ret && strcmp(ret, peer->port))
			return false;
		memcpy(ret, peer->port, HG_WIRE_NAME_LEN);
	}
	return true;
}

static void propose_heard(const struct hg_discover_nic *nic, struct hg_discover_port *ret)
{
	ret->is_ambiguous = !one_port(nic, HG_DISCOVER_VERIFIED, ret->name);
	ret->basis = HG_DISCOVER_PROVEN;
	if (*ret->name)
		return;
	ret->is_ambiguous = !one_port(nic, HG_DISCOVER_UNVERIFIED, ret->name);
	ret->basis = HG_DISCOVER_HEARD;
	if (!*ret->name)
		ret->basis = HG_DISCOVER_NOTHING;
}

void hg_discover_propose(const struct hg_discover *discover,
			 struct hg_discover_port ret[HG_NICS_MAX])
{
	unsigned int count = discover->nics.count;
	bool is_any_heard = false;

	memset(ret, 0, sizeof(*ret) * HG_NICS_MAX);
	for (unsigned int i = 0; i < count; i++) {
		propose_heard(&discover->nic[i], &ret[i]);
		is_any_heard |= *ret[i].name != '\0';
	}
	for (unsigned int i = 0; i < count; i++)
		for (unsigned int k = 0; k < i; k++)
			if (*ret[i].name && !strcmp(ret[i].name, ret[k].name))
				ret[i].is_ambiguous = ret[k].is_ambiguous = true;
	for (unsigned int i = 0; !is_any_heard && i < count; i++) {
		memcpy(ret[i].name, discover->nics.nic[i].port, HG_WIRE_NAME_LEN);
		ret[i].basis = *ret[i].name ? HG_DISCOVER_GUESS : HG_DISCOVER_NOTHING;
	}
}
