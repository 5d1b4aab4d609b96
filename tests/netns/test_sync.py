# SPDX-License-Identifier: GPL-2.0-or-later
"""One configuration on two nodes: a change comes into force on both or on neither, whatever
fails."""
import json
import os
import re
import shutil
import time

import pytest
from procs import run, wait_for
from scenarios import wait_steady
from traffic import Echo

LONG = pytest.mark.skipif(not os.environ.get("LONG"), reason="`make sync-long`")


def test_commit_log_diff_rollback(lab, members):
    one, two = members.syncs
    assert members.read("one", 1) == "1\n"
    members.write("one", "2\n")
    members.write("deep/er/two", "new\n")
    diff = one.config("diff").stdout
    assert "-1\n+2\n" in diff and "deep/er/two" in diff
    with Echo(lab, "hB") as echo:
        wait_steady(echo)
        done = one.config("commit", "-m", "a second one")
        assert echo.report()["lost"] == 0
    assert "generation 2 is in force on gw1 and gw2" in done.stdout
    assert members.read("one", 1) == "2\n" and members.read("deep/er/two", 1) == "new\n"
    members.wait_in_sync(2)
    assert members.applied(0)[-1] == "2" == members.applied(1)[-1]
    assert one.config("diff").stdout == ""
    log = json.loads(two.config("log", "--json").stdout)
    assert [g["generation"] for g in log] == [2, 1] and log[0]["subject"] == "a second one"
    assert log[0]["node"] == "gw1"
    two.config("rollback", "1")
    members.wait_in_sync(3)
    assert members.read("one", 0) == "1\n" and members.read("deep/er/two", 0) is None
    done = one.config("commit", check=False)
    assert done.returncode == 1
    assert "+2\n" in one.config("diff", "2").stdout
    assert one.config("rollback", "77", check=False).returncode == 1
    assert one.config("rollback", "x", check=False).returncode == 2
    # What hagated said a moment ago may have been of before the rollback.
    wait_for(lambda: "in-sync" in one.config("status").stdout, 10, "gw1 to have compared")
    assert json.loads(one.config("status", "--json").stdout)["state"] == "in-sync"
    agrees_on_the_peer(members)


def agrees_on_the_peer(members):
    """While gw2's agents start, no status calls a node not heard that it shows beside."""
    members.second.kill()
    members.second.start()
    said = []
    end = time.monotonic() + 2.5
    while time.monotonic() < end:
        status = members.second.status()
        if status.get("peer"):
            said.append((status["peer"]["role"] != "unknown", status["sync"]["state"]))
    assert (True, "in-sync") in said, set(said)
    assert (True, "peer-unknown") not in said and (False, "comparing") not in said, set(said)
    assert "peer-unknown" not in members.second.command("events").stdout


@LONG
def test_cluster_yaml_is_in_force_on_both(lab, members):
    first, second = members.first, members.second
    text = first.cluster_yaml.read_text()
    first.cluster_yaml.write_text(text.replace("drain", "drain") +
                                  "failsafe: [22, 2222]\n")
    with Echo(lab, "hB") as echo:
        wait_steady(echo)
        members.syncs[0].config("commit")
        assert echo.report()["lost"] == 0
    assert second.cluster_yaml.read_text() == first.cluster_yaml.read_text()
    for agent in (first, second):
        assert not [f for f in agent.status()["faults"] if "differs" in f]
    # A mistake is refused before anything is touched, with its place.
    first.cluster_yaml.write_text(text.replace("isolation:", "isolatoin:"))
    done = members.syncs[0].config("commit", check=False)
    assert done.returncode == 1 and "isolatoin" in done.stderr, done.stderr
    assert "nothing was changed" in done.stderr
    assert "failsafe" in second.cluster_yaml.read_text()
    wait_for(lambda: members.syncs[0].status()["state"] == "edited", 10, "gw1 to say so")
    members.syncs[0].config("discard")
    members.wait_in_sync(2)


NGINX = "events {{}}\npid {tmp}/local/nginx.pid;\nerror_log {tmp}/local/error.log;\n{more}\n"


def test_nginx_says_no_on_the_receiver(lab, make):
    """The file is right on gw1, where the certificate is, and wrong on gw2."""
    etc = f"{lab.tmp}/shared/etc"
    pair = make(f"    validate: nginx -t -q -c {etc}/nginx.conf\n"
                f"    apply: echo $HAGATE_GENERATION >> {lab.tmp}/local/applied\n")
    pair.write("nginx.conf", NGINX.format(tmp=lab.tmp, more=""))
    pair.start()
    before = pair.read("nginx.conf", 1), pair.applied(1), pair.applied(0)
    (pair.first.directory / "local" / "here.conf").write_text("worker_processes 2;\n")
    pair.write("nginx.conf", NGINX.format(tmp=lab.tmp, more=f"include {lab.tmp}/local/here.conf;"))
    with Echo(lab, "hB") as echo:
        wait_steady(echo)
        done = pair.syncs[0].config("commit", check=False)
        assert echo.report()["lost"] == 0
    assert done.returncode == 1 and "gw2 refuses" in done.stderr and "here.conf" in done.stderr
    assert (pair.read("nginx.conf", 1), pair.applied(1), pair.applied(0)) == before
    wait_for(lambda: pair.syncs[0].status()["state"] == "edited" and
             pair.generations() == [1, 1], 20, "gw1's edit to be told")
    (pair.second.directory / "local" / "here.conf").write_text("worker_processes 2;\n")
    number = re.search(r"generation (\d+) is in force on gw1 and gw2",
                       pair.syncs[0].config("commit").stdout).group(1)
    pair.wait_in_sync(int(number))
    assert "here.conf" in pair.read("nginx.conf", 1) and int(number) > 1


@LONG
def test_apply_that_fails_takes_both_back(lab, make):
    pair = make(f"    apply: test ! -e {lab.tmp}/local/broken\n")
    pair.start()
    (pair.second.directory / "local" / "broken").touch()
    pair.write("one", "2\n")
    done = pair.syncs[0].config("commit", check=False)
    assert done.returncode == 1 and "gw2" in done.stderr
    wait_for(lambda: pair.read("one", 1) == "1\n", 10, "gw2 to be as before")
    assert pair.generations() == [1, 1]


@pytest.mark.parametrize("word", [pytest.param("confirm", marks=LONG),
                                  pytest.param("abort", marks=LONG), None])
def test_confirmation(members, word):
    one, two = members.syncs
    members.write("one", "2\n")
    done = one.config("commit", "--confirm=8s")
    assert "hagate config confirm" in done.stdout
    assert members.read("one", 1) == "2\n"
    wait_for(lambda: two.status()["state"] == "trial" and two.status()["confirm_ms"], 5,
             "gw2 to show the trial")
    assert "generation 2 waits" in two.status()["text"]
    assert one.config("commit", check=False).returncode == 1
    if word:
        two.config(word)  # on either node
    expected = "2\n" if word == "confirm" else "1\n"
    wait_for(lambda: members.read("one", 0) == members.read("one", 1) == expected, 15,
             "both to be decided")
    members.wait_in_sync(2 if word == "confirm" else 1)
    for sync in members.syncs if word != "confirm" else ():
        wait_for(lambda s=sync: "config diff 2" in s.status()["text"], 5, "it to be told")
        text = f"generation 2 {'' if word else 'was not confirmed in time and '}went back"
        assert text in sync.config("status").stdout and text in sync.log_text()
        assert text in sync.agent.command("events").stdout
        assert "generation 2 is not in force: hagate config diff 2" in sync.config(
            "status").stdout
        assert "ended the connection" not in sync.log_text()


@LONG
def test_kill_on_trial(members):
    """Both programs die while a generation waits; the deadline stands."""
    members.write("one", "2\n")
    members.syncs[0].config("commit", "--confirm=3s")
    for sync in members.syncs:
        sync.kill()
    for sync in members.syncs:
        sync.start()
    wait_for(lambda: members.read("one", 0) == members.read("one", 1) == "1\n", 20,
             "both to go back")
    members.wait_in_sync()


@LONG
def test_learns_what_it_missed(members):
    members.syncs[1].kill()
    for number in (2, 3):
        members.write("one", f"{number}\n")
        done = members.syncs[0].config("commit")
        assert "alone" in done.stdout
    assert members.read("one", 1) == "1\n"
    members.syncs[1].start()
    members.wait_in_sync(3)
    assert members.read("one", 1) == "3\n"


@LONG
def test_restored_snapshot_learns(members):
    """gw2 goes back to an older image of its disk: it must not take gw1 with it."""
    two, directory = members.syncs[1], members.second.directory
    two.kill()
    for name in ("state", "shared"):
        shutil.copytree(directory / name, directory / f"{name}.old", symlinks=True)
    two.start()
    members.write("one", "2\n")
    members.syncs[0].config("commit")
    members.wait_in_sync()
    two.kill()
    for name in ("state", "shared"):
        shutil.rmtree(directory / name)
        shutil.move(directory / f"{name}.old", directory / name)
    assert members.read("one", 1) == "1\n"
    two.start()
    wait_for(lambda: members.read("one", 1) == "2\n", 20, "gw2 to learn")
    members.wait_in_sync(2)
    assert members.read("one", 0) == "2\n"


def test_what_went_back_can_be_found(members):
    """hagated refuses: the file is the old one again, and the answer says where the new one is."""
    one, first = members.syncs[0], members.first
    members.syncs[1].kill()
    members.second.power_off()
    wait_for(lambda: not first.status()["peer"]["reachable"], 10, "gw2 to be gone")
    text = first.cluster_yaml.read_text()
    edited = text.replace("gw2: { id: 2,", "gw2: { id: 3,")
    assert edited != text
    first.cluster_yaml.write_text(edited)
    done = one.config("commit", check=False)
    assert done.returncode == 1 and "keeps its id" in done.stderr, done
    assert "?" not in done.stderr
    assert first.cluster_yaml.read_text() == text and one.generation() == 1
    command = re.search(r"git --git-dir=\S+ show \S+:cluster.yaml", done.stderr).group(0)
    assert run(*command.split()).stdout == edited
    assert "hagate config diff 2" in done.stderr and "+  gw2: { id: 3," in one.config(
        "diff", "2").stdout
    assert one.config("diff", "9", check=False).returncode == 1


def test_edits_are_told_and_discarded(members):
    """Both nodes are edited: each says so within seconds, neither can commit, the refusal names
    the node and both ways out, and one discards."""
    one, two = members.syncs
    first, second = members.first, members.second
    text = first.cluster_yaml.read_text()
    differs = [[], []]

    def differ():
        for seen, agent in zip(differs, (first, second)):
            seen += [f for f in agent.status()["faults"] if "cluster.yaml" in f]
        return differs

    second.cluster_yaml.write_text(text + "failsafe: [22, 2222]\n")
    second.command("reload")
    wait_for(lambda: differ() and two.status()["state"] == "edited", 5, "gw2 to see its edit")
    assert "cluster.yaml" in two.status()["text"] and "config discard" in two.status()["text"]
    members.write("one", "2\n", 0)
    wait_for(lambda: differ() and one.status()["state"] == "edited", 8, "gw1 to see its edit")
    assert "Edited:" in one.config("status").stdout and "/one" in one.config("status").stdout
    wait_for(lambda: all(differ()), 10, "the fault")
    assert all("hagate config discard" in f and "hagate reload" not in f
               for seen in differs for f in seen)
    done = one.config("commit", check=False)
    assert done.returncode == 1 and "On gw2 type" in done.stderr, done.stderr
    done = two.config("commit", check=False)
    assert done.returncode == 1 and "On gw1 type" in done.stderr, done.stderr
    done = one.config("rollback", "1", check=False)
    assert done.returncode == 1 and "hagate config discard" in done.stderr
    done = two.config("discard")
    assert second.cluster_yaml.read_text() == text and "of generation 1 again" in done.stdout
    command = re.search(r"git --git-dir=\S+ show \S+:cluster.yaml", done.stdout).group(0)
    assert run(*command.split()).stdout == text + "failsafe: [22, 2222]\n"
    done = two.config("discard", check=False)
    assert done.returncode == 1 and "nothing differs" in done.stderr
    wait_for(lambda: two.status()["state"] == "in-sync", 5, "gw2 to be as its generation")
    assert "in force on gw1 and gw2" in one.config("commit").stdout
    members.wait_in_sync()
    assert members.read("one", 1) == "2\n"


def test_diverged(lab, members):
    one, two = members.syncs
    one.kill()
    two.kill()
    for sync, text in ((one, "a\n"), (two, "b\n")):
        sync.start()
        sync.wait_listening()
        members.write("one", text, members.syncs.index(sync))
        sync.config("commit")
        sync.kill()
    one.start()
    two.start()
    for sync in members.syncs:
        wait_for(lambda s=sync: s.status()["state"] == "diverged", 20, "divergence to be told")
        wait_for(lambda s=sync: [f for f in s.agent.status()["faults"]
                                 if "hagate config" in f], 5, "the fault")
    assert (members.read("one", 0), members.read("one", 1)) == ("a\n", "b\n")
    assert "hagate config adopt" in one.config("status").stdout
    assert one.config("adopt", "gw7", check=False).returncode == 1
    one.config("adopt", "gw2")
    members.wait_in_sync(timeout=30)
    assert members.read("one", 0) == members.read("one", 1) == "b\n"
    kept = run("git", "--git-dir", one.state / "history.git", "for-each-ref").stdout
    assert "refs/kept" in kept


@LONG
def test_edit_behind_its_back_is_kept(members):
    members.write("one", "mine\n", 1)
    members.write("one", "2\n", 0)
    done = members.syncs[0].config("commit", check=False)
    assert done.returncode == 1 and "gw2" in done.stderr
    assert members.read("one", 1) == "mine\n"
    assert members.generations() == [1, 1]


@LONG
def test_default_drop_does_not_cut_it(lab, members):
    """Nothing but the failsafe lets the two talk."""
    first = members.first
    text = first.cluster_yaml.read_text()
    first.cluster_yaml.write_text(text + "filter: { default: drop }\n")
    members.syncs[0].config("commit")
    members.wait_in_sync(2)
    first.cluster_yaml.write_text(text)
    members.syncs[0].config("commit")
    members.wait_in_sync(3)


# --- strangers -----------------------------------------------------------------------------
