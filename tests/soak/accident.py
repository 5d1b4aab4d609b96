#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A fresh node joins a gateway in service, a thousand times and in every wrong way.

    accident.py [--runs N] [--seed S] [--first N]

gw1 serves with a large configuration of its own, under traffic, for the whole run. Run
number N of seed S makes gw2 anew: by mode (join, member, off), what its disk holds
(nothing, a configuration of its own, garbage), a priority above gw1's, a wall clock
that is ahead by up to ten years, perhaps a cluster of its own. Its agent, its
hagate-sync or hagate-learn or all at once (a power-off) are killed at random moments and
started again. Then gw2 may come to rest: a node that joins has to become a standby with
gw1's configuration. After each run gw1 has to serve on, in the same epoch, with the same
configuration in file, history and force, and no packet of the echo may have been lost.

BUILD/soak/accident-S/log.jsonl has one line a run; exit 1 when one of them is not as it
should be.
"""
import argparse
import json
import os
import shutil
import sys
import time
from collections import Counter
from pathlib import Path
from random import Random

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "lab")]

from agents import Hagate, Settings  # noqa: E402
from lab import Lab  # noqa: E402
from procs import BUILD, LabError, run, wait_for  # noqa: E402
from scenarios import wait_steady  # noqa: E402
from sync import BIG, MODES, STATES, Sync, make_blank, put_state  # noqa: E402
from traffic import Echo  # noqa: E402

ECHO_RATE = 1000
YEARS = 10 * 365 * 86400
JOINS = 2  # as often as each other mode
# Both machines are one kernel here, which stands still for some 20 ms when programs are
# attached to the other's NICs.
TIMERS = {"interval": "50ms", "lease": "250ms"}


class Newcomer(Hagate):
    """gw2, whose clock is ahead."""

    def _start(self, *args):
        super()._start(*self.stepped(*args))

    def stepped(self, *args):
        step = self.directory / "clockstep"
        if not step.exists():
            step.write_bytes(bytes(8))
        return ("env", f"CLOCKSTEP_FILE={step}", f"LD_PRELOAD={BUILD / 'soak' / 'clockstep.so'}",
                *args)

    def step_clock(self, seconds):
        (self.directory / "clockstep").write_bytes(
            (seconds * 1_000_000_000).to_bytes(8, sys.byteorder, signed=True))


class NewcomerSync(Sync):
    def line(self, *args):
        enter, program = super().line(*args)[:2], super().line(*args)[2:]
        return [*enter, *self.agent.stepped(*program)]


class Stage:
    """gw1 in service, and what gw2 is made of each time."""

    def __init__(self, lab, settings):
        self.lab = lab
        self.first, self.second = lab.use_hagate(settings, Newcomer)
        self.teacher, self.learner = Sync(self.first), NewcomerSync(self.second)
        self.teacher.init()
        self.first.start()
        self.teacher.start()
        wait_for(self.first.is_active, 10, "gw1 to be active")
        wait_for(lambda: self.teacher.status().get("generation") == 1, 10, "gw1's generation")
        self.before = self.fingerprint()

    def fingerprint(self):
        """All of gw1 that must not change."""
        status = self.first.status()
        main = run("git", "--git-dir", self.teacher.state / "history.git", "rev-parse", "main")
        return {"text": self.first.cluster_yaml.read_text(), "epoch": status.get("epoch"),
                "is_active": self.first.is_active(), "vips": len(status.get("vips", ())),
                "rules": (status.get("filter") or {}).get("rules"),
                "generation": (status.get("sync") or {}).get("generation"),
                "main": main.stdout.strip()}

    def renew(self, rng):
        """gw2 as it comes from the factory, or from a wrong shelf."""
        self.off()
        key = self.second.key.read_text()
        shutil.rmtree(self.second.directory)
        self.second.directory.mkdir()
        self.second.mode = "member"
        self.second.write(Settings(), key.strip())
        mode = rng.choices(MODES, [JOINS if mode == "join" else 1 for mode in MODES])[0]
        state = rng.choice(STATES)
        if (mode, state) == ("join", "empty"):
            make_blank(self.second)
        else:
            put_state(self.second, state, mode)
        self.second.step_clock(rng.choice((0, 3600, 86400, YEARS)))
        self.lab.wire.set_node("gw2", 0)
        has_cluster = state == "other" and mode == "member" and rng.random() < 0.5
        if has_cluster:
            self.learner.init()
        return {"mode": mode, "state": state, "foreign": has_cluster}

    def off(self):
        self.learner.kill()
        self.second.power_off()
        self.second.wipe()

    def on(self):
        self.lab.wire.set_node("gw2", 0)
        if not self.second.is_running():
            self.second.start()
        if not self.learner.is_running():
            self.learner.start()

    def strike(self, rng):
        """One crash, at any step."""
        how = rng.choice(("sync", "agent", "both", "power"))
        if how == "power":
            self.off()
        if how in ("sync", "both"):
            self.learner.kill()
        if how in ("agent", "both"):
            self.second.kill()
        self.on()
        return how

    def settle(self, mode, state):
        """Until gw2 is what it can become."""
        if mode == "join" and state != "corrupt":
            self.second.wait_role("standby", 30)
            self.learner.wait_in_sync()
            if self.second.cluster_yaml.read_text() != self.before["text"]:
                raise LabError("gw2 is in sync with another configuration")
            return
        wait_for(lambda: self.second.role() in ("fault", "off", "standby", "blank", "listen"), 15,
                 "gw2 to settle")
        if self.second.is_active():
            raise LabError("gw2 serves")


def one(stage, echo, rng):
    """What came of one run; `wrong` tells what is not as it should be."""
    line = stage.renew(rng)
    echo.mark()
    begun = time.monotonic()
    stage.on()
    line["crashes"] = []
    for _ in range(rng.choice((0, 1, 2, 3, 5))):
        time.sleep(min(rng.expovariate(2), 1.5))
        line["crashes"].append(stage.strike(rng))
    wrong = []
    try:
        stage.settle(line["mode"], line["state"])
    except LabError as error:
        wrong.append(str(error).splitlines()[0])
    line["seconds"] = round(time.monotonic() - begun, 2)
    report, after = echo.report(), stage.fingerprint()
    line["lost"], line["sent"] = report["lost"], report["sent"]
    wrong += [f"{key}: {str(after[key])[:60]}" for key in after if after[key] != stage.before[key]]
    if line["lost"]:
        wrong.append(f"{line['lost']} lost, {report['gap_ms']} ms")
    return line | {"wrong": wrong}


def run_all(args, file):
    lines = []
    with Lab() as lab:
        stage = Stage(lab, Settings(**TIMERS, extra="filter:\n  rules:\n" + BIG))
        with Echo(lab, "hB", ECHO_RATE) as echo:
            wait_steady(echo)
            for number in range(args.first, args.first + args.runs):
                line = {"n": number} | one(stage, echo, Random(f"{args.seed}:{number}"))
                lines.append(line)
                file.write(json.dumps(line) + "\n")
                if line["wrong"]:
                    print(f"{number}: {line}", flush=True)
                    log = Path(file.name).parent / f"exception-{number}.txt"
                    log.write_text("\n---\n".join((
                        stage.first.log_text()[-5000:], stage.teacher.log_text()[-5000:],
                        stage.second.log_text(), stage.learner.log_text())))
                if len(lines) % 100 == 0:
                    print(f"{len(lines)} of {args.runs}, "
                          f"{sum(bool(one['wrong']) for one in lines)} wrong", flush=True)
    return lines


def summary(lines):
    kinds = Counter((one["mode"], one["state"]) for one in lines)
    crashes = Counter(how for one in lines for how in one["crashes"])
    wrong = [one for one in lines if one["wrong"]]
    return "\n".join((
        f"{len(lines)} runs, {sum(crashes.values())} crashes ("
        f"{', '.join(f'{how} {count}' for how, count in sorted(crashes.items()))})",
        ", ".join(f"{mode}/{state} {count}" for (mode, state), count in sorted(kinds.items())),
        f"echo: {sum(one['sent'] for one in lines)} sent, {sum(one['lost'] for one in lines)} lost",
        f"not as it should be: {len(wrong)}", *map(str, wrong))) + "\n"


def main():
    env = os.environ
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=int(env.get("ACCIDENT_RUNS") or 1000))
    parser.add_argument("--seed", default=env.get("ACCIDENT_SEED") or "1")
    parser.add_argument("--first", type=int, default=int(env.get("ACCIDENT_FIRST") or 0))
    args = parser.parse_args()
    directory = BUILD / "soak" / f"accident-{args.seed}"
    directory.mkdir(parents=True, exist_ok=True)
    try:
        with (directory / "log.jsonl").open("w", buffering=1) as file:
            lines = run_all(args, file)
    except LabError as error:
        print(f"accident: {error}", file=sys.stderr)
        return 1
    text = summary(lines)
    (directory / "summary.txt").write_text(text)
    print(f"{text}written: {directory}")
    return 1 if any(line["wrong"] for line in lines) else 0


if __name__ == "__main__":
    sys.exit(main())
