// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The table of neighbours and when its entries are due to be sent. See neigh.h.
 *
 * Entries live in one pool and are in up to three places: a hash chain, the list by
 * age (the oldest is given up when the pool is full), and the list of changes not sent
 * yet. A whole-table sweep walks the pool, port by port.
 */
#include "agent/neigh.h"

#include <errno.h>
#include <linux/neighbour.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#define BUCKETS 1024
#define WINDOW HG_MS(100)
#define FRAMES_PER_WINDOW 20
#define SWEEP_EVERY HG_MS(30000)
#define SWEEP_PACE HG_MS(20)
#define USABLE (NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_PERMANENT)

struct entry {
	LIST_ENTRY(entry) chain; /* in use; else in `unused` */
	TAILQ_ENTRY(entry) age;
	TAILQ_ENTRY(entry) change; /* while is_changed */
	bool is_used;
	bool is_changed;
	uint8_t slot;
	uint8_t family; /* 4 or 6 */
	uint8_t mac[6];
	uint8_t addr[16];
};

LIST_HEAD(bucket, entry);
TAILQ_HEAD(entries, entry);

struct hg_neigh {
	unsigned int count;
	struct bucket bucket[BUCKETS];
	struct bucket unused;
	struct entries by_age; /* oldest first */
	struct entries changes;
	struct hg_time window; /* of the rate: its beginning */
	unsigned int window_frames;
	struct hg_time sweep_at; /* next whole table, or next frame of it */
	struct hg_time sweep_began;
	bool is_sweeping;
	unsigned int sweep_slot, sweep_index;
	struct entry pool[HG_NEIGH_MAX];
};

int hg_neigh_new(struct hg_neigh **ret)
{
	struct hg_neigh *table = calloc(1, sizeof(*table));

	if (!table)
		return -ENOMEM;
	TAILQ_INIT(&table->by_age);
	TAILQ_INIT(&table->changes);
	for (unsigned int i = HG_NEIGH_MAX; i-- > 0;)
		LIST_INSERT_HEAD(&table->unused, &table->pool[i], chain);
	*ret = table;
	return 0;
}

void hg_neigh_free(struct hg_neigh *table)
{
	free(table);
}

unsigned int hg_neigh_count(const struct hg_neigh *table)
{
	return table->count;
}

/* --- learning -------------------------------------------------------------------- */
static struct bucket *bucket_of(struct hg_neigh *table, unsigned int slot, const struct hg_ip *ip)
{
	uint32_t hash = 2166136261u ^ slot;

	for (unsigned int i = 0; i < sizeof(ip->addr); i++)
		hash = (hash ^ ip->addr[i]) * 16777619u;
	return &table->bucket[(hash ^ hash >> 16) % BUCKETS];
}

static struct entry *find(struct hg_neigh *table, unsigned int slot, const struct hg_ip *ip)
{
	struct entry *entry;

	LIST_FOREACH(entry, bucket_of(table, slot, ip), chain)
	{
		if (entry->slot == slot && entry->family == ip->family &&
		    !memcmp(entry->addr, ip->addr, sizeof(entry->addr)))
			return entry;
	}
	return NULL;
}

static void clear_change(struct hg_neigh *table, struct entry *entry)
{
	if (entry->is_changed)
		TAILQ_REMOVE(&table->changes, entry, change);
	entry->is_changed = false;
}

static void drop(struct hg_neigh *table, struct entry *entry)
{
	clear_change(table, entry);
	LIST_REMOVE(entry, chain);
	TAILQ_REMOVE(&table->by_age, entry, age);
	entry->is_used = false;
	LIST_INSERT_HEAD(&table->unused, entry, chain);
	table->count--;
}

static struct entry *add(struct hg_neigh *table, unsigned int slot, const struct hg_ip *ip)
{
	struct entry *entry;

	if (LIST_EMPTY(&table->unused))
		drop(table, TAILQ_FIRST(&table->by_age));
	entry = LIST_FIRST(&table->unused);
	LIST_REMOVE(entry, chain);
	memset(entry, 0, sizeof(*entry));
	entry->is_used = true;
	entry->slot = slot;
	entry->family = ip->family;
	memcpy(entry->addr, ip->addr, sizeof(entry->addr));
	LIST_INSERT_HEAD(bucket_of(table, slot, ip), entry, chain);
	TAILQ_INSERT_TAIL(&table->by_age, entry, age);
	table->count++;
	return entry;
}

static bool is_unicast(const uint8_t mac[6])
{
	static const uint8_t zero[6];

	return !(mac[0] & 1) && memcmp(mac, zero, 6);
}

void hg_neigh_learn(struct hg_neigh *table, unsigned int slot, const struct hg_netlink_neigh *neigh,
		    bool is_deleted)
{
	struct entry *entry;

	if (slot >= HG_SLOTS_MAX || (neigh->ip.family != 4 && neigh->ip.family != 6))
		return;
	entry = find(table, slot, &neigh->ip);
	if (is_deleted || !(neigh->state & USABLE) || !is_unicast(neigh->mac)) {
		if (entry)
			drop(table, entry);
		return;
	}
	if (!entry)
		entry = add(table, slot, &neigh->ip);
	TAILQ_REMOVE(&table->by_age, entry, age);
	TAILQ_INSERT_TAIL(&table->by_age, entry, age);
	if (!memcmp(entry->mac, neigh->mac, 6))
		return;
	memcpy(entry->mac, neigh->mac, 6);
	if (!entry->is_changed)
		TAILQ_INSERT_TAIL(&table->changes, entry, change);
	entry->is_changed = true;
}

void hg_neigh_forget(struct hg_neigh *table, unsigned int slot)
{
	for (unsigned int i = 0; i < HG_NEIGH_MAX; i++) {
		struct entry *entry = &table->pool[i];

		if (entry->is_used && (slot == HG_SLOTS_MAX || entry->slot == slot))
			drop(table, entry);
	}
}

/* --- sending --------------------------------------------------------------------- */
static void begin_sweep(struct hg_neigh *table, struct hg_time now)
{
	table->is_sweeping = true;
	table->sweep_slot = 0;
	table->sweep_index = 0;
	table->sweep_began = now;
	table->sweep_at = now;
}

void hg_neigh_start(struct hg_neigh *table, struct hg_time now)
{
	struct entry *entry;

	while ((entry = TAILQ_FIRST(&table->changes)))
		clear_change(table, entry);
	begin_sweep(table, now);
}

static void put(struct hg_neigh *table, struct entry *entry, struct hg_wire_neigh_entry *ret)
{
	ret->family = entry->family;
	memcpy(ret->mac, entry->mac, sizeof(ret->mac));
	memcpy(ret->addr, entry->addr, sizeof(ret->addr));
	clear_change(table, entry);
}

/* Changes of one port: that of the oldest one. */
static bool fill_changes(struct hg_neigh *table, unsigned int *ret_slot, struct hg_wire_neigh *ret)
{
	struct entry *entry = TAILQ_FIRST(&table->changes), *next;
	unsigned int count = 0;

	if (!entry)
		return false;
	*ret_slot = entry->slot;
	for (; entry && count < HG_WIRE_NEIGHS; entry = next) {
		next = TAILQ_NEXT(entry, change);
		if (entry->slot == *ret_slot)
			put(table, entry, &ret->entry[count++]);
	}
	return true;
}

/* The sweep's next entries of one port; false at its end. */
static bool fill_sweep(struct hg_neigh *table, unsigned int *ret_slot, struct hg_wire_neigh *ret)
{
	unsigned int count = 0;

	for (; table->sweep_slot < HG_SLOTS_MAX; table->sweep_slot++, table->sweep_index = 0) {
		while (table->sweep_index < HG_NEIGH_MAX && count < HG_WIRE_NEIGHS) {
			struct entry *entry = &table->pool[table->sweep_index++];

			if (entry->is_used && entry->slot == table->sweep_slot)
				put(table, entry, &ret->entry[count++]);
		}
		*ret_slot = table->sweep_slot;
		if (count)
			return true;
	}
	return false;
}

static bool is_rate_free(const struct hg_neigh *table, struct hg_time now)
{
	return table->window_frames < FRAMES_PER_WINDOW ||
	       !hg_time_before(now, hg_time_add(table->window, WINDOW));
}

static void count_frame(struct hg_neigh *table, struct hg_time now)
{
	if (!hg_time_before(now, hg_time_add(table->window, WINDOW))) {
		table->window = now;
		table->window_frames = 0;
	}
	table->window_frames++;
}

static bool next_of_sweep(struct hg_neigh *table, struct hg_time now, unsigned int *ret_slot,
			  struct hg_wire_neigh *ret)
{
	if (hg_time_before(now, table->sweep_at))
		return false;
	if (!table->is_sweeping)
		begin_sweep(table, now);
	if (fill_sweep(table, ret_slot, ret)) {
		table->sweep_at = hg_time_add(now, SWEEP_PACE);
		return true;
	}
	table->is_sweeping = false;
	table->sweep_at = hg_time_add(table->sweep_began, SWEEP_EVERY);
	return false;
}

bool hg_neigh_next(struct hg_neigh *table, struct hg_time now, unsigned int *ret_slot,
		   struct hg_wire_neigh *ret)
{
	struct hg_wire_neigh frame = { 0 };
	unsigned int slot = 0;

	if (!is_rate_free(table, now))
		return false;
	if (!fill_changes(table, &slot, &frame) && !next_of_sweep(table, now, &slot, &frame))
		return false;
	count_frame(table, now);
	*ret_slot = slot;
	*ret = frame;
	return true;
}

struct hg_time hg_neigh_deadline(const struct hg_neigh *table, struct hg_time now)
{
	struct hg_time at = TAILQ_EMPTY(&table->changes) ? table->sweep_at : now;
	struct hg_time free_at = hg_time_add(table->window, WINDOW);

	/* Past `now`: due since then, at once. */
	if (!is_rate_free(table, now) && hg_time_before(at, free_at))
		return free_at;
	return at;
}
