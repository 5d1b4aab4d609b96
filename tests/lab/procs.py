# SPDX-License-Identifier: GPL-2.0-or-later
"""Running programs, in namespaces and outside, and waiting for conditions.

Every process started here is written into the lab's pid file with its start time,
so that a later clean-up can tell it from a stranger with the same number. Nothing
else is ever killed.
"""
import contextlib
import ctypes
import json
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("BUILD") or "build")
if not BUILD.is_absolute():
    BUILD = ROOT / BUILD
SLACK = 4


class LabError(Exception):
    """Something the lab needs is missing or went wrong; the text says what to do."""


def run(*args, check=True, text_in=None, timeout=60):
    """Runs a program to its end; returns its CompletedProcess with text output."""
    done = subprocess.run([str(a) for a in args], input=text_in, text=True,
                          capture_output=True, timeout=timeout, check=False)
    if check and done.returncode:
        raise LabError(f"{' '.join(map(str, args))}: exit {done.returncode}: "
                       f"{done.stderr.strip() or done.stdout.strip()}")
    return done


def in_ns(namespace, *args):
    """The command line that runs `args` in a network namespace with bpffs in sight.

    `ip netns exec` would mount a fresh /sys and hide the pins.
    """
    return ["nsenter", f"--net=/run/netns/{namespace}", *map(str, args)]


@contextlib.contextmanager
def entered(namespace):
    """This thread is in the network namespace meanwhile; sockets made there stay there."""
    libc = ctypes.CDLL(None, use_errno=True)
    clone_newnet = 0x40000000
    with open("/proc/thread-self/ns/net") as home, open(f"/run/netns/{namespace}") as away:
        if libc.setns(away.fileno(), clone_newnet):
            raise LabError(f"cannot enter {namespace}: {os.strerror(ctypes.get_errno())}")
        try:
            yield
        finally:
            libc.setns(home.fileno(), clone_newnet)


def packet_socket(namespace, interface):
    """A raw socket for all frames of one interface in a namespace."""
    with entered(namespace):
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        sock.bind((interface, 3))
    return sock


def wait_for(condition, timeout, what, pause=0.02):
    """Calls `condition` until it returns something true, and returns that.

    `timeout` is what a machine needs that does nothing else, at the very most; one that is
    busy or slow gets SLACK times as long. Who measures looks at a clock. An agent that does
    not answer yet has an empty status, so a key that is missing is no error at first.
    """
    end = time.monotonic() + SLACK * timeout
    while True:
        is_over = time.monotonic() > end  # before the look: there is one after the end
        missing = None
        try:
            value = condition()
        except (KeyError, TypeError) as error:
            value, missing = None, error
        if value:
            return value
        if is_over:
            raise LabError(f"waited {SLACK * timeout} s in vain for {what}") from missing
        time.sleep(pause)


def stat_fields(pid):
    """/proc/PID/stat from the state letter on; None when it is gone or a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else fields


def start_time(pid):
    """When a process started, in ticks since boot; None when it is gone."""
    fields = stat_fields(pid)
    return int(fields[19]) if fields else None


def session_of(leader):
    """All processes of the session that `leader` leads, itself included."""
    found = []
    for entry in Path("/proc").iterdir():
        fields = stat_fields(entry.name) if entry.name.isdigit() else None
        if fields and int(fields[3]) == leader:
            found.append(int(entry.name))
    return found


def signal_session(leader, number):
    for pid in session_of(leader):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


class Processes:
    """The processes of one lab, each the leader of its own session."""

    def __init__(self, directory):
        self.file = Path(directory) / "pids"
        self.children = []

    def start(self, args, log=None, **kwargs):
        """Starts a program; stdout and stderr go to the file `log` unless piped."""
        out = open(log, "ab") if log else subprocess.DEVNULL
        options = {"stdin": subprocess.DEVNULL, "stdout": out, "stderr": out} | kwargs
        child = subprocess.Popen([str(a) for a in args], start_new_session=True, **options)
        if log:
            out.close()
        with self.file.open("a") as f:
            f.write(json.dumps([child.pid, start_time(child.pid)]) + "\n")
        self.children.append(child)
        return child

    @staticmethod
    def signal(child, number):
        """Sends a signal to the whole session of a process that still runs."""
        if child and child.poll() is None:
            signal_session(child.pid, number)

    def kill(self, child):
        """SIGKILL, and waits until all its processes are gone."""
        self.signal(child, signal.SIGKILL)
        if child:
            child.wait(30)  # it may be in the middle of a write to a slow disk
            wait_for(lambda: not session_of(child.pid), 10, f"session {child.pid} to end")

    def kill_all(self):
        for child in self.children:
            self.kill(child)
        self.children.clear()

    @classmethod
    def kill_recorded(cls, directory):
        """Kills what a dead owner left running; checks the start times."""
        try:
            lines = (Path(directory) / "pids").read_text().splitlines()
        except OSError:
            return
        recorded = [json.loads(line) for line in lines]
        for pid, started in recorded:
            if started is not None and start_time(pid) == started:
                signal_session(pid, signal.SIGKILL)
        for pid, started in recorded:
            wait_for(lambda p=pid, s=started: s is None or start_time(p) != s, 10,
                     f"process {pid} to end")
