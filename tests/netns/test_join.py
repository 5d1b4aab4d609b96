# SPDX-License-Identifier: GPL-2.0-or-later
"""A fresh node beside a gateway in service: it learns, or it is refused; it never wins."""
import os
import random
import re
import time

import pytest
from agents import Settings
from procs import BUILD, in_ns, run, wait_for
from scenarios import wait_steady
from sync import BIG, MODES, STATES, Sync, make_blank, put_state, write_node
from topology import GATEWAYS, VIP4
from traffic import Echo, who_answers

LONG = pytest.mark.skipif(not os.environ.get("LONG"), reason="`make sync-long`")

def old_settings():
    """The gateway in service: a large configuration, and lower priority than its peer. When
    that goes, gw1 has half a lease to go on alone: more than a stall of the machine."""
    return Settings(lease="900ms", extra="filter:\n  rules:\n" + BIG)


@pytest.fixture(name="nodes")
def _nodes(lab):
    """gw1 in service with a history, gw2 not started: (gw1, gw2, sync of each)."""
    first, second = lab.use_hagate(old_settings())
    syncs = Sync(first), Sync(second)
    syncs[0].init()
    first.start()
    syncs[0].start()
    wait_for(first.is_active, 10, "gw1 to be active")
    wait_for(lambda: syncs[0].status().get("generation") == 1, 10, "gw1's generation")
    yield first, second, *syncs
    for sync in syncs:
        sync.kill()
    lab.reset_gateways()


def join(second, teacher, learner, echo):
    """gw2, started as a blank node, becomes a member under traffic; nothing is lost."""
    learner.start()
    second.wait_role("standby", 30)
    learner.wait_in_sync()
    teacher.wait_in_sync()
    assert echo.report()["lost"] == 0


def says(agent, *words):
    """Until `hagate status` has all the words, however its lines are broken."""
    wait_for(lambda: all(word in " ".join(agent.command("status").stdout.split())
                         for word in words), 10, f"{agent.name} to say {words}")


def survives(first, sync, text, generation=1):
    """The old configuration is what it was, in the file, in force and in the history."""
    assert first.cluster_yaml.read_text() == text
    assert sync.generation() == generation
    assert len(first.status()["vips"]) == 4
    assert first.is_active()


def test_blank_node_becomes_a_member(lab, nodes):
    first, second, teacher, learner = nodes
    text = first.cluster_yaml.read_text()
    make_blank(second)
    with Echo(lab, "hB") as echo:
        wait_steady(echo)
        second.start()
        wait_for(lambda: second.role() == "blank", 10, "gw2 to be blank")
        assert not second.status()["ports"] and second.status()["peer"] is None
        join(second, teacher, learner, echo)
    survives(first, teacher, text)
    assert second.cluster_yaml.read_text() == text
    steps = [line.split(": ")[1] for line in second.log_text().splitlines() if " -> " in line]
    assert steps[:2] == ["off -> blank", "blank -> learner"] and "learner -> listen" in steps[2]
    # mode: join means "has joined" from now on, also without the other node.
    learner.kill()
    second.stop()
    second.start()
    second.wait_role("standby")


def test_a_copied_pair_takes_part_as_its_status_says(lab, nodes):
    """gw2 got its files by hand and keeps no history: the steps that its status names."""
    first, second, teacher, learner = nodes
    text = first.cluster_yaml.read_text()
    second.start()
    second.wait_role("standby")
    says(second, "To take part set mode: join in node.yaml, then systemctl restart hagated")
    with Echo(lab, "hB") as echo:
        wait_steady(echo)
        second.mode = "join"
        write_node(second)
        second.stop()
        second.start()
        wait_for(lambda: second.role() == "blank", 10, "gw2 to be blank")
        says(second, "without configuration yet",
             "config not-running: systemctl enable --now hagate-sync")
        assert "alone in cluster.yaml" not in " ".join(second.command("status").stdout.split())
        join(second, teacher, learner, echo)
    says(second, "config in-sync, generation 1")
    survives(first, teacher, text)


@LONG
def test_takes_over_once_it_has_joined(lab, nodes):
    first, second, _, learner = nodes
    make_blank(second)
    second.start()
    learner.start()
    second.wait_role("standby", 30)
    with Echo(lab, "hB") as echo:
        wait_steady(echo)
        first.power_off()
        wait_for(second.is_active, 10, "gw2 to serve")
        echo.wait_flowing()
        assert echo.report()["gap_ms"] < 2000
    assert who_answers(lab, "hB", VIP4["lan"]) == {GATEWAYS["gw2"].mac("lan")}


# The pairs that the short run takes; the others belong to the long one.
SHORT = {("join", "other"), ("member", "other")}
ACCIDENTS = [pytest.param(mode, kind, marks=() if (mode, kind) in SHORT else LONG)
             for mode in MODES for kind in STATES]


@pytest.mark.parametrize("mode, kind", ACCIDENTS)
def test_the_accident(lab, nodes, mode, kind):
    """A fresh node that would win by priority and by its clock comes beside the gateway."""
    first, second, teacher, learner = nodes
    text = first.cluster_yaml.read_text()
    put_state(second, kind, mode)
    with Echo(lab, "hB") as echo:
        wait_steady(echo)
        if kind == "other" and mode == "member":
            learner.init()  # a cluster of its own, under the same key
        second.start()
        learner.start()
        if mode == "join" and kind != "corrupt":
            second.wait_role("standby", 30)
        else:
            wait_for(lambda: second.role() in ("fault", "off", "standby", "blank"), 15,
                     "gw2 to settle")
        lasting(1)
        assert echo.report()["lost"] == 0
    survives(first, teacher, text)
    if mode == "join" and kind == "other":
        kept = run("git", "--git-dir", learner.state / "history.git", "for-each-ref",
                   "refs/local").stdout
        assert kept, "what gw2 had was thrown away"


def test_foreign_clusters_refuse_each_other(lab, nodes):
    first, second, teacher, learner = nodes
    text = first.cluster_yaml.read_text()
    learner.init()
    second.start()
    learner.start()
    second.wait_role("fault", 15)
    for agent in (first, second):
        wait_for(lambda a=agent: [f for f in a.status()["faults"] if "another cluster" in f], 10,
                 f"{agent.name} to say that the other belongs to another cluster")
        assert agent.status()["sync"]["state"] == "foreign"
    survives(first, teacher, text)


def test_accidental_init_is_undone_as_the_fault_says(lab, nodes):
    """What the FAULT tells to type brings the node in; the history made by mistake is kept."""
    first, second, teacher, learner = nodes
    text = first.cluster_yaml.read_text()
    uuid = re.search(r"cluster ([0-9a-f-]{36})", learner.init().stdout).group(1)
    second.start()
    learner.start()
    second.wait_role("fault", 15)
    state = learner.state
    for agent in (first, second):
        wait_for(lambda a=agent: [f for f in a.status()["faults"] if "another cluster" in f], 10,
                 "the fault")
    fault = [f for f in second.status()["faults"] if "another cluster" in f][0]
    assert "on the one that is to join (gw2)" in fault
    assert f"rm {state}/identity; 'mode: join' in {second.node_yaml}; systemctl start" in fault
    wait_for(lambda: fault in second.log_text(), 5, "the log to have it, not cut")
    learner.kill()
    second.stop()
    (state / "identity").unlink()
    second.mode = "join"
    write_node(second)
    older = state / f"history-{uuid}.git"
    older.mkdir()  # of an earlier accident
    with Echo(lab, "hB") as echo:
        wait_steady(echo)
        second.start()
        join(second, teacher, learner, echo)
    survives(first, teacher, text)
    assert second.cluster_yaml.read_text() == text
    kept = state / f"history-{uuid}-2.git"
    assert f"kept as {kept}" in learner.log_text()
    assert not list(older.iterdir())
    assert run("git", "--git-dir", kept, "log", "--format=%s", "main").stdout
    cluster = teacher.status()["cluster"]
    assert cluster == learner.status()["cluster"] != uuid


@pytest.mark.parametrize("seed", [pytest.param(n, marks=LONG if n else ()) for n in
                                  range(4)])
def test_crashes_on_the_way(lab, nodes, seed):
    """The learner and its agent are killed at random moments until it has joined."""
    first, second, teacher, learner = nodes
    text = first.cluster_yaml.read_text()
    draw = random.Random(seed)
    make_blank(second)
    with Echo(lab, "hB") as echo:
        wait_steady(echo)
        second.start()
        for _ in range(6):
            learner.start()
            lasting(draw.random() * 1.2)
            learner.kill()
            if draw.random() < 0.3:
                second.kill()
                second.start()
        join(second, teacher, learner, echo)
    survives(first, teacher, text)
    assert second.cluster_yaml.read_text() == text


def lasting(seconds):
    """Traffic goes on meanwhile; nothing is waited for."""
    time.sleep(seconds)


@LONG
def test_learner_names_what_is_missing(lab, nodes):
    """No member in sight, a wrong key, a name that the member does not know."""
    _, second, teacher, learner = nodes
    make_blank(second)
    second.start()
    good = second.key.read_text()
    second.key.write_text("ab" * 32 + "\n")
    learner.start()
    wait_for(lambda: "another key" in (learner.status().get("text") or ""), 10,
             "the learner to speak of the key")
    learner.kill()
    second.key.write_text(good)
    write_node(second, "join: 10.1.0.77\n")
    learner.start()
    wait_for(lambda: "10.1.0.77" in (learner.status().get("text") or ""), 15,
             "the learner to name the address")
    learner.kill()
    write_node(second)
    second.node_yaml.write_text(re.sub("^node: gw2", "node: gw9", second.node_yaml.read_text()))
    learner.start()
    wait_for(lambda: "gw9" in learner.log_text(), 15, "the learner to hear its name")
    assert second.role() == "blank" and teacher.generation() == 1


def test_learner_names_the_port_that_is_wrong(lab, nodes):
    """The reason is whole wherever it is shown; the command that found it comes last."""
    _, second, _, learner = nodes
    make_blank(second)
    good = second.node_yaml.read_text()
    second.node_yaml.write_text(good.replace("  lan:", "  lna:"))
    second.start()
    learner.start()
    reason = "this machine's port 'lna' is not among the ports; "
    said = []
    wait_for(lambda: said.append(learner.status().get("text") or "") or reason in said[-1], 15,
             "the reason")
    text = said[-1]
    assert "--check" not in text.split("error: ")[0] and "?" not in text and "^" not in text
    wait_for(lambda: reason in second.command("events").stdout, 10, "the event")
    assert reason.split(";")[0] in " ".join(second.command("status").stdout.split())
    learner.kill()
    second.stop()
    second.node_yaml.write_text(good)
    second.start()
    learner.start()
    second.wait_role("standby", 30)


def test_init_twice_and_on_a_blank_node(lab, nodes):
    _, second, teacher, learner = nodes
    done = teacher.init(check=False)
    assert done.returncode == 1 and "member already" in done.stderr
    make_blank(second)
    done = learner.init(check=False)
    assert done.returncode == 1 and not (learner.state / "identity").exists()


@LONG
def test_check_of_another_cluster_yaml(lab, nodes):
    first, *_ = nodes
    other = first.directory / "other.yaml"
    other.write_text(re.sub(r"lease: \d+ms", "lease: 8ms", first.cluster_yaml.read_text()))
    line = (BUILD / "bin" / "hagated", "--node", first.node_yaml, "--check")
    assert run(*in_ns(lab.ns("gw1"), *line), check=False).returncode == 0
    done = run(*in_ns(lab.ns("gw1"), *line, "--cluster", other), check=False)
    assert done.returncode == 1 and "other.yaml" in done.stderr
