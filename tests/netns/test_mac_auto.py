# SPDX-License-Identifier: GPL-2.0-or-later
"""mac: auto: real or virtual, by a test on the wire, port by port."""
import json
import threading
import time

import pytest
from agents import Settings
from procs import wait_for
from scenarios import measured, wait_steady
from test_wiring import long
from topology import GATEWAYS, VIP4
from traffic import Echo, arp_entry, who_answers

VIP_PORTS = ("lan", "wan")
AUTO = Settings(mac="auto", timers={"agent_grace": "10s"})


def port(agent, name):
    return next(p for p in agent.status()["ports"] if p["name"] == name)


def result(agent, name):
    return (port(agent, name)["mac_test"] or {}).get("result")


def wait_tested(pair, ports=VIP_PORTS):
    wait_for(lambda: all(result(agent, name) not in (None, "untested")
                         for agent in pair for name in ports), 10, "the test of the MACs")


def modes(agent):
    return {name: port(agent, name)["mac_mode"] for name in VIP_PORTS}


class TestLearning:
    """Bridges that learn: the virtual MAC works, so it is taken."""

    def test_virtual_is_chosen_and_moves(self, lab, start):
        first, second = start(AUTO)
        wait_tested((first, second))
        for agent in (first, second):
            assert modes(agent) == {"lan": "virtual", "wan": "virtual"}
            assert agent.status()["mac_mode"] == "virtual"
            test = port(agent, "lan")["mac_test"]
            assert test["result"] == "virtual-possible" and "both ways" in test["text"]
            assert test["self"] == test["peer"] == {"sends_foreign_mac": True,
                                                    "source_is_rewritten": False,
                                                    "receives_foreign_mac": True}
        with Echo(lab, "hB") as echo:
            wait_steady(echo)
            mac = arp_entry(lab, "hB", VIP4["lan"])
            assert mac.startswith("02:68:67:00") and who_answers(lab, "hB", VIP4["lan"]) == {mac}
            report = measured(echo, first.power_off, second.is_active)
            assert report["gap_ms"] < 2000
            assert arp_entry(lab, "hB", VIP4["lan"]) == mac

    def test_the_test_disturbs_nobody(self, lab, start):
        """Ten tests, and the change from real to virtual, under traffic: nothing is lost."""
        first, second = start(AUTO)
        with Echo(lab, "hB") as echo:
            wait_steady(echo)
            wait_tested((first, second))
            for number in range(10):
                agent = (first, second)[number % 2]
                done = agent.command("ports", "--test-mac", "--json")
                found = {p["name"]: p["mac_test"]["result"] for p in json.loads(done.stdout)
                         if p["mac_test"]["result"] != "untested"}
                assert found == dict.fromkeys(VIP_PORTS, "virtual-possible")
            report = echo.report()
        assert report["lost"] == 0 and report["sent"] > 4000, report
        assert first.is_active() and second.role() == "standby"

    def test_restart_of_the_agent_keeps_the_choice(self, lab, start):
        first, second = start(AUTO)
        wait_tested((first, second))
        with Echo(lab, "hB") as echo:
            wait_steady(echo)
            first.kill()
            first.start()
            wait_for(first.is_active, 10, "gw1's new agent")
            assert modes(first) == {"lan": "virtual", "wan": "virtual"}
            assert echo.report()["lost"] == 0
        assert arp_entry(lab, "hB", VIP4["lan"]).startswith("02:68:67:00")

    @long
    def test_needs_two_nodes(self, lab, start):
        first, second = start(AUTO)
        wait_tested((first, second))
        second.power_off()
        wait_for(lambda: not first.status()["peer"]["reachable"], 5, "gw1 to miss gw2")
        done = first.command("ports", "--test-mac", check=False)
        assert done.returncode == 1 and "gw2" in done.stderr

    @long
    @pytest.mark.parametrize("victim", [0, 1], ids=["holder", "standby"])
    def test_death_in_the_middle_leaves_nothing(self, lab, start, victim):
        """Whoever dies during a test: the other serves on, no NIC keeps a foreign MAC."""
        pair = start(AUTO)
        wait_tested(pair)
        asking = threading.Thread(  # he need not get an answer
            target=lambda: pair[1].command("ports", "--test-mac", check=False))
        asking.start()
        time.sleep(0.15)
        pair[victim].kill()
        asking.join()
        other = pair[1 - victim]
        wait_for(other.is_active, 10, "the other to serve")
        pair[victim].start()
        wait_for(lambda: all(a.is_ready() for a in pair), 10, "both to be back")
        wait_tested(pair)
        assert modes(other) == {"lan": "virtual", "wan": "virtual"}


class TestStatic:
    """vSwitches that hold MACs statically carry no foreign MAC: real, and the reason."""

    @pytest.fixture(autouse=True)
    def static(self, lab):
        lab.topology.make_static({})
        yield
        lab.topology.make_learning()

    def test_real_is_chosen_with_the_reason(self, lab, start):
        first, second = start(AUTO)
        wait_tested((first, second))
        for agent in (first, second):
            assert modes(agent) == {"lan": "real", "wan": "real"}
            assert agent.status()["mac_mode"] == "real"
            test = port(agent, "lan")["mac_test"]
            assert test["result"] == "virtual-impossible"
            assert "gw1 gets no frames" in test["text"] and "gw2 gets no frames" in test["text"]
            assert "statically" in agent.command("ports").stdout
        with Echo(lab, "hB") as echo:
            wait_steady(echo)
            report = measured(echo, first.power_off, second.is_active)
        assert report["gap_ms"] < 2000

    def test_virtual_warns_loudly(self, lab, start):
        """Configured, but the network cannot: named on both nodes."""
        first, second = start(Settings(mac="virtual"))
        for agent in (first, second):
            wait_for(lambda a=agent: any("mac: virtual does not work on port lan" in fault
                                         for fault in a.status()["faults"]), 10,
                     f"{agent.name}'s warning")
            assert modes(agent) == {"lan": "virtual", "wan": "virtual"}
            assert "mac: virtual does not work" in agent.command("status").stdout
            assert "mac: auto" in " ".join(agent.status()["faults"])


@pytest.fixture(name="treat")
def _treat(lab):
    """treat(node, rule): how the vSwitch port of a node's lan treats frames from the node."""
    treated = []

    def rule(node, text):
        gateway = GATEWAYS[node]
        lab.run(gateway.hypervisor, "nft", "-f", "-", text_in=(
            "table netdev hgtreat {\n chain c {\n  type filter hook ingress device "
            f"\"{gateway.port('lan')}\" priority 0; policy accept;\n  {text}\n }}\n}}\n"))
        treated.append(gateway.hypervisor)
    yield rule
    for switch in treated:
        lab.run(switch, "nft", "delete", "table", "netdev", "hgtreat")


FROM_T = "ether saddr & ff:ff:ff:80:00:00 == 02:68:67:80:00:00"


def test_forged_transmits_refused(start, treat):
    treat("gw2", f"{FROM_T} drop")
    pair = start(AUTO)
    wait_tested(pair)
    for agent in pair:
        assert modes(agent) == {"lan": "real", "wan": "virtual"}
        test = port(agent, "lan")["mac_test"]
        assert "frames of gw2 from a MAC that is not its NIC's do not arrive" in test["text"]
        assert "frames of gw1" not in test["text"]
    assert port(pair[1], "lan")["mac_test"]["self"]["sends_foreign_mac"] is False


@long
def test_macs_translated(start, treat):
    treat("gw1", f"{FROM_T} ether saddr set {GATEWAYS['gw1'].mac('lan')}")
    pair = start(AUTO)
    wait_tested(pair)
    for agent in pair:
        assert modes(agent) == {"lan": "real", "wan": "virtual"}
        assert "frames of gw1 from a MAC that is not its NIC's arrive with another source" in \
            port(agent, "lan")["mac_test"]["text"]


@long
def test_lossy_network_is_no_reason_for_real(lab, start):
    """A tenth of all frames lost and doubled: each step is tried again."""
    pair = start(Settings(mac="auto", interval="20ms", lease="500ms"))
    wait_tested(pair)
    for node in GATEWAYS:
        for segment in ("lan", "wan"):
            lab.wire.set_port(node, segment, loss=(100, 100), duplicate=(100, 100))
    found = [p["mac_test"]["result"] for _ in range(10)
             for p in json.loads(pair[0].command("ports", "--test-mac", "--json").stdout)
             if p["name"] in VIP_PORTS]
    assert len(found) == 20 and found.count("virtual-possible") >= 18, found


@long
def test_nobody_answers(start, treat):
    """The segment carries IP only, as a cloud's does: not known, so real."""
    for node in GATEWAYS:
        treat(node, "ether type 0x88b5 drop")
    pair = start(AUTO)
    wait_for(lambda: result(pair[1], "lan") == "no-answer", 10, "the test to end")
    wait_for(lambda: modes(pair[0])["wan"] == "virtual", 10, "the wan to be tested")
    for agent in pair:
        assert modes(agent)["lan"] == "real"
    assert "does not answer" in pair[1].command("ports").stdout


def test_each_port_for_itself(lab, start):
    """The lan's vSwitches hold MACs statically, the wan's learn: real there, virtual here."""
    lab.topology.make_static({})
    for node, gateway in GATEWAYS.items():
        switch = gateway.hypervisor
        lab.topology.ip(switch, *(f"link set dev {p} type bridge_slave learning on flood on"
                                  for p in lab.topology.ports(switch, "wan")))
    try:
        pair = start(AUTO)
        wait_tested(pair)
        for agent in pair:
            assert modes(agent) == {"lan": "real", "wan": "virtual"}
            assert agent.status()["mac_mode"] == "mixed"
        with Echo(lab, "hB") as echo:
            wait_steady(echo)
            report = measured(echo, pair[0].power_off, pair[1].is_active)
        assert report["gap_ms"] < 2000
    finally:
        lab.topology.make_learning()


def test_real_is_tested_on_demand_only(start):
    pair = start(Settings())
    assert all(port(agent, "lan")["mac_test"] is None for agent in pair)
    text = pair[0].command("ports", "--test-mac").stdout
    assert "both ways" in text
    wait_for(lambda: all(result(agent, "lan") == "virtual-possible" for agent in pair), 5,
             "both to know")
    assert all(modes(agent) == {"lan": "real", "wan": "real"} for agent in pair)
