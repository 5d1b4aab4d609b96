# SPDX-License-Identifier: GPL-2.0-or-later
"""The same faults for hagate and keepalived, interleaved in one run.

A round is: for each stack, start both nodes, go through the cases, stop. So slow
minutes of the machine hit all stacks alike. Each value is the longest gap of a 4 kHz
echo from a host on the hypervisor where the active gateway is not.
"""
import time
from collections import defaultdict

from agents import Settings
from figures import record
from procs import LabError, wait_for
from scenarios import CASES, measured, wait_steady
from topology import VIP4
from traffic import Echo, who_answers

VIPS_MANY = 1000


def settings(interval, lease, vips=None):
    options = {"vips": vips} if vips else {}
    return Settings(interval=f"{interval}ms", lease=f"{lease}ms", failback=True,
                    failback_delay="1s", **options)


def many_vips(count):
    """`count` IPv4 VIPs, half of them on the lan, half on the wan, the usual ones first."""
    half = count // 2
    return {segment: [f"{first}/24"] + [f"10.{net}.{i // 250}.{i % 250 + 1}/32"
                                        for i in range(half - 1)]
            for (segment, first), net in zip(VIP4.items(), (101, 102))}


STACKS = {
    "hagate 5/20": lambda lab: lab.use_hagate(settings(5, 20)),
    "hagate 2/8": lambda lab: lab.use_hagate(settings(2, 8)),
    "keepalived 10 ms": lambda lab: lab.use_keepalived(0.01),
    "keepalived": lambda lab: lab.use_keepalived(),
    "hagate 5/20, 1000 VIPs": lambda lab: lab.use_hagate(settings(5, 20, many_vips(VIPS_MANY))),
}
PEERS = ("keepalived 10 ms", "keepalived")
MANY = "hagate 5/20, 1000 VIPs"
FAILBACK = "failback"


class Bench:
    """Runs rounds until the number of runs or the time is used up; keeps all values."""

    def __init__(self, lab, cases, stacks, say=print):
        self.lab = lab
        self.cases = [case for case in CASES if case.name in cases]
        self.has_failback = FAILBACK in cases
        self.stacks = stacks
        self.say = say
        self.gaps = defaultdict(list)  # (case, stack) -> ms
        self.lost = defaultdict(list)
        self.stalls = defaultdict(list)  # of the sender: the machine's fault, not the gateway's
        self.owners = defaultdict(list)
        self.failed = []

    def run(self, runs, seconds):
        """Returns the number of rounds done."""
        end = time.monotonic() + seconds
        for number in range(runs):
            for i in range(len(self.stacks)):
                if time.monotonic() > end:
                    return number
                self._round(self.stacks[(i + number) % len(self.stacks)])
            self.say(f"round {number + 1} of {runs} done")
        return runs

    def _round(self, stack):
        try:
            first, second = STACKS[stack](self.lab)
            self.lab.start_agents(timeout=60)
            for case in self.cases:
                if stack != MANY or case.name == "power-off":
                    self._case(stack, case, first, second)
        except LabError as error:
            self.failed.append((stack, str(error)))
            self.say(f"{stack}: {error}")

    def _wait_home(self, first, second):
        wait_for(lambda: first.is_active() and second.is_ready() and
                 self.lab.active() == [first], 30, "gw1 to be active and gw2 ready", pause=0.05)

    def _case(self, stack, case, first, second):
        self._wait_home(first, second)
        with Echo(self.lab, case.host) as echo:
            wait_steady(echo)
            report = measured(echo, lambda: case.fault(self.lab, first, second),
                              lambda: case.until(self.lab, first, second))
        self._keep(case.name, stack, report)
        if case.has_two_owners:
            answering = who_answers(self.lab, case.host, VIP4["lan"])
            self.owners[case.name, stack].append(len(answering))
        if self.has_failback and case.name == "power-off":
            with Echo(self.lab, "hA") as echo:
                wait_steady(echo)
                report = measured(echo, lambda: case.restore(self.lab, first, second),
                                  first.is_active, timeout=30)
            self._keep(FAILBACK, stack, report)
        else:
            case.restore(self.lab, first, second)

    def _keep(self, case, stack, report):
        self.gaps[case, stack].append(report["gap_ms"])
        self.lost[case, stack].append(report["lost"])
        self.stalls[case, stack].append(report["stall_ms"])
        self.say(f"  {stack:24} {case:14} gap {report['gap_ms']:9.2f} ms, "
                 f"lost {report['lost']:6}, send stall {report['stall_ms']:.1f} ms")

    def records(self):
        found = []
        for (case, stack), gaps in self.gaps.items():
            more = {"lost_median": sorted(self.lost[case, stack])[len(gaps) // 2],
                    "lost_max": max(self.lost[case, stack]),
                    "sender_stall_max_ms": max(self.stalls[case, stack])}
            if (case, stack) in self.owners:
                more["arp_owners_max"] = max(self.owners[case, stack])
            name = f"{case}, {stack}"
            peers = [p for p in PEERS if (case, p) in self.gaps and stack not in PEERS]
            if stack == MANY and (case, "hagate 5/20") in self.gaps:
                peers = ["hagate 5/20"]
            for peer in peers:
                found.append(record(name, gaps, "ms", self.gaps[case, peer], peer, **more))
            if not peers:
                found.append(record(name, gaps, "ms", **more))
        return found
