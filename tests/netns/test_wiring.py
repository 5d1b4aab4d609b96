# SPDX-License-Identifier: GPL-2.0-or-later
"""Faults of wiring: each is named in words on both nodes, and none activates anything.

The switch ends of gw2's NICs are moved between the bridges of its hypervisor, as when
a virtual NIC is put into the wrong port group.
"""
import contextlib
import os
import signal
import time

import pytest
from agents import Settings
from procs import wait_for
from scenarios import wait_steady
from topology import GATEWAYS, NICS, VIP4
from traffic import Echo, who_answers

GW1, GW2 = GATEWAYS["gw1"], GATEWAYS["gw2"]
CALM = Settings()  # speed is not the point here
long = pytest.mark.skipif(not os.environ.get("LONG"), reason="`make wiring-long`")


@pytest.fixture(name="pair")
def _pair(start):
    return start(CALM)


def port(agent, name):
    return next(p for p in agent.status()["ports"] if p["name"] == name)


def fault(agent, name):
    return next((p["fault"] for p in agent.status().get("ports", ()) if p["name"] == name),
                None) or ""


def wait_fault(agent, name, *words, timeout=10):
    """Until the port's fault has all the words; returns it."""
    wait_for(lambda: all(word in fault(agent, name) for word in words), timeout,
             f"{agent.name}'s {name} to say {words}; it says {fault(agent, name)!r}")
    return fault(agent, name)


def wait_well(pair, timeout=15):
    wait_for(lambda: not any(p["fault"] for agent in pair for p in agent.status()["ports"]),
             timeout, "all ports to be well again")


@contextlib.contextmanager
def moved(lab, gateway, **places):
    """The NICs of a gateway hang on other segments: lan="wan" puts its lan on the wan."""
    def put(segment, bridge):
        lab.topology.ip(gateway.hypervisor, f"link set {gateway.port(segment)} master {bridge}")
    for segment, bridge in places.items():
        put(segment, bridge)
    wait_for(lab.topology.is_forwarding, 10, "all switch ports to forward")
    try:
        yield
    finally:
        for segment in places:
            put(segment, segment)
        wait_for(lab.topology.is_forwarding, 10, "all switch ports to forward")


def never_active(agent, seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        status = agent.status()
        assert not status["serving"] and status["role"] != "active", status["reason"]
        time.sleep(0.05)


def test_crossed_cables(lab, pair):
    """gw2's lan hangs on the wan and its wan on the lan: unfit, also when gw1 is gone."""
    first, second = pair
    with moved(lab, GW2, lan="wan", wan="lan"), Echo(lab, "hA") as echo:
        for agent, peer in ((first, "gw2"), (second, "gw1")):
            wait_fault(agent, "lan", f"hears frames of {peer}'s port wan", "crossed")
            wait_fault(agent, "wan", f"hears frames of {peer}'s port lan", "crossed")
            assert "crossed" in agent.command("ports").stdout
            assert "crossed" in agent.command("status").stdout
        wait_for(lambda: second.role() == "fault", 5, "gw2 to be unfit")
        wait_steady(echo)
        assert first.is_active()
        first.power_off()
        never_active(second, 3)
        wait_fault(second, "lan", "hagate reload")
        first.power_on()
        wait_for(first.is_active, 10, "gw1 to serve again")
        assert not second.status()["serving"]
    wait_well(pair)
    assert second.role() == "standby" and first.is_active()


@long
def test_crossed_cables_mended_while_the_peer_is_off(lab, pair):
    """Nothing is heard that could prove it: the operator says so by a reload."""
    first, second = pair
    with moved(lab, GW2, lan="wan", wan="lan"):
        wait_fault(second, "lan", "crossed")
        wait_fault(second, "wan", "crossed")
        first.power_off()
        never_active(second, 1)
    never_active(second, 1)
    second.command("reload")
    wait_for(second.is_active, 10, "gw2 to take over")
    assert who_answers(lab, "hB", VIP4["lan"]) == {GW2.mac("lan")}


def test_two_ports_on_one_segment(lab, pair):
    """gw2's wan hangs on the lan: gw2 is unfit, gw1 knows whose fault it is and serves."""
    first, second = pair
    with moved(lab, GW2, wan="lan"):
        wait_fault(second, "lan", "wan", "hang on one segment")
        wait_fault(second, "wan", "lan", "hang on one segment")
        wait_fault(first, "lan", "gw2", "one segment")
        wait_for(lambda: second.role() == "fault", 10, "gw2 to be unfit")
        assert first.is_active() and first.status()["serving"]
        with Echo(lab, "hB") as echo:
            wait_steady(echo)
        assert "one segment" in first.command("ports").stdout
    wait_well(pair)
    wait_for(lambda: second.role() == "standby", 5, "gw2 to be well")


@long
def test_holder_with_two_ports_on_one_segment_hands_over(lab, pair):
    first, second = pair
    with moved(lab, GATEWAYS["gw1"], wan="lan"):
        wait_for(second.is_active, 15, "gw2 to take over")
        assert "one segment" in fault(first, "wan") and not first.status()["serving"]
    wait_well(pair)


@long
def test_joined_networks_stop_nobody(lab, pair):
    """Lan and wan are one network, for both nodes: named, and the gateway serves on."""
    first, second = pair
    epoch = first.epoch()
    lab.topology.ip("phy", "link add hgj0 type veth peer name hgj1", "link set hgj0 master lan up",
                    "link set hgj1 master wan up")
    try:
        for agent in pair:
            wait_fault(agent, "lan", "one segment", "the networks are joined")
        end = time.monotonic() + 5
        wait_for(lambda: time.monotonic() > end or not first.is_active(), 6, "five seconds")
        assert first.is_active() and first.epoch() == epoch and second.role() == "standby"
    finally:
        lab.topology.ip("phy", "link del hgj0")
    wait_well(pair)


def test_own_frames_reflected(lab, pair):
    """A switch port that sends a node's broadcasts back to it, as some NIC teaming does."""
    first, second = pair
    lab.topology.ip("A", f"link set dev {GATEWAYS['gw1'].port('lan')} type bridge_slave hairpin on")
    try:
        wait_fault(first, "lan", "gets its own frames back")
        wait_fault(second, "lan", "gw1 says", "own frames back")
        assert first.is_active() and second.role() == "standby"
        assert "own frames" in second.command("ports").stdout
    finally:
        lab.topology.ip("A", f"link set dev {GATEWAYS['gw1'].port('lan')} type bridge_slave "
                             "hairpin off")
    wait_well(pair)


def events(agent):
    return agent.command("events").stdout


def test_pulled_cable(lab, pair):
    """The node with the cable says so, and the other names it too. Neither missed the other on
    a port when the pair began."""
    first, second = pair
    for agent in pair:
        assert "not heard on this segment" not in events(agent), events(agent)
    lab.wire.set_link("gw2", "wan", False)
    wait_fault(second, "wan", "eth1 has no link")
    wait_fault(first, "wan", "gw2 says that its NIC has no link there")
    assert first.is_active()
    lines = second.command("ports").stdout
    assert "wan: port wan" not in lines and "\nport wan: eth1 has no link" in lines
    lab.wire.set_link("gw2", "wan", True)
    wait_well(pair)


def test_answers_of_xdp_get_lost(lab, pair):
    """gw2's NIC on lan sends what agents send and loses what XDP sends, as a veth does whose
    other end has no XDP program."""
    first, second = pair
    lab.processes.signal(second.process, signal.SIGSTOP)  # asks nobody meanwhile
    time.sleep(4)  # the pause itself: no fault may come of it
    lab.processes.signal(second.process, signal.SIGCONT)
    port_of = GW2.port("lan")
    lab.topology.run("B", "ip", "link", "set", "dev", port_of, "xdpdrv", "off")
    said = wait_fault(first, "lan", "never an answer made by XDP")
    assert "on gw2: `hagate-load probe`" in said
    assert not fault(first, "wan") and first.is_active()
    lab.topology.run("B", "ip", "link", "set", "dev", port_of, "xdpdrv", "pinned",
                     lab.wire.pin / "wire_from")
    wait_well(pair)
    assert events(first).count("never an answer") == 1
    assert "never an answer" not in events(second)


@long
def test_missing_segment(lab, pair):
    """gw2's wan hangs on a bridge of its own: both say that they miss the other there."""
    first, second = pair
    lab.topology.ip("B", "link add nowhere type bridge stp_state 0 forward_delay 0",
                    "link set nowhere up")
    try:
        with moved(lab, GW2, wan="nowhere"):
            wait_fault(first, "wan", "gw2 is not heard on this segment")
            wait_fault(second, "wan", "gw1 is not heard on this segment")
            assert first.is_active()
    finally:
        lab.topology.ip("B", "link del nowhere")
    wait_well(pair)


@long
def test_hot_removed(lab, pair):
    first, second = pair
    lab.topology.remove_nic(GW2, "wan")
    wait_fault(second, "wan", "is gone")
    wait_fault(first, "wan", "gw2 says that its NIC has no link there")
    assert first.is_active()
    lab.topology.add_nic(GW2, "wan")
    lab.wire.attach_port(GW2, "wan")
    wait_well(pair)


def rename(lab, gateway, names):
    """Renames NICs, through names that nobody has."""
    lines = []
    for old in names:
        lines += [f"link set {old} down", f"link set {old} name x{old}"]
    lines += [f"link set x{old} name {new}" for old, new in names.items()]
    lines += [f"link set {new} up" for new in names.values()]
    lab.topology.ip(gateway.name, *lines)
    for segment, nic in NICS.items():
        if names.get(nic) and segment != "ha":  # IPv6 addresses went with the link
            lab.topology.ip(gateway.name, f"address replace {gateway.address6(segment)}/64 "
                                          f"dev {names[nic]} nodad")


SWAP = {"eth0": "eth1", "eth1": "eth0"}


@pytest.fixture(name="swapped")
def _swapped(lab):
    """rename(), undone at the end."""
    done = []

    def swap():
        rename(lab, GW2, SWAP)
        done.append(True)
    yield swap
    if len(done) % 2:
        rename(lab, GW2, SWAP)


def test_names_swapped_by_a_reboot(lab, start, swapped):
    """eth0 is eth1 and the other way round: bound by MAC, each port has its NIC."""
    first, second = start(CALM)
    second.power_off()
    swapped()
    second.power_on()
    wait_for(second.is_ready, 15, "gw2 to be back")
    wait_well((first, second))
    assert port(second, "lan")["ifname"] == "eth1" and port(second, "wan")["ifname"] == "eth0"
    assert port(second, "lan")["mac"] == GW2.mac("lan")
    first.command("handover")
    with Echo(lab, "hA") as echo:
        wait_steady(echo)
    assert second.is_active() and who_answers(lab, "hA", VIP4["lan"]) == {GW2.mac("lan")}


@long
def test_renamed_while_it_runs(lab, start, swapped):
    first, second = start(CALM)
    swapped()
    wait_for(lambda: port(second, "lan")["ifname"] == "eth1" and
             port(second, "wan")["ifname"] == "eth0", 10, "gw2 to know the new names")
    wait_well((first, second))
    first.command("handover")
    with Echo(lab, "hA") as echo:
        wait_steady(echo)
    assert second.is_active()


@long
def test_bound_by_name_and_swapped_by_a_reboot(lab, start, swapped):
    """What binding by name costs: crossed, named on both nodes, and not activated."""
    first, second = start(CALM)
    second.power_off()
    swapped()
    text = second.node_yaml.read_text()
    for segment in ("lan", "wan"):
        text = text.replace(f'{{ mac: "{GW2.mac(segment)}" }}', f"{{ name: {NICS[segment]} }}")
    second.node_yaml.write_text(text)
    second.power_on()
    wait_fault(second, "lan", "crossed in node.yaml", timeout=15)
    for name in ("lan", "wan"):
        wait_for(lambda n=name: fault(first, n), 10, f"gw1 to find a fault on {name}")
    first.power_off()
    never_active(second, 3)


@pytest.mark.parametrize("cluster, said", [
    ("lab", "gw1 of cluster lab (MAC) is another machine with this node's name"),
    ("new", "gw1 of cluster CLUSTER (MAC) has this node's id")])
def test_a_second_machine_under_one_id(lab, start, cluster, said):
    """A clone of gw1, or a cluster of its own made under gw1's key: both say so."""
    first, second = start(CALM)
    second.power_off()
    second.node_yaml.write_text(second.node_yaml.read_text().replace("node: gw2", "node: gw1"))
    second.cluster_yaml.write_text(second.cluster_yaml.read_text().replace("cluster: lab",
                                                                           f"cluster: {cluster}"))
    second.power_on()
    for agent, other, its in ((first, GW2, cluster), (second, GW1, "lab")):
        wait_fault(agent, "lan",
                   said.replace("MAC", other.mac("lan")).replace("CLUSTER", its), timeout=15)
