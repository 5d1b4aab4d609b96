# SPDX-License-Identifier: GPL-2.0-or-later
"""The flight recorder of a running pair, as `hagate events --steps` shows it."""
import json
import subprocess

from agents import Settings
from procs import BUILD

OBS = {"lease_until", "fence_epoch", "epoch", "served_epoch", "drain_until", "last_grant", "heard", "request",
       "request_epoch", "agent_age", "fenced_epoch", "fenced_stamp", "is_wrong_key"}


def steps(agent):
    lines = agent.command("events", "--steps", "--json").stdout.splitlines()
    return json.loads(lines[0]), [json.loads(line) for line in lines[1:]]


def test_steps_tell_what_went_in_and_out(pair):
    first, second = pair
    first.command("handover")
    snapshot, found = steps(second)
    assert len(snapshot["snapshot"]) == 2 * snapshot["size"]
    assert len(found) > 30
    assert all(OBS <= set(step["obs"]) for step in found)
    times = [step["now_ns"] for step in found]
    assert times == sorted(times)
    (serving,) = [step for step in found if "serve" in step["actions"]]
    assert serving["state"] == "active" and serving["reason"] == "consent"
    assert any(step["event"] == "hello" and step["hello"]["is_consent"] for step in found)
    assert any(step["event"] == "tick" and step["actions"] == ["send-probe"] for step in found)
    assert found[0]["event"] == "start" and found[0]["config"]["lease"] == 400000000


def test_steps_play_again_to_the_letter(pair, tmp_path):
    first, second = pair
    first.command("handover")
    for agent in (first, second):
        log = tmp_path / "log"
        log.write_text(agent.command("events", "--steps", "--json").stdout)
        done = subprocess.run([BUILD / "sim/replay", log], capture_output=True, text=True)
        assert done.returncode == 0 and "all the same" in done.stdout, done.stdout + done.stderr


def test_steps_as_text(pair):
    done = pair[0].command("events", "--steps")
    assert "(from claiming: " in done.stdout and " serve announce " in done.stdout
    refused = pair[0].command("events", "--steps", "--follow", check=False)
    assert refused.returncode == 1 and "cannot be followed" in refused.stderr


def test_ring_keeps_the_last_steps(start):
    first, _ = start(Settings(interval="1ms"))
    seen = set()
    while len(seen) < 5000:  # more than the ring holds
        seen |= {step["now_ns"] for step in steps(first)[1]}
    snapshot, found = steps(first)
    assert 4000 <= len(found) <= 4096 and found[0]["event"] != "start"
    assert len(snapshot["snapshot"]) == 2 * snapshot["size"]
