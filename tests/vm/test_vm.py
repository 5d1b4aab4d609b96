# SPDX-License-Identifier: GPL-2.0-or-later
"""Gateways as virtual machines: dead, paused, rolled back, their NICs in another order.

Whose frames were on the wire says the wire: owner frames are answers for a VIP (ARP replies
and requests whose sender is a VIP, neighbour advertisements of a VIP) and what is sent from
a VIP; transit is what a gateway forwards for hosts.
"""
import time

import pytest
from procs import LabError, wait_for
from topology import GATEWAYS, SEGMENTS, VIP4, VIP6
from traffic import ArpQuestions, Echo

VIPS = {*VIP4.values(), *VIP6.values()}
OWN = {address for g in GATEWAYS.values() for s in SEGMENTS
       for address in (g.address(s), g.address6(s) if s != "ha" else None)}
RATE = 200


def owner_frames(lab, node):
    return [seen for seen in lab.wire.seen(node) if seen.kind != "heartbeat" and
            seen.address in VIPS]


def transit_frames(lab, node):
    return [seen for seen in lab.wire.seen(node) if seen.kind in ("ip4", "ip6") and
            seen.address not in VIPS | OWN and not seen.address.startswith("fe80:")]


def count(frames):
    return sum(seen.packets for seen in frames)


def span_ms(frames):
    """From the first to the last of them."""
    if not frames:
        return 0.0
    return (max(s.last_ns for s in frames) - min(s.first_ns for s in frames)) / 1e6


def is_flowing(echo):
    state = echo.ask("state")
    return state["answered"] and state["last_answer_ms"] < 500


def flows(echo, timeout=60):
    wait_for(lambda: is_flowing(echo), timeout, "echo traffic", pause=0.1)


def assert_one_owner(lab, owner, other, seconds=3):
    """For a while from now on only `owner` answers."""
    lab.wire.forget()
    with ArpQuestions(lab, "hB", VIP4["lan"], interval=0.01):
        time.sleep(seconds)
    assert count(owner_frames(lab, owner.name)) > 0
    assert count(owner_frames(lab, other.name)) == 0


def test_serves_with_native_xdp(lab, pair):
    first, second = pair
    for machine in pair:
        assert machine.sh("uname -r")[1].startswith("6.1.")
        assert {p["xdp"] for p in machine.status()["ports"]} == {"native"}
    with Echo(lab, "hB", rate=RATE) as echo:
        flows(echo)
    assert_one_owner(lab, first, second)


def test_power_off(lab, pair, figure):
    first, second = pair
    with Echo(lab, "hB", rate=RATE) as echo:
        flows(echo)
        echo.mark()
        first.power_off()
        wait_for(second.is_active, 60, "gw2 to take over", pause=0.2)
        flows(echo)
        report = echo.report()
    figure(f"power-off of the active VM: longest gap {report['gap_ms']:.0f} ms "
           f"(lease 1000 ms), {report['lost']} of {report['sent']} lost")
    assert_one_owner(lab, second, first)
    first.power_on()
    wait_for(first.is_ready, 90, "gw1 to be back", pause=0.5)
    assert first.role() == "standby" and second.is_active()


@pytest.mark.parametrize("number", range(3))
def test_pause_of_the_active_machine(lab, pair, figure, number):
    """Its clock stands still too: it wakes in the belief that its lease goes on."""
    first, second = pair
    with Echo(lab, "hB", rate=RATE) as echo, ArpQuestions(lab, "hB", VIP4["lan"], 0.01):
        flows(echo)
        first.suspend()
        wait_for(second.is_active, 30, "gw2 to take over", pause=0.1)
        flows(echo)
        time.sleep(5)
        lab.wire.forget()
        first.resume()
        wait_for(lambda: first.role() == "standby" or None, 60, "gw1 to be standby", pause=0.2)
        time.sleep(3)
        owner, transit = owner_frames(lab, "gw1"), transit_frames(lab, "gw1")
        flows(echo)
    figure(f"resume {number + 1} after more than 5 s with a frozen clock: {count(owner)} owner "
           f"frames of the paused node within {span_ms(owner):.1f} ms, {count(transit)} frames "
           f"forwarded (waiting at its NIC when it woke, or draining) within "
           f"{span_ms(transit):.1f} ms")
    # no more than what it has in hand until the first heartbeat comes
    assert span_ms(owner) < 300
    assert_one_owner(lab, second, first)


def test_snapshot_rollback_of_the_active_machine(lab, pair, figure):
    """Memory, clock and disk of an active node, from before epochs that it served itself."""
    first, second = pair
    before = int(first.epoch(), 16)
    first.save("past")
    wait_for(lambda: first.is_ready() and second.is_ready(), 60, "the pair", pause=0.5)
    if first.is_active():
        first.command("handover")
    wait_for(lambda: second.is_active() and first.is_ready(), 60, "gw2 to serve", pause=0.5)
    second.command("handover")
    wait_for(lambda: first.is_active() and second.is_ready(), 60, "gw1 to serve", pause=0.5)
    first.command("handover")
    wait_for(lambda: second.is_active() and first.is_ready(), 60, "gw2 to serve again", pause=0.5)
    highest = int(second.epoch(), 16)
    assert highest > before
    lab.wire.forget()
    with ArpQuestions(lab, "hB", VIP4["lan"], 0.01):
        first.load("past")
        wait_for(lambda: first.role() == "standby" or None, 60, "gw1 to be standby", pause=0.2)
        owner = owner_frames(lab, "gw1")
    figure(f"snapshot rollback of a node that was active then: {count(owner)} owner frames "
           f"within {span_ms(owner):.1f} ms")
    assert span_ms(owner) < 300
    assert_one_owner(lab, second, first)
    second.command("handover")
    wait_for(lambda: first.is_active() and second.is_ready(), 60, "gw1 to serve", pause=0.5)
    assert int(first.epoch(), 16) > highest


def test_nics_in_another_order(lab, pair):
    first, second = pair
    names = {p["name"]: p["ifname"] for p in first.status()["ports"]}
    first.power_off()
    wait_for(second.is_active, 60, "gw2 to take over", pause=0.2)
    first.order = tuple(reversed(SEGMENTS))
    first.power_on()
    wait_for(first.is_ready, 90, "gw1 to be ready", pause=0.5)
    status = first.status()
    assert {p["name"]: p["ifname"] for p in status["ports"]} != names
    assert {p["name"]: p["mac"] for p in status["ports"]} == first.macs
    assert not any(p["fault"] for p in status["ports"])
    second.command("handover")
    wait_for(first.is_active, 60, "gw1 to serve", pause=0.5)
    with Echo(lab, "hB", rate=RATE) as echo:
        flows(echo)
    assert_one_owner(lab, first, second)


def test_dead_machine_does_not_answer(pair):
    """The harness itself: a machine that is gone is told from one that refuses."""
    first, _ = pair
    first.power_off()
    assert first.status() == {} and first.command("status", check=False).returncode == 3
    try:
        first.command("status")
    except LabError as error:
        assert "does not answer" in str(error)
    else:
        raise AssertionError("a dead machine answered")
