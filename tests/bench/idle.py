# SPDX-License-Identifier: GPL-2.0-or-later
"""What the agent costs while nothing happens: CPU share and memory, per role."""
import os
import time
from pathlib import Path

from agents import PROMPT, Settings
from figures import record

TICK = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid):
    """User and system time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def rss_mib(pid):
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def measure(lab, seconds):
    """Both nodes idle; the waiting is the measurement."""
    lab.use_hagate(Settings(**PROMPT))
    agents = lab.start_agents()
    before = {agent.name: cpu_seconds(agent.process.pid) for agent in agents}
    start = time.monotonic()
    time.sleep(seconds)
    elapsed = time.monotonic() - start
    records = []
    for agent in agents:
        pid = agent.process.pid
        share = 100 * (cpu_seconds(pid) - before[agent.name]) / elapsed
        role = agent.role()
        records += [record(f"idle {role}, CPU share", [share], "% of a core"),
                    record(f"idle {role}, memory", [rss_mib(pid)], "MiB RSS")]
    return records
