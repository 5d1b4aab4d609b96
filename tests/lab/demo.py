#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The demonstration: two gateways on two hypervisors, real faults, measured outages.

A host on hypervisor B sends 4,000 packets a second through the gateway while it is
handed over, loses power, hangs and comes back. Exit status 1 when something did not
work as it should.
"""
import sys
import time

from agents import PROMPT, Settings
from lab import Lab
from procs import LabError, wait_for
from scenarios import measured, wait_steady
from topology import GATEWAYS, VIP4
from traffic import Echo, who_answers

DRAWING = """
      hypervisor A                                   hypervisor B
   +----------------+                             +----------------+
   |  gw1 (active)  |                             |  gw2 (standby) |
   |  lan  wan  ha  |                             |  lan  wan  ha  |
   +---|----|----|--+                             +---|----|----|--+
  hA --+    |    |                                    +----|----|---- hB
  10.1.0.11 |    +------------- 10.9.0.0/24 ha ------------|----+     10.1.0.12
       |    |                                         |    |
       |    +------------------ 10.2.0.0/24 wan ------|----+---- srv 10.2.0.100
       +----------------------- 10.1.0.0/24 lan ------+

  virtual addresses: 10.1.0.1 (lan), 10.2.0.1 (wan); interval 5 ms, lease 20 ms
  traffic: hB -> 10.1.0.1 -> srv and back, 4,000 packets a second
"""
FAILBACK_DELAY_S = 2


class Demo:
    """The steps; each leaves a row for the table at the end."""

    def __init__(self, lab, echo):
        self.lab = lab
        self.echo = echo
        self.first, self.second = lab.agents.values()
        self.rows = []
        self.has_failed = False

    def step(self, text, fault, until, owner, lost_max=None):
        """Does it, measures it, checks who owns the VIP afterwards."""
        print(f"* {text} ...", end="", flush=True)
        try:
            report = measured(self.echo, fault, until)
            answers = who_answers(self.lab, "hB", VIP4["lan"])
            is_good = (answers == {GATEWAYS[owner.name].mac("lan")} and
                       (lost_max is None or report["lost"] <= lost_max))
            names = [g.name for g in GATEWAYS.values() if g.mac("lan") in answers]
            row = (text, report["lost"], report["gap_ms"], " and ".join(names) or "nobody")
        except LabError as error:
            print(f" {error}")
            is_good, row = False, (text, None, None, "?")
        else:
            print(f" lost {row[1]}, longest gap {row[2]:.1f} ms, owner: {row[3]}"
                  f"{'' if is_good else '   <-- NOT AS IT SHOULD BE'}")
        self.rows.append((*row, "ok" if is_good else "FAILED"))
        self.has_failed |= not is_good

    def settle(self):
        """Both nodes ready and the traffic steady, before the next step."""
        wait_for(lambda: self.first.is_ready() and self.second.is_ready(), 10,
                 "both gateways to be ready")
        wait_steady(self.echo)

    def is_home(self):
        return self.first.is_active() and not self.second.is_active()

    def run(self):
        first, second = self.first, self.second
        self.step("planned handover, gw1 to gw2", lambda: first.command("handover"),
                  second.is_active, second, lost_max=1)
        self.step("failback to the preferred gw1", lambda: None, self.is_home, first,
                  lost_max=1)
        self.settle()
        self.step("gw1 loses power", first.power_off, second.is_active, second)
        self.step("gw1 returns and takes back its role", first.power_on, self.is_home,
                  first, lost_max=1)
        self.settle()
        self.step("gw1's agent hangs (SIGSTOP)", first.suspend, second.is_active, second,
                  lost_max=1)
        self.step("gw1's agent wakes up, failback", first.resume, self.is_home, first,
                  lost_max=1)
        self.settle()
        self.step("gw1's agent is killed and restarted", self._restart, first.is_ready, first,
                  lost_max=0)

    def _restart(self):
        self.first.kill()
        self.first.start()

    def table(self):
        width = max(len(row[0]) for row in self.rows)
        yield f"{'':{width}}    lost    gap/ms  owner  "
        for text, lost, gap, owner, verdict in self.rows:
            figures = f"{lost:8} {gap:9.1f}" if lost is not None else f"{'-':>8} {'-':>9}"
            yield f"{text:{width}} {figures}  {owner:5}  {verdict}"


def main():
    start = time.monotonic()
    try:
        with Lab() as lab:
            print(DRAWING)
            lab.use_hagate(Settings(**PROMPT, failback=True,
                                    failback_delay=f"{FAILBACK_DELAY_S}s"))
            print("* both agents start ...", end="", flush=True)
            lab.start_agents()
            with Echo(lab, "hB") as echo:
                demo = Demo(lab, echo)
                wait_for(demo.is_home, 10, "gw1 to be active")
                demo.settle()
                print(" gw1 is active, traffic flows")
                demo.run()
            print("\n" + "\n".join(demo.table()))
    except LabError as error:
        print(f"\ndemo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ndemo: interrupted; everything is removed", file=sys.stderr)
        return 130
    print(f"\n{time.monotonic() - start:.0f} s; everything is removed again. "
          "`make lab` leaves the lab standing to play with.")
    return 1 if demo.has_failed else 0


if __name__ == "__main__":
    sys.exit(main())
