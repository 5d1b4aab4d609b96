# SPDX-License-Identifier: GPL-2.0-or-later
"""hagate-load and the loader behind it, on veth pairs in network namespaces (root).

                 namespace A ("gateway")        namespace B ("host")
    hagate-load -> e0 10.99.0.1  ============  e0 10.99.0.2
                   e1            ============  e1
                   br0 (bridge: no native XDP)

Each test has a pin directory and namespaces of its own and removes them.
"""
import contextlib
import ctypes
import fcntl
import itertools
import json
import os
import random
import re
import shutil
import socket
import struct
import subprocess
import threading
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / (os.environ.get("BUILD") or "build")
LOAD = str(BUILD / "bin/hagate-load")
MAPS = {"hg_state", "hg_peer", "hg_path", "hg_port", "hg_addr4", "hg_addr6", "hg_key",
        "hg_stats", "hg_events", "hg_meta"}
SO_RCVBUFFORCE = 33  # not in module socket
numbers = itertools.count()

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def run(*args, check=True, **keywords):
    done = subprocess.run([str(a) for a in args], capture_output=True, text=True,
                          timeout=60, check=False, **keywords)
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
        value = struct.pack("<3Q", epoch, seen, lease) + bytes(48)
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


# --- attach, replace, detach ----------------------------------------------------


def test_attach_then_detach_leaves_nothing(box):
    assert "maps: made" in box.load("attach", "e0=lan", "e1=wan").stdout
    box.assert_loaded("lan", "wan")
    assert (box.pin.stat().st_mode & 0o777) == 0o700
    assert box.port("lan")["xdp"] == "native"
    assert box.xdp_of("e0") == box.port("lan")["xdp_id"]
    said = box.load("detach").stdout
    assert "of port lan from e0" in said and "tc egress program" in said
    box.assert_clean()
    assert "nothing was loaded" in box.load("detach").stdout


def test_attach_again_replaces_on_the_same_link_and_maps(box):
    box.load("attach", "e0=lan")
    before = box.link_id("lan"), {m: box.map_id(m) for m in MAPS}
    programs = box.port("lan")["xdp_id"], box.port("lan")["tc_id"]
    assert "maps: taken over" in box.load("attach", "--node", "2", "--peer", "1", "e0=lan").stdout
    assert before == (box.link_id("lan"), {m: box.map_id(m) for m in MAPS})
    assert box.port("lan")["xdp_id"] != programs[0] and box.port("lan")["tc_id"] != programs[1]
    assert box.filters().count("hg_egress") == 2  # one filter: its name is printed twice


def test_no_packet_is_lost_while_programs_are_replaced(box):
    """20 replacements under 2,000 packets a second, each with a number."""
    box.load("attach", "e0=lan")
    receiver, sender = socket_in(box.a), socket_in(box.b)
    receiver.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20)
    receiver.bind(("10.99.0.1", 5000))
    receiver.settimeout(1)
    sender.sendto(b"warm", ("10.99.0.1", 5000))
    assert receiver.recv(64) == b"warm"
    is_done, sent = threading.Event(), 0

    def replace():
        for _ in range(20):
            box.load("attach", "e0=lan")
        is_done.set()

    before = box.port("lan")["xdp_id"]
    thread = threading.Thread(target=replace)
    thread.start()
    while not is_done.is_set():
        sender.sendto(sent.to_bytes(4, "big"), ("10.99.0.1", 5000))
        sent += 1
        time.sleep(0.0005)
    thread.join()
    got = set()
    with contextlib.suppress(TimeoutError):
        while len(got) < sent:
            got.add(int.from_bytes(receiver.recv(64), "big"))
    receiver.close()
    sender.close()
    assert box.port("lan")["xdp_id"] != before
    assert sent > 200 and got == set(range(sent))


def test_port_that_changes_its_name_keeps_its_link(box):
    box.load("attach", "e0=lan")
    link = box.link_id("lan")
    box.load("attach", "e0=inside")
    assert box.link_id("inside") == link
    box.assert_loaded("inside")


def test_each_port_has_a_slot_of_its_own(box):
    for nic, port in (("e0", "lan"), ("e1", "wan"), ("e0", "lan")):
        box.load("attach", f"{nic}={port}")
    ports = bpftool("map", "dump", "pinned", box.pin / "hg_port")
    slots = {bytes(int(o, 16) for o in p["value"][-16:]).rstrip(b"\0").decode():
             int(p["value"][0], 16) for p in ports}
    assert slots == {"lan": 0, "wan": 1}


def test_port_that_moves_to_another_nic(box):
    box.load("attach", "e0=lan")
    box.load("attach", "e1=lan")
    assert box.xdp_of("e0") is None and box.port("lan")["ifname"] == "e1"


def test_two_nodes_with_equal_ifindex(box):
    with contextlib.closing(Box()) as other:
        box.load("attach", "e0=lan")
        other.load("attach", "e0=lan")
        assert box.port("lan")["ifindex"] == other.port("lan")["ifindex"]
        assert box.map_id("hg_state") != other.map_id("hg_state")
        other.load("detach")
        box.assert_loaded("lan")


# --- modes ----------------------------------------------------------------------


def test_generic_only_when_asked_for(box):
    refused = box.load("attach", "br0=lan", check=False)
    assert refused.returncode == 1
    assert "driver bridge has no native XDP" in refused.stderr
    assert "`xdp: generic`" in refused.stderr and "node.yaml" in refused.stderr
    assert box.xdp_of("br0") is None and not box.has_clsact("br0")
    box.load("attach", "--generic", "br0=lan")
    assert box.port("lan")["xdp"] == "generic"


def test_mode_changes_both_ways(box):
    for option, mode in (([], "native"), (["--generic"], "generic"), ([], "native")):
        box.load("attach", *option, "e0=lan")
        assert box.port("lan")["xdp"] == mode


# --- strangers ------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["xdpdrv", "xdpgeneric"])
def test_foreign_xdp_program_is_named_and_stays(box, stranger, mode):
    box.ip("link", "set", "dev", "e0", mode, "obj", stranger, "sec", "xdp")
    number = box.xdp_of("e0")
    program = bpftool("prog", "show", "id", number)
    for option in ([], ["--generic"]):
        refused = box.load("attach", *option, "e0=lan", check=False)
        assert refused.returncode == 1
        assert f"id {number}, name stranger, tag {program['tag']}" in refused.stderr
    assert box.xdp_of("e0") == number and not box.has_clsact()
    assert f"id {number}, name stranger" in box.load("probe", "e0").stdout


def test_foreign_filter_of_another_kind_at_our_priority(box):
    tc = box.inside("tc")
    run(*tc, "qdisc", "add", "dev", "e0", "clsact")
    run(*tc, "filter", "add", "dev", "e0", "egress", "prio", "1", "protocol", "ip", "u32",
        "match", "u32", "0", "0", "classid", "1:1")
    refused = box.load("attach", "e0=lan", check=False)
    assert refused.returncode == 1 and "tc priority 1" in refused.stderr
    assert box.xdp_of("e0") is None and "u32" in box.filters()


def test_foreign_filter_at_our_place_is_refused_and_stays(box, stranger):
    tc = box.inside("tc")
    run(*tc, "qdisc", "add", "dev", "e0", "clsact")
    run(*tc, "filter", "add", "dev", "e0", "egress", "prio", "1", "handle", "0x6867", "bpf",
        "da", "obj", stranger, "sec", "tc")
    refused = box.load("attach", "e0=lan", check=False)
    assert refused.returncode == 1 and "name stranger_tc, tag" in refused.stderr
    assert box.xdp_of("e0") is None and "stranger_tc" in box.filters()
    box.load("detach")
    assert "stranger_tc" in box.filters()


@pytest.mark.parametrize("side", ["ingress", "egress"])
def test_foreign_filter_elsewhere_survives_detach(box, stranger, side):
    tc = box.inside("tc")
    box.load("attach", "e0=lan")
    run(*tc, "filter", "add", "dev", "e0", side, "prio", "10", "bpf", "da", "obj", stranger,
        "sec", "tc")
    box.load("attach", "e0=lan")
    box.load("detach")
    shown = run(*tc, "filter", "show", "dev", "e0", side).stdout
    assert "stranger" in shown and "hg_egress" not in box.filters()
    assert box.has_clsact()


# --- layouts and unfinished sets ------------------------------------------------


def test_other_layout_is_refused_with_the_remedy(box):
    box.load("attach", "e0=lan")
    before = box.port("lan")
    box.set_meta(salt=1)
    refused = box.load("attach", "e0=lan", check=False)
    assert refused.returncode == 1
    assert f"hagate-load --pin {box.pin} detach" in refused.stderr
    assert box.port("lan") == before
    box.load("detach")
    box.assert_clean()
    box.load("attach", "e0=lan")


def test_newer_layout_is_refused(box):
    box.load("attach", "e0=lan")
    box.set_meta(layout=9)
    refused = box.load("attach", "e0=lan", check=False)
    assert refused.returncode == 1 and "layout 9; this is 1" in refused.stderr


@pytest.mark.parametrize("missing", ["hg_meta", "hg_peer", "hg_state"])
def test_unfinished_set_is_built_anew(box, missing):
    box.load("attach", "e0=lan")
    link, state = box.link_id("lan"), box.map_id("hg_state") if missing != "hg_state" else None
    (box.pin / missing).unlink()
    assert "maps: made" in box.load("attach", "e0=lan").stdout
    box.assert_loaded("lan")
    assert box.link_id("lan") == link and box.map_id("hg_state") != state
    program = bpftool("prog", "show", "id", box.port("lan")["xdp_id"])
    assert box.map_id("hg_state") in program["map_ids"]


def test_strange_file_in_place_of_a_link(box):
    box.load("attach", "e0=lan")
    os.rename(box.pin / "hg_key", box.pin / "link_wan")
    refused = box.load("attach", "e1=wan", check=False)
    assert refused.returncode == 1 and "link_wan" in refused.stderr
    box.load("detach")
    box.assert_clean()


def test_killed_at_any_moment_then_works(box):
    """SIGKILL at random times within attach (new and adopted) and detach."""
    start = time.monotonic()
    box.load("attach", "e0=lan", "e1=wan")
    whole = time.monotonic() - start
    seed = int(os.environ.get("SEED") or time.time_ns() % 10**9)
    chance, killed, made = random.Random(seed), 0, 0
    for turn in range(50):
        if turn % 3 == 0:
            box.load("detach")
        args = ["detach"] if turn % 3 == 2 else ["attach", "e0=lan", "e1=wan"]
        process = subprocess.Popen(box.command(*args), stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        time.sleep(chance.uniform(0, whole if args[0] == "attach" else whole / 4))
        process.kill()
        killed += process.wait() != 0
        after = box.load("attach", "e0=lan", "e1=wan", check=False)
        assert after.returncode == 0, f"SEED={seed} turn {turn}: {after.stderr}"
        made += "maps: made" in after.stdout
        box.assert_loaded("lan", "wan")
        programs = bpftool("prog", "show", "id", box.port("lan")["xdp_id"])
        assert box.map_id("hg_state") in programs["map_ids"], f"SEED={seed} turn {turn}"
    assert killed >= 20 and made >= 5, f"SEED={seed}: {killed} killed, {made} anew"
    box.load("detach")
    box.assert_clean()


# --- other versions of the programs ---------------------------------------------


def build_variant(where, path, old, new):
    """hagate-load built from this tree with one change."""
    for part in ("Makefile", "include", "bpf", "loader"):
        run("cp", "-r", ROOT / part, where)
    text = (where / path).read_text()
    assert text.count(old) == 1, f"{path} no longer has {old!r} once"
    (where / path).write_text(text.replace(old, new))
    environment = dict(os.environ, BUILD=str(where / "build"))
    run("make", "-C", where, where / "build/bin/hagate-load", "VERSION=7.7.7", env=environment)
    return where / "build/bin/hagate-load"


def test_same_size_change_of_fields_is_refused(box, tmp_path):
    """libbpf's own check compares sizes and would let this pass."""
    other = build_variant(tmp_path, "include/hagate/abi.h",
                          "\t__u64 packets;\n\t__u64 octets;", "\t__u64 octets;\n\t__u64 packets;")
    box.load("attach", "e0=lan")
    before = box.port("lan")
    refused = run(*box.inside(other, "--pin", box.pin, "attach", "e0=lan"), check=False)
    assert refused.returncode == 1 and "cannot be taken over" in refused.stderr
    assert box.port("lan") == before
    run(*box.inside(other, "--pin", box.pin, "detach"))
    box.assert_clean()


def test_new_program_on_the_same_layout_takes_over(box, tmp_path):
    other = build_variant(tmp_path, "loader/loader.h", "#define HG_LOADER_H", "#define HG_LOADER_H 2")
    box.load("attach", "e0=lan")
    link, state, program = box.link_id("lan"), box.map_id("hg_state"), box.port("lan")["xdp_id"]
    said = run(*box.inside(other, "--pin", box.pin, "attach", "e0=lan")).stdout
    assert "maps: taken over" in said
    assert (box.link_id("lan"), box.map_id("hg_state")) == (link, state)
    assert box.port("lan")["xdp_id"] != program


def test_program_that_the_kernel_refuses_leaves_the_old_one(box, tmp_path):
    other = build_variant(tmp_path, "bpf/gate.bpf.c", 'SEC("xdp.frags")',
                          'static const char *volatile wild;\nSEC("xdp.frags")')
    path = tmp_path / "bpf/gate.bpf.c"
    body = path.read_text()
    at = body.index("{", body.index("int hg_gate(")) + 1
    path.write_text(body[:at] + "\n\tif (!wild || *wild) return XDP_DROP;" + body[at:])
    run("make", "-C", tmp_path, other, env=dict(os.environ, BUILD=str(tmp_path / "build")))
    box.load("attach", "e0=lan")
    before = box.port("lan")
    refused = run(*box.inside(other, "--pin", box.pin, "attach", "e0=lan"), check=False)
    assert refused.returncode == 1
    assert "the kernel refuses program hg_gate" in refused.stderr
    assert "invalid mem access" in refused.stderr and "libbpf" not in refused.stderr
    log = Path(re.search(r"log is in (\S+)", refused.stderr)[1])
    assert "invalid mem access" in log.read_text() and log.stat().st_mode & 0o777 == 0o600
    assert box.port("lan") == before


# --- NICs and namespaces that go ------------------------------------------------


def test_nic_deleted_and_made_again(box):
    box.load("attach", "e0=lan", "e1=wan")
    box.ip("link", "del", "e0")
    gone = box.port("lan")
    assert gone["ifname"] is None and gone["ifindex"] == 0
    box.add_pair("e0")
    assert "taken over" in box.load("attach", "e0=lan").stdout
    assert box.port("lan")["ifname"] == "e0"
    box.assert_loaded("lan", "wan")


def test_nic_gone_then_detach(box):
    box.load("attach", "e0=lan", "e1=wan")
    box.ip("link", "del", "e0")
    assert "link of port lan, whose NIC is gone" in box.load("detach").stdout
    box.assert_clean("e1")


def test_namespace_removed(box):
    box.load("attach", "e0=lan")
    program = box.port("lan")["xdp_id"]
    run("ip", "netns", "del", box.a)
    deadline = time.monotonic() + 10
    while bpftool("link", "show", "pinned", box.pin / "link_lan").get("ifindex"):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    run(LOAD, "--pin", box.pin, "detach")
    assert not box.pin.exists()
    assert run("bpftool", "prog", "show", "id", program, check=False).returncode


def test_detach_from_another_namespace_says_so(box):
    box.load("attach", "e0=lan")
    said = run(LOAD, "--pin", box.pin, "detach").stdout
    assert "another network namespace" in said
    assert box.xdp_of("e0") is None and not box.pin.exists()
    run(*box.inside("ping", "-c1", "-W2", "-q", "10.99.0.2"))  # the filter left lets pass


# --- several at once, privileges, bpffs -----------------------------------------


def test_many_loaders_at_once(box):
    nics = [("e0", "lan"), ("e1", "wan")] * 4
    running = [subprocess.Popen(box.command("attach", f"{nic}={port}"), text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)
               for nic, port in nics]
    said = [(p.communicate(timeout=60), p.returncode) for p in running]
    assert all(code == 0 for _, code in said), said
    assert sum("maps: made" in out for (out, _), _ in said) == 1
    box.assert_loaded("lan", "wan")


def test_attach_and_detach_at_once(box):
    for _ in range(5):
        running = [subprocess.Popen(box.command(*args), stdout=subprocess.DEVNULL,
                                    stderr=subprocess.PIPE, text=True)
                   for args in (["attach", "e0=lan"], ["detach"]) * 2]
        for process in running:
            errors = process.communicate(timeout=60)[1]
            assert process.returncode == 0 or "no such directory on a bpffs" in errors or \
                "made anew by another process" in errors, errors
        if (box.pin / "link_lan").exists():
            program = bpftool("prog", "show", "id", box.port("lan")["xdp_id"])
            assert box.map_id("hg_state") in program["map_ids"]
    box.load("attach", "e0=lan")
    box.assert_loaded("lan")


def test_not_root(box):
    reachable = Path(f"/tmp/{box.a}-hagate-load")
    shutil.copy(LOAD, reachable)
    try:
        for command in (["attach", "e0=lan"], ["detach"], ["status"]):
            refused = run("setpriv", "--reuid", 65534, "--regid", 65534, "--clear-groups",
                          reachable, "--pin", box.pin, *command, check=False)
            assert refused.returncode == 1 and "needs root" in refused.stderr
    finally:
        reachable.unlink()


def test_bpffs_is_mounted_when_missing_and_only_once(box):
    script = f"""set -e
umount -l /sys/fs/bpf
{LOAD} --pin {box.pin} attach e0=lan & one=$!
{LOAD} --pin {box.pin} attach e1=wan & two=$!
wait $one; wait $two
grep -c ' /sys/fs/bpf bpf ' /proc/mounts
{LOAD} --pin {box.pin} status
{LOAD} --pin {box.pin} detach >/dev/null
"""
    done = run(*box.inside("unshare", "--mount", "sh", "-c", script))
    assert "\n1\n" in "\n" + done.stdout
    assert "lan on e0" in done.stdout and "wan on e1" in done.stdout
    assert not box.pin.exists()


def test_pin_directory_that_is_not_on_a_bpffs(box, tmp_path):
    refused = run(*box.inside(LOAD, "--pin", tmp_path / "pin", "attach", "e0=lan"), check=False)
    assert refused.returncode == 1 and "not on a bpffs" in refused.stderr
    assert "mount -t bpf" in refused.stderr and not (tmp_path / "pin").exists()


def test_stuck_lock_is_an_error_and_not_a_hang(box):
    box.load("attach", "e0=lan")
    fd = os.open(box.pin, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        refused = box.load("attach", "e0=lan", check=False)
    finally:
        os.close(fd)
    assert refused.returncode == 1 and "in use by another process" in refused.stderr


# --- reports --------------------------------------------------------------------


def test_status_reads_what_the_data_path_does(box):
    assert box.status() == {"pin": str(box.pin), "loaded": False, "ports": []}
    box.load("attach", "e0=lan")
    assert box.status()["serving"] is False
    box.set_state(epoch=0x501, lease=boottime_ns() + 30 * 10**9)
    status = box.status()
    assert status["serving"] is True and status["epoch"] == "0x0000000000000501"
    assert 20000 < status["lease_ms"] <= 30000
    assert re.search(r"^serving +yes", box.load("status").stdout, re.M)
    box.set_state(epoch=0x501, lease=boottime_ns() - 1)
    assert box.status()["serving"] is False


def test_live_agent_is_not_disturbed(box):
    box.load("attach", "e0=lan")
    box.set_state(seen=boottime_ns())
    for command in (["detach"], ["attach", "e0=lan"]):
        refused = box.load(*command, check=False)
        assert refused.returncode == 1 and "stop hagated first" in refused.stderr
    box.assert_loaded("lan")
    box.load("detach", "--force")
    box.assert_clean()


def test_probe(box):
    said = box.load("probe", "--try", "e0", "br0").stdout
    assert "e0: driver veth" in said and "native XDP: yes, tried" in said
    assert "br0: driver bridge" in said and "native XDP: no" in said
    assert box.xdp_of("e0") is None
    missing = box.load("probe", "nope", check=False)
    assert missing.returncode == 1 and "nope" in missing.stderr


@pytest.mark.parametrize("args", [[], ["jump"], ["attach"], ["attach", "e0"], ["attach", "e0="],
                                  ["attach", "--node", "0", "e0=lan"], ["detach", "lan"],
                                  ["status", "--colour"]])
def test_usage_errors(args):
    assert run(LOAD, *args, check=False).returncode == 2


def test_unknown_nic_lists_those_there_are(box):
    refused = box.load("attach", "nope=lan", check=False)
    assert refused.returncode == 1
    assert "no NIC has name nope" in refused.stderr and "e0 (" in refused.stderr
