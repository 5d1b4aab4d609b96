# SPDX-License-Identifier: GPL-2.0-or-later
"""check-arch.sh refuses what it should: violations are planted in a copy of the tree,
and in objects built for it, a file each, and what is said about each file is read."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "tests/arch/check-arch.sh"
FOLDERS = ("include", "bpf", "agent", "loader", "wiring", "sync", "tools", "witness")


def check(what, root, build="build"):
    env = dict(os.environ, ROOT=str(root), BUILD=str(build))
    return subprocess.run([SCRIPT, what], env=env, capture_output=True, text=True)


def copy(target, folders):
    for folder in folders:
        shutil.copytree(ROOT / folder, target / folder)
    return target


def plant(tree, name, text):
    path = tree / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text + "\n")


def test_tree_is_clean():
    done = check("includes", ROOT)
    assert done.returncode == 0, done.stderr


# folder, what is included, what is said about it
REFUSED = [
    ("agent/core", "<stdio.h>", "agent/core/ may not include <stdio.h>"),
    ("agent/core", "<time.h>", "agent/core/ may not include <time.h>"),
    ("agent/core", "<stdlib.h>", "agent/core/ may not include <stdlib.h>"),
    ("agent/core", '"agent/config.h"', "agent/core/ may not include agent/config.h"),
    ("agent/core", '"loader/loader.h"', "agent/core/ may not include loader/loader.h"),
    ("agent/core", '"../log.h"', "no way up"),
    ("agent/core", '"bpf/lease.h"', "agent/core/ may not include bpf/lease.h"),
    ("include/hagate", "<stdint.h>", "include/hagate/ may not include <stdint.h>"),
    ("include/hagate", '"agent/config.h"', "may not include agent/config.h"),
    ("bpf", "<stdio.h>", "bpf/ may not include <stdio.h>"),
    ("bpf", '"agent/core/elect.h"', "bpf/ may not include agent/core/elect.h"),
    ("bpf", '"loader/loader.h"', "bpf/ may not include loader/loader.h"),
    ("loader", '"agent/config.h"', "loader/ may not include agent/config.h"),
    ("loader", '"agent/core/time.h"', "loader/ may not include agent/core/time.h"),
    ("wiring", '"agent/keys.h"', "wiring/ may not include agent/keys.h"),
    ("wiring", "<sodium.h>", "wiring/ may not include <sodium.h>"),
    ("loader", "<jansson.h>", "loader/ may not include <jansson.h>"),
    ("agent", '"tools/tool.h"', "agent/ may not include tools/tool.h"),
    ("agent", '"bpf/maps.h"', "agent/ may not include bpf/maps.h"),
    ("agent", "<bpf/libbpf.h>", "agent/ may not include <bpf/libbpf.h>"),
    ("sync", '"agent/agent.h"', "sync/ may not include agent/agent.h"),
    ("sync", '"loader/loader.h"', "sync/ may not include loader/loader.h"),
    ("sync", "<curl/curl.h>", "sync/ may not include <curl/curl.h>"),
    ("agent", '"sync/history.h"', "agent/ may not include sync/history.h"),
    ("agent", "<curl/curl.h>", "agent/ may not include <curl/curl.h>"),
    ("agent", '"tests/unit/elect_rig.h"', "may not include"),
    ("agent/filter", "<libsmartcols.h>", "agent/ may not include <libsmartcols.h>"),
    ("tools", '"agent/core/elect.h"', "tools/ may not include agent/core/elect.h"),
    ("tools", '"agent/config.h"', "tools/ may not include agent/config.h"),
    ("tools", '"loader/nic.h"', "tools/ may not include loader/nic.h"),
    ("tools", '"bpf/maps.h"', "tools/ may not include bpf/maps.h"),
    ("tools", "<sodium.h>", "tools/ may not include <sodium.h>"),
    ("witness", '"agent/agent.h"', "witness/ may not include agent/agent.h"),
    ("witness", '"agent/config.h"', "witness/ may not include agent/config.h"),
    ("witness", '"loader/nic.h"', "witness/ may not include loader/nic.h"),
    ("witness", '"bpf/maps.h"', "witness/ may not include bpf/maps.h"),
    ("witness", "<bpf/libbpf.h>", "witness/ may not include <bpf/libbpf.h>"),
    ("agent", '"witness/serve.h"', "agent/ may not include witness/serve.h"),
    ("tools", "SECRET_HEADER", "cannot tell what is included"),
    ("agent/core/deep", "<stdint.h>", "agent/core/deep/ has no floor"),
    ("bpf/deep", "<linux/types.h>", "bpf/deep/ has no floor"),
]


@pytest.fixture(scope="module")
def refused(tmp_path_factory):
    tree = copy(tmp_path_factory.mktemp("includes"), FOLDERS)
    for i, (folder, header, _) in enumerate(REFUSED):
        plant(tree, f"{folder}/planted_{i}.h", f"  #  include {header} // why not")
    # A line that only looks like one.
    plant(tree, "agent/core/planted_comment.h", "/* no #include <stdio.h> here */")
    done = check("includes", tree)
    assert done.returncode == 1
    return done.stderr.splitlines()


@pytest.mark.parametrize("i", range(len(REFUSED)), ids=[f"{f}-{h}" for f, h, _ in REFUSED])
def test_include_is_refused(refused, i):
    said = [line for line in refused if f"planted_{i}.h" in line]
    assert len(said) == 1 and REFUSED[i][2] in said[0]


def test_nothing_else_is_refused(refused):
    assert not [line for line in refused[:-1] if "planted_" not in line]
    assert not [line for line in refused if "planted_comment" in line]
    assert refused[-1] == f"check-arch: {len(REFUSED)} fault(s)"


def build_core(tree):
    for source in sorted((tree / "agent/core").glob("*.c")):
        target = tree / "build/obj/agent/core" / (source.stem + ".o")
        target.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(
            [os.environ.get("CC", "cc"), "-std=gnu11", "-O1", "-fstack-protector-strong"]
            + ["-Iinclude", "-I.", "-c", "-o", target, source],
            cwd=tree,
            check=True,
        )


CODE = [
    ("int puts(const char *);\nvoid f(void) { puts(\"x\"); }", "may not call puts"),
    ("void *malloc(unsigned long);\nvoid *f(void) { return malloc(8); }", "may not call malloc"),
    ("long time(long *);\nlong f(void) { return time(0); }", "may not call time"),
    ("unsigned long strlen(const char *);\nunsigned long f(const char *s) { return strlen(s); }",
     "may not call strlen"),
    ("int *__errno_location(void);\nint f(void) { return *__errno_location(); }",
     "may not call __errno_location"),
    ("int counter = 3;\nint f(void) { return counter++; }", "writable data: counter"),
    ("static int counter;\nint f(void) { return counter++; }", "writable data: counter"),
    ("int f(void) { static int calls; return calls++; }", "writable data: calls"),
    ("__thread int mine;\nint f(void) { return mine++; }", "writable data: mine"),
    ("extern int environ;\nint f(void) { return environ; }", "may not call environ"),
]


ALLOWED = """#include <string.h>
static const char *const names[] = { "a", "b" };
const char *f(unsigned i) { return names[i & 1]; }
void g(char *a, const char *b, unsigned long n) { memmove(a, b, n); }"""


@pytest.fixture(scope="module")
def core(tmp_path_factory):
    tree = copy(tmp_path_factory.mktemp("symbols"), ("agent/core", "include"))
    plant(tree, "agent/core/allowed.c", ALLOWED)
    build_core(tree)
    return tree


def test_core_is_pure(core):
    done = check("symbols", core)
    assert done.returncode == 0, done.stderr


def test_symbols_are_refused(core, tmp_path):
    tree = copy(tmp_path, ("include",))
    shutil.copytree(core / "agent", tree / "agent")
    for i, (code, _) in enumerate(CODE):
        plant(tree, f"agent/core/planted_{i}.c", code)
    build_core(tree)
    done = check("symbols", tree)
    assert done.returncode == 1
    for i, (_, text) in enumerate(CODE):
        said = [line for line in done.stderr.splitlines() if f"planted_{i}.o" in line]
        assert len(said) == 1 and text in said[0], (i, done.stderr)
    assert done.stderr.splitlines()[-1] == f"check-arch: {len(CODE)} fault(s)"


def test_missing_and_stale_objects_are_refused(tmp_path):
    tree = copy(tmp_path, ("agent/core", "include"))
    done = check("symbols", tree)
    assert done.returncode == 1 and "run make first" in done.stderr
    build_core(tree)
    plant(tree, "agent/core/planted.c", "int f(void) { return 1; }")
    done = check("symbols", tree)
    assert done.returncode == 1 and "planted.c" in done.stderr


def test_empty_tree_is_refused(tmp_path):
    done = check("includes", tmp_path)
    assert done.returncode == 1 and "no source found" in done.stderr
