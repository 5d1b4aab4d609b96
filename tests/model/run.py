#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Checks the Spin models of this folder, and that each planted mistake is found.

    run.py BUILD slice     every mistake, the smallest bounds      (make check)
    run.py BUILD full      the larger bounds                       (make model)
    run.py BUILD NAME...   the cases of these names, e.g. to look at a trail

Each case is one model with bounds and at most one mistake (M_...) set by macros, compiled
and searched through to the end. The last line says `N passed, N failed`; exit 1 when a
case failed. What Spin made stays in BUILD/model/NAME; docs/model.md says how to read it.
"""

import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from cases import FULL, SLICE

HERE = Path(__file__).resolve().parent
SECONDS = int(os.environ.get("MODEL_SECONDS", 3600))  # of one search
MEMORY_MB = 12000



def is_mistake(macros):
    return " -DM_" in f" {macros}"


def is_endless(macros):
    """Cycles are looked for, not states: something that never comes, or does not last."""
    return " -DLTL" in f" {macros}"


def build(folder, model, macros, optimise):
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.trail"):
        old.unlink()
    spin = subprocess.run(["spin", "-a", *macros.split(), HERE / f"{model}.pml"], cwd=folder,
                          capture_output=True, text=True)
    if spin.returncode or "Error" in spin.stdout:
        raise RuntimeError(spin.stdout + spin.stderr)
    mode = [] if is_endless(macros) else ["-DSAFETY"]
    subprocess.run(["gcc", optimise, "-w", *mode, "-DNOREDUCE", "-DVECTORSZ=512",
                    f"-DMEMLIM={MEMORY_MB}", "-o", "pan", "pan.c"], cwd=folder, check=True)


def number(pattern, text):
    found = re.search(pattern, text)
    return found.group(1) if found else "?"


def trail(folder):
    """The steps of a refutation in words: what the printf of the model say."""
    found = list(folder.glob("*.trail"))
    if not found:
        return ["no trail: the search found nothing, or did not end (see `out`)"]
    run = subprocess.run(["./pan", "-r", found[0].name], cwd=folder, capture_output=True, text=True)
    steps = run.stdout.split("#processes")[0].splitlines()
    noise = re.compile(r"^( *\d+:|pan:|spin:|\t)")
    return [line for line in steps if line and not noise.match(line)]


def search(build_dir, name, case, optimise):
    model, macros = case
    folder = build_dir / "model" / name
    began = time.monotonic()
    build(folder, model, macros, optimise)
    # timeout(1), so that what was found until then is still there to be read
    args = ["timeout", str(SECONDS), "./pan", "-m1000000", "-w24"]
    args += ["-a"] if is_endless(macros) else []
    out = subprocess.run(args, cwd=folder, capture_output=True, text=True).stdout
    (folder / "out").write_text(out)
    errors = number(r"errors: (\d+)", out)
    is_whole = "search not completed" not in out and "max search depth" not in out
    is_expected = errors == "1" if is_mistake(macros) else errors == "0" and is_whole
    states, depth = number(r"(\d+) states, stored", out), number(r"depth reached (\d+)", out)
    memory = number(r"([\d.]+).total actual memory", out)
    report = (f"{states:>10} states  depth {depth:>6}  {memory:>8} MB  "
              f"{time.monotonic() - began:6.1f} s")
    return name, is_expected, report, folder


def main():
    if len(sys.argv) < 3:
        print(__doc__.split("\n\n")[1])
        return 2
    build_dir = Path(sys.argv[1]).resolve()
    every = {**SLICE, **FULL}
    wanted = {"slice": SLICE, "full": every}.get(sys.argv[2])
    if wanted is None:
        unknown = [name for name in sys.argv[2:] if name not in every]
        if unknown:
            print(f"run.py: no such case: {' '.join(unknown)}", file=sys.stderr)
            return 2
        wanted = {name: every[name] for name in sys.argv[2:]}
    passed = failed = 0
    with ThreadPoolExecutor(min(2, os.cpu_count() or 1)) as pool:
        jobs = [pool.submit(search, build_dir, name, case, "-O2" if name in FULL else "-O1")
                for name, case in wanted.items()]
        for job in jobs:
            name, is_expected, report, folder = job.result()
            what = "refuted" if is_mistake(every[name][1]) else "holds"
            passed += is_expected
            failed += not is_expected
            print(f"{name:28} {what if is_expected else 'WRONG':8} {report}", flush=True)
            if not is_expected or (sys.argv[2] == name and is_mistake(every[name][1])):
                print("    " + "\n    ".join(trail(folder)), f"    (in {folder})", sep="\n")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
