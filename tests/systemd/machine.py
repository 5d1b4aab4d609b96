# SPDX-License-Identifier: GPL-2.0-or-later
"""A gateway as a virtual machine with a whole Debian: systemd starts the units of packaging/.

The machine, its NICs and its serial lines are those of tests/vm/vm.py. What differs: a root
file system with systemd, kept over a reboot, and nothing configured. What an administrator
does there is done through the shell.
"""
import base64
import re

from procs import BUILD, ROOT, LabError, run, wait_for
from topology import GATEWAYS, SEGMENTS
from vm import KERNEL_LINE, Vm, make_image

IMAGE = BUILD / "vm-systemd"
MEMORY_MB = 512
NETWORK = """[Match]
MACAddress={mac}
[Network]
LinkLocalAddressing=ipv6
IPv6AcceptRA=no
IPForward=yes
{addresses}
"""


class Machine(Vm):
    """A machine with systemd. `settings` are written into cluster.yaml when it is told to."""

    def _make_disk(self):
        disk = self.directory / "disk.qcow2"
        run("qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b",
            IMAGE / "disk.qcow2", disk)
        return disk

    def _boots(self):
        return ("-m", MEMORY_MB, "-no-reboot", "-initrd", IMAGE / "initrd.gz",
                "-append", f"{KERNEL_LINE} root=/dev/vda ro systemd.hostname={self.name}")

    def do(self, command, timeout=60):
        """The output of a command that must succeed."""
        status, text = self.sh(command, timeout)
        if status:
            raise LabError(f"{self.name}: {command}: exit {status}: {text}")
        return text

    def put(self, path, text, mode="644"):
        coded = base64.b64encode(text.encode()).decode()
        self.do(f"echo {coded} | base64 -d >{path} && chmod {mode} {path}")

    def configure_network(self):
        """Own addresses, by systemd-networkd."""
        g = self.gateway
        for segment in SEGMENTS:
            own = [f"{g.address(segment)}/24"]
            if segment != "ha":
                own.append(f"{g.address6(segment)}/64")
            self.put(f"/etc/systemd/network/10-{segment}.network", NETWORK.format(
                mac=g.mac(segment), addresses="\n".join(f"Address={a}" for a in own)))
        self.put("/etc/sysctl.d/gateway.conf", "net.ipv4.conf.all.send_redirects=0\n"
                 "net.ipv6.conf.default.accept_dad=0\nnet.ipv6.conf.all.forwarding=1\n")
        self.do("sysctl -q --system; networkctl reload; systemctl restart systemd-networkd")

    def node_text(self, mode):
        ports = "\n".join(f'  {s}: {{ mac: "{mac}" }}' for s, mac in self.macs.items())
        return (f"node: {self.name}\nkey: /etc/hagate/cluster.key\nmode: {mode}\n"
                f"ports:\n{ports}\ncluster: /etc/hagate/cluster.yaml\n")

    def show(self, unit, *names):
        """Properties of a unit: a dict, or one value for one name."""
        text = self.do(f"systemctl show {unit} -p {','.join(names)}")
        found = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
        return found if len(names) > 1 else found[names[0]]

    def is_up(self, unit):
        return self.show(unit, "ActiveState", "SubState") == {"ActiveState": "active",
                                                              "SubState": "running"}

    def pid(self, unit):
        return int(self.show(unit, "MainPID"))

    def proc_status(self, pid):
        text = self.do(f"cat /proc/{pid}/status")
        return dict(re.findall(r"^(\w+):\s*(.*)$", text, re.M))

    def journal(self, *units, options="-b"):
        chosen = " ".join(f"-u {unit}" for unit in units)
        return self.do(f"journalctl -q --no-pager -o cat {options} {chosen}", 120)

    def log_text(self):
        """For a failed test."""
        try:
            return self.sh("journalctl -q --no-pager -n 60 -o short-monotonic", 60)[1]
        except (TimeoutError, OSError, LabError, AttributeError):
            return super().log_text()

    def reboot(self):
        """systemctl reboot, until the shell answers in the next boot. qemu ends at the reset and
        is started anew: after a warm reset it emulates at a tenth of its speed."""
        self.shell.send("systemctl reboot\n")
        wait_for(lambda: not self.is_running(), 120, f"{self.name} to go down", pause=0.2)
        self.start()

    def is_in_sync(self):
        sync = self.status().get("sync") or {}
        return sync.get("state") == "in-sync" and bool(sync.get("in_sync"))


def make_system_image():
    make_image()
    run("sh", ROOT / "tests" / "systemd" / "image.sh", BUILD, timeout=900)


def use_machines(lab, settings):
    """Puts a machine with systemd in the place of each gateway (not started)."""
    lab.reset_gateways()
    lab.agents = {name: Machine(lab, name, settings) for name in GATEWAYS}
    return tuple(lab.agents.values())
