// SPDX-License-Identifier: GPL-2.0-or-later
/* See filter_sets.h. */
#include <arpa/inet.h>
#include <err.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "filter_sets.h"

const char *const traffic_names[TRAFFICS] = { "hit first", "hit last", "miss", "random", "worst" };

static uint64_t state;

/* xorshift64*: the same numbers in every run */
static uint32_t random32(void)
{
	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return state * 0x2545f4914f6cdd1dull >> 32;
}

static uint32_t below(uint32_t bound)
{
	return (uint64_t)random32() * bound >> 32;
}

/* A number for each number, without repetition (odd multipliers, xor with a shift). */
uint32_t sets_source(uint32_t number)
{
	number = number * 2654435761u;
	number ^= number >> 15;
	number *= 2246822519u;
	return 0x01000000 + (uint64_t)number * 0xdd000000u / 0x100000000u;
}

static uint32_t mask_of(unsigned int prefix)
{
	return prefix ? ~0u << (32 - prefix) : 0;
}

static void set_side(struct hg_rule_side *side, uint32_t address, unsigned int prefix)
{
	uint32_t octets = htonl(address & mask_of(prefix));

	side->kind = HG_SIDE_ADDR;
	side->addr = (struct hg_ip){ .family = 4, .prefix = prefix };
	memcpy(side->addr.addr, &octets, sizeof(octets));
}

static void set_ports(struct hg_rule_side *side, unsigned int first, unsigned int last)
{
	side->range_count = 1;
	side->range[0] = (struct hg_port_range){ .first = first, .last = last };
}

static struct hg_ruleset new_set(unsigned int count)
{
	struct hg_ruleset set = { .rule_count = count, .rule = calloc(count, sizeof(*set.rule)) };
	unsigned int i;

	if (!set.rule)
		err(1, "no memory");
	state = 0x9e3779b97f4a7c15ull;
	for (i = 0; i < count; i++)
		set.rule[i] = (struct hg_rule){ .action = HG_RULE_DROP,
						.id = i + 1,
						.line = i + 1 };
	return set;
}

void sets_free(struct hg_ruleset *ruleset)
{
	free(ruleset->rule);
	ruleset->rule = NULL;
}

struct hg_ruleset sets_random(unsigned int count)
{
	struct hg_ruleset set = new_set(count);
	struct hg_rule *rule;
	unsigned int i, port;

	for (i = 0; i < count; i++) {
		rule = &set.rule[i];
		set_side(&rule->from, sets_source(random32()), 16 + below(17));
		set_side(&rule->to, sets_source(random32()), 16 + below(17));
		rule->proto_count = 1;
		rule->proto[0] = below(2) ? IPPROTO_TCP : IPPROTO_UDP;
		port = 1 + below(60000);
		set_ports(&rule->to, port, port + below(100));
	}
	return set;
}

struct hg_ruleset sets_worst(unsigned int count)
{
	struct hg_ruleset set = new_set(count);
	struct hg_rule *rule;
	unsigned int i;

	for (i = 0; i < count; i++) {
		rule = &set.rule[i];
		set_side(&rule->from, i % 4 == 0 ? 0x0b000000 + i : 0x0a000000,
			 i % 4 == 0 ? 32 : 8);
		set_side(&rule->to, i % 4 == 1 ? 0x15000000 + i : 0x14000000, i % 4 == 1 ? 32 : 8);
		rule->proto_count = 1;
		rule->proto[0] = i % 4 == 2 ? IPPROTO_TCP : IPPROTO_UDP;
		set_ports(&rule->to, i % 4 == 3 ? 40001 + i : 1, i % 4 == 3 ? 40001 + i : 40000);
	}
	return set;
}

struct hg_ruleset sets_exact(unsigned int count)
{
	struct hg_ruleset set = new_set(count);
	unsigned int i;

	for (i = 0; i < count; i++)
		set_side(&set.rule[i].from, sets_source(i), 32);
	return set;
}

static uint16_t sum_of(const struct iphdr *ip)
{
	const uint16_t *word = (const uint16_t *)ip;
	uint32_t sum = 0;
	int i;

	for (i = 0; i < 10; i++)
		sum += word[i];
	sum = (sum & 0xffff) + (sum >> 16);
	return ~(sum + (sum >> 16));
}

struct made {
	uint32_t from, to;
	uint8_t proto;
	uint16_t port;
};

static void put(struct vary_frame *frame, const uint8_t *mac, const struct made *made)
{
	static const uint8_t from_mac[6] = { 0x02, 0xcc, 0, 0, 0, 1 };
	struct ethhdr *eth = (struct ethhdr *)frame;
	struct iphdr *ip = (struct iphdr *)(eth + 1);
	struct tcphdr *tcp = (struct tcphdr *)(ip + 1);
	struct udphdr *udp = (struct udphdr *)(ip + 1);

	memset(frame, 0, sizeof(*frame));
	memcpy(eth->h_dest, mac, ETH_ALEN);
	memcpy(eth->h_source, from_mac, ETH_ALEN);
	eth->h_proto = htons(ETH_P_IP);
	*ip = (struct iphdr){ .version = 4, .ihl = 5, .ttl = 64, .protocol = made->proto };
	ip->tot_len = htons(VARY_LEN - sizeof(*eth));
	ip->saddr = htonl(made->from);
	ip->daddr = htonl(made->to);
	ip->check = sum_of(ip);
	tcp->source = htons(1024 + below(60000));
	tcp->dest = htons(made->port);
	if (made->proto == IPPROTO_UDP) {
		udp->len = htons(VARY_LEN - sizeof(*eth) - sizeof(*ip));
		return;
	}
	tcp->doff = 5;
	tcp->syn = 1;
}

static struct made make_random(void)
{
	return (struct made){ .from = sets_source(random32()),
			      .to = sets_source(random32()),
			      .proto = below(2) ? IPPROTO_TCP : IPPROTO_UDP,
			      .port = 1 + below(60000) };
}

static uint32_t in_side(const struct hg_rule_side *side)
{
	uint32_t address;

	memcpy(&address, side->addr.addr, sizeof(address));
	return ntohl(address) | (random32() & ~mask_of(side->addr.prefix));
}

static struct made make_hit(const struct hg_rule *rule)
{
	const struct hg_port_range *range = &rule->to.range[0];

	return (struct made){ .from = in_side(&rule->from),
			      .to = in_side(&rule->to),
			      .proto = rule->proto[0],
			      .port = range->first + below(range->last - range->first + 1u) };
}

static struct made make_worst(void)
{
	return (struct made){ .from = 0x0a000000 + below(1 << 24),
			      .to = 0x14000000 + below(1 << 24),
			      .proto = IPPROTO_UDP,
			      .port = 1 + below(40000) };
}

static struct made make(const struct hg_ruleset *set, enum traffic traffic)
{
	switch (traffic) {
	case TRAFFIC_FIRST:
		return make_hit(&set->rule[0]);
	case TRAFFIC_LAST:
		return make_hit(&set->rule[set->rule_count - 1]);
	case TRAFFIC_RANDOM:
		if (below(2))
			return make_hit(&set->rule[below(set->rule_count)]);
		return make_random();
	case TRAFFIC_WORST:
		return make_worst();
	case TRAFFIC_MISS:
	case TRAFFICS:
		break;
	}
	return make_random();
}

void sets_packets(struct vary_frame *frames, const uint8_t *mac, const struct hg_ruleset *ruleset,
		  enum traffic traffic)
{
	struct made made;
	unsigned int i;

	state = 0x123456789abcdef1ull + traffic;
	for (i = 0; i < VARY_FRAMES; i++) {
		made = make(ruleset, traffic);
		put(&frames[i], mac, &made);
	}
}

void sets_packets_from(struct vary_frame *frames, const uint8_t *mac, uint32_t count)
{
	struct made made;
	unsigned int i;

	state = 0x123456789abcdef1ull;
	for (i = 0; i < VARY_FRAMES; i++) {
		made = make_random();
		made.from = sets_source(below(count));
		put(&frames[i], mac, &made);
	}
}
