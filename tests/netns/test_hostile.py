# SPDX-License-Identifier: GPL-2.0-or-later
"""A slice of the soak (tests/soak): 200 random faults in a row, no frame from two owners.

How fast the service comes back is for the long run to measure; here it has to come.
"""
import os
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from lab import Lab
from procs import wait_for
from topology import VIP4

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "soak")]

from kinds import CUT_HEARTBEAT_FROM, CUT_HEARTBEAT_TO, KINDS, passable  # noqa: E402
from rig import MODES, Rig  # noqa: E402
from sink import describe  # noqa: E402
from soak import Log, choose, run  # noqa: E402
from summary import BAD, summarize  # noqa: E402

FAULTS = 200
SECONDS = 50
FEWEST = 20  # on a machine so slow that the time ends first


def test_slice(tmp_path):
    seed = os.environ.get("SOAK_SEED", "slice")
    args = SimpleNamespace(faults=FAULTS, seed=seed, first=0, seconds=SECONDS,
                           block=FAULTS // len(MODES) + 1, kinds=list(KINDS), modes=list(MODES))
    log = Log(tmp_path)
    lines = run(args, log)
    text, is_good = summarize(lines)
    print(f"seed {seed}\n{text}")
    bad = [line for line in lines if line["verdict"] in BAD]
    reports = [path.read_text() for path in tmp_path.glob("exception-*.txt")]
    assert is_good and not bad, "\n".join(map(str, bad + reports))
    assert len(lines) >= FEWEST
    assert {line["mode"] for line in lines} == set(MODES) or len(lines) < FAULTS


@pytest.fixture(name="rig")
def _rig(tmp_path):
    with Lab() as lab, Rig(lab, Log(tmp_path)) as rig:
        rig.fresh("continue")
        yield rig


def test_sink_sees_two_owners(rig):
    """The sink's own test: two nodes that do serve at once are counted, each way."""
    holder = rig.holder()
    standby, = (node for node in rig.nodes if node is not holder)
    before = rig.sink.count()
    assert before.two == before.both == before.mute == 0
    assert before.claims > 0 and before.transit > 0
    for node in rig.nodes:
        rig.lab.wire.set_node(node.name, CUT_HEARTBEAT_FROM | CUT_HEARTBEAT_TO)
    wait_for(standby.is_serving, 5, "the standby to serve as well")
    wait_for(lambda: rig.sink.count().both > 10, 5, "the sink to see both serve")
    wait_for(lambda: rig.sink.count().two > 10, 5, "the sink to see frames of two owners")
    record = next(r for r in rig.sink.records(0) if r.bads & 1)
    assert record.node == holder.gateway.node and record.epoch != record.other_epoch
    assert " two" in describe(record)
    for node in rig.nodes:
        rig.lab.wire.set_node(node.name, 0)
    wait_for(rig.is_whole, 10, "one of them to give way")


def test_sink_sees_a_mute_node_speak(rig):
    """A node that lost its lease and announces itself all the same: its gate is gone."""
    holder = rig.holder()
    standby = next(n for n in rig.nodes if n is not holder)
    rig.lab.processes.kill(holder.process)
    wait_for(standby.is_serving, 5, "the other to take over")
    wait_for(lambda: rig.sink.count().transit, 5, "traffic")
    assert rig.sink.count().mute == 0
    rig.lab.run(holder.name, "tc", "qdisc", "del", "dev", "eth1", "clsact")
    rig.lab.run(holder.name, "arping", "-q", "-U", "-c", "3", "-I", "eth1", "-s", VIP4["wan"],
                VIP4["wan"], check=False)
    found = list(rig.sink.records(0))
    assert rig.sink.count().mute and describe(found[-1]).count(f" {holder.name} ") == 1


def test_passable():
    """Which cuts are a partition."""
    assert passable({}) == (True, True)
    assert passable({("gw1", s): 4 for s in ("lan", "wan", "ha")}) == (False, True)
    assert passable({("gw1", s): 3 for s in ("lan", "wan")}) == (True, True)
    assert passable({("gw2", s): 12 for s in ("lan", "wan", "ha")}) == (False, False)


def test_a_seed_gives_the_same_faults(rig):
    def details():
        chosen = [choose(1, number, list(KINDS)) for number in range(50)]
        return [(name, KINDS[name].make(rng, rig).detail) for name, rng in chosen]
    assert details() == details()


def test_two_nics_replaced_within_a_second(rig):
    """The second comes while setup for the first has just run: it must not be forgotten."""
    standby, = (node for node in rig.nodes if node is not rig.holder())
    for segment in ("lan", "ha"):
        rig.lab.topology.remove_nic(standby.gateway, segment)
    wait_for(lambda: sum("is gone" in (p["fault"] or "") for p in standby.status()["ports"]) == 2,
             5, "both to be missed")
    for segment in ("lan", "ha"):
        rig.add_nic(standby.gateway, segment)
        wait_for(lambda s=segment: has_nic(standby, s), 10, f"{segment} to be bound")
    wait_for(rig.is_whole, 10, "the pair to be whole")


def has_nic(node, name):
    return next(p for p in node.status()["ports"] if p["name"] == name)["ifname"] is not None
