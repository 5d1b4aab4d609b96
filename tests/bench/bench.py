#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Benchmarks: failover beside keepalived, ns per packet, the filter, what an idle agent costs.

    bench.py [--cases LIST] [--stacks LIST] [--parts LIST] [--runs N] [--seconds S]

RUNS and BENCH_SECONDS in the environment set the defaults of --runs and --seconds.
Results: tables on stdout, BUILD/bench/{failover,datapath,filter,idle,witness}.json.
"""
import argparse
import os
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "lab")]

import datapath  # noqa: E402
import failover  # noqa: E402
import filter as packet_filter  # noqa: E402
import idle  # noqa: E402
import witness  # noqa: E402
from figures import save, table  # noqa: E402
from lab import Lab  # noqa: E402
from procs import LabError  # noqa: E402
from scenarios import CASES  # noqa: E402

PARTS = ("failover", "datapath", "filter", "idle", "witness")


def run_failover(args):
    with Lab() as lab:
        bench = failover.Bench(lab, args.cases, args.stacks)
        rounds = bench.run(args.runs, args.seconds)
        records = bench.records()
    if rounds < args.runs:
        print(f"The time ({args.seconds} s) was up after {rounds} full rounds of {args.runs}.")
    print("\nLongest gap of a 4 kHz echo through the gateway, in ms\n")
    print(table(["case", "runs", "median", "max", "lost", "owners", "peer's median", "peer",
                 "ratio"],
                [[r["case"], r["runs"], r["median"], r["max"], r["lost_median"],
                  r.get("arp_owners_max"), r["peer"], r["peer_name"] or "-", r["ratio"]]
                 for r in records]))
    print(f"\nwritten: {save('failover', records)}")
    for stack, error in bench.failed:
        print(f"failed: {stack}: {error}", file=sys.stderr)
    return 1 if bench.failed else 0


def run_datapath(args):
    with Lab() as lab:
        records = datapath.measure(lab, args.runs)
    print("\nns per packet (BPF_PROG_TEST_RUN, a no-op program subtracted)\n")
    print(table(["case", "runs", "median", "max", "peer's median", "peer", "ratio"],
                [[r["case"], r["runs"], r["median"], r["max"], r["peer"], r["peer_name"] or "-",
                  r["ratio"]] for r in records]))
    print(f"\nwritten: {save('datapath', records)}")
    return 0


def run_filter(args):
    records = packet_filter.measure(args.runs)
    print("\nThe filter: ns per packet (an empty program subtracted), packets/s over veth\n")
    print(table(["case", "unit", "runs", "median", "max", "peer's median", "peer", "ratio"],
                [[r["case"], r["unit"], r["runs"], r["median"], r["max"], r["peer"],
                  r["peer_name"] or "-", r["ratio"]] for r in records]))
    print(f"\nwritten: {save('filter', records)}")
    return 0


def run_idle(args):
    with Lab() as lab:
        records = idle.measure(lab, args.idle_seconds)
    print(f"\nAn idle agent over {args.idle_seconds} s\n")
    print(table(["case", "value", "unit"], [[r["case"], r["value"], r["unit"]] for r in records]))
    print(f"\nwritten: {save('idle', records)}")
    return 0


def run_witness(args):
    with Lab() as lab:
        records = witness.measure(lab, args.runs)
    print("\nPower-off with and without a witness\n")
    print(table(["case", "unit", "runs", "median", "max", "peer's median"],
                [[r["case"], r["unit"], r["runs"], r["median"], r["max"], r["peer"]]
                 for r in records]))
    print(f"\nwritten: {save('witness', records)}")
    return 0


def chosen(allowed):
    """Argument type: a comma-separated choice."""
    def parse(text):
        items = [item.strip() for item in text.split(",")]
        for item in items:
            if item not in allowed:
                raise argparse.ArgumentTypeError(f"{item!r} is none of: {', '.join(allowed)}")
        return items
    return parse


def main():
    cases = [case.name for case in CASES] + [failover.FAILBACK]
    # names of stacks hold commas: separate them by their own short names
    short = dict(zip(("5/20", "2/8", "keepalived-10ms", "keepalived", "1000vips"),
                     failover.STACKS))
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--parts", type=chosen(PARTS), default=list(PARTS))
    parser.add_argument("--cases", type=chosen(cases), default=cases, help=", ".join(cases))
    parser.add_argument("--stacks", type=chosen(list(short)), default=list(short),
                        help=", ".join(short))
    parser.add_argument("--runs", type=int, default=int(os.environ.get("RUNS", 20)))
    parser.add_argument("--seconds", type=float,
                        default=float(os.environ.get("BENCH_SECONDS", 600)),
                        help="no new round of the failover part begins after this time")
    parser.add_argument("--idle-seconds", type=int, default=60)
    args = parser.parse_args()
    args.stacks = [short[name] for name in args.stacks]
    run = {"failover": run_failover, "datapath": run_datapath, "filter": run_filter,
           "idle": run_idle, "witness": run_witness}
    try:
        return max([run[part](args) for part in args.parts])
    except LabError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
