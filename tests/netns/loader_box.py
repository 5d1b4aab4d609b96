# SPDX-License-Identifier: GPL-2.0-or-later
"""What the loader's tests share: hagate-load on veth pairs in network namespaces.

                 namespace A ("gateway")        namespace B ("host")
    hagate-load -> e0 10.99.0.1  ============  e0 10.99.0.2
                   e1            ============  e1
                   br0 (bridge: no native XDP)

Each test has a pin directory and namespaces of its own and removes them.
"""
import contextlib
import ctypes
import itertools
import json
import os
import socket
import struct
import subprocess
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / (os.environ.get("BUILD") or "build")
LOAD = str(BUILD / "bin/hagate-load")
MAPS = {"hg_state", "hg_peer", "hg_path", "hg_gap", "hg_port", "hg_addr4", "hg_addr6", "hg_key",
        "hg_stats", "hg_events", "hg_meta"}
numbers = itertools.count()


def run(*args, check=True, **keywords):
    done = subprocess.run([str(a) for a in args], capture_output=True, text=True,
                          timeout=300, check=False, **keywords)
    assert not check or done.returncode == 0, f"{args}: {done.stdout}{done.stderr}"
    return done


def bpftool(*args):
    return json.loads(run("bpftool", "-j", *args).stdout)


class Box:
    """A namespace pair, a pin directory, and hagate-load in the first namespace."""

    def __init__(self):
        tag = f"hgl{os.getpid()}-{next(numbers)}"
        self.a, self.b = tag + "a", tag + "b"
        self.pin = Path("/sys/fs/bpf") / tag
        for name in (self.a, self.b):
            run("ip", "netns", "add", name)
        for nic in ("e0", "e1"):
            self.add_pair(nic)
        self.ip("link", "add", "br0", "type", "bridge")
        self.ip("addr", "add", "10.99.0.1/24", "dev", "e0")
        run("ip", "-n", self.b, "addr", "add", "10.99.0.2/24", "dev", "e0")

    def add_pair(self, nic):
        self.ip("link", "add", nic, "type", "veth", "peer", "name", nic, "netns", self.b)
        self.ip("link", "set", nic, "up")
        run("ip", "-n", self.b, "link", "set", nic, "up")

    def ip(self, *args):
        return run("ip", "-n", self.a, *args).stdout

    def inside(self, *args):
        return ["nsenter", f"--net=/run/netns/{self.a}", *map(str, args)]

    def command(self, *args):
        return self.inside(LOAD, "--pin", self.pin, *args)

    def load(self, *args, check=True):
        return run(*self.command(*args), check=check)

    def status(self):
        return json.loads(self.load("status", "--json").stdout)

    def port(self, name):
        return next(p for p in self.status()["ports"] if p["name"] == name)

    def link_id(self, port):
        return bpftool("link", "show", "pinned", self.pin / f"link_{port}")["id"]

    def map_id(self, name):
        return bpftool("map", "show", "pinned", self.pin / name)["id"]

    def xdp_of(self, nic):
        xdp = json.loads(self.ip("-j", "link", "show", "dev", nic))[0].get("xdp")
        return xdp["prog"]["id"] if xdp else None

    def filters(self, nic="e0"):
        return run(*self.inside("tc", "filter", "show", "dev", nic, "egress")).stdout

    def has_clsact(self, nic="e0"):
        return "clsact" in run(*self.inside("tc", "qdisc", "show", "dev", nic)).stdout

    def assert_loaded(self, *ports):
        status = self.status()
        assert status["loaded"] and MAPS <= set(status["pinned"])
        assert {p["name"] for p in status["ports"]} == set(ports)
        for port in status["ports"]:
            assert port["xdp"] in ("native", "generic") and port["tc_id"]

    def assert_clean(self, *nics):
        assert not self.pin.exists()
        for nic in nics or ("e0", "e1"):
            assert self.xdp_of(nic) is None
            assert "hg_egress" not in self.filters(nic)
            assert not self.has_clsact(nic)

    def set_state(self, epoch=0, seen=0, lease=0):
        value = struct.pack("<3Q", epoch, seen, lease) + bytes(56)
        run("bpftool", "map", "update", "pinned", self.pin / "hg_state", "key", "hex",
            "00", "00", "00", "00", "value", "hex", *value.hex(" ").split())

    def set_meta(self, layout=1, salt=0):
        meta = bpftool("map", "lookup", "pinned", self.pin / "hg_meta", "key", "0", "0", "0", "0")
        raw = bytearray(int(octet, 16) for octet in meta["value"])
        raw[0] = layout
        raw[8] ^= salt
        run("bpftool", "map", "update", "pinned", self.pin / "hg_meta", "key", "0", "0", "0",
            "0", "value", "hex", *raw.hex(" ").split())

    def close(self):
        run(*self.command("detach", "--force"), check=False)
        for name in (self.a, self.b):
            run("ip", "netns", "del", name, check=False)
        if self.pin.exists():
            run(LOAD, "--pin", self.pin, "detach", "--force", check=False)


@pytest.fixture
def box():
    with contextlib.closing(Box()) as made:
        yield made


@pytest.fixture(scope="session")
def stranger(tmp_path_factory):
    """An object with somebody else's XDP and tc programs."""
    where = tmp_path_factory.mktemp("stranger")
    source = where / "stranger.c"
    source.write_text("""
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
SEC("xdp") int stranger(struct xdp_md *c) { return XDP_PASS; }
SEC("tc") int stranger_tc(struct __sk_buff *c) { return -1; }
char _license[] SEC("license") = "GPL";
""")
    include = f"-I/usr/include/{run('gcc', '-print-multiarch').stdout.strip()}"
    run("clang", "-target", "bpf", "-O2", "-g", include, "-c", "-o", where / "stranger.o", source)
    return where / "stranger.o"


def boottime_ns():
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def socket_in(namespace):
    """A UDP socket that lives in a network namespace."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open("/proc/thread-self/ns/net") as home, open(f"/run/netns/{namespace}") as away:
        assert libc.setns(away.fileno(), 0x40000000) == 0
        try:
            return socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        finally:
            assert libc.setns(home.fileno(), 0x40000000) == 0
