# SPDX-License-Identifier: GPL-2.0-or-later
"""A manual refers to none of ours that is not there; a table of the docs names a thing once."""
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"


def test_manuals_refer_to_manuals():
    pages = {path.stem for path in (DOCS / "man").glob("*.scd")}
    named = {f"{name}.{section}" for path in (DOCS / "man").glob("*.scd") for name, section in
             re.findall(r"\*(hagate[a-z.-]*)\*\((\d)\)", path.read_text())}
    assert len(named) > 5 and not named - pages


def test_each_reason_for_a_drop_is_explained():
    """hagate(1) tells for each reason that `hagate ports` counts whether it is normal."""
    text = (ROOT / "include/hagate/reason.h").read_text()
    packets = text[text.index("HG_PACKET_REASONS(X)"):text.index("HG_TRANSITION_REASONS(X)")]
    names = re.findall(r'X\(\w+,\s*"([a-z0-9-]+)"', packets)
    first, last = names.index("peer-length"), names.index("peer-late")
    drops = {name for name in names if name.startswith(("bad-", "filter-")) or "silent" in name}
    drops |= set(names[first:last + 1])
    manual = (ROOT / "docs/man/hagate.1.scd").read_text()
    section = manual[manual.index("# DROPPED PACKETS"):manual.index("# TIMERS")]
    told = set(re.findall(r"\*([a-z0-9-]+)\*", section))
    assert len(drops) > 20 and drops <= told, drops - told
    assert told - drops <= {"egress-"}, told - drops


def test_each_dependency_once():
    rows = re.findall(r"^\| ([^|]+) \|", (DOCS / "dependencies.md").read_text(), re.M)
    assert len(rows) > 10 and len(rows) == len(set(rows))
