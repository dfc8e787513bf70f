"""For flow tests: a demo of its own in a temporary folder on free ports, and results by name.

    #!/usr/bin/python3
    # timeout: 120
    import phiflow

    with phiflow.Flow() as f:               # PostgreSQL, phid, phi-gateway; alice, bob, mallory signed in
        @f.test("a SELECT answers at once")
        def _():
            f.equal(f.psql("alice", "SELECT count(*) FROM orders"), "10000")

Each test runs where it stands and prints "ok - name" or "not ok - name"; f.skip("name", "why") prints a skip. At the end all
that was started is stopped, and a sanitizer's finding in a daemon's log is a failure. PHI_BUILD names the build folder.
"""
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback

_HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(_HERE, "../../scripts/demo"), os.path.join(_HERE, "../../scripts/test")]

import demo as _demo  # noqa: E402
from place import PORTS, Place, Trouble  # noqa: E402
from results import FINDING  # noqa: E402

SKIP_EXIT = 77


class Failed(AssertionError):
    """What a test expected and did not get."""


class Skipped(Exception):
    """Raised in a test whose prerequisite is not there."""


class Flow:
    def __init__(self, cluster_only=False):
        self.cluster_only = cluster_only
        self.failed = 0

    def __enter__(self):
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the demo is stopped
        for _, name, _ in PORTS:
            os.environ.pop(name, None)  # a choice for the demo, not for us
        self.folder = tempfile.mkdtemp(prefix="phi-flow-")
        os.chmod(self.folder, 0o711)
        self.place = Place(os.path.join(self.folder, "s"), auto_ports=True)
        try:
            self.cluster, self.house = _demo.up(self.place, self.cluster_only, quiet=True)
        except BaseException as e:
            self.stop()
            if not isinstance(e, Trouble):
                raise
            print(f"not ok - the demo starts\n{e}")
            sys.exit(1)
        return self

    def __exit__(self, kind, value, trace):
        if kind and not issubclass(kind, SystemExit):
            traceback.print_exception(kind, value, trace)
            print("not ok - the script runs to its end")
            self.failed += 1
        self.stop()
        sys.exit(1 if self.failed else 0)

    def stop(self):
        _demo.down(self.place)
        for name in ("phid", "phi-gateway"):
            said = self.log(name)
            if FINDING.search(said):
                self.failed += 1
                print(f"not ok - no sanitizer finding in {name}\n{said[-6000:]}")
        if self.failed and os.environ.get("PHI_KEEP"):
            print(f"kept: {self.folder}")
        else:
            shutil.rmtree(self.folder, ignore_errors=True)

    # results

    def test(self, name):
        """A decorator that runs the function at once, under this name."""
        def run(function):
            try:
                function()
                print(f"ok - {name}", flush=True)
            except Skipped as e:
                print(f"skip - {name}: {e}", flush=True)
            except Exception as e:  # pylint: disable=broad-except
                self.failed += 1
                print(f"not ok - {name}", flush=True)
                if not isinstance(e, Failed):
                    traceback.print_exc(file=sys.stdout)
                else:
                    line = traceback.extract_tb(e.__traceback__)[1].lineno if e.__traceback__.tb_next else 0
                    print(f"  line {line}: {e}")
                for daemon in ("phid", "phi-gateway"):
                    print("".join(f"  {daemon}: {text}\n" for text in self.log(daemon).splitlines()[-20:]), end="")
                sys.stdout.flush()
            return function
        return run

    def skip(self, name, why):
        print(f"skip - {name}: {why}", flush=True)

    def equal(self, got, want):
        if got != want:
            raise Failed(f"got {got!r}, wanted {want!r}")

    def contains(self, text, part):
        if part not in text:
            raise Failed(f"{part!r} is not in {text!r}")

    def true(self, value, what="it does not hold"):
        if not value:
            raise Failed(what)

    def until(self, function, seconds=10, what="it did not come"):
        """Calls function until it answers something true, which is the answer. What is to come some time has three times as
        long, because the machine may be busy; what is promised within 5 s is looked at three times at least."""
        end = time.monotonic() + (seconds if seconds < 5 else 3 * seconds)
        tries = 0
        while time.monotonic() < end or tries < 3:
            tries += 1
            answer = function()
            if answer:
                return answer
            time.sleep(0.02)
        raise Failed(f"{what} within {seconds} s")

    # what a test uses

    def log(self, name):
        try:
            with open(self.place.path("log", name + ".log"), encoding="utf-8", errors="replace") as f:
                return f.read()
        except OSError:
            return ""

    def env(self, name):
        """The environment of a person: phi finds address and token, and is first on PATH."""
        return {**os.environ, **self.house.person_env(name)}

    def phi(self, name, *args, check=True):
        """`phi args` as that person; answers its standard output."""
        return self.house.phi(name, *args, check=check).stdout.strip() if check else self.house.phi(name, *args, check=False)

    def start(self, name, *cmd, **more):
        """A program of that person in the background, its output as text in pipes."""
        return subprocess.Popen(cmd, env=self.env(name), stdin=more.pop("stdin", subprocess.PIPE), stdout=subprocess.PIPE,
                                stderr=more.pop("stderr", subprocess.STDOUT), text=True, **more)

    def url(self, name):
        """A libpq address with a fresh short-lived credential of that person."""
        return self.phi(name, "connect", "shop", "--print", "url")

    def psql_cmd(self, name, *args):
        return ["psql", "-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", *args, self.url(name)]

    def psql(self, name, sql, check=True):
        """One psql through the gateway; answers its rows, or with check=False the finished process."""
        done = subprocess.run(self.psql_cmd(name, "-c", sql), env=self.env(name), stdin=subprocess.DEVNULL, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60, check=False)
        if not check:
            return done
        if done.returncode:
            raise Failed(f"psql: {done.stderr.strip()}")
        return done.stdout.strip()

    def psql_at_once(self, name, sql):
        """What psql says in a session that does not wait for people."""
        done = subprocess.run(["psql", "-X", "-A", "-t", "-q", "-c", sql, self.url(name) + "?options=-c%20phi.hold%3D0"], env=self.env(name),
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60, check=False)
        return done.stdout.strip()

    def direct(self, sql):
        """The target itself, past the gateway, as its superuser: what really is in the table."""
        return self.cluster.sql(sql, "shop").strip()
