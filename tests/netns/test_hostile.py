# SPDX-License-Identifier: GPL-2.0-or-later
"""A slice of the soak (tests/soak): 200 random faults in a row, no frame from two owners.

How fast the service comes back is for the long run to measure; here it has to come.
"""
import os
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from agents import Settings
from lab import Lab
from procs import LabError, wait_for

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "soak")]

from kinds import CUT_HEARTBEAT_FROM, CUT_HEARTBEAT_TO, KINDS, passable  # noqa: E402
from rig import MODES, Rig  # noqa: E402
from sink import describe  # noqa: E402
from soak import Log, run  # noqa: E402
from summary import BAD, summarize  # noqa: E402

FAULTS = 200
SECONDS = 55
FEWEST = 50  # on a machine so slow that the time ends first


def test_slice(tmp_path):
    seed = os.environ.get("SOAK_SEED", "slice")
    args = SimpleNamespace(faults=FAULTS, seed=seed, first=150, seconds=SECONDS,
                           kinds=list(KINDS), modes=list(MODES))
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
    assert record.node == holder.gateway.node and record.epoch < record.other_epoch
    assert " two" in describe(record)
    for node in rig.nodes:
        rig.lab.wire.set_node(node.name, 0)
    wait_for(rig.is_whole, 10, "one of them to give way")


def test_sink_sees_a_mute_node_speak(rig):
    """A node that lost its lease and forwards all the same: its programs are gone."""
    holder = rig.holder()
    name, standby = holder.name, next(n for n in rig.nodes if n is not holder)
    rig.lab.processes.kill(holder.process)
    wait_for(standby.is_serving, 5, "the other to take over")
    host, gateway = rig.lab.host("hO"), holder.gateway
    wait_for(lambda: rig.sink.count().mute == 0, 1, "silence")
    rig.lab.run(name, "tc", "qdisc", "del", "dev", "eth1", "clsact")
    rig.lab.run(name, "ip", "neigh", "replace", rig.lab.host("srv").address, "lladdr",
                rig.lab.host("srv").mac, "dev", "eth1")
    ping = rig.lab.run(name, "ping", "-c", "3", "-i", "0.05", "-W", "1", "-I", host.address,
                       rig.lab.host("srv").address, check=False)
    assert gateway.name in describe(last_record(rig)) and rig.sink.count().mute, ping.stdout


def last_record(rig):
    found = list(rig.sink.records(0))
    if not found:
        raise LabError("the sink counted nothing")
    return found[-1]


def test_passable():
    """Which cuts are a partition."""
    assert passable({}) == (True, True)
    assert passable({("gw1", s): 4 for s in ("lan", "wan", "ha")}) == (False, True)
    assert passable({("gw1", s): 3 for s in ("lan", "wan")}) == (True, True)
    assert passable({("gw2", s): 12 for s in ("lan", "wan", "ha")}) == (False, False)


def test_a_seed_gives_the_same_faults():
    from random import Random
    made = [[KINDS[name].weight for name in KINDS], Random("1:7").random()]
    assert made == [[KINDS[name].weight for name in KINDS], Random("1:7").random()]
    assert Settings().isolation == "continue"
