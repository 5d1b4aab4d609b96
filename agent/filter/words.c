// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Names of protocols and ICMP types, and hints for words of other filters. The names
 * are part of canonical texts and so of rule ids: none is ever changed or added.
 */
#include <netinet/in.h>
#include <string.h>

#include "agent/filter/parse.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct word {
	const char *name;
	uint8_t number;
};

static const struct word protos[] = {
	{ "icmp", IPPROTO_ICMP }, { "igmp", IPPROTO_IGMP },
	{ "ipip", IPPROTO_IPIP }, { "tcp", IPPROTO_TCP },
	{ "udp", IPPROTO_UDP },	  { "6in4", IPPROTO_IPV6 },
	{ "gre", IPPROTO_GRE },	  { "esp", IPPROTO_ESP },
	{ "ah", IPPROTO_AH },	  { "icmp6", IPPROTO_ICMPV6 },
	{ "ospf", 89 },		  { "pim", IPPROTO_PIM },
	{ "vrrp", 112 },	  { "l2tp", 115 },
	{ "sctp", IPPROTO_SCTP }, { "udplite", IPPROTO_UDPLITE },
};

static const struct word icmp4[] = {
	{ "echo-reply", 0 },	   { "unreachable", 3 },	  { "redirect", 5 },
	{ "echo-request", 8 },	   { "router-advertisement", 9 }, { "router-solicitation", 10 },
	{ "time-exceeded", 11 },   { "parameter-problem", 12 },	  { "timestamp-request", 13 },
	{ "timestamp-reply", 14 },
};

static const struct word icmp6[] = {
	{ "unreachable", 1 },
	{ "packet-too-big", 2 },
	{ "time-exceeded", 3 },
	{ "parameter-problem", 4 },
	{ "echo-request", 128 },
	{ "echo-reply", 129 },
	{ "router-solicitation", 133 },
	{ "router-advertisement", 134 },
	{ "neighbour-solicitation", 135 },
	{ "neighbour-advertisement", 136 },
	{ "redirect", 137 },
};

static const struct foreign {
	enum hg_word_place place;
	const char *word, *hint;
} foreign[] = {
	{ HG_WORD_ACTION, "pass", "write accept" },
	{ HG_WORD_ACTION, "allow", "write accept" },
	{ HG_WORD_ACTION, "permit", "write accept" },
	{ HG_WORD_ACTION, "block", "write drop" },
	{ HG_WORD_ACTION, "deny", "write drop" },
	{ HG_WORD_ACTION, "discard", "write drop" },
	{ HG_WORD_ACTION, "reject", "write drop: nothing is sent back" },
	{ HG_WORD_ACTION, "count", "write an action and count-only: drop ... count-only" },
	{ HG_WORD_ACTION, "count-only", "it stands behind an action: drop ... count-only" },
	{ HG_WORD_OPTION, "log", "leave it out: every rule counts its packets" },
	{ HG_WORD_OPTION, "counter", "leave it out: every rule counts its packets" },
	{ HG_WORD_OPTION, "quick", "leave it out: the first rule that matches decides" },
	{ HG_WORD_OPTION, "keep", "no connections are tracked; see 'flags' in hagate-filter(5)" },
	{ HG_WORD_OPTION, "state", "no connections are tracked; see 'flags' in hagate-filter(5)" },
	{ HG_WORD_OPTION, "ct", "no connections are tracked; see 'flags' in hagate-filter(5)" },
	{ HG_WORD_OPTION, "established", "no connections are tracked; write: proto tcp flags A/A" },
	{ HG_WORD_OPTION, "syn", "write: proto tcp flags S/SA" },
	{ HG_WORD_OPTION, "port", "it stands behind an address: to any port 80" },
	{ HG_WORD_OPTION, "dport", "write port behind the address: to any port 80" },
	{ HG_WORD_OPTION, "sport", "write port behind the address: from any port 80" },
	{ HG_WORD_OPTION, "saddr", "write: from 192.0.2.0/24" },
	{ HG_WORD_OPTION, "src", "write: from 192.0.2.0/24" },
	{ HG_WORD_OPTION, "source", "write: from 192.0.2.0/24" },
	{ HG_WORD_OPTION, "daddr", "write: to 192.0.2.0/24" },
	{ HG_WORD_OPTION, "dst", "write: to 192.0.2.0/24" },
	{ HG_WORD_OPTION, "destination", "write: to 192.0.2.0/24" },
	{ HG_WORD_OPTION, "ip", "the address says the family: from 0.0.0.0/0" },
	{ HG_WORD_OPTION, "inet", "the address says the family: from 0.0.0.0/0" },
	{ HG_WORD_OPTION, "ipv4", "the address says the family: from 0.0.0.0/0" },
	{ HG_WORD_OPTION, "ip6", "the address says the family: from ::/0" },
	{ HG_WORD_OPTION, "inet6", "the address says the family: from ::/0" },
	{ HG_WORD_OPTION, "ipv6", "the address says the family: from ::/0" },
	{ HG_WORD_OPTION, "on", "write: in on PORT" },
	{ HG_WORD_OPTION, "iif", "write: in on PORT" },
	{ HG_WORD_OPTION, "iifname", "write: in on PORT" },
	{ HG_WORD_OPTION, "out", "rules judge packets that come in: in on PORT" },
	{ HG_WORD_OPTION, "oif", "rules judge packets that come in: in on PORT" },
	{ HG_WORD_OPTION, "oifname", "rules judge packets that come in: in on PORT" },
	{ HG_WORD_OPTION, "all", "leave it out: a rule without conditions matches everything" },
	{ HG_WORD_OPTION, "any", "leave it out: a rule without conditions matches everything" },
	{ HG_WORD_OPTION, "vip", "write: to vip" },
	{ HG_WORD_OPTION, "limit", "write: rate 10/s" },
	{ HG_WORD_OPTION, "burst", "it stands behind the rate: rate 10/s burst 20" },
	{ HG_WORD_OPTION, "per", "it stands behind the rate: rate 10/s per source" },
	{ HG_WORD_OPTION, "comment", "write: label \"text\"" },
	{ HG_WORD_OPTION, "icmp6-type", "write: proto icmp6 icmp-type N" },
	{ HG_WORD_OPTION, "icmpv6-type", "write: proto icmp6 icmp-type N" },
	{ HG_WORD_OPTION, "frag", "write: fragment" },
	{ HG_WORD_OPTION, "accept", "one action a rule, at its beginning" },
	{ HG_WORD_OPTION, "drop", "one action a rule, at its beginning" },
	{ HG_WORD_ADDRESS, "self", "write the node's addresses, or a list of them" },
	{ HG_WORD_ADDRESS, "all", "write any, or leave it out" },
	{ HG_WORD_ADDRESS, "port", "write: any port N" },
	{ HG_WORD_ADDRESS, "localhost", "write an address" },
	{ HG_WORD_PORT, "ssh", "write 22" },
	{ HG_WORD_PORT, "telnet", "write 23" },
	{ HG_WORD_PORT, "smtp", "write 25" },
	{ HG_WORD_PORT, "domain", "write 53" },
	{ HG_WORD_PORT, "dns", "write 53" },
	{ HG_WORD_PORT, "bootps", "write 67" },
	{ HG_WORD_PORT, "http", "write 80" },
	{ HG_WORD_PORT, "pop3", "write 110" },
	{ HG_WORD_PORT, "ntp", "write 123" },
	{ HG_WORD_PORT, "imap", "write 143" },
	{ HG_WORD_PORT, "snmp", "write 161" },
	{ HG_WORD_PORT, "https", "write 443" },
	{ HG_WORD_PORT, "any", "leave the port out" },
};

static const char *find_name(const struct word *words, unsigned int count, uint8_t number)
{
	unsigned int i;

	for (i = 0; i < count; i++)
		if (words[i].number == number)
			return words[i].name;
	return NULL;
}

static int find_number(const struct word *words, unsigned int count, const char *name)
{
	unsigned int i;

	for (i = 0; i < count; i++)
		if (!strcmp(words[i].name, name))
			return words[i].number;
	return -1;
}

static unsigned int list_names(const struct word *words, unsigned int count,
			       const char *ret[HG_WORDS_MAX])
{
	unsigned int i;

	for (i = 0; i < count; i++)
		ret[i] = words[i].name;
	return count;
}

const char *hg_word_proto(uint8_t proto)
{
	return find_name(protos, COUNT(protos), proto);
}

int hg_word_find_proto(const char *name)
{
	return find_number(protos, COUNT(protos), name);
}

unsigned int hg_word_list_protos(const char *ret[HG_WORDS_MAX])
{
	return list_names(protos, COUNT(protos), ret);
}

const char *hg_word_icmp(uint8_t proto, uint8_t type)
{
	if (proto == IPPROTO_ICMP)
		return find_name(icmp4, COUNT(icmp4), type);
	return proto == IPPROTO_ICMPV6 ? find_name(icmp6, COUNT(icmp6), type) : NULL;
}

int hg_word_find_icmp(uint8_t proto, const char *name)
{
	return proto == IPPROTO_ICMP ? find_number(icmp4, COUNT(icmp4), name)
				     : find_number(icmp6, COUNT(icmp6), name);
}

unsigned int hg_word_list_icmp(uint8_t proto, const char *ret[HG_WORDS_MAX])
{
	return proto == IPPROTO_ICMP ? list_names(icmp4, COUNT(icmp4), ret)
				     : list_names(icmp6, COUNT(icmp6), ret);
}

bool hg_word_has_ports(uint8_t proto)
{
	return proto == IPPROTO_TCP || proto == IPPROTO_UDP || proto == IPPROTO_SCTP ||
	       proto == IPPROTO_UDPLITE;
}

const char *hg_word_foreign(enum hg_word_place place, const char *word)
{
	unsigned int i;

	for (i = 0; i < COUNT(foreign); i++)
		if (foreign[i].place == place && !strcmp(foreign[i].word, word))
			return foreign[i].hint;
	if (place != HG_WORD_OPTION || hg_word_find_proto(word) < 0)
		return NULL;
	return "write proto before the protocol: proto tcp";
}
