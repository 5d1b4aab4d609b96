# SPDX-License-Identifier: GPL-2.0-or-later
"""Heartbeats cut while the hosts still reach both nodes: the hardest case for a pair."""
from agents import Settings
from faults import CUT_HEARTBEAT, CUT_HEARTBEAT_FROM, CUT_HEARTBEAT_TO
from procs import wait_for
from scenarios import wait_steady
from topology import GATEWAYS, VIP4
from traffic import Echo, who_answers

import pytest

MACS = {name: g.mac("lan") for name, g in GATEWAYS.items()}


def test_continue_serves_on_and_ends_when_healed(lab, start):
    """Both serve while cut apart (declared so); then the higher epoch alone."""
    first, second = start(Settings(isolation="continue"))
    lab.wire.set_node("gw2", CUT_HEARTBEAT)
    wait_for(lambda: first.is_active() and second.is_active(), 10, "both to serve")
    wait_for(lambda: (first.status()["alone_ms"] or 0) > 300, 5, "them to overlap for a while")
    lab.wire.set_node("gw2", 0)
    wait_for(lambda: len(lab.active()) == 1, 5, "one node to give way")
    winner = lab.active()[0]
    wait_for(lambda: who_answers(lab, "hB", VIP4["lan"]) == {MACS[winner.name]}, 5,
             "only the winner to answer")
    loser = first if winner is second else second
    assert loser.role() in ("draining", "standby")
    wait_for(lambda: max(agent.status()["overlap_ms"] for agent in (first, second)) >= 100, 5,
             "the overlap to be told")


def test_stop_never_has_two_owners(lab, start):
    first, second = start(Settings(isolation="stop"))
    lab.wire.set_node("gw2", CUT_HEARTBEAT)
    seen = []
    wait_for(lambda: seen.append(who_answers(lab, "hB", VIP4["lan"], count=1)) or
             seen[-1] == {MACS["gw2"]}, 10, "gw2 to serve alone")
    assert all(len(answers) <= 1 for answers in seen), seen
    assert not first.status()["serving"]
    lab.wire.set_node("gw2", 0)
    wait_for(lambda: len(lab.active()) == 1 and first.is_ready() and second.is_ready(), 10,
             "the pair to be whole again")


@pytest.mark.parametrize("flags", [CUT_HEARTBEAT_FROM, CUT_HEARTBEAT_TO], ids=["from", "to"])
def test_one_way_cut_heals(lab, start, flags):
    """A network that carries frames in one direction only, and then both again."""
    first, second = start(Settings(isolation="continue"))
    with Echo(lab, "hB") as echo:
        wait_steady(echo)
        lab.wire.set_node("gw2", flags)
        wait_for(lambda: not (first.is_ready() and second.is_ready()), 10,
                 "one node to miss the other")
        echo.wait_flowing()
        lab.wire.set_node("gw2", 0)
        wait_for(lambda: len(lab.active()) == 1 and first.is_ready() and second.is_ready(), 10,
                 "the pair to be whole again")
        echo.wait_flowing()
        assert echo.report()["gap_ms"] < 2000
    owner = lab.active()[0]
    assert who_answers(lab, "hB", VIP4["lan"]) == {MACS[owner.name]}


def test_cut_of_one_segment_is_no_reason(lab, pair):
    first, second = pair
    epoch = first.epoch()
    for segment in ("lan", "ha"):
        lab.wire.set_port("gw2", segment, CUT_HEARTBEAT)
    wait_for(lambda: [p["peer_heard"] for p in second.status()["ports"]] ==
             [False, True, False], 5, "gw2 to hear gw1 on wan only")
    assert first.epoch() == epoch and first.is_active() and second.role() == "standby"
