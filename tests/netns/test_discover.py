# SPDX-License-Identifier: GPL-2.0-or-later
"""`hagate discover` on a fresh gw2, beside a gw1 that serves."""
import json
import shutil

import pytest
from agents import Settings, random_key
from procs import BUILD, in_ns, run, wait_for
from test_wiring import GW2, long, moved
from topology import GATEWAYS, NICS, SEGMENTS

HAGATE = BUILD / "bin" / "hagate"


@pytest.fixture(scope="module", name="first")
def _first(lab):
    first, _ = lab.use_hagate(Settings())
    first.start()
    wait_for(first.is_active, 10, "gw1 to be active")
    yield first
    lab.reset_gateways()


def discover(lab, *args, seconds=2, check=True):
    return run(*in_ns(lab.ns("gw2"), HAGATE, "discover", "--seconds", seconds, *args), check=check)


def found(lab, *args, **keywords):
    return json.loads(discover(lab, "--json", *args, **keywords).stdout)


def nic(answer, ifname):
    return next(n for n in answer["nics"] if n["ifname"] == ifname)


def test_proposes_each_port_verified(lab, first, tmp_path):
    """The printed section is a node.yaml's `ports:` as it is; nothing was sent or written."""
    lab.wire.forget()
    text = discover(lab, "--key", first.key).stdout
    assert not [one for one in lab.wire.seen("gw2") if one.kind == "other"]
    assert text.count("verified") >= 6 and "unverified" not in text
    ports = text[text.index("ports:"):]
    second = lab.agents["gw2"]
    node = tmp_path / "node.yaml"
    shutil.copy(first.key, tmp_path / "key")
    node.write_text(f"node: gw2\nkey: {tmp_path / 'key'}\nmode: member\ncluster: "
                    f"{second.cluster_yaml}\n{ports}")
    run(BUILD / "bin" / "hagated", "--node", node, "--check")
    answer = found(lab, "--node", node)
    assert answer["ports"] == {s: {"mac": GW2.mac(s)} for s in SEGMENTS}
    for segment in SEGMENTS:
        one = nic(answer, NICS[segment])
        assert one["port"] == segment and one["basis"] == "verified"
        assert one["peers"][0]["node"] == "gw1" and one["peers"][0]["verified"]
        assert one["peers"][0]["mac"] == GATEWAYS["gw1"].mac(segment)


def test_without_a_key_it_is_said(lab, first):
    assert first.is_active()
    answer = found(lab)
    assert not answer["has_key"] and nic(answer, "eth0")["basis"] == "unverified"
    assert any("without the cluster key" in note for note in answer["notes"])


@long
def test_under_another_key(lab, first, tmp_path):
    key = tmp_path / "key"
    key.touch(mode=0o600)
    key.write_text(random_key() + "\n")
    answer = found(lab, "--key", key)
    assert nic(answer, "eth0")["basis"] == "guess"
    assert any("not under this key" in note for note in answer["notes"])
    assert first.is_active()


def test_crossed_cables_follow_the_wire(lab, first):
    """Not the address decides, but what is heard."""
    with moved(lab, GW2, lan="wan", wan="lan"):
        answer = found(lab, "--key", first.key)
    assert answer["ports"]["lan"] == {"mac": GW2.mac("wan")}
    assert answer["ports"]["wan"] == {"mac": GW2.mac("lan")}


def test_two_nics_on_one_segment(lab, first):
    with moved(lab, GW2, wan="lan"):
        answer = found(lab, "--key", first.key, "--probe")
    assert nic(answer, "eth0")["shares_segment_with"] == ["eth1"]
    assert nic(answer, "eth1")["ambiguous"] and set(answer["ports"]) == {"ha"}
    assert any("eth0 and eth1 hang on one segment" in note for note in answer["notes"])


@long
def test_own_frames_reflected_and_links(lab, first):
    port = GW2.port("lan")
    lab.topology.ip("B", f"link set dev {port} type bridge_slave hairpin on")
    lab.topology.ip("gw2", "link set eth2 down")
    try:
        answer = found(lab, "--probe", "--key", first.key)
    finally:
        lab.topology.ip("B", f"link set dev {port} type bridge_slave hairpin off")
        lab.topology.ip("gw2", "link set eth2 up")
    assert nic(answer, "eth0")["reflected"] and not nic(answer, "eth1")["reflected"]
    assert any("eth2 is down" in note for note in answer["notes"])


@long
def test_networks_are_seen(lab, first):
    """Hosts that ask for an address are counted with their network."""
    assert first.is_active()
    lab.processes.start(in_ns(lab.ns("hB"), "sh", "-c", "for i in 1 2 3 4 5 6; do "
                              "arping -q -c1 -w1 -I eth0 10.1.0.99; done"))
    answer = found(lab, seconds=3)
    assert {"net": "10.1.0.0/24", "hosts": 1} in nic(answer, "eth0")["networks"]
    assert not nic(answer, "eth1")["networks"] or \
        nic(answer, "eth1")["networks"][0]["net"] != "10.1.0.0/24"


def test_refusals(lab, tmp_path):
    lab.tmp.chmod(0o755)
    hagate = shutil.copy(HAGATE, lab.tmp / "hagate-discover")
    done = run(*in_ns(lab.ns("gw2"), "setpriv", "--reuid=65534", "--regid=65534",
                      "--clear-groups", hagate, "discover", "--seconds", 1), check=False)
    assert done.returncode == 1 and "root" in done.stderr
    assert discover(lab, seconds=0, check=False).returncode == 2
    assert discover(lab, "--key", tmp_path / "no", check=False).returncode == 1
    done = discover(lab, "--node", "/dev/null", check=False)
    assert done.returncode == 1 and "key: FILE" in done.stderr
