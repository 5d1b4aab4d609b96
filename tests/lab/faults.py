# SPDX-License-Identifier: GPL-2.0-or-later
"""Faults on the lab's cables, and what the cables saw: the user side of wire.bpf.c.

A power-off is one write to one map: all ports of the node are cut in both
directions at the same instant, without the delays of netlink.
"""
import socket
import struct
from collections import namedtuple
from pathlib import Path

from bpfmap import Map
from procs import BUILD, LabError, run, wait_for
from topology import GATEWAYS, NICS, SEGMENTS

# wire.h
CUT_FROM, CUT_TO, CUT_HEARTBEAT_FROM, CUT_HEARTBEAT_TO = 1, 2, 4, 8
CUT_BOTH = CUT_FROM | CUT_TO
CUT_HEARTBEAT = CUT_HEARTBEAT_FROM | CUT_HEARTBEAT_TO
KINDS = ("other", "arp-request", "arp-reply", "advert", "heartbeat", "ip4", "ip6")

Seen = namedtuple("Seen", "node segment kind mac address packets first_ns last_ns")


class Wire:
    """The programs on the switch ends of the gateways' ports, one set of maps a lab."""

    def __init__(self, topology, pin):
        self.topology = topology
        self.pin = Path(pin)
        self.maps = {}

    def attach(self):
        """Loads the programs and puts them on each gateway port."""
        program = BUILD / "lab" / "wire.bpf.o"
        if not program.exists():
            raise LabError(f"{program} is missing: run `make`")
        self.pin.mkdir(parents=True, exist_ok=True)
        run("bpftool", "prog", "loadall", program, self.pin, "pinmaps", self.pin)
        self._open()
        for gateway in GATEWAYS.values():
            for segment in SEGMENTS:
                self._write(gateway, segment)
                self.attach_port(gateway, segment)

    def _open(self):
        self.maps = {
            "port": Map(self.pin / "wire_port", "=I", "=6I"),
            "node": Map(self.pin / "wire_node", "=I", "=I"),
            "nic": Map(self.pin / "wire_nic_mac", "=I", "=6s"),
            "seen": Map(self.pin / "wire_seen", "=IH6s16s", "=QQQ"),
        }

    def close(self):
        for one in self.maps.values():
            one.close()
        self.maps = {}

    def attach_port(self, gateway, segment):
        port = gateway.port(segment)
        self.topology.run(gateway.hypervisor, "ip", "link", "set", "dev", port, "xdpdrv",
                          "pinned", self.pin / "wire_from")
        self.topology.run(gateway.hypervisor, "tc", "-batch", "-", text_in=(
            f"qdisc add dev {port} clsact\n"
            f"filter add dev {port} ingress bpf da pinned {self.pin}/wire_from_tc\n"
            f"filter add dev {port} egress bpf da pinned {self.pin}/wire_to\n"))

    def attach_nic(self, gateway, segment):
        """Lets the gateway's kernel take frames whose MAC XDP has put right (wire_nic)."""
        nic = NICS[segment]
        mac = bytes.fromhex(gateway.mac(segment).replace(":", ""))
        self.maps["nic"].write((gateway.nic_ifindex(segment),), (mac,))
        self.topology.run(gateway.name, "tc", "-force", "-batch", "-", text_in=(
            f"qdisc replace dev {nic} clsact\n"
            f"filter replace dev {nic} ingress prio 1 handle 1 bpf da "
            f"pinned {self.pin}/wire_nic\n"))

    def _write(self, gateway, segment, flags=0, loss=(0, 0), duplicate=(0, 0)):
        self.maps["port"].write((gateway.ifindex(segment),),
                                (gateway.node, flags, *loss, *duplicate))

    def set_port(self, node, segment, flags=0, loss=(0, 0), duplicate=(0, 0)):
        """How one port treats frames; the pairs are per mille (from, to) the node."""
        self._write(GATEWAYS[node], segment, flags, loss, duplicate)

    def set_node(self, node, flags):
        """The same flags for all ports of a node, at one instant."""
        self.maps["node"].write((GATEWAYS[node].node,), (flags,))

    def mend(self):
        """Takes all faults away, pulled cables too."""
        for gateway in GATEWAYS.values():
            self.set_node(gateway.name, 0)
            for segment in SEGMENTS:
                self._write(gateway, segment)
            self.topology.ip(gateway.hypervisor,
                             *(f"link set {gateway.port(s)} up" for s in SEGMENTS))
        wait_for(self.topology.is_forwarding, 10, "all switch ports to forward")

    def set_link(self, node, segment, is_up):
        """The switch end goes down: the gateway's NIC loses its carrier."""
        gateway = GATEWAYS[node]
        self.topology.ip(gateway.hypervisor,
                         f"link set {gateway.port(segment)} {'up' if is_up else 'down'}")

    def forget(self):
        """Starts counting afresh."""
        self.maps["seen"].clear()

    def seen(self, node=None, kind=None, address=None):
        """Frames that left the gateways since forget(), by source MAC and address."""
        places = {g.ifindex(s): (g.name, s) for g in GATEWAYS.values() for s in SEGMENTS}
        found = []
        for (ifindex, number, mac, raw), (packets, first_ns, last_ns) in self.maps["seen"].items():
            name, segment = places[ifindex]
            one = Seen(name, segment, KINDS[number], mac.hex(":"),
                       _address_text(KINDS[number], raw), packets, first_ns, last_ns)
            if ((node is None or one.node == node) and (kind is None or one.kind == kind) and
                    (address is None or one.address == address)):
                found.append(one)
        return found


def _address_text(kind, raw):
    if kind == "other" or not any(raw):
        return ""
    if any(raw[4:]):
        return socket.inet_ntop(socket.AF_INET6, raw)
    return socket.inet_ntoa(struct.pack("4s", raw[:4]))
