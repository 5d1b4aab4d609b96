/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * Why a packet was passed, answered or dropped, and why a node changed its role.
 *
 * Each list is the only definition: the enum, the short name (status, events,
 * counters) and the sentence (manual, `hagate why`-like output) come from it.
 * Packet reasons index hg_stats, so they are appended to, never reordered,
 * without a new HG_LAYOUT_VERSION (abi.h).
 */
#ifndef HAGATE_REASON_H
#define HAGATE_REASON_H

/* X(IDENTIFIER, "name", "sentence") */
#define HG_PACKET_REASONS(X)                                                                      \
	X(NONE, "none", "no reason recorded; a stage forgot to set one")                          \
	/* passed on to the kernel */                                                             \
	X(PASS_OTHER, "pass-other", "neither ARP nor IP, or for another MAC: left to the kernel") \
	X(PASS_OWN, "pass-own", "for an address of this node itself")                             \
	X(PASS_FAILSAFE, "pass-failsafe", "failsafe service on an address of this node")          \
	X(PASS_MULTICAST, "pass-multicast", "multicast or broadcast, left to the kernel")         \
	X(PASS_VIP, "pass-vip", "for a virtual address this node serves")                         \
	X(PASS_TRANSIT, "pass-transit", "transit through the serving node")                       \
	X(PASS_DRAIN, "pass-drain", "transit through the node that has just handed over")         \
	X(PASS_ARP, "pass-arp", "ARP that concerns no virtual address")                           \
	/* malformed */                                                                           \
	X(BAD_ETHERNET, "bad-ethernet", "shorter than an Ethernet header")                        \
	X(BAD_VLAN, "bad-vlan", "truncated VLAN tag, or more than two")                           \
	X(BAD_ARP, "bad-arp", "truncated ARP, or not Ethernet and IPv4")                          \
	X(BAD_IP, "bad-ip", "IP header truncated, wrong version or wrong length")                 \
	X(BAD_EXTENSION, "bad-extension", "IPv6 extension headers truncated, or more than eight") \
	X(BAD_L4, "bad-l4", "transport header truncated or inconsistent")                         \
	X(BAD_SOURCE, "bad-source", "source is broadcast, multicast, loopback or unspecified")    \
	X(BAD_LAND, "bad-land", "source and destination are the same")                            \
	/* frames between nodes: accepted */                                                      \
	X(PEER_HELLO, "peer-hello", "HELLO accepted")                                             \
	X(PEER_NEIGH, "peer-neigh", "NEIGH accepted")                                             \
	X(PEER_PROBE, "peer-probe", "PROBE turned round as REQUEST")                              \
	X(PEER_PROBE_IDLE, "peer-probe-idle", "PROBE heard by a node that holds no lease")        \
	X(PEER_REQUEST, "peer-request", "REQUEST turned round as GRANT")                          \
	X(PEER_GRANT, "peer-grant", "GRANT extended the lease")                                   \
	X(PEER_CLAIM, "peer-claim", "CLAIM obeyed and turned round as FENCED")                    \
	X(PEER_FENCED, "peer-fenced", "FENCED heard by the claimant")                             \
	/* frames between nodes: refused */                                                       \
	X(PEER_LENGTH, "peer-length", "length does not fit the frame type")                       \
	X(PEER_VERSION, "peer-version", "unknown magic, version or frame type")                   \
	X(PEER_TTL, "peer-ttl", "TTL or hop limit below the minimum: came through a router")      \
	X(PEER_NODE, "peer-node", "sender, receiver or group is not of this pair")                \
	X(PEER_KEY, "peer-key", "HELLO under another cluster key")                                \
	X(PEER_SESSION, "peer-session", "unknown session: the peer or this node restarted")       \
	X(PEER_TAG, "peer-tag", "authentication tag does not match")                              \
	X(PEER_REPLAY, "peer-replay", "sequence not above the last one heard")                    \
	X(PEER_NONCE, "peer-nonce", "HELLO of another boot of the peer, not yet confirmed")       \
	X(PEER_WIRING, "peer-wiring", "frame of another port: cables or vNICs are crossed")       \
	X(PEER_STALE, "peer-stale", "epoch below one already known")                              \
	X(PEER_LATE, "peer-late", "GRANT or FENCED came after its time was over")                 \
	/* virtual addresses on ingress */                                                        \
	X(ARP_ANSWERED, "arp-answered", "ARP request for a virtual address answered")             \
	X(ARP_SILENT, "arp-silent", "ARP for a virtual address this node does not serve")         \
	X(ND_ANSWERED, "nd-answered", "neighbour solicitation for a virtual address answered")    \
	X(ND_SILENT, "nd-silent",                                                                 \
	  "neighbour solicitation for a virtual address this node does not serve")                \
	X(VIP_CONFLICT, "vip-conflict",                                                           \
	  "a stranger claims a virtual address that this node serves")                            \
	X(VIP_SILENT, "vip-silent", "for a virtual address this node does not serve")             \
	X(TRANSIT_SILENT, "transit-silent", "transit at a node that does not serve")              \
	/* egress */                                                                              \
	X(EGRESS_PASS, "egress-pass", "sent as the kernel made it")                               \
	X(EGRESS_VMAC, "egress-vmac", "sent with the virtual source MAC")                         \
	X(EGRESS_ARP, "egress-arp",                                                               \
	  "ARP or neighbour advertisement for a virtual address held back")                       \
	X(EGRESS_RA, "egress-ra", "router advertisement of a node that does not serve held back") \
	X(EGRESS_VIP, "egress-vip", "packet from a virtual address held back")                    \
	X(EGRESS_MAC, "egress-mac", "frame from the virtual MAC held back")                       \
	X(EGRESS_TRANSIT, "egress-transit", "transit of a node that does not serve held back")    \
	X(EGRESS_BAD, "egress-bad", "unreadable frame on egress held back")                       \
	/* the filter */                                                                          \
	X(FILTER_BLOCKED, "filter-blocked", "source is on the blocklist")                         \
	X(FILTER_RULE, "filter-rule", "dropped by a rule")                                        \
	X(FILTER_RATE, "filter-rate", "above the rate of a rule")                                 \
	X(FILTER_DEFAULT, "filter-default", "dropped by the default")

/* X(IDENTIFIER, "name", "sentence") */
#define HG_TRANSITION_REASONS(X)                                                           \
	X(NONE, "none", "nothing happened yet")                                            \
	X(STARTED, "started", "the agent started")                                         \
	X(ADOPTED, "adopted", "the agent restarted and took over the running data path")   \
	X(STOPPED, "stopped", "the agent was told to stop")                                \
	X(ELECTED, "elected", "no holder was heard and this node comes first")             \
	X(ALONE, "alone", "no other node was heard")                                       \
	X(SILENCE, "silence", "the holder fell silent for a whole lease")                  \
	X(HUNG_AGENT, "hung-agent", "the holder's data path lives but its agent does not") \
	X(CONSENT, "consent", "the holder asked this node to take over")                   \
	X(FAILBACK, "failback", "the preferred node takes back its role")                  \
	X(HEARD_HOLDER, "heard-holder", "another node holds the lease")                    \
	X(HANDOVER, "handover", "handed over on the operator's word")                      \
	X(HEALTH, "health", "handed over because the peer is healthier")                   \
	X(OVERRULED, "overruled", "another node claimed with a higher epoch")              \
	X(LEASE_ENDED, "lease-ended", "the lease ended and was not renewed in time")       \
	X(ISOLATED, "isolated", "no grants: renews its own lease (isolation: continue)")   \
	X(ISOLATED_STOP, "isolated-stop", "no grants: stopped serving (isolation: stop)")  \
	X(DRAINED, "drained", "the time for hosts to move is over")                        \
	X(MAINTENANCE_ON, "maintenance-on", "maintenance was switched on")                 \
	X(MAINTENANCE_OFF, "maintenance-off", "maintenance was switched off")              \
	X(UNFIT, "unfit", "a fault keeps this node from serving")                          \
	X(FIT, "fit", "the fault is gone")                                                 \
	X(NO_PEER_READY, "no-peer-ready", "no other node is ready to take over")           \
	X(NOT_CLAIMED, "not-claimed", "the peer did not claim in time")                    \
	X(UNANSWERED, "unanswered", "no answer to the claim, which may not do without")    \
	X(REJOINED, "rejoined", "grants of the peer came back")                            \
	X(NOT_HOLDER, "not-holder", "this node does not hold the lease")                   \
	X(CONFIGURED, "configured", "the configuration changed the mode of this node")     \
	X(LEARNING, "learning", "a member was found to learn the configuration from")      \
	X(NOT_LEARNT, "not-learnt", "learning from the member failed; tries again")        \
	X(JOINED, "joined", "the configuration was learnt: a member from now on")          \
	X(WITNESSED, "witnessed", "no grants of the peer: serves on by the witness's")     \
	X(WITNESS_LOST, "witness-lost", "neither peer nor witness grants: stopped serving")

#define HG_REASON_ENUM(id, name, text) HG_R_##id,
enum hg_reason { HG_PACKET_REASONS(HG_REASON_ENUM) HG_R_COUNT };
#undef HG_REASON_ENUM

#define HG_WHY_ENUM(id, name, text) HG_WHY_##id,
enum hg_why { HG_TRANSITION_REASONS(HG_WHY_ENUM) HG_WHY_COUNT };
#undef HG_WHY_ENUM

#endif
