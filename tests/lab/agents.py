# SPDX-License-Identifier: GPL-2.0-or-later
"""What runs on a gateway: hagate or, for comparison, keepalived.

Both offer start, kill, suspend, resume, power_off, power_on and is_active, so that
the same faults can be done to either.
"""
import json
import shutil
import signal
from dataclasses import dataclass, field

from procs import BUILD, LabError, in_ns, run, wait_for
from topology import GATEWAYS, NICS, SEGMENTS, VIP4, VIP6


PROMPT = {"interval": "5ms", "lease": "20ms"}  # hagate's defaults, where speed is the point


@dataclass
class Settings:
    """cluster.yaml, as far as the lab varies it. Times as they stand in the file.

    Both nodes share one kernel and its stalls: the lease is so long that none ends while the
    machine stands still for a third of a second.
    """
    interval: str = "20ms"
    lease: str = "400ms"
    timers: dict = field(default_factory=dict)
    mac: str = "real"
    vrids: dict = field(default_factory=dict)  # segment -> VRID of the virtual MAC
    vips: dict = field(default_factory=lambda: {s: [f"{VIP4[s]}/24", f"{VIP6[s]}/64"]
                                                for s in VIP4})
    failback: bool = False
    failback_delay: str = "1s"
    isolation: str = "continue"
    extra: str = ""  # appended as it is

    def lease_ms(self):
        is_ms = self.lease.endswith("ms")
        return float(self.lease[:-2]) if is_ms else 1000 * float(self.lease.rstrip("s"))

    def cluster_yaml(self):
        timers = {"interval": self.interval, "lease": self.lease} | self.timers
        lines = ["cluster: lab", "nodes:"]
        for g in GATEWAYS.values():
            addresses = ", ".join(f"{s}: {g.address(s)}" for s in SEGMENTS)
            lines.append(f"  {g.name}: {{ id: {g.node}, priority: {300 - 100 * g.node}, "
                         f"addresses: {{ {addresses} }} }}")
        lines.append("ports:")
        for segment in SEGMENTS:
            vips = ", ".join(f'"{vip}"' for vip in self.vips.get(segment, ()))
            vrid = self.vrids.get(segment)
            lines.append(f"  {segment}: {{ heartbeat: true" +
                         (f", vips: [{vips}]" if vips else "") +
                         (f", vrid: {vrid}" if vrid else "") + " }")
        lines += [f"mac: {self.mac}",
                  "timers: { " + ", ".join(f"{k}: {v}" for k, v in timers.items()) + " }",
                  f"failback: {{ enabled: {str(self.failback).lower()}, "
                  f"delay: {self.failback_delay} }}",
                  f"isolation: {self.isolation}", self.extra]
        return "\n".join(lines) + "\n"


class Agent:
    """What both kinds share: a process in a gateway's namespace, and its end."""

    def __init__(self, lab, name):
        self.lab = lab
        self.gateway = GATEWAYS[name]
        self.name = name
        self.directory = lab.tmp / name
        self.directory.mkdir(exist_ok=True)
        self.log = self.directory / "log"
        self.process = None

    def _start(self, *args):
        self.process = self.lab.processes.start(in_ns(self.lab.ns(self.name), *args),
                                                log=self.log)

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def kill(self):
        """SIGKILL to all its processes; the machine runs on."""
        self.lab.processes.kill(self.process)

    def stop(self):
        """SIGTERM to the main process, and waits for its end."""
        self.process.terminate()
        self.process.wait(30)

    def suspend(self):
        self.lab.processes.signal(self.process, signal.SIGSTOP)

    def resume(self):
        self.lab.processes.signal(self.process, signal.SIGCONT)

    def power_off(self):
        """All cables dead at once, then the processes."""
        self.lab.wire.set_node(self.name, 3)
        self.kill()

    def power_on(self):
        """The machine comes back as after a boot: nothing in memory, agent started."""
        self.wipe()
        self.lab.wire.set_node(self.name, 0)
        self.start()

    def wipe(self):
        """What a power-off leaves of a kernel's state: nothing. Disks stay."""
        for segment in SEGMENTS:
            self.lab.flush_foreign_addresses(self.gateway, segment)

    def start(self):
        raise NotImplementedError

    def is_active(self):
        raise NotImplementedError

    def is_settled(self):
        """Started alone, it serves or never will."""
        return self.is_active()

    def log_text(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""


class Hagate(Agent):
    """hagated and the hagate command on one gateway."""

    def __init__(self, lab, name, settings, key=None):
        super().__init__(lab, name)
        self.pin = lab.pin / name
        self.run_dir = self.directory / "run"
        self.key = self.directory / "cluster.key"
        self.node_yaml = self.directory / "node.yaml"
        self.cluster_yaml = self.directory / "cluster.yaml"
        self.macs = {s: self.gateway.mac(s) for s in SEGMENTS}
        self.mode = "member"
        self.write(settings, key or lab.key)

    def write(self, settings, key=None):
        """Writes the files; the agent reads them at its start or at reload()."""
        self.is_virtual = settings.mac != "real"
        self.lease_ms = settings.lease_ms()
        if key:
            self.key.touch(mode=0o600)
            self.key.write_text(key + "\n")
        self.cluster_yaml.write_text(settings.cluster_yaml())
        ports = "\n".join(f'  {s}: {{ mac: "{mac}" }}' for s, mac in self.macs.items())
        self.node_yaml.write_text(
            f"node: {self.name}\nkey: {self.key}\nmode: {self.mode}\nports:\n{ports}\n"
            f"cluster: {self.cluster_yaml}\n"
            f"paths: {{ state: {self.directory / 'state'}, run: {self.run_dir}, "
            f"pin: {self.pin} }}\n")

    def start(self):
        program = BUILD / "bin" / "hagated"
        if not program.exists():
            raise LabError(f"{program} is missing: run `make`")
        if self.is_virtual:
            for segment in SEGMENTS:
                self.lab.wire.attach_nic(self.gateway, segment)
        self._start(program, "--node", self.node_yaml)

    def wipe(self):
        super().wipe()
        shutil.rmtree(self.pin, ignore_errors=True)
        shutil.rmtree(self.run_dir, ignore_errors=True)
        for nic in NICS.values():
            self.lab.run(self.name, "tc", "qdisc", "del", "dev", nic, "clsact", check=False)
        wait_for(lambda: not self.has_xdp(), 5, "the XDP programs to go with their links")

    def has_xdp(self):
        links = json.loads(self.lab.run(self.name, "ip", "-json", "link", "show").stdout)
        return any("xdp" in link for link in links)

    def command(self, *args, check=True, timeout=30):
        """The hagate command; returns its CompletedProcess."""
        return run(*in_ns(self.lab.ns(self.name), BUILD / "bin" / "hagate", "--run",
                          self.run_dir, *args), check=check, timeout=timeout)

    def status(self):
        """`hagate status --json`, or {} while the agent does not answer."""
        done = self.command("status", "--json", check=False)
        return json.loads(done.stdout) if done.returncode == 0 else {}

    def role(self):
        return self.status().get("role")

    def is_active(self):
        status = self.status()
        return status.get("role") == "active" and status.get("serving") is True

    def is_settled(self):
        """By the rules of isolation a lone node may have to listen for ever."""
        status = self.status()
        return (status.get("role") == "active" and status.get("serving") is True or
                status.get("role") == "listen" and status["since_ms"] > 3 * self.lease_ms + 500)

    def is_ready(self):
        """Standby or active, with a peer it hears."""
        status = self.status()
        return (status.get("role") in ("active", "standby") and
                bool((status.get("peer") or {}).get("reachable")))

    def wait_role(self, role, timeout=10):
        wait_for(lambda: self.role() == role, timeout, f"{self.name} to be {role}")

    def epoch(self):
        return self.status()["epoch"]


class Keepalived(Agent):
    """keepalived with one VRRP instance each for lan and wan, in a sync group."""

    def __init__(self, lab, name, advert=None):
        """`advert`: None for VRRPv2 with the default second, else seconds (VRRPv3)."""
        super().__init__(lab, name)
        self.config = self.directory / "keepalived.conf"
        self.advert = advert
        self.config.write_text(self._config_text())

    def _config_text(self):
        timing = f"advert_int {self.advert}" if self.advert else "advert_int 1"
        version = "vrrp_version 3\n" if self.advert else ""
        text = (f"global_defs {{\n  router_id {self.name}\n  {version}"
                f"  vrrp_garp_master_refresh 0\n}}\n"
                "vrrp_sync_group gateway {\n  group { lan wan }\n}\n")
        for number, segment in enumerate(VIP4, 51):
            text += (f"vrrp_instance {segment} {{\n  state BACKUP\n"
                     f"  interface {NICS[segment]}\n  virtual_router_id {number}\n"
                     f"  priority {300 - 100 * self.gateway.node}\n  {timing}\n"
                     f"  virtual_ipaddress {{\n    {VIP4[segment]}/24\n  }}\n}}\n")
        return text

    def start(self):
        for name in ("pid", "vrrp_pid"):  # a zombie of the last one counts as running
            (self.directory / name).unlink(missing_ok=True)
        pids = [f"--{flag}={self.directory / flag}" for flag in ("pid", "vrrp_pid")]
        self._start("keepalived", "--dont-fork", "--log-console", "--vrrp",
                    f"--use-file={self.config}", *pids)

    def is_active(self):
        return all(VIP4[s] in self.lab.run(self.name, "ip", "-4", "-br", "address", "show",
                                           "dev", NICS[s]).stdout.replace("/", " ").split()
                   for s in VIP4)

    def is_ready(self):
        return "Entering BACKUP STATE" in self.log_text() or self.is_active()


def random_key(path="/dev/urandom"):
    """64 hex digits, as `hagate keygen` writes them."""
    with open(path, "rb") as source:
        return source.read(32).hex()
