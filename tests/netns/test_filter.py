# SPDX-License-Identifier: GPL-2.0-or-later
"""The filter as an operator has it: rules, blocklist, commands, and what must not happen
while they change."""
import json
import os
import random
import re
import socket
import time

import pytest
from agents import Settings
from bpfmap import Map, map_fd
from procs import BUILD, entered, in_ns, run, wait_for
from rulesets import ACCEPTED, Stray, filter_yaml, mixture
from scenarios import wait_steady
from topology import GATEWAYS
from traffic import ECHO_PORT, Echo


def settings(extra):
    """A long grace: an agent that is killed is back in time, also on a slow machine."""
    return Settings(timers={"agent_grace": "20s"}, extra=extra)


def put(agents, extra, command=True):
    """New files for these agents, and their reload."""
    for agent in agents:
        agent.write(settings(extra))
        if command:
            agent.command("filter", "reload")


def shown(agent):
    return json.loads(agent.command("filter", "show", "--json").stdout)


def rule_of(agent, text):
    return next(r for r in shown(agent)["rules"] if text in r["rule"])


def trace(agent, packet):
    return json.loads(agent.command("filter", "trace", packet, "--json").stdout)


def can_connect(lab, host, address, port, timeout=10):
    with entered(lab.ns(host)):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        client = socket.socket(family, socket.SOCK_STREAM)
    client.settimeout(timeout)
    try:
        client.connect((address, port))
        return True
    except TimeoutError:
        return False
    finally:
        client.close()


def listener(lab, node, port):
    with entered(lab.ns(node)):
        server = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind(("::", port))
    server.listen(16)
    return server


# Rules and counters


def test_rules_drop_and_count(lab, start):
    first, _ = start(settings(filter_yaml([*ACCEPTED, "drop proto udp to any port 9999",
                                                 "accept proto udp to any port 9998 count-only"])))
    with Echo(lab, "hB") as echo, Stray(lab, "hB") as stray:
        wait_steady(echo)
        wait_for(lambda: stray.sent > 50, 5, "packets")
        assert stray.received == 0
        assert rule_of(first, "there")["packets"] > 100
        sent = stray.sent
        wait_for(lambda: rule_of(first, "9999")["packets"] >= sent, 5, "each to be counted")
        wait_for(lambda: rule_of(first, "9999")["last_hit_ms"] < 1000, 5, "a hit just now")
        assert rule_of(first, "count-only")["packets"] == 0
    text = first.command("filter", "show").stdout
    assert "PACKETS" in text and "drop proto udp to any port 9999" in text


def test_counters_survive_a_reload_and_rules_change_at_once(lab, start):
    first, _ = start(settings(filter_yaml(ACCEPTED, "drop")))
    with Echo(lab, "hB") as echo, Stray(lab, "hB") as stray:
        wait_steady(echo)
        before = rule_of(first, "there")["packets"]
        generation = shown(first)["generation"]
        put([first], filter_yaml(["drop proto tcp to any port 1", *ACCEPTED], "accept"))
        wait_for(lambda: stray.received > 0, 5, "packets that the default drops no more")
        after = shown(first)
        assert after["generation"] == generation + 1 and after["in_force"]
        assert rule_of(first, "there")["packets"] > before > 0
        assert [r["number"] for r in after["rules"]] == [1, 2, 3]
        assert echo.report()["lost"] == 0


MISTAKES = [("drop from 10.1.0.300", "10.1.0.300"), ("dorp from any", "drop"),
            ("drop in on lann", "lan"), ("drop from @nowhere", "nowhere")]


@pytest.mark.parametrize("rule, hint", MISTAKES, ids=[m[0] for m in MISTAKES])
def test_a_mistake_changes_nothing(start, rule, hint):
    first, _ = start(settings(filter_yaml(["drop proto udp to any port 9999"])))
    before = shown(first)
    first.write(settings(filter_yaml(["accept", rule])))
    done = first.command("filter", "reload", check=False)
    assert done.returncode == 1 and hint in done.stderr
    assert re.search(r"cluster\.yaml:\d+:\d+: error: ", done.stderr) and "^" in done.stderr
    assert [r["rule"] for r in shown(first)["rules"]] == [r["rule"] for r in before["rules"]]
    assert shown(first)["generation"] == before["generation"]


def test_check_needs_no_agent(lab):
    good, bad = lab.tmp / "good.rules", lab.tmp / "bad.rules"
    good.write_text("# ssh from home only\naccept proto tcp from 10.1.0.0/24 to any port 22\n"
                    "drop proto tcp to any port 22\n")
    bad.write_text("accept proto tcp to any port 22\ndrop proto tcp to any port 99999\n")
    done = run(BUILD / "bin" / "hagate", "filter", "check", good, check=False)
    assert done.returncode == 0, done.stderr
    whole = lab.tmp / "cluster.yaml"
    whole.write_text(settings(filter_yaml(["drop in on wan proto tcp to vip port 23"])
                              ).cluster_yaml())
    done = run(BUILD / "bin" / "hagate", "filter", "check", whole, check=False)
    assert done.returncode == 0 and "no mistakes" in done.stdout, done.stderr
    done = run(BUILD / "bin" / "hagate", "filter", "check", bad, check=False)
    assert done.returncode == 1
    assert re.search(r"bad\.rules:2:\d+: error: ", done.stderr) and "^" in done.stderr


def test_what_is_shown_is_what_is_in_force(start):
    """An agent that dies between a change and its note of it: told, and mended by a reload."""
    first, _ = start(settings(filter_yaml(ACCEPTED)))
    note = first.run_dir / "filter.json"
    stored = json.loads(note.read_text())
    note.write_text(json.dumps(stored | {"generation": stored["generation"] + 1}))
    assert not shown(first)["in_force"]
    assert "hagate reload" in first.command("filter", "show").stdout
    done = first.command("filter", "trace", "to vip", check=False)
    assert done.returncode == 1 and "hagate reload" in done.stderr
    first.command("filter", "reload")
    assert shown(first)["in_force"] and trace(first, "to vip")["reason"] == "pass-vip"
    note.unlink()
    done = first.command("filter", "show", check=False)
    assert done.returncode == 1 and "filter.json" in done.stderr


# Nobody is locked out


def test_no_ruleset_locks_out(lab, start):
    """`drop` alone: ssh and heartbeats go on, all else ends; the operator is told."""
    first, second = start(settings(filter_yaml(ACCEPTED)))
    with Echo(lab, "hB") as echo, listener(lab, "gw1", 22), listener(lab, "gw1", 2222):
        wait_steady(echo)
        gateway = GATEWAYS["gw1"]
        assert can_connect(lab, "hB", gateway.address("lan"), 2222)
        first.write(settings(filter_yaml(["drop"], "drop")))
        done = first.command("filter", "reload")
        assert "failsafe" in done.stderr and "heartbeats" in done.stderr
        assert "failsafe" not in first.command("filter", "reload").stderr  # no news
        put([second], filter_yaml(["drop"], "drop"))
        epoch = first.epoch()
        echo.wait_silent()
        for host, address in (("hB", gateway.address("lan")), ("hA", gateway.address6("lan")),
                              ("srv", gateway.address("wan"))):
            assert can_connect(lab, host, address, 22), address
        assert not can_connect(lab, "hB", gateway.address("lan"), 2222, timeout=1)
        time.sleep(1)  # two leases: without heartbeats they would have ended
        assert first.epoch() == epoch and first.is_active() and second.is_ready()
        wait_for(lambda: all(p["peer_heard"] for p in first.status()["ports"]), 1, "heartbeats")
        for word in ("failsafe", "heartbeats"):
            assert any(word in warning for warning in first.status()["warnings"])
        assert "failsafe" in first.command("status").stdout
        put([first, second], filter_yaml(ACCEPTED))
        echo.wait_flowing()
    assert first.status()["warnings"] == []


# The blocklist


def test_block_and_unblock(lab, pair):
    first, _ = pair
    address = lab.host("hB").address
    with Echo(lab, "hB") as echo, Echo(lab, "hA") as other:
        wait_steady(echo)
        wait_steady(other)
        assert address in first.command("filter", "block", address).stdout
        echo.wait_silent()
        listed = json.loads(first.command("filter", "blocked", "--json").stdout)
        assert listed["total"] == 1
        entry = listed["blocked"][0]
        assert entry["address"] == address and entry["expires_s"] is None
        assert entry["source"] == "operator" and entry["packets"] > 0
        first.command("filter", "unblock", address)
        echo.wait_flowing(5)
        first.command("filter", "block", "10.1.0.12/31", "--source", "ids")
        echo.wait_silent()
        assert shown(first)["blocklist"]["prefixes"] == 1
        assert other.report()["lost"] == 0
        first.command("filter", "unblock", "10.1.0.12/31")
        echo.wait_flowing(5)
    assert "nothing is blocked" in first.command("filter", "blocked").stdout
    assert first.status()["filter"]["blocked"] == 0


def test_a_block_ends_to_the_second(lab, pair):
    first, _ = pair
    with Stray(lab, "hB", rate=1000) as stray:
        wait_for(lambda: stray.received > 100, 5, "packets")
        for seconds in (1, 2):
            before = time.monotonic()
            first.command("filter", "block", lab.host("hB").address, "--ttl", f"{seconds}s")
            after = time.monotonic()
            again = wait_for(lambda a=after: stray.passed_after(a), seconds + 2, "the block to end")
            # The agent removes once a minute what expired: that is not what ended it.
            assert before + seconds - 0.01 < again < after + seconds + 0.9


def test_expired_entries_go(lab, pair):
    """What expired is in force no more, and leaves the map at the latest with a new agent."""
    first, _ = pair
    path = lab.tmp / "blocked"
    path.write_text("\n".join([f"192.0.2.{n}" for n in range(1, 30)] + ["192.0.2.0/24"]))
    first.command("filter", "block", "198.51.100.7")
    first.command("filter", "block", "--file", path, "--ttl", "1")
    held = Map(first.pin / "hg_block4", "=4s", "=QQII")
    wait_for(lambda: [e["address"] for e in json.loads(
        first.command("filter", "blocked", "--json").stdout)["blocked"]] == ["198.51.100.7"], 5,
             "the rest to expire")
    assert len(list(held.items())) == 30, "expired ones are still in the map"
    first.kill()
    first.start()
    wait_for(lambda: len(list(held.items())) == 1, 10, "the map to be cleared")
    wait_for(lambda: first.status()["filter"]["blocked"] == 1, 5, "the counters to be right")
    held.close()
    assert "blocklist  1 address, 0 prefixes, 0 packets" in first.command("filter", "show").stdout
    path.write_text("192.0.2.1\n")
    said = first.command("filter", "block", "--file", path).stdout
    assert "1 address or prefix is blocked" in said, said
    path.write_text("nonsense\n")
    done = first.command("filter", "block", "--file", path, check=False)
    assert "1 line is wrong; nothing is blocked" in done.stderr, done.stderr


def test_a_list_of_addresses(lab, pair):
    """100,000 while traffic flows: nothing is lost, all are in force."""
    first, _ = pair
    addresses = [f"20.{n >> 16}.{n >> 8 & 255}.{n & 255}" for n in range(100000)]
    path = lab.tmp / "blocked"
    path.write_text("# a feed\n" + "\n".join(addresses) + "\n2001:db8:1::/48 # six\n\n")
    with Echo(lab, "hB") as echo:
        wait_steady(echo)
        begin = time.monotonic()
        first.command("filter", "block", "--file", path, "--source", "feed", "--ttl", "1h",
                      timeout=60)
        assert time.monotonic() - begin < 20
        assert echo.report()["lost"] == 0
    blocklist = shown(first)["blocklist"]
    assert (blocklist["ip4"], blocklist["prefixes"]) == (100000, 1)
    assert trace(first, f"in on wan from {random.choice(addresses)}")["reason"] == "filter-blocked"
    assert trace(first, "in on wan from 2001:db8:1:2::3")["reason"] == "filter-blocked"
    listed = json.loads(first.command("filter", "blocked", "--limit", "7", "--json").stdout)
    assert listed["total"] == 100001 and len(listed["blocked"]) == 7
    path.write_text("192.0.2.1\n192.0.2.2/24\nnonsense\n")
    done = first.command("filter", "block", "--file", path, check=False)
    assert done.returncode == 1 and "line 2" in done.stderr and "line 3" in done.stderr
    assert trace(first, "in on wan from 192.0.2.1")["reason"] != "filter-blocked"


def test_only_root_blocks(lab, pair):
    first, _ = pair
    mode = (first.run_dir / "hagate.sock").stat()
    lab.tmp.chmod(0o755)

    def as_member(*args):
        return run(*in_ns(lab.ns("gw1"), "setpriv", "--reuid=65534", f"--regid={mode.st_gid}",
                          "--clear-groups", BUILD / "bin" / "hagate", "--run", first.run_dir,
                          "filter", *args), check=False)
    for words in (("block", "192.0.2.1"), ("unblock", "192.0.2.1"), ("reload",)):
        done = as_member(*words)
        assert done.returncode == 1 and "root" in done.stderr, words
    for words in (("show",), ("blocked",), ("trace", "from", "192.0.2.1")):
        assert as_member(*words).returncode == 0, words


# Trace


def test_trace_names_the_rule(lab, start):
    first, _ = start(settings(filter_yaml(
        ["accept proto tcp to vip port 443 count-only", "drop in on wan proto tcp to vip port 23",
         "accept proto tcp to vip port 443 flags S/SA", "drop proto tcp to vip rate 1/m burst 1",
         "drop from fd00:2::/64", *ACCEPTED], "drop")))
    for packet, verdict, reason, decided in (
            ("in on wan proto tcp to vip port 23", "drop", "filter-rule", 2),
            ("in on lan proto tcp to vip port 443 flags S", "pass", "pass-vip", 3),
            ("in on wan proto udp from fd00:2::9", "drop", "filter-rule", 5),
            (f"in on lan proto udp from 10.1.0.11 to 10.2.0.100 port {ECHO_PORT}", "pass",
             "pass-transit", 6),
            ("in on lan proto icmp from 10.1.0.11 to 10.2.0.100", "drop", "filter-default", None),
            ("in on wan proto tcp from 10.2.0.9 to 10.2.0.2 port 22", "pass", "pass-failsafe",
             None)):
        found = trace(first, packet)
        assert (found["verdict"], found["reason"], found["decided_by"]) == \
            (verdict, reason, decided), (packet, found)
    assert [r["number"] for r in trace(first, "to vip port 443")["rules"]] == [1, 3]
    for expected in ("filter-default", "filter-rate"):  # the first is within the rate
        found = trace(first, "in on lan proto tcp to vip port 443 flags A")
        assert found["reason"] == expected and found["rules"][-1]["number"] == 4
    assert rule_of(first, "port 23")["packets"] == 0, "a trace does not count"
    done = first.command("filter", "trace", "proto", "tpc", check=False)
    assert done.returncode == 1 and "tcp" in done.stderr and "^" in done.stderr
    assert "decides" in first.command("filter", "trace", "to vip port 443").stdout


KINDS = [("proto udp", "proto udp"), ("proto tcp flags F/FSRPAUEW", "flags F"),
         ("proto icmp icmp-type echo-request", "proto icmp"),
         ("proto icmp icmp-type 3", "proto icmp icmp-type 3"),
         ("proto icmp6 icmp-type echo-reply", "proto icmp6 icmp-type echo-reply"),
         ("proto sctp from 192.0.2.9 port 7 to 192.0.2.8 port 9",
          "proto sctp from 192.0.2.9 port 7 to 192.0.2.8 port 9"),
         ("proto udplite to any port 6", "proto udplite to 198.51.100.3 port 6"),
         ("from 198.51.100.0/24 fragment", "from 198.51.100.9 fragment"),
         ("from 2001:db8:7::/48 fragment", "from 2001:db8:7::9 fragment"),
         ("proto tcp to 2001:db8::7 port 443", "proto tcp to 2001:db8::7 port 443"),
         ("vlan 77", "vlan 77"), ("in on ha to 10.7.0.1", "in on ha to 10.7.0.1"),
         ("proto gre", "proto gre"), ("from 192.0.2.77", "from 192.0.2.77")]


def test_trace_makes_packets_of_every_kind(start):
    """Each meets its own rule, and only that."""
    first, _ = start(settings(filter_yaml([f"drop {rule}" for rule, _ in KINDS])))
    for number, (rule, packet) in enumerate(KINDS, 1):
        found = trace(first, packet)
        assert (found["decided_by"], found["reason"]) == (number, "filter-rule"), (rule, found)
    assert trace(first, "proto tcp flags SA")["decided_by"] is None


def test_trace_is_exact_under_traffic(lab, start):
    first, _ = start(settings(filter_yaml(ACCEPTED, "drop")))
    with Echo(lab, "hB") as echo:
        wait_steady(echo)
        for _ in range(3):
            found = trace(first, "in on lan proto udp from 10.1.0.12 to 10.2.0.100 port 1")
            assert found["reason"] == "filter-default" and found["rules"] == []
        assert echo.report()["lost"] == 0


# Changes under traffic


def test_no_packet_is_judged_by_a_mixture(lab, start):
    count, swaps = 300, 12
    texts = [filter_yaml(mixture(count, which), "drop") for which in (0, 1)]
    first, second = start(settings(texts[0]))
    with Echo(lab, "hB") as echo, Stray(lab, "hB") as stray:
        wait_steady(echo)
        generation = shown(first)["generation"]
        counted = rule_of(first, "there")["packets"]
        echo.mark()
        for swap in range(1, swaps + 1):
            put([first], texts[swap % 2])
        report = echo.report()
        put([second], texts[0])
        after = shown(first)
        assert report["lost"] == 0 and report["sent"] > 500
        assert stray.received == 0 and stray.sent > 0
        assert after["generation"] == generation + swaps
        assert rule_of(first, "there")["packets"] >= counted + report["sent"]


@pytest.mark.parametrize("part", ["hg_f_rule", "hg_f_bits", "hg_f_trie", "hg_f_table"])
def test_a_mixture_would_show(lab, start, part):
    """What the test above looks for, made by hand: one map of the rules before."""
    texts = [filter_yaml(mixture(300, which), "drop") for which in (0, 1)]
    first, _ = start(settings(texts[0]))
    outer = Map(first.pin / part, "=I", "=I")
    with Echo(lab, "hB") as echo:
        wait_steady(echo)
        generation = shown(first)["generation"]
        right = outer.read((generation & 1,))[0]
        old = map_fd(right)  # goes on to live
        put([first], texts[1])
        wait_steady(echo)
        outer.write((generation + 1 & 1,), (old,))
        echo.wait_silent()
    os.close(old)
    outer.close()


def test_failover_during_a_swap(lab, start):
    """The node with the lease dies while both change their rules."""
    texts = [filter_yaml(mixture(200, which), "drop") for which in (0, 1)]
    first, second = start(settings(texts[0]))
    with Echo(lab, "hB") as echo, Stray(lab, "hB") as stray:
        wait_steady(echo)
        for agent in (first, second):
            agent.write(settings(texts[1]))
        swaps = [lab.processes.start(in_ns(lab.ns(a.name), BUILD / "bin" / "hagate", "--run",
                                           a.run_dir, "reload")) for a in (first, second)]
        time.sleep(0.05)  # any moment of the swap will do
        first.power_off()
        wait_for(second.is_active, 5, "gw2 to take over")
        echo.wait_flowing(5)
        for swap in swaps:
            swap.wait(60)
        wait_steady(echo)
        assert stray.received == 0 and stray.sent > 0
    now = shown(second)
    assert now["in_force"] and now["rules"][150]["rule"] == ACCEPTED[0]


def test_agent_killed_in_the_middle_of_a_swap(lab, start):
    """Either the old or the new rules, never none, whenever it dies."""
    texts = [filter_yaml(mixture(500, which), "drop") for which in (0, 1)]
    first, _ = start(settings(texts[0]))
    words = Map(first.pin / "hg_filter", "=I", "=8I")
    moments = random.Random(4)
    with Echo(lab, "hB") as echo, Stray(lab, "hB") as stray:
        wait_steady(echo)
        for kill in range(1, 7):
            before = words.read((0,))[0]
            first.write(settings(texts[kill % 2]))
            swap = lab.processes.start(in_ns(lab.ns("gw1"), BUILD / "bin" / "hagate", "--run",
                                             first.run_dir, "reload"))
            time.sleep(moments.uniform(0, 0.12))
            first.kill()
            swap.wait(60)
            assert words.read((0,))[0] in (before, before + 1)
            first.start()
            wait_for(lambda: first.is_active() and first.is_ready(), 5, "gw1 to go on")
            time.sleep(0.5)  # both ends of a new session are settled: not what is tested
            now = shown(first)
            place = 125 if kill % 2 == 0 else 375
            assert now["in_force"] and now["rules"][place]["rule"] == ACCEPTED[0]
        report = echo.report()
        assert report["lost"] == 0, report
        assert stray.received == 0 and stray.sent > 0
    words.close()


def test_rules_survive_a_restart_without_a_gap(lab, start):
    first, _ = start(settings(filter_yaml(ACCEPTED, "drop")))
    with Echo(lab, "hB") as echo, Stray(lab, "hB") as stray:
        wait_steady(echo)
        first.command("filter", "block", "192.0.2.1")
        before = rule_of(first, "there")["packets"]
        first.kill()
        first.start()
        wait_for(first.is_active, 5, "gw1 to go on")
        assert echo.report()["lost"] == 0 and stray.received == 0
        assert rule_of(first, "there")["packets"] > before
        assert first.status()["filter"]["blocked"] == 1
