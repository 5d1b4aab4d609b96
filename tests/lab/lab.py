#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The lab: two gateways on two hypervisors in network namespaces.

As a library, `with Lab() as lab:` builds it and removes everything at the end, also
on errors and signals. As a command:

    lab.py up [--keepalived]     builds it and leaves it standing, with both agents
    lab.py status                what stands, who is active
    lab.py exec NODE CMD...      runs a command on gw1, gw2, hA, hB, hO, srv, A, B, phy
    lab.py down [--all]          removes it; --all: also what dead owners left behind
"""
import argparse
import json
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from agents import PROMPT, Hagate, Keepalived, Settings, random_key
from faults import Wire
from procs import BUILD, LabError, Processes, in_ns, run, start_time, wait_for
from topology import GATEWAYS, HOSTS, NICS, NODES, Topology
from traffic import ECHO_PORT

REGISTRY = Path("/run/hagate-lab")
PIN_ROOT = Path("/sys/fs/bpf")
STANDING = "hglab-"


class Lab:
    """One lab: its namespaces, cables, temporary files and processes.

    The registry file is written before anything else is made and removed last, so
    that what a killed owner leaves can always be found.
    """

    def __init__(self, prefix=None):
        self.prefix = prefix or f"hg{os.getpid()}-"
        self.topology = Topology(self.prefix)
        self.pin = PIN_ROOT / f"hagate-lab-{self.prefix.rstrip('-')}"
        self.record = REGISTRY / f"{self.prefix.rstrip('-')}.json"
        self.tmp = None
        self.processes = None
        self.wire = Wire(self.topology, self.pin / "wire")
        self.key = random_key()
        self.agents = {}
        self._server = None

    # The ends of its life

    def up(self):
        """Builds everything; on failure nothing stays."""
        need_root()
        mount_bpffs()
        if self.record.exists():
            raise LabError(f"lab {self.prefix} stands already: `lab.py down` removes it")
        self.tmp = Path(tempfile.mkdtemp(prefix=f"hagate-lab-{self.prefix}"))
        self.processes = Processes(self.tmp)
        REGISTRY.mkdir(exist_ok=True)
        self.record.write_text(json.dumps({
            "prefix": self.prefix, "tmp": str(self.tmp), "pin": str(self.pin),
            "owner": os.getpid(), "started": start_time(os.getpid())}))
        try:
            self.topology.up()
            self.wire.attach()
        except BaseException:
            self.down()
            raise
        return self

    def down(self):
        self.processes.kill_all()
        self._server = None
        self.agents = {}
        self.wire.close()
        remove(json.loads(self.record.read_text()))

    def __enter__(self):
        self._handlers = {signal.SIGTERM: signal.signal(signal.SIGTERM, interrupt),
                          signal.SIGINT: signal.getsignal(signal.SIGINT)}
        return self.up()

    def __exit__(self, *_):
        for number in self._handlers:
            signal.signal(number, signal.SIG_IGN)  # a second one must not stop the cleaning
        try:
            self.down()
        finally:
            for number, handler in self._handlers.items():
                signal.signal(number, handler)

    # Nodes

    def ns(self, node):
        return self.topology.ns(node)

    def host(self, name):
        return HOSTS[name]

    def run(self, node, *args, **kwargs):
        return self.topology.run(node, *args, **kwargs)

    def flush_foreign_addresses(self, gateway, segment):
        """Takes all addresses off a NIC that are not the gateway's own (VIPs)."""
        shown = [link for link in json.loads(self.run(gateway.name, "ip", "-json", "address",
                                                      "show").stdout)
                 if link.get("address") == gateway.mac(segment)]  # whatever it is called now
        nic = shown[0]["ifname"] if shown else NICS[segment]
        own = {gateway.address(segment)} | ({gateway.address6(segment)} if segment != "ha"
                                            else set())
        lines = [f"address del {a['local']}/{a['prefixlen']} dev {nic}"
                 for link in shown for a in link.get("addr_info", ())
                 if a["local"] not in own and not a["local"].startswith("fe80:")]
        if lines:
            self.topology.ip(gateway.name, *lines)

    # Agents

    def use_hagate(self, settings=None, kind=Hagate):
        """Puts hagate on both gateways (not started). Returns (gw1, gw2)."""
        settings = settings or Settings()
        return self._use(lambda name: kind(self, name, settings))

    def use_keepalived(self, advert=None):
        return self._use(lambda name: Keepalived(self, name, advert))

    def _use(self, make):
        self.reset_gateways()
        self.agents = {name: make(name) for name in GATEWAYS}
        return tuple(self.agents.values())

    def reset_gateways(self):
        """Kills the agents and leaves both gateways as after a boot, with good cables."""
        for agent in self.agents.values():
            agent.kill()
        for agent in self.agents.values():
            agent.wipe()
            unmount_below(agent.directory)
            shutil.rmtree(agent.directory)
        self.agents = {}
        self.wire.mend()
        self.wire.forget()
        self.flush_neighbours()

    def flush_neighbours(self):
        for host in HOSTS:
            self.run(host, "ip", "neigh", "flush", "dev", "eth0")

    def start_agents(self, timeout=15):
        """Starts both; returns when gw1 is active and gw2 ready to take over."""
        first, second = self.agents.values()
        first.start()
        wait_for(first.is_settled, timeout, "gw1 to serve, or to listen on")
        second.start()
        wait_for(lambda: first.is_ready() and second.is_ready(), timeout,
                 "both agents to be ready" + self.log_tails())
        wait_for(lambda: len(self.active()) == 1, timeout, "one active node")
        return first, second

    def log_tails(self):
        return "".join(f"\n--- {a.name}\n{a.log_text()[-2000:]}" for a in self.agents.values())

    def active(self):
        """The agents that hold the VIPs as they see it."""
        return [a for a in self.agents.values() if a.is_active()]

    def echo_server(self):
        """The echo server on srv, for both families; started once."""
        if not self._server or self._server.poll() is not None:
            self._server = self.processes.start(
                in_ns(self.ns("srv"), BUILD / "lab" / "echo", "server", "::", ECHO_PORT))
        return self._server


def interrupt(*_):
    raise KeyboardInterrupt


def need_root():
    if os.geteuid():
        raise LabError("the lab makes network namespaces and loads BPF programs: "
                       "run it as root (sudo)")


def mount_bpffs():
    if run("mountpoint", "-q", PIN_ROOT, check=False).returncode:
        run("mount", "-t", "bpf", "bpf", PIN_ROOT)


def unmount_below(directory):
    """A node's state may be a file system of its own, so that it can be full."""
    for line in Path("/proc/mounts").read_text().splitlines():
        if line.split()[1].startswith(f"{directory}/"):
            run("umount", "--lazy", line.split()[1], check=False)


def remove(record):
    """Removes a lab by its registry record: processes, namespaces, pins, files."""
    Processes.kill_recorded(record["tmp"])
    Topology(record["prefix"]).down()
    unmount_below(record["tmp"])
    shutil.rmtree(record["pin"], ignore_errors=True)
    shutil.rmtree(record["tmp"], ignore_errors=True)
    (REGISTRY / f"{record['prefix'].rstrip('-')}.json").unlink(missing_ok=True)


def records():
    """Registry records of all labs on this machine."""
    return [json.loads(path.read_text()) for path in sorted(REGISTRY.glob("*.json"))]


def is_standing(record):
    return record["prefix"] == STANDING


def is_orphan(record):
    """Its owner died without removing it. A standing lab has no owner."""
    return not is_standing(record) and start_time(record["owner"]) != record["started"]


# The command


def cmd_up(args):
    lab = Lab(STANDING).up()
    try:
        if args.keepalived:
            lab.use_keepalived()
        else:
            lab.use_hagate(Settings(**PROMPT, failback=True, failback_delay="5s"))
        lab.start_agents()
    except BaseException:
        lab.down()
        raise
    hagate = BUILD / "bin" / "hagate"
    print(f"The lab stands: namespaces {', '.join(lab.ns(n) for n in NODES)}\n"
          f"Files (gw1/, gw2/: node.yaml, cluster.yaml, log, run) in {lab.tmp}\n"
          f"Pins in {lab.pin}/gw1 and gw2. Try:\n"
          f"  {hagate} --run {lab.tmp}/gw1/run status      # also: ports, events, handover\n"
          f"  {sys.argv[0]} exec hB ping -i 0.01 10.2.0.100     # traffic through the gateway\n"
          f"  pgrep -af 'hagated --node {lab.tmp}'      # kill -STOP or -9 one of them\n"
          f"  {sys.argv[0]} exec gw1 {BUILD}/bin/hagated --node {lab.tmp}/gw1/node.yaml  # again\n"
          f"  bpftool map dump pinned {lab.pin}/gw1/hg_state\n"
          f"  {sys.argv[0]} status                      # both gateways\n"
          f"  {sys.argv[0]} down")
    return 0


def cmd_down(args):
    gone = [r for r in records() if is_standing(r) or (args.all and is_orphan(r))]
    for record in gone:
        remove(record)
        print(f"removed {record['prefix']}")
    if not gone:
        print("nothing to remove")
    return 0


def cmd_status(_args):
    for record in records():
        state = ("standing" if is_standing(record) else
                 "left by a dead owner: `lab.py down --all` removes it" if is_orphan(record)
                 else f"in use by process {record['owner']}")
        print(f"{record['prefix']} {state}; files in {record['tmp']}")
        for name in GATEWAYS:
            run_dir = Path(record["tmp"]) / name / "run"
            if run_dir.exists():
                done = run(BUILD / "bin" / "hagate", "--run", run_dir, "status", check=False)
                print(done.stdout or done.stderr, end="")
    return 0


def cmd_exec(args):
    need_root()
    standing = [r for r in records() if is_standing(r)]
    if not standing:
        raise LabError("no lab stands: `lab.py up` builds one")
    line = in_ns(standing[0]["prefix"] + args.node, *args.command)
    os.execvp(line[0], line)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    commands = parser.add_subparsers(dest="name", required=True)
    up = commands.add_parser("up", help="build the lab and leave it standing")
    up.add_argument("--keepalived", action="store_true", help="keepalived instead of hagate")
    commands.add_parser("status", help="what stands, who is active")
    down = commands.add_parser("down", help="remove the lab")
    down.add_argument("--all", action="store_true", help="also what dead owners left behind")
    execute = commands.add_parser("exec", help="run a command on a node")
    execute.add_argument("node", choices=NODES)
    execute.add_argument("command", nargs=argparse.REMAINDER)
    args = parser.parse_args()
    try:
        return {"up": cmd_up, "down": cmd_down, "status": cmd_status,
                "exec": cmd_exec}[args.name](args)
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
