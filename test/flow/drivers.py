#!/usr/bin/python3
# timeout: 400
"""Every client driver, in its own default transaction mode, through phi: allowed, held and approved, held and denied, held and
cancelled, refused inside a transaction, a prepared statement after its grant ended, a pipelined batch.

Each scenario is written once; the drivers speak the line protocol of drivers/README.md. A first argument names one driver."""
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
import phiflow  # noqa: E402

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "drivers")
JAR = "/usr/share/java/postgresql.jar"
DELETE = "DELETE FROM orders WHERE id = %s"


class Client:
    """One connection of a driver program."""

    def __init__(self, flow, cmd, hold=None):
        self.child = subprocess.Popen(cmd, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        self.ok("open", url=flow.url("alice"), **({"hold": hold} if hold else {}))

    def do(self, op, **args):
        self.child.stdin.write(json.dumps({"op": op, **args}) + "\n")
        line = self.child.stdout.readline()
        if not line:
            raise phiflow.Failed(f"the driver program ended at {op}")
        return json.loads(line)

    def ok(self, op, **args):
        answer = self.do(op, **args)
        if "error" in answer:
            raise phiflow.Failed(f"{op}: {answer['error']}")
        return answer

    def refused(self, code, op, **args):
        error = self.do(op, **args).get("error")
        if not error or error["code"] != code:
            raise phiflow.Failed(f"{op}: wanted {code}, got {error}")
        return error["message"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.child.stdin.close()
        try:
            self.child.wait(10)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()


class Approver:
    def __init__(self, flow):
        self.flow = flow

    def pending(self):
        return json.loads(self.flow.phi("bob", "inbox", "--json"))["requests"]

    def wait_one(self):
        return self.flow.until(self.pending, 10, "nothing is in bob's inbox")[0]

    def approve(self):
        r = self.wait_one()
        self.flow.phi("bob", "approve", r["code"], "--digest", r["digest"])
        return r

    def deny(self, why):
        self.flow.phi("bob", "deny", self.wait_one()["code"], "-m", why)

    def empty(self):
        self.flow.until(lambda: not self.pending(), 10, "bob's inbox does not empty")


def rows_of(flow, number):
    return flow.direct(f"SELECT count(*) FROM orders WHERE id = {number}")


def basics(f, name, open_client, bob, at):
    @f.test(f"{name}: a SELECT answers at once")
    def _():
        with open_client() as c:
            f.equal(c.ok("run", sql="SELECT count(*) FROM orders WHERE id < 0", params=[])["rows"], [["0"]])
            f.equal(c.ok("run", sql="SELECT id FROM orders WHERE id = %s", params=[at])["rows"], [[str(at)]])

    @f.test(f"{name}: a DELETE is held, approved and run")
    def _():
        with open_client() as c:
            c.ok("start", sql=DELETE, params=[at])
            bob.wait_one()
            f.equal(rows_of(f, at), "1")
            bob.approve()
            f.equal(c.ok("join")["count"], 1)
        f.equal(rows_of(f, at), "0")

    @f.test(f"{name}: a denied DELETE fails with 42501 and the reason")
    def _():
        with open_client() as c:
            c.ok("start", sql=DELETE, params=[at + 1])
            bob.deny("wrong ticket")
            f.contains(c.refused("42501", "join"), "wrong ticket")
            c.ok("run", sql="SELECT 1", params=[])
        f.equal(rows_of(f, at + 1), "1")

    @f.test(f"{name}: a cancelled wait cancels the request")
    def _():
        with open_client() as c:
            c.ok("start", sql=DELETE, params=[at + 1])
            bob.wait_one()
            c.ok("cancel")
            c.refused("57014", "join")
            bob.empty()
        f.equal(rows_of(f, at + 1), "1")


def deeper(f, name, open_client, bob, at):
    @f.test(f"{name}: inside a transaction it is refused, and the next statement fails until ROLLBACK")
    def _():
        with open_client() as c:
            c.ok("begin")
            c.ok("step", sql="SELECT id FROM orders WHERE id = %s", params=[at + 1])
            c.refused("42501", "step", sql=DELETE, params=[at + 1])
            c.refused("25P02", "step", sql="SELECT 1", params=[])
            c.ok("rollback")
            c.ok("run", sql="SELECT 1", params=[])
        bob.deny("not in the middle of a transaction")  # it was filed: approved, it would have run at the next try
        f.equal(rows_of(f, at + 1), "1")

    @f.test(f"{name}: a prepared statement needs a new approval once its grant is used")
    def _():
        with open_client(hold="0") as c:
            c.ok("prepare", sql=DELETE)
            for _ in range(2):
                message = c.refused("42501", "execute", params=[at + 1])
                code = re.search(r"[0-9A-HJKMNP-TV-Z]{3}-[0-9A-HJKMNP-TV-Z]{3}", message)
                f.true(code, f"no code in {message!r}")
            bob.approve()
            f.equal(c.ok("execute", params=[at + 1])["count"], 1)
            f.direct(f"INSERT INTO orders SELECT {at + 1}, customer_id, item, amount, status, created_at FROM orders WHERE id = {at + 2}")
            c.refused("42501", "execute", params=[at + 1])
            bob.deny("once was enough")
        f.equal(rows_of(f, at + 1), "1")

    @f.test(f"{name}: a pipelined batch of two is approved and runs as a whole")
    def _():
        with open_client() as c:
            answer = {}
            t = threading.Thread(target=lambda: answer.update(c.do("batch", list=[[DELETE, [at + 3]], [DELETE, [at + 4]]])), daemon=True)
            t.start()
            while t.is_alive():
                if bob.pending():
                    bob.approve()
                t.join(0.05)
            f.equal(answer.get("counts"), [1, 1])
        f.equal(rows_of(f, at + 3) + rows_of(f, at + 4), "00")


def drivers(folder):
    """(name, command, why it cannot run)"""
    python = "/usr/bin/python3"
    for name, module in (("psycopg", "psycopg"), ("asyncpg", "asyncpg")):
        there = subprocess.run([python, "-c", f"import {module}"], stderr=subprocess.DEVNULL, check=False).returncode == 0
        yield name, [python, os.path.join(HERE, name + "_driver.py")], "" if there else f"python3-{module} is not installed"
    there = os.path.isdir(os.path.join(HERE, "../../node/node_modules/pg"))
    yield "node-postgres", ["node", os.path.join(HERE, "pg_driver.cjs")], "" if there else "npm ci in test/node has not run"
    if not (shutil.which("javac") and os.path.exists(JAR)):
        yield "JDBC", [], "javac or libpostgresql-jdbc-java is not installed"
        return
    subprocess.run(["javac", "-nowarn", "-Xlint:-unchecked", "-d", folder, os.path.join(HERE, "JdbcDriver.java")], check=True, stderr=subprocess.DEVNULL)
    yield "JDBC", ["java", "-Xshare:auto", "-XX:TieredStopAtLevel=1", "-cp", f"{folder}:{JAR}", "JdbcDriver"], ""


def main():
    folder = tempfile.mkdtemp(prefix="phi-drivers-")
    try:
        with phiflow.Flow() as f:
            bob = Approver(f)
            for n, (name, cmd, why_not) in enumerate(drivers(folder)):
                if len(sys.argv) > 1 and sys.argv[1] != name:
                    continue
                if why_not:
                    f.skip(name, why_not)
                    continue

                def open_client(hold=None, cmd=cmd):
                    return Client(f, cmd, hold)
                basics(f, name, open_client, bob, 1000 + 100 * n)
                deeper(f, name, open_client, bob, 1000 + 100 * n)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


main()
