# SPDX-License-Identifier: GPL-2.0-or-later
"""Faults with traffic running, as the demo and the benchmark do them to either agent.

Each case starts with gw1 active, both agents ready and echo traffic from a host on
the other hypervisor; `restore` brings that state back.
"""
from dataclasses import dataclass
from typing import Callable

from agents import Hagate
from procs import wait_for

TIMEOUT = 20


def wait_steady(echo, timeout=20):
    """Until a quarter of a second of traffic passed without a loss."""
    echo.wait_flowing(timeout)
    echo.mark()
    wait_for(lambda: echo.report()["lost"] == 0, timeout, "traffic without loss")


def measured(echo, fault, until, timeout=TIMEOUT):
    """Does `fault`, waits for `until` and for the traffic; returns the report."""
    echo.mark()
    fault()
    wait_for(until, timeout, "the takeover", pause=0.01)
    echo.wait_flowing(timeout)
    return echo.report()


@dataclass
class Case:
    """`fault(lab, first, second)` takes gw1 out; `until` says when it is over."""
    name: str
    text: str
    fault: Callable
    until: Callable
    restore: Callable
    host: str = "hB"
    has_two_owners: bool = False  # ask afterwards who answers ARP


def _second_active(_lab, _first, second):
    return second.is_active()


def _link(segment, is_up):
    return lambda lab, first, second: lab.wire.set_link("gw1", segment, is_up)


def _restart(_lab, first, _second):
    first.kill()
    first.start()


def _hand_over(_lab, first, _second):
    """hagate: the command. keepalived: told to stop, it says goodbye in an advert."""
    if isinstance(first, Hagate):
        first.command("handover")
    else:
        first.stop()


def _return_planned(_lab, first, _second):
    if not isinstance(first, Hagate):
        first.start()


CASES = [
    Case("power-off", "gw1 loses power", lambda lab, first, second: first.power_off(),
         _second_active, lambda lab, first, second: first.power_on()),
    Case("lan-link", "the lan cable of gw1 is pulled", _link("lan", False), _second_active,
         _link("lan", True)),
    Case("wan-link", "the wan cable of gw1 is pulled", _link("wan", False), _second_active,
         _link("wan", True)),
    Case("agent-killed", "the agent of gw1 is killed for good",
         lambda lab, first, second: first.kill(), _second_active,
         _restart, has_two_owners=True),
    Case("agent-stopped", "the agent of gw1 hangs (SIGSTOP)",
         lambda lab, first, second: first.suspend(), _second_active,
         lambda lab, first, second: first.resume(), has_two_owners=True),
    Case("agent-restart", "the agent of gw1 is killed and started again", _restart,
         lambda lab, first, second: first.is_active() and first.is_ready(),
         lambda lab, first, second: None),
    Case("handover", "planned handover to gw2", _hand_over, _second_active, _return_planned),
]
