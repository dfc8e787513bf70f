#!/usr/bin/python3
# timeout: 240
"""The demo itself: up again, down and up, after a day, ports in use, tampering, the tour told."""
import io
import os
import socket
import subprocess
import sys
import time
from contextlib import redirect_stdout

import phiflow
import demo
import tamper
import tour
from place import Place, Trouble


def pids(f):
    return f.house.phid.pid(), f.house.gateway.pid()


def told(function, *args):
    out = io.StringIO()
    with redirect_stdout(out):
        function(*args)
    return out.getvalue()


with phiflow.Flow() as f:
    def up():
        f.cluster, f.house = demo.up(Place(f.place.state), quiet=True)

    @f.test("up again restarts nothing and takes less than 10 s")
    def _():
        before, t0 = pids(f), time.monotonic()
        up()
        f.true(time.monotonic() - t0 < 10)
        f.equal(pids(f), before)

    @f.test("what was asked and logged is still there after down and up")
    def _():
        f.phi("alice", "request", "pg:write", "shop/public.orders", "--for", "5m", "-m", "kept over a restart")
        f.contains(f.phi("bob", "inbox"), "alice")
        f.equal(sorted(demo.down(f.place)), ["PostgreSQL", "phi-gateway", "phid"])
        f.equal(demo.down(f.place), [])
        up()
        f.contains(f.phi("bob", "inbox"), "alice")
        f.equal(f.psql("alice", "SELECT count(*) FROM orders"), "10000")
        f.contains(f.phi("bob", "log", "verify"), "verified")

    @f.test("after a day, when every session is over, up signs everybody in again")
    def _():
        api = f.house.admin()
        for name in ("alice", "bob", "mallory"):
            f.phi(name, "logout")
        api.call("DELETE", "/v1/sessions/current")
        f.true(f.phi("bob", "inbox", check=False).returncode != 0, "bob is still signed in")
        up()
        f.phi("bob", "inbox")
        f.equal(f.psql("alice", "SELECT count(*) FROM orders"), "10000")
        f.contains(f.phi("bob", "log", "verify"), "verified")

    @f.test("a link by phid itself is refused while phid serves, and for nobody")
    def _():
        beside = subprocess.run([*f.house.phid.cmd, "link", "admin"], capture_output=True, text=True, check=False)
        f.equal((beside.returncode, beside.stdout), (1, ""))
        f.house.phid.stop()
        nobody = subprocess.run([*f.house.phid.cmd, "link", "nobody"], capture_output=True, text=True, check=False)
        f.equal((nobody.returncode, nobody.stdout), (1, ""))
        up()

    @f.test("a port in use is said, with how to choose another, which then serves")
    def _():
        f.house.phid.stop()
        f.house.gateway.stop()
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            os.environ["PHI_PG_PORT"] = str(taken.getsockname()[1])
            try:
                up()
                raise phiflow.Failed("it started on a port in use")
            except Trouble as t:
                f.contains(str(t), "is in use; choose another: PHI_PG_PORT=")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            os.environ["PHI_PG_PORT"] = str(free.getsockname()[1])
        up()
        f.contains(f.url("alice"), ":" + os.environ.pop("PHI_PG_PORT"))
        f.equal(f.psql("alice", "SELECT count(*) FROM orders"), "10000")

    @f.test("what cannot be a port, or a folder, is said in one sentence, and not kept for the next start")
    def _():
        f.house.phid.stop()
        saved = dict(f.house.place.ports)
        for port, said in (("99999", "is no port"), ("0", "is no port"), (str(saved["gateways"]), "cannot be both")):
            os.environ["PHI_PORT"] = port
            try:
                up()
                raise phiflow.Failed(f"it started on port {port}")
            except Trouble as t:
                f.contains(str(t), said)
        with socket.socket() as one, socket.socket() as two:
            for taken, env in ((one, "PHI_PORT"), (two, "PHI_PG_PORT")):
                taken.bind(("127.0.0.1", 0))
                taken.listen()
                os.environ[env] = str(taken.getsockname()[1])
            f.house.gateway.stop()
            try:
                up()
                raise phiflow.Failed("it started on a port in use")
            except Trouble as t:
                f.true("PHI_PORT=" in str(t) and "PHI_PG_PORT=" in str(t), f"it does not name both: {t}")
        del os.environ["PHI_PORT"], os.environ["PHI_PG_PORT"]
        up()
        f.equal(f.house.place.ports, saved)
        try:
            Place("/proc/phi-demo").make()
            raise phiflow.Failed("a demo lives in /proc")
        except Trouble as t:
            f.contains(str(t), "PHI_DEMO_STATE=DIR")

    @f.test("a phid that was killed is started again by up")
    def _():
        os.kill(f.house.phid.pid(), 9)
        f.until(lambda: f.house.phid.pid() is None or f.house.phid.gone(f.house.phid.pid(), 5))
        up()
        f.contains(f.phi("bob", "inbox"), "alice")

    @f.test("tampering: verify names the entry, and is content again when the byte is back")
    def _():
        said = told(tamper.walk, tamper.Tamper(f.house))
        f.contains(said, "FALSE: entry ")
        f.contains(f.phi("bob", "log", "verify"), "verified")

    @f.test("a tampering that was cut short is put right by up")
    def _():
        tamper.Tamper(f.house).change()
        f.true(f.phi("bob", "log", "verify", check=False).returncode != 0, "verify is content with a false log")
        up()
        f.contains(f.phi("bob", "log", "verify"), "verified")

    @f.test("the tour is told to its end without a terminal")
    def _():
        env = {**os.environ, "PHI_DEMO_STATE": f.place.state}
        done = subprocess.run([sys.executable, "-B", tour.__file__], env=env, stdin=subprocess.DEVNULL, text=True, check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=100)
        f.equal(done.returncode, 0)
        for part in ("DELETE 1", "Approved.", "Revoked.", "verified", "That was all"):
            f.contains(done.stdout, part)
