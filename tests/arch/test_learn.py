# SPDX-License-Identifier: GPL-2.0-or-later
"""A blank node has no code that sends configuration: what it runs, hagate-learn, is linked
without the teaching half."""
import os
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / os.environ.get("BUILD", "build")
SENDING = re.compile(r"^hg_(teach|serve|publish|daemon|listen|requests|history_export)_?")
# The only files that print a piece of a pack, or listen.
TEACHING = {"teach", "serve", "publish", "daemon", "listen", "requests", "children", "diff", "look",
            "main_sync"}


def symbols(program):
    listed = subprocess.run(["nm", BUILD / "bin" / program], check=True, capture_output=True,
                            text=True).stdout
    return {line.split()[-1] for line in listed.splitlines() if line}


def test_learner_has_nothing_that_sends():
    found = {name for name in symbols("hagate-learn") if SENDING.match(name)}
    assert not found, f"hagate-learn holds {sorted(found)}"
    assert not any(name.startswith(("listen", "accept")) for name in symbols("hagate-learn"))


def test_the_names_are_those_of_the_teaching_half():
    """So that the test above cannot pass by looking for the wrong names."""
    found = symbols("hagate-sync")
    for name in ("hg_teach_send", "hg_serve_connection", "hg_publish_run", "hg_daemon_run",
                 "hg_listen_accept", "hg_requests_accept"):
        assert name in found
    assert any(name.startswith("accept4") for name in found)


def test_packs_are_sent_by_one_file():
    """HG_MESSAGE_PACK is put together in teach.c, and refused by what all files send with."""
    for source in (ROOT / "sync").glob("*.c"):
        if source.stem not in TEACHING:
            assert ".type = HG_MESSAGE_PACK" not in source.read_text(), source
    assert ".type = HG_MESSAGE_PACK" in (ROOT / "sync/teach.c").read_text()
    assert "if (message->type == HG_MESSAGE_PACK)\n\t\treturn -EINVAL" in (
        ROOT / "sync/talk.c").read_text()
