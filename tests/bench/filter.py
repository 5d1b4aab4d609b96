# SPDX-License-Identifier: GPL-2.0-or-later
"""The filter: ns per packet by rules and traffic, the blocklist, packets a second beside
xdp-filter and nftables.

filter_run measures, all variants in turn within a round; each starts a process of its
own in network namespaces of its own. Verdicts are checked there.
"""
import json
import subprocess
from collections import defaultdict
from statistics import median

from figures import record
from procs import BUILD, LabError

RUN = BUILD / "tests/bench/filter_run"
XDP_FILTER = "xdp-filter"
PEERS = {  # of packets a second
    "drop, hagate": ("drop, nftables", "drop, nftables set"),
    "forward, hagate": ("forward, nftables", "forward, nftables set"),
}


def lines(*arguments):
    """(case, rules) -> values, and the unit of each."""
    done = subprocess.run([str(RUN), *map(str, arguments)], capture_output=True, text=True,
                          check=False)
    if done.returncode:
        raise LabError(f"filter_run {' '.join(map(str, arguments))}: {done.stderr.strip()}")
    values, units = defaultdict(list), {}
    for line in done.stdout.splitlines():
        found = json.loads(line)
        key = found["case"], found["rules"]
        values[key].append(found["value"])
        units[key] = found["unit"]
    return values, units


def named(case, rules, noun="rules"):
    return f"{case}, {rules:,} {noun}" if rules else case


def costs(runs):
    """Beside an exact drop of xdp-filter; and how much the rules cost by their number."""
    values, units = lines("cost", runs)
    drop = next((found for (case, _), found in values.items() if case == XDP_FILTER), None)
    for (case, rules), found in values.items():
        noun = "addresses" if "xdp-filter" in case or "exact" in case else "rules"
        is_peer = "xdp-filter" in case
        yield record(named(case, rules, noun), found, units[case, rules],
                     None if is_peer else drop, None if is_peer or not drop else XDP_FILTER,
                     rules=rules)
    for many in (1000, 10000):
        growth = [a / b for a, b in zip(values["random", many], values["random", 10])]
        yield record(f"random, {many:,} rules over 10 rules", growth, "times")


def blocklist(runs, count=1000000):
    values, units = lines("blocklist", runs, count)
    for (case, rules), found in values.items():
        yield record("blocklist: " + named(case, rules, "addresses"), found, units[case, rules],
                     rules=rules)


def rates(runs, seconds):
    """Packets a second; here `ratio` is ours divided by the peer's, above 1 ours is faster."""
    values, units = lines("rate", runs, seconds)
    for (case, rules), found in values.items():
        yield record(named(case, rules), found, units[case, rules], rules=rules)
    for ours, peers in PEERS.items():
        for peer in peers:
            for (case, rules), theirs in values.items():
                if case != peer:
                    continue
                found = values[ours, rules]
                yield record(f"{named(ours, rules)}, beside {peer.partition(', ')[2]}", found,
                             "packets/s", theirs, peer.partition(", ")[2], rules=rules,
                             ratio=round(median(found) / median(theirs), 2))


def measure(runs, seconds=0.5):
    return [*costs(runs), *blocklist(max(1, runs // 5)), *rates(max(1, runs // 5), seconds)]
