# SPDX-License-Identifier: GPL-2.0-or-later
"""Fixtures: one lab a module, fresh agents for each test, logs when a test fails.

A fresh start costs about a second and keeps tests from leaning on each other.
"""
import sys
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "lab")]

from agents import Settings  # noqa: E402
from lab import Lab  # noqa: E402
from procs import wait_for  # noqa: E402
from sync import Pair  # noqa: E402

LAB = pytest.StashKey()


@pytest.fixture(scope="module", name="lab")
def _lab(request):
    with Lab() as lab:
        request.node.stash[LAB] = lab
        yield lab


@pytest.fixture(name="start")
def _start(lab):
    """start(Settings(...)) -> (gw1, gw2), both ready, gw1 active."""
    def start(settings=None):
        first, second = lab.use_hagate(settings or Settings())
        lab.start_agents()
        wait_for(lambda: first.is_active() and second.role() == "standby" and
                 first.is_ready() and second.is_ready(), 15, "gw1 active, gw2 standby")
        return first, second
    yield start
    lab.reset_gateways()


@pytest.fixture(name="pair")
def _pair(start):
    return start()


@pytest.fixture(name="make")
def _make(lab):
    """make(MORE) -> a Pair, not started; MORE are lines of its entry in `replicate`."""
    made = []

    def make(more=""):
        made.append(Pair(lab, more))
        return made[0]
    yield make
    for pair in made:
        pair.stop()


@pytest.fixture(name="members")
def _members(make, lab):
    """A Pair in sync; `applied` tells what its apply command saw."""
    pair = make(f"    apply: echo $HAGATE_GENERATION >> {lab.tmp}/local/applied\n")
    pair.start()
    return pair


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failed test shows what the agents logged."""
    outcome = yield
    report = outcome.get_result()
    lab = item.getparent(pytest.Module).stash.get(LAB, None)
    if report.failed and lab:
        report.sections.append(("agents' logs", lab.log_tails()))
