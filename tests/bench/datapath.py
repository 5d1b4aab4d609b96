# SPDX-License-Identifier: GPL-2.0-or-later
"""ns per packet of the running programs, beside a no-op and xdp-filter.

The programs of a live pair are run on its own maps with BPF_PROG_TEST_RUN. A
constant packet would keep every cache warm, so each round goes through many flows;
variants take turns, since the clock of a shared machine wanders. The no-op's time
of the same round is subtracted.
"""
import contextlib
import json
import random
import shutil
import struct
from collections import defaultdict

import bpfmap
from agents import PROMPT, Settings
from figures import record
from procs import LabError, entered, in_ns, run
from topology import GATEWAYS, HOSTS, NICS

FLOWS, REPEAT = 128, 1000
XDP_DROP, XDP_PASS = 1, 2
TC_UNSPEC = 0xffffffff
TYPE_TC, TYPE_XDP = 3, 6


def mac(text):
    return bytes.fromhex(text.replace(":", ""))


def udp4(source, destination, sport, dport, payload, to_mac, from_mac, ttl=64):
    """An Ethernet frame with a right IP header and no UDP checksum."""
    head = bytearray(struct.pack(">BBHHHBBH4s4s", 0x45, 0, 28 + len(payload), 1, 0, ttl, 17, 0,
                                 bytes(source), bytes(destination)))
    total = sum(struct.unpack(">10H", head))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    head[10:12] = struct.pack(">H", ~total & 0xffff)
    return (mac(to_mac) + mac(from_mac) + b"\x08\x00" + bytes(head) +
            struct.pack(">HHHH", sport, dport, 8 + len(payload), 0) + payload)


def transit_frames(rng):
    """Packets of many hosts to many others through gw1's lan."""
    for _ in range(FLOWS):
        yield udp4((10, 1, 0, rng.randrange(20, 250)), b"\x14" + rng.randbytes(3),
                   rng.randrange(1024, 65535), rng.randrange(1, 65535), rng.randbytes(22),
                   GATEWAYS["gw1"].mac("lan"), HOSTS["hB"].mac)


def forged_frames(rng):
    """PROBEs of the right length under unknown keys: what a stranger's frame costs."""
    for _ in range(FLOWS):
        head = struct.pack(">HBBHBBBBHIII", 0x6867, 1, 2, 64, 0, 0, 2, 1, 0,
                           rng.getrandbits(32), rng.getrandbits(32), 0)
        yield udp4((10, 9, 0, 2), (10, 9, 0, 1), 4701, 4701, head + rng.randbytes(64 - len(head)),
                   GATEWAYS["gw1"].mac("ha"), GATEWAYS["gw2"].mac("ha"), ttl=255)


class Program:
    """A loaded program, by id or as instructions, and how to run it."""

    def __init__(self, fd, context):
        self.fd = fd
        self.context = context  # length of the frame -> context bytes

    def time(self, frames, expected):
        """Mean ns per run over all frames; every verdict must be `expected`."""
        total = 0
        for frame in frames:
            verdict, took = bpfmap.run_program(self.fd, frame, REPEAT, self.context(len(frame)))
            if verdict not in expected:
                raise LabError(f"the program answered {verdict}, not one of {expected}: "
                               "this is not the path to be measured")
            total += took
        return total / len(frames)


def xdp_context(ifindex):
    return lambda length: struct.pack("=6I", 0, length, 0, ifindex, 0, 0)


def tc_context(ifindex, from_ifindex):
    """struct __sk_buff up to ifindex: len, pkt_type, mark, ..., ingress_ifindex, ifindex."""
    return lambda length: struct.pack("=11I", *[0] * 9, from_ifindex, ifindex)


def interfaces(lab, node):
    shown = json.loads(lab.run(node, "ip", "-json", "-details", "link", "show").stdout)
    return {link["ifname"]: link for link in shown}


def tc_program_id(lab, node, nic):
    shown = json.loads(lab.run(node, "tc", "-json", "filter", "show", "dev", nic,
                               "egress").stdout)
    return next(f["options"]["prog"]["id"] for f in shown if "prog" in f.get("options", {}))


@contextlib.contextmanager
def xdp_filter(lab, node):
    """xdp-filter on a host's NIC, with a bpffs of its own; yields its program's id."""
    if not shutil.which("xdp-filter"):
        yield None
        return
    script = ("mount -t bpf bpf /sys/fs/bpf && xdp-filter load -m native -p allow eth0 && "
              "xdp-filter ip 192.0.2.1 && xdp-filter port 9 -p udp")
    run(*in_ns(lab.ns(node), "unshare", "--mount", "sh", "-c", script))
    try:
        yield interfaces(lab, node)["eth0"]["xdp"]["prog"]["id"]
    finally:
        lab.run(node, "ip", "link", "set", "dev", "eth0", "xdp", "off", check=False)


def variants(lab, filter_id, rng):
    """name -> (program, frames, allowed verdicts)."""
    nics = interfaces(lab, "gw1")
    lan, wan, ha = (nics[NICS[s]] for s in ("lan", "wan", "ha"))
    gate = bpfmap.program_fd(lan["xdp"]["prog"]["id"])
    egress = bpfmap.program_fd(tc_program_id(lab, "gw1", NICS["wan"]))
    transit, forged = list(transit_frames(rng)), list(forged_frames(rng))
    lan_context = xdp_context(lan["ifindex"])
    out = tc_context(wan["ifindex"], lan["ifindex"])
    noop = bpfmap.load_constant(TYPE_XDP, XDP_PASS)
    found = {
        "no-op": (Program(noop, lan_context), transit, {XDP_PASS}),
        "no-op tc": (Program(bpfmap.load_constant(TYPE_TC, 0), out), transit, {0}),
        "hg_gate, transit": (Program(gate, lan_context), transit, {XDP_PASS}),
        "hg_gate, strange heartbeat": (Program(gate, xdp_context(ha["ifindex"])), forged,
                                       {XDP_DROP}),
        "hg_egress, transit": (Program(egress, out), transit, {TC_UNSPEC, 0}),
    }
    if filter_id:
        found["xdp-filter"] = (Program(bpfmap.program_fd(filter_id), lambda length: b""),
                               transit, {XDP_PASS})
    return found


def measure(lab, runs):
    """Records, with xdp-filter as the peer of transit through hg_gate."""
    lab.use_hagate(Settings(**PROMPT))
    first, _ = lab.start_agents()
    if not first.is_active():
        raise LabError("gw1 did not become active")
    values = defaultdict(list)
    with xdp_filter(lab, "hO") as filter_id, entered(lab.ns("gw1")):
        todo = variants(lab, filter_id, random.Random(1))
        for _ in range(runs):
            took = {name: program.time(frames, expected)
                    for name, (program, frames, expected) in todo.items()}
            for name, ns in took.items():
                base = took["no-op tc" if name == "hg_egress, transit" else "no-op"]
                values[name].append(ns if name.startswith("no-op") else ns - base)
    peer = {"hg_gate, transit": "xdp-filter"}
    return [record(name, found, "ns", values.get(peer.get(name)), peer.get(name))
            for name, found in values.items()]
