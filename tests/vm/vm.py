# SPDX-License-Identifier: GPL-2.0-or-later
"""A gateway as a virtual machine: Debian's stock kernel, virtio-net, hagated in it.

A third kind of agent beside those of agents.py. The machine hangs where a namespace
gateway's NICs would be: in the gateway's namespace a bridge joins each cable to a tap of
qemu. So the lab's cables, faults and counters are the same ones.

    switch port --veth-- eth0 --bridge-- tap --virtio-- the guest's NIC (the gateway's MAC)

The guest is told what to do through a shell on its second serial line, the machine through
qemu's monitor (QMP). No KVM is needed: qemu emulates (TCG), slowly, so timers are relaxed.
"""
import contextlib
import gzip
import json
import re
import shutil
import socket
import subprocess
import time

from agents import Hagate
from procs import BUILD, ROOT, LabError, run, wait_for
from topology import GATEWAYS, NICS, SEGMENTS

IMAGE = BUILD / "vm"
MEMORY_MB = 256
BOOT_TIMEOUT = 180
KERNEL_LINE = "console=ttyS0 panic=1 quiet net.ifnames=0 tsc=reliable"


class Channel:
    """A stream socket that qemu listens on."""

    def __init__(self, path, timeout):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(timeout)
        wait_for(lambda: self._is_connected(str(path)), timeout, f"{path} to answer")
        self.data = b""

    def _is_connected(self, path):
        with contextlib.suppress(OSError):
            self.socket.connect(path)
            return True
        return False

    def send(self, text):
        self.socket.sendall(text.encode())

    def read_until(self, pattern, timeout):
        """The match of `pattern` (bytes) in what comes; what is behind it stays."""
        end = time.monotonic() + timeout
        while not (found := re.search(pattern, self.data)):
            left = end - time.monotonic()
            if left <= 0:
                raise TimeoutError
            self.socket.settimeout(left)
            more = self.socket.recv(65536)
            if not more:
                raise LabError("the virtual machine is gone")
            self.data += more
        before, self.data = self.data[:found.start()], self.data[found.end():]
        return before, found

    def close(self):
        self.socket.close()


class Vm(Hagate):
    """hagated in a virtual machine. kill() is a power-off, suspend() a pause by the hypervisor."""

    order = SEGMENTS  # in which the NICs are plugged in

    def __init__(self, lab, name, settings, key=None):
        super().__init__(lab, name, settings, key)
        self.disk = self._make_disk()
        self.shell = self.monitor = None
        self._plug()

    def _make_disk(self):
        disk = self.directory / "state.img"
        shutil.copy(IMAGE / "state.img", disk)
        return disk

    def _plug(self):
        """Cables end at taps; the namespace itself has no address on them."""
        lines = []
        for number, segment in enumerate(SEGMENTS):
            nic = NICS[segment]
            mac = f"02:fe:00:00:{self.gateway.node:02x}:{number + 1:02x}"
            lines += [f"link set {nic} down", f"address flush dev {nic}",
                      f"link set {nic} address {mac}",
                      f"link add {segment} type bridge stp_state 0 forward_delay 0 "
                      "mcast_snooping 0",
                      f"tuntap add tap{number} mode tap",
                      f"link set tap{number} master {segment} up",
                      f"link set {nic} master {segment} up", f"link set {segment} up"]
        self.lab.run(self.name, "sysctl", "-q", "-w", "net.ipv6.conf.all.disable_ipv6=1",
                     "net.ipv4.ip_forward=0")
        self.lab.topology.ip(self.name, *lines)

    def _files(self):
        """The part of the initramfs that is this node's own."""
        root = self.directory / "root"
        shutil.rmtree(root, ignore_errors=True)
        etc = root / "etc" / "hagate"
        etc.mkdir(parents=True)
        shutil.copy(self.cluster_yaml, etc / "cluster.yaml")
        shutil.copy(self.key, etc / "cluster.key")
        ports = "\n".join(f'  {s}: {{ mac: "{mac}" }}' for s, mac in self.macs.items())
        (etc / "node.yaml").write_text(
            f"node: {self.name}\nkey: /etc/hagate/cluster.key\nmode: {self.mode}\n"
            f"ports:\n{ports}\ncluster: /etc/hagate/cluster.yaml\n")
        (root / "etc" / "hostname").write_text(self.name + "\n")
        g = self.gateway
        (root / "etc" / "addresses").write_text("".join(
            f"{g.mac(s)} {g.address(s)}/24" + (f" {g.address6(s)}/64" if s != "ha" else "") + "\n"
            for s in SEGMENTS))
        own = self.directory / "initrd"
        with own.open("wb") as out:
            out.write((IMAGE / "base.gz").read_bytes())
            names = "\n".join(str(p.relative_to(root)) for p in [root, *sorted(root.rglob("*"))])
            made = subprocess.run(["cpio", "--quiet", "-o", "-H", "newc"], cwd=root, check=True,
                                  input=names.encode(), capture_output=True)
            out.write(gzip.compress(made.stdout, 1))
        return own

    def _boots(self):
        """What follows the kernel, and how much memory it gets."""
        return ("-m", MEMORY_MB, "-no-reboot", "-initrd", self._files(), "-append", KERNEL_LINE)

    def _arguments(self):
        yield from ("qemu-system-x86_64", "-accel", "tcg", "-cpu", "max", "-smp", "1",
                    "-nographic", "-nodefaults", "-kernel", IMAGE / "vmlinuz", *self._boots(),
                    "-serial", f"file:{self.log}",
                    "-serial", f"unix:{self.directory}/shell,server=on,wait=off",
                    "-qmp", f"unix:{self.directory}/qmp,server=on,wait=off",
                    "-drive", f"file={self.disk},if=virtio,format=qcow2,cache=writeback")
        for segment in self.order:
            number = SEGMENTS.index(segment)
            yield from ("-netdev", f"tap,id={segment},ifname=tap{number},script=no,downscript=no",
                        "-device", f"virtio-net-pci,netdev={segment},romfile=,"
                                   f"mac={self.gateway.mac(segment)}")

    def start(self):
        """Boots, until the shell answers. hagated runs then, its role is another matter."""
        for name in ("shell", "qmp"):
            (self.directory / name).unlink(missing_ok=True)
        self._start(*self._arguments())
        self.shell = Channel(self.directory / "shell", 30)
        self.monitor = Channel(self.directory / "qmp", 30)
        self._ask("qmp_capabilities")
        wait_for(self._has_booted, BOOT_TIMEOUT, f"{self.name} to boot: see {self.log}", pause=1)

    def _has_booted(self):
        try:
            return self.sh("true", timeout=3)[0] == 0
        except TimeoutError:
            return False

    def sh(self, command, timeout=20):
        """(exit status, output) of a command in the guest."""
        tag = f"@{time.monotonic_ns()}@"
        self.shell.send(f"{command}; echo {tag}$?\n")
        output, found = self.shell.read_until(tag.encode() + rb"(\d+)\r?\n", timeout)
        return int(found.group(1)), output.decode(errors="replace")

    def _ask(self, command, **arguments):
        self.monitor.send(json.dumps({"execute": command, "arguments": arguments}))
        while True:
            _, found = self.monitor.read_until(rb"(\{.*\})\r\n", 120)
            reply = json.loads(found.group(1))
            if "error" in reply:
                raise LabError(f"{self.name}: {command}: {reply['error']['desc']}")
            if "return" in reply:
                return reply["return"]

    def _hmp(self, line):
        """A command that only the human monitor has; it says what went wrong, if anything."""
        said = self._ask("human-monitor-command", **{"command-line": line})
        if said.strip():
            raise LabError(f"{self.name}: {line}: {said.strip()}")

    def suspend(self):
        self._ask("stop")

    def resume(self):
        self._ask("cont")

    def save(self, name):
        self._hmp(f"savevm {name}")

    def load(self, name):
        """Memory, clock and disk are again what they were at save(); then it runs."""
        self._ask("stop")
        self._hmp(f"loadvm {name}")
        self._ask("cont")

    def command(self, *args, check=True, timeout=60):
        words = " ".join(f"'{a}'" for a in args)
        try:
            status, text = self.sh(f"hagate {words} 2>/tmp/stderr", timeout)
            error = self.sh("cat /tmp/stderr", timeout)[1] if status else ""
        except (TimeoutError, OSError, LabError, AttributeError):
            status, text, error = 3, "", f"{self.name} does not answer"
        if check and status:
            raise LabError(f"{self.name}: hagate {words}: exit {status}: {error}")
        return subprocess.CompletedProcess(args, status, text, error)

    def power_off(self):
        self.kill()

    def power_on(self):
        self.start()

    def kill(self):
        super().kill()
        for one in (self.shell, self.monitor):
            if one:
                one.close()
        self.shell = self.monitor = None

    def wipe(self):
        """Nothing of a dead machine is left but its disk."""


def make_image():
    run("sh", ROOT / "tests" / "vm" / "image.sh", BUILD, timeout=600)


def use_vms(lab, settings):
    """Puts a virtual machine in the place of each gateway (not started)."""
    lab.reset_gateways()
    lab.agents = {name: Vm(lab, name, settings) for name in GATEWAYS}
    return tuple(lab.agents.values())


