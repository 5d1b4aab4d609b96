# SPDX-License-Identifier: GPL-2.0-or-later
"""Rulesets for tests of the filter, and packets that show which ruleset judged them."""
import json
import struct
import threading
import time
from contextlib import suppress
from socket import AF_INET, SOCK_DGRAM, socket

from procs import entered
from topology import NET4
from traffic import ECHO_PORT


def filter_yaml(rules=(), default="accept", lists=(), include=()):
    """The `filter` of a cluster.yaml."""
    lines = ["filter:", f"  default: {default}"]
    if lists:
        lines += ["  lists:"] + [f"    {name}: {value}" for name, value in lists]
    if include:
        lines.append(f"  include: [{', '.join(map(str, include))}]")
    if rules:
        lines += ["  rules:"] + [f"    - {json.dumps(rule)}" for rule in rules]
    return "\n".join(lines) + "\n"


LAN, WAN = (f"{NET4[segment]}.0/24" for segment in ("lan", "wan"))
ACCEPTED = (f"accept proto udp from {LAN} to {WAN} port {ECHO_PORT} label \"there\"",
            f"accept proto udp from {WAN} port {ECHO_PORT} to {LAN} label \"back\"")


def _other(number, which):
    """A rule about addresses that nobody has: those of one ruleset lie before the lab's,
    those of the other behind, so that everything has other numbers in the two."""
    net = (172, 9)[which]
    return (f"drop proto udp from {net}.16.{number >> 8}.{number & 255} "
            f"to {net}.31.{number & 255}.0/24 port {1000 + number % 60000}")


def mixture(count, which):
    """Ruleset 0 or 1 of a pair whose mixtures drop the echo traffic.

    Both accept it, by rules at different places, and drop everything else. Whichever map
    is taken from the other ruleset, it leads to a rule that drops, or to the default.
    """
    rules = [_other(number, which) for number in range(count - len(ACCEPTED))]
    place = count // 4 if which == 0 else 3 * count // 4
    rules[place:place] = ACCEPTED
    return rules


class Stray:
    """Datagrams that the rules drop: whatever arrives shows a moment without rules."""

    def __init__(self, lab, host, port=9999, rate=500):
        self.sent, self._received = 0, []
        with entered(lab.ns("srv")):
            self.sink = socket(AF_INET, SOCK_DGRAM)
        with entered(lab.ns(host)):
            self.source = socket(AF_INET, SOCK_DGRAM)
        self.sink.bind(("0.0.0.0", port))
        self.sink.settimeout(0.1)
        self.target = (lab.host("srv").address, port)
        self.pause = 1 / rate
        self.is_over = False
        self.threads = [threading.Thread(target=t) for t in (self._send, self._receive)]
        for thread in self.threads:
            thread.start()

    def _send(self):
        while not self.is_over:
            with suppress(OSError):
                self.source.sendto(struct.pack("d", time.monotonic()), self.target)
                self.sent += 1
            time.sleep(self.pause)

    def _receive(self):
        while not self.is_over:
            with suppress(TimeoutError):
                sent, = struct.unpack("d", self.sink.recv(64))
                self._received.append((sent, time.monotonic()))

    @property
    def received(self):
        return len(self._received)

    def passed_after(self, moment):
        """When the first arrived that was sent after that moment; None if none did."""
        return min((came for sent, came in list(self._received) if sent > moment), default=None)

    def close(self):
        self.is_over = True
        for thread in self.threads:
            thread.join()
        self.sink.close()
        self.source.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
