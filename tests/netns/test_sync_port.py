# SPDX-License-Identifier: GPL-2.0-or-later
"""Strangers, floods, other keys and nonsense at the doors of hagate-sync cost nothing."""
import contextlib
import json
import os
import re
import resource
import shutil
import socket
import time

import pytest
from procs import BUILD, entered, in_ns, run, wait_for
from scenarios import wait_steady
from sync import ask
from topology import GATEWAYS
from traffic import Echo

PORT = 4702
LONG = pytest.mark.skipif(not os.environ.get("LONG"), reason="`make sync-long`")


def rss_kb(pid):
    with open(f"/proc/{pid}/status") as status:
        return int(re.search(r"VmRSS:\s+(\d+)", status.read()).group(1))


def sync_pid(sync):
    """The daemon itself, behind nsenter and unshare, which have become it."""
    return sync.process.pid


@contextlib.contextmanager
def connections(lab, node, source, target, count):
    """TCP connections to hagate-sync's port."""
    made = []
    with entered(lab.ns(node)):
        for _ in range(count):
            sock = socket.socket()
            sock.settimeout(2)
            with contextlib.suppress(OSError):
                sock.bind((source, 0))
                sock.connect((target, PORT))
                made.append(sock)
    try:
        yield made
    finally:
        for sock in made:
            sock.close()


def is_closed(sock):
    sock.settimeout(0.01)
    try:
        return sock.recv(1) == b""
    except (TimeoutError, BlockingIOError):
        return False
    except OSError:
        return True


@LONG
def test_strangers_are_closed_at_once(lab, members):
    target = GATEWAYS["gw1"].address("lan")
    with connections(lab, "hA", "10.1.0.11", target, 20) as socks:
        wait_for(lambda: all(is_closed(s) for s in socks), 3, "strangers to be closed")
    members.write("one", "2\n")
    members.syncs[0].config("commit")


@LONG
def test_flood_and_slow_loris(lab, members):
    """From the peer's own address, without the key: connections that say nothing, that send an
    octet now and then, that send garbage."""
    pid = sync_pid(members.syncs[0])
    before = rss_kb(pid)
    own, target = (GATEWAYS[name].address("lan") for name in ("gw2", "gw1"))
    with Echo(lab, "hB") as echo:
        wait_steady(echo)
        epoch = members.first.epoch()
        quiet = lateness(members.first, 0)
        start, begun = time.monotonic(), time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        served = 0
        while time.monotonic() - start < 6:
            with connections(lab, "gw2", own, target, 60) as socks:
                for sock in socks:
                    with contextlib.suppress(OSError):
                        sock.send(b"\x16\x03\x01\x02\x00" if len(socks) % 2 else b"GET / HTTP")
                served += len(socks)
                with contextlib.suppress(OSError):
                    children = [p for p in children_of(pid)]
                    assert len(children) <= 8, children
                time.sleep(0.2)
        assert echo.report()["lost"] == 0
    assert members.first.epoch() == epoch and members.first.is_active()
    print(f"hagated late by ms, median/99 %/max: before {quiet}, during {served} connections "
          f"{lateness(members.first, begun)}")
    assert served > 60
    assert rss_kb(pid) < before + 4096
    wait_for(lambda: not children_of(pid), 10, "the children to end")
    members.write("one", "2\n")
    members.syncs[0].config("commit")
    members.wait_in_sync()


def lateness(agent, since):
    """Of the agent's steps, from its recorder."""
    lines = agent.command("events", "--steps", "--json").stdout.splitlines()[1:]
    late = sorted(step.get("late_ns", 0) for step in map(json.loads, lines)
                  if step["now_ns"] >= since)
    return "/".join(f"{late[min(len(late) - 1, int(len(late) * share))] / 1e6:.2f}"
                    for share in (.5, .99, 1))


def children_of(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as listed:
        return listed.read().split()


@LONG
def test_silent_connection_ends(lab, members):
    own, target = (GATEWAYS[name].address("lan") for name in ("gw2", "gw1"))
    with connections(lab, "gw2", own, target, 1) as socks:
        start = time.monotonic()
        wait_for(lambda: is_closed(socks[0]), 8, "the silent connection to be closed", pause=0.1)
        assert 3 < time.monotonic() - start < 8


def test_wrong_key(lab, members):
    two = members.syncs[1]
    two.kill()
    members.second.key.write_text("cd" * 32 + "\n")
    two.start()
    two.wait_listening()
    members.write("one", "2\n")
    done = members.syncs[0].config("commit", check=False)
    assert done.returncode == 1 and "key" in done.stderr
    assert members.generations()[0] == 1 and members.read("one", 1) == "1\n"


@LONG
def test_requests(lab, members):
    """RUN/sync.sock: nonsense gets an answer, silence none, and neither stops it."""
    first = members.first
    assert not ask(first, command="no-such")["ok"]
    assert not ask(first, command=7)["ok"]
    silent = [socket.socket(socket.AF_UNIX) for _ in range(12)]
    for sock in silent:
        sock.connect(str(first.run_dir / "sync.sock"))
    wait_for(lambda: ask_or_none(first), 10, "an answer beside silent clients")
    for sock in silent:
        sock.close()
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] > 100
    lab.tmp.chmod(0o755)
    hagate = shutil.copy(BUILD / "bin" / "hagate", lab.tmp / "hagate")
    for words, advice in ((("status",), "usermod -aG hagate"), (("commit",), "needs root")):
        done = run(*in_ns(lab.ns("gw1"), "setpriv", "--reuid=65534", "--regid=65534",
                          "--clear-groups", hagate, "--run", first.run_dir, "config", *words),
                   check=False)
        assert done.returncode == 3 and advice in done.stderr, done.stderr
        assert "Is it running" not in done.stderr


def ask_or_none(agent):
    try:
        return ask(agent, command="config-status").get("ok")
    except (OSError, ValueError):
        return None
