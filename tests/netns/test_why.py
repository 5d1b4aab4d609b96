# SPDX-License-Identifier: GPL-2.0-or-later
"""`hagate why`: the story of a change of role, from memory and from what earlier lives of
the agent left behind."""
import json

from agents import Settings
from procs import BUILD, run, wait_for

QUIET_MS = 1100  # what changes within a second is one story

LEASE_MS = 400
WIDE = Settings(lease=f"{LEASE_MS}ms", timers={"agent_grace": "10s"})
SHORT_GRACE = Settings(lease=f"{LEASE_MS}ms")  # two seconds


def why(agent, back=1):
    return json.loads(agent.command("why", str(back), "--json").stdout)


def records(agent):
    return sorted((agent.directory / "state").glob("transition-*.jsonl"))


def takeover(agent):
    """The story that ends with this node serving."""
    return wait_for(lambda: next((s for s in (why(agent),) if s["to"] == "active"), None), 5,
                    "the story")


def settled(start, settings=WIDE):
    pair = start(settings)
    wait_for(lambda: all(a.status()["since_ms"] > QUIET_MS for a in pair), 10, "quiet")
    return pair


def test_power_off(start):
    first, second = settled(start)
    first.power_off()
    wait_for(second.is_active, 10, "gw2 to take over")
    story = takeover(second)
    assert (story["from"], story["reason"], story["peer"]) == ("standby", "silence", "gw1")
    assert [t["to"] for t in story["transitions"]] == ["claiming", "active"]
    assert {h["port"] for h in story["heard"]} == {"lan", "wan", "ha"}
    assert all(LEASE_MS / 2 < h["age_ms"] < 10 * LEASE_MS and h["frame"] for h in story["heard"])
    assert story["claim"] | {"took_ms": 0} == {
        "by": "gw2", "epoch": second.epoch(), "answer": "waited", "took_ms": 0}
    outage = story["outage"]
    assert outage["seen_on"] == "gw2" and 0 < outage["at_least_ms"] < outage["at_most_ms"]
    assert LEASE_MS <= outage["at_most_ms"] < 10 * LEASE_MS
    failover = second.status()["failover"]["last_ms"]
    assert abs(outage["at_most_ms"] - failover) < LEASE_MS / 2
    assert story["heard_again_ms"] is None and "console" in story["advice"][0]
    text = second.command("why").stdout
    assert "What to do: gw1 is off" in text and max(map(len, text.splitlines())) <= 80


def test_handover_on_both_sides(start):
    first, second = settled(start)
    first.command("handover")
    taken, lost = takeover(second), why(first)
    assert taken["reason"] == "consent" and taken["claim"]["answer"] == "fenced"
    assert lost["from"] == "active" and lost["reason"] == "handover"
    assert lost["claim"]["by"] == "gw2" and lost["claim"]["epoch"] == taken["claim"]["epoch"]
    assert 0 < lost["lease_left_ms"] <= LEASE_MS and "Planned" in lost["advice"][0]
    wait_for(lambda: why(first)["outage"], 5, "the first REQUEST of gw2")
    assert why(first)["outage"]["at_most_ms"] < LEASE_MS
    assert why(first, 2)["transitions"][-1]["to"] == "active"


def test_stopped_agent_blames_itself(start):
    """An agent that is stopped past its grace: told on both sides, each its own."""
    first, second = settled(start, SHORT_GRACE)
    first.suspend()
    wait_for(second.is_active, 10, "gw2 to take over")
    first.resume()
    first.wait_role("standby")
    story = takeover(second)
    assert story["reason"] == "hung-agent" and "systemctl" in story["advice"][0]
    lost = why(first)
    assert lost["reason"] in ("overruled", "lease-ended") and lost["agent_late"] is True
    assert lost["agent_late_ms"] > 1000
    assert "Only the agent stood still" in lost["advice"][0]
    assert any("LATE" in line for line in lost["text"])


def test_both_paused_lose_and_tell(start):
    """Both agents stand still beyond the lease: the holder's lease ends, and it says that
    nobody here took the CPU."""
    first, second = settled(start, Settings(lease=f"{LEASE_MS}ms", isolation="stop",
                                            timers={"agent_grace": "10s"}))
    for agent in (first, second):
        agent.suspend()
    wait_for(lambda: "serving   no" in run(BUILD / "bin" / "hagate-load", "--pin", first.pin,
                                           "status").stdout, 5, "gw1's lease to end")
    for agent in (first, second):
        agent.resume()
    wait_for(lambda: why(first)["from"] == "active", 5, "gw1 to tell")
    story = why(first)
    assert story["agent_late_ms"] > 300
    assert story["gap_ms"] is not None and story["advice"][0]


def test_survives_the_agent(start):
    first, second = settled(start)
    first.command("handover")
    story = takeover(second)
    wait_for(lambda: len(records(second)) >= 2, 5, "the record")
    is_over = QUIET_MS + 400  # the episode has ended, and was written again
    wait_for(lambda: second.status()["since_ms"] > is_over, 5, "quiet")
    second.kill()
    done = second.command("why", check=False)
    assert done.returncode == 3 and "hagate why --state=" in done.stderr
    state = second.directory / "state"
    left = json.loads(second.command("why", "--state", state, "--json").stdout)
    for key in ("id", "from", "to", "reason", "transitions", "heard", "claim", "outage"):
        assert left[key] == story[key], key
    assert story["reason_text"] in second.command("why", "1", "--state", state).stdout
    assert second.command("why", "99", "--state", state, check=False).returncode == 1
    assert second.command("why", "--state", "/nowhere", check=False).returncode == 1
    second.start()
    wait_for(second.is_active, 10, "gw2 to adopt")
    assert why(second)["reason"] == "adopted"
    again = why(second, 2)
    for key in ("id", "from", "to", "reason", "transitions", "heard", "claim", "outage"):
        assert again[key] == story[key], key
    record = second.directory / "state" / f"transition-{story['id']:013}.jsonl"
    lines = record.read_text().splitlines()
    head = json.loads(lines[0])
    assert len(head["snapshot"]) == 2 * head["size"]
    assert any("serve" in json.loads(line)["actions"] for line in lines[1:])


def test_a_damaged_record_is_said(start):
    _, second = settled(start)
    state = second.directory / "state"
    wait_for(lambda: records(second), 5, "a first record")
    (state / "transition-0000000000001.jsonl").write_text("{")
    (state / "transition-0000000000002.jsonl").symlink_to("/etc/passwd")
    (state / "transition-9.jsonl").write_text("of somebody else")
    (state / ".transition.999999999.tmp").write_text("left behind")
    known = len(records(second)) - 1
    done = second.command("why", str(known), check=False)
    assert done.returncode == 1 and "cannot be read" in done.stderr
    done = second.command("why", "99", check=False)
    assert done.returncode == 1
    assert "those since the agent started, and the last 16 on disk" in done.stderr
    for wrong in ("0", "-1", "x", "1.5"):
        assert second.command("why", "--", wrong, check=False).returncode == 2


def test_records_are_few(start):
    first, second = settled(start)
    state = second.directory / "state"
    for number in range(1, 40):
        (state / f"transition-{number:013}.jsonl").write_text("{}")
    (state / ".transition.999999999.tmp").write_text("left behind")
    first.command("handover")
    wait_for(lambda: len(records(second)) <= 16, 5, "old records to go")
    wait_for(lambda: not list(state.glob(".transition*")), 5, "leftovers to go")
    assert takeover(second)["reason"] == "consent"


def test_told_without_a_disk(start):
    """What cannot be written is still told from memory."""
    first, second = settled(start)
    state = second.directory / "state"
    wait_for(lambda: records(second), 5, "a first record")
    for record in records(second):
        record.unlink()
    moved = state.rename(second.directory / "away")
    state.write_text("no directory")
    try:
        first.command("handover")
        assert takeover(second)["reason"] == "consent"
        assert second.is_active()
    finally:
        state.unlink()
        moved.rename(state)
