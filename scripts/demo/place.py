"""Where a demo lives: its state folder, its ports, its programs."""
import json
import os
import re
import socket
import sys
import tempfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

# what listens: (key, environment variable, default)
PORTS = (
    ("people", "PHI_PORT", 8470),
    ("gateways", "PHI_API_PORT", 8471),
    ("gateway", "PHI_PG_PORT", 6432),
    ("cluster", "PHI_CLUSTER_PORT", 6433),
)
NAMES = {"people": "console and API", "gateways": "API for gateways", "gateway": "PostgreSQL gateway", "cluster": "private PostgreSQL"}
OWNERS = {"people": "phid", "gateways": "phid", "gateway": "phi-gateway"}
SOCKET_PATH_MAX = 107  # sun_path less its NUL


class Trouble(Exception):
    """What a person can act on; shown without a traceback."""


def default_state():
    if os.environ.get("PHI_DEMO_STATE"):
        return os.environ["PHI_DEMO_STATE"]
    if os.geteuid() == 0:
        return "/var/lib/phi-demo"
    return os.path.join(os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state"), "phi-demo")


def port_trouble(port):
    """Why nobody can listen there, or "": the one sentence that a person needs."""
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind(("127.0.0.1", port))
        except PermissionError:
            return "is not open to you"
        except OSError:
            return "is in use"
    return ""


def port_free(port):
    return not port_trouble(port)


def free_ports(n):
    held = [socket.socket() for _ in range(n)]
    try:
        for s in held:
            s.bind(("127.0.0.1", 0))
        return [s.getsockname()[1] for s in held]
    finally:
        for s in held:
            s.close()


class Place:
    def __init__(self, state=None, build=None, auto_ports=False):
        self.state = os.path.abspath(state or default_state())
        self.build = os.path.join(TOP, build or os.environ.get("PHI_BUILD") or "build/release")
        self.auto_ports = auto_ports
        self.ports = {}

    def path(self, *parts):
        return os.path.join(self.state, *parts)

    def make(self):
        """0711 on the way to the cluster, which another user runs when we are root; the rest is ours alone."""
        try:
            os.makedirs(self.state, mode=0o755, exist_ok=True)
            os.chmod(self.state, 0o711)
        except OSError as e:
            raise Trouble(f"the demo cannot live in {self.state}: {e.strerror}; choose another folder: PHI_DEMO_STATE=DIR ./dev up") from e
        for name in ("log", "run", "people", "phid", "gateway"):
            os.makedirs(self.path(name), mode=0o700, exist_ok=True)
        self.load_ports()

    def load_ports(self):
        """The environment's choice, else what this state folder used before, else the defaults."""
        saved = {}
        if os.path.exists(self.path("ports.json")):
            with open(self.path("ports.json"), encoding="utf-8") as f:
                saved = json.load(f)
        fresh = iter(free_ports(len(PORTS)) if self.auto_ports else ())
        taken = {}
        for key, env, default in PORTS:
            text = os.environ.get(env) if not self.auto_ports else None
            if text and not (re.fullmatch(r"[1-9][0-9]{0,4}", text) and int(text) < 65536):
                raise Trouble(f"{env}={text} is no port: a number from 1 to 65535 is")
            self.ports[key] = port = int(text) if text else saved.get(key) or next(fresh, default)
            if port in taken:
                raise Trouble(f"port {port} cannot be both {NAMES[taken[port]]} and {NAMES[key]}; choose another: {env}={free_ports(1)[0]} ./dev up")
            taken[port] = key

    def save_ports(self, *keys):
        """Those that serve now, for the next start; without keys all."""
        saved = {}
        if keys and os.path.exists(self.path("ports.json")):
            with open(self.path("ports.json"), encoding="utf-8") as f:
                saved = json.load(f)
        with open(self.path("ports.json"), "w", encoding="utf-8") as f:
            json.dump({**saved, **{k: self.ports[k] for k in keys or self.ports}}, f)

    def want_port(self, key):
        """Fails with the way out when somebody else listens there. One of ours that was killed a moment ago still closes: a thread of it may
        outlive its first."""
        patience = time.monotonic() + 5
        while port_trouble(self.ports[key]) == "is in use" and time.monotonic() < patience:
            time.sleep(0.05)
        why = port_trouble(self.ports[key])
        if why:
            ours = {k for k, program in OWNERS.items() if os.path.exists(self.path("run", program + ".json"))}
            envs = [env for k, env, _ in PORTS if k == key or (k not in ours and k != "cluster" and port_trouble(self.ports[k]))]
            raise Trouble(f"port {self.ports[key]} ({NAMES[key]}) {why}; choose another: "
                          + " ".join(f"{env}={port}" for env, port in zip(envs, free_ports(len(envs)))) + " ./dev up")

    def program(self, name):
        """PHI_PHID, PHI_PHI_GATEWAY: another version's (./dev upgrade)."""
        path = os.environ.get("PHI_" + name.upper().replace("-", "_")) or os.path.join(self.build, "src/bin", name)
        if not os.access(path, os.X_OK):
            raise Trouble(f"{os.path.relpath(path, TOP)} is not built; ./dev up builds and starts the demo")
        return path

    def has_program(self, name):
        return os.access(os.path.join(self.build, "src/bin", name), os.X_OK)

    def socket_dir(self):
        """The cluster's socket beside its data, or under /tmp where that path would be too long."""
        beside = self.path("pg", "sock")
        if len(f"{beside}/.s.PGSQL.{self.ports['cluster']}") <= SOCKET_PATH_MAX:
            return beside
        kept = self.path("run", "socket-dir")
        if not os.path.exists(kept):
            with open(kept, "w", encoding="utf-8") as f:
                f.write(tempfile.mkdtemp(prefix="phi-demo-"))
        with open(kept, encoding="utf-8") as f:
            return f.read()

    def url(self):
        return f"http://localhost:{self.ports['people']}"


def main_guard(main):
    """Runs main; what a person can act on is one line and exit code 1."""
    try:
        sys.exit(main())
    except (Trouble, OSError) as t:
        print(f"dev: {t}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
