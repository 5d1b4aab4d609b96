# SPDX-License-Identifier: GPL-2.0-or-later
"""One lab with a virtual machine for each gateway, for all tests here."""
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lab"))

from agents import Settings  # noqa: E402
from lab import Lab  # noqa: E402
from procs import wait_for  # noqa: E402
from vm import make_image, use_vms  # noqa: E402

# An emulated machine stands still for longer than a lease of a real one lasts.
TIMERS = {"interval": "100ms", "lease": "1s", "timers": {"agent_grace": "20s", "drain": "2s"}}
FIGURES = []


@pytest.fixture(scope="session", name="lab")
def _lab():
    make_image()
    with Lab() as lab:
        yield lab


@pytest.fixture(scope="session", name="machines")
def _machines(lab):
    machines = use_vms(lab, Settings(**TIMERS))
    for machine in machines:
        machine.start()
    return machines


@pytest.fixture(name="pair")
def _pair(lab, machines):
    """(gw1, gw2), gw1 active, both ready; what a test left dead is booted again."""
    first, second = machines
    for machine in machines:
        if not machine.is_running():
            machine.start()
    wait_for(lambda: first.is_ready() and second.is_ready(), 90, "both to be ready", pause=0.5)
    if second.is_active():
        second.command("handover")
    wait_for(lambda: first.is_active() and second.role() == "standby", 60, "gw1 to be active",
             pause=0.5)
    lab.wire.forget()
    return first, second


@pytest.fixture(name="figure")
def _figure():
    return FIGURES.append


def pytest_terminal_summary(terminalreporter):
    for line in FIGURES:
        terminalreporter.write_line(line)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failed test shows the ends of the consoles."""
    outcome = yield
    report = outcome.get_result()
    machines = item.funcargs.get("machines") if hasattr(item, "funcargs") else None
    if report.failed and machines:
        for machine in machines:
            report.sections.append((f"console of {machine.name}", machine.log_text()[-3000:]))
