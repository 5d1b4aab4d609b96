# SPDX-License-Identifier: GPL-2.0-or-later
"""The load of both nodes, as both show it."""
import pytest
from agents import Settings
from procs import wait_for
from scenarios import wait_steady
from traffic import Echo

RATE = 2000


@pytest.fixture(name="pair")
def _pair(start):
    return start(Settings())


def rates(load, port):
    return next(p for p in load["ports"] if p["name"] == port)


def agrees(first, second):
    """The holder's lan carries the echo, and gw2 knows it from HELLO."""
    own, told = first.status()["load"], second.status()["peer"]["load"]
    return own and told and all(0.8 * RATE < rates(load, "lan")["rx_pps"] < 1.5 * RATE and
                                0.8 * RATE < rates(load, "wan")["tx_pps"] < 1.5 * RATE
                                for load in (own, told))


def test_both_show_both(lab, pair):
    first, second = pair
    with Echo(lab, "hB", rate=RATE) as echo:
        wait_steady(echo)
        wait_for(lambda: agrees(first, second), 10, "the echo in gw1's load, on both nodes")
        wait_for(lambda: float(rows(second)["gw1"][4]) > 0.8 * RATE, 10, "it in gw2's table")
        found = rows(second)
    load = first.status()["load"]
    assert 0 < load["memory_percent"] < 100 and 0 <= load["cpu_percent"] <= 100
    assert load["connections"] >= 0 and rates(load, "lan")["rx_kbps"] > 0
    assert set(found) == {"gw1", "gw2"} and all(len(r) == 8 for r in found.values()), found


def rows(agent):
    """The lines of `hagate status` about loads, by node."""
    return {line.split()[0]: line.split() for line in agent.command("status").stdout.splitlines()
            if line.strip().startswith("gw") and "%" in line}


def test_load_of_a_dead_peer_is_not_shown(pair):
    first, second = pair
    wait_for(lambda: first.status()["peer"]["load"], 5, "gw2's load")
    second.power_off()
    wait_for(lambda: first.status()["peer"]["load"] is None, 5, "it to go")
    assert "not known" in first.command("status").stdout
