# SPDX-License-Identifier: GPL-2.0-or-later
"""A manual refers to none of ours that is not there; a table of the docs names a thing once."""
import re
from pathlib import Path

DOCS = Path(__file__).resolve().parents[2] / "docs"


def test_manuals_refer_to_manuals():
    pages = {path.stem for path in (DOCS / "man").glob("*.scd")}
    named = {f"{name}.{section}" for path in (DOCS / "man").glob("*.scd") for name, section in
             re.findall(r"\*(hagate[a-z.-]*)\*\((\d)\)", path.read_text())}
    assert len(named) > 5 and not named - pages


def test_each_dependency_once():
    rows = re.findall(r"^\| ([^|]+) \|", (DOCS / "dependencies.md").read_text(), re.M)
    assert len(rows) > 10 and len(rows) == len(set(rows))
