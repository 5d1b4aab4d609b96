/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Packets for the filter's tests, said in one line, and what is to become of them. */
#ifndef TEST_PACKET_H
#define TEST_PACKET_H

#include <linux/bpf.h>
#include <netinet/in.h>

#include "rig.h"

enum part { WHOLE, FIRST, LATER }; /* of a fragmented packet */

struct packet {
	const char *from, *to;
	uint8_t proto;
	uint16_t sport, dport;
	uint8_t octet; /* TCP flags, or ICMP type */
	enum rig_port port;
	int tags; /* outer VLAN: 101 of one, 102 of two */
	enum part part;
	bool has_extensions; /* options of IPv4, extension headers of IPv6 */
};

#define V4 .from = "203.0.113.9", .to = "192.0.2.7"
#define V6 .from = "2001:db8:9::9", .to = "2001:db8::7"
#define TCP .proto = IPPROTO_TCP, .sport = 1000, .dport = 80
#define SYN TCP, .octet = 0x02
#define UDP .proto = IPPROTO_UDP, .sport = 1000, .dport = 53
#define SCTP .proto = IPPROTO_SCTP, .sport = 1000, .dport = 80
#define UDPLITE .proto = IPPROTO_UDPLITE, .sport = 1000, .dport = 80
#define ICMP .proto = IPPROTO_ICMP
#define PING ICMP, .octet = 8
#define ICMP6 .proto = IPPROTO_ICMPV6
#define PING6 ICMP6, .octet = 128
#define SSH .proto = IPPROTO_TCP, .sport = 999, .dport = 22

/* To the MAC of node A's port. */
void packet_make(struct frame *f, const struct packet *p);

/* Runs it through node A. */
void packet_expect(const struct packet *packet, int verdict, enum hg_reason reason,
		   const char *file, int line);
#define packet_passes(reason, ...)                                                              \
	packet_expect(&(const struct packet){ __VA_ARGS__ }, XDP_PASS, HG_R_##reason, __FILE__, \
		      __LINE__)
#define packet_drops(reason, ...)                                                               \
	packet_expect(&(const struct packet){ __VA_ARGS__ }, XDP_DROP, HG_R_##reason, __FILE__, \
		      __LINE__)

#endif
