# SPDX-License-Identifier: GPL-2.0-or-later
"""The units of packaging/ under a real systemd, on Debian's kernel, in their sandboxes."""
import re
import time

import pytest
from procs import wait_for
from topology import VIP4
from traffic import Echo

UNITS = ("hagated", "hagate-sync")
ALL_UNITS = (*UNITS, "hagate-witness")
KEPT = 1 << 12 | 1 << 13 | 1 << 38 | 1 << 39  # NET_ADMIN, NET_RAW, PERFMON, BPF
SYS_TIME, SYS_MODULE, SYSLOG, SYS_ADMIN = (1 << n for n in (25, 16, 34, 21))
# systemd-analyze security; more than this and a directive was lost.
EXPOSURE = {"hagated": 4.0, "hagate-sync": 8.3, "hagate-witness": 1.8}
DENIED = re.compile(r"permission denied|not permitted|EPERM|denied|read-only file system|"
                    r"not locked|no real-time|privileges are kept", re.I)
TOO_SLOW = re.compile(r"ended the connection|no answer in time|connection timed out", re.I)
CHECK = """#!/bin/sh
# What it sees is the new version, at its own path.
echo "$HAGATE_NODE $(cat /etc/app/conf)" >>/var/log/app.checked
grep -q good /etc/app/conf
"""
UNIT = """[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/cp /etc/app/conf /run/app.conf
"""
REPLICATE = """replicate:
  - { path: /etc/app, validate: app-check, apply: systemctl restart app }
  - { path: /etc/late.conf, validate: "grep -q late /etc/late.conf" }
"""


def flows(lab):
    """A host on the other hypervisor gets answers through the gateway."""
    with Echo(lab, "hB", rate=200) as echo:
        wait_for(lambda: echo.ask("state")["answered"] and
                 echo.ask("state")["last_answer_ms"] < 500, 60, "echo traffic", pause=0.1)


def commit(machine):
    """(exit status, text). A busy emulator may not shake hands within the five seconds that a
    stranger has: then it is typed again, as an operator would."""
    def verdict():
        done = machine.sh("hagate config commit -m 'by the test'", 120)
        return None if done[0] and TOO_SLOW.search(done[1]) else done
    return wait_for(verdict, 240, "the other node to answer", pause=1)


def restarts(machine, unit="hagated"):
    return int(machine.show(unit, "NRestarts"))


def started_us(machine, unit="hagated"):
    """The guest's time at which the unit was last ready."""
    return int(machine.show(unit, "ActiveEnterTimestampMonotonic"))


def uptime_us(machine):
    return int(float(machine.do("cut -d' ' -f1 /proc/uptime")) * 1e6)


def has_xdp(machine):
    return "xdp" in machine.do("ip link show")


def test_units_are_well_formed(machines, figure):
    first, _ = machines
    names = " ".join(f"{unit}.service" for unit in ALL_UNITS)
    assert first.do(f"systemd-analyze verify --man=no {names} 2>&1") == ""
    for unit, bound in EXPOSURE.items():
        text = first.do(f"systemd-analyze --no-pager security {unit}.service", 120)
        score = float(re.search(r"exposure level for \S+: ([\d.]+)", text).group(1))
        figure(f"systemd-analyze security {unit}: {score}")
        assert score <= bound


def test_the_readme_makes_a_pair(lab, pair):
    for machine in pair:
        for unit in UNITS:
            assert machine.is_up(unit) and restarts(machine, unit) == 0
        assert {p["xdp"] for p in machine.status()["ports"]} == {"native"}
        machine.do("test -e /sys/fs/bpf/hagate/hg_state")  # the host's bpffs, not the unit's
    assert "this node is a member now" in pair[1].journal("hagate-sync")
    assert pair[0].do("cat /etc/hagate/cluster.yaml") == pair[1].do("cat /etc/hagate/cluster.yaml")
    flows(lab)


def test_sandbox_of_the_running_processes(pair):
    for machine in pair:
        pid = machine.pid("hagated")
        agent = machine.proc_status(pid)
        for name in ("CapEff", "CapPrm", "CapBnd"):
            assert int(agent[name], 16) == KEPT, name
        assert agent["Seccomp"] == "2" and agent["NoNewPrivs"] == "1"
        assert int(agent["VmLck"].split()[0]) > 1000
        assert re.search(r"SCHED_FIFO.*priority: 60", machine.do(f"chrt -p {pid}"), re.S)
        assert machine.do(f"cat /proc/{pid}/oom_score_adj").strip() == "-900"
        sync = machine.proc_status(machine.pid("hagate-sync"))
        caps = int(sync["CapEff"], 16)
        assert caps & SYS_ADMIN and not caps & (SYS_TIME | SYS_MODULE | SYSLOG)
        assert sync["Seccomp"] == "2" and sync["NoNewPrivs"] == "1"


def test_group_hagate(pair):
    """The group of the control socket needs CAP_CHOWN, which the agent gives up later."""
    _, second = pair
    second.do("groupadd --system hagate; systemctl restart hagated")
    member = "setpriv --reuid nobody --regid nogroup --groups hagate"
    second.do(f"{member} hagate status")
    assert second.sh(f"{member} hagate handover")[0] == 1
    assert second.sh("setpriv --reuid nobody --regid nogroup --clear-groups hagate status")[0] == 3


def test_replicated_files(pair):
    """Validated in a mount namespace of their own, applied by a command that needs systemd."""
    first, second = pair
    for machine in pair:
        machine.do("mkdir -p /etc/app")
        machine.put("/usr/local/bin/app-check", CHECK, "755")
        machine.put("/etc/systemd/system/app.service", UNIT)
        machine.do("systemctl daemon-reload")
    first.put("/etc/app/conf", "good 1\n")
    first.put("/etc/late.conf", "late\n")
    first.do(f"printf '%s' '{REPLICATE}' >>/etc/hagate/cluster.yaml")
    status, text = commit(first)
    assert status == 0, text
    for machine in pair:
        wait_for(lambda m=machine: m.sh("cat /run/app.conf") == (0, "good 1\n"), 60,
                 f"the application of {machine.name} to have it", pause=0.5)
        assert f"{machine.name} good 1\n" in machine.do("cat /var/log/app.checked")
    assert second.do("cat /etc/late.conf") == "late\n"  # was not there before
    second.put("/etc/app/conf", "bad\n")
    status, text = commit(second)
    assert status == 1 and "app-check" in text
    assert first.do("cat /etc/app/conf") == first.do("cat /run/app.conf") == "good 1\n"
    second.do("cp /run/app.conf /etc/app/conf")
    wait_for(lambda: first.is_in_sync() and second.is_in_sync(), 60, "both in sync", pause=0.5)


@pytest.mark.parametrize("how", ("kill", "restart"))
def test_agent_comes_back(lab, pair, figure, how):
    first, second = pair
    epoch, pid, count = first.epoch(), first.pid("hagated"), restarts(first)
    before = uptime_us(first)
    first.do(f"kill -9 {pid}" if how == "kill" else "systemctl restart hagated")
    wait_for(lambda: first.is_up("hagated") and started_us(first) > before, 60,
             "hagated to be started again", pause=0.3)
    figure(f"hagated, {how}: ready again after {(started_us(first) - before) / 1e6:.1f} s of the "
           "emulated machine")
    assert first.pid("hagated") != pid
    assert restarts(first) == (count + 1 if how == "kill" else 0)
    wait_for(first.is_active, 60, "gw1 to hold its role", pause=0.3)
    assert first.epoch() == epoch and second.role() == "standby"
    flows(lab)


def test_hagate_sync_comes_back(pair):
    for machine in pair:
        pid = machine.pid("hagate-sync")
        machine.do(f"kill -9 {pid}")
        wait_for(lambda m=machine, p=pid: m.is_up("hagate-sync") and m.pid("hagate-sync") != p,
                 60, "hagate-sync to be started again", pause=0.3)
        machine.do("hagate config status")


def test_stop_of_one_unit_leaves_the_other(pair):
    """They share /run/hagate."""
    _, second = pair
    second.do("systemctl stop hagated")
    second.do("hagate config status")
    second.do("systemctl start hagated; systemctl stop hagate-sync")
    second.do("hagate status")
    second.do("systemctl start hagate-sync; hagate config status; hagate status")


def test_reload(pair):
    first, _ = pair
    epoch = first.epoch()
    first.do("cp /etc/hagate/cluster.yaml /root/good; "
             "sed -i 's/lease: 1s/lease: 1parsec/' /etc/hagate/cluster.yaml")
    assert first.sh("systemctl reload hagated")[0] == 1
    text = first.journal("hagated")
    assert re.search(r"cluster\.yaml:\d+:\d+: error: 'lease' must be a duration", text)
    assert first.is_active() and first.epoch() == epoch
    first.do("cp /root/good /etc/hagate/cluster.yaml; systemctl reload hagated")
    assert first.is_active() and first.epoch() == epoch


def test_stop_ends_in_a_takeover_and_start_in_a_standby(lab, pair):
    first, second = pair
    first.do("systemctl stop hagated")
    assert first.show("hagated", "ActiveState", "Result") == {"ActiveState": "inactive",
                                                               "Result": "success"}
    assert has_xdp(first)  # as the manual says
    wait_for(second.is_active, 60, "gw2 to take over after agent_grace", pause=0.5)
    flows(lab)
    first.do("systemctl start hagated")
    wait_for(first.is_ready, 60, "gw1 to be ready", pause=0.5)
    assert first.role() == "standby" and second.is_active()


def test_reboot(lab, pair, figure):
    first, second = pair
    first.reboot()
    wait_for(second.is_active, 60, "gw2 to serve", pause=0.5)
    wait_for(lambda: all(first.is_up(unit) for unit in UNITS), 120, "the units", pause=1)
    figure(f"hagated ready {started_us(first) / 1e6:.1f} s after a boot of the emulated machine")
    wait_for(lambda: first.is_ready() and first.is_in_sync(), 60, "gw1 to be back", pause=0.5)
    assert first.role() == "standby" and second.is_active()
    assert all(restarts(first, unit) == 0 for unit in UNITS)
    second.command("handover")
    wait_for(first.is_active, 60, "gw1 to have its role again", pause=0.5)
    flows(lab)


def test_power_off(lab, pair):
    first, second = pair
    first.power_off()
    wait_for(second.is_active, 60, "gw2 to take over", pause=0.5)
    flows(lab)
    first.power_on()
    wait_for(lambda: first.is_ready() and first.is_in_sync(), 180, "gw1 to be back", pause=1)
    assert first.role() == "standby" and second.is_active()


def test_nothing_was_denied(pair):
    """What the sandboxes refuse shows in the journal, over all boots so far."""
    for machine in pair:
        lines = machine.journal(*UNITS, options="").splitlines()
        assert len(lines) > 20
        assert [line for line in lines if DENIED.search(line)] == []
        assert "start operation timed out" not in "\n".join(lines)


def is_granted(machine):
    text = machine.journal("hagate-witness")
    return "granted epoch" in text or "renews for node" in text


def test_witness(lab, pair, figure):
    """On gw2, which is no gateway any more; gw1 asks it since its peer is gone."""
    first, second = pair
    second.do("systemctl disable --now hagated hagate-sync; hagate-load detach")
    assert not has_xdp(second)
    address = f"{VIP4['wan'].rpartition('.')[0]}.50"
    nic = next(p["ifname"] for p in first.status()["ports"] if p["name"] == "wan")
    second.do(f"ip address add {address}/24 dev {nic}; install -d -m 700 /etc/hagate/witness.d")
    second.put("/etc/hagate/witness.d/home.key", lab.key, "600")
    second.do("systemctl enable --now hagate-witness", 60)
    pid = second.pid("hagate-witness")
    process = second.proc_status(pid)
    assert int(process["CapBnd"], 16) == int(process["CapEff"], 16) == 0
    assert process["Uid"].split()[0] != "0" and process["Seccomp"] == "2"
    assert int(process["VmLck"].split()[0]) > 1000
    assert "SCHED_RR" in second.do(f"chrt -p {pid}")
    text = second.journal("hagate-witness")
    assert "1 cluster," in text and "cluster home:" in text and not DENIED.search(text)
    first.do(f"echo 'witness: {address}' >>/etc/hagate/cluster.yaml; systemctl reload hagated")
    wait_for(lambda: is_granted(second), 60, "the witness to grant", pause=0.5)
    wait_for(first.is_active, 60, "gw1 to serve", pause=0.5)
    figure(f"round trip to the witness: {first.status()['witness']['rtt_us'] / 1000:.1f} ms")
    second.do(f"kill -9 {pid}")
    wait_for(lambda: second.is_up("hagate-witness") and second.pid("hagate-witness") != pid, 30,
             "the witness to be started again", pause=0.3)
    text = second.journal("hagate-witness").rpartition("hagate-witness.service: Scheduled")[2]
    remembered = re.search(r"cluster home: epoch 0x([0-9a-f]{16}) was the last one", text)
    assert int(remembered.group(1), 16) > 0
    wait_for(lambda: (first.status().get("witness") or {}).get("reachable"), 60,
             "gw1 to hear it again", pause=0.5)


def test_uninstall(installed):
    machine, _ = installed
    status, text = machine.sh("make -s -C /usr/src/hagate uninstall")
    assert status and "systemctl disable --now hagated" in text
    machine.do("systemctl disable --now hagated hagate-sync")
    status, text = machine.sh("make -s -C /usr/src/hagate uninstall")
    assert status and "hagate-load detach" in text
    machine.do("hagate-load detach; make -s -C /usr/src/hagate uninstall")
    assert not has_xdp(machine)
    for nic in ("eth0", "eth1", "eth2"):
        assert "clsact" not in machine.do(f"tc qdisc show dev {nic}")
    machine.do("! test -e /sys/fs/bpf/hagate && ! pgrep hagate")
    left = machine.do("find /usr/local /etc/systemd /run/systemd -name '*hagate*'")
    assert left == ""
    for unit in ALL_UNITS:
        assert machine.show(unit, "LoadState") == "not-found"
    machine.do("test -s /etc/hagate/cluster.key && test -s /var/lib/hagate/identity")
