# SPDX-License-Identifier: GPL-2.0-or-later
"""Rulesets for tests of the filter, and packets that show which ruleset judged them."""
import json
import threading
import time
from contextlib import suppress
from socket import AF_INET, SOCK_DGRAM, socket

from procs import entered
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


ACCEPTED = (f"accept proto udp to any port {ECHO_PORT} label \"there\"",
            f"accept proto udp from any port {ECHO_PORT} label \"back\"")


def _other(number, salt):
    """A rule about addresses that nobody has, another one for each number and salt."""
    return (f"drop proto udp from 172.{16 + salt}.{number >> 8}.{number & 255} "
            f"to 172.31.{number & 255}.0/24 port {1000 + number % 60000}")


def mixture(count, which):
    """Ruleset 0 or 1 of a pair whose mixtures drop the echo traffic.

    Both accept it, by rules at different places, and drop everything else: the classes
    of one with the rules of the other lead to a rule that drops, or to the default.
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
                self.source.sendto(b"stray", self.target)
                self.sent += 1
            time.sleep(self.pause)

    def _receive(self):
        while not self.is_over:
            with suppress(TimeoutError):
                self.sink.recv(64)
                self._received.append(time.monotonic())

    @property
    def received(self):
        return len(self._received)

    def times(self):
        """When they arrived (time.monotonic())."""
        return list(self._received)

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
