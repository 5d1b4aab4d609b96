# SPDX-License-Identifier: GPL-2.0-or-later
"""The flight recorder's text names every field that the core reads, and every event and
action: one that is missing could not be replayed."""
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HEADER = (ROOT / "agent/core/elect.h").read_text()
TABLES = (ROOT / "agent/recorder_json.c").read_text()


def plain(text):
    return re.sub(r"/\*.*?\*/", "", text, flags=re.S)


def members(body):
    names = []
    for line in plain(body).split(";"):
        names += re.findall(r"(\w+)\s*(?:,|$)", line.strip())
    return set(names)


def struct_body(name):
    return re.search(rf"struct {name} \{{\n(.*?)\n\}};", HEADER, re.S)[1]


def table(name):
    rows = re.search(rf"{name}\[\] = \{{\n(.*?)\{{ 0 \}}", TABLES, re.S)[1]
    return set(re.findall(r"(?:FIELD|TIME)\(\w+, (\w+)", rows)) or \
        set(re.findall(r"SELF\((\w+)", rows))


@pytest.mark.parametrize("struct, rows", [("hg_obs", "obs_fields"),
                                          ("hg_elect_hello", "hello_fields"),
                                          ("hg_elect_config", "config_fields"),
                                          ("hg_elect_witness", "witness_fields")])
def test_every_field_has_a_row(struct, rows):
    fields = members(struct_body(struct))
    assert len(fields) > 3
    assert table(rows) == fields


def test_self_has_every_field():
    body = re.search(r"struct \{ /\* HEALTH \*/\n(.*?)\} self;", HEADER, re.S)[1]
    assert table("self_fields") == members(body)


def test_what_else_an_event_carries():
    """A new member of the event itself needs a place in the text."""
    body = re.sub(r"union \{.*\n\t\};", "", plain(struct_body("hg_elect_event")), flags=re.S)
    assert members(body) == {"type", "now", "obs", "epoch_counter"}


@pytest.mark.parametrize("enum, names", [("hg_elect_event_type", "event_names"),
                                         ("hg_action_type", "action_names")])
def test_every_event_and_action_has_a_name(enum, names):
    body = plain(re.search(rf"enum {enum} \{{\n(.*?)\n\}};", HEADER, re.S)[1])
    known = set(re.findall(r"HG_\w+", body)) - {"HG_EVS", "HG_ACTS"}
    rows = re.search(rf"{names}\[\w+\] = \{{\n(.*?)\n\}};", TABLES, re.S)[1]
    assert set(re.findall(r"\[(HG_\w+)\]", rows)) == known
