# SPDX-License-Identifier: GPL-2.0-or-later
"""Real and virtual MACs on switches that learn and on switches that do not."""
import pytest
from agents import Settings
from procs import wait_for
from scenarios import measured, wait_steady
from topology import GATEWAYS, SEGMENTS, VIP4
from traffic import Echo, arp_entry, who_answers

VRIDS = {"lan": 51, "wan": 52}
VMACS = {segment: f"00:00:5e:00:01:{vrid:02x}" for segment, vrid in VRIDS.items()}
VIRTUAL = Settings(mac="virtual", vrids=VRIDS)
HEARTBEAT = "heartbeat"


def own_addresses(gateway):
    return {gateway.address(s) for s in SEGMENTS}


def of_the_gateway(lab, node):
    """Frames that are the gateway's, not the node's own: transit, and ARP for VIPs."""
    for one in lab.wire.seen(node):
        is_transit = one.kind == "ip4" and one.address not in own_addresses(GATEWAYS[node])
        is_arp = one.kind.startswith("arp") and one.address in VIP4.values()
        if is_transit or is_arp:
            yield one


def test_virtual_mac_moves_with_the_lease(lab, start):
    """Hosts' ARP entries stay; each frame of the gateway carries the virtual MAC."""
    first, second = start(VIRTUAL)
    with Echo(lab, "hB") as echo:
        wait_steady(echo)
        assert who_answers(lab, "hB", VIP4["lan"]) == {VMACS["lan"]}
        assert arp_entry(lab, "hB", VIP4["lan"]) == VMACS["lan"]
        lab.wire.forget()
        report = measured(echo, first.power_off, second.is_active)
        assert report["gap_ms"] < 2000
        assert arp_entry(lab, "hB", VIP4["lan"]) == VMACS["lan"]
    seen = list(of_the_gateway(lab, "gw2"))
    assert {one.segment for one in seen} == {"lan", "wan"}
    assert all(one.mac == VMACS[one.segment] for one in seen), seen


def test_standby_never_uses_the_virtual_mac(lab, start):
    first, second = start(VIRTUAL)
    lab.wire.forget()
    with Echo(lab, "hB") as echo:
        wait_steady(echo)
    frames = lab.wire.seen("gw2")
    assert any(one.kind == HEARTBEAT for one in frames), "the sink saw the standby"
    assert not [one for one in frames if one.mac in VMACS.values()]
    assert any(one.mac == VMACS["lan"] for one in lab.wire.seen("gw1"))


def test_heartbeats_keep_the_real_mac(lab, start):
    start(VIRTUAL)
    lab.wire.forget()
    wait_for(lambda: lab.wire.seen("gw1", HEARTBEAT), 5, "heartbeats of gw1")
    assert all(one.mac == GATEWAYS["gw1"].mac(one.segment)
               for one in lab.wire.seen("gw1", HEARTBEAT))


class TestStaticSwitch:
    """vSwitches that never learn: each knows only the MACs of its own VMs."""

    @pytest.fixture(scope="class", autouse=True)
    def static(self, lab):
        lab.topology.make_static(VMACS)
        yield
        lab.topology.make_learning()

    @pytest.mark.parametrize("host", ["hA", "hB", "hO"])
    def test_real_mac_serves_all(self, lab, start, host):
        first, second = start()
        with Echo(lab, host) as echo:
            wait_steady(echo)
            report = measured(echo, first.power_off, second.is_active)
        assert report["gap_ms"] < 2000

    def test_virtual_mac_fails_behind_the_standby(self, lab, start):
        """Why `real` is the default: hB's vSwitch keeps the virtual MAC to gw2."""
        start(VIRTUAL)
        with Echo(lab, "hA") as echo:
            wait_steady(echo)
        with Echo(lab, "hB", rate=1000) as echo:
            wait_for(lambda: echo.ask("state")["sent"] > 500, 10, "500 packets")
            assert echo.report()["received"] == 0
