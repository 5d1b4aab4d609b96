# SPDX-License-Identifier: GPL-2.0-or-later
"""Who serves after each fault, and what the traffic noticed.

Bounds are generous: the figures belong to the benchmark.
"""
import json

import pytest
from agents import Settings
from procs import wait_for
from scenarios import CASES, measured, wait_steady
from topology import GATEWAYS, HOSTS, NICS, VIP4
from traffic import ArpQuestions, Echo, arp_entry, who_answers

GAP_MAX_MS = 2000
BY_NAME = {case.name: case for case in CASES}
MAC1, MAC2 = GATEWAYS["gw1"].mac("lan"), GATEWAYS["gw2"].mac("lan")


SURE = Settings(timers={"agent_grace": "20s"})  # an agent that starts anew is in time


def run_case(lab, pair, name, address=None):
    """Does the fault under traffic; returns the report."""
    first, second = pair
    case = BY_NAME[name]
    with Echo(lab, case.host, address=address) as echo:
        wait_steady(echo)
        return measured(echo, lambda: case.fault(lab, first, second),
                        lambda: case.until(lab, first, second))


def assert_second_owns(lab, second):
    assert who_answers(lab, "hB", VIP4["lan"]) == {MAC2}
    assert second.status()["serving"] is True


@pytest.mark.parametrize("name, reason", [
    ("power-off", "silence"), ("lan-link", "consent"), ("wan-link", "consent"),
])
def test_takeover(lab, pair, name, reason):
    report = run_case(lab, pair, name)
    assert report["gap_ms"] < GAP_MAX_MS
    assert_second_owns(lab, pair[1])
    assert reasons(pair[1]) == [reason]


def reasons(agent):
    """Why the node became active, each time, from its events."""
    lines = agent.command("events", "--json").stdout.splitlines()
    return [e["reason"] for e in map(json.loads, lines)
            if e["type"] == "transition" and e["to"] == "active" and e["from"] != "active"]


OWNER_KINDS = ("arp-reply", "arp-request", "advert")


@pytest.mark.parametrize("name", [case.name for case in CASES if case.name != "agent-restart"])
def test_never_two_owners_at_once(lab, pair, name):
    """With a host that asks without pause: no frame in the name of the VIP leaves gw1
    after the first one of gw2. Times are taken where the frames reach the switch."""
    first, second = pair
    case = BY_NAME[name]

    def spoken(node):
        return [one for one in lab.wire.seen(node, address=VIP4["lan"])
                if one.kind in OWNER_KINDS]
    with ArpQuestions(lab, "hO", VIP4["lan"]):
        wait_for(lambda: sum(one.packets for one in spoken("gw1")) > 50, 5, "gw1 to answer")
        lab.wire.forget()
        wait_for(lambda: spoken("gw1"), 5, "gw1 to answer on")
        assert not spoken("gw2")
        case.fault(lab, first, second)
        wait_for(lambda: sum(one.packets for one in spoken("gw2")) > 50, 10, "gw2 to answer")
    assert max(one.last_ns for one in spoken("gw1")) < min(one.first_ns for one in spoken("gw2"))


def test_takeover_ipv6(lab, pair):
    report = run_case(lab, pair, "power-off", lab.host("srv").address6)
    assert 0 < report["lost"] and report["gap_ms"] < GAP_MAX_MS


def test_hosts_arp_entries_move(lab, pair):
    with Echo(lab, "hB") as echo:
        wait_steady(echo)
        assert arp_entry(lab, "hB", VIP4["lan"]) == MAC1
        measured(echo, pair[0].power_off, pair[1].is_active)
        assert arp_entry(lab, "hB", VIP4["lan"]) == MAC2


@pytest.mark.parametrize("name", ["agent-killed", "agent-stopped"])
def test_dead_or_hung_agent_leaves_one_owner(lab, pair, name):
    report = run_case(lab, pair, name)
    assert report["gap_ms"] < GAP_MAX_MS
    assert_second_owns(lab, pair[1])
    assert reasons(pair[1]) == ["hung-agent"]


def test_hung_agent_that_wakes_stays_silent(lab, pair):
    first, second = pair
    run_case(lab, pair, "agent-stopped")
    first.resume()
    first.wait_role("standby")
    assert_second_owns(lab, second)


def test_agent_restart_within_grace_is_not_noticed(lab, start):
    pair = first, second = start(SURE)
    before = first.status()
    report = run_case(lab, pair, "agent-restart")
    after = first.status()
    assert report["lost"] == 0
    assert after["epoch"] == before["epoch"] and after["serving"] is True
    assert second.role() == "standby"


def test_handover_loses_at_most_one(lab, pair):
    report = run_case(lab, pair, "handover")
    assert report["lost"] <= 1
    assert_second_owns(lab, pair[1])


def test_failback_loses_at_most_one(lab, start):
    first, second = start(Settings(failback=True, failback_delay="1s"))
    first.power_off()
    wait_for(second.is_active, 10, "gw2 to take over")
    with Echo(lab, "hA") as echo:
        wait_steady(echo)
        report = measured(echo, first.power_on, first.is_active)
    assert report["lost"] <= 1
    assert who_answers(lab, "hA", VIP4["lan"]) == {MAC1}
    assert second.role() in ("draining", "standby")


def test_no_failback_when_disabled(lab, pair):
    first, second = pair
    first.power_off()
    wait_for(second.is_active, 10, "gw2 to take over")
    first.power_on()
    first.wait_role("standby")
    assert second.is_active()


def test_lost_heartbeat_segment_costs_nothing(lab, pair):
    """The healthier node may take over; the traffic must not notice."""
    first, second = pair
    with Echo(lab, "hB") as echo:
        wait_steady(echo)
        lab.wire.set_link("gw1", "ha", False)
        wait_for(lambda: not port(second, "ha")["peer_heard"], 5, "gw2 to miss gw1 on ha")
        wait_for(lambda: len(lab.active()) == 1, 5, "one active node")
        report = echo.report()
        lab.wire.set_link("gw1", "ha", True)
        wait_for(lambda: port(second, "ha")["peer_heard"], 5, "gw2 to hear gw1 on ha again")
    assert report["lost"] <= 1
    assert first.status()["peer"]["reachable"] and second.status()["peer"]["reachable"]


def port(agent, name):
    return next(p for p in agent.status()["ports"] if p["name"] == name)


def test_lossy_network_is_no_reason(lab, start):
    """A tenth of all frames lost and a tenth doubled in both directions, on all ports. As
    many frames a lease as by default."""
    first, second = start(Settings(interval="100ms", lease="400ms"))
    epoch = first.epoch()
    for node in GATEWAYS:
        for segment in ("lan", "wan", "ha"):
            lab.wire.set_port(node, segment, loss=(100, 100), duplicate=(100, 100))
    with Echo(lab, "hB", rate=1000) as echo:
        wait_for(lambda: echo.ask("state")["sent"] > 3000, 10, "three seconds of traffic")
        report = echo.report()
    assert report["lost"] and report["duplicate"], "the cables did their worst"
    assert first.epoch() == epoch and first.is_active() and second.role() == "standby"


def test_both_started_at_once(lab, start):
    """One serves, and only it. (Which one depends on who is up first.)"""
    agents = lab.use_hagate(Settings())
    for agent in agents:
        agent.start()
    wait_for(lambda: len(lab.active()) == 1 and all(agent.is_ready() for agent in agents), 15,
             "one active node and both ready")
    owner, = lab.active()
    standby, = (agent for agent in lab.agents.values() if agent is not owner)
    assert standby.role() == "standby"
    assert who_answers(lab, "hB", VIP4["lan"]) == {GATEWAYS[owner.name].mac("lan")}


def test_both_lose_power_and_return(lab, pair):
    first, second = pair
    epoch = int(first.epoch(), 16)
    for agent in pair:
        agent.power_off()
    for agent in pair:
        agent.power_on()
    wait_for(lambda: len(lab.active()) == 1, 10, "one active node")
    assert int(lab.active()[0].epoch(), 16) > epoch, "an epoch was used twice"


def test_thousand_vips(lab, start):
    vips = {"lan": ["10.1.0.1/24"] + [f"10.101.{i // 250}.{i % 250 + 1}/32" for i in range(499)],
            "wan": ["10.2.0.1/24"] + [f"10.102.{i // 250}.{i % 250 + 1}/32" for i in range(499)]}
    pair = start(Settings(vips=vips))
    lab.wire.forget()
    report = run_case(lab, pair, "power-off")
    assert report["gap_ms"] < GAP_MAX_MS
    for address in ("10.1.0.1", "10.101.0.1", "10.101.1.249"):
        assert who_answers(lab, "hB", address) == {MAC2}
    lan = {vip.partition("/")[0] for vip in vips["lan"]}
    wait_for(lambda: lan <= announced(lab, "gw2", "lan"), 10, "all lan VIPs to be announced")


def announced(lab, node, segment):
    return {one.address for kind in ("arp-request", "arp-reply")
            for one in lab.wire.seen(node, kind) if one.segment == segment}


def test_standby_learns_its_neighbours_after_a_flap(lab, start):
    """The kernel forgets them with the link; the holder tells them at once, not in its next
    round. (A flap longer than a lease makes the holder announce anyway.)"""
    first, second = start(Settings(lease="3s"))
    host = HOSTS["srv"]

    def knows():
        shown = json.loads(lab.run("gw2", "ip", "-json", "neigh", "show", host.address, "dev",
                                   NICS["wan"]).stdout)
        return any(one.get("lladdr") == host.mac for one in shown)
    with Echo(lab, "hB") as echo:
        wait_steady(echo)
        wait_for(knows, 35, "gw2 to know srv")
        lab.wire.set_link("gw2", "wan", False)
        wait_for(lambda: not knows(), 5, "gw2 to forget srv")
        lab.wire.set_link("gw2", "wan", True)
        wait_for(knows, 3, "gw2 to know srv again")
    assert first.is_active() and second.role() == "standby"
