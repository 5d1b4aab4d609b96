# SPDX-License-Identifier: GPL-2.0-or-later
"""What an operator does and sees: commands, files, sockets, pins."""
import contextlib
import fcntl
import json
import os
import pty
import re
import shutil
import stat
import struct
import subprocess
import termios

import pytest
from agents import Settings
from procs import BUILD, in_ns, run, wait_for
from scenarios import wait_steady
from topology import GATEWAYS, NICS, SEGMENTS, VIP4
from traffic import Echo, who_answers

STATUS_KEYS = {"version", "cluster", "node", "role", "reason", "since_ms", "epoch", "lease_ms",
               "serving", "mac_mode", "peer", "health", "ports", "vips", "failover"}
PEER_KEYS = {"node", "role", "epoch", "reachable", "agent_age_ms", "rtt_us", "health"}
PORT_KEYS = {"name", "ifname", "mac", "link", "xdp", "peer_heard", "fault"}


def test_status_json(pair):
    first, second = pair
    wait_for(lambda: first.status()["peer"]["rtt_us"] is not None, 5, "a round trip time")
    for agent in pair:
        status = agent.status()
        assert STATUS_KEYS <= set(status)
        assert PEER_KEYS <= set(status["peer"])
        assert [p["name"] for p in status["ports"]] == list(SEGMENTS)
        for port in status["ports"]:
            assert PORT_KEYS <= set(port)
            assert port["ifname"] == NICS[port["name"]] and port["xdp"] == "native"
            assert port["link"] is True and port["fault"] is None
        assert {"address": "10.1.0.1/24", "port": "lan"} in status["vips"]
        assert {"count", "last_ms"} <= set(status["failover"])
        assert re.fullmatch("0x[0-9a-f]{16}", status["epoch"])
    assert first.status()["serving"] and not second.status()["serving"]
    wait_for(lambda: 0 < first.status()["lease_ms"] <= 400.1, 5, "a lease that gw2 grants")
    assert first.role() == "active" and second.role() == "standby"
    assert first.status()["peer"]["node"] == "gw2"


def on_terminal(agent, columns, *args):
    """What the command prints on a terminal of that width, without colours."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", 24, columns, 0, 0))
    done = subprocess.run(in_ns(agent.lab.ns(agent.name), BUILD / "bin" / "hagate", "--run",
                                agent.run_dir, *args), stdout=theirs, check=True, timeout=20,
                          env={"NO_COLOR": "1"})
    os.close(theirs)
    text = b""
    with contextlib.suppress(OSError):  # the other end is closed
        while chunk := os.read(ours, 65536):
            text += chunk
    os.close(ours)
    assert done.returncode == 0
    return text.decode().replace("\r\n", "\n")


def test_text_keeps_to_the_terminal(pair):
    second = pair[1]
    for columns, bound in ((60, 60), (80, 80), (200, 80), (5, 80)):
        head = on_terminal(second, columns, "status").split("PORT ")[0]
        assert max(map(len, head.splitlines())) <= bound, columns
    lines = on_terminal(second, 60, "why").splitlines()
    assert max(map(len, lines)) <= 60


def status_with_its_pins(agent, run_dir=None):
    """`hagate status` where the pins stand at their usual place, as on a machine of its own."""
    script = ('mount --bind "$1" /mnt && mount -t tmpfs none /sys/fs/bpf && '
              'mkdir /sys/fs/bpf/hagate && mount --bind /mnt /sys/fs/bpf/hagate && '
              'exec "$2" --run "$3" status')
    return run(*in_ns(agent.lab.ns(agent.name), "unshare", "--mount", "--propagation", "private",
                      "sh", "-c", script, "sh", agent.pin, BUILD / "bin" / "hagate",
                      run_dir or agent.run_dir), check=False)


def test_status_of_a_dead_agent(start):
    """It says what is so: on the standby, on the node that serves, and after its grace."""
    first, second = start(Settings(timers={"agent_grace": "6s"}))
    done = status_with_its_pins(first, "/nowhere")
    assert done.returncode == 3 and "SERVES without" not in done.stderr, done.stderr
    assert "An agent works here, and this node serves: is this its run" in done.stderr
    for agent, said in ((second, "does not serve"), (first, "This node SERVES without")):
        agent.kill()
        done = status_with_its_pins(agent)
        assert done.returncode == 3 and not done.stdout
        assert said in done.stderr and "systemctl restart hagated" in done.stderr, done.stderr
        if agent is second:
            agent.start()
            wait_for(second.is_ready, 10, "gw2 to be back")
    # gw1 serves on: its data path asks gw2's for leases, which outlive the agent.
    wait_for(lambda: second.status()["peer"]["agent_age_ms"] > 1200, 5, "gw1's agent to be missed")
    peer = second.status()["peer"]
    assert peer["serving"] and peer["role"] == "unknown", peer
    said = second.command("status").stdout
    assert said.startswith("gw1 (the peer) SERVES") and "its agent is silent" in said, said
    wait_for(lambda: "does not serve" in status_with_its_pins(first).stderr, 10,
             "the grace to be over")


def test_serving_again_alone_is_no_takeover(start):
    """gw1 relieved gw2's last term; after its own agent's restart there is nobody to relieve."""
    first, second = start(Settings())
    first.command("handover")
    wait_for(second.is_active, 5, "gw2 to serve")
    second.power_off()
    wait_for(first.is_active, 5, "gw1 to take over")
    assert first.status()["failover"]["last_ms"] > 0
    first.kill()
    wait_for(lambda: "serving   no" in run(BUILD / "bin" / "hagate-load", "--pin", first.pin,
                                           "status").stdout, 5, "gw1's lease to end")
    first.start()
    wait_for(first.is_active, 5, "gw1 to serve again")
    failover = first.status()["failover"]
    assert failover["count"] == 1 and failover["last_ms"] is None
    assert " took " not in first.command("status").stdout


def test_usage_is_exit_2(pair):
    assert pair[0].command("no-such-command", check=False).returncode == 2


def test_events_name_the_reason(pair):
    first, second = pair
    first.command("handover")
    lines = [json.loads(line) for line in
             second.command("events", "--json").stdout.splitlines()]
    changes = [e for e in lines if e["type"] == "transition" and e["to"] == "active"]
    assert changes[-1]["reason"] == "consent"
    assert "active" in second.command("events").stdout


def test_handover_of_a_standby_is_refused(pair):
    _, second = pair
    done = second.command("handover", check=False)
    assert done.returncode == 1 and "gw1" in done.stderr


def test_handover_that_comes_to_nothing(lab, start):
    """What gw1's XDP answers is lost (veth takes XDP_TX only where the other end has a program
    too): gw2 claims, and is never told that gw1 let go."""
    first, second = start(Settings())

    def switch_ends(*words):
        for segment in SEGMENTS:
            lab.run(first.gateway.hypervisor, "ip", "link", "set", "dev",
                    first.gateway.port(segment), *words)
    switch_ends("xdp", "off")
    try:
        done = first.command("handover", check=False)
        assert done.returncode == 1 and "not been heard serving" in done.stderr, done.stdout
        wait_for(first.is_active, 5, "gw1 to serve again")
        assert not second.is_active()
    finally:
        switch_ends("xdpdrv", "pinned", lab.wire.pin / "wire_from")
    assert "gw2 serves now" in first.command("handover").stdout
    assert second.is_active()


WRONG = [
    ("timers", "interval: 20ms", "interval: 150ms"),  # above a third of the lease
    ("unknown key", "isolation: continue", "isolatoin: continue"),
    ("vip", "10.1.0.1/24", "10.1.0.300/24"),
    ("twice", "cluster: lab", "cluster: lab\ncluster: lab"),
]


@pytest.mark.parametrize("name, right, wrong", WRONG, ids=[w[0] for w in WRONG])
def test_reload_of_a_wrong_file_changes_nothing(lab, pair, name, right, wrong):
    first, _ = pair
    before = first.status()
    text = first.cluster_yaml.read_text()
    assert right in text
    first.cluster_yaml.write_text(text.replace(right, wrong))
    with Echo(lab, "hB") as echo:
        wait_steady(echo)
        done = first.command("reload", check=False)
        report = echo.report()
    assert done.returncode == 1 and report["lost"] == 0
    assert re.search(r"cluster\.yaml:\d+:\d+: error: ", done.stderr), done.stderr
    assert "^" in done.stderr
    after = first.status()
    assert after["epoch"] == before["epoch"] and after["vips"] == before["vips"]
    check = run(BUILD / "bin" / "hagated", "--node", first.node_yaml, "--check", check=False)
    assert check.returncode == 1 and "error: " in check.stderr


def test_reload_adds_and_removes_a_vip(lab, pair):
    first, _ = pair
    more = Settings()
    more.vips["lan"].append("10.1.0.77/24")
    for agent in pair:
        agent.write(more)
        agent.command("reload")
    assert who_answers(lab, "hB", "10.1.0.77") == {GATEWAYS["gw1"].mac("lan")}
    for agent in pair:
        agent.write(Settings())
        agent.command("reload")
    # Its worker takes the address off the NIC; until then the kernel answers for it.
    wait_for(lambda: who_answers(lab, "hB", "10.1.0.77") == set(), 5, "nobody to answer")
    assert first.is_active()


def test_maintenance_survives_a_restart(lab, pair):
    first, second = pair
    with Echo(lab, "hB") as echo:
        wait_steady(echo)
        first.command("maintenance", "on")
        wait_for(second.is_active, 5, "gw2 to take over")
        assert echo.report()["lost"] <= 1
    first.wait_role("maintenance")
    first.power_off()
    first.power_on()
    first.wait_role("maintenance")
    second.power_off()
    wait_for(lambda: not first.status()["peer"]["reachable"], 5, "gw1 to miss gw2")
    assert first.role() == "maintenance" and not first.status()["serving"]
    second.power_on()
    first.command("maintenance", "off")
    wait_for(lambda: len(lab.active()) == 1 and first.is_ready(), 10, "gw1 to be back")


def test_nic_removed_and_plugged_in_again(lab, pair):
    first, second = pair
    gateway = GATEWAYS["gw1"]
    with Echo(lab, "hB") as echo:
        wait_steady(echo)
        lab.topology.remove_nic(gateway, "wan")
        wait_for(second.is_active, 10, "gw2 to take over")
        echo.wait_flowing()
        assert echo.report()["gap_ms"] < 2000
    wait_for(lambda: next(p for p in first.status()["ports"] if p["name"] == "wan")["fault"], 5,
             "gw1 to name the fault")
    lab.topology.add_nic(gateway, "wan")
    lab.wire.attach_port(gateway, "wan")
    wait_for(lambda: all(p["xdp"] == "native" and p["peer_heard"]
                         for p in first.status()["ports"]) and first.role() == "standby",
             10, "gw1's wan to be back")
    second.command("handover")
    with Echo(lab, "hA") as echo:
        wait_steady(echo)
    assert first.is_active()


def test_control_socket_is_not_for_everybody(lab, pair):
    """uid 0 operates; the socket's group may read; others may not even connect."""
    first, _ = pair
    socket = first.run_dir / "hagate.sock"
    mode = socket.stat()
    assert stat.S_ISSOCK(mode.st_mode) and stat.S_IMODE(mode.st_mode) == 0o660
    lab.tmp.chmod(0o755)
    hagate = shutil.copy(BUILD / "bin" / "hagate", lab.tmp / "hagate")

    def as_user(gid, *args):
        return run(*in_ns(lab.ns("gw1"), "setpriv", "--reuid=65534", f"--regid={gid}",
                          "--clear-groups", hagate, "--run", first.run_dir, *args), check=False)
    assert as_user(mode.st_gid, "status").returncode == 0
    assert as_user(mode.st_gid, "handover").returncode == 1
    looked, ordered = as_user(65534, "status"), as_user(65534, "handover")
    assert looked.returncode in (1, 3) and "usermod -aG hagate" in looked.stderr
    # The group would not do.
    assert "use sudo" in ordered.stderr and "usermod" not in ordered.stderr
    assert first.is_active()


def test_bpftool_prints_the_names_of_fields(pair):
    first, _ = pair
    dump = run("bpftool", "map", "dump", "pinned", first.pin / "hg_state").stdout
    for field in ("epoch", "lease_until", "fence_epoch", "drain_until", "last_grant"):
        assert f'"{field}"' in dump


def test_detach_leaves_nothing(lab, pair):
    _, second = pair
    second.stop()
    assert any(second.pin.iterdir()), "the data path outlives the agent"
    program = BUILD / "bin" / "hagate-load"
    run(*in_ns(lab.ns("gw2"), program, "--pin", second.pin, "--force", "detach"))
    assert not second.pin.exists()
    for nic in NICS.values():
        link = json.loads(lab.run("gw2", "ip", "-json", "-details", "link", "show", nic).stdout)
        assert "xdp" not in link[0]
        assert not lab.run("gw2", "tc", "filter", "show", "dev", nic, "egress").stdout.strip()
    run(*in_ns(lab.ns("gw2"), program, "--pin", second.pin, "detach"))


def test_standby_keeps_quiet_and_reachable(lab, pair):
    """The standby's own address answers; for the VIPs it says nothing."""
    _, second = pair
    lab.wire.forget()
    lab.run("hB", "ping", "-c1", "-W2", GATEWAYS["gw2"].address("lan"))
    assert who_answers(lab, "hB", VIP4["lan"]) == {GATEWAYS["gw1"].mac("lan")}
    assert not [one for one in lab.wire.seen("gw2") if one.address in VIP4.values()]


def test_started_without_standard_descriptors(pair):
    """Else a socket would get number 2, and the log would be written into it."""
    agent = pair[1]
    agent.stop()
    agent._start("sh", "-c", f"exec '{BUILD}/bin/hagated' --node '{agent.node_yaml}' "
                             "<&- >&- 2>&-")
    wait_for(agent.is_ready, 10, "the standby")
    pid = agent.process.pid
    assert [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in range(3)] == ["/dev/null"] * 3
