# SPDX-License-Identifier: GPL-2.0-or-later
"""The witness, at length (make check-witness): a lost memory, a full disk, and partitions
at random, with the owners of the VIP counted all the time."""
import os
import random
import time

import pytest
from faults import CUT_HEARTBEAT, CUT_HEARTBEAT_FROM, CUT_HEARTBEAT_TO
from procs import wait_for
from test_witness import (Owners, _trio, _witness, relaxed, restart_amid_grants,  # noqa: F401
                          serving, witness_of)
from topology import GATEWAYS

SECONDS = float(os.environ.get("WITNESS_SECONDS", 120))


@pytest.mark.parametrize("harm", ["deleted", "damaged"])
def test_lost_memory(lab, witness, trio, harm):
    restart_amid_grants(lab, witness, trio, harm)
    assert "grants nothing for 10.2 s" in witness.log_text()


def test_disk_full(lab, witness, trio):
    """Grants go on, both nodes are told, and the disk is tried again."""
    first, second = trio
    witness.kill()
    mount = witness.directory / "full"
    mount.mkdir(exist_ok=True)
    lab.run("srv", "mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", mount)
    try:
        filler = mount / "filler"
        filler.write_bytes(bytes(16384))
        witness.state, kept = mount, witness.state
        witness.start()
        assert "cannot be written" in witness.log_text()
        wait_for(lambda: "cannot write its state" in (witness_of(first)["fault"] or ""), 5,
                 "gw1 to know")
        first.power_off()
        wait_for(second.is_active, 5, "gw2 to take over")
        filler.unlink()
        wait_for(lambda: "can be written again" in witness.log_text(), 5, "it to write again")
        wait_for(lambda: witness_of(second)["fault"] is None, 5, "gw2 to know")
    finally:
        witness.kill()
        witness.state = kept
        lab.run("srv", "umount", mount)


def spells(owners):
    """(first, last, node) of every source MAC that spoke for the VIP since the last look."""
    return [(min(one.first_ns for one in spoken), max(one.last_ns for one in spoken), name)
            for name in GATEWAYS if (spoken := owners.spoken(name))]


def upset(lab, witness, chance):
    """One fault, or the end of those that are."""
    what = chance.randrange(7)
    if what == 0:
        lab.wire.mend()
    elif what == 1:
        witness.unblock()
    elif what == 2:
        witness.block(*chance.sample(sorted(GATEWAYS), chance.randint(1, 2)))
    elif what == 3:
        witness.kill()
        if chance.random() < 0.3:
            (witness.state / "state").unlink(missing_ok=True)
        witness.start(is_waiting=False)
    else:
        flags = chance.choice((CUT_HEARTBEAT, CUT_HEARTBEAT_FROM, CUT_HEARTBEAT_TO))
        lab.wire.set_node(chance.choice(sorted(GATEWAYS)), flags)


def test_random_partitions(lab, witness, trio):
    """Never two owners, whatever the order of cuts and restarts. A look is shorter than a
    lease: within one the role cannot move there and back."""
    seed = int(os.environ.get("WITNESS_SEED", random.randrange(1 << 30)))
    chance, end = random.Random(seed), time.monotonic() + SECONDS
    print(f"WITNESS_SEED={seed}")
    looks = taken = 0
    owner = None
    with Owners(lab) as owners:
        while time.monotonic() < end:
            upset(lab, witness, chance)
            until = time.monotonic() + chance.random()
            while time.monotonic() < until:
                time.sleep(0.03)
                found = sorted(spells(owners))
                lab.wire.forget()
                looks += 1
                for before, after in zip(found, found[1:]):
                    assert before[1] < after[0], f"seed {seed}: {found}"
                taken += bool(found) and owner is not None and found[-1][2] != owner
                owner = found[-1][2] if found else owner
    lab.wire.mend()
    witness.unblock()
    wait_for(lambda: len(serving(*trio)) == 1, 20, "one to serve in the end")
    print(f"{looks} looks, the role moved {taken} times")
    assert looks > SECONDS
