# SPDX-License-Identifier: GPL-2.0-or-later
"""Traffic through the gateway: the echo pair, ARP questions, floods of frames."""
import contextlib
import json
import subprocess
import threading
import time
from socket import inet_aton

from procs import BUILD, LabError, in_ns, packet_socket, wait_for

ECHO_PORT = 7007


class Echo:
    """An echo client on a host and its server, until close().

    report() is about the time since the last mark() or report().
    """

    def __init__(self, lab, host, rate=4000, address=None):
        self.lab = lab
        address = address or lab.host("srv").address
        self.server = lab.echo_server()
        self.client = lab.processes.start(
            in_ns(lab.ns(host), BUILD / "lab" / "echo", "client", address, ECHO_PORT, rate),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, word):
        try:
            self.client.stdin.write(word + "\n")
            self.client.stdin.flush()
            return json.loads(self.client.stdout.readline())
        except (BrokenPipeError, json.JSONDecodeError) as error:
            raise LabError("the echo client is gone") from error

    def is_flowing(self):
        state = self.ask("state")
        return state["answered"] and state["last_answer_ms"] < 5

    def wait_silent(self, timeout=5):
        """Until a hundred packets in a row had no answer."""
        wait_for(lambda: self.ask("state")["unanswered"] > 100, timeout, "the end of the traffic")

    def wait_flowing(self, timeout=10):
        wait_for(self.is_flowing, timeout, "echo traffic to flow", pause=0.005)

    def mark(self):
        self.ask("mark")

    def report(self):
        return self.ask("report")

    def close(self):
        if self.client.poll() is None:
            self.client.stdin.close()
        self.lab.processes.kill(self.client)
        self.client.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def arp_request(mac, source, target):
    """A broadcast ARP question as a frame."""
    mac, source, target = bytes.fromhex(mac.replace(":", "")), inet_aton(source), inet_aton(target)
    return (b"\xff" * 6 + mac + b"\x08\x06" + b"\0\x01\x08\0\x06\x04\0\x01" +
            mac + source + bytes(6) + target)


def who_answers(lab, host, address, count=3, wait=0.15):
    """The MACs that answer `count` ARP questions of a host within `wait` s each."""
    asker, found = lab.host(host), set()
    question = arp_request(asker.mac, asker.address, address)
    with contextlib.closing(packet_socket(lab.ns(host), "eth0")) as sock:
        for _ in range(count):
            sock.send(question)
            end = time.monotonic() + wait
            while (left := end - time.monotonic()) > 0:
                sock.settimeout(left)
                with contextlib.suppress(TimeoutError):
                    frame = sock.recv(2048)
                    if is_answer(frame, address):
                        found.add(frame[22:28].hex(":"))
        sock.setblocking(False)
        with contextlib.suppress(BlockingIOError):  # what came while this thread was not let run
            while frame := sock.recv(2048):
                if is_answer(frame, address):
                    found.add(frame[22:28].hex(":"))
    return found


def is_answer(frame, address):
    """Whether it is an ARP reply of that address."""
    return (frame[12:14] == b"\x08\x06" and frame[20:22] == b"\0\x02" and
            frame[28:32] == inet_aton(address))


class ArpQuestions:
    """A host that asks for an address a thousand times a second, until close().

    Who answered when is for the wire to say (faults.Wire.seen).
    """

    def __init__(self, lab, host, address, interval=0.001):
        asker = lab.host(host)
        self.question = arp_request(asker.mac, asker.address, address)
        self.interval = interval
        self.socket = packet_socket(lab.ns(host), "eth0")
        self.is_over = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        while not self.is_over.wait(self.interval):
            with contextlib.suppress(OSError):  # a full queue, a link that is down
                self.socket.send(self.question)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.is_over.set()
        self.thread.join()
        self.socket.close()


def arp_entry(lab, host, address):
    """The MAC in a host's neighbour table, or None."""
    done = lab.run(host, "ip", "-json", "neigh", "show", "to", address)
    entries = json.loads(done.stdout or "[]")
    return entries[0].get("lladdr") if entries else None


def flood(lab, node, interface, frames, count, vary=None, seconds=15):
    """Sends `count` frames (bytes, in turn) at full speed, or as many as it can within the
    time; `vary` is (offset, length).

    As a nice process: its frames are to burden the gateway, not its own CPU time.
    """
    done = lab.run(node, "nice", "-n", "19", BUILD / "lab" / "flood", interface,
                   f"{count}/{seconds}", *(vary or ()),
                   text_in="\n".join(frame.hex() for frame in frames) + "\n", timeout=600)
    return json.loads(done.stdout)
