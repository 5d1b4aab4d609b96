# SPDX-License-Identifier: GPL-2.0-or-later
"""The user side of sink.bpf.c: puts the sink on each cable, reads what it counted."""
import contextlib
import json
import socket
import subprocess
import time
from collections import namedtuple

from bpfmap import Map
from procs import BUILD, LabError, in_ns, run
from topology import GATEWAYS, SEGMENTS, VIP4, VIP6

# sink.h
RECORDS = 256
OWN, VIP = 1, 2
KINDS = ("none", "claim", "transit")
BADS = ("two", "mute", "both")

Count = namedtuple("Count", "claims transit drained bare two mute both "
                            "declared_two declared_mute declared_both "
                            "flight flight_max crossed crossed_max foreign records")
Record = namedtuple("Record", "at epoch fence_epoch lease_until drain_until fenced_at "
                              "other_epoch served_at node ifindex kind bads addr")


def boottime():
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def packed(address):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return socket.inet_pton(family, address).ljust(16, b"\0")


class Sink:
    """Programs on the switch ends of the gateways' cables; holders of delayed frames."""

    def __init__(self, lab):
        self.lab = lab
        self.pin = lab.pin / "sink"
        self.maps = {}
        self.holders = {}  # hypervisor -> process
        self.taps = {}  # (gateway, segment) -> ifindex
        self.truth = {}  # node -> the map that the sink reads, kept open

    def attach(self):
        program = BUILD / "soak" / "sink.bpf.o"
        if not program.exists():
            raise LabError(f"{program} is missing: run `make`")
        self.pin.mkdir(parents=True, exist_ok=True)
        run("bpftool", "prog", "loadall", program, self.pin, "pinmaps", self.pin)
        self.maps = {
            "truth": Map(self.pin / "sink_truth", "=I", "=I"),
            "port": Map(self.pin / "sink_port", "=I", "=3I"),
            "addr": Map(self.pin / "sink_addr", "=16s", "=I"),
            "all": Map(self.pin / "sink_all", "=I", f"={4 + 6 + 6}Q"),
            "node": Map(self.pin / "sink_node", "=I", "=3Q"),
            "declared": Map(self.pin / "sink_declared", "=I", "=3Q"),
            "record": Map(self.pin / "sink_record", "=I", "=8Q4I16s"),
        }
        for address in (*VIP4.values(), *VIP6.values()):
            self.maps["addr"].write((packed(address),), (VIP,))
        for gateway in GATEWAYS.values():
            self._hold(gateway)
            for segment in SEGMENTS:
                own = [gateway.address(segment)]
                if segment != "ha":
                    own.append(gateway.address6(segment))
                for address in own:
                    self.maps["addr"].write((packed(address),), (OWN,))
                self.attach_port(gateway, segment)

    def _hold(self, gateway):
        ports = [gateway.port(segment) for segment in SEGMENTS]
        child = self.lab.processes.start(
            in_ns(self.lab.ns(gateway.hypervisor), BUILD / "soak" / "delay", *ports),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        line = child.stdout.readline()
        if not line:
            raise LabError("delay does not start: is /dev/net/tun there?")
        self.holders[gateway.name] = child
        for segment, ifindex in zip(SEGMENTS, json.loads(line)):
            self.taps[gateway.name, segment] = ifindex

    def attach_port(self, gateway, segment):
        """Before the wire's programs; to be done again when a NIC was replaced."""
        self.set_delay(gateway.name, segment)
        port = gateway.port(segment)
        self.lab.topology.run(gateway.hypervisor, "tc", "-batch", "-", text_in=(
            f"filter replace dev {port} ingress pref 1 handle 1 bpf da pinned "
            f"{self.pin}/sink_from\n"
            f"filter replace dev {port} egress pref 1 handle 1 bpf da pinned "
            f"{self.pin}/sink_to\n"))

    def watch(self, number, state):
        """`state`: the node's hg_state as a Map, which the sink now reads."""
        self.maps["truth"].write((number,), (state.fd,))

    def forget(self, number):
        """The node has no maps any more, or must count as if it had none."""
        with contextlib.suppress(FileNotFoundError):
            self.maps["truth"].delete((number,))
        self.maps["node"].write((number,), (0, 0, 0))

    def set_delay(self, node, segment, per_mille=0):
        gateway = GATEWAYS[node]
        self.maps["port"].write((gateway.ifindex(segment),),
                                (gateway.node, per_mille, self.taps[node, segment]))

    def set_hold(self, node, min_us, max_us):
        """How long delayed frames to a node are held."""
        holder = self.holders[node]
        holder.stdin.write(f"{min_us} {max_us}\n")
        holder.stdin.flush()

    def declare(self, is_declared):
        """A partition in which both nodes may serve. Returns what the last one saw."""
        _, first, last = self.maps["declared"].read((0,))
        self.maps["declared"].write((0,), (1, 0, 0) if is_declared else (0, first, last))
        return first, last

    def reset(self):
        """Forgets epochs and counts: what comes now is another pair's."""
        size = self.maps["all"].value.size // 8
        self.maps["all"].write((0,), (0,) * size)
        for gateway in GATEWAYS.values():
            self.maps["node"].write((gateway.node,), (0, 0, 0))

    def count(self):
        f = self.maps["all"].read((0,))
        return Count(*f[:4], *f[4:7], *f[7:10], *f[-6:])

    def records(self, since):
        """The frames counted as bad after the first `since` ones."""
        total = self.count().records
        for number in range(max(since, total - RECORDS), total):
            yield Record(*self.maps["record"].read((number % RECORDS,)))

    def close(self):
        for one in self.maps.values():
            one.close()
        self.maps = {}


def describe(record):
    """One bad frame in words."""
    node = {g.node: g.name for g in GATEWAYS.values()}.get(record.node, record.node)
    bads = "+".join(name for bit, name in enumerate(BADS) if record.bads >> bit & 1)
    raw = record.addr
    address = (socket.inet_ntop(socket.AF_INET6, raw) if any(raw[4:]) else
               socket.inet_ntop(socket.AF_INET, raw[:4]))

    def ms(then):
        return f"{(record.at - then) / 1e6:.3f}" if then else "never"
    return (f"{record.at / 1e6:.3f} ms {node} if {record.ifindex} {bads} {KINDS[record.kind]} "
            f"{address} epoch {record.epoch:#x} fence {record.fence_epoch:#x} other "
            f"{record.other_epoch:#x}; ms since: seen serving {ms(record.served_at)}, fenced "
            f"{ms(record.fenced_at)}, lease end {ms(record.lease_until)}, drain end "
            f"{ms(record.drain_until)}")
