#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Real-time threads on all processors: who takes over although nobody died?

    starve.py [--seconds 60] [--priority P]...

hagate and keepalived run through the same time of starvation, one after the other, on
the lab of `make demo`; both nodes share the processors. For each: how often the role
went to the other node, how often a lease ended, and ARP frames in the name of a VIP
from another node than the one that announced it last (`foreign` of sink.bpf.c); for
hagate also what the sink finds in its maps. Even the highest priority of these does
not run for 50 ms of each second: the kernel keeps them for ordinary tasks, on each
processor, so here for both nodes at once.
"""
import argparse
import re
import subprocess
import sys
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "lab"),
                str(Path(__file__).resolve().parents[1] / "bench")]

from agents import PROMPT, Hagate, Settings  # noqa: E402
from bpfmap import Map  # noqa: E402
from figures import save, table  # noqa: E402
from lab import Lab  # noqa: E402
from procs import BUILD, LabError, in_ns, wait_for  # noqa: E402
from sink import Sink  # noqa: E402
from topology import HOSTS, VIP4  # noqa: E402
from traffic import arp_request  # noqa: E402

STACKS = {
    "hagate 5/20": lambda lab: lab.use_hagate(Settings(**PROMPT, failback=False)),
    "keepalived 10 ms": lambda lab: lab.use_keepalived(0.01),
    "keepalived 100 ms": lambda lab: lab.use_keepalived(0.1),
}
ACTIVE = re.compile(r"^(\S+) hagated: (?!active)\w+ -> active:", re.MULTILINE)
MASTER = re.compile(r"\(lan\) Entering MASTER STATE")
ENDED = re.compile(r"-> listen: (the lease ended|no grants)")


def takeovers(logs, is_hagate):
    """How often the role went to the other node. A lease that ended and was won again by
    the same node is none. keepalived's master enters that state again only after the
    other node did."""
    if not is_hagate:
        return sum(len(MASTER.findall(log)) for log in logs)
    entries = sorted((found, number) for number, log in enumerate(logs)
                     for found in ACTIVE.findall(log))
    owners = [0] + [number for _, number in entries]
    return sum(a != b for a, b in zip(owners, owners[1:]))


def starve(priority, seconds):
    """Spins on all processors; 100 ms more for the shell of it."""
    done = subprocess.run([str(BUILD / "soak" / "hog"), str(priority)], input=f"{seconds * 1000}\n",
                          text=True, capture_output=True, check=True)
    if "done" not in done.stdout:
        raise LabError(f"hog: {done.stderr}")


def ask(lab):
    for name, segment in (("hO", "lan"), ("srv", "wan")):
        host = HOSTS[name]
        lab.processes.start(in_ns(lab.ns(name), BUILD / "soak" / "pace", "eth0", 1000,
                                  arp_request(host.mac, host.address, VIP4[segment]).hex()))


def one(lab, sink, stack, priority, seconds):
    agents = STACKS[stack](lab)
    is_hagate = isinstance(agents[0], Hagate)
    lab.start_agents(timeout=60)
    sink.reset()
    for agent in agents if is_hagate else ():
        sink.watch(agent.gateway.node, Map(agent.pin / "hg_state", "=I", "=80s"))
    wait_for(lambda: sink.count().claims > 100, 10, "answers for the VIPs")
    time.sleep(6)  # keepalived announces a second time after five seconds
    before, offsets = sink.count(), [len(agent.log_text()) for agent in agents]
    starve(priority, seconds)
    time.sleep(1)
    after = sink.count()
    logs = [agent.log_text()[at:] for agent, at in zip(agents, offsets)]
    record = {"case": f"{stack}, hogs at {priority}", "unit": "takeovers", "seconds": seconds,
              "value": takeovers(logs, is_hagate),
              "leases_ended": sum(len(ENDED.findall(log)) for log in logs) if is_hagate else None,
              "answers": after.claims - before.claims,
              "foreign": after.foreign - before.foreign,
              "two": after.two - before.two if is_hagate else None,
              "both": after.both - before.both if is_hagate else None}
    if is_hagate:
        for agent in agents:
            sink.forget(agent.gateway.node)
    lab.reset_gateways()
    return record, "\n".join(logs)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--priority", type=int, action="append",
                        help="of the hogs, may be given again; default 50 (hagated has 60)")
    args = parser.parse_args()
    records = []
    try:
        with Lab() as lab:
            sink = Sink(lab)
            sink.attach()
            ask(lab)
            for priority in args.priority or [50]:
                for stack in STACKS:
                    record, log = one(lab, sink, stack, priority, args.seconds)
                    records.append(record)
                    (BUILD / "soak" / f"starve-{stack.replace(' ', '-').replace('/', '-')}"
                                      f"-{priority}.log").write_text(log)
    except LabError as error:
        print(f"starve: {error}", file=sys.stderr)
        return 1
    columns = ("case", "seconds", "value", "leases_ended", "answers", "foreign", "two", "both")
    print(table(["case", "seconds", "takeovers", *columns[3:]],
                [[record[c] for c in columns] for record in records]))
    print(f"written: {save('starve', records)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
