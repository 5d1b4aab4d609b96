# SPDX-License-Identifier: GPL-2.0-or-later
"""Failback, the preferred node and maintenance: when the role returns, and when not."""
import time

import pytest
from agents import Settings
from procs import wait_for

DELAY = 3.0


def returning(delay=f"{int(DELAY)}s"):
    return Settings(failback=True, failback_delay=delay)


@pytest.fixture(name="returned")
def _returned(start):
    """gw1, the preferred, is back as standby; gw2 serves. With the time of its return."""
    def back(settings):
        first, second = start(settings)
        first.power_off()
        wait_for(second.is_active, 10, "gw2 to take over")
        first.power_on()
        wait_for(first.is_ready, 10, "gw1 to be back")
        return first, second, time.monotonic()
    yield back


def lasts(agent, role, seconds):
    """Until the agent has had the role for that long, by its own clock and without a change."""
    assert agent.role() == role
    wait_for(lambda: agent.role() != role or agent.status()["since_ms"] > seconds * 1e3,
             seconds + 5, f"{agent.name} to be {role} for {seconds} s")
    assert agent.role() == role


def reason_of(agent):
    return agent.status()["reason"]


def test_waits_for_steady_health(lab, returned):
    """A link that fails during the delay begins it anew."""
    first, second, _ = returned(returning())
    time.sleep(DELAY / 2)  # part of a delay that comes to nothing
    lab.wire.set_link("gw1", "lan", False)
    wait_for(lambda: first.status()["health"] < 100, 5, "gw1 to see the link go")
    wait_for(lambda: second.status()["peer"]["health"] < 100, 5, "gw2 to know")
    well = time.monotonic()  # before: the link is up some time before the command's end
    lab.wire.set_link("gw1", "lan", True)
    wait_for(first.is_active, 20, "gw1 to take the role back")
    assert time.monotonic() - well >= DELAY
    assert reason_of(first) == "failback" and second.role() in ("draining", "standby")
    wait_for(lambda: "gw1, which is preferred, takes back its role (failback)" in
             second.command("events").stdout, 5, "gw2 to say why")


def test_not_in_maintenance_and_after_it(returned):
    """Out of order by the operator's word, over a restart; back when he says so."""
    first, second, _ = returned(returning("1s"))
    first.command("maintenance", "on")
    wait_for(lambda: first.role() == "maintenance", 5, "gw1 to be in maintenance")
    first.stop()
    first.start()
    wait_for(lambda: first.role() == "maintenance", 10, "gw1's new agent")
    lasts(first, "maintenance", 2.5)
    assert second.is_active()
    done = second.command("handover", check=False)
    assert done.returncode == 1 and "ready" in done.stderr
    assert second.is_active()
    first.command("maintenance", "off")
    wait_for(first.is_active, 10, "gw1 to take the role back")
    assert reason_of(first) == "failback"


def test_off_leaves_it_and_a_reload_changes_that(returned):
    first, second, _ = returned(Settings(failback=False, failback_delay="1s"))
    lasts(first, "standby", 2.5)
    assert second.is_active()
    for agent in (first, second):
        agent.write(returning("1s"))
        agent.command("reload")
    wait_for(first.is_active, 10, "gw1 to take the role back")
    assert reason_of(first) == "failback"


def test_the_less_preferred_never_takes_back(lab, start):
    """gw2 is healthy and waits: priority is what failback is about."""
    first, second = start(returning("0s"))
    first.command("handover")
    wait_for(first.is_active, 10, "gw1 to take back what it handed over")
    lasts(first, "active", 1.5)
    assert second.role() == "standby"
    assert lab.active() == [first]
