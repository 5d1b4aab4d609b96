# SPDX-License-Identifier: GPL-2.0-or-later
"""No line of help is wider than a terminal of 80 columns."""
import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BIN = ROOT / (os.environ.get("BUILD") or "build") / "bin"


def help_of(*command):
    done = subprocess.run([BIN / command[0], *command[1:], "--help"], capture_output=True,
                          text=True, timeout=20, check=True)
    return done.stdout


def commands(*before):
    lines = help_of("hagate", *before).split("Commands:\n")[1].splitlines()
    return [(*before, line.split()[0]) for line in lines if line[:3].strip() and
            line.startswith("  ")]


ALL = [(), *commands(), *commands("filter")]


@pytest.mark.parametrize("command", ALL, ids=lambda c: " ".join(c) or "hagate")
def test_help_fits(command):
    assert max(map(len, help_of("hagate", *command).splitlines())) < 80


@pytest.mark.parametrize("group", [(), ("filter",), ("config",)], ids=" ".join)
def test_help_of_commands_is_indented(group):
    text = help_of("hagate", *group).split("Commands:\n")[1].split("\n\n")[0]
    assert all(line.startswith("  ") for line in text.splitlines()), text


@pytest.mark.parametrize("program", ["hagated", "hagate-load"])
def test_help_of_the_other_programs_fits(program):
    assert max(map(len, help_of(program).splitlines())) < 80


def test_all_commands_were_found():
    assert {("status",), ("why",), ("timers",), ("filter", "trace")} <= set(ALL)
