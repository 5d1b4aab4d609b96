# SPDX-License-Identifier: GPL-2.0-or-later
"""The faults: each kind makes a plan from a random generator and the lab.

A plan is a list of steps (ms since the fault began, what to do). Nothing here reads a
clock or waits, so that two plans can be merged into one. `who` is always relative to
the moment (holder, standby, both), so a seed gives the same faults on every machine.
"""
from dataclasses import dataclass, field
from typing import Callable

from faults import (CUT_BOTH, CUT_FROM, CUT_HEARTBEAT, CUT_HEARTBEAT_FROM, CUT_HEARTBEAT_TO,
                    CUT_TO)
from sink import boottime
from topology import GATEWAYS, NICS, SEGMENTS


@dataclass
class Plan:
    """What will happen. `detail` is for the log."""
    steps: list = field(default_factory=list)
    detail: str = ""
    is_partition: bool = False  # no heartbeat gets through in either direction
    is_cable: bool = False  # acts on cables: two of these together may be a partition
    is_tampered: bool = False  # the lease itself was forged: with a cut, all bets are off
    is_boot: bool = False  # a node starts anew: its return takes what a start takes
    takes_node: bool = False  # one of the nodes is gone meanwhile
    from_start: bool = False  # the other node has to serve: count from the fault's begin

    def at(self, ms, do, *args):
        self.steps.append((ms, lambda: do(*args)))


@dataclass
class Kind:
    """A sort of fault and how often it comes."""
    name: str
    weight: int
    text: str
    make: Callable
    is_light: bool


KINDS = {}


def kind(name, weight, text, is_light=True):
    def register(make):
        KINDS[name] = Kind(name, weight, text, make, is_light)
        return make
    return register


def whom(rng, nodes, holder, both=True):
    """(word, nodes): whom it hits. Without a holder, the first is taken for it."""
    holder = holder or nodes[0]
    standby = nodes[1] if holder is nodes[0] else nodes[0]
    chosen = {"holder": [holder], "standby": [standby], "both": [holder, standby]}
    word = rng.choice(("holder", "holder", "standby", "both") if both else
                      ("holder", "holder", "standby"))
    return word, chosen[word]


def short(rng, low=5, high=150):
    """Mostly short, sometimes up to three times as long."""
    return round(rng.uniform(low, high) * (1 if rng.random() < 0.9 else 3), 1)


@kind("agent-stopped", 48, "SIGSTOP to the agent, then SIGCONT")
def agent_stopped(rng, soak):
    plan, (word, nodes), ms = Plan(), whom(rng, soak.nodes, soak.holder()), short(rng)
    for node in nodes:
        delay = rng.uniform(0, 10)
        plan.at(delay, node.stop_agent)
        plan.at(delay + ms, node.continue_agent)
    plan.detail = f"{word} {ms} ms"
    return plan


@kind("agent-killed", 3, "SIGKILL to all processes of the agent, then a new start", False)
def agent_killed(rng, soak):
    plan, (word, nodes) = Plan(is_boot=True), whom(rng, soak.nodes, soak.holder(), both=False)
    ms = rng.choice((0, 0, rng.uniform(0, 300)))
    plan.at(0, nodes[0].kill)
    plan.at(ms, nodes[0].start)
    plan.detail = f"{word} {ms:.0f} ms"
    return plan


@kind("both-restarted", 1, "both agents killed and started at once", False)
def both_restarted(rng, soak):
    plan = Plan(is_boot=True, takes_node=True)
    for node in soak.nodes:
        plan.at(0, node.kill)
        plan.at(rng.uniform(1, 30), node.start)
    return plan


@kind("node-frozen", 24, "all processes of a node frozen, its data path lives")
def node_frozen(rng, soak):
    plan, (word, nodes), ms = Plan(), whom(rng, soak.nodes, soak.holder()), short(rng)
    for node in nodes:
        plan.at(0, node.freeze)
        plan.at(ms, node.thaw)
    plan.detail = f"{word} {ms} ms"
    return plan


def passable(flags):
    """Which directions at least one segment still carries; flags: (node, segment) -> CUT_*."""
    def carries(a, b):
        return any(not flags.get((a, s), 0) & (CUT_FROM | CUT_HEARTBEAT_FROM) and
                   not flags.get((b, s), 0) & (CUT_TO | CUT_HEARTBEAT_TO) for s in SEGMENTS)
    return carries("gw1", "gw2"), carries("gw2", "gw1")


def cut(rng, soak, both, away, home):
    """Cuts on a random set of ports."""
    plan, ms = Plan(is_cable=True), short(rng)
    names = rng.choice((["gw1"], ["gw2"], ["gw1", "gw2"]))
    way = rng.choice((both, both, away, home))
    segments = SEGMENTS if rng.random() < 0.5 else rng.sample(SEGMENTS, rng.randint(1, 3))
    flags = {(name, segment): way for name in names for segment in segments}
    for name, segment in flags:
        plan.at(0, soak.lab.wire.set_port, name, segment, way)
    for name, segment in flags:
        plan.at(ms, soak.lab.wire.set_port, name, segment)
    plan.is_partition = not any(passable(flags))
    plan.detail = f"{'+'.join(names)} {'+'.join(segments)} flags {way} {ms} ms"
    return plan


@kind("cut", 44, "cables of any subset of ports cut, one way or both")
def cut_all(rng, soak):
    return cut(rng, soak, CUT_BOTH, CUT_FROM, CUT_TO)


@kind("heartbeats-cut", 40, "the same for heartbeats alone: hosts still reach both nodes")
def cut_heartbeats(rng, soak):
    return cut(rng, soak, CUT_HEARTBEAT, CUT_HEARTBEAT_FROM, CUT_HEARTBEAT_TO)


@kind("data-path-cut", 16, "a whole node cut off at once, its agent lives and sees its links up")
def data_path_cut(rng, soak):
    (word, nodes), ms = whom(rng, soak.nodes, soak.holder()), short(rng)
    plan = Plan(is_cable=True, is_partition=True)
    for node in nodes:
        plan.at(0, soak.lab.wire.set_node, node.name, CUT_BOTH)
        plan.at(ms, soak.lab.wire.set_node, node.name, 0)
    plan.detail = f"{word} {ms} ms"
    return plan


@kind("loss", 32, "up to 30 % lost and 30 % doubled on each port, each direction")
def loss(rng, soak):
    plan, ms = Plan(is_cable=True), short(rng, 30, 200)
    for name in GATEWAYS:
        for segment in SEGMENTS:
            lost, double = ((rng.randint(0, 300), rng.randint(0, 300)) for _ in range(2))
            plan.at(0, soak.lab.wire.set_port, name, segment, 0, lost, double)
            plan.at(ms, soak.lab.wire.set_port, name, segment)
    plan.detail = f"{ms} ms"
    return plan


@kind("delay", 32, "frames held for up to 40 ms each, so late and in another order")
def delay(rng, soak):
    plan, ms = Plan(is_cable=True), short(rng, 30, 200)
    longest, per_mille = rng.choice((2, 10, 40)), rng.choice((100, 400, 700, 1000))
    # All of them so late: nothing gets through within a lease.
    plan.is_partition = per_mille == 1000 and longest > 10
    for name in GATEWAYS:
        plan.at(0, soak.sink.set_hold, name, 0, 1000 * longest)
        for segment in SEGMENTS:
            plan.at(0, soak.sink.set_delay, name, segment, per_mille)
            plan.at(ms, soak.sink.set_delay, name, segment)
    plan.at(ms + longest, lambda: None)  # the last held frame
    plan.detail = f"{per_mille} per mille, 0-{longest} ms, for {ms} ms"
    return plan


@kind("starved", 24, "SCHED_FIFO threads above the agents on all processors")
def starved(rng, soak):
    plan, ms = Plan(), rng.choice((5, 10, 20, 40, 60))
    plan.at(0, soak.hog, ms)
    plan.at(ms + 1, soak.hog_done)
    plan.detail = f"{ms} ms"
    return plan


@kind("handover", 20, "planned handover by the operator")
def handover(rng, soak):
    plan, (word, nodes) = Plan(), whom(rng, soak.nodes, soak.holder())
    for node in nodes:
        plan.at(0, soak.ask, node, "handover")
    plan.at(rng.uniform(20, 60), lambda: None)
    plan.detail = word
    return plan


@kind("both-claim", 20, "the lease taken away behind the agent's back, handover asked of both")
def both_claim(rng, soak):
    plan = Plan()
    holder = soak.holder() or soak.nodes[0]
    plan.at(0, holder.poke, "lease_until", 0)
    for node in soak.nodes:
        plan.at(rng.uniform(0, 3), soak.ask, node, "handover")
    return plan


FORGED_MS = 200
POKES = ("lease-zero", "lease-far", "lease-past", "epoch-zero", "fence-up", "drain-far",
         "drain-zero", "agent-seen-zero", "agent-seen-far")


@kind("map-changed", 32, "a word of hg_state written behind the agent's back")
def map_changed(rng, soak):
    plan, (word, nodes), way = Plan(), whom(rng, soak.nodes, soak.holder()), rng.choice(POKES)
    bump = rng.randint(1, 3)
    for node in nodes:
        plan.at(0, poke, node, way, bump)
    plan.detail = f"{word} {way}"
    # A standby that refuses grants looks to the holder like a partition.
    plan.is_tampered = way in ("lease-far", "fence-up")
    if way == "lease-far":
        plan.at(FORGED_MS + 20, lambda: None)  # the next fault is to find true leases
    return plan


def poke(node, way, bump):
    second, now = 1_000_000_000, boottime()
    epoch, fence = node.word("epoch"), node.word("fence_epoch")
    word, value = {
        "lease-zero": ("lease_until", 0),
        "lease-past": ("lease_until", now - 1),
        "lease-far": ("lease_until", now + FORGED_MS * 1_000_000),
        "epoch-zero": ("epoch", 0),
        "fence-up": ("fence_epoch", max(epoch, fence) + (bump << 8)),
        "drain-far": ("drain_until", now + second // 10),
        "drain-zero": ("drain_until", 0),
        "agent-seen-zero": ("agent_seen", 0),
        "agent-seen-far": ("agent_seen", now + second),
    }[way]
    node.poke(word, value)


@kind("forged-flood", 20, "frames with wrong tags at full speed from a host, to both nodes")
def forged_flood(rng, soak):
    plan, ms = Plan(), round(rng.uniform(40, 150), 1)
    plan.at(0, soak.start_flood)
    plan.at(ms, soak.stop_flood)
    plan.detail = f"{ms} ms"
    return plan


@kind("clock-step", 16, "the wall clock of the agents steps by up to years")
def clock_step(rng, soak):
    plan, (word, nodes) = Plan(), whom(rng, soak.nodes, soak.holder())
    seconds = rng.choice((-1, 1)) * rng.choice((1, 3600, 86400 * 365, 10 * 86400 * 365))
    for node in nodes:
        plan.at(0, node.step_clock, seconds * 1_000_000_000)
        plan.at(rng.uniform(5, 60), node.step_clock, 0)
    plan.detail = f"{word} {seconds} s"
    return plan


@kind("disk-full", 12, "the state's file system full while the role moves")
def disk_full(rng, soak):
    plan = Plan()
    for node in soak.nodes:
        plan.at(0, node.fill_disk)
    if rng.random() < 0.5:
        plan.at(5, soak.ask, soak.holder() or soak.nodes[0], "handover")
    ms = rng.uniform(30, 120)
    for node in soak.nodes:
        plan.at(ms, node.free_disk)
    plan.detail = f"{ms:.0f} ms"
    return plan


@kind("state-damaged", 1, "agent killed, its state files damaged, agent started", False)
def state_damaged(rng, soak):
    plan, (word, nodes) = Plan(is_boot=True), whom(rng, soak.nodes, soak.holder(), both=False)
    plan.at(0, nodes[0].kill)
    plan.at(1, nodes[0].damage_state, rng)
    plan.at(2, nodes[0].start)
    plan.detail = word
    return plan


@kind("link-flap", 2, "one link goes down and comes back", False)
def link_flap(rng, soak):
    (word, nodes), ms = whom(rng, soak.nodes, soak.holder(), both=False), short(rng, 5, 100)
    plan, segment = Plan(is_cable=True), rng.choice(SEGMENTS)
    plan.at(0, soak.lab.wire.set_link, nodes[0].name, segment, False)
    plan.at(ms, soak.lab.wire.set_link, nodes[0].name, segment, True)
    plan.at(ms, soak.wait_link, nodes[0].gateway, segment)
    plan.detail = f"{word} {segment} {ms} ms"
    return plan


@kind("nic-replaced", 1, "a NIC unplugged and plugged in again", False)
def nic_replaced(rng, soak):
    (word, nodes), segment = whom(rng, soak.nodes, soak.holder(), both=False), rng.choice(SEGMENTS)
    plan, gateway = Plan(is_cable=True, from_start=True), nodes[0].gateway
    plan.at(0, soak.lab.topology.remove_nic, gateway, segment)
    ms = rng.uniform(0, 200)
    plan.at(ms, soak.add_nic, gateway, segment)
    plan.at(ms, soak.wait_link, gateway, segment)
    plan.detail = f"{word} {segment} {NICS[segment]}"
    return plan


@kind("power-off", 2, "a node loses power and returns", False)
def power_off(rng, soak):
    (word, nodes), ms = whom(rng, soak.nodes, soak.holder(), both=False), rng.uniform(0, 300)
    plan = Plan(takes_node=True, from_start=True)
    plan.at(0, soak.lab.wire.set_node, nodes[0].name, CUT_BOTH)
    plan.at(0, nodes[0].power_off)
    plan.at(ms, nodes[0].power_on)
    plan.detail = f"{word} {ms:.0f} ms"
    return plan


@kind("both-power-off", 1, "both nodes lose power and return at once", False)
def both_power_off(rng, soak):
    plan = Plan(is_boot=True, takes_node=True, is_partition=True)
    for node in soak.nodes:
        plan.at(0, node.power_off)
        plan.at(rng.uniform(1, 50), node.power_on)
    return plan


def merged(first, second):
    """Two faults at once."""
    both = (first, second)
    is_cable = all(plan.is_cable for plan in both)
    return Plan(steps=first.steps + second.steps,
                is_partition=any(plan.is_partition for plan in both) or is_cable,
                is_cable=any(plan.is_cable for plan in both),
                is_tampered=any(plan.is_tampered for plan in both),
                is_boot=any(plan.is_boot for plan in both),
                takes_node=any(plan.takes_node for plan in both))


@kind("pair", 40, "two of the light faults at once")
def pair(rng, soak):
    light = [k for k in KINDS.values() if k.is_light and k.name != "pair"]
    chosen = rng.choices(light, [k.weight for k in light], k=2)
    plans = [one.make(rng, soak) for one in chosen]
    plan = merged(*plans)
    plan.detail = " & ".join(f"{one.name} {p.detail}" for one, p in zip(chosen, plans))
    return plan
