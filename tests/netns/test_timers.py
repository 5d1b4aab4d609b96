# SPDX-License-Identifier: GPL-2.0-or-later
"""`hagate timers` and what the status says of leases that came close to lapse."""
import json
import re
import signal
import time

from agents import Settings
from procs import wait_for

WIDE = Settings(interval="20ms", lease="400ms")  # nothing lapses by the machine's noise
# Nor does anything look like a stall that is tested, when the machine has one of its own.
VERY_WIDE = Settings(interval="20ms", lease="2s", timers={"agent_grace": "20s"})


def timers(agent, *args):
    return json.loads(agent.command("timers", "--json", *args).stdout)


def observed(agent, kind):
    return next(one for one in timers(agent)["observed"] if one["kind"] == kind)


def left(agent):
    return agent.status()["timers"]["least_left_ms"]


def test_gaps_are_seen_by_both(start):
    first, second = start(WIDE)
    wait_for(lambda: observed(first, "grants")["samples"] > 100, 10, "grants")
    wait_for(lambda: observed(second, "requests")["samples"] > 100, 10, "requests")
    assert observed(first, "requests")["samples"] == 0
    for agent in (first, second):
        wait_for(lambda: left(agent) is not None, 5, "the status to know")
        assert 0 < left(agent) < 400
        assert observed(agent, "rtt")["samples"] > 0
        wait_for(lambda a=agent: observed(a, "agent-late")["samples"] > 50, 5, "its own lateness")
        text = agent.command("status").stdout
        assert re.search(r"^timers lease 400 ms, least left .*ms in the last", text, re.M)
    assert first.status()["timers"]["gaps_of"] == "grants"
    assert "as heard here" in second.command("status").stdout


def test_too_little_is_said_plainly(pair):
    first, _ = pair
    wait_for(lambda: observed(first, "grants")["samples"] > 10, 10, "grants")
    found = timers(first)
    assert found["verdict"] in ("unknown", "too-tight") and found["recommended"] is None
    assert found["interval_ms"] == 20 and found["lease_ms"] == 400
    text = first.command("timers").stdout
    assert "too little observed" in text
    assert max(map(len, text.splitlines())) <= 80
    assert timers(first, "--false-takeovers", "2/month")["false_takeovers_per_year"] == 24
    for wrong in ("1", "0/year", "-1/year", "1/moon", "/year"):
        refused = first.command("timers", f"--false-takeovers={wrong}", check=False)
        assert refused.returncode == 2 and "1/year" in refused.stderr


def stall(agent, seconds):
    """One agent stops, as under a hog of its CPU; its kernel runs on."""
    agent.lab.processes.signal(agent.process, signal.SIGSTOP)
    time.sleep(seconds)
    agent.lab.processes.signal(agent.process, signal.SIGCONT)


def test_a_late_agent_shows(start):
    """One agent stops for a second: it says so itself, and as the other goes on with the
    bounce, the lease came no closer to its end."""
    first, second = start(VERY_WIDE)
    wait_for(lambda: observed(first, "grants")["samples"] > 100, 10, "grants")
    stall(first, 1)
    wait_for(lambda: first.status()["timers"]["agent_late_ms"] > 900, 5, "it to be told")
    assert observed(first, "agent-late")["longest_ms"] > 900
    assert left(first) > 1100 and first.is_active()
    assert second.status()["timers"]["agent_late_ms"] < 900


def test_both_late_come_close(start):
    """Both agents stop for 1.2 s of 2 s: the lease lives, and both tell how close it was, in
    the status and in `timers`."""
    first, second = start(VERY_WIDE)
    epoch = first.epoch()
    wait_for(lambda: observed(first, "grants")["samples"] > 100, 10, "grants")
    for agent in (first, second):
        agent.lab.processes.signal(agent.process, signal.SIGSTOP)
    time.sleep(1.2)  # the stall that is to be told
    for agent in (first, second):
        agent.lab.processes.signal(agent.process, signal.SIGCONT)
    wait_for(lambda: left(first) < 900, 5, "gw1 to tell")
    wait_for(lambda: left(second) < 900, 5, "gw2 to tell")
    assert observed(first, "grants")["longest_hour_ms"] > 1100
    assert observed(second, "requests")["longest_hour_ms"] > 1100
    assert first.is_active() and first.epoch() == epoch


def test_a_new_interval_begins_anew(start):
    first, second = start(WIDE)
    wait_for(lambda: observed(first, "grants")["samples"] > 500, 20, "grants")
    before = observed(first, "grants")["samples"]
    assert before > 100
    for agent in (first, second):
        agent.write(Settings(interval="40ms", lease="400ms"))
        agent.command("reload")
    wait_for(lambda: 0 < observed(first, "grants")["samples"] < before, 10, "a new count")
    assert timers(first)["interval_ms"] == 40
