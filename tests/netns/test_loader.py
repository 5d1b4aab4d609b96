# SPDX-License-Identifier: GPL-2.0-or-later
"""hagate-load: attaching, replacing, modes, strangers on the NIC, reports (root)."""
import contextlib
import json
import os
import re
import socket
import struct
import threading
import time

import pytest

from loader_box import LOAD, MAPS, Box, boottime_ns, box, bpftool, run, socket_in, stranger

SO_RCVBUFFORCE = 33  # not in module socket

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


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
    is_done, is_whole, sent = threading.Event(), threading.Event(), 0

    def replace():
        try:
            for _ in range(20):
                box.load("attach", "e0=lan")
            is_whole.set()
        finally:
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
    assert is_whole.is_set() and box.port("lan")["xdp_id"] != before
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


def test_detach_warns_of_virtual_addresses_left_on_a_nic(box):
    box.load("attach", "e0=lan")
    assert box.load("detach").stderr == ""
    box.load("attach", "e0=lan")
    for address, name in ((socket.inet_aton("10.99.0.7"), "hg_addr4"),
                          (socket.inet_pton(socket.AF_INET6, "fd00::7"), "hg_addr6")):
        run("bpftool", "map", "update", "pinned", box.pin / name, "key", "hex",
            *address.hex(" ").split(), "value", "hex", *struct.pack("<2I", 2, 0).hex(" ").split())
    box.ip("addr", "add", "10.99.0.7/32", "dev", "e0")
    box.ip("addr", "add", "fd00::7/64", "dev", "e0")
    warned = box.load("detach").stderr
    assert "ip addr del 10.99.0.7/32 dev e0" in warned
    assert "ip addr del fd00::7/64 dev e0" in warned and "10.99.0.1" not in warned


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
    is_over = threading.Event()

    def live():
        while not is_over.wait(0.02):
            box.set_state(seen=boottime_ns())

    agent = threading.Thread(target=live)
    agent.start()
    try:
        for command in (["detach"], ["attach", "e0=lan"]):
            refused = box.load(*command, check=False)
            assert refused.returncode == 1 and "stop hagated first" in refused.stderr
        box.assert_loaded("lan")
    finally:
        is_over.set()
        agent.join()
    box.set_state(seen=boottime_ns())
    box.load("detach")  # of an agent that has just been stopped
    box.assert_clean()


def test_force_does_not_ask(box):
    box.load("attach", "e0=lan")
    box.set_state(seen=boottime_ns() + 10**12)
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
