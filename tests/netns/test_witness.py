# SPDX-License-Identifier: GPL-2.0-or-later
"""A witness between two nodes: who serves when they do not hear each other, and what a
witness that is dead, forgetful or new costs. Owners are counted where the frames of the
VIPs reach the switches."""
import os
import shutil
import subprocess
import time

import pytest
from agents import Settings
from faults import CUT_HEARTBEAT
from procs import BUILD, in_ns, wait_for
from scenarios import measured, wait_steady
from third import WITNESS_PORT, SlowPath, Witness
from topology import GATEWAYS, VIP4
from traffic import ArpQuestions, Echo, who_answers

MACS = {name: g.mac("lan") for name, g in GATEWAYS.items()}
OWNER_KINDS = ("arp-reply", "arp-request", "advert")


def relaxed(extra):
    """Both nodes and the witness share one kernel and its stalls, and speed is not the
    point here: the benchmark has the figures. A holder has half a lease for the change from
    the peer's grants to the witness's."""
    return Settings(lease="800ms", extra=extra)


@pytest.fixture(name="witness", scope="module")
def _witness(lab):
    witness = Witness(lab)
    witness.seed_state()  # or its first start is silent for 10 s
    witness.start()
    yield witness
    witness.kill()


@pytest.fixture(name="trio")
def _trio(lab, witness, start):
    """gw1 active, gw2 standby, both with the witness."""
    first, second = start(relaxed(witness.setting))
    for agent in (first, second):
        wait_for(lambda a=agent: witness_of(a)["reachable"], 5, "the witness to answer")
    wait_for(lambda: first.status().get("alone_ms", 0) is None, 5, "gw1 to have gw2's grants")
    yield first, second
    witness.unblock()
    if witness.process.poll() is not None:
        witness.start()


def witness_of(agent):
    return agent.status().get("witness") or {"reachable": False}


def reason(agent):
    return agent.status().get("reason")


def serving(*agents):
    return [a.name for a in agents if a.status().get("serving")]


def answering(lab):
    return who_answers(lab, "hO", VIP4["lan"], count=2)


class Owners:
    """Who spoke for the VIP, asked a thousand times a second meanwhile."""

    def __init__(self, lab):
        self.lab = lab
        self.questions = None

    def spoken(self, node):
        return [one for one in self.lab.wire.seen(node, address=VIP4["lan"])
                if one.kind in OWNER_KINDS]

    def ended(self, node):
        return max((one.last_ns for one in self.spoken(node)), default=0)

    def began(self, node):
        return min((one.first_ns for one in self.spoken(node)), default=0)

    def __enter__(self):
        self.lab.wire.forget()
        self.questions = ArpQuestions(self.lab, "hO", VIP4["lan"])
        self.questions.__enter__()
        return self

    def __exit__(self, *error):
        self.questions.__exit__(*error)


# The four partitions of the nodes: nobody is ever two, and who reaches the witness goes on


def cut(lab):
    lab.wire.set_node("gw2", CUT_HEARTBEAT)


def test_both_reach_it(lab, witness, trio):
    """The holder keeps the role, and nobody else ever speaks."""
    first, second = trio
    epoch = first.epoch()
    with Owners(lab) as owners, Echo(lab, "hB") as echo:
        wait_steady(echo)
        report = measured(echo, lambda: cut(lab), lambda: reason(first) == "witnessed")
        wait_for(lambda: witness_of(second)["answer"] == "held", 5, "gw2 to be refused")
        time.sleep(1)  # and nothing comes of it
        assert echo.report()["lost"] == 0 and report["lost"] == 0
        assert not owners.spoken("gw2")
    assert first.epoch() == epoch and serving(first, second) == ["gw1"]
    assert second.role() in ("standby", "listen")
    assert first.status()["peer"]["reachable"] is False
    lab.wire.mend()
    wait_for(lambda: first.is_ready() and second.is_ready(), 10, "the pair to be whole")
    wait_for(lambda: reason(first) == "rejoined", 5, "gw1 to have the peer's grants again")
    assert first.epoch() == epoch and second.role() == "standby"


def test_holder_reaches_it(lab, witness, trio):
    first, second = trio
    witness.block("gw2")
    with Owners(lab) as owners:
        cut(lab)
        wait_for(lambda: reason(first) == "witnessed", 5, "gw1 to go on")
        wait_for(lambda: "does not answer" in (witness_of(second).get("fault") or ""), 5,
                 "gw2 to ask in vain")
        time.sleep(1)  # and nothing comes of it
        assert not owners.spoken("gw2")
    assert serving(first, second) == ["gw1"] and answering(lab) == {MACS["gw1"]}


def test_standby_reaches_it(lab, witness, trio):
    first, second = trio
    witness.block("gw1")
    with Owners(lab) as owners:
        wait_for(lambda: owners.spoken("gw1"), 5, "gw1 to answer")
        cut(lab)
        wait_for(second.is_active, 5, "gw2 to take over")
        wait_for(lambda: owners.spoken("gw2"), 5, "gw2 to answer")
        time.sleep(0.5)  # gw1 has time to speak, if it did
        assert owners.ended("gw1") < owners.began("gw2")
    assert serving(first, second) == ["gw2"] and answering(lab) == {MACS["gw2"]}
    assert reason(second) in ("silence", "witnessed")
    witness.unblock()
    time.sleep(0.5)  # the former holder asks, and is refused
    assert serving(first, second) == ["gw2"]
    wait_for(lambda: witness_of(first)["answer"] in ("held", "lower"), 5, "gw1 to be refused")
    lab.wire.mend()
    wait_for(lambda: first.role() == "standby" and first.is_ready(), 10, "gw1 to be standby")


def test_nobody_reaches_it(lab, witness, trio):
    first, second = trio
    witness.block("gw1", "gw2")
    with Owners(lab) as owners:
        cut(lab)
        wait_for(lambda: not serving(first, second), 5, "both to be silent")
        time.sleep(1)  # more than a lease, and neither starts again
        assert not serving(first, second) and not owners.spoken("gw2")
    wait_for(lambda: "neither peer nor witness grants" in first.log_text(), 5, "gw1 to say so")
    assert answering(lab) == set()
    lab.wire.mend()  # they hear each other again, and need no witness
    wait_for(lambda: len(serving(first, second)) == 1, 10, "one to serve again")


# A host dies


def test_power_off_of_holder(lab, trio):
    first, second = trio
    with Echo(lab, "hB") as echo:
        wait_steady(echo)
        report = measured(echo, first.power_off, second.is_active)
    assert report["gap_ms"] < 2000
    assert answering(lab) == {MACS["gw2"]}
    assert reason(second) in ("silence", "witnessed")


def test_power_off_of_standby_is_not_noticed(lab, trio):
    first, second = trio
    epoch = first.epoch()
    with Echo(lab, "hB") as echo:
        wait_steady(echo)
        report = measured(echo, second.power_off, lambda: reason(first) == "witnessed")
        time.sleep(1)  # on the witness's grants alone
        assert report["lost"] + echo.report()["lost"] == 0
    assert first.epoch() == epoch
    second.power_on()
    wait_for(lambda: second.role() == "standby" and second.is_ready(), 15, "gw2 to be back")
    assert first.epoch() == epoch and serving(first, second) == ["gw1"]


def test_start_alone(lab, witness, trio):
    """A node that comes up alone serves by the witness's grant, not without it."""
    first, second = trio
    second.power_off()
    witness.block("gw1")
    first.kill()
    wait_for(lambda: not answering(lab), 5, "the lease to end")
    first.wipe()
    first.start()
    wait_for(lambda: first.role() == "listen", 5, "gw1 to listen")
    wait_for(lambda: first.status()["since_ms"] > 2000, 5, "two leases of listening")
    assert first.role() == "listen" and answering(lab) == set()
    witness.unblock()
    wait_for(first.is_active, 5, "gw1 to serve")
    assert answering(lab) == {MACS["gw1"]}


# The witness itself dies


def test_witness_killed_while_the_pair_is_whole(lab, witness, trio):
    first, second = trio
    epoch = first.epoch()
    with Echo(lab, "hB") as echo:
        wait_steady(echo)
        witness.kill()
        wait_for(lambda: not witness_of(first)["reachable"], 5, "gw1 to miss the witness")
        wait_for(lambda: any("witness" in fault for fault in first.status()["faults"]), 5,
                 "gw1 to say so")
        assert "witness" in first.command("status").stdout
        witness.start(is_waiting=False)
        wait_for(lambda: witness_of(first)["reachable"] and witness_of(second)["reachable"], 5,
                 "the witness to be back")
        assert echo.report()["lost"] == 0
    assert first.epoch() == epoch and second.role() == "standby"
    wait_for(lambda: "grants from now on" in witness.log_text().rpartition("hagate-witness 0")[2],
             5, "the witness to grant")


def restart_amid_grants(lab, witness, trio, harm):
    """Killed while a holder lives on its grants, and back without its memory: the holder
    stops, as it must, and one of the two serves again when the witness grants."""
    first, second = trio
    state = witness.state / "state"
    old = state.read_bytes()
    with Owners(lab) as owners:
        cut(lab)
        wait_for(lambda: reason(first) == "witnessed", 5, "gw1 to go on")
        time.sleep(0.3)  # any time will do
        witness.kill()
        if harm == "deleted":
            state.unlink()
        elif harm == "damaged":
            state.write_bytes(state.read_bytes().replace(b"lease 0", b"lease 9", 1)[:200])
        elif harm == "old":
            state.write_bytes(old)
        witness.start(is_waiting=False)
        wait_for(lambda: not serving(first, second), 5, "gw1 to stop")
        stopped = owners.ended("gw1")
        lab.wire.forget()
        wait_for(lambda: len(serving(first, second)) == 1, 15, "one to serve again")
        time.sleep(0.5)  # the other has time to speak, if it did
        speakers = [name for name in GATEWAYS if owners.spoken(name)]
        assert speakers == serving(first, second)
        assert owners.began(speakers[0]) > stopped


@pytest.mark.parametrize("harm", ["none", "old"])
def test_restarted_witness_never_makes_two(lab, witness, trio, harm):
    restart_amid_grants(lab, witness, trio, harm)


def test_lower_epoch_after_restart(lab, witness, trio):
    """A killed witness has each epoch it granted on disk."""
    first, second = trio
    second.power_off()
    wait_for(lambda: reason(first) == "witnessed", 5, "gw1 to go on")
    granted = int(first.epoch(), 16)
    witness.kill()
    lines = (witness.state / "state").read_text().split()
    assert f"{granted:016x}" in lines
    witness.start()


# The filter


@pytest.mark.parametrize("family", [4, 6])
def test_answers_pass_any_filter(lab, witness, start, family):
    """default: drop, and the witness's own address on the blocklist. Over IPv6 as well:
    it listens everywhere."""
    address, setting = witness.reached_by(family)
    settings = relaxed(setting + "\nfilter:\n  default: drop\n  rules: []\n")
    first, second = start(settings)
    first.command("filter", "block", address)
    wait_for(lambda: first.status().get("alone_ms", 0) is None, 5, "gw1 to have gw2's grants")
    second.power_off()
    wait_for(lambda: reason(first) == "witnessed", 5, "gw1 to go on")
    time.sleep(1)  # a lease and more
    assert first.is_active() and witness_of(first)["answer"] == "granted"


def test_reload_brings_and_takes_the_witness(lab, witness, start):
    pair = first, second = start(relaxed(""))
    assert first.status()["witness"] is None
    for agent in pair:
        agent.write(relaxed(witness.setting))
        agent.command("reload")
    for agent in pair:
        wait_for(lambda a=agent: witness_of(a)["reachable"], 5, "the witness to answer")
    assert first.is_active() and second.role() == "standby"
    for agent in pair:
        agent.write(relaxed(""))
        agent.command("reload")
    assert first.status()["witness"] is None and first.is_active()


def test_foreign_key_is_not_answered(lab, witness, start):
    witness.stop()
    (witness.keys / "lab.key").unlink()
    witness.add_key("other", "0f" * 32)
    try:
        witness.start()
        first, _second = start(relaxed(witness.setting))
        wait_for(lambda: "does not answer" in (witness_of(first).get("fault") or ""), 5,
                 "gw1 to miss the witness")
    finally:
        witness.stop()
        (witness.keys / "other.key").unlink()
        witness.add_key("lab", lab.key)
        witness.start()


def test_far_witness_is_said_to_be_useless(lab, witness, start):
    """Its answers come, but after more than half of the lease."""
    path = SlowPath(witness, 0.5)
    try:
        first, _second = start(relaxed(path.setting))
        wait_for(lambda: "more than half a lease" in (witness_of(first).get("fault") or ""), 5,
                 "gw1 to complain")
        assert witness_of(first)["reachable"] and witness_of(first)["rtt_us"] > 500000
    finally:
        path.close()


# The command line


def test_check_and_refusals(lab, witness):
    program = witness_program(lab)
    good = program("--check")
    assert good.returncode == 0 and "1 cluster in " in good.stdout
    assert program("--check", "--keys", "/nonexistent").returncode == 1
    lost = program("--check", "--state", "/nonexistent")
    assert lost.returncode == 1 and "mkdir -m 700 /nonexistent" in lost.stderr
    assert program("--port", "0").returncode == 2
    assert program("--listen", "gw1").returncode == 2
    assert program("surplus").returncode == 2
    busy = program()
    assert busy.returncode == 1 and "another hagate-witness" in busy.stderr
    (witness.keys / "twin.key").touch(mode=0o600)
    (witness.keys / "twin.key").write_text(lab.key + "\n")
    twin = program("--check")
    assert twin.returncode == 1 and "the same key as that of 'lab'" in twin.stderr
    (witness.keys / "twin.key").chmod(0o644)
    assert "chmod 600" in program("--check").stderr
    (witness.keys / "twin.key").unlink()


def witness_program(lab):
    directory = lab.tmp / "witness"

    def call(*args):
        return lab.run("srv", BUILD / "bin" / "hagate-witness", "--keys", directory / "keys",
                       "--state", directory / "state", "--port", "4711", *args, check=False,
                       timeout=20)
    return call


def test_directory_that_comes_later(lab):
    """Without its directory it says what to type; once that is done it goes on by itself."""
    witness = Witness(lab, directory="witness-3", port=WITNESS_PORT + 2)
    shutil.rmtree(witness.state)
    witness.start(is_waiting=False)
    try:
        wait_for(lambda: f"mkdir -m 700 {witness.state}" in witness.log_text(), 5, "the remedy")
        witness.state.mkdir(mode=0o700)
        wait_for(lambda: "can be written again" in witness.log_text(), 5, "it to be used")
        assert (witness.state / "state").read_text().count("\n") >= 2
    finally:
        witness.kill()


def test_closed_log_does_not_kill_it(lab):
    """Whoever read its standard error may be gone."""
    witness = Witness(lab, directory="witness-2", port=WITNESS_PORT + 1)
    witness.seed_state()  # it writes a line when it grants, after 1 s
    read, write = os.pipe()
    child = subprocess.Popen(in_ns(lab.ns("srv"), BUILD / "bin" / "hagate-witness",
                                   *map(str, witness.arguments())), stderr=write)
    os.close(write)
    os.read(read, 1)
    os.close(read)
    time.sleep(2)  # its next line comes after one
    assert child.poll() is None
    child.terminate()
    assert child.wait(30) == 0
