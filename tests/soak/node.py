# SPDX-License-Identifier: GPL-2.0-or-later
"""A gateway of the soak: hagate with its maps in sight, a small disk, a freezer.

The words of hg_state and hg_peer are read (and, as a fault, written) through the
mapped maps, as the agent does: no process, no system call.
"""
import contextlib
import mmap
import os
import signal
import struct
from pathlib import Path

from agents import Hagate
from bpfmap import Map
from faults import CUT_BOTH
from procs import BUILD, run, wait_for
from sink import boottime
from topology import SEGMENTS

FREEZER = Path("/sys/fs/cgroup/freezer")
STATE = struct.Struct("=7Q2I2Q")  # struct hg_state
WORDS = {name: 8 * i for i, name in enumerate(
    ("epoch", "agent_seen", "lease_until", "fence_epoch", "drain_until", "last_grant",
     "fenced_at"))}
PATH = struct.Struct("=128sQ48s")  # struct hg_path: seq, heard, the rest
ROLES = ("off", "blank", "learner", "listen", "standby", "active", "draining", "maintenance",
         "fault")
FRESH_NS = 60_000_000
DISK_KB = 64
IS_SANITIZED = "asan" in BUILD.parts
# A small quarantine, so that what stays resident is what the agent holds.
ASAN = "verify_asan_link_order=0:quarantine_size_mb=1"
PRELOAD = ("clockstep.so", "leakcheck.so") if IS_SANITIZED else ("clockstep.so",)
PROMPT = -10  # niceness of the soak itself: it is to be on time, its children are not


def remove_stale_groups():
    """Groups in the freezer that a killed soak left behind."""
    for group in FREEZER.glob("hagate-soak-*"):
        if not Path(f"/proc/{group.name.split('-')[2]}").exists():
            (group / "freezer.state").write_text("THAWED")
            wait_for(lambda g=group: not (g / "cgroup.procs").read_text(), 5,
                     f"{group} to empty")
            group.rmdir()


class SoakNode(Hagate):
    """Adds what the faults need."""

    def __init__(self, lab, name, settings, key=None):
        super().__init__(lab, name, settings, key)
        self.state_dir = self.directory / "state"
        self.state_dir.mkdir()
        run("mount", "-t", "tmpfs", "-o", f"size={DISK_KB}k,nr_inodes=32,mode=700", "hagate-soak",
            self.state_dir)
        self.step_file = self.directory / "clockstep"
        self.step_file.write_bytes(bytes(8))
        self.freezer = None
        if FREEZER.is_dir():
            self.freezer = FREEZER / f"hagate-soak-{os.getpid()}-{name}"
            self.freezer.mkdir(exist_ok=True)
        self.state = self.path = None
        self.on_maps = lambda node, state: None  # told when the maps are new
        self.on_dead = lambda node: None  # told just before the power goes

    def _start(self, *args):
        """Into the freezer's group before the program begins; with the stepped clock."""
        enter = f"echo $$ > {self.freezer}/cgroup.procs; " if self.freezer else ""
        shim = (f"CLOCKSTEP_FILE={self.step_file} ASAN_OPTIONS={ASAN} "
                f"LD_PRELOAD={':'.join(str(BUILD / 'soak' / name) for name in PRELOAD)} "
                f"exec nice -n {-PROMPT} \"$@\"")
        super()._start("sh", "-c", enter + shim, "sh", *args)

    def kill(self):
        self.thaw()
        super().kill()
        children = self.lab.processes.children
        if self.process in children:
            children.remove(self.process)

    def power_off(self):
        """What its maps say does not matter from now on: nothing of it leaves."""
        self.lab.wire.set_node(self.name, CUT_BOTH)
        self.on_dead(self)
        super().power_off()

    def wipe(self):
        self.close_maps()
        super().wipe()

    def close(self):
        self.close_maps()
        self.thaw()
        if self.freezer and self.freezer.is_dir():
            wait_for(lambda: not (self.freezer / "cgroup.procs").read_text(), 5,
                     "the freezer's group to empty")
            self.freezer.rmdir()

    # The maps

    def close_maps(self):
        for mapped in (self.state, self.path):
            if mapped:
                mapped.close()
        self.state = self.path = None

    def open_maps(self):
        """False until the agent has made them, attached the programs and begun."""
        if self.state:
            return True
        try:
            state = Map(self.pin / "hg_state", "=I", f"={STATE.size}s")
            path = Map(self.pin / "hg_path", "=I", f"={PATH.size}s")
        except OSError:
            return False
        mapped = mmap.mmap(state.fd, mmap.PAGESIZE)
        if STATE.unpack_from(mapped, 0)[7] != ROLES.index("off"):
            self.state, self.path = mapped, mmap.mmap(path.fd, mmap.PAGESIZE)
            self.on_maps(self, state)
        state.close()
        path.close()
        return self.state is not None

    def word(self, name):
        if not self.open_maps():
            return 0
        return struct.unpack_from("=Q", self.state, WORDS[name])[0]

    def poke(self, name, value):
        if self.open_maps():
            struct.pack_into("=Q", self.state, WORDS[name], value)

    def data_role(self):
        return ROLES[STATE.unpack_from(self.state, 0)[7]] if self.open_maps() else "off"

    def is_serving(self):
        """The predicate of the data path (abi.h), in its order of reads."""
        if not self.open_maps():
            return False
        epoch, fence = self.word("epoch"), self.word("fence_epoch")
        return epoch > fence and boottime() < self.word("lease_until")

    def is_alive(self):
        """The agent, and its peer on each port, gave a sign a moment ago."""
        if not self.is_running() or not self.open_maps():
            return False
        oldest = min(PATH.unpack_from(self.path, PATH.size * slot)[1]
                     for slot in range(len(SEGMENTS)))
        return boottime() < min(self.word("agent_seen"), oldest) + FRESH_NS

    def rss_kb(self):
        """Resident memory of the agent itself, 0 when it is gone."""
        try:
            status = Path(f"/proc/{self.process.pid}/status").read_text()
        except OSError:
            return 0
        return int(next((line.split()[1] for line in status.splitlines()
                         if line.startswith("VmRSS:")), 0))

    # Faults of a node

    def stop_agent(self):
        self._signal(signal.SIGSTOP)

    def continue_agent(self):
        self._signal(signal.SIGCONT)

    def _signal(self, number):
        if self.is_running():
            os.kill(self.process.pid, number)

    def freeze(self):
        if self.freezer:
            (self.freezer / "freezer.state").write_text("FROZEN")

    def thaw(self):
        if self.freezer and self.freezer.is_dir():
            (self.freezer / "freezer.state").write_text("THAWED")

    def step_clock(self, nanoseconds):
        with self.step_file.open("r+b") as file:
            file.write(struct.pack("=q", nanoseconds))

    def fill_disk(self):
        """Nothing more can be written, nor a file made."""
        try:
            with (self.state_dir / "ballast").open("wb", buffering=0) as file:
                while True:
                    file.write(bytes(4096))
        except OSError:
            pass
        try:
            for number in range(64):
                (self.state_dir / f"inode{number}").touch()
        except OSError:
            pass

    def free_disk(self):
        for path in (*self.state_dir.glob("ballast"), *self.state_dir.glob("inode*")):
            path.unlink()

    def damage_state(self, rng):
        """What a dying disk may leave of the state files."""
        for path in sorted(self.state_dir.iterdir()):
            if not path.is_file() or path.name.startswith(("ballast", "inode")):
                continue
            data = bytearray(path.read_bytes())
            way = rng.choice(("truncate", "flip", "garbage", "empty", "gone", "long"))
            if way == "gone":
                path.unlink()
                continue
            if way == "truncate":
                data = data[:rng.randrange(len(data) + 1)]
            elif way == "flip" and data:
                data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
            elif way == "garbage":
                data = rng.randbytes(len(data))
            elif way == "empty":
                data = b""
            elif way == "long":
                data = bytes(data) * 50
            with contextlib.suppress(OSError):  # it may not hold the long one
                path.write_bytes(bytes(data))
