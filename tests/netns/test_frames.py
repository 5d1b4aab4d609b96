# SPDX-License-Identifier: GPL-2.0-or-later
"""Frames from a stranger on the heartbeat segment: counted by reason, without effect.

Genuine frames from gw2 to gw1 are recorded at gw1's switch port, changed in one way
each, and sent there again. Offsets follow include/hagate/wire.h.
"""
import contextlib
import struct
import time

import pytest
from agents import Settings, random_key
from procs import packet_socket, wait_for
from scenarios import wait_steady
from topology import GATEWAYS, VIP4
from traffic import Echo, flood, who_answers

MANY = 100_000
IP_AT, UDP_AT, DATA_AT = 14, 34, 42
TTL_AT, TYPE_AT, KEY_AT = IP_AT + 8, DATA_AT + 3, DATA_AT + 16
TAG_LEN = 16
HELLO, PROBE = 1, 2
PORT = "gw1-ha"  # gw1's port in hypervisor A


def record(lab, count=32, wait=3.0):
    """Heartbeats for gw1 as they leave its switch, oldest first."""
    mac = bytes.fromhex(GATEWAYS["gw1"].mac("ha").replace(":", ""))
    frames, end = [], time.monotonic() + wait
    with contextlib.closing(packet_socket(lab.ns("A"), PORT)) as sock:
        sock.settimeout(wait)
        while len(frames) < count and time.monotonic() < end:
            frame = sock.recv(2048)
            is_udp = frame[12:14] == b"\x08\x00" and frame[IP_AT + 9] == 17
            if frame[:6] == mac and is_udp and frame[UDP_AT + 2:UDP_AT + 4] == b"\x12\x5d":
                frames.append(frame)
    return frames


def of_type(frames, number):
    return [frame for frame in frames if frame[TYPE_AT] == number]


def rebuilt(frame, payload, ttl=None):
    """The frame with another payload or TTL: lengths and the IP checksum are right,
    the UDP checksum is left out."""
    head = bytearray(frame[IP_AT:UDP_AT])
    head[2:4] = struct.pack(">H", 28 + len(payload))
    if ttl is not None:
        head[8] = ttl
    head[10:12] = bytes(2)
    total = sum(struct.unpack(">10H", head))
    total = (total & 0xffff) + (total >> 16)
    head[10:12] = struct.pack(">H", ~(total + (total >> 16)) & 0xffff)
    udp = frame[UDP_AT:UDP_AT + 4] + struct.pack(">HH", 8 + len(payload), 0)
    return frame[:IP_AT] + bytes(head) + udp + payload


def forged(frame):
    """Another tag; the flood makes it a new one each time."""
    return rebuilt(frame, frame[DATA_AT:-TAG_LEN] + bytes(TAG_LEN))


def truncated(frame):
    return rebuilt(frame, frame[DATA_AT:-TAG_LEN])


def with_key(frame):
    data = bytearray(frame[DATA_AT:])
    data[16:20] = bytes(b ^ 0x5a for b in data[16:20])
    return rebuilt(frame, bytes(data))


def routed(frame):
    return rebuilt(frame, frame[DATA_AT:], ttl=254)


def same(frame):
    return frame


def counter(agent, reason):
    return agent.status()["counters"].get(reason, 0)


ATTACKS = [  # change, type of frame, reason, are the tag's octets random
    (forged, PROBE, "peer-tag", True),
    (forged, HELLO, "peer-tag", True),
    (same, PROBE, "peer-replay", False),
    (truncated, PROBE, "peer-length", False),
    (with_key, HELLO, "peer-key", False),
    (with_key, PROBE, "peer-session", False),
    (routed, PROBE, "peer-ttl", False),
]


@pytest.mark.parametrize("change, number, reason, is_random", ATTACKS)
def test_stranger_changes_nothing(lab, pair, change, number, reason, is_random):
    first, second = pair
    frames = of_type(record(lab, 200 if number == HELLO else 32), number)
    assert frames, "no frame of the type was recorded"
    attack = [change(frame) for frame in frames]
    vary = (len(attack[0]) - TAG_LEN, TAG_LEN) if is_random else None
    before = {agent.name: agent.epoch() for agent in pair}
    counted = counter(first, reason)
    sent = flood(lab, "A", PORT, attack, MANY, vary)["sent"]
    wait_for(lambda: counter(first, reason) - counted >= sent * 0.9, 10,
             f"{sent} frames to be counted as {reason}: {first.status()['counters']}")
    assert first.is_active() and second.role() == "standby"
    assert {agent.name: agent.epoch() for agent in pair} == before
    assert first.status()["peer"]["reachable"]


def test_flood_does_not_end_the_lease(lab, pair):
    """Traffic goes on while forged frames come as fast as they can be sent."""
    first, _ = pair
    attack = [forged(frame) for frame in of_type(record(lab), PROBE)]
    epoch = first.epoch()
    with Echo(lab, "hB", rate=1000) as echo:
        wait_steady(echo)
        flood(lab, "A", PORT, attack, 3 * MANY, (len(attack[0]) - TAG_LEN, TAG_LEN))
        echo.wait_flowing()
        report = echo.report()
    assert report["gap_ms"] < 1000
    assert first.epoch() == epoch and first.is_active()


def test_old_session_replayed_after_restart(lab, pair):
    """Frames of an earlier boot mean nothing to the next one."""
    first, second = pair
    frames = of_type(record(lab), PROBE)
    for agent in pair:
        agent.power_off()
    first.power_on()
    wait_for(first.is_active, 10, "gw1 to serve again")
    second.power_on()
    wait_for(lambda: first.is_ready() and second.is_ready(), 15, "the pair to be back")
    counted = counter(first, "peer-session")
    sent = flood(lab, "A", PORT, frames, 1000)["sent"]
    wait_for(lambda: counter(first, "peer-session") - counted >= sent * 0.9, 5,
             "old frames to be counted as of an unknown session")
    assert first.is_active()


def test_node_with_another_key(lab):
    """It says so, and does not serve; the pair's member serves on."""
    first, second = lab.use_hagate(Settings())
    second.write(Settings(), random_key())
    first.start()
    wait_for(first.is_active, 10, "gw1 to be active")
    second.start()
    wait_for(lambda: "key" in " ".join(second.status().get("faults", ())), 10,
             "gw2 to name the key")
    assert "wrong key" in second.command("status", check=False).stdout
    wait_for(lambda: second.status()["since_ms"] > 500 or second.is_active(), 5,
             "gw2 to settle")
    assert not second.status()["serving"] and second.role() != "active"
    assert first.is_active()
    assert who_answers(lab, "hB", VIP4["lan"]) == {GATEWAYS["gw1"].mac("lan")}
    lab.reset_gateways()


def test_crossed_nics_are_named_on_both(lab):
    """gw2's node.yaml swaps the MACs of lan and wan: no takeover, both say why."""
    first, second = lab.use_hagate(Settings())
    second.macs["lan"], second.macs["wan"] = second.macs["wan"], second.macs["lan"]
    second.write(Settings())
    first.start()
    wait_for(first.is_active, 10, "gw1 to be active")
    second.start()
    for agent in (first, second):
        wait_for(lambda a=agent: faults(a) >= {"lan", "wan"}, 10,
                 f"{agent.name} to find a fault on lan and wan")
        text = agent.command("ports", check=False).stdout
        assert "lan" in text and "wan" in text and "fault" in text.lower() or "cross" in text
    first.power_off()
    end = time.monotonic() + 2  # five leases
    wait_for(lambda: second.is_active() or time.monotonic() > end, 3, "two seconds to pass")
    assert not second.is_active() and not second.status()["serving"]
    lab.reset_gateways()


def faults(agent):
    return {port["name"] for port in agent.status().get("ports", ()) if port["fault"]}
