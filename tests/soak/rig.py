# SPDX-License-Identifier: GPL-2.0-or-later
"""The lab with everything the faults need, and how one fault is done and judged."""
import json
import os
import re
import subprocess
import time

from agents import Settings
from kinds import KINDS
from node import IS_SANITIZED, PROMPT, SoakNode, remove_stale_groups
from procs import BUILD, LabError, in_ns, wait_for
from sink import Sink, boottime, describe
from third import Witness
from topology import GATEWAYS, HOSTS, NICS, VIP4, VIP6
from traffic import Echo, arp_request

MODES = ("continue", "stop", "witness")
BLOCK = 250  # faults between fresh starts
INTERVAL_MS, LEASE_MS, GRACE_MS, DRAIN_MS = 5, 20, 200, 100
BOUND_MS = LEASE_MS + 3 * INTERVAL_MS + 20  # of the return of service after a fault
AGAIN_MS = 10  # a whole pair serves at once
STALL_MS = 8  # a sender that was this late was not let run: so were the gateways
SETTLE_MS = 30  # what a fault sets off has begun by then
BACK_TIMEOUT, WHOLE_TIMEOUT = 15, 30  # on a machine that is loaded and slow
ECHO_RATE = 2000
SANITIZER = re.compile(r"Sanitizer|runtime error:")
REPORTED = re.compile(r"both nodes may have served for up to (\d+) ms")
ROUNDING_MS = 1.5  # whole ms in the log, and the time to the sink
FLOOD_FRAMES = 100_000_000


class Rig:
    """Owner of the nodes, the traffic and the sink during a soak."""

    def __init__(self, lab, log):
        self.lab, self.log = lab, log
        self.sink = Sink(lab)
        self.nodes = []
        self.echo = self.hogs = self.flood = None
        self.third = None
        self.asked = []
        self.mode = None

    def __enter__(self):
        remove_stale_groups()
        os.setpriority(os.PRIO_PROCESS, 0, PROMPT)
        self.sink.attach()
        self.hogs = self.lab.processes.start([BUILD / "soak" / "hog"], stdin=subprocess.PIPE,
                                             stdout=subprocess.PIPE, text=True)
        self._ask_addresses()
        return self

    def __exit__(self, *_):
        if self.echo:
            self.echo.close()
        self.lab.processes.kill_all()
        for node in self.nodes:
            node.close()
        self.sink.close()
        os.setpriority(os.PRIO_PROCESS, 0, 0)

    def _ask_addresses(self):
        """Hosts that ask for each VIP all the time: each answer is an owner frame."""
        for name, segment in (("hO", "lan"), ("srv", "wan")):
            host = HOSTS[name]
            frames = [arp_request(host.mac, host.address, VIP4[segment]).hex(),
                      solicitation(host, VIP6[segment]).hex()]
            self.lab.processes.start(in_ns(self.lab.ns(name), BUILD / "soak" / "pace", "eth0",
                                           1000, *frames))

    def fresh(self, mode):
        """Both nodes as after a boot, with their configuration for this mode."""
        if self.echo:
            self.echo.close()
        for node in self.nodes:
            self._look_for_leaks(node)
            node.kill()
            node.close()
        self.mode = mode
        isolation, extra = (mode, "") if mode != "witness" else ("continue", self._witness())
        self.nodes = list(self.lab.use_hagate(Settings(
            interval=f"{INTERVAL_MS}ms", lease=f"{LEASE_MS}ms", isolation=isolation,
            extra=extra,
            timers={"agent_grace": f"{GRACE_MS}ms", "drain": f"{DRAIN_MS}ms"}), SoakNode))
        self.sink.reset()
        for node in self.nodes:
            node.on_maps = lambda one, state: self.sink.watch(one.gateway.node, state)
            node.on_dead = lambda one: self.sink.forget(one.gateway.node)
            node.start()
        wait_for(self.is_whole, 20, "the pair to be whole")
        if extra:
            for node in self.nodes:
                wait_for(lambda n=node: n.status()["witness"]["reachable"], 10,
                         "the witness to answer")
        self.echo = Echo(self.lab, "hB", ECHO_RATE)
        self.echo.wait_flowing()

    @staticmethod
    def _look_for_leaks(node):
        """LeakSanitizer reports when a process ends by itself."""
        if not IS_SANITIZED or not node.is_running():
            return
        at = len(node.log_text())
        node.stop()
        if node.process.returncode or SANITIZER.search(node.log_text()[at:]):
            raise LabError(f"{node.name} ended with {node.process.returncode}:\n"
                           f"{node.log_text()[at:]}")

    def _witness(self):
        """The line of cluster.yaml; started when first needed, and left to run."""
        if not self.third:
            self.third = Witness(self.lab)
            self.third.start()
        return self.third.setting

    # What faults use

    def holder(self):
        """The node that serves, None when not exactly one does."""
        serving = [node for node in self.nodes if node.is_serving()]
        return serving[0] if len(serving) == 1 else None

    def ask(self, node, *words):
        """A command of an operator, who does not wait for its end here."""
        self.asked.append(self.lab.processes.start(in_ns(
            self.lab.ns(node.name), BUILD / "bin" / "hagate", "--run", node.run_dir, *words)))

    def hog(self, ms):
        self.hogs.stdin.write(f"{ms}\n")
        self.hogs.stdin.flush()
        self.hogs.stdout.readline()

    def hog_done(self):
        self.hogs.stdout.readline()

    def start_flood(self):
        """To both nodes, from their own addresses, on the lan."""
        if self.flood:
            return
        frames = [forged(GATEWAYS[a], GATEWAYS[b]) for a, b in (("gw1", "gw2"), ("gw2", "gw1"))]
        self.flood = self.lab.processes.start(
            in_ns(self.lab.ns("hO"), "nice", "-n", "29", BUILD / "lab" / "flood", "eth0",
                  FLOOD_FRAMES, 42 + 16, 90), stdin=subprocess.PIPE)
        self.flood.stdin.write("\n".join(f.hex() for f in frames).encode() + b"\n")
        self.flood.stdin.close()

    def stop_flood(self):
        if self.flood:
            self._end(self.flood)
            self.flood = None

    def add_nic(self, gateway, segment):
        self.lab.topology.add_nic(gateway, segment)
        self.lab.wire.attach_port(gateway, segment)
        self.sink.attach_port(gateway, segment)

    def wait_link(self, gateway, segment):
        """Until switch and kernel let frames through again. The kernel tells of links that
        come and go when it gets round to it, up to a second later."""
        def is_up():
            shown = json.loads(self.lab.run(gateway.name, "ip", "-json", "link", "show", "dev",
                                            NICS[segment]).stdout)
            return shown[0]["operstate"] == "UP" and self.lab.topology.is_forwarding()
        wait_for(is_up, 10, f"{gateway.name}'s {segment} to forward", pause=0.005)

    def _end(self, child):
        self.lab.processes.kill(child)
        self.lab.processes.children.remove(child)

    # One fault

    def is_whole(self):
        """One serves, the other stands by, and both hear each other."""
        if not all(node.is_alive() for node in self.nodes):
            return False
        roles = sorted(node.data_role() for node in self.nodes)
        return roles == ["active", "standby"] and self.holder() is not None

    def one(self, number, name, rng):
        """Does fault `number` and returns its line for the log."""
        took = time.monotonic()
        plan = KINDS[name].make(rng, self)
        line = {"n": number, "kind": name, "detail": plan.detail, "mode": self.mode}
        before = self.sink.count()
        offsets = {node: len(node.log_text()) for node in self.nodes}
        is_declared = plan.is_partition and self.mode == "continue" or \
            plan.is_tampered and plan.is_cable
        if is_declared:
            self.sink.declare(True)
        start, end = self._do(plan)
        since = start if plan.from_start and not (plan.takes_node and self.mode == "stop") else end
        line |= self._service(since)
        if is_declared:
            line |= self._end_of_overlap(end)
        line["whole_ms"] = self._wait_whole(end)
        line["again_ms"] = self._service(time.monotonic_ns())["back_ms"]
        line["stall_ms"] = self.echo.ask(f"back {since}")["stall_ms"]
        after = self.sink.count()
        line |= {key: getattr(after, key) - getattr(before, key)
                 for key in ("two", "mute", "both", "bare", "flight",
                  "crossed", "declared_two", "declared_both")}
        line["rss_kb"] = {str(node.process.pid): node.rss_kb() for node in self.nodes}
        said = "".join(node.log_text()[at:] for node, at in offsets.items())
        line["reported_ms"] = max(map(int, REPORTED.findall(said)), default=0)
        line["verdict"] = "sanitizer" if SANITIZER.search(said) else self._verdict(line, plan)
        line["took_s"] = round(time.monotonic() - took, 3)
        if line["verdict"] != "ok" or after.records > before.records:
            self._explain(line, before.records, offsets)
        self._tidy(line)
        return line

    @staticmethod
    def _do(plan):
        """The steps at their times. Returns when the first and the last were done, in ns
        of CLOCK_MONOTONIC."""
        start, first = time.monotonic(), None
        for ms, do in sorted(plan.steps, key=lambda step: step[0]):
            time.sleep(max(0, start + ms / 1e3 - time.monotonic()))
            do()
            first = first or time.monotonic_ns()
        return first, time.monotonic_ns()

    def _service(self, since):
        """When the echo through the gateway was back after `since`."""
        end = time.monotonic() + BACK_TIMEOUT
        while True:
            report = self.echo.ask(f"back {since}")
            if report["back_ms"] >= 0 or time.monotonic() > end:
                return {"back_ms": report["back_ms"], "unanswered": report["unanswered"],
                        "stall_ms": report["stall_ms"]}
            time.sleep(0.003)

    def _end_of_overlap(self, end):
        """Both may serve until the partition heals; then one has to give way."""
        limit = time.monotonic() + 1
        while all(node.is_serving() for node in self.nodes) and time.monotonic() < limit:
            time.sleep(0.001)
        first, last = self.sink.declare(False)
        healed = end + boottime() - time.monotonic_ns()
        return {"overlap_ms": round((last - first) / 1e6, 3),
                "two_after_end_ms": round(max(0, last - healed) / 1e6, 3) if last else 0}

    def _wait_whole(self, end):
        limit = time.monotonic() + WHOLE_TIMEOUT
        time.sleep(max(0, SETTLE_MS / 1e3 - (time.monotonic_ns() - end) / 1e9))
        while not self.is_whole():
            if time.monotonic() > limit:
                return -1
            time.sleep(0.004)
        return round((time.monotonic_ns() - end) / 1e6, 1)

    def _verdict(self, line, plan):
        if line["two"] or line["both"]:
            return "two-owners"
        if line["whole_ms"] < 0:
            return "not-whole"
        if line["back_ms"] < 0 or line["again_ms"] < 0:
            return "no-service"
        if line["mute"]:
            return "mute"
        # Whose words were changed behind its back cannot know.
        if line.get("overlap_ms", 0) > line["reported_ms"] + ROUNDING_MS and not plan.is_tampered:
            return "overlap-unreported"
        is_boot = plan.is_boot or (plan.takes_node and self.mode == "stop")
        if line["again_ms"] > AGAIN_MS:
            return "gone-again-stalled" if line["stall_ms"] >= STALL_MS else "gone-again"
        if is_boot or line["back_ms"] <= BOUND_MS:
            return "ok"
        return "late-stalled" if line["stall_ms"] >= STALL_MS else "late"

    def _explain(self, line, records, offsets):
        parts = [str(line)] + [describe(record) for record in self.sink.records(records)]
        for node, offset in offsets.items():
            parts.append(f"--- {node.name}: data path {node.data_role()} epoch "
                         f"{node.word('epoch'):#x} fence {node.word('fence_epoch'):#x}")
            parts.append(node.log_text()[offset:])
        self.log.explain(line["n"], "\n".join(parts) + "\n")

    def _tidy(self, line):
        """Leaves nothing of this fault for the next one."""
        for child in self.asked:
            self._end(child)
        self.asked.clear()
        if line["whole_ms"] < 0:
            self.fresh(self.mode)


def solicitation(host, target):
    """A neighbour solicitation as a frame."""
    from scapy.layers.inet6 import ICMPv6ND_NS, ICMPv6NDOptSrcLLAddr, IPv6
    from scapy.layers.l2 import Ether
    group = "ff02::1:ff" + f"{int(target.rpartition(':')[2], 16):06x}"[:2] + ":" + \
        f"{int(target.rpartition(':')[2], 16):06x}"[2:]
    return bytes(Ether(src=host.mac, dst="33:33:ff:00:00:01") /
                 IPv6(src=host.address6, dst=group, hlim=255) /
                 ICMPv6ND_NS(tgt=target) / ICMPv6NDOptSrcLLAddr(lladdr=host.mac))


def forged(source, target):
    """A GRANT-like frame in the peer's name; its body and tag are varied by the flood."""
    from scapy.layers.inet import IP, UDP
    from scapy.layers.l2 import Ether
    head = bytes.fromhex("6867" "01" "04" "0040" "00" "00") + bytes((source.node, target.node))
    return bytes(Ether(src=source.mac("lan"), dst=target.mac("lan")) /
                 IP(src=source.address("lan"), dst=target.address("lan"), ttl=255) /
                 UDP(sport=4701, dport=4701, chksum=0) / head.ljust(64, b"\0"))
