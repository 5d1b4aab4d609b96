# SPDX-License-Identifier: GPL-2.0-or-later
"""What the witness costs a takeover: power-off of the holder with and without it, in turn.

Two clocks: the gap of a 4 kHz echo, and the new holder's own time from the last sign of
the old one to serving, which is free of what hosts and switches add.
"""
from agents import PROMPT, Settings
from figures import record
from procs import LabError, wait_for
from scenarios import measured, wait_steady
from third import Witness
from traffic import Echo

KINDS = ("without", "with")


def _one(lab, settings, has_witness):
    first, second = lab.use_hagate(settings)
    lab.start_agents(timeout=60)
    wait_for(lambda: lab.active() == [first] and second.is_ready(), 30, "gw1 to serve")
    if has_witness:
        wait_for(lambda: second.status()["witness"]["reachable"], 5, "the witness to answer")
    with Echo(lab, "hB") as echo:
        wait_steady(echo)
        report = measured(echo, first.power_off, second.is_active)
    status = second.status()
    rtt = (status["witness"] or {}).get("rtt_us")
    return report["gap_ms"], status["failover"]["last_ms"], rtt and rtt / 1000


def measure(lab, runs, say=print):
    witness = Witness(lab).start()
    found = {kind: [] for kind in KINDS}
    for number in range(runs):
        for kind in KINDS if number % 2 else reversed(KINDS):
            settings = Settings(**PROMPT, extra=witness.setting if kind == "with" else "")
            try:
                gap, own, rtt = _one(lab, settings, kind == "with")
            except LabError as error:
                say(f"  {kind}: {error}")
                continue
            found[kind].append((gap, own, rtt))
            say(f"  {kind:8} gap {gap:7.2f} ms, last sign to serving {own:6.1f} ms" +
                (f", round trip {rtt:.2f} ms" if rtt else ""))
    witness.kill()
    lab.reset_gateways()
    return list(_records(found))


def _records(found):
    for column, text in enumerate(("gap of an echo", "last sign to serving")):
        other = [one[column] for one in found["without"]]
        yield record(f"power-off, {text}, without a witness", other, "ms")
        yield record(f"power-off, {text}, with a witness", [one[column] for one in found["with"]],
                     "ms", other, "without a witness")
    yield record("round trip to the witness", [one[2] for one in found["with"] if one[2]], "ms")
