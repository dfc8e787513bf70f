#!/usr/bin/python3
# timeout: 240
"""phi run: asks, waits, runs a command with what the grant gives, ends it when the grant ends, gives the grant back."""
import os
import re
import signal
import stat
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../lib")]

import phiflow  # noqa: E402
import attackkit as kit  # noqa: E402
from session import terminal  # noqa: E402

ASK = ("--target", "shop", "--scope", "pg:write", "shop/public.orders", "--for", "10m", "-m", "nightly")

with phiflow.Flow() as f:
    bob, alice = kit.person(f, "bob"), kit.person(f, "alice")

    def run(*args, **more):
        return f.start("alice", "phi", "run", *args, **more)

    def line(p, pattern, seconds=20):
        """The match of the next line that has it."""
        seen, end = "", time.monotonic() + seconds
        while time.monotonic() < end:
            text = p.stdout.readline()
            seen += text
            m = re.search(pattern, text)
            if m:
                return m
            if not text:
                break
        raise phiflow.Failed(f"no /{pattern}/ in {seen!r}")

    def approve(code, **more):
        r = bob.get(f"/v1/requests/{code}").json
        got = bob.post(f"/v1/requests/{code}/votes", {"decision": "approve", "digest": r["digest"], "version": r["version"], **more})
        f.equal(got.status, 200)
        return got.json["grant"]

    def status(code):
        return alice.get(f"/v1/requests/{code}").json["grant"]["status"]

    @f.test("an approved command gets the address, its exit code comes back, the grant is returned")
    def _():
        p = run(*ASK, "--", "sh", "-c", 'psql -X -Atc "UPDATE orders SET status = \'paid\' WHERE id = 301" && psql -X -Atc "SELECT status FROM orders WHERE id = 301" "$DATABASE_URL"; exit 7')
        code = line(p, r"phi: (\S+) waits for dba \(bob\)").group(1)
        approve(code)
        out = p.communicate(timeout=60)[0]
        f.true("UPDATE 1" in out and "paid" in out, out)
        f.equal(p.returncode, 7)
        f.equal(status(code), "returned")
        f.equal(f.direct("SELECT status FROM orders WHERE id = 301"), "paid")

    @f.test("denied is 3, a time-out for waiting is 5, no phid is 6, no command is 2, one that is not there 127")
    def _():
        p = run(*ASK, "--", "true")
        code = line(p, r"phi: (\S+) waits for").group(1)
        r = bob.get(f"/v1/requests/{code}").json
        bob.post(f"/v1/requests/{code}/votes", {"decision": "deny", "digest": r["digest"], "version": 1, "reason": "not tonight"})
        f.contains(p.communicate(timeout=30)[0], f"{code} is denied: not tonight")
        f.equal(p.returncode, 3)
        p = run(*ASK, "--timeout", "1s", "--", "true")
        f.contains(p.communicate(timeout=30)[0], "still waits for")
        f.equal(p.returncode, 5)
        f.equal(run(*ASK).wait(20), 2)
        f.equal(run("--target", "shop", "--", "/nowhere/to/be/found").wait(20), 127)
        gone = {**f.env("alice"), "PHI_URL": "http://localhost:1", "PHI_TOKEN": "x"}
        f.equal(subprocess.run(["phi", "run", *ASK, "--", "true"], env=gone, capture_output=True, timeout=60, check=False).returncode, 6)

    @f.test("the command ends when its grant is revoked, and again when it will not hear: exit code 4")
    def _():
        p = run(*ASK, "--", "sh", "-c", "trap '' TERM; echo begun; while :; do sleep 0.2; done")
        code = line(p, r"phi: (\S+) waits for").group(1)
        approve(code)
        line(p, "begun")
        began = time.monotonic()
        f.equal(bob.post(f"/v1/grants/{code}/revoke", {"why": "enough"}).status, 200)
        line(p, "was revoked; the command is told to end")
        f.equal(p.wait(40), 4)
        f.true(time.monotonic() - began > 5, "it was not given its time to end")
        p = run(*ASK, "--", "sleep", "60")
        code = line(p, r"phi: (\S+) waits for").group(1)
        approve(code, narrowing={"for_ms": 2000})
        line(p, "has run out; the command is told to end", 30)
        f.equal(p.wait(20), 4)

    @f.test("with --file the address is in a file of 0600 that goes away, and in no variable")
    def _():
        path = os.path.join(f.folder, "address")
        p = run("--target", "shop", "--file", path, "--", "sh", "-c", 'cat "$DATABASE_URL_FILE"; stat -c %a "$DATABASE_URL_FILE"; env; psql -X -Atc "SELECT 6*7" "$(cat "$DATABASE_URL_FILE")"')
        out = p.communicate(timeout=60)[0]
        f.equal(p.returncode, 0)
        secret = re.search(r"postgresql://[^:]+:([^@]+)@", out).group(1)
        f.true("\n600\n" in out and "\n42\n" in out, out)
        f.equal(out.count(secret), 1)
        f.true(not os.path.exists(path), "the file is still there")
        with open(path, "w", encoding="ascii") as file:
            file.write("mine")
        p = run("--target", "shop", "--file", path, "--", "true")
        f.contains(p.communicate(timeout=30)[0], "File exists")
        f.true(p.returncode == 1 and open(path, encoding="ascii").read() == "mine" and stat.S_ISREG(os.stat(path).st_mode))

    @f.test("SIGTERM reaches the command, and the grant is given back; while it waits the request stays")
    def _():
        p = run(*ASK, "--", "sh", "-c", "trap 'echo told; exit 9' TERM; echo begun; while :; do sleep 0.1; done")
        code = line(p, r"phi: (\S+) waits for").group(1)
        approve(code)
        line(p, "begun")
        p.send_signal(signal.SIGTERM)
        f.contains(p.communicate(timeout=30)[0], "told")
        f.equal(p.returncode, 9)
        f.equal(status(code), "returned")
        p = run(*ASK, "--", "true")
        code = line(p, r"phi: (\S+) waits for").group(1)
        p.send_signal(signal.SIGTERM)
        f.equal(p.wait(20), 5)
        f.equal(alice.get(f"/v1/requests/{code}").json["status"], "pending")

    @f.test("on a terminal the waiting is one line that is taken away")
    def _():
        master, slave = terminal()
        p = f.start("alice", "phi", "run", *ASK, "--timeout", "3s", "--", "true", stdin=slave, stderr=slave)
        os.close(slave)
        f.equal(p.wait(30), 5)
        said = os.read(master, 65536).decode()
        f.true("\r\033[K" in said and "waits for dba (bob), for " in said, said)
        os.close(master)
