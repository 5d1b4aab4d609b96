# SPDX-License-Identifier: GPL-2.0-or-later
"""mac: auto: real or virtual, by a test on the wire, port by port."""
import json
import time

import pytest
from agents import Settings
from procs import wait_for
from scenarios import measured, wait_steady
from topology import GATEWAYS, VIP4
from traffic import Echo, arp_entry, who_answers

VIP_PORTS = ("lan", "wan")
AUTO = Settings(mac="auto")


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
        assert first.is_active()

    def test_needs_two_nodes(self, lab, start):
        first, second = start(AUTO)
        wait_tested((first, second))
        second.power_off()
        wait_for(lambda: not first.status()["peer"]["reachable"], 5, "gw1 to miss gw2")
        done = first.command("ports", "--test-mac", check=False)
        assert done.returncode == 1 and "gw2" in done.stderr

    @pytest.mark.parametrize("victim", [0, 1], ids=["holder", "standby"])
    def test_death_in_the_middle_leaves_nothing(self, lab, start, victim):
        """Whoever dies during a test: the other serves on, no NIC keeps a foreign MAC."""
        pair = start(AUTO)
        wait_tested(pair)
        lab.topology.run("gw2", "sh", "-c", "true")
        program = pair[1].command  # the standby's operator asks; he need not get an answer
        import threading
        asking = threading.Thread(target=lambda: program("ports", "--test-mac", check=False))
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
    pair = start()
    assert all(port(agent, "lan")["mac_test"] is None for agent in pair)
    text = pair[0].command("ports", "--test-mac").stdout
    assert "both ways" in text
    wait_for(lambda: all(result(agent, "lan") == "virtual-possible" for agent in pair), 5,
             "both to know")
    assert all(modes(agent) == {"lan": "real", "wan": "real"} for agent in pair)
