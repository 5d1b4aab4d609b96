#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Random faults on whole gateways, thousands of them, from a seed.

    soak.py [--faults N] [--seed S] [--first N] [--kinds LIST] [--modes LIST]

Fault number N of seed S is the same each time (kinds.py): `--first N --faults 1` does
it again. After each fault the service has to come back and the pair to be whole; the
sink (sink.bpf.c) counts frames from two owners meanwhile. Modes take turns, a block of
faults each, and each block starts with fresh nodes.

BUILD/soak/SEED/log.jsonl has one line a fault; a run with the same seed goes on after
the last line. exception-N.txt beside it tells what agents logged in a fault whose
outcome was not as it should be. At the end a table by kind; exit 1 when a frame from
two owners was seen that no partition explains, or a pair did not get whole again.
"""
import argparse
import json
import os
import sys
import time
from pathlib import Path
from random import Random

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "lab")]

from kinds import KINDS  # noqa: E402
from lab import Lab  # noqa: E402
from procs import BUILD, LabError  # noqa: E402
from rig import BLOCK, MODES, Rig  # noqa: E402
from summary import summarize  # noqa: E402


class Log:
    """One line a fault; what is there already is not done again."""

    def __init__(self, directory):
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        self.path = directory / "log.jsonl"
        self.lines = []
        if self.path.exists():
            for line in self.path.read_text().splitlines():
                try:
                    self.lines.append(json.loads(line))
                except json.JSONDecodeError:
                    break  # the last one of a run that was killed
            self.path.write_text("".join(json.dumps(one) + "\n" for one in self.lines))
        self.file = self.path.open("a", buffering=1)

    def add(self, line):
        self.lines.append(line)
        self.file.write(json.dumps(line) + "\n")

    def explain(self, number, text):
        (self.directory / f"exception-{number}.txt").write_text(text)


def choose(seed, number, names):
    """The fault: its kind and the generator its plan is made from."""
    rng = Random(f"{seed}:{number}")
    return rng.choices(names, [KINDS[name].weight for name in names])[0], rng


def run(args, log, say=print):
    """Does the faults from the log's end on; the log has what came of them."""
    first = max([args.first] + [line["n"] + 1 for line in log.lines])
    end = args.first + args.faults
    deadline = time.monotonic() + args.seconds
    with Lab() as lab, Rig(lab, log) as rig:
        begun = time.monotonic()
        for number in range(first, end):
            mode = args.modes[number // args.block % len(args.modes)]
            if number == first or number % args.block == 0:
                rig.fresh(mode)
            name, rng = choose(args.seed, number, args.kinds)
            log.add(rig.one(number, name, rng))
            done = number + 1 - first
            if done % 100 == 0:
                say(f"{number + 1} of {end}, {(time.monotonic() - begun) / done:.3f} s a fault, "
                    f"frames from two owners: {sum(line['two'] for line in log.lines)}",
                    flush=True)
            if time.monotonic() > deadline:
                say(f"the time ({args.seconds} s) is up after {number + 1} faults")
                break
    return log.lines


def chosen(allowed):
    """Argument type: a comma-separated choice."""
    def parse(text):
        items = [item.strip() for item in text.split(",") if item.strip()]
        for item in items:
            if item not in allowed:
                raise argparse.ArgumentTypeError(f"{item!r} is none of: {', '.join(allowed)}")
        return items
    return parse


def parse_args(argv):
    env = os.environ
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--faults", type=int, default=int(env.get("SOAK_FAULTS") or 1000))
    parser.add_argument("--seed", default=env.get("SOAK_SEED") or "1")
    parser.add_argument("--first", type=int, default=int(env.get("SOAK_FIRST") or 0))
    parser.add_argument("--seconds", type=float, default=float(env.get("SOAK_SECONDS") or 1e9),
                        help="stop after this time")
    parser.add_argument("--block", type=int, default=int(env.get("SOAK_BLOCK") or BLOCK),
                        help="faults between fresh starts")
    parser.add_argument("--kinds", type=chosen(list(KINDS)), help=", ".join(KINDS),
                        default=chosen(list(KINDS))(env.get("SOAK_KINDS") or ",".join(KINDS)))
    parser.add_argument("--modes", type=chosen(MODES), help=", ".join(MODES),
                        default=chosen(MODES)(env.get("SOAK_MODES") or ",".join(MODES)))
    args = parser.parse_args(argv)
    args.kinds = [name for name in KINDS if name in args.kinds]
    return args


def main():
    args = parse_args(None)
    directory = BUILD / "soak" / str(args.seed)
    if args.first:
        directory = BUILD / "soak" / f"{args.seed}-from-{args.first}"
    try:
        log = Log(directory)
        text, is_good = summarize(run(args, log))
    except LabError as error:
        print(f"soak: {error}", file=sys.stderr)
        return 1
    (directory / "summary.txt").write_text(text)
    print(f"\n{text}\nwritten: {directory}")
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
