# SPDX-License-Identifier: GPL-2.0-or-later
"""The lab itself: it does what the other tests believe, and leaves nothing behind."""
import signal
import subprocess
import sys
from pathlib import Path

import lab as lab_module
import pytest
from faults import CUT_FROM, CUT_TO
from procs import ROOT, run, wait_for
from scenarios import wait_steady
from topology import GATEWAYS, VIP4
from traffic import ArpQuestions, Echo, who_answers

LAB_DIR = ROOT / "tests" / "lab"
# Ctrl-C as at a terminal: a shell's background jobs begin with SIGINT ignored.
OWNER = ("import signal; from lab import Lab\n"
         "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
         "with Lab() as lab:\n"
         "    lab.echo_server(); print(lab.prefix, flush=True); signal.pause()")


@pytest.fixture(name="owner")
def _owner():
    """A process of its own with a lab; yields it and the lab's prefix."""
    child = subprocess.Popen([sys.executable, "-c", OWNER], cwd=LAB_DIR, text=True,
                             stdout=subprocess.PIPE)
    prefix = child.stdout.readline().strip()
    assert prefix
    yield child, prefix
    child.kill()
    child.wait()
    child.stdout.close()
    run(sys.executable, LAB_DIR / "lab.py", "down", "--all")


def leftovers(prefix):
    names = [line.split()[0] for line in run("ip", "netns", "list").stdout.splitlines()]
    pins = Path("/sys/fs/bpf").glob(f"hagate-lab-{prefix.rstrip('-')}*")
    files = Path("/tmp").glob(f"hagate-lab-{prefix}*")
    return [*(n for n in names if n.startswith(prefix)), *pins, *files]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_cleans_up(owner, number):
    child, prefix = owner
    assert leftovers(prefix)
    child.send_signal(number)
    child.wait(30)
    assert not leftovers(prefix)


def test_leftovers_of_a_killed_owner_are_found(owner):
    child, prefix = owner
    record = next(r for r in lab_module.records() if r["prefix"] == prefix)
    assert not lab_module.is_orphan(record)
    run(sys.executable, LAB_DIR / "lab.py", "down", "--all")
    assert leftovers(prefix), "a lab in use must stay"
    child.kill()
    child.wait()
    assert lab_module.is_orphan(record) and leftovers(prefix)
    run(sys.executable, LAB_DIR / "lab.py", "down", "--all")
    assert not leftovers(prefix)


@pytest.fixture(name="routed")
def _routed(lab):
    """Plain forwarding through gw1, which has the VIPs as ordinary addresses."""
    lab.topology.ip("gw1", "address add 10.1.0.1/24 dev eth0", "address add 10.2.0.1/24 dev eth1")
    yield lab
    lab.wire.mend()
    lab.reset_gateways()
    for segment in ("lan", "wan"):
        lab.flush_foreign_addresses(GATEWAYS["gw1"], segment)


def test_power_off_is_silence_in_both_directions(routed):
    with Echo(routed, "hB") as echo:
        wait_steady(echo)
        routed.wire.set_node("gw1", CUT_FROM | CUT_TO)
        wait_for(lambda: echo.ask("state")["last_answer_ms"] > 100, 5, "silence")
        routed.wire.forget()
        wait_for(lambda: echo.ask("state")["last_answer_ms"] > 200, 5, "more silence")
        assert not routed.wire.seen("gw1")
        routed.wire.set_node("gw1", 0)
        echo.wait_flowing()
        report = echo.report()
    # 4,000 a second, less what the machine did not let the sender send.
    assert 200 < report["gap_ms"] and 200 < report["lost"] < 4 * report["gap_ms"] * 1.05


def test_loss_and_duplicates_are_as_ordered(routed):
    """A tenth lost each way: the echo crosses the port twice. The same for doubles."""
    with Echo(routed, "hB") as echo:
        wait_steady(echo)
        routed.wire.set_port("gw1", "lan", loss=(100, 100))
        echo.mark()
        wait_for(lambda s=echo.ask("state")["sent"]: echo.ask("state")["sent"] > s + 8000, 10,
                 "8000 packets")
        lossy = echo.report()
        routed.wire.set_port("gw1", "lan", duplicate=(100, 100))
        echo.mark()
        wait_for(lambda s=echo.ask("state")["sent"]: echo.ask("state")["sent"] > s + 8000, 10,
                 "8000 packets")
        double = echo.report()
    assert lossy["lost"] / lossy["sent"] == pytest.approx(0.19, abs=0.03)
    assert double["duplicate"] / double["sent"] == pytest.approx(0.21, abs=0.04)


def test_wire_sees_source_addresses(routed):
    routed.wire.forget()
    with Echo(routed, "hB") as echo:
        echo.wait_flowing()
    seen = {(one.segment, one.kind, one.address) for one in routed.wire.seen("gw1")}
    assert {("lan", "ip4", "10.2.0.100"), ("wan", "ip4", "10.1.0.12")} <= seen


def test_two_owners_are_seen_where_there_are_two(lab):
    """The control for test_never_two_owners_at_once: a suspended keepalived keeps its
    address, and the same measurement says so."""
    first, second = lab.use_keepalived(0.1)
    lab.start_agents()
    wait_for(lambda: lab.active() == [first], 10, "gw1 alone to have the address")
    first.suspend()
    wait_for(second.is_active, 5, "gw2 to take over")
    lab.wire.forget()
    with ArpQuestions(lab, "hO", VIP4["lan"]):
        wait_for(lambda: {one.node for one in lab.wire.seen(kind="arp-reply",
                                                             address=VIP4["lan"])} ==
                 {"gw1", "gw2"}, 5, "both to answer")
    assert who_answers(lab, "hB", VIP4["lan"]) == {g.mac("lan") for g in GATEWAYS.values()}
    first.resume()
    lab.reset_gateways()
