# SPDX-License-Identifier: GPL-2.0-or-later
"""Two hypervisors, two gateways, four hosts, as network namespaces.

        hypervisor A                                      hypervisor B
   hA --[lan]-- gw1                                  gw2 --[lan]-- hB
          |   [wan]-|  [ha]                      [ha]  |-[wan]   |
          |     |        |                         |       |     |
          |     |        +---- physical ha switch--+       |     |
          |     +---------- physical wan switch -- srv ----+     |
          +--------- hO --- physical lan switch -----------------+

Each vSwitch and each physical switch is a bridge; the three bridges of a hypervisor
(and of the physical network) share a namespace. Addresses: 10.1.0.0/24 and
fd00:1::/64 lan, 10.2.0.0/24 and fd00:2::/64 wan, 10.9.0.0/24 ha. The hosts' default
route is the lan VIP (.1), the server's route to the lan is the wan VIP (.1).
"""
import json
from dataclasses import dataclass

from procs import in_ns, run, wait_for

SEGMENTS = ("lan", "wan", "ha")
NET4 = {"lan": "10.1.0", "wan": "10.2.0", "ha": "10.9.0"}
NET6 = {"lan": "fd00:1:", "wan": "fd00:2:"}
VIP4 = {"lan": "10.1.0.1", "wan": "10.2.0.1"}
VIP6 = {"lan": "fd00:1::1", "wan": "fd00:2::1"}
NICS = {"lan": "eth0", "wan": "eth1", "ha": "eth2"}
SWITCHES = ("A", "B", "phy")


@dataclass(frozen=True)
class Gateway:
    """A gateway: its place and its numbers."""
    name: str
    hypervisor: str
    node: int

    def mac(self, segment):
        return f"02:a0:00:00:{self.node:02x}:{SEGMENTS.index(segment) + 1:02x}"

    def address(self, segment):
        last = self.node if segment == "ha" else self.node + 1
        return f"{NET4[segment]}.{last}"

    def address6(self, segment):
        return f"{NET6[segment]}:{self.node + 1:x}"

    def ifindex(self, segment):
        """Of the switch end: unique in the lab, since it is a key in the wire's maps."""
        return 1000 + 10 * self.node + SEGMENTS.index(segment)

    def nic_ifindex(self, segment):
        """Of the gateway's own end, when the lab is new; unique as well."""
        return 1000 + self.ifindex(segment)

    def port(self, segment):
        """Name of the switch end in the hypervisor's namespace."""
        return f"{self.name}-{segment}"


@dataclass(frozen=True)
class Host:
    """A host or the server: which switch it hangs on and its last address octet."""
    name: str
    switch: str
    segment: str
    last: int

    @property
    def mac(self):
        return f"02:b0:00:00:00:{self.last:02x}"

    @property
    def address(self):
        return f"{NET4[self.segment]}.{self.last}"

    @property
    def address6(self):
        return f"{NET6[self.segment]}:{self.last:x}"


GATEWAYS = {g.name: g for g in (Gateway("gw1", "A", 1), Gateway("gw2", "B", 2))}
HOSTS = {h.name: h for h in (Host("hA", "A", "lan", 11), Host("hB", "B", "lan", 12),
                             Host("hO", "phy", "lan", 13), Host("srv", "phy", "wan", 100))}
NODES = (*SWITCHES, *GATEWAYS, *HOSTS)

SYSCTLS = {
    "switch": ["net.ipv6.conf.all.disable_ipv6=1", "net.ipv6.conf.default.disable_ipv6=1"],
    "gateway": ["net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1",
                "net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.default.rp_filter=0",
                "net.ipv4.conf.all.send_redirects=0", "net.ipv4.conf.default.send_redirects=0",
                "net.ipv6.conf.default.accept_dad=0", "net.ipv6.conf.default.accept_ra=0",
                "net.ipv4.ip_nonlocal_bind=1"],
    "host": ["net.ipv6.conf.default.accept_dad=0", "net.ipv6.conf.default.accept_ra=0",
             "net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.all.accept_redirects=0"],
}


class Topology:
    """Builds and removes the namespaces; knows their full names."""

    def __init__(self, prefix):
        self.prefix = prefix
        self._static = {}  # hypervisor -> fdb entries made by hand

    def ns(self, node):
        return self.prefix + node

    def run(self, node, *args, **kwargs):
        """Runs a program in a node's namespace."""
        return run(*in_ns(self.ns(node), *args), **kwargs)

    def ip(self, node, *lines):
        """`ip` commands in one process."""
        return run("ip", "-n", self.ns(node), "-batch", "-", text_in="\n".join(lines) + "\n")

    def up(self):
        run("ip", "-batch", "-", text_in="".join(f"netns add {self.ns(n)}\n" for n in NODES))
        for node in NODES:
            kind = ("switch" if node in SWITCHES else
                    "gateway" if node in GATEWAYS else "host")
            self.run(node, "sysctl", "-q", "-w", *SYSCTLS[kind])
        run("ip", "-batch", "-", text_in="\n".join(self._links()) + "\n")
        for switch in SWITCHES:
            self.ip(switch, *self._switch_lines(switch))
        for gateway in GATEWAYS.values():
            self._set_up_gateway(gateway)
        for host in HOSTS.values():
            self._set_up_host(host)
        wait_for(self.is_forwarding, 10, "all switch ports to forward")

    def is_forwarding(self):
        """The kernel enables bridge ports up to a second after their carrier came."""
        for switch in SWITCHES:
            ports = json.loads(run("bridge", "-n", self.ns(switch), "-json", "link",
                                   "show").stdout)
            if any(port.get("state") != "forwarding" for port in ports if "master" in port):
                return False
        return True

    def down(self):
        """Removes what is there; links go with their namespaces."""
        listed = run("ip", "netns", "list").stdout.split("\n")
        mine = [line.split()[0] for line in listed if line.startswith(self.prefix)]
        if mine:
            run("ip", "-force", "-batch", "-", check=False,
                text_in="".join(f"netns del {name}\n" for name in mine))

    def _veth(self, name, switch, peer, node, extra="", peer_extra=""):
        return (f"link add {name} {extra} netns {self.ns(switch)} type veth "
                f"peer name {peer} {peer_extra} netns {self.ns(node)}")

    def _gateway_link(self, g, segment, generation=0):
        nic = f"address {g.mac(segment)} index {g.nic_ifindex(segment) + 1000 * generation}"
        return self._veth(g.port(segment), g.hypervisor, NICS[segment], g.name,
                          f"index {g.ifindex(segment)}", nic)

    def _links(self):
        for hypervisor in ("A", "B"):
            for segment in SEGMENTS:
                yield self._veth(f"up-{segment}", hypervisor, f"{hypervisor}-{segment}", "phy")
        for g in GATEWAYS.values():
            for segment in SEGMENTS:
                yield self._gateway_link(g, segment)
        for h in HOSTS.values():
            yield self._veth(h.name, h.switch, "eth0", h.name, "", f"address {h.mac}")

    def remove_nic(self, gateway, segment):
        """The VM's NIC is unplugged, with the switch end."""
        self.ip(gateway.hypervisor, f"link del {gateway.port(segment)}")

    def add_nic(self, gateway, segment):
        """A NIC with the same MAC and a new ifindex is plugged in. The wire must be
        attached anew."""
        g = gateway
        run("ip", "-batch", "-", text_in=self._gateway_link(g, segment, 1) + "\n")
        self.ip(g.hypervisor, f"link set {g.port(segment)} master {segment} up")
        self._set_up_nic(g, segment)

    def ports(self, switch, segment):
        """All ports of one bridge; the uplinks come first."""
        uplinks = ([f"A-{segment}", f"B-{segment}"] if switch == "phy" else [f"up-{segment}"])
        return (uplinks + [g.port(segment) for g in GATEWAYS.values() if g.hypervisor == switch] +
                [h.name for h in HOSTS.values() if (h.switch, h.segment) == (switch, segment)])

    def _switch_lines(self, switch):
        for segment in SEGMENTS:
            yield (f"link add {segment} type bridge stp_state 0 forward_delay 0 "
                   "mcast_snooping 0")
            yield f"link set {segment} up"
            for port in self.ports(switch, segment):
                yield f"link set {port} master {segment}"
                yield f"link set {port} up"

    def _set_up_gateway(self, g):
        self.ip(g.name, "link set lo up")
        for segment in SEGMENTS:
            self._set_up_nic(g, segment)

    def _set_up_nic(self, g, segment):
        nic = NICS[segment]
        lines = [f"address add {g.address(segment)}/24 dev {nic}", f"link set {nic} up"]
        if segment in NET6:
            lines.append(f"address add {g.address6(segment)}/64 dev {nic} nodad")
        self.ip(g.name, *lines)
        self._checksum_in_software(g.name, nic)

    def _set_up_host(self, h):
        far4, far6 = "default", "::/0"
        if h.name == "srv":
            far4, far6 = f"{NET4['lan']}.0/24", f"{NET6['lan']}:/64"
        self.ip(h.name, "link set lo up", f"address add {h.address}/24 dev eth0",
                f"address add {h.address6}/64 dev eth0 nodad", "link set eth0 up",
                f"route add {far4} via {VIP4[h.segment]}",
                f"route add {far6} via {VIP6[h.segment]}")
        self._checksum_in_software(h.name, "eth0")

    def _checksum_in_software(self, node, nic):
        """veth would carry partial checksums, which XDP turns round as they are."""
        self.run(node, "ethtool", "-K", nic, "tx", "off")

    # Switches that hold addresses statically, as vSwitches do

    def make_static(self, virtual_macs):
        """vSwitches neither learn nor flood to VMs: each VM's MAC is where it was made.

        `virtual_macs` (segment -> MAC) are registered on both hypervisors' gateway
        ports, as both gateways have that address as their own.
        """
        for hypervisor, port, mac in self._registered(virtual_macs):
            self._static.setdefault(hypervisor, []).append(f"{mac} dev {port} master")
        for hypervisor, entries in self._static.items():
            self._bridge(hypervisor, [*self._port_lines(hypervisor, "off"),
                                      *(f"fdb replace {entry} static" for entry in entries)])

    def make_learning(self):
        """Back to switches that learn; the static entries go."""
        for hypervisor, entries in self._static.items():
            self._bridge(hypervisor, [*self._port_lines(hypervisor, "on"),
                                      *(f"fdb del {entry}" for entry in entries)])
        self._static = {}

    def _bridge(self, switch, lines):
        run("bridge", "-n", self.ns(switch), "-batch", "-", text_in="\n".join(lines) + "\n")
        self.ip(switch, *(f"link set {s} type bridge fdb_flush" for s in SEGMENTS))

    def _port_lines(self, hypervisor, learning):
        """Frames for unknown addresses always go out by the uplink, the first port."""
        for segment in SEGMENTS:
            for number, port in enumerate(self.ports(hypervisor, segment)):
                flood = "on" if number == 0 else learning
                yield f"link set dev {port} learning {learning} flood {flood}"

    @staticmethod
    def _registered(virtual_macs):
        for g in GATEWAYS.values():
            for segment in SEGMENTS:
                yield g.hypervisor, g.port(segment), g.mac(segment)
                if segment in virtual_macs:
                    yield g.hypervisor, g.port(segment), virtual_macs[segment]
        for h in HOSTS.values():
            if h.switch != "phy":
                yield h.switch, h.name, h.mac
