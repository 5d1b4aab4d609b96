# SPDX-License-Identifier: GPL-2.0-or-later
"""How long joining and committing take: 1 MB of configuration,
10,000 files. Prints a line each; `make sync-times`."""
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(HERE / "lab"), str(HERE / "netns")]

from lab import Lab  # noqa: E402
from procs import wait_for  # noqa: E402
from scenarios import wait_steady  # noqa: E402
from test_sync import Pair  # noqa: E402
from traffic import Echo  # noqa: E402


def fill(pair, count, octets):
    for number in range(count):
        pair.write(f"d{number % 100}/f{number}", f"{number:08d}" * (octets // 8))


def measure(lab, name, count, octets):
    pair = Pair(lab)
    fill(pair, count, octets)
    try:
        pair.syncs[0].init()
        pair.first.start()
        pair.syncs[0].start()
        wait_for(pair.first.is_active, 10, "gw1 to be active")
        with Echo(lab, "hB") as echo:
            wait_steady(echo)
            start = time.monotonic()
            pair.second.start()
            pair.syncs[1].start()
            pair.second.wait_role("standby", 120)
            joined = time.monotonic() - start
            pair.wait_in_sync(60)
            pair.write("d0/f0", "changed\n")
            start = time.monotonic()
            pair.syncs[0].config("commit", timeout=120)
            committed = time.monotonic() - start
            assert pair.read("d0/f0", 1) == "changed\n"
            lost = echo.report()["lost"]
        print(f"{name}: blank to member {joined:.2f} s, edit to applied on both "
              f"{committed:.2f} s, echo lost {lost}", flush=True)
    finally:
        pair.stop()


def main():
    with Lab() as lab:
        measure(lab, "1 file of 8 octets", 1, 8)
        measure(lab, "1 MB in 64 files", 64, 16384)
        measure(lab, "10,000 files of 128 octets", 10000, 128)


if __name__ == "__main__":
    main()
