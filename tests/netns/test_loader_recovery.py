# SPDX-License-Identifier: GPL-2.0-or-later
"""The loader after kills, layout changes, lost NICs, and beside itself (root)."""
import contextlib
import fcntl
import json
import os
import random
import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from loader_box import LOAD, MAPS, ROOT, box, bpftool, run

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


# --- layouts and unfinished sets ------------------------------------------------


def test_other_layout_is_refused_with_the_remedy(box):
    box.load("attach", "e0=lan")
    before = box.port("lan")
    box.set_meta(salt=1)
    refused = box.load("attach", "e0=lan", check=False)
    assert refused.returncode == 1
    assert f"hagate-load --pin {box.pin} detach" in refused.stderr
    assert box.port("lan") == before
    box.load("detach")
    box.assert_clean()
    box.load("attach", "e0=lan")


def test_newer_layout_is_refused(box):
    box.load("attach", "e0=lan")
    box.set_meta(layout=9)
    refused = box.load("attach", "e0=lan", check=False)
    assert refused.returncode == 1 and "layout 9; this is 1" in refused.stderr


@pytest.mark.parametrize("missing", ["hg_meta", "hg_peer", "hg_state"])
def test_unfinished_set_is_built_anew(box, missing):
    box.load("attach", "e0=lan")
    link, state = box.link_id("lan"), box.map_id("hg_state") if missing != "hg_state" else None
    (box.pin / missing).unlink()
    assert "maps: made" in box.load("attach", "e0=lan").stdout
    box.assert_loaded("lan")
    assert box.link_id("lan") == link and box.map_id("hg_state") != state
    program = bpftool("prog", "show", "id", box.port("lan")["xdp_id"])
    assert box.map_id("hg_state") in program["map_ids"]


def test_strange_file_in_place_of_a_link(box):
    box.load("attach", "e0=lan")
    os.rename(box.pin / "hg_key", box.pin / "link_wan")
    refused = box.load("attach", "e1=wan", check=False)
    assert refused.returncode == 1 and "link_wan" in refused.stderr
    box.load("detach")
    box.assert_clean()


MOMENTS, MOMENTS_MAX = 50, 300  # more where the machine was too slow or too quick for them


def duration(box):
    """Of an attach that makes everything anew."""
    box.load("detach")
    start = time.monotonic()
    box.load("attach", "e0=lan", "e1=wan")
    return time.monotonic() - start


def test_killed_at_any_moment_then_works(box):
    """SIGKILL at random times within attach (new and adopted) and detach."""
    whole = min(duration(box) for _ in range(3))
    seed = int(os.environ.get("SEED") or time.time_ns() % 10**9)
    chance, killed, made = random.Random(seed), 0, 0
    for turn in range(MOMENTS_MAX):
        if turn >= MOMENTS and killed >= 5 and made >= 5:
            break
        if turn % 3 == 0:
            box.load("detach")
        args = ["detach"] if turn % 3 == 2 else ["attach", "e0=lan", "e1=wan"]
        process = subprocess.Popen(box.command(*args), stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        time.sleep(chance.uniform(0, whole if args[0] == "attach" else whole / 4))
        process.kill()
        killed += process.wait() != 0
        after = box.load("attach", "e0=lan", "e1=wan", check=False)
        assert after.returncode == 0, f"SEED={seed} turn {turn}: {after.stderr}"
        made += "maps: made" in after.stdout
        box.assert_loaded("lan", "wan")
        programs = bpftool("prog", "show", "id", box.port("lan")["xdp_id"])
        assert box.map_id("hg_state") in programs["map_ids"], f"SEED={seed} turn {turn}"
    assert killed >= 5 and made >= 5, f"SEED={seed}: {killed} killed, {made} anew"
    box.load("detach")
    box.assert_clean()


# --- other versions of the programs ---------------------------------------------


def build_variant(where, path, old, new):
    """hagate-load built from this tree with one change."""
    for part in ("Makefile", "include", "bpf", "loader"):
        run("cp", "-r", ROOT / part, where)
    text = (where / path).read_text()
    assert text.count(old) == 1, f"{path} no longer has {old!r} once"
    (where / path).write_text(text.replace(old, new))
    environment = dict(os.environ, BUILD=str(where / "build"))
    run("make", "-C", where, where / "build/bin/hagate-load", "VERSION=7.7.7", "WERROR=0",
        env=environment)
    return where / "build/bin/hagate-load"


def test_same_size_change_of_fields_is_refused(box, tmp_path):
    """libbpf's own check compares sizes and would let this pass."""
    other = build_variant(tmp_path, "include/hagate/abi.h",
                          "\t__u64 packets;\n\t__u64 octets;", "\t__u64 octets;\n\t__u64 packets;")
    box.load("attach", "e0=lan")
    before = box.port("lan")
    refused = run(*box.inside(other, "--pin", box.pin, "attach", "e0=lan"), check=False)
    assert refused.returncode == 1 and "cannot be taken over" in refused.stderr
    assert box.port("lan") == before
    run(*box.inside(other, "--pin", box.pin, "detach"))
    box.assert_clean()


def test_new_program_on_the_same_layout_takes_over(box, tmp_path):
    other = build_variant(tmp_path, "loader/loader.h", "#define HG_LOADER_H", "#define HG_LOADER_H 2")
    box.load("attach", "e0=lan")
    link, state, program = box.link_id("lan"), box.map_id("hg_state"), box.port("lan")["xdp_id"]
    said = run(*box.inside(other, "--pin", box.pin, "attach", "e0=lan")).stdout
    assert "maps: taken over" in said
    assert (box.link_id("lan"), box.map_id("hg_state")) == (link, state)
    assert box.port("lan")["xdp_id"] != program


def test_program_that_the_kernel_refuses_leaves_the_old_one(box, tmp_path):
    other = build_variant(tmp_path, "bpf/gate.bpf.c", 'SEC("xdp.frags")',
                          'static const char *volatile wild;\nSEC("xdp.frags")')
    path = tmp_path / "bpf/gate.bpf.c"
    body = path.read_text()
    at = body.index("{", body.index("int hg_gate(")) + 1
    path.write_text(body[:at] + "\n\tif (!wild || *wild) return XDP_DROP;" + body[at:])
    run("make", "-C", tmp_path, other, "WERROR=0",
        env=dict(os.environ, BUILD=str(tmp_path / "build")))
    box.load("attach", "e0=lan")
    before = box.port("lan")
    refused = run(*box.inside(other, "--pin", box.pin, "attach", "e0=lan"), check=False)
    assert refused.returncode == 1
    assert "the kernel refuses program hg_gate" in refused.stderr
    assert "invalid mem access" in refused.stderr and "libbpf" not in refused.stderr
    log = Path(re.search(r"log is in (\S+)", refused.stderr)[1])
    assert "invalid mem access" in log.read_text() and log.stat().st_mode & 0o777 == 0o600
    assert box.port("lan") == before


# --- NICs and namespaces that go ------------------------------------------------


def test_nic_deleted_and_made_again(box):
    box.load("attach", "e0=lan", "e1=wan")
    box.ip("link", "del", "e0")
    gone = box.port("lan")
    assert gone["ifname"] is None and gone["ifindex"] == 0
    box.add_pair("e0")
    assert "taken over" in box.load("attach", "e0=lan").stdout
    assert box.port("lan")["ifname"] == "e0"
    box.assert_loaded("lan", "wan")


def test_nic_gone_then_detach(box):
    box.load("attach", "e0=lan", "e1=wan")
    box.ip("link", "del", "e0")
    assert "link of port lan, whose NIC is gone" in box.load("detach").stdout
    box.assert_clean("e1")


def test_namespace_removed(box):
    box.load("attach", "e0=lan")
    program = box.port("lan")["xdp_id"]
    run("ip", "netns", "del", box.a)
    deadline = time.monotonic() + 60
    while bpftool("link", "show", "pinned", box.pin / "link_lan").get("ifindex"):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    run(LOAD, "--pin", box.pin, "detach")
    assert not box.pin.exists()
    assert run("bpftool", "prog", "show", "id", program, check=False).returncode


def test_nic_moved_to_another_namespace(box):
    """The link goes with the NIC; the port then gets another NIC here."""
    box.load("attach", "e0=lan")
    box.ip("link", "add", "spare", "type", "veth", "peer", "name", "spare2")
    box.load("attach", "spare=wan")
    box.ip("link", "set", "spare", "netns", box.b)
    assert box.port("wan")["ifname"] is None
    box.load("attach", "e1=wan")
    box.assert_loaded("lan", "wan")
    moved = json.loads(run("ip", "-n", box.b, "-j", "link", "show", "dev", "spare").stdout)
    assert "xdp" not in moved[0]


def test_detach_from_another_namespace_says_so(box):
    box.load("attach", "e0=lan")
    said = run(LOAD, "--pin", box.pin, "detach").stdout
    assert "another network namespace" in said
    assert box.xdp_of("e0") is None and not box.pin.exists()
    run(*box.inside("ping", "-c1", "-W2", "-q", "10.99.0.2"))  # the filter left lets pass


# --- several at once, privileges, bpffs -----------------------------------------


def test_many_loaders_at_once(box):
    nics = [("e0", "lan"), ("e1", "wan")] * 4
    running = [subprocess.Popen(box.command("attach", f"{nic}={port}"), text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)
               for nic, port in nics]
    said = [(p.communicate(timeout=60), p.returncode) for p in running]
    assert all(code == 0 for _, code in said), said
    assert sum("maps: made" in out for (out, _), _ in said) == 1
    box.assert_loaded("lan", "wan")


def test_attach_and_detach_at_once(box):
    for _ in range(5):
        running = [subprocess.Popen(box.command(*args), stdout=subprocess.DEVNULL,
                                    stderr=subprocess.PIPE, text=True)
                   for args in (["attach", "e0=lan"], ["detach"]) * 2]
        for process in running:
            errors = process.communicate(timeout=60)[1]
            assert process.returncode == 0 or "no such directory on a bpffs" in errors or \
                "made anew by another process" in errors, errors
        if (box.pin / "link_lan").exists():
            program = bpftool("prog", "show", "id", box.port("lan")["xdp_id"])
            assert box.map_id("hg_state") in program["map_ids"]
    box.load("attach", "e0=lan")
    box.assert_loaded("lan")


def test_not_root(box):
    reachable = Path(f"/tmp/{box.a}-hagate-load")
    shutil.copy(LOAD, reachable)
    try:
        for command in (["attach", "e0=lan"], ["detach"], ["status"]):
            refused = run("setpriv", "--reuid", 65534, "--regid", 65534, "--clear-groups",
                          reachable, "--pin", box.pin, *command, check=False)
            assert refused.returncode == 1 and "needs root" in refused.stderr
    finally:
        reachable.unlink()


def test_bpffs_is_mounted_when_missing_and_only_once(box):
    script = f"""set -e
umount -l /sys/fs/bpf
{LOAD} --pin {box.pin} attach e0=lan & one=$!
{LOAD} --pin {box.pin} attach e1=wan & two=$!
wait $one; wait $two
grep -c ' /sys/fs/bpf bpf ' /proc/mounts
{LOAD} --pin {box.pin} status
{LOAD} --pin {box.pin} detach >/dev/null
"""
    done = run(*box.inside("unshare", "--mount", "sh", "-c", script))
    assert "\n1\n" in "\n" + done.stdout
    assert "lan on e0" in done.stdout and "wan on e1" in done.stdout
    assert not box.pin.exists()


def test_pin_directory_that_is_not_on_a_bpffs(box, tmp_path):
    refused = run(*box.inside(LOAD, "--pin", tmp_path / "pin", "attach", "e0=lan"), check=False)
    assert refused.returncode == 1 and "not on a bpffs" in refused.stderr
    assert "mount -t bpf" in refused.stderr and not (tmp_path / "pin").exists()


def test_stuck_lock_is_an_error_and_not_a_hang(box):
    box.load("attach", "e0=lan")
    fd = os.open(box.pin, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        refused = box.load("attach", "e0=lan", check=False)
    finally:
        os.close(fd)
    assert refused.returncode == 1 and "in use by another process" in refused.stderr
