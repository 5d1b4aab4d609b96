# SPDX-License-Identifier: GPL-2.0-or-later
"""The witness: a third machine of the lab (srv, on the physical wan switch)."""
import contextlib
import os
import shutil
import socket
import threading

from procs import BUILD, LabError, entered, in_ns, wait_for
from topology import GATEWAYS

WITNESS_PORT = 4711  # the lab's cables take 4701 for heartbeats between the nodes


class Witness:
    """hagate-witness on `node`, with the keys of the lab's cluster (and others)."""

    def __init__(self, lab, node="srv", directory="witness", port=WITNESS_PORT):
        self.lab = lab
        self.node = node
        self.port = port
        self.segment = lab.host(node).segment
        self.address, self.setting = self.reached_by(4)
        self.directory = lab.tmp / directory
        shutil.rmtree(self.directory, ignore_errors=True)
        self.keys = self.directory / "keys"
        self.state = self.directory / "state"
        self.keys.mkdir(parents=True)
        self.state.mkdir()
        self.log = self.directory / "log"
        self.process = None
        self.add_key("lab", lab.key)

    def reached_by(self, family):
        """Its address and the line for cluster.yaml."""
        host = self.lab.host(self.node)
        if family == 4:
            return host.address, f'witness: "{host.address}:{self.port}"'
        return host.address6, f'witness: "[{host.address6}]:{self.port}"'

    def add_key(self, name, key):
        path = self.keys / f"{name}.key"
        path.touch(mode=0o600)
        path.write_text(key + "\n")

    def arguments(self, *more):
        return ["--keys", self.keys, "--state", self.state, "--port", self.port, *more]

    def start(self, *more, is_waiting=True):
        """Starts it and waits until it grants (a first start is silent for 10 s)."""
        program = BUILD / "bin" / "hagate-witness"
        if not program.exists():
            raise LabError(f"{program} is missing: run `make`")
        count = self.log_text().count("grants from now on")
        self.process = self.lab.processes.start(
            in_ns(self.lab.ns(self.node), program, *self.arguments(*more)), log=self.log)
        with contextlib.suppress(OSError):  # not permitted, or it has ended
            # A machine of its own; here its process would wait behind everybody's.
            os.sched_setscheduler(self.process.pid, os.SCHED_FIFO, os.sched_param(50))
        if is_waiting:
            wait_for(lambda: self.log_text().count("grants from now on") > count, 15,
                     "the witness to grant")
        return self

    def seed_state(self, lease_ms=1000):
        """What an earlier life would have left: no lease longer than this is running."""
        body = f"hagate-witness 1 lease {lease_ms:020d} "
        total = 14695981039346656037
        for octet in body.encode():
            total = (total ^ octet) * 1099511628211 % (1 << 64)
        (self.state / "state").write_text(f"{body}{total:016x}".ljust(127) + "\n")

    def kill(self):
        self.lab.processes.kill(self.process)

    def stop(self):
        self.process.terminate()
        return self.process.wait(30)

    def log_text(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def block(self, *names):
        """The network carries nothing between it and these gateways, either way."""
        self.unblock()
        lines = ["table inet lab {", " chain in { type filter hook input priority 0;"]
        for name in names:
            gateway = GATEWAYS[name]
            lines += [f"  ip saddr {gateway.address(self.segment)} udp dport {self.port} drop",
                      f"  ip6 saddr {gateway.address6(self.segment)} udp dport {self.port} drop"]
        lines += [" }", "}"]
        self.lab.run(self.node, "nft", "-f", "-", text_in="\n".join(lines) + "\n")

    def unblock(self):
        self.lab.run(self.node, "nft", "delete", "table", "inet", "lab", check=False)


class SlowPath:
    """A relay beside the witness that holds each datagram back: a witness far away."""

    def __init__(self, witness, seconds):
        self.witness = witness
        self.seconds = seconds
        self.port = witness.port + 10
        self.is_over = False
        with entered(witness.lab.ns(witness.node)):
            self.front = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self.front.bind((witness.address, self.port))
        self.front.settimeout(0.2)
        self.back = {}  # client -> socket to the witness
        self.held = []  # timers of datagrams that are held back
        self.threads = [threading.Thread(target=self._take, daemon=True)]
        self.threads[0].start()

    @property
    def setting(self):
        return f'witness: "{self.witness.address}:{self.port}"'

    def _take(self):
        while not self.is_over:
            with contextlib.suppress(TimeoutError):
                data, client = self.front.recvfrom(512)
                if client not in self.back:
                    self._connect(client)
                self.held.append(threading.Timer(self.seconds, self._send, [client, data]))
                self.held[-1].start()

    def _send(self, client, data):
        with contextlib.suppress(ConnectionError):  # the witness may be dead
            self.back[client].send(data)

    def _connect(self, client):
        with entered(self.witness.lab.ns(self.witness.node)):
            self.back[client] = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.back[client].connect((self.witness.address, self.witness.port))
        self.back[client].settimeout(0.2)
        self.threads.append(threading.Thread(target=self._give, args=[client], daemon=True))
        self.threads[-1].start()

    def _give(self, client):
        while not self.is_over:
            with contextlib.suppress(TimeoutError, ConnectionError):
                self.front.sendto(self.back[client].recv(512), client)

    def close(self):
        self.is_over = True
        for thread in self.threads:
            thread.join()
        for timer in self.held:  # now that none is added; each still needs its socket
            timer.join()
        for one in (self.front, *self.back.values()):
            one.close()
