#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Rulesets swapped under full traffic, over and over: no packet judged by a mixture, none
lost, and how long a change takes from the command to the packets.

    filter_soak.py [--rules N] [--swaps N] [--seconds S]

SOAK_RULES, SOAK_SWAPS and SOAK_SECONDS in the environment set the defaults. Two rulesets
take turns; both accept the same traffic by rules at different places, and every mixture
of them drops it (tests/lab/rulesets.py). Traffic: frames as fast as a host can send them,
which the node's kernel throws away behind the filter, and a 4 kHz echo through the
gateway, of which each packet is followed. Whatever a rule drops that accepts nothing,
or the default, is a mistake, and so is any other packet that the gate dropped. Echo packets
can also be lost beside the gate, when a full receive queue (the backlog of a CPU) meets them
on a machine that is too busy: those are told apart by the kernel's own count.
Results: BUILD/bench/filter-swap.json; exit status 1 when the gate dropped or judged a packet
wrongly, or echo packets are missing that no queue dropped.
"""
import argparse
import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "lab")]

from agents import Settings  # noqa: E402
from bpfmap import Map  # noqa: E402
from datapath import udp4  # noqa: E402
from figures import record, save, table  # noqa: E402
from lab import Lab  # noqa: E402
from procs import BUILD, in_ns  # noqa: E402
from rulesets import filter_yaml, mixture  # noqa: E402
from scenarios import wait_steady  # noqa: E402
from topology import GATEWAYS, HOSTS  # noqa: E402
from traffic import ECHO_PORT, Echo  # noqa: E402

NOWHERE = (10, 2, 0, 77)
OTHERS = "accept proto icmp,icmp6,tcp label \"others\""


class Watch:
    """When the generation of the rules changes, to half a millisecond."""

    def __init__(self, pin):
        self.words = Map(pin / "hg_filter", "=I", "=8I")
        self.changes, self.is_over = {}, False
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def generation(self):
        return self.words.read((0,))[0]

    def _run(self):
        while not self.is_over:
            self.changes.setdefault(self.generation(), time.monotonic())
            time.sleep(0.0005)

    def close(self):
        self.is_over = True
        self.thread.join()
        self.words.close()


@contextlib.contextmanager
def flooding(lab):
    """Accepted packets from hB as fast as it can; yields the process."""
    lab.run("gw1", "ip", "route", "add", "blackhole",
            ".".join(map(str, NOWHERE)))
    frame = udp4((10, 1, 0, 12), NOWHERE, 5000, ECHO_PORT, bytes(18),
                 GATEWAYS["gw1"].mac("lan"), HOSTS["hB"].mac)
    child = lab.processes.start(
        in_ns(lab.ns("hB"), "nice", "-n", "19", BUILD / "lab" / "flood", "eth0", 1 << 40,
              34, 2), stdin=subprocess.PIPE, text=True)
    child.stdin.write(frame.hex() + "\n")
    child.stdin.close()
    try:
        yield child
    finally:
        lab.processes.kill(child)


def shown(agent):
    return json.loads(agent.command("filter", "show", "--json").stdout)


def gate_drops(agent):
    """Packets by reason that the gate of a node dropped on all ports."""
    drops = {}
    for port in agent.status()["ports"]:
        for reason, packets in port["rx_dropped"].items():
            drops[reason] = drops.get(reason, 0) + packets
    return drops


def backlog_drops():
    """Packets that found the receive queue of a CPU full, machine-wide."""
    lines = Path("/proc/net/softnet_stat").read_text().splitlines()
    return sum(int(line.split()[1], 16) for line in lines)


def judged(filter_shown):
    """Packets by accepting rules, and packets that something else decided."""
    good = {r["rule"]: r["packets"] for r in filter_shown["rules"] if not r["drop"]}
    wrong = sum(r["packets"] for r in filter_shown["rules"] if r["drop"])
    return sum(good.values()), wrong + filter_shown["default_dropped"]


def soak(lab, args):
    texts = [filter_yaml([OTHERS, *mixture(args.rules - 1, which)], "drop") for which in (0, 1)]
    first, _ = lab.use_hagate(Settings(interval="20ms", lease="200ms", extra=texts[0]))
    lab.start_agents(60)
    commands, effects = [], []
    with contextlib.closing(Watch(first.pin)) as watch, Echo(lab, "hB") as echo:
        wait_steady(echo)
        accepted, wrong = judged(shown(first))
        dropped, backlog = gate_drops(first), backlog_drops()
        begin = time.monotonic()
        with flooding(lab):
            echo.mark()
            swaps = 0
            while swaps < args.swaps and time.monotonic() < begin + args.seconds:
                swaps += 1
                first.write(Settings(interval="20ms", lease="200ms", extra=texts[swaps % 2]))
                before, generation = time.monotonic(), watch.generation()
                first.command("filter", "reload")
                commands.append((time.monotonic() - before) * 1000)
                effects.append((watch.changes[generation + 1] - before) * 1000)
            report, seconds = echo.report(), time.monotonic() - begin
        after = shown(first)
        dropped = {reason: packets - dropped.get(reason, 0)
                   for reason, packets in gate_drops(first).items()
                   if packets > dropped.get(reason, 0)}
        backlog = backlog_drops() - backlog
    accepted, wrong = judged(after)[0] - accepted, judged(after)[1] - wrong
    return {"swaps": swaps, "generations": after["generation"] - 1, "seconds": seconds,
            "accepted": accepted, "wrong": wrong, "dropped": dropped, "backlog": backlog, "echo": report, "commands": commands,
            "effects": effects}


def number(name, default):
    return int(os.environ.get(name, default))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--rules", type=int, default=number("SOAK_RULES", 10000))
    parser.add_argument("--swaps", type=int, default=number("SOAK_SWAPS", 1000))
    parser.add_argument("--seconds", type=int, default=number("SOAK_SECONDS", 3600))
    args = parser.parse_args()
    with Lab() as lab:
        found = soak(lab, args)
    echo = found["echo"]
    records = [record("from the command to the packets", found["effects"], "ms"),
               record("the whole command", found["commands"], "ms")]
    print(f"{args.rules} rules, {found['swaps']} swaps in {found['seconds']:.0f} s, "
          f"{found['generations']} generations\n"
          f"{found['accepted']} packets accepted by their rules "
          f"({found['accepted'] / found['seconds'] / 1000:.0f} k/s), {found['wrong']} judged "
          f"otherwise\necho: {echo['sent']} sent, {echo['lost']} lost, longest gap "
          f"{echo['gap_ms']} ms\ndropped by the gate: {found['dropped'] or 'nothing'}; by full "
          f"receive queues: {found['backlog']}\n")
    print(table(["", "runs", "median", "max"],
                [[r["case"], r["runs"], r["median"], r["max"]] for r in records]))
    print(f"\nwritten: {save('filter-swap', records)}")
    is_good = (not found["wrong"] and not found["dropped"] and
               echo["lost"] <= found["backlog"] and found["generations"] == found["swaps"])
    return 0 if is_good and found["accepted"] > 1000 else 1


if __name__ == "__main__":
    sys.exit(main())
