#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A flood of forged heartbeats at the node in service: does its lease hold?

    forged.py [--rate 500000] [--seconds 60] [--interval MS --lease MS]

A frame of the standby is taken from the wire and sent again and again with wrong tags,
so that each one costs the holder a whole SipHash. Frames are made in the kernel by one
processor (BPF_PROG_TEST_RUN with live frames) and come in at the holder's NIC. Says how
many were refused, how many leases ended, and ns per refused frame, the last measured
apart, on the running program and its own maps.
"""
import argparse
import contextlib
import ctypes
import os
import random
import struct
import sys
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "lab"),
                str(Path(__file__).resolve().parents[1] / "bench")]

import bpfmap  # noqa: E402
from agents import Settings  # noqa: E402
from bpfmap import BPF_OBJ_GET, BPF_PROG_TEST_RUN, Map  # noqa: E402
from datapath import TYPE_XDP, XDP_DROP, XDP_PASS, Program, interfaces, xdp_context  # noqa: E402
from figures import save  # noqa: E402
from lab import Lab  # noqa: E402
from procs import BUILD, LabError, entered, packet_socket, run, wait_for  # noqa: E402
from starve import ENDED  # noqa: E402
from topology import NICS  # noqa: E402

SEGMENT = "ha"
LIVE_FRAMES = 2  # BPF_F_TEST_XDP_LIVE_FRAMES
TICK_S = 0.02  # each call sets up pages for its frames
BATCH = 64
PRIORITY = 10  # above what else runs here, below the agents
HEADERS, TAG, SHORT = 42, 16, 64


def captured(lab, gateway):
    """A frame of the bounce on its way to the gateway."""
    with packet_socket(lab.ns(gateway.hypervisor), gateway.port(SEGMENT)) as sock:
        sock.settimeout(5)
        own = bytes.fromhex(gateway.mac(SEGMENT).replace(":", ""))
        while True:
            frame = sock.recv(2048)
            if frame[:6] == own and len(frame) == HEADERS + SHORT and frame[23] == 17:
                return frame


@contextlib.contextmanager
def on_one_processor():
    """Whose owner we are meanwhile, but for the agents."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(allowed)})
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(PRIORITY))
    try:
        yield
    finally:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
        os.sched_setaffinity(0, allowed)


class Forge:
    """Sends `frame` out of a port with tags that do not hold."""

    def __init__(self, lab, gateway, frame):
        self.lab, self.gateway, self.frame = lab, gateway, frame
        pin = lab.pin / "forge"
        run("bpftool", "prog", "loadall", BUILD / "soak" / "forge.bpf.o", pin, "pinmaps", pin)
        name = ctypes.create_string_buffer(os.fsencode(pin / "forge_send"))
        self.program = bpfmap._bpf(BPF_OBJ_GET, struct.pack("=QII", ctypes.addressof(name), 0, 0))
        self.place = Map(pin / "forge_place", "=I", "=IIQ")
        self.place.write((0,), (gateway.ifindex(SEGMENT), 0, 0))

    def burst(self, count):
        data = ctypes.create_string_buffer(self.frame, len(self.frame))
        bpfmap._bpf(BPF_PROG_TEST_RUN, struct.pack(
            "=IIIIQQIIIIQQIII", self.program, 0, len(self.frame), 0, ctypes.addressof(data), 0,
            count, 0, 0, 0, 0, 0, LIVE_FRAMES, 0, BATCH))

    def run(self, rate, seconds):
        """Frames a second that were really sent, and for how long."""
        with entered(self.lab.ns(self.gateway.hypervisor)), on_one_processor():
            begun = due = time.monotonic()
            sent = 0
            while time.monotonic() < begun + seconds:
                wanted = int((time.monotonic() - begun + TICK_S) * rate)
                # Never more than two ticks at once: what the machine did not let us
                # send in time is not made up for.
                count = max(BATCH, min(wanted - sent, int(2 * TICK_S * rate)))
                self.burst(count)
                sent += count
                due = max(due + TICK_S, time.monotonic())
                time.sleep(max(0, due - time.monotonic()))
            took = time.monotonic() - begun
        return self.place.read((0,))[2] / took, took


def cost(lab, gateway, frame, runs=9):
    """ns per refused frame, medians of interleaved runs, a program that does nothing
    subtracted."""
    with entered(lab.ns(gateway.name)):
        nic = interfaces(lab, gateway.name)[NICS[SEGMENT]]
        gate = bpfmap.program_fd(nic["xdp"]["prog"]["id"])
        context = xdp_context(nic["ifindex"])
        noop = Program(bpfmap.load_constant(TYPE_XDP, XDP_PASS), context)
        rng = random.Random(1)
        frames = [frame[:-TAG] + rng.randbytes(TAG) for _ in range(64)]
        program = Program(gate, context)
        found = sorted(program.time(frames, {XDP_DROP}) - noop.time(frames, {XDP_PASS})
                       for _ in range(runs))
    return found[len(found) // 2], found[-1]


def counters(agent):
    return agent.status()["counters"].get("peer-tag", 0)


def measure(lab, args):
    first, second = lab.use_hagate(Settings(interval=f"{args.interval}ms", lease=f"{args.lease}ms"))
    lab.start_agents()
    wait_for(lambda: first.is_active() and second.is_ready(), 10, "gw1 active")
    frame = captured(lab, first.gateway)
    forge = Forge(lab, first.gateway, frame)
    epoch, offset, refused = first.epoch(), len(first.log_text()), counters(first)
    rate, seconds = forge.run(args.rate, args.seconds)
    log = first.log_text()[offset:]
    refused = counters(first) - refused
    is_same_epoch = first.epoch() == epoch
    median, most = cost(lab, first.gateway, frame)
    return {"case": f"forged flood, lease {args.lease} ms", "unit": "leases ended",
            "value": len(ENDED.findall(log)), "sent_per_s": round(rate), "seconds": round(seconds),
            "refused": refused, "is_same_epoch": is_same_epoch,
            "ns_per_refused": round(median, 1), "ns_per_refused_max": round(most, 1),
            "log": log}


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rate", type=int, default=500_000)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--interval", type=int, default=5)
    parser.add_argument("--lease", type=int, default=20)
    args = parser.parse_args()
    try:
        with Lab() as lab:
            record = measure(lab, args)
    except LabError as error:
        print(f"forged: {error}", file=sys.stderr)
        return 1
    print(record.pop("log"), end="")
    print("\n".join(f"{key:20} {value}" for key, value in record.items()))
    print(f"written: {save('forged', [record])}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
