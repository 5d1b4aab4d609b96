# SPDX-License-Identifier: GPL-2.0-or-later
"""Two machines with systemd, and hagate on them as the README installs it."""
import sys
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / name) for name in ("lab", "vm")]

from agents import Settings  # noqa: E402
from lab import Lab  # noqa: E402
from machine import make_system_image, use_machines  # noqa: E402
from procs import wait_for  # noqa: E402

# An emulated machine stands still for longer than a lease of a real one lasts, and verifies
# programs for seconds where a real one takes a tenth of one.
TIMERS = {"interval": "100ms", "lease": "1s", "timers": {"agent_grace": "15s", "drain": "2s"}}
FIGURES = []


@pytest.fixture(scope="session", name="lab")
def _lab():
    make_system_image()
    with Lab() as lab:
        yield lab


@pytest.fixture(scope="session", name="machines")
def _machines(lab):
    """Booted, with addresses, with nothing of hagate but its programs and units."""
    machines = use_machines(lab, Settings(**TIMERS))
    for machine in machines:
        machine.start()
        machine.configure_network()
    return machines


@pytest.fixture(scope="session", name="installed")
def _installed(lab, machines):
    """A first pair, by the README. The commit comes right behind the start, as it does there."""
    first, second = machines
    first.do("hagate init")
    first.put("/etc/hagate/cluster.key", lab.key, "600")  # the lab's hosts know this one
    first.put("/etc/hagate/node.yaml", first.node_text("member"))
    first.put("/etc/hagate/cluster.yaml", first.cluster_yaml.read_text())
    first.do("hagated --node /etc/hagate/node.yaml --check")
    first.do("systemctl enable --now hagated hagate-sync && "
             "hagate config commit -m 'first addresses'", 120)
    wait_for(first.is_active, 60, "gw1 to serve alone", pause=0.5)
    second.put("/etc/hagate/cluster.key", lab.key, "600")
    second.put("/etc/hagate/node.yaml", second.node_text("join"))
    second.do("hagated --node /etc/hagate/node.yaml --check")
    second.do("systemctl enable --now hagated hagate-sync", 120)
    return first, second


@pytest.fixture(name="pair")
def _pair(installed):
    """(gw1, gw2), gw1 active, both ready and with the same configuration."""
    first, second = installed
    for machine in installed:
        if not machine.is_running():
            machine.start()
    wait_for(lambda: first.is_ready() and second.is_ready(), 300, "both to be ready", pause=0.5)
    if second.is_active():
        second.command("handover")
    wait_for(lambda: first.is_active() and second.role() == "standby", 60, "gw1 to be active",
             pause=0.5)
    for machine in installed:
        wait_for(machine.is_in_sync, 120, f"{machine.name} to be in sync", pause=0.5)
    return first, second


@pytest.fixture(name="figure")
def _figure():
    return FIGURES.append


def pytest_terminal_summary(terminalreporter):
    for line in FIGURES:
        terminalreporter.write_line(line)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failed test shows the ends of the journals."""
    outcome = yield
    report = outcome.get_result()
    machines = item.funcargs.get("machines") if hasattr(item, "funcargs") else None
    if report.failed and machines:
        for machine in machines:
            report.sections.append((f"journal of {machine.name}", machine.log_text()[-6000:]))
