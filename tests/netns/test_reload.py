# SPDX-License-Identifier: GPL-2.0-or-later
"""New files for a running pair, and the agent's own children lost on the way."""
import contextlib
import fcntl
import json
import os
import re
import resource
import signal
import subprocess
from pathlib import Path

import pytest
from agents import Settings
from procs import BUILD, in_ns, run, session_of, wait_for
from scenarios import wait_steady
from topology import GATEWAYS, NICS, VIP4, VIP6
from traffic import Echo, who_answers

MORE = "10.1.0.77"


def addresses(lab, node, nic):
    """All addresses on a NIC."""
    shown = json.loads(lab.run(node, "ip", "-json", "address", "show", "dev", nic).stdout)
    return {a["local"] for link in shown for a in link.get("addr_info", ())}


def places(lab, node, address):
    """The NICs that an address is on."""
    return {nic for nic in NICS.values() if address in addresses(lab, node, nic)}


def children(agent, name):
    """Processes that the agent forked under this name."""
    found = []
    for pid in session_of(agent.process.pid):
        with contextlib.suppress(OSError):
            if Path(f"/proc/{pid}/comm").read_text().strip() == name:
                found.append(pid)
    return found


def loaded(lab, agent):
    """What holds the NICs, by port: `hagate-load status --json`."""
    done = run(*in_ns(lab.ns(agent.name), BUILD / "bin" / "hagate-load", "--pin", agent.pin,
                      "status", "--json"))
    return {port["name"]: port for port in json.loads(done.stdout)["ports"]}


def link_id(agent, port):
    return json.loads(run("bpftool", "-j", "link", "show", "pinned",
                          agent.pin / f"link_{port}").stdout)["id"]


def mapped(agent):
    """hg_port: the ifindexes that the data path has a port for, and the port's name."""
    dump = json.loads(run("bpftool", "-j", "map", "dump", "pinned", agent.pin / "hg_port").stdout)
    found = {}
    for entry in dump:
        name = entry["formatted"]["value"]["name"]
        text = name if isinstance(name, str) else "".join(map(chr, name))
        found[entry["formatted"]["key"]] = text.rstrip("\0")
    return found


@contextlib.contextmanager
def locked(directory):
    """Keeps every loader from a pin directory: a child of a reload waits, up to 10 s."""
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


# --- NICs --------------------------------------------------------------------------------


def test_swapped_nics_keep_their_gates(lab, pair):
    """The standby's lan and wan change places: names follow, no NIC is without the gate."""
    _, second = pair
    before = {port: link_id(second, port) for port in NICS}
    swapped = NICS | {"lan": NICS["wan"], "wan": NICS["lan"]}
    for nics, links in ((swapped, before | {"lan": before["wan"], "wan": before["lan"]}),
                        (NICS, before)):
        second.macs["lan"], second.macs["wan"] = second.macs["wan"], second.macs["lan"]
        second.write(Settings())
        second.command("reload")
        ports = {p["name"]: p for p in second.status()["ports"]}
        assert {name: p["ifname"] for name, p in ports.items()} == nics
        assert all(p["xdp"] == "native" for p in ports.values()), ports
        held = loaded(lab, second)
        assert {name: p["ifname"] for name, p in held.items()} == nics
        assert all(p["xdp"] == "native" and p["tc_id"] for p in held.values()), held
        assert {port: link_id(second, port) for port in NICS} == links, "made anew"
        assert mapped(second) == {p["ifindex"]: name for name, p in held.items()}
        assert not list(second.pin.glob("moving_*"))
    second.wait_role("standby")
    assert pair[0].is_active()


def test_pins_of_a_reload_that_died_half_way(lab, pair):
    """A pin under the name in between, and one under the other port's name."""
    _, second = pair
    before = {port: link_id(second, port) for port in NICS}
    os.rename(second.pin / "link_lan", second.pin / "moving_wan")
    os.rename(second.pin / "link_wan", second.pin / "link_lan")
    second.command("reload")
    assert {port: link_id(second, port) for port in NICS} == before
    assert {name: p["ifname"] for name, p in loaded(lab, second).items()} == NICS
    assert not list(second.pin.glob("moving_*"))


@pytest.mark.parametrize("how, port", [("reload", "ha"), ("restart", "ha"), ("reload", "lan")])
def test_removed_port_leaves_no_gate(lab, pair, how, port):
    """Of gw2 only. Removing lan also moves the other ports to other slots."""
    _, second = pair
    gone = loaded(lab, second)[port]
    left = {name: nic for name, nic in NICS.items() if name != port}
    del second.macs[port]
    second.write(Settings())
    text = re.sub(rf"^  {port}: .*\n", "", second.cluster_yaml.read_text(), flags=re.M)
    second.cluster_yaml.write_text(re.sub(rf"{port}: [0-9.]+,? ?", "", text))
    if how == "reload":
        second.command("reload")
    else:
        second.stop()
        second.start()
    wait_for(second.is_ready, 10, "gw2 to be ready without the port")
    assert {p["name"]: p["ifname"] for p in second.status()["ports"]} == left
    held = loaded(lab, second)
    assert {name: p["ifname"] for name, p in held.items()} == left
    assert not (second.pin / f"link_{port}").exists()
    link = json.loads(lab.run("gw2", "ip", "-json", "link", "show", NICS[port]).stdout)
    assert "xdp" not in link[0]
    assert "hg_egress" not in lab.run("gw2", "tc", "filter", "show", "dev", NICS[port],
                                      "egress").stdout
    assert mapped(second) == {p["ifindex"]: name for name, p in held.items()}
    assert gone["ifindex"] not in mapped(second)
    second.macs[port] = GATEWAYS["gw2"].mac(port)
    second.write(Settings())
    second.command("reload")
    assert {name: p["ifname"] for name, p in loaded(lab, second).items()} == NICS
    wait_for(lambda: all(p["peer_heard"] for p in second.status()["ports"]), 5,
             "gw1 to be heard on all ports again")


# --- what reload refuses, and what it says --------------------------------------------------


def test_killed_setup_changes_nothing(lab, pair):
    first, _ = pair
    before, held = first.status(), loaded(lab, first)
    first.write(Settings(isolation="stop"))
    with Echo(lab, "hB") as echo:
        wait_steady(echo)
        with locked(first.pin):
            reload = subprocess.Popen(
                in_ns(lab.ns("gw1"), BUILD / "bin" / "hagate", "--run", first.run_dir, "reload"),
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            child, = wait_for(lambda: children(first, "hagated-setup"), 5, "setup's child",
                              pause=0.001)
            os.kill(child, signal.SIGKILL)
            _, errors = reload.communicate(timeout=60)
        assert echo.report()["lost"] == 0
    assert reload.returncode == 1 and "nothing changed" in errors, errors
    assert re.search("child .* died", errors), errors
    after = first.status()
    assert after["isolation"] == before["isolation"] == "continue"
    assert after["epoch"] == before["epoch"] and first.is_active()
    assert loaded(lab, first) == held
    first.command("reload")
    assert first.status()["isolation"] == "stop"


def test_good_reload_speaks_of_no_death(pair):
    for agent in pair:
        done = agent.command("reload")
        assert "rules are in force" in done.stdout and not done.stderr, done
        assert "died" not in done.stdout + agent.log_text()
        agent.write(Settings(extra="filter: { rules: [drop in on wan proto tcp] }\n"))
        assert "; 1 rule is in force" in agent.command("reload").stdout


def test_changed_id_of_the_peer_is_refused(pair):
    first, second = pair
    text = first.cluster_yaml.read_text()
    assert "gw2: { id: 2," in text
    first.cluster_yaml.write_text(text.replace("gw2: { id: 2,", "gw2: { id: 3,"))
    done = first.command("reload", check=False)
    assert done.returncode == 1 and "peer's id changed" in done.stderr, done
    assert "takes the place of another keeps its id" in done.stderr
    assert first.is_active() and first.is_ready() and second.is_ready()


def test_different_configurations_are_a_fault_on_both(pair):
    first, second = pair
    first.write(Settings(timers={"drain": "700ms"}))
    first.command("reload")
    for agent, other in ((first, "gw2"), (second, "gw1")):
        wait_for(lambda a=agent, o=other: [f for f in a.status()["faults"]
                                           if "differs" in f and o in f],
                 5, f"{agent.name} to say that {other} has another configuration")
    second.write(Settings(timers={"drain": "700ms"}))
    second.command("reload")
    wait_for(lambda: not first.status()["faults"] and not second.status()["faults"], 5,
             "the faults to go")


# --- VIPs ------------------------------------------------------------------------------------


def test_holder_switched_off_by_reload(lab, pair):
    first, second = pair
    wait_for(lambda: places(lab, "gw1", VIP4["lan"]), 5, "gw1 to have the VIP")
    first.mode = "off"
    first.write(Settings())
    first.command("reload")
    wait_for(second.is_active, 10, "gw2 to take over")
    vips = {*VIP4.values(), *VIP6.values()}
    wait_for(lambda: not any(places(lab, "gw1", vip) for vip in vips), 5,
             "the VIPs to leave gw1's NICs")
    assert first.role() == "off" and not first.status()["serving"]
    assert who_answers(lab, "hB", VIP4["lan"]) == {GATEWAYS["gw2"].mac("lan")}
    assert not any(places(lab, "gw1", vip) for vip in vips), "they came back"
    first.mode = "member"
    first.write(Settings())
    first.command("reload")
    first.wait_role("standby")


def test_vip_moves_to_another_port(lab, start):
    old, new = Settings(), Settings()
    old.vips["lan"].append(f"{MORE}/24")
    new.vips["wan"].append(f"{MORE}/24")
    first, second = start(old)
    lan, wan = {NICS["lan"]}, {NICS["wan"]}
    wait_for(lambda: places(lab, "gw1", MORE) == lan, 5, "the VIP on gw1's lan")
    for agent in (first, second):
        agent.write(new)
        agent.command("reload")
    wait_for(lambda: places(lab, "gw1", MORE) == wan, 5, "the VIP on gw1's wan only")
    assert not places(lab, "gw2", MORE)
    first.command("handover")
    wait_for(lambda: places(lab, "gw2", MORE) == wan, 5, "the VIP on gw2's wan only")
    wait_for(lambda: not places(lab, "gw1", MORE), 5, "the VIP to leave gw1")
    assert places(lab, "gw2", MORE) == wan and second.is_active()


# --- the agent's processes --------------------------------------------------------------------


def test_maintenance_twice(pair):
    first, _ = pair
    first.command("maintenance", "on")
    again = first.command("maintenance", "on")
    assert "already" in again.stdout
    first.command("maintenance", "off")
    first.wait_role("standby")
    assert "off already" in first.command("maintenance", "off").stdout
    orders = [line for line in first.command("events").stdout.splitlines() if "by uid" in line]
    assert len(orders) == 2


def test_maintenance_is_remembered_at_once(pair):
    """SIGTERM right behind the command, while the worker that writes it stands still."""
    first, second = pair
    worker, = children(first, "hagated-worker")
    os.kill(worker, signal.SIGSTOP)
    first.command("maintenance", "on")
    first.process.terminate()
    os.kill(worker, signal.SIGCONT)  # within the 2 s that the agent waits for it
    first.process.wait(30)
    wait_for(second.is_active, 10, "gw2 to serve")
    first.start()
    first.wait_role("maintenance")


def test_takeover_without_a_worker(lab, pair):
    """No worker and no descriptor for a new one: gw2 answers for the VIPs all the same,
    and puts them on its NICs when it can."""
    first, second = pair
    pid = second.process.pid
    limits = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, limits[1]))
    worker, = children(second, "hagated-worker")
    os.kill(worker, signal.SIGKILL)
    wait_for(lambda: "worker: " in second.log_text(), 5, "gw2 to miss its worker")
    first.power_off()
    wait_for(lambda: who_answers(lab, "hB", VIP4["lan"], count=1) ==
             {GATEWAYS["gw2"].mac("lan")}, 10, "gw2 to answer")
    assert second.is_running() and not children(second, "hagated-worker")
    assert not places(lab, "gw2", VIP4["lan"])
    resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)
    wait_for(lambda: places(lab, "gw2", VIP4["lan"]) == {NICS["lan"]}, 10, "the VIP on gw2")
    assert second.is_active() and second.process.pid == pid


@pytest.mark.parametrize("fault", ["kill", "suspend"])
def test_status_beside_a_dead_agent(pair, fault):
    first, second = pair
    getattr(first, fault)()
    wait_for(second.is_active, 10, "gw2 to take over")
    wait_for(lambda: second.status()["faults"], 5, "gw2 to say that gw1's agent is dead")
    status, text = second.status(), second.command("status").stdout
    assert "BOTH SERVE" not in text and "gw2 (this node) SERVES" in text
    assert status["peer"]["role"] == "unknown" and status["overlap_ms"] == 0
    assert any("gw1" in f and "agent is dead" in f for f in status["faults"]), status["faults"]
    if fault == "suspend":
        first.resume()
        first.wait_role("standby")
        wait_for(lambda: not second.status()["faults"], 5, "the fault to go")
