# SPDX-License-Identifier: GPL-2.0-or-later
"""hagate-sync beside hagated: members, nodes that join, and the files they share."""
import json
import shutil

from agents import Settings
from procs import BUILD, in_ns, run, wait_for

PROGRAM = BUILD / "bin" / "hagate-sync"
# What a node finds on its disk and in its node.yaml when it comes beside a gateway.
STATES = ("empty", "other", "corrupt")
MODES = ("join", "member", "off")
# A large configuration.
BIG = "".join(f"    - accept in on lan proto tcp from 192.0.2.{i % 250 + 1} to any port {i + 1}\n"
              for i in range(800))


class Sync:
    """hagate-sync (or hagate-learn, as the node's state wants it) on one gateway."""

    def __init__(self, agent, shared=False):
        """`shared`: gives the node a file system of its own at lab.tmp/shared (replicated in
        the tests) and lab.tmp/local (not), as separate machines have; here they are
        agent.directory/shared and /local."""
        self.agent = agent
        self.has_shared = shared
        self.lab = agent.lab
        self.state = agent.directory / "state"
        self.log = agent.directory / "sync.log"
        self.process = None

    def init(self, check=True):
        """Makes the cluster with this node as its first member."""
        self.state.mkdir(exist_ok=True)
        return run(*self.line("--init"), check=check)

    def line(self, *args):
        """The command line, within the node's namespaces."""
        mounts = []
        if self.has_shared:
            text = ""
            for name in ("shared", "local"):
                own, seen = self.agent.directory / name, self.lab.tmp / name
                own.mkdir(exist_ok=True)
                seen.mkdir(exist_ok=True)
                text += f"mount --bind {own} {seen} && "
            mounts = ["unshare", "--mount", "--propagation", "private", "sh", "-c",
                      text + 'exec "$@"', "sh"]
        return in_ns(self.lab.ns(self.agent.name), *mounts, PROGRAM, "--node",
                     self.agent.node_yaml, *args)

    def start(self):
        self.process = self.lab.processes.start(self.line(), log=self.log)

    def kill(self):
        """With its children: none of them writes into the node's files any more."""
        self.lab.processes.kill(self.process)

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def log_text(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def status(self):
        """`sync` of `hagate status --json`."""
        return self.agent.status().get("sync") or {}

    def generation(self):
        return self.status().get("generation")

    def config(self, *args, check=True, timeout=60):
        return self.agent.command("config", *args, check=check, timeout=timeout)

    def wait_in_sync(self, timeout=20):
        wait_for(lambda: self.status().get("in_sync") and self.status()["state"] == "in-sync",
                 timeout, f"{self.agent.name} to be in sync\n{self.log_text()[-2000:]}")

    def wait_listening(self):
        wait_for(lambda: (self.agent.run_dir / "sync.sock").is_socket() and
                 self.config("status", check=False).returncode == 0, 10,
                 f"hagate-sync of {self.agent.name}")


def make_blank(agent):
    """mode: join, and nothing but node.yaml and the key."""
    agent.mode = "join"
    agent.cluster_yaml.unlink(missing_ok=True)
    shutil.rmtree(agent.directory / "state", ignore_errors=True)
    write_node(agent)


def write_node(agent, extra=""):
    """node.yaml alone, as Hagate.write() makes it."""
    ports = "\n".join(f'  {s}: {{ mac: "{mac}" }}' for s, mac in agent.macs.items())
    agent.node_yaml.write_text(
        f"node: {agent.name}\nkey: {agent.key}\nmode: {agent.mode}\nports:\n{ports}\n"
        f"cluster: {agent.cluster_yaml}\n"
        f"paths: {{ state: {agent.directory / 'state'}, run: {agent.run_dir}, "
        f"pin: {agent.pin} }}\n{extra}")


def put_state(second, kind, mode):
    """A fresh node with higher priority and a configuration of its own, or garbage."""
    other = Settings()
    other.vips = {"lan": ["10.1.0.99/24"], "wan": ["10.2.0.99/24"]}
    second.mode = mode
    second.write(other)
    text = second.cluster_yaml.read_text()
    second.cluster_yaml.write_text(
        text.replace("gw1: { id: 1, priority: 200", "gw1: { id: 1, priority: 10")
            .replace("gw2: { id: 2, priority: 100", "gw2: { id: 2, priority: 250"))
    state = second.directory / "state"
    shutil.rmtree(state, ignore_errors=True)
    if kind == "empty":
        if mode == "join":
            second.cluster_yaml.unlink()
        return
    state.mkdir()
    if kind == "corrupt":
        (state / "identity").write_text("hagate identity 1 garbage")
        (state / "history.git").mkdir()
        (state / "history.git" / "HEAD").write_text("\0\0\0")
        second.cluster_yaml.write_bytes(text.encode()[:200] if mode == "join" else
                                        second.cluster_yaml.read_bytes())


def ask(agent, **request):
    """One request to RUN/sync.sock, its answer."""
    import socket
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(60)
        sock.connect(str(agent.run_dir / "sync.sock"))
        sock.sendall(json.dumps(request).encode() + b"\n")
        data = b""
        while not data.endswith(b"\n"):
            piece = sock.recv(65536)
            if not piece:
                break
            data += piece
    return json.loads(data)


def shared_settings(lab, more=""):
    """cluster.yaml that replicates lab.tmp/shared/etc, checked by nginx where it says so."""
    return Settings(extra=f"replicate:\n  - path: {lab.tmp}/shared/etc\n{more}\n")


class Pair:
    """Both nodes as members with the same generation."""

    def __init__(self, lab, more=""):
        self.lab = lab
        self.first, self.second = lab.use_hagate(shared_settings(lab, more))
        self.syncs = [Sync(agent, shared=True) for agent in (self.first, self.second)]
        for sync in self.syncs:
            shutil.rmtree(sync.agent.directory / "shared", ignore_errors=True)
            sync.line()
        self.write("one", "1\n", 0)
        make_blank(self.second)

    def start(self):
        self.syncs[0].init()
        self.first.start()
        self.syncs[0].start()
        self.second.start()
        self.syncs[1].start()
        self.second.wait_role("standby", 30)
        self.wait_in_sync()

    def stop(self):
        for sync in self.syncs:
            sync.kill()
        self.lab.reset_gateways()

    def path(self, name, node):
        return self.syncs[node].agent.directory / "shared" / "etc" / name

    def write(self, name, text, node=0):
        path = self.path(name, node)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def read(self, name, node):
        path = self.path(name, node)
        return path.read_text() if path.exists() else None

    def wait_in_sync(self, generation=None, timeout=20):
        """On both nodes, in the same generation. What hagated says may be a moment old: who
        knows which generation it is to be waits for that."""
        for sync in self.syncs:
            sync.wait_in_sync(timeout)
        wait_for(lambda: len({generation, *self.generations()} - {None}) == 1 and
                 None not in self.generations(), timeout,
                 f"generation {generation or 'of one number'} on both; {self.generations()}")

    def generations(self):
        return [sync.generation() for sync in self.syncs]

    def applied(self, node):
        path = self.syncs[node].agent.directory / "local" / "applied"
        return path.read_text().split() if path.exists() else []
